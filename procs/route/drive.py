"""The drive: asks the judgements of `shared/domain` for the next step of everything under way.

Level-triggered: it looks at the folded account and at nothing that happened, so that a step lost in
a crash is simply found missing and made.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from procs.route.recorder import Recorder
from shared.domain.entry import CLEAR, Sight, entry_steps
from shared.domain.exits import close_steps, exit_steps
from shared.domain.instrument import Instrument
from shared.domain.mark import Mark
from shared.domain.order import OrderStatus
from shared.domain.policy import Policy
from shared.domain.position import Position, PositionStatus
from shared.domain.protection import changed, guard_steps, local_guard_steps, status_of
from shared.domain.steps import Call, Step
from shared.domain.strays import stray_steps
from shared.messages.account import Purpose
from shared.messages.control import PERSONAL
from shared.messages.venue import CancelOrder

PASSES_MAX = 8
"""Steps that follow from steps of the same instant; more would be a loop."""


class Conditions(msgspec.Struct, frozen=True, kw_only=True):
    """What is allowed at this instant."""

    may_enter: bool
    halted: bool
    protect_lives: bool
    sight: Sight = CLEAR
    unexplained: frozenset[str] = frozenset()
    """Symbols in which nothing is sold until the venue's history was read, late enough (L6)."""


class Drive:
    """One step further for every intent and position, until there is none."""

    def __init__(
        self, recorder: Recorder, instruments: dict[str, Instrument], policy: Policy
    ) -> None:
        self.marks: dict[str, Mark] = {}
        self.short: set[str] = set()
        """Positions whose sale the venue found too large: clamped to the balance (O5)."""
        self._recorder = recorder
        self._instruments = instruments
        self._policy = policy
        self._paused_until_ns: dict[str, int] = {}
        self._cancel_again_ns: dict[str, int] = {}

    def pause(self, decision_id: str, until_ns: int) -> None:
        """Sends nothing for a decision for a while: never a tight loop (O5)."""
        self._paused_until_ns[decision_id] = until_ns

    def cancel_again(self, client_id: str, at_ns: int) -> None:
        """A cancel was not sent, or throttled: repeat it then, unless the order has ended."""
        self._cancel_again_ns[client_id] = at_ns

    def run(self, conditions: Conditions, now_ns: int) -> None:
        """Drives everything, then says what stands behind each position."""
        paused = self._paused_until_ns
        if paused:
            self._paused_until_ns = {d: until for d, until in paused.items() if until > now_ns}
        if self._cancel_again_ns:
            self._repeat_cancels(now_ns)
        for _ in range(PASSES_MAX):
            steps = self._next_steps(conditions, now_ns)
            if not steps:
                break
            self._recorder.perform(steps)
        self._watch_protection(conditions, now_ns)

    def _repeat_cancels(self, now_ns: int) -> None:
        due = [client_id for client_id, at in self._cancel_again_ns.items() if at <= now_ns]
        for client_id in due:
            del self._cancel_again_ns[client_id]
            order = self._recorder.account.orders.get(client_id)
            if order is not None and order.status is OrderStatus.CANCELING:
                request = CancelOrder(symbol=order.symbol, client_id=client_id)
                self._recorder.perform([Call(request, exit_priority=True)])

    def _next_steps(self, conditions: Conditions, now_ns: int) -> list[Step]:
        account = self._recorder.account
        steps = stray_steps(account, self._instruments, now_ns)
        for state in account.intents.values():
            instrument = self._instruments.get(state.intent.symbol)
            # A pause delays the next rung, never the end of an intent.
            held = state.intent.intent_id in self._paused_until_ns and conditions.may_enter
            if instrument is not None and not held:
                steps += entry_steps(
                    account, state, instrument, now_ns, conditions.may_enter, conditions.sight
                )
        for position in account.positions.values():
            instrument = self._instruments.get(position.symbol)
            if instrument is not None and position.status is not PositionStatus.NEW:
                steps += self._position_steps(position, instrument, conditions, now_ns)
        return steps

    def _position_steps(
        self, position: Position, instrument: Instrument, conditions: Conditions, now_ns: int
    ) -> list[Step]:
        account = self._recorder.account
        mark = self.marks.get(position.symbol)
        closing = close_steps(account, position, instrument, mark, now_ns)
        if closing:
            return closing
        sells = account.live_sells(position.position_id)
        if position.exiting is None:
            escalated = local_guard_steps(position, sells, instrument, mark, now_ns)
            if escalated:
                return escalated
        if position.position_id in self._paused_until_ns:
            return []
        if position.symbol in conditions.unexplained:
            return []
        if position.exiting is None:
            return guard_steps(account, position, instrument, self._policy.protection, now_ns)
        leaving = any(order.purpose is Purpose.EXIT for order in sells)
        if conditions.halted and not leaving and position.exiting.reason not in PERSONAL:
            # HALTED keeps the stops, and sends nothing new but what a person asks for (L9).
            return []
        held = self._held_at_venue(position, instrument)
        return exit_steps(account, position, instrument, self._policy.exit, mark, now_ns, held)

    def _held_at_venue(self, position: Position, instrument: Instrument) -> Decimal | None:
        """What the venue holds free, once it has called a sale too large; None before."""
        balance = self._recorder.account.balances.get(instrument.base)
        if position.position_id not in self.short or balance is None:
            return None
        return balance.free

    def _watch_protection(self, conditions: Conditions, now_ns: int) -> None:
        account = self._recorder.account
        for position in list(account.positions.values()):
            instrument = self._instruments.get(position.symbol)
            if instrument is None:
                continue
            mark = self.marks.get(position.symbol)
            guarded = conditions.protect_lives and mark is not None and mark.is_fresh(now_ns)
            status, bare, reason = status_of(
                account, position, instrument, self._policy.exit, guarded, now_ns
            )
            event = changed(position, status, bare, reason, now_ns)
            if event is not None:
                self._recorder.record(event)
