"""The entry ladder (E6): one order at a time, each step with its own price, patience and deadline.

An intent ends only when no order of it can trade any more and every execution is booked: that is
the proof by which its reservation falls (E4, L2).
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from shared.domain.account import Account, IntentState
from shared.domain.instrument import Instrument
from shared.domain.steps import Call, Step, cancel
from shared.ids import client_id
from shared.messages.account import IntentEnded, OrderDoubted, OrderSubmitted, Purpose
from shared.messages.entry import EntryIntent
from shared.messages.venue import OrderKind, PlaceOrder, Side
from shared.units import NS_PER_MS, NS_PER_S, ZERO

LATE_NS = 5 * NS_PER_S
"""What a step may come later than the steps before it allow: a pause, a cancel, a restart."""


class Sight(msgspec.Struct, frozen=True, kw_only=True):
    """What route knows of steps that processes before it may have sent."""

    is_whole: bool = True
    """False: those who would know of lost rows have not spoken yet (L12)."""
    silent_ns: int = 0
    """When this process began, where they have not spoken until the fence; the venue can tell."""
    fence_ns: int = 0
    """From sending to the instant when absence is proof; 0: it never is (L2)."""


CLEAR = Sight()


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
    account: Account,
    state: IntentState,
    instrument: Instrument,
    now_ns: int,
    may_enter: bool,
    sight: Sight = CLEAR,
) -> list[Step]:
    """The next step of one intent: wait (none), cancel, send the next rung, or end.

    Rows that are lost may have sent steps of it: before that is known it neither ends nor goes on,
    for with its end the reservation falls (L2, L12)."""
    intent = state.intent
    orders = [o for o in account.orders_of(intent.intent_id) if o.purpose is Purpose.ENTRY]
    position = account.positions.get(intent.intent_id)
    # Nobody buys what is on its way out; the sale might even meet the buy order.
    leaving = position is not None and position.exiting is not None
    wanted = may_enter and not leaving
    known = (o for o in orders if o.is_live and not o.in_doubt)
    due = [o for o in known if not wanted or 0 < o.expires_ns <= now_ns]
    if due:
        reason = "rung over" if wanted else "no entries any more"
        return cancel(due, reason, now_ns, exit_priority=not wanted)
    if orders:
        return []
    forgotten_ns = position.forgotten_ns if position is not None else 0
    sent_ns = max(forgotten_ns, sight.silent_ns)
    if sent_ns or not sight.is_whole:
        fenced_ns = sent_ns + sight.fence_ns if sight.fence_ns else 0
        supposed = _supposed(account, state, instrument, fenced_ns, now_ns)
        if supposed:
            return supposed if sight.is_whole else []
    ending = _end_reason(account, state, instrument, now_ns, may_enter)
    if ending is not None:
        return [
            IntentEnded(
                at_ns=now_ns, intent_id=intent.intent_id, symbol=intent.symbol, reason=ending
            )
        ]
    return _send(account, state, instrument, now_ns)


def _supposed(
    account: Account, state: IntentState, instrument: Instrument, fenced_ns: int, now_ns: int
) -> list[Step]:
    """The steps that rows which are lost may have sent, as orders in doubt: they may buy until the
    fence, and so long the intent lives."""
    steps: list[Step] = []
    quantity = _remaining(account, state, instrument)
    for place in range(_tried(account, state), len(state.intent.ladder)):
        if quantity <= ZERO or instrument.order_fault(quantity, state.intent.ladder[place].price):
            break
        # Should it be found resting, its patience is over: nobody knows when it was sent.
        submitted = _submission(state, place, quantity, now_ns, patience_ms=0)
        doubted = OrderDoubted(
            at_ns=now_ns,
            client_id=submitted.client_id,
            reason="may have been sent by rows that are lost",
            fence_ns=fenced_ns,
        )
        steps += [submitted, doubted]
    return steps


def _end_reason(
    account: Account, state: IntentState, instrument: Instrument, now_ns: int, may_enter: bool
) -> str | None:
    """Why nothing more will be sent, or None."""
    position = account.positions.get(state.intent.intent_id)
    if position is None or position.exiting or position.sold:
        return "position on its way out"
    remaining = _remaining(account, state, instrument)
    if remaining <= ZERO:
        return "filled"
    if not may_enter:
        return "no entries any more"
    tried = _tried(account, state)
    if tried >= len(state.intent.ladder):
        return "ladder used up"
    if now_ns > _latest_ns(state, tried):
        return "too late for the next step"
    if instrument.order_fault(remaining, state.intent.ladder[tried].price) is not None:
        return "remainder too small"
    return None


def _latest_ns(state: IntentState, tried: int) -> int:
    """Until when the next step may be sent: the ladder's prices are those of its acceptance, and an
    outcome that was unknown for longer leaves a stale entry, which is worse than none (L8)."""
    before = state.intent.ladder[:tried]
    patience_ms = sum(rung.deadline_ms for rung in before)
    return state.accepted_ns + patience_ms * NS_PER_MS + LATE_NS


def _tried(account: Account, state: IntentState) -> int:
    """Steps that were sent. The venue may have told of one that the journal has not seen sent: its
    id is used up all the same (L2, L12)."""
    tried = state.tried
    while account.order(client_id(state.intent.intent_id, "e", tried + 1)) is not None:
        tried += 1
    return tried


def _remaining(account: Account, state: IntentState, instrument: Instrument) -> Decimal:
    position = account.positions.get(state.intent.intent_id)
    bought = position.bought if position is not None else ZERO
    return instrument.quantity_down(state.intent.quantity - bought)


def _send(account: Account, state: IntentState, instrument: Instrument, now_ns: int) -> list[Step]:
    place = _tried(account, state)
    rung = state.intent.ladder[place]
    quantity = _remaining(account, state, instrument)
    submitted = _submission(state, place, quantity, now_ns, rung.deadline_ms)
    request = PlaceOrder(
        symbol=submitted.symbol,
        client_id=submitted.client_id,
        side=Side.BUY,
        kind=OrderKind.LIMIT,
        quantity=quantity,
        time_in_force=rung.time_in_force,
        price=rung.price,
    )
    return [submitted, Call(request)]


def _submission(
    state: IntentState, place: int, quantity: Decimal, now_ns: int, patience_ms: int
) -> OrderSubmitted:
    intent, rung = state.intent, state.intent.ladder[place]
    return OrderSubmitted(
        at_ns=now_ns,
        client_id=client_id(intent.intent_id, "e", place + 1),
        decision_id=intent.intent_id,
        symbol=intent.symbol,
        side=Side.BUY,
        kind=OrderKind.LIMIT,
        purpose=Purpose.ENTRY,
        quantity=quantity,
        time_in_force=rung.time_in_force,
        price=rung.price,
        expires_ns=now_ns + patience_ms * NS_PER_MS,
        quote_recv_ns=intent.quote_recv_ns if place == 0 else 0,
    )
