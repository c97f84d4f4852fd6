"""The drop from an hour's highest price, for all symbols at once: one call, and what Python does.

Passes as in `bench.micro.book`: thread CPU nanoseconds per price. NumPy is a peer where it is
installed; the engine does not need it. All see as many ticks: prices that leave the window are
part of the work.
"""

from __future__ import annotations

import importlib.util
import random
from array import array
from collections import deque
from typing import Any, Final

from bench.micro.book import Pass, pass_ns, row
from core_ext.drop import DropWindow, DropWindows

SYMBOLS: Final = 500
WINDOW: Final = 600
TICKS: Final = 1_500

Rows = list[Any]
"""A row of prices, array("d"), per tick."""


def walk(symbols: int = SYMBOLS, ticks: int = TICKS) -> Rows:
    """A random walk of all symbols: a row of prices per tick."""
    rng = random.Random(2)
    prices = [1.0 + 100.0 * rng.random() for _ in range(symbols)]
    rows = []
    for _ in range(ticks):
        prices = [price * (1.0 + rng.gauss(0.0, 5e-4)) for price in prices]
        rows.append(array("d", prices))
    return rows


def seawall(walked: Rows) -> Pass:
    """One call for a row of prices."""

    def run() -> float:
        update = DropWindows(len(walked[0]), WINDOW).update

        def work() -> None:
            for tick, prices in enumerate(walked):
                update(tick, prices)

        return pass_ns(work, len(walked) * len(walked[0]))

    return run


def seawall_called(walked: Rows) -> Pass:
    """One call for a price."""

    def run() -> float:
        updates = [DropWindow(WINDOW).update for _ in walked[0]]

        def work() -> None:
            for tick, prices in enumerate(walked):
                for update, price in zip(updates, prices, strict=True):
                    update(tick, price)

        return pass_ns(work, len(walked) * len(walked[0]))

    return run


def python_deque(walked: Rows) -> Pass:
    """A deque of falling peaks for each symbol."""

    def run() -> float:
        peaks: list[deque[tuple[int, float]]] = [deque() for _ in walked[0]]

        def work() -> None:
            for tick, prices in enumerate(walked):
                oldest, drops = tick - WINDOW, []
                for falling, price in zip(peaks, prices, strict=True):
                    while falling and falling[-1][1] <= price:
                        falling.pop()
                    falling.append((tick, price))
                    while falling[0][0] < oldest:
                        falling.popleft()
                    drops.append((price / falling[0][1] - 1.0) * 100.0)

        return pass_ns(work, len(walked) * len(walked[0]))

    return run


def numpy_ring(walked: Rows) -> Pass:
    """All symbols in one matrix, the highest of every column at each tick."""
    import numpy as np

    rows = [np.array(prices) for prices in walked]

    def run() -> float:
        ring: Any = np.zeros((WINDOW + 1, len(walked[0])))

        def work() -> None:
            for tick, prices in enumerate(rows):
                ring[tick % (WINDOW + 1)] = prices
                (prices / ring.max(axis=0) - 1.0) * 100.0

        return pass_ns(work, len(walked) * len(walked[0]))

    return run


def rows() -> list[dict[str, Any]]:
    """One row: ns per price, and how many times that the others need."""
    walked = walk()
    routes = {
        "seawall": seawall(walked),
        "seawall_called": seawall_called(walked),
        "python_deque": python_deque(walked),
    }
    if importlib.util.find_spec("numpy"):
        routes["numpy"] = numpy_ring(walked)
    operation = f"one price of each of {SYMBOLS} symbols into {WINDOW} points, the drops out"
    return [row("drops_batched", operation, routes)]
