"""Ingest's process in the simulation: its quotes are published as a part of its turns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from procs.simulate.node import Node, Surroundings
from procs.simulate.prices import BooksMoved
from procs.turn import Batch

__all__ = ["BooksMoved", "IngestNode"]


class Publish(NamedTuple):
    """Quotes on their way out."""

    quotes: list[Any]


class Press(Surroundings, Protocol):
    """What ingest reaches besides."""

    def publish(self, quotes: list[Any]) -> None:
        """To every reader of quotes."""


class IngestNode(Node):
    """A node whose actor leaves quotes in a list."""

    _surroundings: Press

    def _steps(self, batch: Batch) -> Sequence[Any]:
        steps = super()._steps(batch)
        quotes = self.actor.take_quotes()
        return [*steps, Publish(quotes)] if quotes else steps

    def _doing(self, steps: Sequence[Any]) -> str:
        return "ingest Quote" if isinstance(steps[-1], Publish) else ""

    def _do(self, step: Any, began_ns: int) -> None:
        if isinstance(step, Publish):
            self._surroundings.publish(step.quotes)
        else:
            super()._do(step, began_ns)
