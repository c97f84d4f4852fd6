"""One contract for both scanners, and mutated frames that both must judge the same way."""

from __future__ import annotations

import random

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core_ext import book as native_book
from core_ext import reference
from core_ext import scan as native
from core_ext.codes import MAX_DEPTH, MAX_FRAME_LEVELS, Kind, Outcome
from core_ext.errors import FrameRefused, NumberRefused

FIELDS = (
    "kind",
    "outcome",
    "symbol",
    "levels",
    "buyer_is_maker",
    "event_ms",
    "first_id",
    "last_id",
    "trade_id",
    "price_ticks",
    "lots",
    "bid_ticks",
    "bid_lots",
    "ask_ticks",
    "ask_lots",
)

DEPTH = (
    b'{"e":"depthUpdate","E":1723161255208,"s":"BTCUSDT","U":101,"u":105,'
    b'"b":[["61737.63000000","0.00000000"],["61730.17","1.5"]],"a":[["61837.64","1.54698"]]}'
)
TRADE = (
    b'{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,"p":"61837.63","q":"0.005",'
    b'"T":1723161255342,"m":true,"M":true}'
)
TICKER = (
    b'{"u":50093239212,"s":"BTCUSDT","b":"61837.63","B":"3.78826","a":"61837.64","A":"1.54698"}'
)
OTHER = b'{"e":"24hrTicker","E":1,"s":"X","p":"not a number","b":"1.0001","a":[1],"q":null}'
SNAPSHOT = b'{"lastUpdateId":100,"bids":[["61700.00","1"],["61699.99","2"]],"asks":[["61900","3"]]}'


def wrapped(frame):
    return b'{"stream":"btcusdt@depth@100ms","data":' + frame + b"}"


@pytest.fixture(params=["native", "reference"])
def pair(request):
    if request.param == "native":
        return native.BinanceScanner(), native_book.Book("0.01")
    return reference.BinanceScanner(), reference.Book("0.01")


