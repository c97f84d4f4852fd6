"""What Python programs do without a library of the field: SortedDict, orjson, deque, numpy."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import orjson
from sortedcontainers import SortedDict

from bench.peers.material import LOT, TICK, Change, Material


class Sides:
    """Two sorted dictionaries of float prices."""

    def __init__(self, material: Material) -> None:
        bids, asks = material.start()
        self.bids = SortedDict({float(price): float(size) for price, size in bids})
        self.asks = SortedDict({float(price): float(size) for price, size in asks})

    def set(self, is_bid: bool, price: float, size: float) -> None:
        """A level, or its end."""
        side = self.bids if is_bid else self.asks
        if size:
            side[price] = size
        else:
            side.pop(price, None)

    def statistics(self, band: float = 0.005) -> tuple[float, ...]:
        """Best prices, spread, ten levels, depth within half a per cent."""
        bid, ask = self.bids.peekitem(-1)[0], self.asks.peekitem(0)[0]
        mid = (bid + ask) / 2
        low, high = mid * (1 - band), mid * (1 + band)
        bid_depth = sum(price * self.bids[price] for price in self.bids.irange(low, None))
        ask_depth = sum(price * self.asks[price] for price in self.asks.irange(None, high))
        bid_ten = sum(price * size for price, size in self.bids.items()[-10:])
        ask_ten = sum(price * size for price, size in self.asks.items()[:10])
        return bid, ask, (ask - bid) / mid * 1e4, bid_depth, ask_depth, bid_ten, ask_ten


def updates(material: Material, with_statistics: bool) -> Callable[[], Callable[[Any], Any]]:
    """A batch of changes; statistics after each of them where wanted."""

    def prepare() -> Callable[[Any], Any]:
        sides = Sides(material)

        def apply(changes: list[Change]) -> None:
            for is_bid, ticks, lots in changes:
                sides.set(is_bid, ticks * TICK, lots * LOT)
                if with_statistics:
                    sides.statistics()

        return apply

    return prepare


def frames(material: Material) -> Callable[[], Callable[[Any], Any]]:
    """orjson, floats, sorted dictionaries, statistics."""

    def prepare() -> Callable[[Any], Any]:
        sides = Sides(material)

        def handle(frame: bytes) -> Any:
            data = orjson.loads(frame)["data"]
            for is_bid, key in ((True, "b"), (False, "a")):
                for price, size in data[key]:
                    sides.set(is_bid, float(price), float(size))
            return sides.statistics()

        return handle

    return prepare


def json_alone() -> Callable[[Any], Any]:
    """Only decoding; no book."""
    return orjson.loads


def monotonic_deques(symbols: int, window: int) -> Callable[[], Callable[[Any], Any]]:
    """A deque of falling peaks for each symbol; one row of prices in, one row of drops out."""

    def prepare() -> Callable[[Any], Any]:
        peaks: list[deque[tuple[int, float]]] = [deque() for _ in range(symbols)]
        tick = 0

        def update(prices: list[float]) -> list[float]:
            nonlocal tick
            tick += 1
            oldest, drops = tick - window, []
            for falling, price in zip(peaks, prices, strict=True):
                while falling and falling[-1][1] <= price:
                    falling.pop()
                falling.append((tick, price))
                while falling[0][0] <= oldest:
                    falling.popleft()
                drops.append((price / falling[0][1] - 1.0) * 100.0)
            return drops

        return update

    return prepare


def numpy_ring(symbols: int, window: int) -> Callable[[], Callable[[Any], Any]]:
    """All symbols in one matrix, the highest of every column at each tick."""

    def prepare() -> Callable[[Any], Any]:
        ring = np.zeros((window, symbols))
        tick = 0

        def update(prices: Any) -> Any:
            nonlocal tick
            ring[tick % window] = prices
            tick += 1
            return (prices / ring.max(axis=0) - 1.0) * 100.0

        return update

    return prepare
