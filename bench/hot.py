"""The hot path on this machine: frame bytes to statistics, one book update, one drop, one quote.

Each question is put to our code and to peers in the same run. `cpu` and `ratio_to` come from
whole passes, ours and the peers' in turn: the median over the passes of thread CPU time per
operation, so that a busy neighbour does not decide them. p50, p99 and p999 are wall times of
single operations of ours, the clock's own cost taken off. What one operation is, its row says.
"""

from __future__ import annotations

import gc
import random
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from bench.micro import book as book_alone
from bench.micro import drop as drop_alone
from bench.micro.book import ccxt_statistics
from bench.ratios import ratios_of
from core_ext import reference
from core_ext.book import Book
from core_ext.codes import Kind
from core_ext.drop import DropWindow
from core_ext.histogram import Histogram
from core_ext.quote import pack_book, unpack
from core_ext.scan import BinanceScanner, kind_of
from shared.recordings.lines import read_lines

REPETITIONS = 5
MEASURED = (
    "p50, p99, p999: wall time of single operations; cpu, ratio_to: median thread CPU time per "
    f"operation of {REPETITIONS} passes, each side in turn"
)
DEPTH_FRAMES = 1_200
UPDATES = 20_000
RECORDING = Path(__file__).parents[2] / "shared/data/book/binance_spot-btcusdt_20240808.jsonl.xz"
WINDOW_NS = 3_600_000_000_000


class Task(NamedTuple):
    """One thing to time: `prepare` gives a fresh function that is called once per item.

    An item is a tuple of the call's arguments, so that no wrapper of ours is timed with it.
    """

    name: str
    prepare: Callable[[], Callable[..., Any]]
    items: Sequence[tuple[Any, ...]]


class Depth(NamedTuple):
    """A snapshot and the deltas behind it, and whether they were recorded or generated."""

    snapshot: bytes
    frames: list[bytes]
    source: str


def depth_frames(paths: Iterable[Path | str] | None) -> Depth:
    """Depth frames of recordings (the given, else the shared one), else generated ones."""
    if not paths and not RECORDING.exists():
        return generated_frames()
    frames: list[bytes] = []
    snapshot = b""
    last_id = 0
    for line in read_lines(paths or [RECORDING]):
        if line.is_snapshot and not snapshot:
            snapshot = line.frame
            last_id = orjson.loads(snapshot)["lastUpdateId"]
            frames = [frame for frame in frames if last_update_id(frame) > last_id]
        elif kind_of(line.frame) == Kind.DEPTH:
            frames.append(line.frame)
        if snapshot and len(frames) >= DEPTH_FRAMES:
            break
    return Depth(snapshot, frames, "recorded") if snapshot else generated_frames()


def last_update_id(frame: bytes) -> int:
    """The id that a depth frame ends with."""
    event = orjson.loads(frame)
    return int(event.get("data", event)["u"])


def generated_frames() -> Depth:
    """A book of 1000 levels a side and deltas of 20 levels around its best prices."""
    rng = random.Random(1)
    centre = 6_000_000
    sides = [
        [
            [f"{(centre + sign * (i * 7 + 1)) / 100:.2f}", f"{rng.random() * 5 + 0.001:.5f}"]
            for i in range(1000)
        ]
        for sign in (-1, 1)
    ]
    snapshot = orjson.dumps({"lastUpdateId": 1, "bids": sides[0], "asks": sides[1]})
    frames = []
    for first in range(2, 2 + DEPTH_FRAMES):
        changes: list[list[list[str]]] = [[], []]
        for _ in range(20):
            side = rng.randrange(2)
            ticks = centre + (2 * side - 1) * (int(rng.expovariate(1 / 400)) + 1)
            quantity = 0.0 if rng.random() < 0.4 else rng.random() * 5 + 0.001
            changes[side].append([f"{ticks / 100:.2f}", f"{quantity:.5f}"])
        event = {"e": "depthUpdate", "E": first, "s": "BTCUSDT", "U": first, "u": first}
        event |= {"b": changes[0], "a": changes[1]}
        frames.append(orjson.dumps({"stream": "btcusdt@depth@100ms", "data": event}))
    return Depth(snapshot, frames, "generated")


def scanning(
    depth: Depth, scanner_kind: Any, book_kind: Any
) -> Callable[[], Callable[[bytes], Any]]:
    """Frame bytes → book → statistics, native or reference."""

    def prepare() -> Callable[..., Any]:
        scanner, book = scanner_kind(), book_kind("0.01")
        scanner.load_snapshot(book, depth.snapshot)

        def feed(frame: bytes) -> Any:
            scanner.feed(book, frame)
            return book.stats()

        return feed

    return prepare


