"""The real local venue as a process, and a wire to it that can lose answers, for tests."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from shared.venues.credentials import Credentials
from shared.venues.transport import Access

REPO = Path(__file__).resolve().parents[3]


class LocalVenue:
    """One process; `kill` and `start` again on the same port keep accounts and orders."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None
        self.info: dict = {}

    def start(self) -> None:
        command = [sys.executable, "-P", "-m", "procs.localvenue", "--json", "--profile", "calm"]
        command += ["--seed", "7", "--data", str(self.data), "--port", str(self.port)]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            cwd=self.data,
            env={**os.environ, "PYTHONPATH": str(REPO)},
        )
        line = self.process.stdout.readline()
        assert line, "the local venue did not start"
        self.info = json.loads(line)
        self.port = int(self.info["rest"].rsplit(":", 1)[1])

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.process = None

    def access(self, port: int | None = None) -> Access:
        port = port or self.port
        return Access(
            venue="local",
            mode="paper",
            credentials=Credentials(
                api_key=self.info["api_key"], api_secret=self.info["api_secret"]
            ),
            rest=f"http://127.0.0.1:{port}",
            ws=f"ws://127.0.0.1:{port}",
            timeout_ms=2000,
        )


@contextmanager
def running_local_venue(data: Path):
    """A started local venue."""
    venue = LocalVenue(data)
    try:
        venue.start()
        yield venue
    finally:
        venue.kill()


class LossyWire:
    """Forwards to the venue; with `lose_answers` the venue's bytes are dropped and all is cut."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.lose_answers = False
        self.lost = 0
        self.last_error: ConnectionError | None = None

    async def carry(self, near_in, near_out) -> None:
        far_in, far_out = await asyncio.open_connection("127.0.0.1", self.target)
        try:
            await asyncio.gather(self._pump(near_in, far_out), self._back(far_in, near_out))
        except ConnectionError as error:
            self.last_error = error
        finally:
            near_out.close()
            far_out.close()

    async def _pump(self, source, sink) -> None:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
        sink.close()

    async def _back(self, source, sink) -> None:
        while data := await source.read(65536):
            if self.lose_answers:
                self.lost += 1
                sink.close()
                return
            sink.write(data)
            await sink.drain()
        sink.close()


@asynccontextmanager
async def lossy_wire(target: int):
    """A wire that listens on a free port."""
    wire = LossyWire(target)
    server = await asyncio.start_server(wire.carry, "127.0.0.1", 0)
    wire.port = server.sockets[0].getsockname()[1]
    try:
        yield wire
    finally:
        server.close()
