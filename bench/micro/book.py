"""The order book alone: changes per second in batches, and with all statistics after each change.

Every function named after a route makes a pass: it builds a fresh book and returns a function that
runs all changes once and returns thread CPU nanoseconds per change. The same changes, from the same
snapshot, go through every route; `rows` lets the routes take turns and compares medians.
"""

from __future__ import annotations

import gc
import statistics
import struct
import time
from array import array
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from sortedcontainers import SortedDict

from core_ext.book import Book
from core_ext.codes import STATS_FORMAT

REPETITIONS: Final = 5
FEW: Final = 1_500
"""Changes for routes that need tens of microseconds for each."""
TICK: Final = 0.01
LOT: Final = 1e-8
MEASURED: Final = (
    f"median thread CPU time per operation of {REPETITIONS} passes, each side in turn; "
    "p50, p99, p999: of whole passes"
)
NARROW_BPS: Final = 10
WIDE_BPS: Final = 500

Pass = Callable[[], float]


class Market(NamedTuple):
    """Levels to start from and what changes: (side_is_bid, ticks, lots)."""

    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]
    changes: list[tuple[bool, int, int]]

    def few(self) -> Market:
        """The same with fewer changes."""
        return self._replace(changes=self.changes[:FEW])


def pass_ns(work: Callable[[], Any], operations: int) -> float:
    """Thread CPU time per operation, the collector of garbage standing still."""
    gc.disable()
    try:
        started = time.thread_time_ns()
        work()
        return (time.thread_time_ns() - started) / operations
    finally:
        gc.enable()


def in_turns(routes: dict[str, Pass]) -> dict[str, float]:
    """Median of each route's passes; the order turns, so that nobody has always one neighbour."""
    names, spent = list(routes), {name: list[float]() for name in routes}
    # Once, not before each pass: it walks the whole heap and would leave the caches cold.
    gc.collect()
    for repetition in range(REPETITIONS):
        for turn in range(len(names)):
            name = names[(turn + repetition) % len(names)]
            spent[name].append(routes[name]())
    return {name: statistics.median(times) for name, times in spent.items()}


# ---- ours


def _flat(market: Market) -> array[int]:
    return array("q", [word for change in market.changes for word in change])


def _book(market: Market, kind: Any) -> Book:
    """A book that lives already: it has met all changes once, then taken the snapshot again."""
    book = Book("0.01", kind=kind)
    book.load_snapshot(1, market.bids, market.asks)
    book.apply_many(_flat(market))
    book.load_snapshot(1, market.bids, market.asks)
    return book


def seawall(market: Market, kind: str) -> Pass:
    """All changes in one call."""
    flat = _flat(market)

    def run() -> float:
        book = _book(market, kind)
        return pass_ns(lambda: book.apply_many(flat), len(market.changes))

    return run


def seawall_statistics(market: Market, kind: str) -> Pass:
    """All changes in one call, every statistic written after each."""
    flat = _flat(market)
    written = bytearray(struct.calcsize(STATS_FORMAT) * len(market.changes))

    def run() -> float:
        book = _book(market, kind)
        return pass_ns(lambda: book.apply_many_stats(flat, written), len(market.changes))

    return run


def seawall_depth(market: Market, kind: str, bps: float) -> Pass:
    """All changes in one call, the depth of one band after each."""
    flat = _flat(market)
    written = bytearray(16 * len(market.changes))

    def run() -> float:
        book = _book(market, kind)
        return pass_ns(lambda: book.apply_many_depths(flat, bps, written), len(market.changes))

    return run


def seawall_called(market: Market, kind: str) -> Pass:
    """A call for each change, which answers with all statistics."""

    def run() -> float:
        change_and_look = _book(market, kind).apply_ticks_stats

        def work() -> None:
            for side_is_bid, ticks, lots in market.changes:
                change_and_look(side_is_bid, ticks, lots)

        return pass_ns(work, len(market.changes))

    return run


# ---- peers


def sorted_dict(market: Market) -> Pass:
    """Two SortedDicts of float prices, as Python programs keep a book."""
    changes = [(bid, ticks * TICK, lots * LOT) for bid, ticks, lots in market.changes]

    def run() -> float:
        bids = SortedDict({float(price): float(size) for price, size in market.bids})
        asks = SortedDict({float(price): float(size) for price, size in market.asks})

        def work() -> None:
            for side_is_bid, price, size in changes:
                side = bids if side_is_bid else asks
                if size:
                    side[price] = size
                else:
                    side.pop(price, None)

        return pass_ns(work, len(changes))

    return run


