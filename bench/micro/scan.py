"""Frames alone: bytes to book to statistics in one call, beside the JSON decoder and ccxt.pro.

Every function named after a route makes a pass: a function that feeds all frames to a fresh book
and returns thread CPU microseconds per frame, after a pass that is not timed: a frame that a socket
has just delivered lies in the cache, and what the route before left there is not its own. `rows`
lets the routes take turns and compares medians. `python -m bench.micro.scan` prints them.
"""

from __future__ import annotations

import random
import struct
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple

import orjson

from bench.micro.book import MEASURED, Pass, pass_ns, row
from bench.ratios import ratios_of
from core_ext.book import Book
from core_ext.codes import FRAME_FORMAT, Dialect
from core_ext.scan import BinanceScanner, BybitScanner, symbol_of
from core_ext.table import BookTable

LEVELS: Final = (20, 200)
FRAMES: Final = 600
CENTRE_TICKS: Final = 6_000_000
SNAPSHOT_LEVELS: Final = 1_000
AT_ONCE: Final = 32
"""Frames in one call, where they come in batches."""
SYMBOLS: Final = 10
WANTED: Final = {20: {"orjson": 2, "ccxt_pro": 60}, 200: {"orjson": 3, "ccxt_pro": 40}}
"""How many times our time each peer should need, at least."""

Side = list[list[str]]


class Frames(NamedTuple):
    """A snapshot and the deltas behind it, of one dialect."""

    snapshot: bytes
    frames: list[bytes]
    levels: int
    dialect: int


def deltas(levels: int, seed: int, places: tuple[int, int]) -> list[tuple[Side, Side]]:
    """Bids and asks, best first: exponential distances from the best price, two in five deletions.

    `places` are the decimals of prices and quantities, as the venue writes them.
    """
    rng = random.Random(seed)
    found = []
    for _ in range(FRAMES):
        sides: tuple[dict[int, str], dict[int, str]] = ({}, {})
        while len(sides[0]) + len(sides[1]) < levels:
            at = rng.randrange(2)
            ticks = CENTRE_TICKS + (2 * at - 1) * (int(rng.expovariate(1 / 400)) + 1)
            quantity = 0.0 if rng.random() < 0.4 else rng.random() * 5 + 0.001
            sides[at][ticks] = f"{quantity:.{places[1]}f}"
        bids, asks = (
            [
                [f"{ticks / 100:.{places[0]}f}", side[ticks]]
                for ticks in sorted(side, reverse=turned)
            ]
            for side, turned in zip(sides, (True, False), strict=True)
        )
        found.append((bids, asks))
    return found


def whole_book(seed: int, places: tuple[int, int]) -> tuple[Side, Side]:
    """The levels to start from."""
    rng = random.Random(seed)
    bids, asks = (
        [
            [
                f"{(CENTRE_TICKS + sign * (i * 7 + 1)) / 100:.{places[0]}f}",
                f"{rng.random() * 5 + 0.001:.{places[1]}f}",
            ]
            for i in range(SNAPSHOT_LEVELS)
        ]
        for sign in (-1, 1)
    )
    return bids, asks


def binance(levels: int, dialect: int = Dialect.BINANCE_SPOT, seed: int = 1) -> Frames:
    """Frames as the combined stream sends them: spot with eight decimals, futures with few."""
    futures = dialect == Dialect.BINANCE_FUTURES
    places = (2, 3) if futures else (8, 8)
    bids, asks = whole_book(seed, places)
    frames = []
    for last, (changed_bids, changed_asks) in enumerate(deltas(levels, seed, places), 2):
        event: dict[str, Any] = {"e": "depthUpdate", "E": 1_723_161_255_208}
        if futures:
            event |= {"T": 1_723_161_255_207, "s": "BTCUSDT", "U": last, "u": last, "pu": last - 1}
        else:
            event |= {"s": "BTCUSDT", "U": last, "u": last}
        event |= {"b": changed_bids, "a": changed_asks}
        frames.append(orjson.dumps({"stream": "btcusdt@depth@100ms", "data": event}))
    snapshot = orjson.dumps({"lastUpdateId": 1, "bids": bids, "asks": asks})
    return Frames(snapshot, frames, levels, dialect)


