"""L9: REDUCING raises no risk, HALTED sells only for a person, the latch stops every entry."""

from __future__ import annotations

from typing import Any

from procs.simulate.checkers.base import Checker
from shared.ids import decision_of, leg_of
from shared.messages.control import (
    ASKED_BY_A_PERSON,
    ENGINE_STOP,
    EngineStatus,
    StopEntries,
    TradingState,
)
from shared.messages.venue import PlaceOrder, Side, VenueRequest
from shared.units import NS_PER_MS

FRESH_NS = 1_500 * NS_PER_MS
TURN_MAX_NS = 250 * NS_PER_MS
PERSONAL = (ASKED_BY_A_PERSON, ENGINE_STOP)


class States(Checker):
    """Remembers what route was last told, in each of its lives."""

    law = "L9"
    roles = ("route",)

    def __init__(self, checkers: Any) -> None:
        super().__init__(checkers)
        self._life = 0
        self._states: list[tuple[TradingState, str]] = []
        """What held during the turn: as it began, and as its messages changed it."""
        self._told_ns = 0
        self._stopping = False

    def heard(self, node: Any, messages: list[Any]) -> None:
        """Route is told in which state the engine is."""
        self._begin(node)
        self._states = self._states[-1:]
        for message in messages:
            if isinstance(message, EngineStatus):
                self._states.append((message.state, message.latch))
                self._told_ns = self.world.agenda.now_ns
            elif isinstance(message, StopEntries):
                self._stopping = True

    def called(self, node: Any, request: VenueRequest) -> None:
        """Orders fit the state that route was told."""
        if not isinstance(request, PlaceOrder):
            return
        self._begin(node)
        if request.side is Side.BUY:
            self._entry(node, request)
        elif leg_of(request.client_id) == "x":
            self._exit(node, request)

    def _entry(self, node: Any, request: PlaceOrder) -> None:
        client_id = request.client_id
        if self.world.machine.latch:
            self.say(f"{client_id} leaves, latched: {self.world.machine.latch}")
        if node.keeping.degraded:
            self.say(f"{client_id} leaves without a working disk", "L11")
        if node.rescue:
            self.say(f"{client_id} leaves in rescue mode")
        if self._stopping:
            self.say(f"{client_id} leaves after entries were stopped")
        age_ns = self.world.agenda.now_ns - self._told_ns
        if (TradingState.ACTIVE, "") not in self._states:
            said = ", ".join(f"{state.name} {latch}".strip() for state, latch in self._states)
            self.say(f"{client_id} leaves, route was told: {said or 'nothing'}")
        elif age_ns > FRESH_NS + TURN_MAX_NS:
            self.say(f"{client_id} leaves, route was last told its state {age_ns / 1e9:.1f} s ago")

    def _exit(self, node: Any, request: PlaceOrder) -> None:
        if not self._states or any(s is not TradingState.HALTED for s, _ in self._states):
            return
        position = node.actor.account.positions.get(decision_of(request.client_id) or "")
        exiting = position.exiting if position is not None else None
        if exiting is None or exiting.reason not in PERSONAL:
            reason = exiting.reason if exiting is not None else "nothing"
            self.say(f"{request.client_id} is sold for {reason} while HALTED")

    def _begin(self, node: Any) -> None:
        """A new process has been told nothing."""
        if node.life != self._life:
            self._life = node.life
            self._states = []
            self._told_ns = 0
            self._stopping = False
