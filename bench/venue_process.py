"""Real venue processes for the benchmarks, each held on one core, and a bare server beside them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil

from shared.errors import DeadlineError

ROOT = Path(__file__).resolve().parents[1]
START_WITHIN_S = 60
STOP_WITHIN_S = 10

CONSTANT = json.dumps(
    {
        "symbol": "BTCUSDT",
        "orderId": 28,
        "orderListId": -1,
        "clientOrderId": "6gCrw2kRUAF9CvJDGP16IP",
        "transactTime": 1507725176595,
        "price": "0.00000000",
        "origQty": "10.00000000",
        "executedQty": "10.00000000",
        "cummulativeQuoteQty": "10.00000000",
        "status": "FILLED",
        "timeInForce": "GTC",
        "type": "MARKET",
        "side": "SELL",
    }
).encode()
"""About as long as a real answer to an order."""


def cores() -> tuple[int, int]:
    """The core of the server and that of the clients; the same when there is only one."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[-1]


class Server:
    """A running server: where it listens, and its process."""

    def __init__(self, host: str, port: int, pid: int) -> None:
        self.host = host
        self.port = port
        self.pid = pid

    def cpu_s(self) -> float:
        """The processor time that it has used so far."""
        times = psutil.Process(self.pid).cpu_times()
        return float(times.user + times.system)


class VenueProcess(Server):
    """A running venue with its ready line."""

    def __init__(self, line: Mapping[str, Any], pid: int) -> None:
        host, port = str(line["rest"]).removeprefix("http://").split(":")
        super().__init__(host, int(port), pid)
        self.line = line


@contextlib.contextmanager
def running_venue(*options: str, core: int | None = None) -> Iterator[VenueProcess]:
    """`python -m procs.localvenue` with these options. Raises DeadlineError."""
    with tempfile.TemporaryDirectory(prefix="seawall-bench-") as folder:
        ready, errors = Path(folder) / "ready.json", Path(folder) / "errors.txt"
        with errors.open("wb") as sink:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-P", "-m", "procs.localvenue", "--unlimited"),
                    *("--ready-file", str(ready), *options),
                ],
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=subprocess.DEVNULL,
                stderr=sink,
            )
        try:
            if core is not None:
                os.sched_setaffinity(process.pid, {core})
            deadline = time.monotonic() + START_WITHIN_S
            while not ready.exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    text = errors.read_text(encoding="utf-8", errors="replace")
                    raise DeadlineError(f"bench venue: the venue did not start: {text[-500:]}")
                time.sleep(0.02)
            yield VenueProcess(json.loads(ready.read_text(encoding="utf-8")), process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextlib.contextmanager
def bare_server(core: int | None = None) -> Iterator[Server]:
    """An aiohttp server on uvloop that answers every request with the same bytes."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=_serve_constant, args=(theirs, core), daemon=True
    )
    process.start()
    try:
        if not ours.poll(START_WITHIN_S):
            raise DeadlineError("bench venue: the bare server did not start")
        assert process.pid is not None, "it has started"
        yield Server("127.0.0.1", int(ours.recv()), process.pid)
    finally:
        process.terminate()
        process.join(STOP_WITHIN_S)


def _serve_constant(connection: Connection, core: int | None) -> None:
    import uvloop
    from aiohttp import web

    if core is not None:
        os.sched_setaffinity(0, {core})

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=CONSTANT, content_type="application/json")

    async def serve() -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        connection.send(runner.addresses[0][1])
        await asyncio.Event().wait()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())


def in_a_process(target: Any, core: int, *args: Any, within_s: float = 120) -> Any:
    """What `target(*args)` returns, run in a fresh process on one core. Raises DeadlineError."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=_call, args=(theirs, core, target, args), daemon=True)
    process.start()
    theirs.close()
    try:
        if not ours.poll(within_s):
            raise DeadlineError(f"bench venue: {target.__name__} took longer than {within_s:g} s")
        try:
            return ours.recv()
        except EOFError:
            raise DeadlineError(f"bench venue: {target.__name__} ended with an error") from None
    finally:
        process.join(1)
        if process.is_alive():
            process.kill()


def _call(connection: Connection, core: int, target: Any, args: tuple[Any, ...]) -> None:
    os.sched_setaffinity(0, {core})
    connection.send(target(*args))
