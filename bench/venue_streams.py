"""Messages out of the market streams to ten clients, as many as one core can write.

The venue's own server in a process of its own; its clock runs twice as fast as ours, so that the
flooded market says more than is promised. The peer is aiohttp sending as many bytes to ten clients,
one `send_str` a message, with no market, no book and no JSON to write.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

import psutil
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from bench.venue_process import START_WITHIN_S, STOP_WITHIN_S, Server, cores, in_a_process
from shared.errors import DeadlineError

CLIENTS = 10
HASTE = 2
"""How much faster the venue's clock runs."""
WARM_UP_S = 1.0
LISTEN_S = 4.0
SLICE_S = 0.1
WANTED_PER_S = 30_000
STREAMS = "/".join(f"btcusdt@{name}" for name in ("bookTicker", "trade", "aggTrade", "depth@100ms"))
MESSAGE = "x" * 150
"""About as long as a best-price message in its wrapping."""


def run() -> list[dict[str, Any]]:
    """One row: messages a second out to ten clients, and in a second of the server's time."""
    server_core, client_core = cores()
    rates: dict[str, list[float]] = {"seawall": [], "bare": []}
    per_core: dict[str, float] = {}
    for name, serve in (("seawall", _serve_venue), ("bare", _serve_bare)):
        with _running(serve, server_core) as server:
            slices, cpu_s = in_a_process(listen, client_core, server.port, server.pid)
        rates[name] = slices
        per_core[name] = sum(slices) * SLICE_S / max(cpu_s, 0.01)
    ours = sorted(rates["seawall"])
    return [
        {
            "name": "stream_messages_out",
            "unit": "msgs/s",
            "p50": round(ours[len(ours) // 2]),
            "p99": round(ours[len(ours) // 100]),
            "p999": round(ours[0]),
            "cpu": round(per_core["seawall"]),
            "ratio_to": {"bare_aiohttp": round(per_core["seawall"] / per_core["bare"], 2)},
            "wanted": WANTED_PER_S,
            "operation": f"{CLIENTS} clients of {STREAMS}; rates of {SLICE_S:g} s slices; cpu and "
            "the ratio: messages in a second of the server's own time, market and books included",
            "samples": round(sum(ours) * SLICE_S),
        }
    ]


class Reader(WSListener):
    """Counts frames; what they say costs the client nothing."""

    count = 0

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """One message."""
        if frame.msg_type == WSMsgType.TEXT:
            Reader.count += 1


def listen(port: int, server_pid: int) -> tuple[list[float], float]:
    """Messages a second in each slice, and the server's processor time meanwhile."""
    return asyncio.run(_listen(port, server_pid))


async def _listen(port: int, server_pid: int) -> tuple[list[float], float]:
    url = f"ws://127.0.0.1:{port}/stream?streams={STREAMS}"
    connected = [await ws_connect(Reader, url) for _ in range(CLIENTS)]
    await asyncio.sleep(WARM_UP_S)
    server = psutil.Process(server_pid)
    before = server.cpu_times()
    slices: list[float] = []
    ends = time.monotonic() + LISTEN_S
    while time.monotonic() < ends:
        began, seen = time.perf_counter(), Reader.count
        await asyncio.sleep(SLICE_S)
        slices.append((Reader.count - seen) / (time.perf_counter() - began))
    after = server.cpu_times()
    for transport, _ in connected:
        transport.disconnect()
    return slices, after.user + after.system - before.user - before.system


@contextlib.contextmanager
def _running(serve: Callable[[Connection, int], None], core: int) -> Iterator[Server]:
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=serve, args=(theirs, core), daemon=True)
    process.start()
    try:
        if not ours.poll(START_WITHIN_S):
            raise DeadlineError("bench venue: the stream server did not start")
        assert process.pid is not None, "it has started"
        yield Server("127.0.0.1", int(ours.recv()), process.pid)
    finally:
        process.kill()
        process.join(STOP_WITHIN_S)


def _serve_venue(connection: Connection, core: int) -> None:
    import uvloop

    from procs.localvenue.options import VenueOptions
    from procs.localvenue.server import VenueServer
    from shared.clock import wall_ms

    os.sched_setaffinity(0, {core})
    server = VenueServer(VenueOptions(profile="flood", unlimited=True))
    began_ms = wall_ms()
    # A clock in haste is no option of the venue: clients' timestamps would not fit it.
    server.venue._wall_ms = lambda: began_ms + (wall_ms() - began_ms) * HASTE

    async def work() -> None:
        await server.start()
        connection.send(server.port)
        await asyncio.Event().wait()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work())


def _serve_bare(connection: Connection, core: int) -> None:
    import uvloop
    from aiohttp import web

    os.sched_setaffinity(0, {core})

    async def pour(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        with contextlib.suppress(ConnectionResetError):  # The readers have heard enough.
            while not socket.closed:
                await socket.send_str(MESSAGE)
                await asyncio.sleep(0)
        return socket

    async def work() -> None:
        app = web.Application()
        app.router.add_get("/stream", pour)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        connection.send(runner.addresses[0][1])
        await asyncio.Event().wait()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work())