def _ccxt_book(market: Market) -> Any:
    # Imported here, so that whoever only measures us does not pay for it.
    from ccxt.async_support.base.ws.order_book import OrderBook

    levels = {
        "bids": [[float(price), float(size)] for price, size in market.bids],
        "asks": [[float(price), float(size)] for price, size in market.asks],
    }
    return OrderBook(levels, 1_000_000)


def ccxt_pro(market: Market, look: Callable[[Any], Any] | None = None) -> Pass:
    """ccxt.pro's order book; `look` reads it after each change."""
    changes = [(bid, ticks * TICK, lots * LOT) for bid, ticks, lots in market.changes]

    def run() -> float:
        book = _ccxt_book(market)
        bids, asks = book["bids"], book["asks"]

        def work() -> None:
            for side_is_bid, price, size in changes:
                (bids if side_is_bid else asks).store(price, size)
                if look is not None:
                    look(book)

        return pass_ns(work, len(changes))

    return run


def ccxt_statistics(book: Any) -> tuple[float, ...]:
    """What Book.stats says, from a ccxt order book."""
    bids, asks = book["bids"], book["asks"]
    bid, ask = bids[0][0], asks[0][0]
    mid = (bid + ask) / 2
    low, high = mid * 0.995, mid * 1.005
    bid_depth = ask_depth = 0.0
    for price, quantity in bids:
        if price < low:
            break
        bid_depth += price * quantity
    for price, quantity in asks:
        if price > high:
            break
        ask_depth += price * quantity
    bid_ten, ask_ten = bids[:10], asks[:10]
    bid_quantity = sum(level[1] for level in bid_ten)
    ask_quantity = sum(level[1] for level in ask_ten)
    return (
        bid,
        ask,
        (ask - bid) / mid * 1e4,
        mid,
        bid_depth,
        ask_depth,
        sum(level[0] * level[1] for level in bid_ten),
        sum(level[0] * level[1] for level in ask_ten),
        (bid_quantity - ask_quantity) / (bid_quantity + ask_quantity),
    )


# ---- the questions


def rows(market: Market) -> list[dict[str, Any]]:
    """One row per question: ns per change of a window, and how many times that the others need."""
    few = market.few()
    return [
        row(
            "book_updates_batched",
            "one level set or deleted, all changes in one call, in a tick window",
            {
                "seawall": seawall(market, "window"),
                "compact": seawall(market, "compact"),
                "sorted_dict": sorted_dict(market),
                "ccxt_pro": ccxt_pro(market),
            },
        ),
        row(
            "book_statistics_batched",
            "one level changed, then best prices, spread, 10 levels, 0.5 % band; all in one call",
            {
                "seawall": seawall_statistics(market, "window"),
                "compact": seawall_statistics(market, "compact"),
                "ccxt_pro": ccxt_pro(few, ccxt_statistics),
            },
        ),
        row(
            "book_statistics_called",
            "the same, a Python call and a tuple of all statistics for each change",
            {
                "seawall": seawall_called(market, "window"),
                "compact": seawall_called(market, "compact"),
                "ccxt_pro": ccxt_pro(few, ccxt_statistics),
            },
        ),
        row(
            "book_band_wide",
            f"one level changed, then the depth within {WIDE_BPS} bps; beside {NARROW_BPS} bps",
            {
                "seawall": seawall_depth(market, "window", WIDE_BPS),
                "band_narrow": seawall_depth(market, "window", NARROW_BPS),
            },
        ),
    ]


def row(
    name: str,
    operation: str,
    routes: dict[str, Pass],
    unit: str = "ns",
    wanted: Mapping[str, float] = MappingProxyType({}),
) -> dict[str, Any]:
    """A row as `bench.hot` prints them, of the route "seawall" beside the others, in turns.

    The percentiles are those of its passes, in `unit`: p99 and p999 are the slowest. `wanted` is
    how many times our time a peer should need, at least.
    """
    ours, spent = routes["seawall"], list[float]()

    def noted() -> float:
        spent.append(ours())
        return spent[-1]

    medians = in_turns(routes | {"seawall": noted})
    mine = medians.pop("seawall")
    return {
        "name": name,
        "unit": unit,
        "operation": operation,
        "measured": MEASURED,
        "p50": round(mine, 3),
        "p99": round(max(spent), 3),
        "p999": round(max(spent), 3),
        "cpu": round(mine, 3),
        "ratio_to": {peer: round(took / mine, 2) for peer, took in medians.items()},
        "wanted": dict(wanted),
    }
