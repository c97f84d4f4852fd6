"""Many frames in one call: as if each had come alone, for every scanner and kind of book."""

from __future__ import annotations

import pickle
import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.micro import scan as material
from core_ext import reference
from core_ext.book import Book
from core_ext.codes import (
    FRAME_FORMAT,
    MAX_LEVELS,
    Dialect,
    FramesFed,
    FrameTold,
    Kind,
    Outcome,
)
from core_ext.errors import FrameRefused, NumberRefused
from core_ext.scan import BinanceScanner, BybitScanner, Scanner
from core_ext.table import BookTable

ROOM = struct.calcsize(FRAME_FORMAT)
TRADE = (
    b'{"e":"trade","E":5,"s":"BTCUSDT","t":77,"p":"61837.63","q":"0.005","T":4,"m":true,"M":true}'
)
AGGREGATE = (
    b'{"e":"aggTrade","E":6,"s":"BTCUSDT","a":8,"f":1,"l":9,"p":"61837.5","q":"1","T":4,"m":false}'
)
TICKER = b'{"u":512,"s":"BTCUSDT","b":"61837.63","B":"3.5","a":"61837.64","A":"1.5"}'
DONE = (
    b'{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":3,"data":[{"T":2,"s":"BTCUSDT",'
    b'"S":"Buy","v":"0.001","p":"16578.50","seq":17}]}'
)


def delta(first, levels='["61800.00","1"]', symbol="BTCUSDT"):
    return (
        f'{{"e":"depthUpdate","E":{first},"s":"{symbol}","U":{first},"u":{first},'
        f'"b":[{levels}],"a":[["61900.00","{first}"]]}}'
    ).encode()


def told(rows, count):
    return [FrameTold._make(row) for row in struct.iter_unpack(FRAME_FORMAT, rows[: count * ROOM])]


def started(dialect, kind):
    """A scanner and a book, ours and the reference's, before any frame."""
    bybit = dialect == Dialect.BYBIT
    ours = (BybitScanner() if bybit else BinanceScanner(dialect), Book("0.01", kind=kind))
    plain = (
        reference.BybitScanner() if bybit else reference.BinanceScanner(dialect),
        reference.Book("0.01"),
    )
    return ours, plain


def stream_of(dialect):
    """A snapshot, deltas, and what else a stream of the dialect carries."""
    frames = (
        material.bybit(20) if dialect == Dialect.BYBIT else material.binance(20, dialect)
    ).frames[:60]
    others = [DONE] if dialect == Dialect.BYBIT else [TRADE, AGGREGATE, TICKER]
    for at, other in enumerate([*others, b'{"result":null,"id":1}', b"[]"]):
        frames.insert(7 * (at + 1), other)
    return [*frames, frames[3]]


def begin(dialect, readers):
    snapshot = (material.bybit(20) if dialect == Dialect.BYBIT else material.binance(20)).snapshot
    for scanner, book in readers:
        if dialect == Dialect.BYBIT:
            scanner.feed(book, snapshot)
        else:
            scanner.load_snapshot(book, snapshot)


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("kind", ["compact", "window"])
def test_a_batch_is_its_frames_one_by_one(dialect, kind):
    ours, plain = started(dialect, kind)
    single, _ = started(dialect, kind)
    begin(dialect, (ours, plain, single))
    frames = stream_of(dialect)
    rows, expected = bytearray(ROOM * len(frames)), bytearray(ROOM * len(frames))
    fed = ours[0].feed_many(ours[1], frames, rows)
    assert isinstance(fed, FramesFed)
    assert fed == plain[0].feed_many(plain[1], frames, expected)
    assert rows == expected
    assert (fed.read, fed.applied, fed.stale, fed.lost) == (len(frames), 60, 1, False)
    for frame, row in zip(frames, told(rows, len(frames)), strict=True):
        result = single[0].feed_stats(single[1], frame)
        for name in set(FrameTold._fields) - {"place", "last_id"}:
            assert getattr(row, name) == getattr(result, name), name
        wanted = result.trade_id if result.kind in (Kind.TRADE, Kind.AGG_TRADE) else result.last_id
        assert (row.place, row.last_id) == (0, wanted)
    assert ours[1].state_hash() == plain[1].state_hash() == single[1].state_hash()
    assert ours[1].stats() == plain[1].stats()
    assert ours[0].trades() == single[0].trades()
    ours[1].validate()


def test_without_rows_the_same_is_done():
    (scanner, book), (plain_scanner, plain) = started(Dialect.BINANCE_SPOT, "compact")
    frames = (delta(at) for at in range(1, 9))
    assert scanner.feed_many(book, frames) == FramesFed(8, 8, 0, 0, False)
    plain_scanner.feed_many(plain, [delta(at) for at in range(1, 9)])
    assert book.state_hash() == plain.state_hash()
    assert scanner.feed_many(book, []) == FramesFed(0, 0, 0, 0, False)
    views = [memoryview(delta(9)), bytearray(delta(10))]
    assert scanner.feed_many(book, views).applied == 2


