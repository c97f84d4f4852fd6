"""Ingest's process in the simulation: its quotes and questions leave as a part of its turns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from core_ext.quote import unpack
from procs.ingest.heard import Fetch
from procs.simulate.node import Node, Surroundings, steps_of
from procs.turn import Batch
from shared.units import NS_PER_MS

CONFLATE_NS: Final = 20 * NS_PER_MS
"""What is held back is said together after so long, as in `procs.ingest.shell`."""
SYMBOL_BYTES: Final = 20


class FramesArrived(msgspec.Struct, frozen=True):
    """Frames that lie in the socket."""

    frames: tuple[bytes, ...]


class FlushDue(msgspec.Struct, frozen=True):
    """What was held back is to be said."""


class Publish(NamedTuple):
    """Quotes on their way out."""

    quotes: list[Any]


class Question(NamedTuple):
    """Something to ask the venue."""

    fetch: Fetch


class Press(Surroundings, Protocol):
    """What ingest reaches besides."""

    def publish(self, quotes: list[Any]) -> None:
        """To every reader of quotes."""

    def ask(self, node: IngestNode, fetch: Fetch) -> None:
        """To the venue's public side."""

    def feed_started(self, node: IngestNode) -> None:
        """The process begins: it will connect."""


class IngestNode(Node):
    """A node whose actor leaves quotes and questions in lists."""

    _surroundings: Press
    _flush_armed = False

    def start(self, incarnation: int | None = None, *, pid: int = 0, rescue: bool = False) -> None:
        """As any node; then it connects."""
        self._flush_armed = False
        super().start(incarnation, pid=pid, rescue=rescue)
        if self.alive:
            self._surroundings.feed_started(self)

    def _judge(self, messages: list[Any], now_ns: int) -> Sequence[Any]:
        judged: list[Any] = []
        for message in messages:
            if isinstance(message, FramesArrived):
                for frame in message.frames:
                    self.actor.on_frame(frame, now_ns)
            elif isinstance(message, FlushDue):
                self._flush_armed = False
                self.actor.flush(now_ns)
            else:
                judged.append(message)
        return super()._judge(judged, now_ns)

    def _steps(self, batch: Batch) -> Sequence[Any]:
        actor = self.actor
        steps = steps_of(batch)
        quotes = actor.take_quotes()
        if quotes:
            steps.append(Publish(_newest(quotes)))
        steps += [Question(fetch) for fetch in actor.take_fetches()]
        if actor.has_dirty and not self._flush_armed:
            self._flush_armed = True
            life = self.life
            self._agenda.after(CONFLATE_NS, lambda: self.take(FlushDue(), life))
        return steps

    def _doing(self, steps: Sequence[Any]) -> str:
        return "ingest Quote" if len(steps) > 1 else ""

    def _do(self, step: Any, began_ns: int) -> None:
        match step:
            case Publish(quotes=quotes):
                self._surroundings.publish(quotes)
            case Question(fetch=fetch):
                self._surroundings.ask(self, fetch)
            case _:
                super()._do(step, began_ns)


def _newest(quotes: list[Any]) -> list[Any]:
    """Of each symbol the last one; packed ones are read, as their readers do it."""
    if not isinstance(quotes[0], bytes):
        return quotes
    newest = {quote[:SYMBOL_BYTES]: quote for quote in quotes}
    return [unpack(quote) for quote in newest.values()]
