"""Futures and Bybit: one contract for both implementations, and mutants both must judge alike."""

from __future__ import annotations

import json
import random
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_core_ext_scan_contract import mutated, wrapped

from core_ext import book as native_book
from core_ext import reference
from core_ext import scan as native
from core_ext.codes import MAX_FRAME_TRADES, Dialect, Kind, Outcome, TradeSeen
from core_ext.errors import FrameRefused, NumberRefused

FIXTURES = Path(__file__).parents[3] / "shared/fixtures"
FIELDS = reference.ScanResult._fields

USDM_DEPTH = (
    b'{"e":"depthUpdate","E":1723161256299,"T":1723161256298,"s":"BTCUSDT","U":5123107832006,'
    b'"u":5123107837557,"pu":5123107831937,"b":[["58710.20","0.014"],["61496.50","0.000"]],'
    b'"a":[["61800.30","2.510"]]}'
)
COINM_DEPTH = (
    b'{"e":"depthUpdate","E":1591270260907,"T":1591270260891,"s":"BTCUSD_200626","ps":"BTCUSD",'
    b'"U":17285681,"u":17285702,"pu":17285675,"b":[["9517.6","10"]],"a":[["9518.5","45"]]}'
)
USDM_TRADE = (
    b'{"e":"trade","E":1723161256322,"T":1723161256321,"s":"BTCUSDT","t":5266583935,'
    b'"p":"61800.30","q":"0.006","X":"MARKET","m":false}'
)
COINM_AGG_TRADE = (
    b'{"e":"aggTrade","E":1591261134288,"a":424951,"s":"BTCUSD_200626","p":"9643.5","q":"2",'
    b'"f":606073,"l":606075,"T":1591261134199,"m":true}'
)
SPOT_AGG_TRADE = (
    b'{"e":"aggTrade","E":1672515782136,"s":"BNBBTC","a":12345,"p":"0.01","q":"100","f":100,'
    b'"l":105,"T":1672515782137,"m":true,"M":true}'
)
USDM_TICKER = (
    b'{"e":"bookTicker","u":5123107839020,"s":"BTCUSDT","b":"61800.20","B":"2.507",'
    b'"a":"61800.30","A":"2.510","T":1723161256313,"E":1723161256314}'
)
COINM_SNAPSHOT = (
    b'{"lastUpdateId":17285680,"symbol":"BTCUSD_200626","pair":"BTCUSD","E":1,"T":2,'
    b'"bids":[["9517.6","10"]],"asks":[["9518.5","45"]]}'
)
BYBIT_SNAPSHOT = (
    b'{"topic":"orderbook.50.BTCUSDT","type":"snapshot","ts":1672304484978,"data":{"s":"BTCUSDT",'
    b'"b":[["16493.50","0.006"],["16493.00","0.1"]],"a":[["16611.00","0.029"]],"u":18521288,'
    b'"seq":7961638724},"cts":1672304484976}'
)
BYBIT_DELTA = (
    b'{"topic":"orderbook.50.BTCUSDT","type":"delta","ts":1687940967466,"data":{"s":"BTCUSDT",'
    b'"b":[["16493.50","0"],["16493.20","12"]],"a":[["16611.00","0.892"]],"u":18521289,'
    b'"seq":7961638725},"cts":1687940967464}'
)
BYBIT_TRADE = (
    b'{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1672304486868,"data":[{"T":1672304486865,'
    b'"s":"BTCUSDT","S":"Buy","v":"0.001","p":"16578.50","L":"PlusTick",'
    b'"i":"20f43950-d8dd-5b31-9112-a178eb6023af","BT":false,"seq":1783284617},'
    b'{"i":"2280000001739247417","T":1672304486866,"p":"16578.40","v":"2","S":"Sell",'
    b'"seq":1783284618,"s":"BTCUSDT","BT":false,"RPI":false}]}'
)  # fmt: skip
BYBIT_OTHER = b'{"topic":"tickers.BTCUSDT","type":"snapshot","data":{"symbol":"BTCUSDT"},"ts":1}'
BYBIT = [BYBIT_SNAPSHOT, BYBIT_DELTA, BYBIT_TRADE, BYBIT_OTHER]
BINANCE = [USDM_DEPTH, COINM_DEPTH, USDM_TRADE, COINM_AGG_TRADE, SPOT_AGG_TRADE, USDM_TICKER]