def bybit(levels: int, seed: int = 1) -> Frames:
    """Frames of orderbook.200, deletions written "0"."""
    places = (2, 3)

    def frame(kind: str, last: int, bids: Side, asks: Side) -> bytes:
        data = {"s": "BTCUSDT", "b": bids, "a": asks, "u": last, "seq": 7_961_638_724 + last}
        told = {"topic": "orderbook.200.BTCUSDT", "type": kind, "ts": 1_687_940_967_466}
        return orjson.dumps(told | {"data": data, "cts": 1_687_940_967_464}).replace(
            b'"0.000"', b'"0"'
        )

    frames = [
        frame("delta", last, *sides) for last, sides in enumerate(deltas(levels, seed, places), 9)
    ]
    return Frames(frame("snapshot", 8, *whole_book(seed, places)), frames, levels, Dialect.BYBIT)


# ---- the routes


def started(frames: Frames, kind: Any) -> tuple[Any, Book]:
    """A scanner and a book that holds the snapshot."""
    book = Book("0.01", kind=kind)
    if frames.dialect == Dialect.BYBIT:
        bybit_scanner = BybitScanner()
        bybit_scanner.feed(book, frames.snapshot)
        return bybit_scanner, book
    scanner = BinanceScanner(frames.dialect)
    scanner.load_snapshot(book, frames.snapshot)
    return scanner, book


def second_pass_us(prepare: Callable[[], Callable[[bytes], Any]], frames: Frames) -> float:
    """Microseconds of thread CPU per frame of the second of two passes, each with a fresh call."""
    spent = 0.0
    for _ in range(2):
        call = prepare()

        def work(call: Callable[[bytes], Any] = call) -> None:
            for frame in frames.frames:
                call(frame)

        spent = pass_ns(work, len(frames.frames)) / 1_000
    return spent


def seawall(frames: Frames, kind: str) -> Pass:
    """One call: bytes in, a result with all statistics out."""

    def prepare() -> Callable[[bytes], Any]:
        scanner, book = started(frames, kind)
        feed = scanner.feed_stats
        return lambda frame: feed(book, frame)

    return lambda: second_pass_us(prepare, frames)


def seawall_tuple(frames: Frames, kind: str) -> Pass:
    """Two calls: the frame, then the statistics as a tuple of Python numbers."""

    def prepare() -> Callable[[bytes], Any]:
        scanner, book = started(frames, kind)
        feed, stats = scanner.feed, book.stats

        def call(frame: bytes) -> Any:
            feed(book, frame)
            return stats()

        return call

    return lambda: second_pass_us(prepare, frames)


def seawall_batched(frames: Frames, kind: str, at_once: int = AT_ONCE) -> Pass:
    """A few frames in one call, the statistics after each written into a buffer."""

    def run() -> float:
        spent = 0.0
        for _ in range(2):
            scanner, book = started(frames, kind)
            spent = batches_us(partial(scanner.feed_many, book), frames.frames, at_once)
        return spent

    return run


def batches_us(feed: Callable[[list[bytes], bytearray], Any], all_: list[bytes], n: int) -> float:
    """Microseconds of thread CPU per frame of one pass, n frames a call."""
    rows = bytearray(struct.calcsize(FRAME_FORMAT) * n)
    batches = [all_[start : start + n] for start in range(0, len(all_), n)]

    def work() -> None:
        for batch in batches:
            feed(batch, rows)

    return pass_ns(work, len(all_)) / 1_000


def tickers() -> Frames:
    """Most frames of a stream are as short as these."""
    rng = random.Random(3)
    frames = [
        b'{"stream":"btcusdt@bookTicker","data":{"u":%d,"s":"BTCUSDT","b":"60000.%02d000000",'
        b'"B":"1.54698000","a":"60001.%02d000000","A":"3.78826000"}}'
        % (last, rng.randrange(100), rng.randrange(100))
        for last in range(FRAMES)
    ]
    return binance(LEVELS[0])._replace(frames=frames)


