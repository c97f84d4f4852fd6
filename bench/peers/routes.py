"""What is timed: routes that do the same work, in turn, over the same input."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

REPETITIONS = 7
"""Passes of each route; the median counts."""


class Route(NamedTuple):
    """One way to do a piece of work. `prepare` makes a fresh `call`, called once per item."""

    name: str
    prepare: Callable[[], Callable[[Any], Any]]
    items: Sequence[Any]
    operations: int
    """How many units of the row's work all items are together."""


class Row(NamedTuple):
    """One line of the table: ours, and how many times our time each peer takes."""

    name: str
    unit: str
    ours: float
    peers: dict[str, float]
    """Per peer its median time per operation."""

    def ratio(self, peer: str) -> float:
        """How many times our time."""
        return self.peers[peer] / self.ours


NS_PER = {"ns": 1.0, "us": 1_000.0}


def compare(name: str, unit: str, ours: Route, peers: Sequence[Route]) -> Row:
    """Thread CPU time per operation: medians of passes, in which the routes take turns."""
    routes = [ours, *peers]
    spent: dict[str, list[float]] = {route.name: [] for route in routes}
    # Once, not before each pass: it walks the whole heap and would leave the caches cold.
    gc.collect()
    for repetition in range(REPETITIONS):
        for turn in range(len(routes)):
            # The order turns, so that no route always runs behind the same neighbour.
            route = routes[(turn + repetition) % len(routes)]
            spent[route.name].append(_pass_ns(route))
    medians = {route: statistics.median(times) / NS_PER[unit] for route, times in spent.items()}
    return Row(name, unit, medians.pop(ours.name), medians)


def _pass_ns(route: Route) -> float:
    """A pass, directly after one that is not timed: what the route before left in the caches is
    its own, and a running engine does not meet its code for the first time."""
    items = route.items
    gc.disable()
    try:
        call = route.prepare()
        for item in items:
            call(item)
        call = route.prepare()
        started = time.thread_time_ns()
        for item in items:
            call(item)
        return (time.thread_time_ns() - started) / route.operations
    finally:
        gc.enable()
