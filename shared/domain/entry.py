"""The entry ladder (E6): one order at a time, each step with its own price, patience and deadline.

An intent ends only when no order of it can trade any more and every execution is booked: that is
the proof by which its reservation falls (E4, L2).
"""

from __future__ import annotations

from shared.domain.account import Account, IntentState
from shared.domain.instrument import Instrument
from shared.domain.steps import Call, Step, cancel
from shared.ids import client_id
from shared.messages.account import IntentEnded, OrderSubmitted, Purpose
from shared.messages.entry import EntryIntent, Rung
from shared.messages.venue import OrderKind, PlaceOrder, Side
from shared.units import NS_PER_MS, NS_PER_S, ZERO

LATE_NS = 5 * NS_PER_S
"""What a step may come later than the steps before it allow: a pause, a cancel, a restart."""


def refusal_of(
    account: Account, intent: EntryIntent, instrument: Instrument | None, now_ns: int
) -> str | None:
    """Why route must not take an intent on, or None. The state of the engine is the caller's."""
    if intent.intent_id in account.intents or intent.intent_id in account.ended_intents:
        # Before all else: a late copy must not refuse what was taken on, its reservation stands.
        return "seen_before"
    if intent.intent_id in account.refused_intents:
        return "seen_before"  # Its reservation is gone, even if it could be taken on by now (L8).
    if now_ns > intent.deadline_ns:
        return "stale"
    if instrument is None:
        return "unknown_symbol"
    if instrument.status != "TRADING":
        return "symbol_halted"
    if account.position_in(intent.symbol) is not None:
        return "symbol_busy"
    if account.blocked.get(intent.symbol, 0) > now_ns:
        return "symbol_blocked"
    if not intent.ladder or intent.protection.stop_loss_pct <= ZERO:
        return "no_ladder_or_stop"
    fault = instrument.order_fault(intent.quantity, intent.ladder[0].price)
    return f"filter: {fault}" if fault else None


def entry_steps(
    account: Account, state: IntentState, instrument: Instrument, now_ns: int, may_enter: bool
) -> list[Step]:
    """The next step of one intent: wait (none), cancel, send the next rung, or end."""
    intent = state.intent
    orders = [o for o in account.orders_of(intent.intent_id) if o.purpose is Purpose.ENTRY]
    if any(order.in_doubt for order in orders):
        return []
    position = account.positions.get(intent.intent_id)
    # Nobody buys what is on its way out; the sale might even meet the buy order.
    leaving = position is not None and position.exiting is not None
    wanted = may_enter and not leaving
    due = [o for o in orders if o.is_live and (not wanted or 0 < o.expires_ns <= now_ns)]
    if due:
        reason = "rung over" if wanted else "no entries any more"
        return cancel(due, reason, now_ns, exit_priority=not wanted)
    if orders:
        return []
    ending = _end_reason(account, state, instrument, now_ns, may_enter)
    if ending is not None:
        return [
            IntentEnded(
                at_ns=now_ns, intent_id=intent.intent_id, symbol=intent.symbol, reason=ending
            )
        ]
    return _send(account, state, instrument, now_ns)


def _end_reason(
    account: Account, state: IntentState, instrument: Instrument, now_ns: int, may_enter: bool
) -> str | None:
    """Why nothing more will be sent, or None."""
    position = account.positions.get(state.intent.intent_id)
    if position is None or position.exiting or position.sold:
        return "position on its way out"
    remaining = instrument.quantity_down(state.intent.quantity - position.bought)
    if remaining <= ZERO:
        return "filled"
    if not may_enter:
        return "no entries any more"
    if state.tried >= len(state.intent.ladder):
        return "ladder used up"
    if now_ns > _latest_ns(state):
        return "too late for the next step"
    if instrument.order_fault(remaining, _rung(state).price) is not None:
        return "remainder too small"
    return None


def _latest_ns(state: IntentState) -> int:
    """Until when the next step may be sent: the ladder's prices are those of its acceptance, and an
    outcome that was unknown for longer leaves a stale entry, which is worse than none (L8)."""
    before = state.intent.ladder[: state.tried]
    patience_ms = sum(rung.deadline_ms for rung in before)
    return state.accepted_ns + patience_ms * NS_PER_MS + LATE_NS


def _rung(state: IntentState) -> Rung:
    return state.intent.ladder[state.tried]


def _send(account: Account, state: IntentState, instrument: Instrument, now_ns: int) -> list[Step]:
    intent = state.intent
    rung = _rung(state)
    quantity = instrument.quantity_down(
        intent.quantity - account.positions[intent.intent_id].bought
    )
    order_id = client_id(intent.intent_id, "e", state.tried + 1)
    submitted = OrderSubmitted(
        at_ns=now_ns,
        client_id=order_id,
        decision_id=intent.intent_id,
        symbol=intent.symbol,
        side=Side.BUY,
        kind=OrderKind.LIMIT,
        purpose=Purpose.ENTRY,
        quantity=quantity,
        time_in_force=rung.time_in_force,
        price=rung.price,
        expires_ns=now_ns + rung.deadline_ms * NS_PER_MS,
        quote_recv_ns=intent.quote_recv_ns if state.tried == 0 else 0,
    )
    request = PlaceOrder(
        symbol=intent.symbol,
        client_id=order_id,
        side=Side.BUY,
        kind=OrderKind.LIMIT,
        quantity=quantity,
        time_in_force=rung.time_in_force,
        price=rung.price,
    )
    return [submitted, Call(request)]
