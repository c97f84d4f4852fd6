"""The same book, deltas and prices for everybody, as bytes and as numbers."""

from __future__ import annotations

import random
from typing import Any, NamedTuple

import orjson

CENTRE_TICKS = 6_000_000
TICK = 0.01
LOT = 0.00001
FRAMES = 1_000
SNAPSHOT_LEVELS = 1_000


class Change(NamedTuple):
    """A level set, or deleted by a size of zero, in whole ticks and lots of 0.00001."""

    is_bid: bool
    ticks: int
    lots: int


class Material(NamedTuple):
    """A snapshot and the deltas behind it."""

    snapshot: bytes
    frames: list[bytes]
    levels: int
    """In each frame."""

    def changes(self) -> list[Change]:
        """The level changes of all frames."""
        found = []
        for frame in self.frames:
            data = orjson.loads(frame)["data"]
            for is_bid, key in ((True, "b"), (False, "a")):
                found += [
                    Change(is_bid, round(float(price) * 100), round(float(size) * 100_000))
                    for price, size in data[key]
                ]
        return found

    def start(self) -> tuple[list[list[str]], list[list[str]]]:
        """The snapshot's levels, best first."""
        book = orjson.loads(self.snapshot)
        return book["bids"], book["asks"]


def generate(levels: int, frames: int = FRAMES, seed: int = 1) -> Material:
    """Deltas whose distances from the best price are exponential, two in five deletions."""
    rng = random.Random(seed)
    sides = [
        [
            [f"{(CENTRE_TICKS + sign * (i * 7 + 1)) / 100:.2f}", _size(rng)]
            for i in range(SNAPSHOT_LEVELS)
        ]
        for sign in (-1, 1)
    ]
    snapshot = orjson.dumps({"lastUpdateId": 1, "bids": sides[0], "asks": sides[1]})
    return Material(snapshot, [_frame(rng, n, levels) for n in range(2, 2 + frames)], levels)


def _frame(rng: random.Random, number: int, levels: int) -> bytes:
    changes: dict[str, list[list[str]]] = {"b": [], "a": []}
    for _ in range(levels):
        side, sign = rng.choice((("b", -1), ("a", 1)))
        ticks = CENTRE_TICKS + sign * (int(rng.expovariate(1 / 400)) + 1)
        size = "0.00000" if rng.random() < 0.4 else _size(rng)
        changes[side].append([f"{ticks / 100:.2f}", size])
    event: dict[str, Any] = {
        "e": "depthUpdate",
        "E": 1_760_000_000_000 + number,
        "s": "BTCUSDT",
        "U": number,
        "u": number,
        **changes,
    }
    return orjson.dumps({"stream": "btcusdt@depth@100ms", "data": event})


def _size(rng: random.Random) -> str:
    return f"{rng.random() * 5 + 0.001:.5f}"


def walk(symbols: int, ticks: int, seed: int = 2) -> list[list[float]]:
    """Prices of many symbols, one row a tick."""
    rng = random.Random(seed)
    prices = [rng.uniform(1, 60_000) for _ in range(symbols)]
    rows = []
    for _ in range(ticks):
        prices = [price * (1 + rng.gauss(0, 1e-4)) for price in prices]
        rows.append(prices)
    return rows
