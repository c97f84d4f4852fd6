"""Candles of a file as a market: exact bars, sound books, any speed, clear refusals."""

import argparse
import lzma
from array import array
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from procs.localvenue.candle_files import open_candles, read_time
from procs.localvenue.market.bar_columns import Bar, BarColumns
from procs.localvenue.market.candle_market import CandleMarket
from procs.localvenue.market.candle_path import CandleSeries
from procs.localvenue.market.events import BookChanged, Traded
from procs.localvenue.options import add_options, read_options
from procs.localvenue.server import open_market
from shared.domain.instrument import Instrument
from shared.errors import ConfigError, MessageError, NotFoundError, RecordingError
from shared.messages.base import encode

START_MS = 1_750_000_012_345
MINUTE_MS = 60_000
FILE_MS = 1_704_067_200_000
CANDLES = Path(__file__).resolve().parents[4].parent / "shared" / "data" / "candles"


def write(folder, rows, header="symbol,ts,open,high,low,close,volume", name="c.csv"):
    path = folder / name
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


def minutes(symbol, rows, first=0):
    return [(symbol, FILE_MS + (first + n) * MINUTE_MS, *row) for n, row in enumerate(rows)]


SOME = [
    (100, 101.5, 99.25, 101, 12.5),
    (101, 101, 98, 98.5, 3.75),
    (99, 99, 99, 99, 0),
    (98.5, 104, 98.5, 104, 41),
    (104, 104.25, 103.75, 104, 0.02),
]


@st.composite
def bars(draw):
    low = draw(st.integers(1, 5_000))
    high = low + draw(st.integers(0, 300))
    opened, closed = draw(st.integers(low, high)), draw(st.integers(low, high))
    volume = draw(st.integers(0, 10_000) | st.integers(0, 6) | st.integers(10**9, 10**13))
    return opened, high, low, closed, volume


class Books:
    """Follows every event as a client would."""

    def __init__(self, market):
        self.rules = {one.symbol: one for one in market.instruments}
        self.sides = {}
        self.last_id = {}
        self.trade_id = {}
        self.trades = {symbol: [] for symbol in self.rules}
        self.at_ms = 0

    def see(self, events):
        for event in events:
            assert event.at_ms >= self.at_ms
            self.at_ms = event.at_ms
            rules = self.rules[event.symbol]
            if isinstance(event, Traded):
                assert event.price % rules.tick_size == 0
                assert event.quantity % rules.step_size == 0
                assert event.quantity > 0
                known = self.trade_id.get(event.symbol)
                assert known in (None, event.trade_id - 1)
                self.trade_id[event.symbol] = event.trade_id
                self.trades[event.symbol].append(event)
                assert event.symbol in self.sides
                continue
            assert self.last_id.get(event.symbol, event.first_id - 1) == event.first_id - 1
            self.last_id[event.symbol] = event.last_id
            sides = self.sides.setdefault(event.symbol, ({}, {}))
            for side, levels in zip(sides, (event.bids, event.asks), strict=True):
                for price, quantity in levels:
                    assert price > 0
                    if quantity:
                        side[price] = quantity
                    else:
                        del side[price]
            assert 0 < max(sides[0]) < min(sides[1])


