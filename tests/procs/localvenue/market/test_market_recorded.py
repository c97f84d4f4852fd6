"""Recorded traffic replayed: joined with its snapshot, never crossed, counted as the reference."""

import lzma
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from procs.localvenue.market.events import BookChanged, Ticked, Traded
from procs.localvenue.market.recorded import RecordedMarket
from shared.domain.instrument import Instrument
from shared.errors import ConfigError, MessageError, NotFoundError, RecordingError

START_MS = 1_750_000_000_000
BOOK = Path(__file__).resolve().parents[4].parent / "shared" / "data" / "book"


def instrument(symbol):
    tick, step = Decimal("0.01"), Decimal("0.00001")
    return Instrument(
        symbol=symbol,
        base=symbol[:3],
        quote="USDT",
        tick_size=tick,
        step_size=step,
        min_quantity=step,
        max_quantity=Decimal(9000),
        min_price=tick,
        max_price=Decimal(1_000_000),
        min_notional=Decimal(5),
        market_max_quantity=Decimal(100),
    )


def delta(first, last, bids=(), asks=(), symbol="BTCUSDT"):
    body = {"e": "depthUpdate", "s": symbol, "U": first, "u": last}
    return {"stream": "x", "data": body | {"b": list(bids), "a": list(asks)}}


def snapshot(last, bids, asks):
    return {"lastUpdateId": last, "bids": list(bids), "asks": list(asks)}


def trade(number, price, quantity="1"):
    body = {"e": "trade", "s": "BTCUSDT", "t": number, "p": price, "q": quantity, "m": True}
    return {"data": body}


def ticker(update_id, bid, ask):
    return {"data": {"u": update_id, "s": "BTCUSDT", "b": bid, "B": "1", "a": ask, "A": "2"}}


SHORT = [
    (1_000_000_000, delta(1, 5, [("99", "1")])),
    (1_100_000_000, ticker(6, "100", "101")),
    (1_150_000_000, trade(7, "100", "0.5")),
    (1_200_000_000, delta(6, 12, [("100", "3")], [("102", "0")])),
    (1_250_000_000, ticker(13, "100", "101")),
    (1_300_000_000, snapshot(10, [("100", "2"), ("98", "1")], [("101", "1"), ("102", "4")])),
    (1_400_000_000, delta(13, 14, [], [("103", "9")])),
    (61_400_000_000, trade(8, "101")),
]


def replay(lines, **more):
    return RecordedMarket({"BTCUSDT": iter(lines)}, (instrument("BTCUSDT"),), START_MS, **more)


class Follower:
    """A plain book that checks each event against what a client may expect."""

    def __init__(self):
        self.books = {}
        self.last_id = {}
        self.trades = self.ticks = self.crossed = self.deltas = 0
        self.at_ms = {}

    def follow(self, events):
        for event in events:
            clock = "trades" if isinstance(event, Traded) else "books"
            assert event.at_ms >= self.at_ms.get(clock, 0), "trades have their own time"
            self.at_ms[clock] = event.at_ms
            if isinstance(event, Traded):
                self.trades += 1
            elif isinstance(event, Ticked):
                self.ticks += 1
            else:
                self.apply(event)

    def apply(self, event):
        bids, asks = self.books.setdefault(event.symbol, ({}, {}))
        for side, levels in ((bids, event.bids), (asks, event.asks)):
            for price, quantity in levels:
                if quantity:
                    side[price] = quantity
                else:
                    side.pop(price, None)
        self.deltas += 1
        # Looking for the best of thousands of levels each time is slow; sampling finds a book that
        # was joined wrongly, because such a book stays crossed.
        if self.deltas % 25 == 1:
            self.crossed += max(bids) >= min(asks)


