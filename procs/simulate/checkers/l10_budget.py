"""L10: while the venue asks for a pause no entry leaves, during a ban nothing does; and an order
that was throttled is not tried again at once."""

from __future__ import annotations

from typing import Any

from procs.simulate.checkers.base import Checker
from shared.ids import decision_of
from shared.messages.venue import (
    Meaning,
    Outcome,
    PlaceOrder,
    Side,
    VenueAnswered,
    VenueRequest,
    placed_ids,
)
from shared.units import NS_PER_MS

QUIET_NS = 200 * NS_PER_MS


class Budget(Checker):
    """Holds what the venue answered against what leaves, in each life of route."""

    law = "L10"
    roles = ("route",)

    def __init__(self, checkers: Any) -> None:
        super().__init__(checkers)
        self._life = 0
        self._paused_until_ns = 0
        self._banned_until_ns = 0
        self._throttled_ns: dict[str, int] = {}
        """When which decision's order was last throttled."""
        self.world.venue.network.on_departed = self._departed

    def heard(self, node: Any, messages: list[Any]) -> None:
        """The venue says for how long."""
        if node.life != self._life:
            self._life = node.life
            self._paused_until_ns = self._banned_until_ns = 0
            self._throttled_ns.clear()
        for message in messages:
            if isinstance(message, VenueAnswered) and message.outcome is Outcome.THROTTLED:
                for client_id in placed_ids(message.request):
                    self._throttled_ns[decision_of(client_id) or ""] = self.world.agenda.now_ns
                until_ns = message.retry_at_ns if message.sent_ns else 0
                if message.meaning is Meaning.BANNED:
                    self._banned_until_ns = max(self._banned_until_ns, until_ns)
                else:
                    self._paused_until_ns = max(self._paused_until_ns, until_ns)

    def called(self, node: Any, request: VenueRequest) -> None:
        """Route sends an order: not so soon after it was told to slow down."""
        for client_id in placed_ids(request):
            told_ns = self._throttled_ns.get(decision_of(client_id) or "", 0)
            after_ns = self.world.agenda.now_ns - told_ns
            if after_ns < QUIET_NS:
                self.say(f"{client_id} leaves {after_ns / 1e6:.0f} ms after a 429")

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
