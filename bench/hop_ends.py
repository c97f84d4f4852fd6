"""The ends of a round trip in Python, each in its own process: ours in two ways, and two others.

Nobody ends by itself: the parent kills what it started. Ours are the engine's `Link`s: raw sockets,
in a blocking read, or with their descriptor in uvloop's poller, drained and asked again because
that descriptor is edge-triggered. The usual way is `zmq.asyncio` on uvloop. These are one DEALER to
another, so that one frame is one message. The bare way is a Unix socket without ZeroMQ: two wakes
of a process and nothing else, the floor of anything that sleeps between messages.
"""

from __future__ import annotations

import asyncio
import gc
import socket
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


def bare(end: End) -> None:
    """A connected Unix socket, without threads, frames or queues."""
    address = str(Path(end.folder) / f"{end.name}.sock")
    if end.echoes:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(address)
            server.listen(1)
            _ready(end)
            peer, _ = server.accept()
        while body := peer.recv(BODY_BYTES):
            peer.sendall(body)
        return
    near = socket.socket(socket.AF_UNIX)
    near.connect(address)

    def trip(body: bytes) -> None:
        near.sendall(body)
        near.recv(BODY_BYTES)

    _ask(end, trip)


def _ask(end: End, trip: Callable[[bytes], None]) -> None:
    """Times so many trips as are asked for, for ever."""
    _ready(end)
    body = bytes(BODY_BYTES)
    while True:
        took = []
        for _ in range(end.orders.recv()):
            began_ns = now()
            trip(body)
            took.append(now() - began_ns)
        end.orders.send(took)


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
    link = _link(end)._socket
    if end.echoes:
        _ready(end)
        while True:
            link.send(link.recv())

    def trip(body: bytes) -> None:
        link.send(body)
        link.recv()

    _ask(end, trip)


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
        link = zmq.asyncio.Context().socket(zmq.DEALER)
        address = _channel(end.name).address(Path(end.folder))
        if end.echoes:
            link.bind(address)
        else:
            link.connect(address)
        _ready(end)
        if end.echoes:
            while True:
                await link.send(await link.recv())
        body = bytes(BODY_BYTES)
        while True:
            took = []
            for _ in range(await asyncio.to_thread(end.orders.recv)):
                began_ns = now()
                await link.send(body)
                await link.recv()
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
    "unix_socket": bare,
}