class TestScannerContract:
    @pytest.mark.parametrize("wrap", [bytes, wrapped], ids=["raw", "wrapped"])
    def test_depth_is_applied(self, pair, wrap):
        scanner, book = pair
        result = scanner.feed(book, wrap(DEPTH))
        assert (result.kind, result.outcome) == (Kind.DEPTH, Outcome.APPLIED)
        assert (result.first_id, result.last_id, result.levels) == (101, 105, 3)
        assert (result.event_ms, result.symbol) == (1723161255208, "BTCUSDT")
        assert book.best_ticks() == (6173017, 150_000_000, 6183764, 154_698_000)

    def test_trade(self, pair):
        scanner, book = pair
        result = scanner.feed(book, wrapped(TRADE))
        assert (result.kind, result.price_ticks, result.lots) == (Kind.TRADE, 6183763, 500_000)
        assert result.buyer_is_maker is True
        assert result.trade_id == 3735683259
        assert book.counts() == (0, 0)

    def test_ticker_with_and_without_event_name(self, pair):
        scanner, book = pair
        for frame in (TICKER, b'{"e":"bookTicker","E":7,' + TICKER[1:]):
            result = scanner.feed(book, frame)
            assert (result.kind, result.last_id) == (Kind.TICKER, 50093239212)
            assert (result.bid_ticks, result.bid_lots) == (6183763, 378_826_000)
            assert (result.ask_ticks, result.ask_lots) == (6183764, 154_698_000)

    @pytest.mark.parametrize(
        "frame",
        [
            OTHER,
            wrapped(OTHER),
            b"[]",
            b"null",
            b'"x"',
            b"-1.5",
            b"{}",
            b'{"result":null,"id":1}',
            b'{"e":5}',
            b'{"data":[1,2],"stream":"x"}',
            b'{"e":"kline","k":{"t":1,"o":"0.1","deep":[[[{}]]]}}',
            '{"e":"24hrTicker","s":"币安USDT"}'.encode(),
        ],
    )
    def test_other_kinds_pass_by(self, pair, frame):
        scanner, book = pair
        assert scanner.feed(book, frame).kind == Kind.OTHER
        assert book.last_update_id == -1

    def test_keys_in_any_order_and_spaces_between(self, pair):
        scanner, book = pair
        fields = orjson.loads(DEPTH)
        backwards = orjson.dumps(dict(reversed(fields.items())), option=orjson.OPT_INDENT_2)
        result = scanner.feed(book, b" \n" + backwards + b"\t\r\n")
        assert (result.outcome, result.levels) == (Outcome.APPLIED, 3)
        assert book.counts() == (1, 1)

    def test_unknown_keys_are_skipped(self, pair):
        scanner, book = pair
        extra = b'{"x":{"e":"trade","b":[1,{"a":null}]},"yy":[true,false,-0.5],' + DEPTH[1:]
        assert scanner.feed(book, extra).outcome == Outcome.APPLIED

    @pytest.mark.parametrize(
        "frame",
        [
            b"",
            b"   ",
            b"{",
            b"nul",
            b"{}{}",
            b'{"a" 1}',
            b'{"a":1,}',
            b'{"a":01}',
            b'{"a":1.}',
            b'{"a":-}',
            b'{"a":1e5}',
            b'{"a":' + b"9" * 400 + b"}",
            b'{"a":NaN}',
            b"{'a':1}",
            b'{"a":"\x01"}',
            b'{"a":"\xff"}',
            b'{"a":"\xc0\xaf"}',
            b'{"a":"\xed\xa0\x80"}',
            b'{"\\u0065":"depthUpdate"}',
            DEPTH.replace(b"depthUpdate", b"depth\\u0055pdate"),
            DEPTH.replace(b'"E":', b'"E":-'),
            DEPTH.replace(b"1723161255208", b'"1723161255208"'),
            DEPTH.replace(b'"U":101', b'"U":99999999999999999999'),
            DEPTH.replace(b'"U":101', b'"U":106'),
            DEPTH.replace(b'"U":101,', b""),
            DEPTH.replace(b'"U":101', b'"U":101.0'),
            DEPTH.replace(b'"u":105', b'"u":105,"u":105'),
            DEPTH.replace(b'"s":"BTCUSDT"', b'"s":""'),
            DEPTH.replace(b'"s":"BTCUSDT"', b'"s":"' + b"B" * 21 + b'"'),
            DEPTH.replace(b'"s":"BTCUSDT"', b'"s":12'),
            DEPTH.replace(b'"a":[[', b'"a":[[['),
            DEPTH.replace(b'["61837.64","1.54698"]', b'["61837.64"]'),
            DEPTH.replace(b'["61837.64","1.54698"]', b'["61837.64","1","1"]'),
            DEPTH.replace(b'["61837.64","1.54698"]', b'["61837.645","1"]'),
            DEPTH.replace(b'["61837.64","1.54698"]', b'["0.00","1"]'),
            DEPTH.replace(b'["61837.64","1.54698"]', b'["-1","1"]'),
            DEPTH.replace(b'["61837.64","1.54698"]', b'[61837.64,"1"]'),
            DEPTH.replace(b'["61837.64","1.54698"]', b'["1","0.123456789"]'),
            DEPTH.replace(b'["61837.64","1.54698"]', b'["1","99999999999999999999"]'),
            DEPTH.replace(b'"a":[["61837.64","1.54698"]]', b'"a":{}'),
            DEPTH.replace(b',"a":[["61837.64","1.54698"]]', b""),
            TRADE.replace(b'"m":true', b'"m":1'),
            TICKER.replace(b'"61837.63"', b"61837.63"),
            b'{"e":"x","data":' + DEPTH + b"}",
            b'{"data":{},"data":' + DEPTH + b"}",
        ],
    )
    def test_refused_frames_leave_the_book(self, pair, frame):
        scanner, book = pair
        book.apply("bid", "61000.00", "1")
        before = book.state_hash()
        with pytest.raises(FrameRefused) as refused:
            scanner.feed(book, frame)
        assert refused.value.reason
        assert 0 <= refused.value.offset <= len(frame)
        assert book.state_hash() == before
        assert book.last_update_id == -1

    def test_nesting_is_bounded(self, pair):
        scanner, book = pair
        deepest = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
        assert scanner.feed(book, deepest).kind == Kind.OTHER
        for depth in (MAX_DEPTH + 1, 900, 200_000):
            with pytest.raises(FrameRefused):
                scanner.feed(book, b"[" * depth + b"]" * depth)

    def test_the_levels_of_a_frame_are_bounded(self, pair):
        scanner, book = pair
        for count, accepted in ((MAX_FRAME_LEVELS, True), (MAX_FRAME_LEVELS + 1, False)):
            book.clear()
            levels = ",".join(f'["{price + 1}","1"]' for price in range(count))
            frame = (
                f'{{"e":"depthUpdate","E":1,"s":"X","U":1,"u":2,"b":[{levels}],"a":[]}}'.encode()
            )
            if accepted:
                assert scanner.feed(book, frame).levels == count
                assert book.counts() == (count, 0)
            else:
                with pytest.raises(FrameRefused, match="too many levels"):
                    scanner.feed(book, frame)

    def test_snapshot_then_deltas(self, pair):
        scanner, book = pair
        assert scanner.load_snapshot(book, SNAPSHOT) == 100
        assert scanner.feed(book, DEPTH).outcome == Outcome.APPLIED
        assert scanner.feed(book, DEPTH).outcome == Outcome.STALE
        later = DEPTH.replace(b'"U":101,"u":105', b'"U":107,"u":109')
        before = book.state_hash()
        assert scanner.feed(book, later).outcome == Outcome.GAP
        assert book.state_hash() == before
        assert book.gapped

    @pytest.mark.parametrize(
        "body",
        [
            b"[]",
            b'{"lastUpdateId":1,"bids":[]}',
            b'{"lastUpdateId":"1","bids":[],"asks":[]}',
            SNAPSHOT.replace(b'["61900","3"]', b'["61900.001","3"]'),
            SNAPSHOT.replace(b'"asks"', b'"bids"'),
            SNAPSHOT[:-1],
        ],
    )
    def test_refused_snapshots_leave_the_book(self, pair, body):
        scanner, book = pair
        scanner.load_snapshot(book, SNAPSHOT)
        before = book.state_hash()
        with pytest.raises(FrameRefused):
            scanner.load_snapshot(book, body)
        assert book.state_hash() == before
        assert book.last_update_id == 100


