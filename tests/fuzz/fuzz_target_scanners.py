"""The scanners: frames of each dialect, and snapshots, in memory that ends where they end.

Imports core_ext alone, so that sanitized.py can run these targets on an instrumented build.
"""

import ctypes
import json
from collections.abc import Callable, Iterator
from struct import calcsize, unpack
from typing import Any

from fuzz_engine import Target

from core_ext.book import Book
from core_ext.codes import FRAME_FORMAT, Dialect
from core_ext.errors import FrameRefused, NumberRefused
from core_ext.scan import BinanceScanner, BybitScanner, kind_of, symbol_of
from core_ext.table import BookTable

BIDS = [["61837.50", "1.5"], ["61837.0", "0.00000000"], ["61830.00000000", "12"], ["9", "0"]]
ASKS = [["61838.00000000", "0.25000000"], ["61840", "1234567.1"], ["61900.5", "3.00100000"]]
SPOT_DEPTH = {"e": "depthUpdate", "E": 1672515782136, "s": "BTCUSDT", "U": 161, "u": 170,
              "b": BIDS, "a": ASKS}  # fmt: skip
LONG_DEPTH = SPOT_DEPTH | {
    "b": [[f"{61837 - at}.{at % 2 * 50:02d}", f"{at}.{at:03d}"] for at in range(60)],
    "a": [[f"{61838 + at}.5", f"0.{at:03d}00000"] for at in range(60)],
}
SPOT = [
    SPOT_DEPTH,
    LONG_DEPTH,
    {"e": "trade", "E": 1, "s": "BNBBTC", "t": 12345, "p": "0.5", "q": "100", "T": 2, "m": True,
     "M": True},
    {"e": "aggTrade", "E": 1, "s": "BNBBTC", "a": 7, "p": "0.5", "q": "100", "f": 5, "l": 6,
     "T": 2, "m": False, "M": True},
    {"u": 400900217, "s": "BNBBTC", "b": "0.50", "B": "31.2", "a": "1", "A": "4.6"},
]  # fmt: skip
FUTURES = [
    SPOT_DEPTH | {"pu": 160, "T": 1672515782135},
    LONG_DEPTH | {"pu": 160, "T": 1672515782135, "ps": "BTCUSD", "s": "BTCUSD_200626"},
    {"e": "trade", "E": 1, "T": 2, "s": "BTCUSDT", "t": 5, "p": "61800.50", "q": "0.006",
     "X": "MARKET", "m": False},
    {"e": "aggTrade", "E": 1, "a": 42, "s": "BTCUSDT", "p": "61800.50", "q": "2", "f": 6, "l": 7,
     "T": 3, "m": True},
    {"e": "bookTicker", "u": 512, "s": "BTCUSDT", "b": "61800.00", "B": "2.5", "a": "61800.50",
     "A": "2.510", "T": 1, "E": 2},
]  # fmt: skip
BOOK = {"s": "BTCUSDT", "b": BIDS, "a": ASKS, "u": 161, "seq": 9}
DELTA = {"topic": "orderbook.50.BTCUSDT", "type": "delta", "ts": 1, "data": BOOK, "cts": 2}
BYBIT_BOOK = [
    DELTA,
    DELTA | {"type": "snapshot"},
    {"data": BOOK | {"u": 1}, "cts": 4, "ts": 3, "type": "delta", "topic": "orderbook.1.BTCUSDT"},
    DELTA | {"data": BOOK | {"b": LONG_DEPTH["b"], "a": LONG_DEPTH["a"]}},
    {"success": True, "ret_msg": "", "op": "subscribe"},
]
DONE = {"T": 1, "s": "BTCUSDT", "S": "Buy", "v": "0.001", "p": "16578.50", "L": "PlusTick",
        "i": "20f43950-d8dd-5b31-9112-a178eb6023af", "BT": False, "seq": 17}  # fmt: skip