def test_a_batch_stops_behind_the_frame_that_loses_the_book():
    scanner, book = BinanceScanner(), Book("0.01")
    frames = [delta(1), delta(2), TRADE, delta(4), delta(5), TRADE]
    rows = bytearray(b"\xaa" * ROOM * len(frames))
    fed = scanner.feed_many(book, frames, rows)
    assert fed == FramesFed(read=4, applied=2, stale=0, gaps=1, lost=True)
    assert [row.outcome for row in told(rows, 4)] == [
        Outcome.APPLIED,
        Outcome.APPLIED,
        Outcome.NONE,
        Outcome.GAP,
    ]
    assert rows[4 * ROOM :] == b"\xaa" * 2 * ROOM
    assert (book.gapped, book.last_update_id) == (True, 2)
    # What comes behind is read on; a book that is lost already does not stop it again.
    fed = scanner.feed_many(book, frames[fed.read :], rows)
    assert fed == FramesFed(read=2, applied=0, stale=0, gaps=1, lost=False)


def test_bybit_goes_on_with_a_new_snapshot():
    frames = material.bybit(20)
    scanner, book = BybitScanner(), Book("0.01")
    fed = scanner.feed_many(book, frames.frames[:3])
    assert fed == FramesFed(1, 0, 0, 1, True)
    fed = scanner.feed_many(book, [frames.frames[5], frames.snapshot, *frames.frames[:10]])
    assert fed == FramesFed(12, 11, 0, 1, False)
    assert not book.gapped


@pytest.mark.parametrize("kind", ["compact", "window"])
def test_a_refused_frame_is_named_and_ends_the_batch(kind):
    scanner, book = BinanceScanner(), Book("0.01", kind=kind)
    bad = delta(3, '["61800.005","1"]')
    rows = bytearray(b"\xaa" * ROOM * 4)
    with pytest.raises(FrameRefused) as refused:
        scanner.feed_many(book, [delta(1), delta(2), bad, delta(3)], rows)
    assert refused.value.frame == 2
    assert refused.value.offset == bad.index(b"61800.005")
    assert str(refused.value).startswith("frame 2 refused at byte")
    assert rows[2 * ROOM :] == b"\xaa" * 2 * ROOM
    assert book.last_update_id == 2
    book.validate()
    assert scanner.feed_many(book, [delta(3)]).applied == 1
    copy = pickle.loads(pickle.dumps(refused.value))
    assert (copy.frame, str(copy)) == (2, str(refused.value))


def test_a_full_book_names_the_frame():
    scanner, book = BinanceScanner(), Book("0.01")
    book.load_snapshot_ticks(1, [(at + 1, 1) for at in range(MAX_LEVELS)], [])
    before = book.state_hash()
    with pytest.raises(NumberRefused, match=r"frame 1: levels of a book side") as refused:
        scanner.feed_many(book, [TRADE, delta(2), TRADE])
    assert (refused.value.frame, refused.value.place) == (1, "levels of a book side")
    assert book.state_hash() == before
    copy = pickle.loads(pickle.dumps(refused.value))
    assert (copy.frame, str(copy)) == (1, str(refused.value))


def test_rows_must_have_room_and_be_writable():
    scanner, book = BinanceScanner(), Book("0.01")
    for rows in (bytearray(2 * ROOM - 1), bytearray()):
        with pytest.raises(NumberRefused, match="for each of 2 frames"):
            scanner.feed_many(book, [delta(1), delta(2)], rows)
    with pytest.raises(BufferError):
        scanner.feed_many(book, [delta(1)], bytes(ROOM))
    with pytest.raises(TypeError):
        scanner.feed_many(book, [delta(1), "text"])
    with pytest.raises(TypeError):
        scanner.feed_many(book, 5)
    assert book.last_update_id == 1
    more = bytearray(5 * ROOM)
    assert scanner.feed_many(book, [delta(2)], more).read == 1
    more.extend(b"let go")


def test_frames_may_lie_where_rows_are_written():
    scanner, book = BinanceScanner(), Book("0.01")
    frames = [delta(1), delta(2), delta(3)]
    shared = bytearray(4 * ROOM)
    views = []
    for at, frame in enumerate(frames):
        shared[at * 140 : at * 140 + len(frame)] = frame
        views.append(memoryview(shared)[at * 140 : at * 140 + len(frame)])
    # The first row lies over the second frame: what is read then is refused, and nothing else.
    with pytest.raises(FrameRefused) as refused:
        scanner.feed_many(book, views, shared)
    assert refused.value.frame == 1
    assert book.last_update_id == 1