def test_the_snapshot_joins_the_deltas_that_came_before_it():
    market = replay(SHORT)
    events = market.advance(START_MS + 300)
    whole, traded, joined, tick = events
    assert (whole.first_id, whole.last_id) == (10, 10)
    assert whole.bids == ((Decimal(100), Decimal(2)), (Decimal(98), Decimal(1)))
    assert (joined.first_id, joined.last_id) == (6, 12)
    assert isinstance(traded, Traded)
    assert (isinstance(tick, Ticked), tick.update_id) == (True, 13)
    assert {event.at_ms for event in events} == {START_MS + 300}
    book = market.books["BTCUSDT"]
    assert (book.applied, book.stale, book.gaps, book.waiting) == (1, 1, 0, 0)


def test_events_come_at_their_time_and_the_recording_ends():
    market = replay(SHORT)
    assert market.advance(START_MS + 299) == []
    market.advance(START_MS + 300)
    assert [event.at_ms for event in market.advance(START_MS + 400)] == [START_MS + 400]
    assert not market.ended()
    assert [event.trade_id for event in market.advance(START_MS + 60_400)] == [8]
    assert market.ended()
    assert market.advance(START_MS + 99_999) == []


def test_a_recorder_whose_clock_stepped_back_does_not_turn_time_back():
    lines = [SHORT[5], (1_800_000_000, delta(11, 12, [("97", "1")]))]
    lines += [(1_500_000_000, delta(13, 14, [("96", "1")])), (1_900_000_000, trade(7, "100"))]
    events = replay(lines).advance(START_MS + 10_000)
    assert [event.at_ms - START_MS for event in events] == [0, 500, 500, 600]


def test_speed_divides_the_distances():
    market = replay(SHORT, speed=2.0)
    assert market.advance(START_MS + 149) == []
    assert market.advance(START_MS + 150)[0].at_ms == START_MS + 150


def test_a_trade_keeps_its_distance_to_its_event_time():
    def late(number, sent_ms, traded_ms):
        body = trade(number, "100")["data"]
        return {"data": body | {"E": sent_ms, "T": traded_ms}}

    lines = [
        SHORT[5],
        (1_500_000_000, late(1, 9_100, 9_070)),
        (1_510_000_000, late(2, 9_110, 9_000)),
    ]
    first, second = replay(lines).advance(START_MS + 1_000)[1:]
    assert (first.at_ms - START_MS, second.at_ms - START_MS) == (170, 170)
    first, second = replay(lines, speed=2.0).advance(START_MS + 1_000)[1:]
    assert (first.at_ms - START_MS, second.at_ms - START_MS) == (85, 85)


def test_a_trade_and_its_aggregate_are_one_trade():
    aggregate = {"data": trade(7, "100")["data"] | {"e": "aggTrade", "a": 3}}
    lines = [SHORT[5], (1_500_000_000, trade(7, "100")), (1_500_000_001, aggregate)]
    assert len(replay(lines).advance(START_MS + 1_000)) == 2


def test_events_carry_the_line_they_were_read_from():
    events = replay(SHORT).advance(START_MS + 90_000)
    lines = [
        (type(event).__name__, event.line) for event in events if not isinstance(event, Ticked)
    ]
    assert lines == [
        ("BookChanged", 6),
        ("Traded", 3),
        ("BookChanged", 4),
        ("BookChanged", 7),
        ("Traded", 8),
    ]


def test_lines_are_counted_for_each_symbol():
    other = [
        (at + 1, delta(one, one, [("9", "1")], symbol="ETHUSDT")) for at, one in ((1, 11), (2, 12))
    ]
    market = RecordedMarket(
        {"BTCUSDT": iter(SHORT), "ETHUSDT": iter([(0, snapshot(10, [("8", "1")], [])), *other])},
        (instrument("BTCUSDT"), instrument("ETHUSDT")),
        START_MS,
    )
    events = market.advance(START_MS + 90_000)
    assert [one.line for one in events if one.symbol == "ETHUSDT"] == [1, 2, 3]


def test_lines_are_read_only_as_time_passes():
    read = []

    def lines():
        for line in SHORT:
            read.append(line)
            yield line

    RecordedMarket(lines(), (instrument("BTCUSDT"),), START_MS).advance(START_MS + 100)
    assert len(read) == 3