def scanner_of(package, dialect):
    if dialect == Dialect.BYBIT:
        return package.BybitScanner()
    return package.BinanceScanner(dialect)


def pair_of(half, dialect, tick="0.1"):
    """A scanner and a book of one implementation."""
    if half == "native":
        return scanner_of(native, dialect), native_book.Book(tick)
    return scanner_of(reference, dialect), reference.Book(tick)


halves = pytest.mark.parametrize("half", ["native", "reference"])


@halves
class TestFutures:
    @pytest.mark.parametrize("wrap", [bytes, wrapped], ids=["raw", "wrapped"])
    def test_a_delta_names_its_predecessor(self, half, wrap):
        scanner, book = pair_of(half, Dialect.BINANCE_FUTURES)
        result = scanner.feed(book, wrap(USDM_DEPTH))
        assert (result.kind, result.outcome, result.levels) == (Kind.DEPTH, Outcome.APPLIED, 3)
        assert (result.first_id, result.last_id) == (5123107832006, 5123107837557)
        assert result.previous_id == 5123107831937
        assert (result.event_ms, result.match_ms) == (1723161256299, 1723161256298)
        assert book.best_ticks() == (587102, 1_400_000, 618003, 251_000_000)

    def test_the_predecessor_decides_what_follows(self, half):
        scanner, book = pair_of(half, Dialect.BINANCE_FUTURES)
        assert scanner.load_snapshot(book, COINM_SNAPSHOT) == 17285680
        assert scanner.feed(book, COINM_DEPTH).outcome == Outcome.APPLIED
        assert scanner.feed(book, COINM_DEPTH).outcome == Outcome.STALE
        # U may lie anywhere behind pu: ids of futures are shared by all symbols.
        later = COINM_DEPTH.replace(b'"U":17285681,"u":17285702,"pu":17285675', b"%s")
        assert scanner.feed(book, later % b'"U":99999990,"u":99999999,"pu":17285702').outcome == (
            Outcome.APPLIED
        )
        before = book.state_hash()
        assert scanner.feed(book, later % b'"U":100000000,"u":100000009,"pu":99999998').outcome == (
            Outcome.GAP
        )
        assert book.gapped
        assert book.state_hash() == before

    def test_spot_rules_do_not_fit_futures(self, half):
        spot, book = pair_of(half, Dialect.BINANCE_SPOT)
        futures, other = pair_of(half, Dialect.BINANCE_FUTURES)
        for scanner, each in ((spot, book), (futures, other)):
            scanner.load_snapshot(each, COINM_SNAPSHOT.replace(b"17285680", b"17285675"))
        assert spot.feed(book, COINM_DEPTH).outcome == Outcome.GAP
        assert futures.feed(other, COINM_DEPTH).outcome == Outcome.APPLIED

    def test_trades_and_tickers(self, half):
        scanner, book = pair_of(half, Dialect.BINANCE_FUTURES)
        trade = scanner.feed(book, wrapped(USDM_TRADE))
        assert (trade.kind, trade.trade_id, trade.trades) == (Kind.TRADE, 5266583935, 1)
        assert scanner.trades() == [TradeSeen(5266583935, 618003, 600_000, 1723161256321, False)]
        ticker = scanner.feed(book, USDM_TICKER)
        assert (ticker.kind, ticker.bid_ticks, ticker.match_ms) == (
            Kind.TICKER,
            618002,
            1723161256313,
        )
        assert scanner.trades() == []

    @pytest.mark.parametrize("frame", [SPOT_AGG_TRADE, COINM_AGG_TRADE])
    def test_aggregates_of_trades(self, half, frame):
        for dialect in (Dialect.BINANCE_SPOT, Dialect.BINANCE_FUTURES):
            scanner, book = pair_of(half, dialect, "0.01")
            told = orjson.loads(frame)
            result = scanner.feed(book, frame)
            assert result.kind == Kind.AGG_TRADE
            assert (result.trade_id, result.first_id, result.last_id) == (
                told["a"],
                told["f"],
                told["l"],
            )
            assert (result.symbol, result.match_ms) == (told["s"], told["T"])
            assert result.price_ticks == round(float(told["p"]) * 100)

    @pytest.mark.parametrize(
        "frame",
        [
            USDM_DEPTH.replace(b'"pu":5123107831937,', b""),
            USDM_DEPTH.replace(b'"pu":5123107831937', b'"pu":5123107837557'),
            USDM_DEPTH.replace(b'"pu":5123107831937', b'"pu":"5123107831937"'),
            USDM_DEPTH.replace(b'"T":1723161256298', b'"T":-1'),
            USDM_DEPTH.replace(b'"T":1723161256298', b'"pu":1'),
            COINM_AGG_TRADE.replace(b'"f":606073,', b""),
            COINM_AGG_TRADE.replace(b'"a":424951', b'"a":"424951"'),
            COINM_AGG_TRADE.replace(b'"l":606075', b'"l":606075,"l":606075'),
        ],
    )
    def test_refused(self, half, frame):
        scanner, book = pair_of(half, Dialect.BINANCE_FUTURES)
        with pytest.raises(FrameRefused):
            scanner.feed(book, frame)
        assert (book.counts(), book.last_update_id) == ((0, 0), -1)

    def test_an_unknown_dialect_is_refused(self, half):
        with pytest.raises(NumberRefused, match="dialect"):
            (native if half == "native" else reference).BinanceScanner(Dialect.BYBIT)


