"""L7: what was decided long ago is not sent: the process was stopped, or starved, meanwhile."""

from __future__ import annotations

from typing import Any

from procs.simulate.checkers.base import Checker
from shared.messages.venue import VenueRequest
from shared.units import NS_PER_MS

TURN_MAX_NS = 250 * NS_PER_MS


class Turns(Checker):
    """Remembers when route's turn began, and looks when a request leaves."""

    law = "L7"
    _began_ns = 0

    def heard(self, node: Any, messages: list[Any]) -> None:
        """A turn begins."""
        if node.role == "route":
            self._began_ns = self.world.agenda.now_ns

    def called(self, node: Any, request: VenueRequest) -> None:
        """Nothing leaves later than the bound."""
        late_ns = self.world.agenda.now_ns - self._began_ns
        if self._began_ns and late_ns > TURN_MAX_NS:
            name = type(request).__name__
            self.say(f"{name} leaves {late_ns / 1e6:.0f} ms after its turn began")

    def died(self, node: Any) -> None:
        """The first turn of a process hears nothing."""
        if node.role == "route":
            self._began_ns = 0
