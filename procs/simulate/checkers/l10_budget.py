"""L10: what the venue has throttled is not sent again at once."""

from __future__ import annotations

from typing import Any

from procs.simulate.checkers.base import Checker
from procs.simulate.questions import ids_of
from shared.ids import decision_of
from shared.messages.venue import Outcome, VenueAnswered, VenueRequest
from shared.units import NS_PER_MS

QUIET_NS = 200 * NS_PER_MS


class Budget(Checker):
    """After a 429 to a decision's order its next one waits."""

    law = "L10"

    def __init__(self, checkers: Any) -> None:
        super().__init__(checkers)
        self._throttled_ns: dict[str, int] = {}

    def heard(self, node: Any, messages: list[Any]) -> None:
        """Route hears that it asks too much."""
        if node.role != "route":
            return
        for message in messages:
            if isinstance(message, VenueAnswered) and message.outcome is Outcome.THROTTLED:
                for client_id in ids_of(message.request):
                    decision = decision_of(client_id) or ""
                    self._throttled_ns[decision] = self.world.agenda.now_ns

    def called(self, node: Any, request: VenueRequest) -> None:
        """An order leaves."""
        for client_id in ids_of(request):
            told_ns = self._throttled_ns.get(decision_of(client_id) or "", 0)
            after_ns = self.world.agenda.now_ns - told_ns
            if after_ns < QUIET_NS:
                self.say(f"{client_id} leaves {after_ns / 1e6:.0f} ms after a 429")

    def died(self, node: Any) -> None:
        """A new process has heard of no 429."""
        if node.role == "route":
            self._throttled_ns.clear()