def ccxt_pro(depth: Depth, with_statistics: bool = True) -> Callable[[], Callable[[bytes], Any]]:
    """ccxt.pro's own handler on decoded JSON, and the same statistics from its book."""
    import ccxt.pro

    class Client:
        url = "wss://stream.binance.com:9443/stream"
        subscriptions: dict[str, Any] = {}

        def resolve(self, result: Any, message_hash: str) -> Any:
            return result

        def reject(self, error: Exception, message_hash: str | None = None) -> None:
            raise error

    def prepare() -> Callable[..., Any]:
        exchange = ccxt.pro.binance()
        exchange.set_markets(
            [
                {
                    "id": "BTCUSDT",
                    "symbol": "BTC/USDT",
                    "base": "BTC",
                    "quote": "USDT",
                    "type": "spot",
                    "spot": True,
                    "precision": {"price": 0.01, "amount": 0.00001},
                    "limits": {},
                }
            ]
        )
        snapshot = orjson.loads(depth.snapshot)
        book = exchange.order_book({}, 1000)
        book.reset(
            {
                "bids": [[float(p), float(q)] for p, q in snapshot["bids"]],
                "asks": [[float(p), float(q)] for p, q in snapshot["asks"]],
                "nonce": snapshot["lastUpdateId"],
                "symbol": "BTC/USDT",
            }
        )
        exchange.orderbooks["BTC/USDT"] = book
        client = Client()

        def handle(frame: bytes) -> Any:
            exchange.handle_message(client, orjson.loads(frame))
            return ccxt_statistics(book) if with_statistics else None

        return handle

    return prepare


def updating(kind: Any, depth: Depth) -> Callable[[], Callable[[bool, int, int], Any]]:
    """One level change at a time on a book that starts with the snapshot."""

    def prepare() -> Callable[..., Any]:
        book = kind("0.01")
        snapshot = orjson.loads(depth.snapshot)
        book.load_snapshot(1, snapshot["bids"], snapshot["asks"])
        apply_ticks: Callable[..., Any] = book.apply_ticks
        return apply_ticks

    return prepare


def level_changes(depth: Depth) -> list[tuple[bool, int, int]]:
    """The level changes of all frames, in whole ticks and lots."""
    changes = []
    for frame in depth.frames:
        event = orjson.loads(frame)
        event = event.get("data", event)
        for side, levels in ((True, event["b"]), (False, event["a"])):
            for price, quantity in levels:
                changes.append((side, round(float(price) * 100), round(float(quantity) * 1e8)))
    return changes


class DequeDrop:
    """The rolling maximum as Python programs write it: a monotonic deque."""

    def __init__(self, window_ns: int) -> None:
        self.window_ns = window_ns
        self.peaks: deque[tuple[int, float]] = deque()

    def update(self, ts_ns: int, price: float) -> float:
        """The drop from the highest price of the window, in per cent."""
        peaks = self.peaks
        while peaks and peaks[-1][1] <= price:
            peaks.pop()
        peaks.append((ts_ns, price))
        while peaks[0][0] < ts_ns - self.window_ns:
            peaks.popleft()
        return (price / peaks[0][1] - 1.0) * 100.0


def dropping(kind: Any) -> Callable[[], Callable[[int, float], Any]]:
    """One price at a time into a window."""

    return lambda: kind(WINDOW_NS).update


def price_walk(count: int = 20_000) -> list[tuple[int, float]]:
    """A random walk of prices, 100 ms apart, a few hours long."""
    rng = random.Random(2)
    price, ticks = 60_000.0, []
    for i in range(count):
        price = max(1.0, price + rng.gauss(0, 5))
        ticks.append((i * 700_000_000, price))
    return ticks


def quoting(depth: Depth) -> Callable[[], Callable[[int], Any]]:
    """A quote written from the book and read back."""

    def prepare() -> Callable[..., Any]:
        book = Book("0.01")
        BinanceScanner().load_snapshot(book, depth.snapshot)

        def send(sequence: int) -> Any:
            return unpack(
                pack_book(
                    book, "BTCUSDT", sequence=sequence, recv_ns=1, publish_ns=2, buy_quote=50.0
                )
            )

        return send

    return prepare


def json_quoting(depth: Depth) -> Callable[[], Callable[[int], Any]]:
    """The same numbers as JSON through orjson."""

    def prepare() -> Callable[..., Any]:
        book = Book("0.01")
        BinanceScanner().load_snapshot(book, depth.snapshot)

        def send(sequence: int) -> Any:
            fields = book.stats()._asdict()
            fields |= {"symbol": "BTCUSDT", "sequence": sequence, "recv_ns": 1, "publish_ns": 2}
            fields["buy_price"] = book.sweep("buy", 50.0)
            return orjson.loads(orjson.dumps(fields))

        return send

    return prepare


def cpu_per_item_ns(task: Task) -> float:
    """Thread CPU time per item of one whole pass."""
    call, items = task.prepare(), task.items
    gc.collect()
    started = time.thread_time_ns()
    for item in items:
        call(*item)
    return (time.thread_time_ns() - started) / len(items)