BYBIT_TRADES = [
    {"topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": 1, "data": [DONE]},
    {"data": [DONE, DONE | {"S": "Sell", "RPI": False}, DONE], "ts": 1,
     "topic": "publicTrade.BTCUSDT"},
    {"topic": "publicTrade.BTCUSDT", "ts": 1, "data": [DONE] * 70},
]  # fmt: skip
SNAPSHOT = {"lastUpdateId": 160, "E": 1, "bids": BIDS, "asks": ASKS}


def lines(*frames: Any) -> list[bytes]:
    """JSON as the venues write it, bare and wrapped, and once spread out."""
    written = [json.dumps(frame, separators=(",", ":")).encode() for frame in frames]
    wrapped = [b'{"stream":"btcusdt@depth@100ms","data":' + frame + b"}" for frame in written]
    return [*written, *wrapped, json.dumps(frames[0], indent=1).encode()]


def exact(data: bytes) -> Any:
    """The bytes in memory of their size, as a sanitizer sees a byte read beyond them."""
    return (ctypes.c_char * len(data)).from_buffer_copy(data)


def target(
    name: str, samples: list[bytes], reader: Any, feed: Callable[[Any, Book, Any], Any], books: Any
) -> Target:
    """A decoder of frames over several books: usual steps, odd ones, and one too fine for words."""

    def renew() -> None:
        for book in books:
            book.clear()
            book.load_snapshot(160, [("61800", "1")], [("61950", "1")])

    def state() -> Any:
        return [(b.state_hash(), b.last_update_id, b.gapped, b.counts()) for b in books]

    turn = 0

    def read(data: bytes) -> Any:
        nonlocal turn
        turn = (turn + 1) % len(books)
        book = books[turn]
        frame = exact(data)
        symbol_of(frame)
        kind_of(frame)
        said = feed(reader, book, frame)
        book.validate()
        return said, book.stats()

    renew()
    return Target(
        name=name,
        samples=samples,
        read=read,
        refusals=(FrameRefused, NumberRefused),
        state=state,
        renew=renew,
    )


def feed_one(reader: Any, book: Book, frame: Any) -> Any:
    """One frame, and all that it says."""
    said = reader.feed_stats(book, frame)
    return said.symbol, said.mid, said.imbalance, said.spread_bps, reader.trades()


def table_target() -> Target:
    """A batch of one frame for two books, as bytes and as rows."""
    books = Book("0.5"), Book("0.01", kind="window")
    table, scanner, rows = BookTable(), BinanceScanner(), exact(bytes(calcsize(FRAME_FORMAT)))
    for symbol, book in zip(("BTCUSDT", "BNBBTC"), books, strict=True):
        table.add(symbol, scanner, book)

    def feed_batch(reader: Any, _: Book, frame: Any) -> Any:
        fed = reader.feed_many([frame], rows)
        return fed, unpack(FRAME_FORMAT, rows)

    return target("scan.table", lines(*SPOT), table, feed_batch, books)


def scanner_targets() -> Iterator[Target]:
    """One for each scanner, one for the table of books, and one for snapshots."""
    yield table_target()
    for name, frames, reader in (
        ("scan.binance_spot", SPOT, BinanceScanner()),
        ("scan.binance_futures", FUTURES, BinanceScanner(Dialect.BINANCE_FUTURES)),
        ("scan.bybit_book", BYBIT_BOOK, BybitScanner()),
        ("scan.bybit_trades", BYBIT_TRADES, BybitScanner()),
    ):
        books = (Book("0.01"), Book("0.1", "0.001"), Book("0.5"), Book("0.000000001"))
        yield target(name, lines(*frames), reader, feed_one, books)
    yield target(
        "scan.snapshot",
        lines(SNAPSHOT),
        BinanceScanner(),
        lambda reader, book, body: reader.load_snapshot(book, body),
        (Book("0.01"), Book("0.25", "0.00001")),
    )