def test_candles_hold_what_was_recorded_and_nothing_before():
    market = replay(SHORT)
    assert market.candles("BTCUSDT", 60_000, 10, START_MS) == []
    market.advance(START_MS + 60_400)
    bars = market.candles("BTCUSDT", 60_000, 10, START_MS + 130_000)
    assert [(bar.open, bar.close, bar.volume) for bar in bars] == [
        (Decimal(100), Decimal(100), Decimal("0.5")),
        (Decimal(101), Decimal(101), Decimal(1)),
        (Decimal(101), Decimal(101), Decimal(0)),
    ]
    assert market.day_volume("BTCUSDT", START_MS + 130_000) == Decimal(151)


def test_a_gap_is_counted_and_a_newer_snapshot_mends_the_book():
    lines = [
        (0, snapshot(10, [("100", "2"), ("98", "1")], [("101", "1")])),
        (1, delta(11, 12)),
        (2, delta(20, 21, [("97", "5")])),
        (3, snapshot(30, [("100", "7"), ("99", "1"), ("98", "1")], [("101", "1")])),
        (4, delta(28, 33, [("99", "0")])),
    ]
    market = replay(lines)
    events = market.advance(START_MS)
    book = market.books["BTCUSDT"]
    assert (book.applied, book.gaps) == (3, 1)
    assert events[3].bids == ((Decimal(100), Decimal(7)), (Decimal(99), Decimal(1)))
    assert (events[3].first_id, events[3].last_id) == (22, 30)
    (whole,) = book.whole(0)
    assert [price for price, _ in whole.bids] == [Decimal(100), Decimal(98), Decimal(97)]


def test_a_saved_replay_goes_on_from_its_line():
    market = replay(SHORT)
    market.advance(START_MS + 300)
    state = market.save()
    later_ms = START_MS + 10_000_000
    resumed = replay(SHORT)
    resumed.load(state)
    (whole,) = resumed.advance(later_ms)
    assert whole.last_id == 12
    assert whole.bids[0] == (Decimal(100), Decimal(3))
    assert whole.asks == ((Decimal(101), Decimal(1)),)
    assert [event.at_ms for event in resumed.advance(later_ms + 100)] == [later_ms + 100]
    assert len(resumed.advance(later_ms + 60_100)) == 1
    assert resumed.ended()


def test_a_saved_replay_of_another_recording_is_refused():
    market = replay(SHORT)
    market.advance(START_MS + 300)
    with pytest.raises(MessageError, match="not of this recording"):
        replay(SHORT[1:]).load(market.save())
    with pytest.raises(MessageError, match="has begun"):
        market.load(market.save())


@pytest.mark.parametrize(
    ("frame", "named"),
    [
        (b"{not json", "line 1"),
        ({"data": {"e": "trade", "s": "BTCUSDT", "t": 1, "p": "NaN", "q": "1", "m": True}}, "NaN"),
        ({"data": {"e": "trade", "s": "DOGEUSDT"}}, "DOGEUSDT"),
        ({"data": {"e": "depthUpdate", "s": "BTCUSDT"}, "x": 1}, "no depth snapshot"),
        (snapshot(1, [("-5", "1")], []), "-5"),
        ([1, 2], "not a Binance message"),
    ],
)
def test_a_broken_line_is_named(frame, named):
    with pytest.raises(RecordingError, match=named):
        replay([(0, frame)]).advance(START_MS)


def test_wrong_arguments_are_refused():
    with pytest.raises(ConfigError, match="speed"):
        replay(SHORT, speed=0.0)
    with pytest.raises(ConfigError, match="ETHUSDT"):
        RecordedMarket({"ETHUSDT": SHORT}, (instrument("BTCUSDT"),), START_MS)
    with pytest.raises(NotFoundError, match="DOGEUSDT"):
        replay(SHORT).candles("DOGEUSDT", 60_000, 1, START_MS)


