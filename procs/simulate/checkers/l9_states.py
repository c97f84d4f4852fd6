"""L9: no entry leaves while a latch stands, or after route was told that entries are over."""

from __future__ import annotations

from typing import Any

from procs.simulate.checkers.base import Checker
from shared.messages.control import EngineStatus, TradingState
from shared.messages.venue import PlaceOrder, Side, VenueRequest


class States(Checker):
    """Knows what route has heard of the engine's state, before the turn that sends."""

    law = "L9"

    def __init__(self, checkers: Any) -> None:
        super().__init__(checkers)
        self._heard: TradingState | None = None
        self._before: TradingState | None = None

    def heard(self, node: Any, messages: list[Any]) -> None:
        """What is said in the turn that sends may have come behind the intent."""
        if node.role != "route":
            return
        self._before = self._heard
        for message in messages:
            if isinstance(message, EngineStatus):
                self._heard = message.state

    def called(self, node: Any, request: VenueRequest) -> None:
        """Buying is for an ACTIVE engine without a latch."""
        if not isinstance(request, PlaceOrder) or request.side is not Side.BUY:
            return
        latch = self.world.machine.latch
        if latch:
            self.say(f"{request.client_id} leaves while the latch says {latch!r}")
        told = {self._before, self._heard}
        if TradingState.ACTIVE not in told:
            known = "nothing" if self._heard is None else self._heard.name
            self.say(f"{request.client_id} leaves, and route was told {known}")

    def died(self, node: Any) -> None:
        """A new process has heard nothing."""
        if node.role == "route":
            self._heard = self._before = None