@halves
class TestBybit:
    def test_snapshot_and_delta(self, half):
        scanner, book = pair_of(half, Dialect.BYBIT)
        result = scanner.feed(book, BYBIT_SNAPSHOT)
        assert (result.kind, result.outcome, result.is_snapshot) == (
            Kind.DEPTH,
            Outcome.APPLIED,
            True,
        )
        assert (result.symbol, result.levels, result.last_id) == ("BTCUSDT", 3, 18521288)
        assert (result.cross_sequence, result.event_ms, result.match_ms) == (
            7961638724,
            1672304484978,
            1672304484976,
        )
        result = scanner.feed(book, BYBIT_DELTA)
        assert (result.outcome, result.is_snapshot) == (Outcome.APPLIED, False)
        assert book.levels_ticks("bid") == [(164932, 1_200_000_000), (164930, 10_000_000)]
        assert book.best_ticks()[2:] == (166110, 89_200_000)
        assert scanner.feed(book, BYBIT_DELTA).outcome == Outcome.STALE

    @pytest.mark.parametrize("keys", [["data", "ts", "type", "topic"], ["cts", "data", "topic"]])
    @pytest.mark.parametrize("frame", [BYBIT_SNAPSHOT, BYBIT_TRADE])
    def test_keys_in_any_order(self, half, keys, frame):
        scanner, book = pair_of(half, Dialect.BYBIT)
        told = orjson.loads(frame)
        turned = {key: told.pop(key) for key in keys if key in told} | told
        if isinstance(turned["data"], dict):
            turned["data"] = dict(reversed(turned["data"].items()))
        first = scanner.feed(book, orjson.dumps(turned, option=orjson.OPT_INDENT_2))
        again, other = pair_of(half, Dialect.BYBIT)
        plain = again.feed(other, frame)
        assert all(getattr(first, name) == getattr(plain, name) for name in FIELDS)
        assert book.state_hash() == other.state_hash()

    def test_a_gap_stands_until_a_snapshot(self, half):
        scanner, book = pair_of(half, Dialect.BYBIT)
        assert scanner.feed(book, BYBIT_DELTA).outcome == Outcome.GAP
        assert book.gapped
        scanner.feed(book, BYBIT_SNAPSHOT)
        skipped = BYBIT_DELTA.replace(b'"u":18521289', b'"u":18521290')
        assert scanner.feed(book, skipped).outcome == Outcome.GAP
        assert scanner.feed(book, BYBIT_DELTA).outcome == Outcome.GAP
        assert scanner.feed(book, BYBIT_SNAPSHOT).outcome == Outcome.APPLIED
        assert scanner.feed(book, BYBIT_DELTA).outcome == Outcome.APPLIED

    def test_update_id_one_is_the_whole_book(self, half):
        scanner, book = pair_of(half, Dialect.BYBIT)
        scanner.feed(book, BYBIT_SNAPSHOT)
        restart = BYBIT_DELTA.replace(b'"u":18521289', b'"u":1')
        assert scanner.feed(book, restart).is_snapshot
        assert (book.last_update_id, book.counts()) == (1, (1, 1))

    def test_the_same_snapshot_again_changes_nothing(self, half):
        scanner, book = pair_of(half, Dialect.BYBIT)
        scanner.feed(book, BYBIT_SNAPSHOT)
        before = book.state_hash()
        assert scanner.feed(book, BYBIT_SNAPSHOT).outcome == Outcome.APPLIED
        assert book.state_hash() == before

    def test_many_trades_of_one_frame(self, half):
        scanner, book = pair_of(half, Dialect.BYBIT)
        result = scanner.feed(book, BYBIT_TRADE)
        assert (result.kind, result.trades) == (Kind.TRADE, 2)
        assert (result.trade_id, result.price_ticks, result.buyer_is_maker) == (
            1783284618,
            165784,
            True,
        )
        assert scanner.trades() == [
            TradeSeen(1783284617, 165785, 100_000, 1672304486865, False),
            TradeSeen(1783284618, 165784, 200_000_000, 1672304486866, True),
        ]

    def test_the_trades_of_a_frame_are_bounded(self, half):
        scanner, book = pair_of(half, Dialect.BYBIT)
        head, _, rest = BYBIT_TRADE.partition(b'"data":[')
        trade = rest[: rest.index(b"}") + 1]
        frame = head + b'"data":[' + b",".join([trade] * MAX_FRAME_TRADES) + b"]}"
        assert scanner.feed(book, frame).trades == MAX_FRAME_TRADES
        assert len(scanner.trades()) == MAX_FRAME_TRADES
        with pytest.raises(FrameRefused, match="too many trades"):
            scanner.feed(book, frame[:-2] + b"," + trade + b"]}")
        assert scanner.trades() == []

    @pytest.mark.parametrize(
        "frame",
        [
            BYBIT_OTHER,
            b"[]",
            b"7",
            b'{"success":true,"ret_msg":"","op":"subscribe"}',
            b'{"topic":7,"data":{}}',
            BYBIT_DELTA.replace(b"orderbook.50.", b"orderbook.rpi."),
            BYBIT_DELTA.replace(b"orderbook.50.", b"orderbook.full."),
            BYBIT_DELTA.replace(b"orderbook.50.BTCUSDT", b"orderbook.50"),
            BYBIT_DELTA.replace(b"orderbook.50.BTCUSDT", b"orderbook..X"),
            BYBIT_TRADE.replace(b"publicTrade.BTCUSDT", b"publicTrade."),
        ],
    )
    def test_other_topics_pass_by(self, half, frame):
        scanner, book = pair_of(half, Dialect.BYBIT)
        assert scanner.feed(book, frame).kind == Kind.OTHER

    @pytest.mark.parametrize(
        "frame",
        [
            BYBIT_DELTA.replace(b'"type":"delta"', b'"type":"more"'),
            BYBIT_DELTA.replace(b'"type":"delta",', b""),
            BYBIT_DELTA.replace(b'"s":"BTCUSDT"', b'"s":"ETHUSDT"'),
            BYBIT_DELTA.replace(b"50.BTCUSDT", b"50.") + b"",
            BYBIT_DELTA.replace(b'"seq":7961638725', b'"seq":"7961638725"'),
            BYBIT_DELTA.replace(b',"seq":7961638725', b""),
            BYBIT_DELTA.replace(b'"u":18521289', b'"u":18521289.5'),
            BYBIT_DELTA.replace(b'"u":18521289', b'"u":1,"u":1'),
            BYBIT_DELTA.replace(b'"cts":1687940967464', b'"ts":1687940967464'),
            BYBIT_DELTA.replace(b'"ts":1687940967466,', b""),
            BYBIT_DELTA.replace(b'["16611.00","0.892"]', b'["16611.00","0.892","1"]'),
            BYBIT_DELTA.replace(b'["16611.00","0.892"]', b'["16611.01","0.892"]'),
            b'{"topic":"orderbook.50.X","type":"delta","ts":1}',
            b'{"topic":"orderbook.50.X","type":"delta","ts":1,"data":[]}',
            b'{"topic":"publicTrade.X","ts":1,"data":{}}',
            b'{"topic":"publicTrade.X","ts":1,"data":"[]"}',
            b'{"data":"[]","topic":"publicTrade.X","ts":1}',
            b'{"data":"{}","topic":"orderbook.50.X","type":"delta","ts":1}',
            b'{"topic":"publicTrade.X","ts":1,"data":[[]]}',
            BYBIT_TRADE.replace(b'"Sell"', b'"sell"'),
            BYBIT_TRADE.replace(b'"S":"Buy",', b""),
            BYBIT_TRADE.replace(b'"v":"2"', b'"v":2'),
            BYBIT_TRADE.replace(b'"RPI":false', b'"p":"1"'),
        ],
    )
    def test_refused_frames_leave_the_book(self, half, frame):
        scanner, book = pair_of(half, Dialect.BYBIT)
        scanner.feed(book, BYBIT_SNAPSHOT)
        before = (book.state_hash(), book.last_update_id, book.gapped)
        with pytest.raises(FrameRefused) as refused:
            scanner.feed(book, frame)
        assert 0 <= refused.value.offset <= len(frame)
        assert (book.state_hash(), book.last_update_id, book.gapped) == before
        assert scanner.feed(book, BYBIT_DELTA).outcome == Outcome.APPLIED