def test_any_bytes_like_frame_is_read():
    for frame in (DEPTH, bytearray(DEPTH), memoryview(b"xx" + DEPTH)[2:]):
        assert native.BinanceScanner().feed(native_book.Book("0.01"), frame).levels == 3
    with pytest.raises(TypeError):
        native.BinanceScanner().feed(native_book.Book("0.01"), DEPTH.decode())
    with pytest.raises(TypeError):
        native.BinanceScanner().feed(None, DEPTH)


@pytest.mark.parametrize(
    "frame", [DEPTH, TRADE, TICKER, OTHER, SNAPSHOT, b"", b'{"s":"', b'"s":""']
)
@pytest.mark.parametrize("wrap", [bytes, wrapped], ids=["raw", "wrapped"])
def test_routing_looks_agree(frame, wrap):
    frame = wrap(frame)
    assert native.symbol_of(frame) == reference.symbol_of(frame)
    assert native.kind_of(frame) == reference.kind_of(frame)


def test_routing_looks():
    assert native.symbol_of(wrapped(DEPTH)) == "BTCUSDT"
    assert native.symbol_of(SNAPSHOT) is None
    kinds = [native.kind_of(wrapped(frame)) for frame in (DEPTH, TRADE, TICKER, OTHER)]
    assert kinds == [Kind.DEPTH, Kind.TRADE, Kind.TICKER, Kind.OTHER]


def test_every_truncation_is_refused_within_the_frame():
    for whole in (wrapped(DEPTH), wrapped(TRADE), TICKER):
        for size in range(len(whole)):
            with pytest.raises(FrameRefused) as refused:
                native.BinanceScanner().feed(native_book.Book("0.01"), whole[:size])
            assert refused.value.offset <= size


class Judges:
    """Both scanners side by side on one stream of frames."""

    def __init__(self):
        self.fast = native.BinanceScanner(), native_book.Book("0.01")
        self.plain = reference.BinanceScanner(), reference.Book("0.01")

    def feed(self, frame):
        """Asserts that both judge alike; returns whether they accepted."""
        answers = []
        for scanner, book in (self.fast, self.plain):
            try:
                result = scanner.feed(book, frame)
            except (FrameRefused, NumberRefused):
                answers.append(None)
            else:
                answers.append(tuple(getattr(result, field) for field in FIELDS))
        assert answers[0] == answers[1], frame
        self.compare()
        return answers[0] is not None

    def compare(self):
        fast, plain = self.fast[1], self.plain[1]
        assert fast.state_hash() == plain.state_hash()
        assert fast.last_update_id == plain.last_update_id
        assert fast.gapped == plain.gapped


