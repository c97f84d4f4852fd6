"""What the streams say, on a clock that the test moves: ids, paces, bars, tickers, times."""

from __future__ import annotations

import itertools
from decimal import Decimal

import pytest
from stream_venue import stream_venue

from procs.localvenue.protocols.binance_spot.limits import RateLimits
from procs.localvenue.protocols.binance_spot.market_data import MarketData

NAME = "btcusdt"
HOUR_MS = 3_600_000
WRAPPED = [f"{NAME}@{rest}" for rest in ("trade", "aggTrade", "bookTicker", "depth@100ms")]


@pytest.fixture
def venue():
    yield from stream_venue(profile="calm")


@pytest.fixture
def many():
    yield from stream_venue(profile="calm", symbols=40)


def book(venue, symbol="BTCUSDT"):
    return venue.venue.exchange.published[symbol]


def test_depth_joins_on_and_makes_the_book(venue):
    published = book(venue)
    ear = venue.hear(f"{NAME}@depth@100ms", f"{NAME}@depth", f"{NAME}@depth20@100ms")
    start = published.last_update_id
    before = {side: dict(getattr(published, side).quantities) for side in ("bids", "asks")}
    began_ms = venue.time_ms
    venue.pass_ms(5_000)
    heard = ear.by_stream()
    for name, pace_ms in ((f"{NAME}@depth@100ms", 100), (f"{NAME}@depth", 1_000)):
        deltas = heard[name]
        assert deltas[0]["U"] == start + 1
        assert all(two["U"] == one["u"] + 1 for one, two in itertools.pairwise(deltas))
        assert all(two["E"] - one["E"] >= pace_ms for one, two in itertools.pairwise(deltas))
        assert all(began_ms <= one["E"] <= venue.time_ms for one in deltas)
    assert len(heard[f"{NAME}@depth@100ms"]) > 20
    built = {side: dict(levels) for side, levels in before.items()}
    for delta in heard[f"{NAME}@depth@100ms"]:
        for side, changes in (("bids", delta["b"]), ("asks", delta["a"])):
            for price, quantity in changes:
                built[side].pop(Decimal(price), None)
                if Decimal(quantity):
                    built[side][Decimal(price)] = Decimal(quantity)
    if heard[f"{NAME}@depth@100ms"][-1]["u"] == published.last_update_id:
        assert built == {side: dict(getattr(published, side).quantities) for side in built}
    partial = heard[f"{NAME}@depth20@100ms"]
    ids = [one["lastUpdateId"] for one in partial]
    assert ids == sorted(set(ids)), "the same is not said twice"
    assert all(len(one["bids"]) == len(one["asks"]) == 20 for one in partial)


def test_the_best_prices_are_told_whenever_they_change(venue):
    ear = venue.hear(f"{NAME}@bookTicker", wrapped=False)
    venue.pass_ms(3_000)
    tops = ear.messages
    assert len(tops) > 20
    assert all(one["u"] < two["u"] for one, two in itertools.pairwise(tops))
    bare = [tuple(one[key] for key in "bBaA") for one in tops]
    assert all(one != two for one, two in itertools.pairwise(bare))
    assert all(Decimal(one["b"]) < Decimal(one["a"]) for one in tops)
    bid, ask = book(venue).bids.first, book(venue).asks.first
    assert (Decimal(tops[-1]["b"]), Decimal(tops[-1]["a"])) == (bid, ask)


def test_trades_are_told_once_and_in_order(venue):
    ear = venue.hear(f"{NAME}@trade", f"{NAME}@aggTrade")
    venue.pass_ms(20_000, turn_ms=50)
    heard = ear.by_stream()
    trades, aggregates = heard[f"{NAME}@trade"], heard[f"{NAME}@aggTrade"]
    ids = [one["t"] for one in trades]
    assert len(ids) > 10
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    covered = [n for one in aggregates for n in range(one["f"], one["l"] + 1)]
    assert covered == ids
    kept = venue.venue.tape.of("BTCUSDT").trades(1_000)[-len(ids) :]
    assert [
        (one.trade_id, one.price, one.quantity, one.at_ms, one.buyer_is_maker) for one in kept
    ] == [(one["t"], Decimal(one["p"]), Decimal(one["q"]), one["T"], one["m"]) for one in trades]
    assert all(one["T"] <= one["E"] for one in trades)


@pytest.mark.parametrize("turn_ms", [5, 330, 2_500])
def test_every_second_is_closed_once_even_when_turns_are_late(venue, turn_ms):
    ear = venue.hear(f"{NAME}@kline_1s", f"{NAME}@trade")
    venue.pass_ms(30_000, turn_ms=turn_ms)
    heard = ear.by_stream()
    bars = [one["k"] for one in heard[f"{NAME}@kline_1s"]]
    closed = [one for one in bars if one["x"]]
    opens = [one["t"] for one in closed]
    assert opens == list(range(opens[0], opens[0] + 1_000 * len(opens), 1_000))
    assert len(opens) >= 25
    for bar in closed[1:]:
        inside = [one for one in heard[f"{NAME}@trade"] if bar["t"] <= one["T"] <= bar["T"]]
        assert bar["n"] == len(inside)
        assert Decimal(bar["v"]) == sum(Decimal(one["q"]) for one in inside)
        assert (bar["f"], bar["L"]) == ((inside[0]["t"], inside[-1]["t"]) if inside else (-1, -1))
        bought = sum(Decimal(one["q"]) for one in inside if not one["m"])
        assert float(bar["V"]) == pytest.approx(float(bought), abs=1e-7)


