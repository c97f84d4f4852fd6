"""L10: while the venue asks for a pause no entry leaves, during a ban nothing does."""

from __future__ import annotations

from typing import Any

from procs.simulate.checkers.base import Checker
from shared.messages.venue import Meaning, Outcome, PlaceOrder, Side, VenueAnswered, VenueRequest


class Budget(Checker):
    """Holds what the venue answered against what leaves, in each life of route."""

    law = "L10"

    def __init__(self, checkers: Any) -> None:
        super().__init__(checkers)
        self._life = 0
        self._paused_until_ns = 0
        self._banned_until_ns = 0
        self.world.venue.network.on_departed = self._departed

    def heard(self, node: Any, messages: list[Any]) -> None:
        """The venue says for how long."""
        if node.role != "route":
            return
        if node.life != self._life:
            self._life = node.life
            self._paused_until_ns = self._banned_until_ns = 0
        for message in messages:
            if isinstance(message, VenueAnswered) and message.outcome is Outcome.THROTTLED:
                until_ns = message.retry_at_ns if message.sent_ns else 0
                if message.meaning is Meaning.BANNED:
                    self._banned_until_ns = max(self._banned_until_ns, until_ns)
                else:
                    self._paused_until_ns = max(self._paused_until_ns, until_ns)

    def _departed(self, request: VenueRequest, exit_priority: bool) -> None:
        now_ns = self.world.agenda.now_ns
        if self.world.nodes["route"].life != self._life:
            return  # A new process knows of nothing yet.
        what = type(request).__name__
        if now_ns < self._banned_until_ns:
            left_s = (self._banned_until_ns - now_ns) / 1e9
            self.say(f"{what} leaves {left_s:.1f} s before the end of a ban")
        entry = isinstance(request, PlaceOrder) and request.side is Side.BUY
        if entry and now_ns < self._paused_until_ns:
            self.say(f"{what} leaves while the venue wants a pause")
        if entry and exit_priority:
            self.say("an entry uses the part of the budget that is kept for exits")
