"""Route's pen: folds an event, journals it and tells the readers of it, in one movement.

Nothing else in route changes the account: state, journal and what others hear cannot differ.
"""

from __future__ import annotations

from collections.abc import Iterable

from shared.domain.account import Account
from shared.domain.effects import CallVenue, Effect, Journal, Note, Say
from shared.domain.fold import evolve
from shared.domain.steps import Call, Step
from shared.domain.trips import Trips
from shared.messages.account import (
    AccountEvent,
    Alarmed,
    EventSaid,
    OrderSubmitted,
    Reconciled,
    RowsLost,
    RunBegan,
    SymbolBlocked,
)
from shared.messages.base import Message
from shared.messages.control import AlarmRaised
from shared.messages.venue import placed_ids
from shared.units import NS_PER_S

FAULT_BLOCK_NS = 60 * NS_PER_S
"""A symbol whose picture and the venue's differ takes no entries for this long (O1)."""


class Recorder:
    """Holds the account and the effects of the turn under way."""

    def __init__(self, role: str, epoch: str, account: Account) -> None:
        self.role = role
        self.epoch = epoch
        self.account = account
        self.trips = Trips()
        self.changed_ns = 0
        """When the account last changed by anything but bookkeeping."""
        self.doubtful = False
        """A fault was seen: the venue must be asked for everything."""
        self._effects: list[Effect] = []

    def record(self, event: AccountEvent, *, durable: bool = False) -> str | None:
        """Folds an event at once and journals it: nobody hears of it before that (L1).

        Returns what is wrong with it, as far as the account knows."""
        fault = evolve(self.account, event)
        seq = self.account.seq
        self._effects.append(Journal(seq, event, durable))
        self._effects.append(Say("peers", EventSaid(epoch=self.epoch, seq=seq, event=event)))
        if not isinstance(event, Reconciled | RunBegan | RowsLost | Alarmed):
            self.changed_ns = event.at_ns
        if isinstance(event, OrderSubmitted):
            self.trips.sent(event.decision_id, event.at_ns)
        if isinstance(event, Alarmed):
            self._say_alarm(event)
        if fault is not None:
            self._fault(fault, event)
        return fault

    def perform(self, steps: Iterable[Step]) -> None:
        """Records events and makes calls, in their order; orders are committed power-safe (L1).

        Sales too: one that a power cut makes forgotten would be made a second time (L6). An order
        whose id is used up stays here, whatever led to it (L2)."""
        withheld: set[str] = set()
        for step in steps:
            if not isinstance(step, Call):
                fault = self.record(step, durable=isinstance(step, OrderSubmitted))
                if fault is not None and isinstance(step, OrderSubmitted):
                    withheld.add(step.client_id)
            elif withheld.isdisjoint(placed_ids(step.request)):
                self._effects.append(CallVenue(step.request, step.exit_priority))

    def alarm(self, kind: str, symbol: str, text: str, now_ns: int) -> None:
        """Something a person should know of."""
        self.record(Alarmed(at_ns=now_ns, kind=kind, symbol=symbol, text=text))

    def say(self, to: str, message: Message) -> None:
        """A message that is not an account event."""
        self._effects.append(Say(to, message))

    def want(self, effect: Effect) -> None:
        """Any other effect."""
        self._effects.append(effect)

    def drain(self) -> list[Effect]:
        """The effects of the turn; the next one starts empty."""
        effects, self._effects = self._effects, []
        return effects

    def _fault(self, fault: str, event: AccountEvent) -> None:
        """O1: counted, alarmed, state kept, symbol blocked for entries, reconciled."""
        symbol = getattr(event, "symbol", "")
        order = self.account.order(getattr(event, "client_id", ""))
        if not symbol and order is not None:
            symbol = order.symbol
        self.doubtful = True
        self.alarm("illegal_event", symbol, fault, event.at_ns)
        if symbol:
            self.record(
                SymbolBlocked(
                    at_ns=event.at_ns,
                    symbol=symbol,
                    reason=fault,
                    until_ns=event.at_ns + FAULT_BLOCK_NS,
                )
            )

    def _say_alarm(self, event: Alarmed) -> None:
        said = AlarmRaised(
            role=self.role,
            kind=event.kind,
            symbol=event.symbol,
            text=event.text,
            at_ns=event.at_ns,
        )
        self.say("supervise", said)
        fields = {"kind": event.kind, "symbol": event.symbol, "text": event.text}
        self.want(Note("errors", "alarm", fields))
