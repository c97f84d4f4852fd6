"""The fold of account events: what route writes, in the words of `domain.account`.

`evolve` judges nothing. What it cannot fold it names (a fault) and leaves alone, in live processes,
replay and recovery alike; the actor that saw the fault alarms and asks the venue (O1).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shared.domain.account import Account, ClosedTrade, IntentState, fill_key
from shared.domain.beginnings import rows_lost, run_began
from shared.domain.booking import (
    book,
    found_order,
    leave_oversold,
    position_for,
    replace_inferred,
    use_up_number,
)
from shared.domain.order import END_STATUS, FINAL, ILLEGAL, Order, OrderFact, OrderStatus, step
from shared.domain.position import Position, PositionFact, PositionStatus
from shared.ids import attempt_of, client_id
from shared.messages.account import (
    AccountEvent,
    Alarmed,
    BalancesSeen,
    CancelAsked,
    ExitFailed,
    FillBooked,
    IntentAccepted,
    IntentEnded,
    IntentRefused,
    LedgerOpened,
    OrderAcknowledged,
    OrderAdopted,
    OrderDoubted,
    OrderEnded,
    OrderRefused,
    OrderSubmitted,
    OrderTriggered,
    PositionClosed,
    ProtectionAccepted,
    ProtectionChanged,
    Purpose,
    Reconciled,
    RowsLost,
    RunBegan,
    SymbolBlocked,
)
from shared.messages.protection import Exit, Urgency
from shared.messages.venue import Meaning, Side, TimeInForce
from shared.units import ZERO

TOMBSTONES_MAX = 5_000
FILLS_MAX = 50_000
CLOSED_MAX = 1_000
REFUSED_MAX = 200

NOT_JUDGED = frozenset({Meaning.RATE, Meaning.BANNED, Meaning.CLOCK, Meaning.NONE})
"""Refusals that say nothing about the order itself: it was throttled, or never sent."""


def evolve(account: Account, event: AccountEvent) -> str | None:
    """Folds one event; returns what did not fit, or None. O(1) but for pruning."""
    account.seq += 1
    return FOLDS[type(event)](account, event)


def _meet(account: Account, client_id: str, fact: OrderFact, at_ns: int) -> str | None:
    """Steps an order along its table; settled orders leave the live map at once (O8)."""
    order = account.order(client_id)
    if order is None:
        return f"{fact} of an order nobody knows: {client_id}"
    following = step(order.status, fact)
    fault = None
    if following is ILLEGAL:
        fault = f"{fact} of order {client_id} which is {order.status}"
    elif isinstance(following, OrderStatus) and following is not order.status:
        order.status = following
        if following in FINAL:
            order.ended_ns = at_ns
            account.count(f"orders_{following}")
            if order.purpose in (Purpose.STOP, Purpose.TAKE_PROFIT):
                _advance(account, order.decision_id, PositionFact.PROTECTION_LOST)
            elif order.purpose is Purpose.EXIT and following is OrderStatus.FILLED:
                _exit_has_not_failed(account, order.decision_id)
    # After a fault too: it may have named or booked the executions that were owed.
    _file(account, order)
    return fault


def _exit_has_not_failed(account: Account, position_id: str) -> None:
    """It sold all it offered, or was never judged: the next starts at the same rung (P7)."""
    position = account.positions.get(position_id)
    if position is not None:
        position.exits_tried = max(position.exits_tried - 1, 0)


def _file(account: Account, order: Order) -> None:
    """Live and owing orders in the one map, settled ones in the other (O8)."""
    client_id = order.client_id
    if order.is_settled and client_id in account.orders:
        del account.orders[client_id]
        account.tombstones[client_id] = order
        if len(account.tombstones) > TOMBSTONES_MAX:
            del account.tombstones[next(iter(account.tombstones))]
    elif not order.is_settled and client_id in account.tombstones:
        account.orders[client_id] = account.tombstones.pop(client_id)


def _submitted(account: Account, event: OrderSubmitted) -> str | None:
    if account.order(event.client_id) is not None:
        use_up_number(account, event)
        return f"order id used twice: {event.client_id}"
    account.orders[event.client_id] = Order(
        client_id=event.client_id,
        decision_id=event.decision_id,
        symbol=event.symbol,
        side=event.side,
        kind=event.kind,
        purpose=event.purpose,
        quantity=event.quantity,
        time_in_force=event.time_in_force,
        price=event.price,
        stop_price=event.stop_price,
        list_id=event.list_id,
        expires_ns=event.expires_ns,
        submitted_ns=event.at_ns,
        quote_recv_ns=event.quote_recv_ns,
    )
    account.count("orders_sent")
    account.totals["live_orders_max"] = max(
        account.totals.get("live_orders_max", 0), len(account.orders)
    )
    state = account.intents.get(event.decision_id)
    position = account.positions.get(event.decision_id)
    if event.purpose is Purpose.ENTRY and state is not None:
        state.tried += 1
    elif position is not None:
        position.attempts += 1
        if event.purpose is Purpose.EXIT:
            position.exits_tried += 1
            position.advance(PositionFact.EXIT_STARTED)
        else:
            position.advance(PositionFact.PROTECTION_SENT)
    return _meet(account, event.client_id, OrderFact.SUBMITTED, event.at_ns)


def _acknowledged(account: Account, event: OrderAcknowledged) -> str | None:
    order = account.order(event.client_id)
    if order is not None:
        order.venue_order_id = event.venue_order_id
        position = account.positions.get(order.decision_id)
        if order.purpose is Purpose.STOP and position is not None:
            position.protect_refusals = 0
    return _meet(account, event.client_id, OrderFact.ACKNOWLEDGED, event.at_ns)


def _refused(account: Account, event: OrderRefused) -> str | None:
    order = account.orders.get(event.client_id)
    position = account.positions.get(order.decision_id) if order is not None else None
    if order is not None and position is not None and order.purpose is Purpose.STOP:
        position.protect_refusals += event.meaning not in NOT_JUDGED
    elif order is not None and order.purpose is Purpose.EXIT and event.meaning == Meaning.RATE:
        _exit_has_not_failed(account, order.decision_id)
    return _meet(account, event.client_id, OrderFact.REFUSED, event.at_ns)


def _adopted(account: Account, event: OrderAdopted) -> str | None:
    known = account.order(event.client_id)
    if known is not None and known.is_live:
        return None
    order = known or Order(
        client_id=event.client_id,
        decision_id=event.decision_id,
        symbol=event.symbol,
        side=event.side,
        kind=event.kind,
        purpose=event.purpose,
        quantity=event.quantity,
        time_in_force=TimeInForce.GTC,
        price=event.price,
        stop_price=event.stop_price,
        list_id=client_id(event.decision_id, "g", attempt_of(event.client_id))
        if event.listed
        else "",
        expires_ns=0,
        submitted_ns=event.at_ns,
    )
    # A refused or ended order that turns out to live: the venue is the judge, not our table.
    order.status = OrderStatus.OPEN
    order.ended_ns = 0
    order.ended_filled = ZERO
    order.venue_order_id = event.venue_order_id
    account.tombstones.pop(event.client_id, None)
    account.orders[event.client_id] = order
    account.count("orders_adopted")
    use_up_number(account, event)
    if event.purpose in (Purpose.STOP, Purpose.TAKE_PROFIT):
        _advance(account, event.decision_id, PositionFact.PROTECTION_SENT)
    return None


def _accepted(account: Account, event: IntentAccepted) -> None:
    intent = event.intent
    account.intents[intent.intent_id] = IntentState(intent=intent, accepted_ns=event.at_ns)
    account.positions[intent.intent_id] = Position(
        position_id=intent.intent_id,
        symbol=intent.symbol,
        opened_ns=event.at_ns,
        first_protection=intent.protection,
    )
    account.count("intents_accepted")


def _intent_ended(account: Account, event: IntentEnded) -> None:
    state = account.intents.pop(event.intent_id, None)
    if state is not None:
        state.ended_ns = event.at_ns
        account.ended_intents[event.intent_id] = state
        if len(account.ended_intents) > TOMBSTONES_MAX:
            del account.ended_intents[next(iter(account.ended_intents))]
    position = account.positions.get(event.intent_id)
    if position is not None:
        if position.status is PositionStatus.NEW:
            del account.positions[event.intent_id]
        else:
            position.advance(PositionFact.ENTRY_ENDED)


def _advance(account: Account, position_id: str, fact: PositionFact) -> None:
    position = account.positions.get(position_id)
    if position is not None:
        position.advance(fact)


def _target_set(account: Account, event: ProtectionAccepted) -> str | None:
    position = account.positions.get(event.position_id)
    if position is None:
        return f"protection of a position nobody knows: {event.position_id}"
    position.version = event.version
    position.target = event.target
    if isinstance(event.target, Exit):
        position.exit_rearm_ns = 0
        position.exits_tried = 0
        position.advance(PositionFact.EXIT_STARTED)
    return None


def _protection_changed(account: Account, event: ProtectionChanged) -> None:
    position = account.positions.get(event.position_id)
    if position is None:
        return
    position.protection = event.status
    if event.bare and not position.bare_since_ns:
        position.bare_since_ns = event.at_ns
    elif not event.bare and position.bare_since_ns:
        position.unprotected_ns += event.at_ns - position.bare_since_ns
        position.bare_since_ns = 0


def _closed(account: Account, event: PositionClosed) -> str | None:
    position = account.positions.pop(event.position_id, None)
    if position is None:
        return f"close of a position nobody knows: {event.position_id}"
    position.advance(PositionFact.FLAT)
    leave_oversold(account, position)
    if event.dust_quantity:
        account.dust[event.symbol] = account.dust.get(event.symbol, ZERO) + event.dust_quantity
    account.closed.append(
        ClosedTrade(
            position_id=position.position_id,
            symbol=position.symbol,
            opened_ns=position.opened_ns,
            closed_ns=event.at_ns,
            spent=position.spent,
            received=position.received,
            pnl_quote=position.realized_quote,
            reason=event.reason,
            unprotected_s=position.unprotected_s(event.at_ns),
        )
    )
    del account.closed[:-CLOSED_MAX]
    account.count("positions_closed")
    return None


def _filled(account: Account, event: FillBooked) -> str | None:
    if account.has_booked(event.symbol, event.trade_id, event.side):
        return None
    account.fills[fill_key(event.symbol, event.trade_id, event.side)] = event.at_ns
    if len(account.fills) > FILLS_MAX:
        del account.fills[next(iter(account.fills))]
    order = account.order(event.client_id)
    unheard_of = order is None
    position = position_for(account, event)
    if order is None:
        order = account.orders[event.client_id] = found_order(event)
        use_up_number(account, order)
    if event.inferred:
        if event.client_id in account.inferred:
            return f"a second inferred fill of {event.client_id}"
        account.inferred[event.client_id] = event
    else:
        replace_inferred(account, order, position, event)
        account.count("fills")
    book(account, order, position, event, event.quantity, event.fee)
    if position is not None:
        sign = PositionFact.BOUGHT if event.side is Side.BUY else PositionFact.SOLD
        position.advance(sign)
        position.last_fill_ns = event.at_ns
        if order.purpose is Purpose.EXIT:
            # A sale that sold something has not failed; its rung stays where it is (P7).
            position.exits_tried = min(position.exits_tried, int(Urgency.MARKET))
        if event.decision_id not in account.intents:
            # Found again after its entry was over, or forgotten with it (L2, L12).
            position.advance(PositionFact.ENTRY_ENDED)
            if account.live_sells(event.decision_id):
                position.advance(PositionFact.PROTECTION_SENT)
    complete = order.filled >= order.quantity
    fact = OrderFact.COMPLETED if complete else OrderFact.PART_FILLED
    fault = _meet(account, event.client_id, fact, event.at_ns)
    if unheard_of:
        return f"a fill of an order nobody knows: {event.client_id}"
    if position is None and event.side is Side.SELL:
        return f"a late sale of a closed position: {event.client_id}"
    return fault


def _triggered(account: Account, event: OrderTriggered) -> None:
    order = account.orders.get(event.client_id)
    if order is not None and order.triggered_ns == 0:
        order.triggered_ns = event.at_ns


def _doubted(account: Account, event: OrderDoubted) -> str | None:
    order = account.orders.get(event.client_id)
    if order is not None:
        order.fence_ns = event.fence_ns
    return _meet(account, event.client_id, OrderFact.DOUBTED, event.at_ns)


def _cancel_asked(account: Account, event: CancelAsked) -> str | None:
    order = account.orders.get(event.client_id)
    if order is not None:
        order.cancel_asked_ns = event.at_ns
    return _meet(account, event.client_id, OrderFact.CANCEL_ASKED, event.at_ns)


def _ended(account: Account, event: OrderEnded) -> str | None:
    order = account.order(event.client_id)
    if order is not None:
        order.ended_filled = max(order.ended_filled, event.filled_quantity)
    return _meet(account, event.client_id, END_STATUS[event.end], event.at_ns)


def _intent_refused(account: Account, event: IntentRefused) -> None:
    account.count("intents_refused")
    account.refused_intents[event.intent_id] = event.at_ns
    if len(account.refused_intents) > REFUSED_MAX:
        del account.refused_intents[next(iter(account.refused_intents))]


def _exit_failed(account: Account, event: ExitFailed) -> None:
    position = account.positions.get(event.position_id)
    if position is not None:
        position.exit_failures += 1
        position.exits_tried = 0
        position.exit_rearm_ns = event.rearm_ns
    account.count("exits_failed")


def _ledger_opened(account: Account, event: LedgerOpened) -> None:
    account.ledger = {b.asset: b.free + b.locked for b in event.balances}
    account.opening = event.provisional
    account.balances = {b.asset: b for b in event.balances}


def _balances_seen(account: Account, event: BalancesSeen) -> None:
    account.balances.update({b.asset: b for b in event.balances})


def _symbol_blocked(account: Account, event: SymbolBlocked) -> None:
    account.blocked[event.symbol] = max(event.until_ns, account.blocked.get(event.symbol, 0))


def _reconciled(account: Account, event: Reconciled) -> None:
    account.last_reconciled_ns = event.at_ns
    account.explained_ns = max(account.explained_ns, event.explained_ns)
    if event.agreed:
        account.agreed_ns = event.at_ns
    account.count("reconcile_runs")
    account.count("reconcile_mismatches", event.mismatches)


def _alarmed(account: Account, event: Alarmed) -> None:
    account.count("alarms")


FOLDS: dict[type, Callable[[Account, Any], str | None]] = {
    RunBegan: run_began,
    RowsLost: rows_lost,
    LedgerOpened: _ledger_opened,
    BalancesSeen: _balances_seen,
    IntentAccepted: _accepted,
    IntentRefused: _intent_refused,
    IntentEnded: _intent_ended,
    OrderSubmitted: _submitted,
    OrderAcknowledged: _acknowledged,
    OrderTriggered: _triggered,
    OrderRefused: _refused,
    OrderDoubted: _doubted,
    CancelAsked: _cancel_asked,
    OrderEnded: _ended,
    FillBooked: _filled,
    OrderAdopted: _adopted,
    ProtectionAccepted: _target_set,
    ProtectionChanged: _protection_changed,
    ExitFailed: _exit_failed,
    PositionClosed: _closed,
    SymbolBlocked: _symbol_blocked,
    Reconciled: _reconciled,
    Alarmed: _alarmed,
}
"""One fold for each kind of account event; a test holds the two lists together."""
