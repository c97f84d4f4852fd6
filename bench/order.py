"""Orders: from the decision to bytes given to the kernel, and what a whole round trip costs.

All hands place the same order with the same peer process, in turn, on one event loop of the kind
that route uses. `order_write` is wall time; the round trips are thread CPU time. A write to a
socket wakes who reads it, so all is measured as the kernel places both processes and on one core.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

import uvloop

from bench.child import child
from bench.micro.order_path import (
    BlockingSocket,
    CcxtAsync,
    Hand,
    OwnBuilder,
    OwnSession,
    OwnTransport,
    now,
)
from bench.order_peer import serve
from bench.placing import PLACINGS, named, placing
from bench.ratios import ratios_of

ROUNDS: Final = 7
ORDERS: Final = 400
WARM_UP: Final = 100

HANDS: Final[dict[str, Callable[[int, int], Hand]]] = {
    "session": OwnSession,
    "session_ws": lambda http, ws: OwnSession(http, ws, "ws"),
    "transport": OwnTransport,
    "builder": OwnBuilder,
    "ccxt_async": CcxtAsync,
    "blocking_socket": BlockingSocket,
}


class Figures:
    """What one hand needed, round by round."""

    def __init__(self) -> None:
        self.cpu_us: list[float] = []
        self.write_us: list[float] = []
        self.whole_us: list[float] = []

    def cpu(self) -> float:
        """Median over the rounds of CPU time per order."""
        return statistics.median(self.cpu_us)

    def write(self, percent: float = 50.0) -> float:
        """A percentile of the time to the write."""
        return _percentile(self.write_us, percent)


def run(json_output: bool = False, rounds: int = ROUNDS) -> list[dict[str, Any]]:
    """Measures and returns rows {name, unit, p50, p99, p999, cpu, ratio_to, wanted, operation}.

    Prints them as a table unless json_output. Raises DeadlineError when the peer does not start,
    SeawallError when an order fails."""
    print(f"bench order: {rounds} x {ORDERS} orders in {len(HANDS)} hands", file=sys.stderr)
    rows = []
    for where in PLACINGS:
        with placing(where), child("bench order: the peer", serve) as peer:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                found = runner.run(_measure(*peer.recv(), rounds))
            rows += [row | {"name": named(row["name"], where)} for row in _rows(found)]
    if not json_output:
        print_rows(rows)
    return rows


async def _measure(http_port: int, socket_port: int, rounds: int) -> dict[str, Figures]:
    found = {name: Figures() for name in HANDS}
    hands = {name: kind(http_port, socket_port) for name, kind in HANDS.items()}
    for hand in hands.values():
        await hand.open()
    try:
        for hand in hands.values():
            await _place(hand, WARM_UP, Figures())
        gc.collect()
        gc.freeze()
        for turn in range(rounds):
            names = list(hands)
            for place in range(len(names)):
                # The order turns, so that no hand always follows the same neighbour.
                name = names[(place + turn) % len(names)]
                gc.collect()
                await _place(hands[name], ORDERS, found[name])
    finally:
        gc.unfreeze()
        for hand in hands.values():
            await hand.close()
    return found


async def _place(hand: Hand, count: int, figures: Figures) -> None:
    cpu_ns = time.thread_time_ns()
    for _ in range(count):
        begun_ns = now()
        sent_ns = await hand.place()
        figures.whole_us.append((now() - begun_ns) / 1e3)
        if sent_ns:
            figures.write_us.append((sent_ns - begun_ns) / 1e3)
    figures.cpu_us.append((time.thread_time_ns() - cpu_ns) / count / 1e3)


def _rows(found: dict[str, Figures]) -> list[dict[str, Any]]:
    session, ccxt, bare = found["session"], found["ccxt_async"], found["blocking_socket"]
    transport = found["transport"]

    def write(name: str, figures: Figures, operation: str) -> dict[str, Any]:
        p50, p99, p999 = (figures.write(percent) for percent in (50, 99, 99.9))
        return {
            "name": name,
            "unit": "us",
            "p50": round(p50, 2),
            "p99": round(p99, 2),
            "p999": round(p999, 2),
            "ratio_to": {
                "ccxt_async": round(ccxt.write() / p50, 1),
                "blocking_socket": round(bare.write() / p50, 2),
            },
            "wanted": {"ccxt_async": 50},
            "operation": operation,
            "samples": len(figures.write_us),
        }

    def round_trip(
        name: str, figures: Figures, wanted: dict[str, float], operation: str
    ) -> dict[str, Any]:
        p50, p99, p999 = (_percentile(figures.whole_us, percent) for percent in (50, 99, 99.9))
        return {
            "name": name,
            "unit": "us",
            "p50": round(p50, 2),
            "p99": round(p99, 2),
            "p999": round(p999, 2),
            "cpu": round(figures.cpu(), 2),
            "ratio_to": {
                "ccxt_async": round(ccxt.cpu() / figures.cpu(), 1),
                "blocking_socket": round(bare.cpu() / figures.cpu(), 2),
            },
            "wanted": wanted,
            "operation": operation,
            "samples": len(figures.whole_us),
        }

    return [
        write("order_build", found["builder"], "an order's fields built and signed, not sent"),
        write("order_write", transport, "an order's fields built, signed, given to the kernel"),
        write(
            "order_call_to_write",
            session,
            "route's session called with an order: rate budget, built, signed, given to the kernel",
        ),
        round_trip(
            "order_round_trip",
            transport,
            {"ccxt_async": 12, "blocking_socket": 0.59},
            "CPU time of a signed order and its answer as plain JSON; ccxt: create_order",
        ),
        round_trip(
            "order_session_http",
            session,
            {"ccxt_async": 12},
            "the same through route's session: budget, verdict, answer as exact numbers",
        ),
        round_trip(
            "order_session_ws",
            found["session_ws"],
            {"ccxt_async": 12},
            "the same over the WebSocket API",
        ),
    ]


def _percentile(values: list[float], percent: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def print_rows(rows: Iterable[dict[str, Any]]) -> None:
    """A plain table."""
    print(f"{'name':32} {'p50':>8} {'p99':>8} {'p99.9':>9} {'cpu':>8}  us; times as slow (wanted)")
    for row in rows:
        cpu = f"{row['cpu']:8g}" if "cpu" in row else f"{'':8}"
        figures = f"{row['p50']:8g} {row['p99']:8g} {row['p999']:9g} {cpu}"
        print(f"{row['name']:32} {figures}  {ratios_of(row)}")
        print(f"  {row['operation']}")


if __name__ == "__main__":
    run()