def test_klines_are_the_files_candles(tmp_path):
    market = open_candles([write(tmp_path, minutes("BTCUSDT", SOME))], None, START_MS)
    books = Books(market)
    for now_ms in range(START_MS, START_MS + 6 * MINUTE_MS, 250):
        books.see(market.advance(now_ms))
    assert market.ended()
    opened_ms = START_MS // MINUTE_MS * MINUTE_MS
    candles = market.candles("BTCUSDT", MINUTE_MS, 100, START_MS + 6 * MINUTE_MS)
    assert candles[0].open_ms == opened_ms
    for bar, row in zip(candles[:2] + candles[3:5], SOME[:2] + SOME[3:], strict=True):
        told = (bar.open, bar.high, bar.low, bar.close, bar.volume)
        assert told == tuple(Decimal(str(value)) for value in row)
    silent = candles[2]
    assert (silent.volume, silent.trades, silent.close) == (0, 0, Decimal("98.5"))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(bars(), min_size=2, max_size=6),
    st.sampled_from([1.0, 0.5, 2.0, 60.0, 7.0, 1000.0, 120_000.0]),
    st.lists(st.integers(0, 900_000), max_size=12),
    st.integers(0, 20),
)
def test_any_candles_at_any_speed_and_cut(rows, speed, cuts_ms, seed):
    series = series_of(rows)
    length_ms = int(len(rows) * MINUTE_MS / speed) + 2
    market = CandleMarket([series], START_MS, speed, seed)
    books = Books(market)
    events = []
    for cut_ms in sorted({min(cut_ms, length_ms) for cut_ms in cuts_ms} | {0, length_ms}):
        said = market.advance(START_MS + cut_ms)
        books.see(said)
        events += said
    assert market.ended()
    again = CandleMarket([series], START_MS, speed, seed)
    assert encode(again.advance(START_MS + length_ms)) == encode(events)
    duration_ms = MINUTE_MS / speed
    told = market.candles("XUSDT", MINUTE_MS, 1_000, START_MS + length_ms + 10 * MINUTE_MS)
    traded = [bar for bar in told if bar.trades]
    moving = [row for row in rows if row[4] or len(set(row[:4])) > 1]
    if duration_ms == MINUTE_MS:
        assert len(traded) == len(moving)
        for bar, (opened, high, low, closed, volume) in zip(traded, moving, strict=True):
            assert (bar.open, bar.high, bar.low, bar.close) == (opened, high, low, closed)
            assert volume <= bar.volume <= max(volume, 4)
    elif moving:
        assert max(bar.high for bar in traded) == max(row[1] for row in moving)
        assert min(bar.low for bar in traded) == min(row[2] for row in moving)
        assert (traded[0].open, traded[-1].close) == (moving[0][0], moving[-1][3])
    assert sum(bar.volume for bar in told) >= sum(row[4] for row in rows)
    assert sum(bar.volume for bar in told) <= sum(max(row[4], 4) for row in rows)
    assert sum(bar.trades for bar in told) >= len(books.trades["XUSDT"])


def series_of(rows):
    one = Decimal(1)
    rules = Instrument(
        symbol="XUSDT",
        base="X",
        quote="USDT",
        tick_size=one,
        step_size=one,
        min_quantity=one,
        max_quantity=Decimal(10**15),
        min_price=one,
        max_price=Decimal(10**9),
        min_notional=one,
        market_max_quantity=Decimal(10**15),
    )
    columns = BarColumns(0, MINUTE_MS, [Bar(0, *row, 0, 0) for row in rows])
    times = array("q", [FILE_MS + n * MINUTE_MS for n in range(len(rows))])
    return CandleSeries(rules, MINUTE_MS, times, columns)


@settings(max_examples=25, deadline=None)
@given(st.lists(bars(), min_size=2, max_size=5), st.integers(0, 300_000), st.integers(0, 300_000))
def test_a_saved_market_goes_on_with_the_same_trades(rows, stop_ms, more_ms):
    series = series_of(rows)
    market = CandleMarket([series], START_MS, 1.0, 3)
    market.advance(START_MS + stop_ms)
    resumed = CandleMarket([series], START_MS + 77_777, 1.0, 3)
    resumed.load(market.save())
    assert resumed.save() == market.save()
    later_ms = START_MS + 5_000_000
    books = resumed.advance(later_ms)
    assert isinstance(books[0], BookChanged)
    seen = Books(resumed)
    seen.see(books)
    seen.see(resumed.advance(later_ms + more_ms))
    theirs = market.advance(START_MS + stop_ms + more_ms)
    trades = [event for event in theirs if isinstance(event, Traded)]
    ours = seen.trades["XUSDT"]
    assert [(one.trade_id, one.price, one.quantity) for one in ours] == [
        (one.trade_id, one.price, one.quantity) for one in trades
    ]
    assert {mine.at_ms - his.at_ms for mine, his in zip(ours, trades, strict=True)} <= {
        later_ms - START_MS - stop_ms
    }
    assert resumed.ended() == market.ended()