def raw_lines(*names):
    for name in names:
        path = BOOK / f"{name}.jsonl.xz"
        if not path.is_file():
            pytest.skip(f"the recordings are not there: {path}")
        with lzma.open(path, "rb") as file:
            for line in file:
                received, _, frame = line.partition(b" ")
                yield int(received), frame


REFERENCE = {
    "binance_spot-btcusdt": (["20240808", "20240809"], "BTCUSDT", 6493, 2, 19904, 1971, 2962),
    "binance_spot-ethusdt": (["20240808", "20240809"], "ETHUSDT", 6468, 2, 14515, 1744, 1665),
    "binance_usdm-btcusdt": (["20240808"], "BTCUSDT", 6547, 4, 21313, 5018, 4578),
}


@pytest.mark.parametrize("name", REFERENCE)
def test_the_recordings_give_the_reference_counts(name):
    days, symbol, applied, stale, trades, bids, asks = REFERENCE[name]
    lines = raw_lines(*(f"{name}_{day}" for day in days))
    market = RecordedMarket({symbol: lines}, (instrument(symbol),), START_MS)
    follower, now_ms = Follower(), START_MS
    while not market.ended():
        now_ms += 1_000
        follower.follow(market.advance(now_ms))
    book = market.books[symbol]
    assert (book.applied, book.stale, book.gaps) == (applied, stale, 0)
    assert follower.crossed == 0
    assert follower.trades == trades
    assert follower.deltas == applied + 1
    assert tuple(map(len, follower.books[symbol])) == (bids, asks)
    bars = market.candles(symbol, 60_000, 30, now_ms)
    assert sum(bar.trades for bar in bars) == trades
    assert isinstance(book.whole(0)[0], BookChanged)


def test_a_held_recording_waits_for_its_beginning_and_not_for_ever():
    held = replay(SHORT, hold_ms=30_000)
    assert held.advance(START_MS + 9_000) == []
    assert not held.ended()
    held.begin(START_MS + 10_000)
    said = held.advance(START_MS + 10_000 + 450)
    assert said == shifted(replay(SHORT).advance(START_MS + 450), 10_000)
    held.begin(START_MS + 20_000)
    assert not held.ended()
    held.advance(START_MS + 10_000 + 61_000)
    assert held.ended()
    late = replay(SHORT, hold_ms=30_000)
    assert late.advance(START_MS + 29_990) == []
    assert late.advance(START_MS + 30_000 + 300)


def shifted(events, by_ms):
    return [msgspec.structs.replace(event, at_ms=event.at_ms + by_ms) for event in events]


def test_a_held_recording_comes_back_with_its_books_and_waits_again():
    unbegun = replay(SHORT, hold_ms=30_000)
    unbegun.advance(START_MS + 100)
    again = RecordedMarket(
        {"BTCUSDT": iter(SHORT)}, (instrument("BTCUSDT"),), START_MS + 1_000, hold_ms=30_000
    )
    again.load(unbegun.save())
    again.begin(START_MS + 2_000)
    assert len(again.advance(START_MS + 2_450)) == len(replay(SHORT).advance(START_MS + 450))
    begun = replay(SHORT)
    begun.advance(START_MS + 450)
    resumed = replay(SHORT, hold_ms=30_000)
    resumed.load(begun.save())
    (book,) = resumed.advance(START_MS + 1_000)
    assert isinstance(book, BookChanged)
    assert resumed.advance(START_MS + 29_000) == []
    resumed.begin(START_MS + 29_000)
    resumed.advance(START_MS + 29_000 + 61_000)
    assert resumed.ended()


def test_a_replay_resumes_again_and_again():
    market = replay(SHORT)
    market.advance(START_MS + 250)
    for restart in (1, 2):
        resumed = replay(SHORT)
        resumed.load(market.save())
        resumed.advance(START_MS + restart * 1_000)
        # The next line of the recording comes a tenth of a second after the one it stopped at.
        resumed.advance(START_MS + restart * 1_000 + 100)
        assert resumed.lines_read > market.lines_read
        market = resumed
    assert market.lines_read == len(SHORT) - 1
    market.advance(START_MS + 100_000)
    assert market.ended()
