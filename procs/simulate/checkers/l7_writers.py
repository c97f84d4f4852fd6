"""L7: one writer at the venue, and nothing that it sends was decided long ago."""

from __future__ import annotations

from typing import Any

from procs.simulate.checkers.base import Checker
from shared.messages.venue import VenueRequest
from shared.units import NS_PER_MS

TURN_MAX_NS = 250 * NS_PER_MS


class Writers(Checker):
    """Knows when each process of route took what its turn is about."""

    law = "L7"
    roles = ("route",)

    def __init__(self, checkers: Any) -> None:
        super().__init__(checkers)
        self._life = 0
        self._took_ns = 0

    def heard(self, node: Any, messages: list[Any]) -> None:
        """A turn begins."""
        self._begin(node)

    def called(self, node: Any, request: VenueRequest) -> None:
        """Only the living route sends, and only what its turn has just decided."""
        if node.role != "route" or not node.alive:
            self.say(f"{node.role}, alive: {node.alive}, sends {type(request).__name__}")
        if node.life < self._life:
            self.say(f"life {node.life} of route sends after life {self._life}")
        elif node.life > self._life:
            self._begin(node)
        age_ns = self.world.agenda.now_ns - self._took_ns
        if age_ns > TURN_MAX_NS:
            self.say(f"{type(request).__name__} of a turn that began {age_ns / 1e6:.0f} ms ago")

    def _begin(self, node: Any) -> None:
        self._life = max(self._life, node.life)
        self._took_ns = self.world.agenda.now_ns