def many_symbols(levels: int, symbols: int) -> dict[str, Frames]:
    """The frames of as many markets, few of each."""
    found = {}
    usual = binance(levels)
    for at in range(symbols):
        name = f"S{at}USDT"
        mine = [
            frame.replace(b'"BTCUSDT"', f'"{name}"'.encode())
            for frame in usual.frames[: FRAMES // symbols]
        ]
        found[name] = usual._replace(frames=mine)
    return found


def in_arrival(markets: dict[str, Frames]) -> list[bytes]:
    """Their frames as one stream brings them: each symbol's next by turns."""
    turns = zip(*(frames.frames for frames in markets.values()), strict=True)
    return [frame for turn in turns for frame in turn]


def table_batched(markets: dict[str, Frames]) -> Pass:
    """A few frames of many symbols in one call, each into the book of its symbol."""

    def run() -> float:
        spent = 0.0
        for _ in range(2):
            table = BookTable()
            for name, frames in markets.items():
                table.add(name, *started(frames, "compact"))
            spent = batches_us(table.feed_many, in_arrival(markets), AT_ONCE)
        return spent

    return run


def table_called(markets: dict[str, Frames]) -> Pass:
    """The same frames one by one: the symbol, its book in a dict, the frame, the statistics."""

    def prepare() -> Callable[[bytes], Any]:
        books = {name: started(frames, "compact") for name, frames in markets.items()}

        def call(frame: bytes) -> Any:
            scanner, book = books[symbol_of(frame) or ""]
            return scanner.feed_stats(book, frame)

        return call

    arriving = next(iter(markets.values()))._replace(frames=in_arrival(markets))
    return lambda: second_pass_us(prepare, arriving)


def seawall_reading(frames: Frames, kind: str) -> Pass:
    """Reading alone: frames that end before the book's id are read whole and not applied."""
    late = frames._replace(snapshot=b'{"lastUpdateId":9000000000000000000,"bids":[],"asks":[]}')

    def prepare() -> Callable[[bytes], Any]:
        scanner, book = started(late, kind)
        feed = scanner.feed
        return lambda frame: feed(book, frame)

    return lambda: second_pass_us(prepare, late)


def orjson_alone(frames: Frames) -> Pass:
    """The decoder of JSON, and nothing done with what it gives."""
    return lambda: second_pass_us(lambda: orjson.loads, frames)


def ccxt_pro(frames: Frames, few: int = 150) -> Pass:
    """ccxt.pro's handler of decoded frames, and the same statistics from its book."""
    from bench import hot

    prepare = hot.ccxt_pro(hot.Depth(frames.snapshot, frames.frames, "generated"))
    shorter = frames._replace(frames=frames.frames[:few])
    return lambda: second_pass_us(prepare, shorter)


# ---- the questions


def rows() -> list[dict[str, Any]]:
    """One row per number of levels and dialect, in us per frame; ratios are of the same run."""
    found = []
    for levels in LEVELS:
        spot = binance(levels)
        found.append(
            row(
                f"frame_{levels}_levels",
                f"a spot frame of {levels} levels: read, applied to a tick window, all statistics",
                {
                    "seawall": seawall(spot, "window"),
                    "compact": seawall(spot, "compact"),
                    "batched": seawall_batched(spot, "window"),
                    "as_a_tuple": seawall_tuple(spot, "window"),
                    "reading_alone": seawall_reading(spot, "window"),
                    "orjson": orjson_alone(spot),
                    "ccxt_pro": ccxt_pro(spot),
                },
                "us",
                WANTED[levels],
            )
        )
        others = (
            ("futures", binance(levels, Dialect.BINANCE_FUTURES)),
            ("bybit", bybit(levels)),
        )
        found += [
            row(
                f"frame_{levels}_levels_{name}",
                f"the same of {name}",
                {"seawall": seawall(frames, "window"), "orjson": orjson_alone(frames)},
                "us",
                {"orjson": WANTED[levels]["orjson"]},
            )
            for name, frames in others
        ]
    short = tickers()
    found.append(
        row(
            "frame_ticker",
            f"a bookTicker of spot, {AT_ONCE} in a call",
            {
                "seawall": seawall_batched(short, "window"),
                "one_by_one": seawall(short, "window"),
                "orjson": orjson_alone(short),
            },
            "us",
        )
    )
    markets = many_symbols(LEVELS[0], SYMBOLS)
    found.append(
        row(
            f"frames_of_{SYMBOLS}_symbols",
            f"a spot frame of {LEVELS[0]} levels of one of {SYMBOLS} symbols, {AT_ONCE} in a call",
            {"seawall": table_batched(markets), "one_by_one": table_called(markets)},
            "us",
        )
    )
    return found


def main() -> int:
    """Prints the rows."""
    for one in rows():
        print(f"{one['name']:26} {one['cpu']:7.3f} us  {ratios_of(one)}")
    print(MEASURED)
    return 0


if __name__ == "__main__":
    sys.exit(main())
