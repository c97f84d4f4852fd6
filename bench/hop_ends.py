"""The ends of a round trip in Python, each in its own process: ours in two ways, and the usual.

Nobody ends by itself: the parent kills what it started. Ours are the engine's `Link`s: raw sockets,
in a blocking read, or with their descriptor in uvloop's poller, drained and asked again because
that descriptor is edge-triggered. The usual way is `zmq.asyncio` on uvloop. All are one DEALER to
another, so that one frame is one message.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, NamedTuple

import uvloop
import zmq
import zmq.asyncio

from shared.bus.sockets import Link
from shared.bus.topology import Channel, Overload

BODY_BYTES: Final = 176
"""As long as a quote."""
DRAINED: Final = 512
"""What the engine takes from one socket at once."""

now: Final = time.perf_counter_ns


class End(NamedTuple):
    """What the process of an end is given."""

    folder: str
    name: str
    """Of the socket."""
    orders: Connection
    """Counts of round trips come here and durations go back."""
    echoes: bool
    """Whether this end binds and gives everything back, or asks."""


def _channel(name: str) -> Channel:
    return Channel(
        name=name,
        binder="route",
        binder_kind=zmq.DEALER,
        peers=("decide",),
        peer_kind=zmq.DEALER,
        binder_hwm=1_000,
        peer_hwm=1_000,
        overload=Overload.REPEAT,
        up=(),
        down=(),
    )


def _link(end: End) -> Link:
    role = "route" if end.echoes else "decide"
    link = Link(zmq.Context(), _channel(end.name), role, Path(end.folder))
    link.open()
    return link


def _ready(end: End) -> None:
    gc.freeze()
    end.orders.send("ready")


def blocking(end: End) -> None:
    """A raw socket that sleeps in its read."""
    socket = _link(end)._socket
    _ready(end)
    if end.echoes:
        while True:
            socket.send(socket.recv())
    body = bytes(BODY_BYTES)
    while True:
        took = []
        for _ in range(end.orders.recv()):
            began_ns = now()
            socket.send(body)
            socket.recv()
            took.append(now() - began_ns)
        end.orders.send(took)


def polled(end: End) -> None:
    """The engine's way: the link's descriptor in uvloop's poller."""
    link = _link(end)

    def echo() -> None:
        while received := link.drain(DRAINED):
            for _, body in received:
                link.send(body)

    body, took = bytes(BODY_BYTES), list[int]()
    left = began_ns = 0

    def begin(count: int) -> None:
        nonlocal left, began_ns
        left, began_ns = count, now()
        link.send(body)
        heard()  # The send may have swallowed the edge.

    def heard() -> None:
        nonlocal left, began_ns
        while link.drain(DRAINED):
            took.append(now() - began_ns)
            left -= 1
            if not left:
                end.orders.send(took)
                took.clear()
                return
            began_ns = now()
            link.send(body)

    async def live() -> None:
        loop = asyncio.get_running_loop()
        loop.add_reader(link.descriptor, echo if end.echoes else heard)
        if not end.echoes:
            loop.add_reader(end.orders.fileno(), lambda: begin(end.orders.recv()))
        _ready(end)
        await loop.create_future()

    _run(live())


def usual(end: End) -> None:
    """`zmq.asyncio` on uvloop."""

    async def live() -> None:
        socket = zmq.asyncio.Context().socket(zmq.DEALER)
        address = _channel(end.name).address(Path(end.folder))
        if end.echoes:
            socket.bind(address)
        else:
            socket.connect(address)
        _ready(end)
        if end.echoes:
            while True:
                await socket.send(await socket.recv())
        body = bytes(BODY_BYTES)
        while True:
            took = []
            for _ in range(await asyncio.to_thread(end.orders.recv)):
                began_ns = now()
                await socket.send(body)
                await socket.recv()
                took.append(now() - began_ns)
            end.orders.send(took)

    _run(live())


def _run(work: Any) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)


def run_end(
    orders: Connection, way: Callable[[End], None], folder: str, name: str, echoes: bool
) -> None:
    """One end, as the first thing of its process."""
    way(End(folder, name, orders, echoes))


WAYS: Final[dict[str, Callable[[End], None]]] = {
    "blocking": blocking,
    "uvloop": polled,
    "zmq_asyncio": usual,
}
