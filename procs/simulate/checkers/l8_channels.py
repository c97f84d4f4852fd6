"""L8: an entry is said once and acted upon before its deadline; one version has one target."""

from __future__ import annotations

from typing import Any

from procs.simulate.checkers.base import Checker
from shared.domain.account import epoch_order
from shared.ids import attempt_of, decision_of
from shared.messages.entry import EntryIntent
from shared.messages.protection import SetProtection, Target
from shared.messages.venue import PlaceOrder, Side, VenueRequest
from shared.units import NS_PER_MS

TURN_MAX_NS = 250 * NS_PER_MS
"""A turn that began before the deadline may send until then (L7)."""


class Channels(Checker):
    """What is said between processes, besides route's events."""

    law = "L8"
    roles = ("route", "decide", "protect")
    words = (EntryIntent, SetProtection)

    def __init__(self, checkers: Any) -> None:
        super().__init__(checkers)
        self._intents: set[str] = set()
        self._targets: dict[tuple[str, int], Target] = {}
        self._versions: dict[str, int] = {}
        self._copies: dict[str, tuple[int, str, int]] = {}
        """Reader → its life, and the epoch and the row of route that it has come to."""

    def said(self, node: Any, message: Any) -> None:
        """No intent twice; never two targets under one version."""
        if isinstance(message, EntryIntent):
            if message.intent_id in self._intents:
                self.say(f"{message.intent_id} is said a second time")
            self._intents.add(message.intent_id)
        elif isinstance(message, SetProtection):
            key = (message.position_id, message.version)
            known = self._targets.setdefault(key, message.target)
            if known != message.target:
                self.say(f"{key} has two targets: {known} and {message.target}")

    def called(self, node: Any, request: VenueRequest) -> None:
        """The first order of an intent leaves before the intent's deadline."""
        if not isinstance(request, PlaceOrder) or request.side is not Side.BUY:
            return
        intent = self.world.intents.get(decision_of(request.client_id) or "")
        if intent is None or attempt_of(request.client_id) != 1:
            return
        late_ns = self.world.agenda.now_ns - intent.deadline_ns
        if late_ns > TURN_MAX_NS:
            self.say(f"{request.client_id} leaves {late_ns / 1e6:.0f} ms after its deadline")

    def turned(self, node: Any) -> None:
        """Nobody goes back: readers to an older account, route to an older wish of protect's."""
        if not node.alive:
            return
        if node.role != "route":
            self._copy(node)
            return
        for name, position in node.actor.account.positions.items():
            known = self._versions.get(name, 0)
            if position.version < known:
                self.say(f"{name} goes back from version {known} to {position.version}")
            elif position.version > known:
                self._versions[name] = position.version

    def _copy(self, node: Any) -> None:
        replica = node.actor.replica
        known = (node.life, replica.epoch, replica.account.seq)
        before = self._copies.get(node.role, known)
        self._copies[node.role] = known
        if known == before or known[0] != before[0]:
            return
        if (epoch_order(known[1]), known[2]) < (epoch_order(before[1]), before[2]):
            self.say(f"{node.role} goes back from {before[2]} of route's events to {known[2]}")

    def restored(self) -> None:
        """What was said after the backup may be said anew."""
        self._intents.clear()
        self._targets.clear()
        self._versions.clear()