def test_a_scanner_without_dialect_is_none():
    with pytest.raises(TypeError, match="BinanceScanner or BybitScanner"):
        Scanner()


# ---- many symbols


def test_each_frame_goes_to_the_book_of_its_symbol():
    symbols = [f"{name}USDT" for name in ("BTC", "ETH", "SOL", "A")]
    table, plain = BookTable(), reference.BookTable(reference.symbol_of)
    books, plains = [], []
    shared, plain_shared = BinanceScanner(), reference.BinanceScanner()
    for at, symbol in enumerate(symbols):
        books.append(Book("0.01", kind="window" if at % 2 else "compact"))
        plains.append(reference.Book("0.01"))
        assert table.add(symbol, shared, books[-1]) == at
        plain.add(symbol, plain_shared, plains[-1])
    rng = random.Random(5)
    next_id = dict.fromkeys([*symbols, "XRPUSDT"], 1)
    frames = []
    for _ in range(400):
        symbol = rng.choice([*next_id])
        next_id[symbol] += 1
        bids = f'["{61700 + rng.randrange(100)}.5","{rng.randrange(3)}"]'
        frames.append(delta(next_id[symbol], bids, symbol))
    frames[50] = b'{"result":null,"id":1}'
    frames[60] = TRADE
    rows, expected = bytearray(ROOM * len(frames)), bytearray(ROOM * len(frames))
    fed, wanted, read = [], [], 0
    while read < len(frames):
        # Two frames were replaced: two books are lost, and the caller goes on behind each.
        fed.append(table.feed_many(frames[read:], memoryview(rows)[read * ROOM :]))
        wanted.append(plain.feed_many(frames[read:], memoryview(expected)[read * ROOM :]))
        read += fed[-1].read
    assert fed == wanted
    assert rows == expected
    places = [row.place for row in told(rows, len(frames))]
    assert set(places) == {-1, 0, 1, 2, 3}
    assert places[50] == -1
    assert [book.state_hash() for book in books] == [book.state_hash() for book in plains]


def test_a_frame_of_another_symbol_than_its_head_says_is_refused():
    table, book = BookTable(), Book("0.01")
    table.add("BTCUSDT", BinanceScanner(), book)
    table.add("ETHUSDT", BinanceScanner(), Book("0.01"))
    decoy = b'{"x":{"s":"BTCUSDT"},' + delta(1, symbol="ETHUSDT")[1:]
    with pytest.raises(FrameRefused, match="its symbol is not the one") as refused:
        table.feed_many([delta(1), decoy])
    assert refused.value.frame == 1
    assert book.last_update_id == 1
    quiet = b'{"x":{"s":"BTCUSDT"},"e":"kline"}'
    assert table.feed_many([quiet]) == FramesFed(1, 0, 0, 0, False)


def test_bad_symbols_are_refused():
    table = BookTable()
    for symbol in ("", "A" * 21, "BTC USDT", 'BTC"', "BTC\\", "BTC\x00", "币", None, b"BTC", 5):
        with pytest.raises(NumberRefused) as refused:
            table.add(symbol, BinanceScanner(), Book("1"))
        assert refused.value.place == "symbol"
    table.add("A" * 20, BinanceScanner(), Book("1"))
    with pytest.raises(NumberRefused, match="no book here yet"):
        table.add("A" * 20, BinanceScanner(), Book("1"))
    with pytest.raises(TypeError):
        table.add("B", None, Book("1"))
    assert len(table) == 1


@settings(max_examples=40, deadline=None)
@given(st.sets(st.text("AB1_-.", min_size=1, max_size=20), min_size=1, max_size=120), st.randoms())
def test_names_are_told_apart(names, rng):
    ordered = sorted(names)
    table, scanner = BookTable(), BinanceScanner()
    for at, name in enumerate(ordered):
        assert table.add(name, scanner, Book("0.01")) == at
    asked = [rng.choice(ordered) for _ in range(50)] + [ordered[0] + "X", "ZZZ"]
    frames = [delta(1, symbol=name) for name in asked]
    rows = bytearray(ROOM * len(frames))
    table.feed_many(frames, rows)
    for name, row in zip(asked, told(rows, len(asked)), strict=True):
        assert row.place == (ordered.index(name) if name in names else -1)


def test_a_thousand_symbols():
    table, scanner = BookTable(), BinanceScanner()
    for at in range(1_000):
        table.add(f"S{at}USDT", scanner, Book("0.01"))
    frames = [delta(1, symbol=f"S{at}USDT") for at in reversed(range(1_000))]
    rows = bytearray(ROOM * 1_000)
    assert table.feed_many(frames, rows).applied == 1_000
    assert [row.place for row in told(rows, 1_000)] == [*reversed(range(1_000))]
