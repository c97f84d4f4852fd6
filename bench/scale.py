"""Five hundred markets, twenty frames a second each: what ingest needs, and how old quotes get.

The process is the engine's own, started from a launch file; a server of ours pours frames into it
over WebSocket and a reader listens where decide would. A quote's age counts from when its frame was
given to the server's socket until the reader has it in hand, two processes and two sockets later;
one frame makes one quote. All three share the machine: on few cores the server and the reader are
part of what makes quotes old.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import msgspec
import psutil
import uvloop
import zmq

from bench.child import START_WITHIN_S, child
from bench.frame_server import serve
from bench.unpaced_ingest import MODULE
from core_ext.codes import QuoteFlag
from core_ext.histogram import Histogram
from core_ext.quote import unpack
from procs.runtime.launch import Launch, write_launch
from shared.bus.locks import prepare_run_dir
from shared.bus.sockets import Link
from shared.bus.topology import QUOTES
from shared.config.schema import Settings, Universe
from shared.errors import DeadlineError

ROOT: Final = Path(__file__).resolve().parents[1]
SYMBOLS: Final = 500
FRAMES_PER_SYMBOL_S: Final = 20
SLICES: Final = 12
SLICE_S: Final = 1.0
WARM_UP_S: Final = 2.0
DRAINED: Final = 512
WANTED_SHARE_PCT: Final = 60
WANTED_AGE_MS: Final = 5
_GAPPED: Final = int(QuoteFlag.GAPPED)


def run(
    json_output: bool = False, symbols: int = SYMBOLS, slices: int = SLICES
) -> list[dict[str, Any]]:
    """Measures and returns the rows {name, unit, p50, p99, p999, ratio_to, wanted, operation}.

    `wanted` is at most: of the share in the median, of the age at p99. Prints a table unless
    json_output. Raises DeadlineError when a process does not get ready."""
    rate = symbols * FRAMES_PER_SYMBOL_S
    print(f"bench scale: {symbols} symbols, {rate:,} frames/s", file=sys.stderr)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="seawall-scale-")))
        server = stack.enter_context(child("bench scale: the server", serve, symbols, rate))
        rest_port, ws_port = server.recv()
        reader = stack.enter_context(child("bench scale: the reader", _listen, str(folder / "run")))
        reader.recv()
        ingest = stack.enter_context(_ingest(folder, symbols, rest_port, ws_port))
        _await_sync(reader, symbols, ingest)
        time.sleep(WARM_UP_S)
        sent = _ask(server, "sent")[1]
        _ask(reader, "clear")
        shares = [_share_pct(ingest) for _ in range(slices)]
        sent = _ask(server, "sent")[1] - sent
        ages = Histogram.from_bytes(_ask(reader, "report")[1])
    rows = _rows(symbols, sorted(shares), ages, sent / slices / SLICE_S)
    if not json_output:
        print_rows(rows)
    return rows


# ---- the processes


@contextlib.contextmanager
def _ingest(folder: Path, symbols: int, rest_port: int, ws_port: int) -> Iterator[psutil.Process]:
    """Ingest as the supervisor would start it."""
    settings = msgspec.structs.replace(Settings(), universe=Universe(max_symbols=symbols))
    launch = Launch(
        role="ingest",
        run_id="bench",
        incarnation=1,
        clock_offset_ns=0,
        userdir=str(folder),
        run_dir=str(folder / "run"),
        data_dir=str(folder / "data"),
        config_hash="bench",
        settings=settings,
        supervisor_pid=os.getpid(),
        venue_rest=f"http://127.0.0.1:{rest_port}",
        venue_ws=f"ws://127.0.0.1:{ws_port}",
    )
    (folder / "data").mkdir()
    command = [sys.executable, "-P", "-m", MODULE, "--launch", str(write_launch(launch))]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        yield psutil.Process(process.pid)
    finally:
        process.kill()
        process.wait()


def _listen(pipe: Connection, run_dir: str) -> None:
    """The reader: a histogram of ages, and how many books are in step."""
    prepare_run_dir(Path(run_dir))
    link = Link(zmq.Context(), QUOTES, "decide", Path(run_dir))
    link.subscribe()
    link.open()
    ages, newest = Histogram(), dict[str, int]()
    synced: set[str] = set()

    def heard() -> None:
        while received := link.drain(DRAINED):
            for _, body in received:
                quote = unpack(body)
                if quote.flags & _GAPPED:
                    synced.discard(quote.symbol)
                else:
                    synced.add(quote.symbol)
                if quote.event_ms > newest.get(quote.symbol, 0):
                    # Said again without a new frame, a quote is not older than it was.
                    newest[quote.symbol] = quote.event_ms
                    ages.record(max(time.time_ns() - quote.event_ms * 1_000, 0))

    def word() -> None:
        asked = pipe.recv()
        if asked == "clear":
            ages.clear()
        pipe.send((len(synced), ages.to_bytes() if asked == "report" else b""))

    async def live() -> None:
        loop = asyncio.get_running_loop()
        loop.add_reader(pipe.fileno(), word)
        loop.add_reader(link.descriptor, heard)
        pipe.send("ready")
        heard()
        await loop.create_future()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(live())


def _ask(connection: Connection, word: str) -> Any:
    connection.send(word)
    if not connection.poll(START_WITHIN_S):
        raise DeadlineError(f"bench scale: no answer to {word!r}")
    return connection.recv()


def _await_sync(reader: Connection, symbols: int, ingest: psutil.Process) -> None:
    deadline = time.monotonic() + START_WITHIN_S
    while (synced := _ask(reader, "synced")[0]) < symbols:
        if time.monotonic() > deadline or not ingest.is_running():
            raise DeadlineError(f"bench scale: {synced} of {symbols} books are in step")
        time.sleep(0.2)


def _share_pct(process: psutil.Process) -> float:
    """Of one core, all threads together, over a slice."""
    before, began = process.cpu_times(), time.perf_counter()
    time.sleep(SLICE_S)
    after, took_s = process.cpu_times(), time.perf_counter() - began
    return (after.user + after.system - before.user - before.system) / took_s * 100


# ---- the table


def _rows(
    symbols: int, shares: list[float], ages: Histogram, frames_per_s: float
) -> list[dict[str, Any]]:
    common = {"ratio_to": {}, "frames_per_s": round(frames_per_s)}
    what = f"{symbols} symbols, {symbols * FRAMES_PER_SYMBOL_S:,} frames/s"
    largest = round(shares[-1], 1)
    return [
        {
            "name": "scale_core_share",
            "unit": "%",
            "p50": round(statistics.median(shares), 1),
            "p99": largest,
            "p999": largest,
            "wanted": WANTED_SHARE_PCT,
            "operation": f"ingest's share of a core, {what}; slices of {SLICE_S:g} s",
            "samples": len(shares),
            **common,
        },
        {
            "name": "scale_quote_age",
            "unit": "ms",
            "p50": round(ages.percentile(50) / 1e6, 3),
            "p99": round(ages.percentile(99) / 1e6, 3),
            "p999": round(ages.percentile(99.9) / 1e6, 3),
            "wanted": WANTED_AGE_MS,
            "operation": f"from a frame's send to its quote in a reader's hand, {what}",
            "samples": ages.count,
            **common,
        },
    ]


def print_rows(rows: Iterable[dict[str, Any]]) -> None:
    """A plain table."""
    print(f"{'name':18} {'unit':4} {'p50':>8} {'p99':>8} {'p99.9':>8}  at most")
    for row in rows:
        print(
            f"{row['name']:18} {row['unit']:4} {row['p50']:8g} {row['p99']:8g} {row['p999']:8g}  "
            f"{row['wanted']} ({row['samples']:,} samples, {row['frames_per_s']:,} frames/s)"
        )
        print(f"  {row['operation']}")


if __name__ == "__main__":
    run()