@halves
@pytest.mark.parametrize("dialect", Dialect)
def test_statistics_come_with_the_frame(half, dialect):
    scanner, book = pair_of(half, dialect)
    frame = BYBIT_SNAPSHOT if dialect == Dialect.BYBIT else USDM_DEPTH
    stats = scanner.feed_stats(book, frame)
    for name, value in book.stats()._asdict().items():
        assert getattr(stats, name) == value, name
    plain = scanner.feed_stats(book, BYBIT_TRADE if dialect == Dialect.BYBIT else USDM_TRADE)
    assert (plain.kind, plain.mid, plain.bid_ticks) == (Kind.TRADE, 0.0, 0)


class Sides:
    """Both implementations of one dialect on one stream."""

    def __init__(self, dialect):
        self.pairs = [pair_of(half, dialect, "0.01") for half in ("native", "reference")]

    def feed(self, frame):
        """Asserts that both judge alike; returns whether they accepted."""
        answers = []
        for scanner, book in self.pairs:
            try:
                result = scanner.feed_stats(book, frame)
            except (FrameRefused, NumberRefused):
                answers.append(None)
            else:
                answers.append([getattr(result, name) for name in FIELDS] + scanner.trades())
            answers[-1] = (answers[-1], book.state_hash(), book.last_update_id, book.gapped)
        assert answers[0] == answers[1], frame
        return answers[0][0] is not None


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("seed", range(2))
def test_mutated_frames_are_judged_alike(dialect, seed):
    rng = random.Random(seed)
    seeds = BYBIT if dialect == Dialect.BYBIT else BINANCE + [wrapped(each) for each in BINANCE]
    sides = Sides(dialect)
    rounds = 3_000
    accepted = 0
    for at in range(rounds):
        if at % 20 == 0:
            sides = Sides(dialect)
        accepted += sides.feed(mutated(rng.choice(seeds), rng))
    assert rounds * 0.03 < accepted < rounds * 0.9, "the mutations no longer test both outcomes"


