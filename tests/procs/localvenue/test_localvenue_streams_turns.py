"""What leaves in which turn: aggregates as REST has them, and never too much work at once."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal

import pytest

from procs.localvenue.journal import VenueJournal
from procs.localvenue.market.profiles import build_market
from procs.localvenue.protocols.binance_spot.limits import RateLimits
from procs.localvenue.protocols.binance_spot.market_data import MarketData
from procs.localvenue.protocols.binance_spot.params import Params
from procs.localvenue.protocols.binance_spot.streams import WORK_A_TURN, StreamHub, Subscriber
from procs.localvenue.shell import Venue

START_MS = 1_795_000_000_000
TURN_MS = 5


class Ears:
    """A socket that notes what is sent in which turn."""

    def __init__(self):
        self.turns = [[]]

    def send_frame(self, frame):
        at = frame.index(b"{")
        message = json.loads(frame[at:])
        self.turns[-1].append((message["stream"], message["data"]))

    @property
    def heard(self):
        return [one for turn in self.turns for one in turn]


class VirtualHub:
    """A venue on a clock that only we move, and one listener."""

    def __init__(self, profile="calm", symbols=None):
        self.ms = START_MS
        market = build_market(profile, 5, START_MS, symbols)
        journal = VenueJournal(None)
        self.venue = Venue(market, "here", journal, {"USDT": Decimal(1)}, lambda: self.ms)
        self.data = MarketData(self.venue, RateLimits())
        self.hub = StreamHub(self.venue, self.data)
        self.venue.market_listeners.append(self.hub)
        self.venue.pump()
        self.ears = Ears()
        self._subscriber = Subscriber(self.ears, True)

    def hear(self, *names):
        for name in names:
            self.hub.subscribe(self._subscriber, name)

    def run(self, ms):
        for _ in range(ms // TURN_MS):
            self.ms += TURN_MS
            self.ears.turns.append([])
            self.venue.pump()


@pytest.fixture
def make():
    made = []

    def one(*args, **kwargs):
        made.append(VirtualHub(*args, **kwargs))
        return made[-1]

    yield one
    for each in made:
        each.venue.close()


def test_the_stream_of_aggregates_says_what_rest_answers(make):
    virtual = make("flood")
    virtual.hear("btcusdt@aggTrade", "btcusdt@trade")
    virtual.run(1_500)
    said = [data for name, data in virtual.ears.heard if name.endswith("aggTrade")]
    trades = [data for name, data in virtual.ears.heard if name.endswith("@trade")]
    assert any(one["l"] > one["f"] for one in said), "some taker took more than once"
    answered = virtual.data.aggregate_trades(
        Params({"symbol": "BTCUSDT", "fromId": str(said[0]["a"]), "limit": "1000"})
    )
    shown = [{name: one[name] for name in row} for one, row in zip(said, answered, strict=False)]
    assert shown == answered[: len(shown)]
    assert len(shown) == min(len(said), 1_000)
    assert sum(Decimal(one["q"]) for one in said) == sum(Decimal(one["q"]) for one in trades)
    assert (said[0]["f"], said[-1]["l"]) == (trades[0]["t"], trades[-1]["t"])
    for one in said:
        assert {one["e"], one["s"], one["M"]} == {"aggTrade", "BTCUSDT", True}
        assert one["E"] >= one["T"]


def test_trades_of_two_turns_are_two_aggregates(make):
    virtual = make("flood")
    virtual.hear("btcusdt@aggTrade")
    virtual.run(1_000)
    turns = [[data["a"] for _, data in turn] for turn in virtual.ears.turns]
    ids = [number for turn in turns for number in turn]
    assert ids == list(range(ids[0], ids[0] + len(ids)))


def test_a_turn_writes_no_more_than_it_should_and_the_next_goes_on(make):
    virtual = make()
    symbols = [symbol.lower() for symbol in virtual.venue.exchange.instruments]
    intervals = ["1m", "5m", "15m", "1h", "4h", "1d"]
    names = [f"{symbol}@kline_{interval}" for symbol in symbols for interval in intervals]
    virtual.hear(*names, "btcusdt@depth@100ms")
    virtual.run(4_000)
    most = 0
    for turn in virtual.ears.turns:
        candles = Counter(name for name, data in turn if "@kline" in name)
        most = max(most, len(candles))
    assert most == WORK_A_TURN
    heard = Counter(name for name, _ in virtual.ears.heard)
    assert all(heard[name] >= 2 for name in names), "everybody's turn comes"
    assert heard["btcusdt@depth@100ms"] >= 35, "what is light does not wait"


def test_arrays_of_many_symbols_come_bit_by_bit_and_then_whole(make):
    virtual = make(symbols=60)
    virtual.hear("!ticker@arr", "!ticker_1h@arr", "btcusdt@kline_1m")
    virtual.run(5_000)
    virtual.venue.market.advance = lambda now_ms: []
    virtual.run(1_100)
    lasts = {name: virtual.venue.tape.of(name).last for name in virtual.venue.exchange.instruments}
    newest = {symbol: -1 if last is None else last.trade_id for symbol, last in lasts.items()}
    assert len(set(newest.values())) > 30
    for name, event in (("!ticker@arr", "24hrTicker"), ("!ticker_1h@arr", "1hTicker")):
        arrays = [data for one, data in virtual.ears.heard if one == name]
        assert 4 <= len(arrays) <= 8
        for array in arrays:
            symbols = [row["s"] for row in array]
            assert len(set(symbols)) == len(symbols) > 0
            assert {row["e"] for row in array} == {event}
        told = {row["s"]: row["L"] for array in arrays for row in array}
        assert told == newest
    assert any(name == "btcusdt@kline_1m" for name, _ in virtual.ears.heard)


def test_an_array_without_news_is_not_sent_and_holds_nobody_back(make):
    virtual = make()
    virtual.hear("!ticker@arr", "!miniTicker@arr", "!ticker_1d@arr", "btcusdt@kline_1s")
    virtual.run(3_000)
    virtual.venue.market.advance = lambda now_ms: []
    virtual.run(2_000)
    quiet = len(virtual.ears.heard)
    virtual.run(4_000)
    names = Counter(name for name, _ in virtual.ears.heard[quiet:])
    assert set(names) == {"btcusdt@kline_1s"}
    assert names["btcusdt@kline_1s"] >= 7, "each second, and the one before as closed"


def test_windows_begin_with_a_minute_and_are_never_too_short(make):
    virtual = make(symbols=1)
    tickers = virtual.data.tickers
    for step_ms in (0, 400, 59_000, 700, 61_000):
        virtual.ms += step_ms
        virtual.venue.pump()
        for minutes in (1, 60, 1_440):
            row = tickers.rolling("BTCUSDT", minutes * 60_000)
            assert row["openTime"] % 60_000 == 0
            assert row["closeTime"] == virtual.ms
            assert 0 <= row["closeTime"] - row["openTime"] - minutes * 60_000 < 60_000


def test_seconds_before_the_first_trade_stand_where_the_book_does(make):
    virtual = make(symbols=1)
    symbol = next(iter(virtual.venue.exchange.instruments))
    assert virtual.venue.tape.of(symbol).last is None
    rows = virtual.data.klines(Params({"symbol": symbol, "interval": "1s", "limit": "3"}))
    price = virtual.data.ticker_price(Params({"symbol": symbol}))["price"]
    assert [row[0] for row in rows] == [START_MS - 2_000, START_MS - 1_000, START_MS]
    assert {cell for row in rows for cell in row[1:5]} == {price}
    assert {row[8] for row in rows} == {0}
    virtual.run(10_000)
    first_ms = virtual.venue.tape.of(symbol).seconds.first_ms
    assert first_ms is not None
    rows = virtual.data.klines(Params({"symbol": symbol, "interval": "1s", "limit": "1000"}))
    assert (rows[0][0], rows[0][8] > 0) == (first_ms, True)
    assert rows[-1][0] == virtual.ms // 1_000 * 1_000