def test_a_running_bar_is_what_rest_says(venue):
    ear = venue.hear(*(f"{NAME}@kline_{one}" for one in ("1m", "1h", "1d@+08:00", "1w", "1M")))
    venue.pass_ms(4_000)
    data = MarketData(venue.venue, RateLimits())
    venue.time_ms += 2_000
    venue.venue.pump()
    for name, said in ear.by_stream().items():
        interval, _, zone = name.partition("kline_")[2].partition("@")
        bar = said[-1]["k"]
        offset_ms = 8 * HOUR_MS if zone else 0
        row = data.candles.rows("BTCUSDT", interval, limit=1, offset_ms=offset_ms)[0]
        assert said[-1]["E"] == venue.time_ms
        assert row == [
            bar[key] for key in ("t", "o", "h", "l", "c", "v", "T", "q", "n", "V", "Q", "B")
        ]
        assert bar["t"] <= venue.time_ms <= bar["T"]
        # The end of a bar is said when it comes, whenever the last word was.
        running = [one for one in said if not one["k"]["x"]]
        assert all(two["E"] - one["E"] >= 1_995 for one, two in itertools.pairwise(running))


def test_arrays_hold_only_what_has_changed(many):
    names = ("!miniTicker@arr", "!ticker@arr", "!ticker_1h@arr")
    ear = many.hear(*names)
    many.pass_ms(5_000, turn_ms=50)
    last = {symbol: many.venue.tape.of(symbol).last for symbol in many.venue.exchange.instruments}
    for name, arrays in ear.by_stream().items():
        assert 3 <= len(arrays) <= 6, name
        assert all(arrays), "nothing is said when nothing has changed"
        for earlier, later in itertools.pairwise(arrays):
            symbols = [row["s"] for row in later]
            assert len(set(symbols)) == len(symbols)
            assert later[0]["E"] - earlier[0]["E"] >= 1_000
        assert any(len(rows) < len(last) for rows in arrays[1:])
    told = {}
    for arrays in ear.by_stream()["!ticker@arr"]:
        for row in arrays:
            assert told.get(row["s"], -2) < row["L"], "told again only after a trade"
            told[row["s"]] = row["L"]


@pytest.mark.parametrize("window", ["1h", "4h", "1d"])
def test_windows_begin_on_a_minute_and_end_now(venue, window):
    ear = venue.hear(f"{NAME}@ticker_{window}", wrapped=False)
    venue.pass_ms(1_200)
    said = ear.messages[-1]
    size_ms = {"1h": HOUR_MS, "4h": 4 * HOUR_MS, "1d": 24 * HOUR_MS}[window]
    assert said["e"] == f"{window}Ticker"
    assert said["O"] % 60_000 == 0
    assert size_ms <= said["C"] - said["O"] < size_ms + 60_000
    assert abs(said["C"] - said["E"]) < 5
    assert Decimal(said["l"]) <= Decimal(said["w"]) <= Decimal(said["h"])
    assert said["n"] == said["L"] - said["F"] + 1


class Skew:
    """A clock that is ahead, and nothing else."""

    def clock_skew_ms(self):
        return 7_000

    def outgoing(self, channel, name, data):
        return None


def times(message):
    """Every time in a message: E, T, O, C and the bar's."""
    found = {key: message[key] for key in ("E", "T", "O", "C") if key in message}
    if "k" in message:
        found.update(kt=message["k"]["t"], kT=message["k"]["T"])
    return found


TIMED = (
    "trade",
    "aggTrade",
    "depth@100ms",
    "kline_1m",
    "ticker",
    "miniTicker",
    "avgPrice",
    "ticker_1h",
)


def test_the_clients_clock_and_their_unit(venue):
    names = [f"{NAME}@{rest}" for rest in TIMED]
    plain, finer = venue.hear(*names), venue.hear(*names, finer=True)
    venue.pass_ms(8_000)
    told, in_microseconds = plain.by_stream(), finer.by_stream()
    assert told.keys() == in_microseconds.keys() == set(names)
    for name in names:
        for one, other in zip(told[name], in_microseconds[name], strict=True):
            assert times(one).keys() >= {"E"}
            assert {key: value * 1_000 for key, value in times(one).items()} == times(other)
    for ear in (plain, finer):
        ear.texts.clear()
    venue.venue.interference = Skew()
    before_ms = venue.time_ms
    venue.pass_ms(8_000)
    for name, messages in plain.by_stream().items():
        for one in messages:
            assert before_ms + 7_000 <= one["E"] <= venue.time_ms + 7_000
            if name.endswith("rade"):
                assert before_ms + 7_000 <= one["T"] <= one["E"]


def test_all_hear_the_same_bytes_and_nobody_hears_after_leaving(venue):
    ears = [venue.hear(*WRAPPED) for _ in range(3)]
    bare = venue.hear(*WRAPPED, wrapped=False)
    venue.pass_ms(1_000)
    assert ears[0].texts == ears[1].texts == ears[2].texts
    assert [one["data"] for one in ears[0].messages] == bare.messages
    venue.hub.leave(ears[0].subscriber)
    venue.hub.unsubscribe(ears[1].subscriber, WRAPPED[2])
    count = len(ears[0].texts)
    for ear in ears[1:]:
        ear.texts.clear()
    venue.pass_ms(1_000)
    assert len(ears[0].texts) == count
    assert WRAPPED[2] not in ears[1].by_stream()
    assert [one for one in ears[2].messages if one["stream"] != WRAPPED[2]] == ears[1].messages
    for ear in (*ears[1:], bare):
        venue.hub.leave(ear.subscriber)
    hub = venue.hub
    assert not any((hub._streams, hub._subscribers, hub._by_symbol, hub._paced, hub._pending))