def wall_percentiles(task: Task) -> tuple[int, int, int]:
    """(p50, p99, p99.9) ns of single operations, less the median cost of reading the clock."""
    clock = time.perf_counter_ns
    readings = sorted(clock() - clock() for _ in range(1_001))
    clock_ns = -readings[500]
    histogram = Histogram()
    for _ in range(3):
        call = task.prepare()
        gc.collect()
        for item in task.items:
            started = clock()
            call(*item)
            histogram.record(clock() - started - clock_ns)
    return histogram.percentile(50), histogram.percentile(99), histogram.percentile(99.9)


def compare(
    name: str, unit: str, operation: str, ours: Task, peers: Sequence[Task]
) -> dict[str, Any]:
    """One row: our percentiles, and how many times our CPU time each peer needs."""
    tasks = [ours, *peers]
    spent: dict[str, list[float]] = {task.name: [] for task in tasks}
    for repetition in range(REPETITIONS):
        # The order turns, so that no task always runs behind the same neighbour.
        for turn in range(len(tasks)):
            task = tasks[(turn + repetition) % len(tasks)]
            spent[task.name].append(cpu_per_item_ns(task))
    medians = {task_name: statistics.median(times) for task_name, times in spent.items()}
    scale = {"ns": 1.0, "us": 1_000.0}[unit]
    p50, p99, p999 = wall_percentiles(ours)
    return {
        "name": name,
        "unit": unit,
        "operation": operation,
        "measured": MEASURED,
        "p50": round(p50 / scale, 3),
        "p99": round(p99 / scale, 3),
        "p999": round(p999 / scale, 3),
        "cpu": round(medians[ours.name] / scale, 3),
        "ratio_to": {
            peer.name: round(medians[peer.name] / medians[ours.name], 1) for peer in peers
        },
    }


def run(
    json_output: bool = False, recording: Iterable[Path | str] | None = None
) -> list[dict[str, Any]]:
    """Measures and returns the rows {name, unit, p50, p99, p999, cpu, ratio_to}.

    Each also says what was measured: `operation`, `measured`, where the depth `frames` came from
    and `levels_per_frame` on average.
    Prints them as a table on stdout unless json_output; progress goes to stderr either way.
    """
    depth = depth_frames(recording)
    changes, ticks = level_changes(depth), price_walk()
    frames = [(frame,) for frame in depth.frames]
    levels_per_frame = round(len(changes) / len(frames), 1)
    changes = changes[:UPDATES]
    sequences = [(sequence,) for sequence in range(5_000)]
    print(
        f"bench hot: {len(frames)} {depth.source} depth frames, "
        f"{levels_per_frame} levels per frame on average",
        file=sys.stderr,
    )
    rows = [
        compare(
            "frame_to_stats",
            "us",
            f"one depth frame of {levels_per_frame} levels on average: read, applied, statistics",
            Task("seawall", scanning(depth, BinanceScanner, Book), frames),
            [
                Task("ccxt_pro", ccxt_pro(depth), frames),
                Task("ccxt_pro_without_stats", ccxt_pro(depth, False), frames),
                Task("orjson_loads_alone", lambda: orjson.loads, frames),
                Task(
                    "sorted_dict",
                    scanning(depth, reference.BinanceScanner, reference.Book),
                    frames[:300],
                ),
            ],
        ),
        compare(
            "book_update",
            "ns",
            "one level of the book set or deleted, in whole ticks and lots",
            Task("seawall", updating(Book, depth), changes),
            [Task("sorted_dict", updating(reference.Book, depth), changes)],
        ),
        compare(
            "drop_update",
            "ns",
            "one price into an hour's window, the drop from its highest price out",
            Task("seawall", dropping(DropWindow), ticks),
            [Task("python_deque", dropping(DequeDrop), ticks)],
        ),
        compare(
            "quote_round_trip",
            "ns",
            "one quote written from the book to 176 bytes and read back",
            Task("seawall", quoting(depth), sequences),
            [Task("orjson", json_quoting(depth), sequences)],
        ),
    ]
    snapshot = orjson.loads(depth.snapshot)
    market = book_alone.Market(snapshot["bids"], snapshot["asks"], changes)
    rows += book_alone.rows(market)
    for row in rows:
        row["frames"] = depth.source
        row["levels_per_frame"] = levels_per_frame
    rows += drop_alone.rows()
    if not json_output:
        print_rows(rows)
    return rows


def print_rows(rows: Iterable[dict[str, Any]]) -> None:
    """A plain table."""
    print(f"{'name':18} {'unit':4} {'p50':>8} {'p99':>8} {'p99.9':>8} {'cpu':>8}  peers (wanted)")
    for row in rows:
        print(
            f"{row['name']:18} {row['unit']:4} {row['p50']:8g} {row['p99']:8g} "
            f"{row['p999']:8g} {row['cpu']:8g}  {ratios_of(row)}"
        )
        print(f"  {row['operation']}")
    print(MEASURED)
