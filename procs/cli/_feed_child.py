"""The real ingest process alone, in a folder of its own: what `seawall feed` starts and listens to.

It is started as the supervisor starts it, hears the same control channel and publishes the same
quotes; there are no keys, no journals of orders and no other process.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import msgspec
import zmq

from core_ext.quote import Quote, unpack
from procs.runtime.launch import Launch, write_launch
from procs.supervise.effects import Force
from procs.supervise.processes import ChildProcess, module_command
from shared.bus.sockets import Link
from shared.bus.topology import CONTROL, QUOTES
from shared.clock import EngineClock
from shared.config.load import config_hash
from shared.config.schema import Engine, Settings, Universe, Venue
from shared.errors import SeawallError
from shared.messages.base import Reader, encode
from shared.messages.control import Heartbeat, ProcessStopped, StopProcess
from shared.units import NS_PER_MS, NS_PER_S
from shared.venues.feed.port import FeedStart

ROLE: Final = "ingest"
DRAINED_AT_ONCE: Final = 4096
STOP_WITHIN_MS: Final = 3000
WAIT_MS: Final = 50
TROUBLES: Final = frozenset({"feed_down", "fetch_failed"})


class FeedChild:
    """One ingest of one venue, from its start to its end."""

    def __init__(self, folder: Path, start: FeedStart, symbols: tuple[str, ...]) -> None:
        """Starts it. `folder` must be empty and this user's alone."""
        run_dir = folder / "run"
        data_dir = folder / "data"
        for made in (run_dir, data_dir):
            made.mkdir(mode=0o700)
        settings = Settings(
            engine=Engine(mode="testnet" if start.testnet else "live"),
            venue=Venue(name=start.venue),
            universe=Universe(symbols=symbols),
        )
        launch = Launch(
            role=ROLE,
            run_id="feed",
            incarnation=1,
            clock_offset_ns=start.clock.offset_ns,
            userdir=str(folder),
            run_dir=str(run_dir),
            data_dir=str(data_dir),
            config_hash=config_hash(settings),
            settings=settings,
            supervisor_pid=os.getpid(),
            venue_rest=start.rest,
            venue_ws=start.ws,
            symbols=symbols,
        )
        self.clock: EngineClock = start.clock
        self.quotes: dict[str, Quote] = {}
        """The newest of each symbol."""
        self.figures: dict[str, float] = {}
        self.figures_ns = 0
        """Engine time of the heartbeat that told the figures."""
        self.report: dict[str, Any] | None = None
        self._events = launch.logs_dir / launch.run_id / f"{ROLE}.events.jsonl"
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._control = Link(self._context, CONTROL, "supervise", run_dir)
        self._quotes = Link(self._context, QUOTES, "observe", run_dir)
        self._quotes.subscribe()
        self._said = Reader(CONTROL.spoken_to("supervise"))
        self._control.open()
        self._quotes.open()
        command = module_command(ROLE, write_launch(launch))
        self._process = ChildProcess(ROLE, 1, command, folder / "stderr")

    def listen(self, seconds: float) -> None:
        """Takes what it says for so long. SeawallError with its last words when it ended."""
        until_ns = self.clock.now_ns() + int(seconds * NS_PER_S)
        while (left_ns := until_ns - self.clock.now_ns()) > 0:
            self._quotes.wait(min(left_ns // NS_PER_MS, WAIT_MS) + 1)
            self._hear()
            code = self._process.reap()
            if code is not None:
                self._hear()
                raise SeawallError(self._process.last_words() or f"ingest ended with {code}")

    def stop(self) -> dict[str, Any]:
        """Stops it as the supervisor would, and returns its last figures."""
        order = StopProcess(deadline_ms=STOP_WITHIN_MS)
        self._control.send(encode(order), to=ROLE)
        until_ns = self.clock.now_ns() + STOP_WITHIN_MS * NS_PER_MS
        while self._process.reap() is None and self.clock.now_ns() < until_ns:
            self._quotes.wait(WAIT_MS)
            self._hear()
        self._hear()
        return self.report or dict(self.figures)

    def close(self) -> None:
        """Leaves nothing behind."""
        while self._process.reap() is None:
            self._process.force(Force.KILL)
            self._quotes.wait(WAIT_MS)
        self._process.close()
        self._control.close()
        self._quotes.close()
        self._context.destroy(linger=0)

    def trouble(self) -> str:
        """What its log last said about a stream that is down or a question that failed."""
        if not self._events.exists():
            return ""
        told = ""
        written, _, _ = self._events.read_bytes().rpartition(b"\n")
        for line in written.splitlines():
            record = msgspec.json.decode(line)
            if record.get("event_type") in TROUBLES:
                told = str(record.get("reason") or record.get("text", ""))
        return told

    def _hear(self) -> None:
        for _, frame in self._quotes.drain(DRAINED_AT_ONCE):
            quote = unpack(frame)
            self.quotes[quote.symbol] = quote
        for _, body in self._control.drain(DRAINED_AT_ONCE):
            said = self._said.read(body)
            if isinstance(said, Heartbeat):
                self.figures = dict(said.figures)
                self.figures_ns = said.at_ns
            elif isinstance(said, ProcessStopped):
                self.report = dict(said.report)
