"""Ingest's real shell and actor in the test's own loop: turns, timers, quotes, no ZeroMQ."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from core_ext.quote import Quote, unpack
from procs.ingest.market import Market
from procs.ingest.shell import IngestShell
from procs.runtime.launch import Launch
from shared.clock import boot_offset_ns
from shared.config.schema import Settings, Universe, Venue
from shared.domain.effects import Note, SetTimer, TimerFired
from shared.venues.feed.port import FeedLimits


class LiveIngest:
    """What the runtime is to the shell: `deliver` and `publish`."""

    def __init__(
        self, venue: str, rest: str, ws: str, symbols: tuple[str, ...], limits: FeedLimits
    ):
        launch = Launch(
            role="ingest",
            run_id="t1",
            incarnation=1,
            clock_offset_ns=boot_offset_ns(),
            userdir="unused",
            run_dir="unused",
            data_dir=str(Path("unused")),
            config_hash="none",
            settings=Settings(venue=Venue(name=venue), universe=Universe(symbols=symbols)),
            venue_rest=rest,
            venue_ws=ws,
        )
        self.shell = IngestShell(launch, limits)
        self.actor = self.shell.build()
        self.clock = launch.clock()
        self.quotes: dict[str, Quote] = {}
        self.told: list[tuple[str, dict[str, Any]]] = []
        self._waiting: list[Any] = []

    @property
    def markets(self) -> dict[str, Market]:
        return self.actor.markets

    def notes(self, event_type: str) -> list[dict[str, Any]]:
        """The log records of a kind."""
        return [fields for kind, fields in self.told if kind == event_type]

    def deliver(self, message: Any) -> None:
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._turn)
        self._waiting.append(message)

    def publish(self, frame: bytes) -> bool:
        quote = unpack(frame)
        self.quotes[quote.symbol] = quote
        return True

    def _turn(self) -> None:
        messages, self._waiting = self._waiting, []
        for message in messages:
            now_ns = self.clock.now_ns()
            self._perform(self.actor.on(message, now_ns), now_ns)
        self.shell.after_turn(self.actor, self.clock.now_ns())

    def _perform(self, effects: list[Any], now_ns: int) -> None:
        loop = asyncio.get_running_loop()
        for effect in effects:
            if isinstance(effect, SetTimer):
                loop.call_later((effect.at_ns - now_ns) / 1e9, self.deliver, TimerFired(effect.key))
            elif isinstance(effect, Note):
                self.told.append((effect.event_type, dict(effect.fields)))


@contextlib.asynccontextmanager
async def live_ingest(
    venue: str, rest: str, ws: str, symbols: tuple[str, ...], limits: FeedLimits
) -> AsyncIterator[LiveIngest]:
    """A running ingest; what it raises is raised here."""
    live = LiveIngest(venue, rest, ws, symbols, limits)
    now_ns = live.clock.now_ns()
    live._perform(live.actor.start(now_ns), now_ns)
    tasks = [asyncio.ensure_future(task) for task in live.shell.tasks(live)]  # type: ignore[arg-type]
    try:
        yield live
    finally:
        await live.shell.close()
        for task in tasks:
            assert not task.done(), task.exception()
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