price = st.one_of(st.integers(99_000, 101_000), st.integers(0, 10**15)).map(
    lambda cents: f"{cents // 100}.{cents % 100:02d}000000"
)
quantity = st.one_of(st.just("0.00000000"), st.integers(0, 10**14).map(lambda n: f"{n / 1e4:.8f}"))
sides = st.lists(st.tuples(price, quantity), max_size=6)


@st.composite
def streams(draw):
    """Depth frames whose ids mostly continue, in any key order, raw or wrapped, some trades."""
    last = draw(st.integers(0, 10**12))
    frames = []
    for _ in range(draw(st.integers(1, 8))):
        first = last + draw(st.sampled_from([1, 1, 1, 1, 0, 2, -3]))
        last = max(0, first) + draw(st.integers(-1, 5))
        fields = [
            ("e", "depthUpdate"),
            ("E", draw(st.integers(0, 2**53))),
            ("s", "BTCUSDT"),
            ("U", max(0, first)),
            ("u", max(0, last)),
            ("b", draw(sides)),
            ("a", draw(sides)),
        ]
        frame = orjson.dumps(dict(draw(st.permutations(fields))))
        frames.append(wrapped(frame) if draw(st.booleans()) else frame)
        frames.extend(draw(st.lists(st.sampled_from([TRADE, TICKER, OTHER]), max_size=1)))
    return frames


@settings(max_examples=150, deadline=None)
@given(frames=streams())
def test_both_scanners_are_equal_on_generated_streams(frames):
    judges = Judges()
    for frame in frames:
        judges.feed(frame)
        judges.fast[1].validate()
        assert judges.fast[1].stats() == judges.plain[1].stats()


SPICE = [
    b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"0", b"9", b"-", b".", b"e", b"E", b"u",
    b"U", b"null", b"true", b" ", b"\n", b"\x00", b"\x80", b"\xc3\xa9", b"\xf0\x9f\x98\x80",
    b'"b":[],', b'"e":"trade",', b'"data":{},', b"00000000000000000000", b"[[[[", b"1e999",
]  # fmt: skip


def mutated(frame, rng):
    """A frame with a few bytes changed, cut, doubled or spiced."""
    data = bytearray(frame)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        at = rng.randrange(len(data) + 1)
        end = min(len(data), at + rng.choice((1, 1, 2, 5, 30)))
        action = rng.randrange(6)
        if action == 0 and at < len(data):
            data[at] = rng.randrange(256)
        elif action == 1:
            del data[at:end]
        elif action == 2:
            data[at:at] = data[at:end]
        elif action == 3:
            data[at:at] = rng.choice(SPICE)
        elif action == 4:
            data[at:end] = rng.choice(SPICE)
        elif at < len(data):
            data[at] ^= 1 << rng.randrange(8)
    return bytes(data)


@pytest.mark.parametrize("seed", range(4))
def test_both_scanners_judge_mutated_frames_alike(seed):
    rng = random.Random(seed)
    seeds = [DEPTH, TRADE, TICKER, OTHER]
    seeds += [wrapped(frame) for frame in seeds]
    judges = Judges()
    accepted = 0
    rounds = 4_000
    for _ in range(rounds):
        judges.fast[1].clear()
        judges.plain[1].clear()
        accepted += judges.feed(mutated(rng.choice(seeds), rng))
    assert rounds * 0.03 < accepted < rounds * 0.9, "the mutations no longer test both outcomes"


@settings(max_examples=300, deadline=None)
@given(frame=st.binary(max_size=60))
def test_both_scanners_judge_any_bytes_alike(frame):
    Judges().feed(frame)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.text(max_size=5)
    | st.sampled_from(["depthUpdate", "trade", "1.5", "0"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from([*"eEsUubatpqmBA", "data", "x"]), inner, max_size=6)
    ),
    max_leaves=25,
)


@settings(max_examples=300, deadline=None)
@given(value=json_values)
def test_both_scanners_judge_any_json_alike(value):
    try:
        frame = orjson.dumps(value)
    except TypeError:
        frame = b"9" * 25
    Judges().feed(frame)
