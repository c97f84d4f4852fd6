"""What both designs of the path benchmark share: the ticks, their times, the decision, the sums.

A tick has an intended time; every duration is counted from it, so a design that falls behind pays
for the ticks that waited (no coordinated omission).
"""

from __future__ import annotations

import os
import socket
import time
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from bench.path_lane import PassedLane
from core_ext.histogram import Histogram

SPIN_NS = 100_000
SYMBOL = "BTCUSDT"
QUANTITY = 0.001

INGEST_HOPS = ("frame_to_quote",)
DECIDE_HOPS = ("quote_hop", "decision")
ROUTE_HOPS = (
    "intent_hop",
    "tick_to_intent",
    "commit",
    "sign_and_write",
    "tick_to_order",
    "tick_to_order_without_commit",
)
HOPS = INGEST_HOPS + DECIDE_HOPS + ROUTE_HOPS

API_SECRET = "b" * 64
"""Signs requests that no exchange ever sees."""


class Batch(NamedTuple):
    """A row of ticks at a constant rate; times are of `now`."""

    first: int
    count: int
    start_ns: int
    interval_ns: int


class Stage(NamedTuple):
    """What a stage's process is given."""

    folder: str
    orders: Connection
    """Batches come here, `None` ends the process; histograms go back."""
    frames: list[bytes]
    snapshot: bytes
    cpus: tuple[int, ...]
    lane: PassedLane | None = None
    """The fast lane of quotes, in the design that has one."""
    idle: str = ""
    """What decide and route do between ticks: `warm`, or decide alone `spin`; else they sleep."""


now = time.perf_counter_ns


def place(stage: Stage) -> None:
    """Pins the process where cores were named."""
    if stage.cpus:
        os.sched_setaffinity(0, stage.cpus)


def wait_until(at_ns: int) -> None:
    """Sleeps, then spins for the last part: a tick comes when it comes."""
    rest = at_ns - now() - SPIN_NS
    if rest > 0:
        time.sleep(rest / 1e9)
    while now() < at_ns:
        pass


def decide(
    bid: float, ask: float, bid_depth: float, spread_bps: float
) -> tuple[float, float] | None:
    """The same decision in both designs: guards, size, price. (quantity, price), or None."""
    if not 0 < bid < ask or spread_bps > 1000 or bid_depth < 10 * QUANTITY * bid:
        return None
    return QUANTITY, ask


class Hops:
    """One histogram for each hop a process can see."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self._histograms = {name: Histogram() for name in names}

    def record(self, name: str, duration_ns: int) -> None:
        """Counts one duration."""
        self._histograms[name].record(max(duration_ns, 0))

    def send(self, connection: Connection) -> None:
        """Hands everything over, and counts anew."""
        connection.send({name: each.to_bytes() for name, each in self._histograms.items()})
        for each in self._histograms.values():
            each.clear()


class Kernel:
    """A TCP connection of loopback that takes orders: what it has taken is out of our hands."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            self._near = socket.create_connection(server.getsockname())
            self._far, _ = server.accept()
        self._near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def take(self, request: bytes) -> int:
        """Gives it a request and returns when it was taken, by `now`; then makes room for more."""
        self._near.sendall(request)
        taken_ns = now()
        self._far.recv(65_536)
        return taken_ns

    def close(self) -> None:
        """Both ends."""
        self._near.close()
        self._far.close()


def listen(stage: Stage, hops: Hops) -> bool:
    """Reads one word of the parent; False at the end."""
    word: Any = stage.orders.recv()
    if word == "report":
        hops.send(stage.orders)
    return word is not None
