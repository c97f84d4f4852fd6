"""The rows of the comparison and what is wanted of each, as one table."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from bench.peers import ccxt_pro, hft, nautilus, order_book_c, ours, plain
from bench.peers.material import Material, generate, walk
from bench.peers.routes import Route, Row, compare

SLOW_UPDATES = 1_000
"""Peers that take tens of microseconds see fewer changes."""
SYMBOLS, WINDOW_TICKS, TICKS = 500, 600, 2_000


class Goal(NamedTuple):
    """At least so many times as fast as this peer."""

    peer: str
    times: float


class Question(NamedTuple):
    """One row: how it is measured, and its goals."""

    ask: Callable[[], Row]
    goals: tuple[Goal, ...]


def _updates() -> Row:
    material = generate(20)
    changes = material.changes()
    count = len(changes)
    return compare(
        "L2 update, many in one call",
        "ns",
        Route("seawall", ours.updates(material, "window"), [ours.rows(changes)], count),
        [
            Route(
                "seawall compact", ours.updates(material, "compact"), [ours.rows(changes)], count
            ),
            Route("SortedDict", plain.updates(material, False), [changes], count),
            Route("ccxt.pro", ccxt_pro.updates(material, False), [changes], count),
            Route(
                "nautilus_trader",
                nautilus.updates(material),
                nautilus.batches(changes, material.levels),
                count,
            ),
            Route("order-book (C)", order_book_c.updates(material, False), [changes], count),
            Route("hftbacktest (2 books)", hft.updates(changes), [(count + 1) * 1_000], count),
        ],
    )


def _statistics(material: Material, seawall: Route, name: str) -> Row:
    few = material.changes()[:SLOW_UPDATES]
    return compare(
        name,
        "ns",
        seawall,
        [
            Route("ccxt.pro", ccxt_pro.updates(material, True), [few], len(few)),
            Route("SortedDict", plain.updates(material, True), [few], len(few)),
            Route(
                "order-book (C), best only", order_book_c.updates(material, True), [few], len(few)
            ),
        ],
    )


def _batched_statistics() -> Row:
    material = generate(20)
    changes = material.changes()
    route = ours.updates_with_statistics(material, "window")
    mine = Route("seawall", route, [ours.rows(changes)], len(changes))
    return _statistics(material, mine, "update + all statistics, many in one call")


def _called_statistics() -> Row:
    material = generate(20)
    changes = [(bid, ticks, lots * 1_000) for bid, ticks, lots in material.changes()]
    mine = Route("seawall", ours.calls_with_statistics(material, "window"), [changes], len(changes))
    return _statistics(material, mine, "update + all statistics, a call each")


def _bands() -> Row:
    """Ours against ours: the depth of a wide band must cost what that of a narrow one does."""
    material = generate(20)
    changes = material.changes()
    count, flat = len(changes), [ours.rows(changes)]
    return compare(
        "update + depth, band of 5 %",
        "ns",
        Route("seawall", ours.updates_with_depth(material, "window", 500), flat, count),
        [
            Route(
                "seawall, band of 0.1 %",
                ours.updates_with_depth(material, "window", 10),
                flat,
                count,
            )
        ],
    )


def _frames(levels: int) -> Row:
    material = generate(levels)
    all_frames = material.frames
    few = all_frames[:200]
    return compare(
        f"bytes to book to statistics, {levels} levels",
        "us",
        Route("seawall", ours.frames(material, "window"), all_frames, len(all_frames)),
        [
            Route("seawall compact", ours.frames(material, "compact"), all_frames, len(all_frames)),
            Route("orjson.loads alone", plain.json_alone, all_frames, len(all_frames)),
            Route("orjson + SortedDict", plain.frames(material), few, len(few)),
            Route("ccxt.pro", ccxt_pro.frames(material, True), few, len(few)),
            Route("ccxt.pro without statistics", ccxt_pro.frames(material, False), few, len(few)),
            Route("nautilus_trader adapter", nautilus.frames(material), few, len(few)),
            Route("cryptofeed", order_book_c.cryptofeed_frames(material), few, len(few)),
        ],
    )


def _drops() -> Row:
    rows = walk(SYMBOLS, TICKS)
    arrays = [np.array(row) for row in rows]
    # All see as many ticks: prices that leave the window are part of the work.
    count = SYMBOLS * TICKS
    return compare(
        f"drop from the highest, {SYMBOLS} symbols",
        "ns",
        Route("seawall", ours.drops(SYMBOLS, WINDOW_TICKS), arrays, count),
        [
            Route("Python deque", plain.monotonic_deques(SYMBOLS, WINDOW_TICKS), rows, count),
            Route("numpy", plain.numpy_ring(SYMBOLS, WINDOW_TICKS), arrays, count),
        ],
    )


QUESTIONS: tuple[Question, ...] = (
    Question(_updates, (Goal("SortedDict", 40), Goal("ccxt.pro", 40), Goal("nautilus_trader", 15))),
    Question(_batched_statistics, (Goal("ccxt.pro", 500),)),
    Question(_called_statistics, (Goal("ccxt.pro", 150),)),
    Question(_bands, (Goal("seawall, band of 0.1 %", 1 / 1.5),)),
    Question(
        lambda: _frames(20),
        (
            Goal("orjson.loads alone", 2),
            Goal("ccxt.pro", 60),
            Goal("nautilus_trader adapter", 100),
        ),
    ),
    Question(lambda: _frames(200), (Goal("orjson.loads alone", 3), Goal("ccxt.pro", 40))),
    Question(_drops, (Goal("Python deque", 20), Goal("numpy", 10))),
)


def measure(questions: Sequence[Question] = QUESTIONS) -> list[tuple[Row, tuple[Goal, ...]]]:
    """Asks everything, one after the other; progress on stderr."""
    found = []
    for question in questions:
        row = question.ask()
        print(f"{row.name}: {row.ours:.4g} {row.unit}", file=sys.stderr)
        found.append((row, question.goals))
    return found