def test_every_truncation_is_refused():
    for frame in BYBIT + BINANCE:
        dialect = Dialect.BYBIT if frame in BYBIT else Dialect.BINANCE_FUTURES
        for size in range(len(frame)):
            with pytest.raises(FrameRefused) as refused:
                pair_of("native", dialect)[0].feed(native_book.Book("0.1"), frame[:size])
            assert refused.value.offset <= size


@pytest.mark.parametrize("frame", BYBIT + BINANCE)
def test_routing_looks_agree(frame):
    for each in (frame, wrapped(frame)):
        assert native.symbol_of(each) == reference.symbol_of(each)
        assert native.kind_of(each) == reference.kind_of(each)
    expected = pair_of("native", Dialect.BYBIT if frame in BYBIT else Dialect.BINANCE_FUTURES)
    assert native.kind_of(frame) == expected[0].feed(native_book.Book("0.01"), frame).kind


keys = st.sampled_from(
    ["topic", "type", "data", "ts", "cts", "s", "b", "a", "u", "seq", "T", "S", "v", "p"]
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(0, 3)
    | st.sampled_from(["orderbook.1.X", "publicTrade.X", "X", "snapshot", "delta", "Buy", "1.5"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=7),
    max_leaves=20,
)


@settings(max_examples=300, deadline=None)
@given(value=st.dictionaries(keys, values, max_size=6))
def test_any_json_of_known_keys_is_judged_alike(value):
    Sides(Dialect.BYBIT).feed(orjson.dumps(value))


@pytest.mark.skipif(not FIXTURES.exists(), reason="../shared/fixtures is not at hand")
@pytest.mark.parametrize(
    ("page", "kind"),
    [("websocket/public/orderbook.mdx", Kind.DEPTH), ("websocket/public/trade.mdx", Kind.TRADE)],
)
def test_the_documented_frames_are_read(page, kind):
    pages = json.loads((FIXTURES / "bybit_docs.json").read_bytes())["files"]
    (frame,) = pages[f"docs/v5/{page}"]["Response Example"]
    scanner, book = pair_of("native", Dialect.BYBIT, "0.01")
    assert scanner.feed(book, orjson.dumps(frame)).kind == kind


@pytest.mark.skipif(not FIXTURES.exists(), reason="../shared/fixtures is not at hand")
def test_the_documented_streams_of_binance_are_read():
    pages = json.loads((FIXTURES / "binance_spot_docs.json").read_bytes())["files"]
    streams = pages["web-socket-streams.md"]
    kinds = {}
    for title, blocks in streams.items():
        for block in blocks:
            scanner, book = pair_of("native", Dialect.BINANCE_SPOT, "0.00000001")
            kinds[title] = scanner.feed(book, orjson.dumps(block)).kind
    assert kinds["Diff. Depth Stream"] == Kind.DEPTH
    assert kinds["Trade Streams"] == Kind.TRADE
    assert kinds["Aggregate Trade Streams"] == Kind.AGG_TRADE
    assert kinds["Individual Symbol Book Ticker Streams"] == Kind.TICKER