def test_other_candles_do_not_resume():
    market = CandleMarket([series_of([(1, 2, 1, 2, 9)] * 3)], START_MS)
    for other in (
        CandleMarket([series_of([(1, 2, 1, 2, 9)] * 4)], START_MS),
        CandleMarket([series_of([(1, 2, 1, 2, 9)] * 3)], START_MS, speed=2.0),
        CandleMarket([series_of([(1, 2, 1, 2, 9)] * 3)], START_MS, seed=2),
    ):
        with pytest.raises(MessageError, match="the saved candles are"):
            market.load(other.save())


def test_history_is_what_the_file_holds_before_the_beginning(tmp_path):
    rows = [(100 + n, 102 + n, 99 + n, 101 + n, 10 + n) for n in range(40)]
    path = write(tmp_path, minutes("BTCUSDT", rows))
    text = str(FILE_MS + 30 * MINUTE_MS)
    market = open_candles([path], None, START_MS, from_text=text)
    market.advance(START_MS)
    opened_ms = START_MS // MINUTE_MS * MINUTE_MS
    past = market.candles("BTCUSDT", MINUTE_MS, 100, opened_ms - 1)
    assert len(past) == 30
    assert past[-1].open_ms == opened_ms - MINUTE_MS
    assert [(bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in past] == rows[:30]
    fast = open_candles([path], None, START_MS, speed=5.0, from_text=text)
    fast.advance(START_MS)
    aligned_ms = START_MS // 12_000 * 12_000
    past = fast.candles("BTCUSDT", MINUTE_MS, 100, aligned_ms)
    assert sum(bar.volume for bar in past) >= sum(row[4] for row in rows[:30])
    assert (past[0].open, past[0].low) == (100, 99)
    slow = open_candles([path], None, START_MS, speed=0.2, from_text=text)
    slow.advance(START_MS)
    five = slow.candles("BTCUSDT", 5 * MINUTE_MS, 100, START_MS // 300_000 * 300_000 - 1)
    assert [(bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in five] == rows[:30]
    with pytest.raises(ConfigError, match="no candle opens at or after"):
        open_candles([path], None, START_MS, from_text="2024-02-01")


def test_columns_may_be_named_otherwise_and_files_packed(tmp_path):
    rows = [(FILE_MS // 1_000 + n * 60, 5, 1, 2, 1, 2) for n in range(3)]
    text = "Date,Volume,Open,High,Low,Close\n" + "\n".join(",".join(map(str, r)) for r in rows)
    path = tmp_path / "ETHUSDT-1m.csv.xz"
    path.write_bytes(lzma.compress(text.encode()))
    market = open_candles([path], None, START_MS)
    assert [one.symbol for one in market.instruments] == ["ETHUSDT"]
    bare = tmp_path / "SOLUSDT-1m-2024-01.csv"
    bare.write_text(
        "\n".join(f"{(FILE_MS + n * MINUTE_MS) * 1_000},1,2,1,2,7,0,0,0,0,0,0" for n in range(3))
    )
    market = open_candles([path, bare], None, START_MS)
    assert [one.symbol for one in market.instruments] == ["ETHUSDT", "SOLUSDT"]
    market.advance(START_MS + 3 * MINUTE_MS)
    assert market.ended()


GOOD = minutes("BTCUSDT", SOME)


@pytest.mark.parametrize(
    ("place", "row", "named"),
    [
        (2, ("BTCUSDT", FILE_MS + 120_000, 1, 2, 3, 1, 1), "line 4: high|line 4: low 3 is above"),
        (2, ("BTCUSDT", FILE_MS + 120_000, 9, 2, 1, 1, 1), "line 4: high 2 is below open 9"),
        (2, ("BTCUSDT", FILE_MS + 120_000, 1, 2, 0, 1, 1), "line 4: low 0 is not positive"),
        (2, ("BTCUSDT", FILE_MS + 120_000, 1, 2, 1, 1, -1), "line 4: volume -1 is negative"),
        (2, ("BTCUSDT", FILE_MS + 120_000, 1, "NaN", 1, 1, 1), "line 4: high: .*NaN"),
        (2, ("BTCUSDT", FILE_MS, 1, 2, 1, 1, 1), "line 4: it does not open after"),
        (2, ("BTCUSDT", FILE_MS + 90_000, 1, 2, 1, 1, 1), "line 4: BTCUSDT: it opens 30000 ms"),
        (2, ("BTCUSDT", "yesterday", 1, 2, 1, 1, 1), "line 4: 'yesterday' is no time"),
        (2, ("BTCUSDT", 12_345_678_901, 1, 2, 1, 1, 1), "line 4"),
        (2, ("BTCUSDT", FILE_MS + 120_000, 1, 2), "line 4: 4 fields, expected 7"),
        (2, ("B T C", FILE_MS + 120_000, 1, 2, 1, 1, 1), "line 4: 'B T C' is not a symbol"),
        (2, ("BTCUSDT", FILE_MS + 120_000, 1, 2, 1, "1.123456789", 1), "more than 8 decimals"),
        (5, ("ONEUSDT", FILE_MS, 1, 2, 1, 1, 1), "one candle of ONEUSDT"),
    ],
)
def test_bad_rows_are_named_with_file_and_line(tmp_path, place, row, named):
    rows = [*GOOD[:place], row, *GOOD[place + 1 :]]
    with pytest.raises(RecordingError, match=named) as caught:
        open_candles([write(tmp_path, rows)], None, START_MS)
    assert "c.csv" in str(caught.value)


def test_bad_files_are_refused(tmp_path):
    with pytest.raises(NotFoundError, match="no such file of candles"):
        open_candles([tmp_path / "none.csv"], None, START_MS)
    with pytest.raises(RecordingError, match=r"the header lacks a time .*, volume"):
        open_candles([write(tmp_path, GOOD, "symbol,when,open,high,low,close,v")], None, START_MS)
    with pytest.raises(RecordingError, match="no candles"):
        open_candles([write(tmp_path, [])], None, START_MS)
    broken = tmp_path / "broken.csv.xz"
    broken.write_bytes(lzma.compress(b"symbol,ts\n" * 9_000)[:-40])
    with pytest.raises(RecordingError, match=r"broken.csv.xz"):
        open_candles([broken], None, START_MS)
    path = write(tmp_path, GOOD)
    with pytest.raises(RecordingError, match="is in two of the files"):
        open_candles([path, path], None, START_MS)
    with pytest.raises(ConfigError, match="candle speed"):
        open_candles([path], None, START_MS, speed=0.0)
    rules = tmp_path / "rules.json"
    rules.write_text('{"BTCUSDT": {"tick_size": "0.5"}}')
    with pytest.raises(RecordingError, match=r"line 2: BTCUSDT: a price is not in ticks of 0\.5"):
        open_candles([path], rules, START_MS)
    market = open_candles([path], None, START_MS)
    with pytest.raises(NotFoundError, match="no symbol 'XUSDT'"):
        market.candles("XUSDT", MINUTE_MS, 1, START_MS)


def test_times_are_read_in_every_usual_form():
    forms = ("1704067200", "1704067200000", "1704067200000000", "1704067200000000000")
    texts = (*forms, "2024-01-01", "2024-01-01T00:00", "2024-01-01T01:00+01:00", "2024-01-01 00:00")
    assert {read_time(text, "here") for text in texts} == {FILE_MS}
    for text in ("", "1e9", "12345", "-5", "2024-13-01", "٢٠٢٤"):
        with pytest.raises(ConfigError, match="here"):
            read_time(text, "here")


FILES = [
    ("binance_spot_5m_crash_20240103.csv.xz", "2024-01-03T11:50", 5),
    ("binance_usdm_1m_202511_DOT_NEAR.csv.xz", "2025-11-21T07:00", 1),
    ("btc_perp_1m_202201.csv.xz", "2022-01-05T19:00", 1),
]


@pytest.mark.parametrize(("name", "begin", "interval"), FILES)
def test_the_recorded_candles_come_out_as_they_are(name, begin, interval):
    path = CANDLES / name
    if not path.is_file():
        pytest.skip(f"the recorded candles are not there: {path}")
    market = open_candles([path], None, START_MS, speed=float(interval), from_text=begin)
    books = Books(market)
    for now_ms in range(START_MS, START_MS + 7 * MINUTE_MS, 500):
        books.see(market.advance(now_ms))
    wanted = {}
    with lzma.open(path, "rt") as file:
        for line in list(file)[1:]:
            symbol, at_ms, *values = line.strip().split(",")[:7]
            wanted[symbol, int(at_ms)] = [Decimal(value) for value in values]
    begin_ms = read_time(begin, "here")
    first_ms = START_MS // MINUTE_MS * MINUTE_MS
    checked = 0
    for one in market.instruments:
        candles = market.candles(one.symbol, MINUTE_MS, 7, first_ms + 7 * MINUTE_MS - 1)
        for bar in candles[:6]:
            at_ms = begin_ms + (bar.open_ms - first_ms) * interval
            *prices, volume = wanted[one.symbol, at_ms]
            assert [bar.open, bar.high, bar.low, bar.close] == prices
            assert abs(bar.volume - volume) <= one.step_size / 2
            checked += 1
    assert checked == 6 * len(market.instruments)


def parsed(*words):
    parser = argparse.ArgumentParser()
    add_options(parser)
    return read_options(parser.parse_args(words))


def test_the_options_open_the_market_that_they_name(tmp_path):
    path = write(tmp_path, minutes("BTCUSDT", SOME, 0) + minutes("ETHUSDT", SOME, 1))
    begin = str(FILE_MS + MINUTE_MS)
    options = parsed("--candles", str(path), "--speed", "30", "--candles-from", begin)
    market, name = open_market(options, START_MS)
    assert isinstance(market, CandleMarket)
    assert name == "candles:c.csv"
    books = Books(market)
    for now_ms in range(START_MS, START_MS + 12_001, 100):
        books.see(market.advance(now_ms))
    assert market.ended()
    assert set(books.sides) == {"BTCUSDT", "ETHUSDT"}
    market, name = open_market(parsed("--symbols", "31"), START_MS)
    assert (len(market.instruments), name) == (31, "calm:1:31")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--candles", "a.csv", "--replay", "b.jsonl"), "two markets"),
        (("--candles-from", "2024-01-01"), "goes with --candles"),
        (("--candles", "a.csv", "--symbols", "3"), "files bring their own"),
        (("--symbols", "0"), "--symbols 0, allowed: 1 to 500"),
        (("--symbols", "501"), "allowed: 1 to 500"),
        (("--candles", "a.csv", "--speed", "0"), "--speed 0.0, allowed: more than 0"),
        (("--candles", "a.csv", "--speed", "nan"), "allowed: more than 0"),
        (("--instruments", "a.json"), "goes with --replay or --candles"),
    ],
)
def test_options_that_do_not_go_together_are_refused(words, named):
    with pytest.raises(ConfigError, match=named):
        parsed(*words)
