"""A position's protection: its prices; when to place, resize or give up on it (P2, P3, P5; L5, L6).

On a venue with OCO one list rests for the whole position: a take profit above, a stop below. An OCO
cannot be amended, so a resize is cancel + create under the local guard, coalesced over `resize_ms`.
"""

from __future__ import annotations

from decimal import Decimal

from shared.domain.account import Account
from shared.domain.instrument import Instrument
from shared.domain.mark import Mark
from shared.domain.order import Order, OrderStatus
from shared.domain.policy import ExitPolicy, ProtectionPolicy
from shared.domain.position import Position, PositionStatus
from shared.domain.steps import Call, Step, cancel
from shared.ids import client_id
from shared.messages.account import (
    OrderSubmitted,
    ProtectionAccepted,
    ProtectionChanged,
    ProtectionStatus,
    Purpose,
)
from shared.messages.protection import Exit, Guard, Urgency
from shared.messages.venue import OrderKind, PlaceOco, PlaceOrder, Side, TimeInForce
from shared.units import HUNDRED, NS_PER_MS, ONE, ZERO

PROTECTIVE = frozenset({Purpose.TAKE_PROFIT, Purpose.STOP})

UNHEARD_FEE = Decimal("0.01")
"""Of an execution that is only inferred: more than any venue takes."""


def first_guard(position: Position, instrument: Instrument) -> Guard:
    """P5 prices from the average entry price: a stop never looser, a target never lower."""
    entry = position.entry_price
    first = position.first_protection
    stop = instrument.price_up(entry * (ONE - first.stop_loss_pct / HUNDRED))
    limit = instrument.price_down(stop * (ONE - first.stop_limit_offset_pct / HUNDRED))
    target = ZERO
    if first.take_profit_pct > ZERO:
        target = instrument.price_up(entry * (ONE + first.take_profit_pct / HUNDRED))
    return Guard(stop_price=stop, stop_limit_price=limit, take_profit_price=target)


def guard_of(position: Position, instrument: Instrument) -> Guard:
    """The guard in force: protect's, or the intent's first one until protect says otherwise."""
    if isinstance(position.target, Guard):
        return position.target
    return first_guard(position, instrument)


def committed(sells: list[Order]) -> Decimal:
    """What live and unknown sells could still sell; the legs of one OCO count once (L6)."""
    by_list: dict[str, Decimal] = {}
    for order in sells:
        key = order.list_id or order.client_id
        by_list[key] = max(by_list.get(key, ZERO), order.remaining)
    return sum(by_list.values(), ZERO)


def sellable(account: Account, position: Position, instrument: Instrument) -> Decimal:
    """Net of base fees and of sales the venue has counted but not listed, floored to the lot (L5).

    An ended sale that still owes executions has sold them: they are not ours to sell again (L6).
    Of a buy that is only inferred nobody has said yet what it cost in the base asset."""
    owed = ZERO
    for order in account.orders.values():
        if order.decision_id == position.position_id and order.side is Side.SELL:
            owed += order.owed
    for guess in account.inferred.values():
        if guess.decision_id == position.position_id and guess.side is Side.BUY:
            owed += guess.quantity * UNHEARD_FEE
    return instrument.quantity_down(max(position.quantity - owed, ZERO))


def guard_steps(
    account: Account,
    position: Position,
    instrument: Instrument,
    policy: ProtectionPolicy,
    now_ns: int,
) -> list[Step]:
    """The next step of a position that is to be guarded, not exited."""
    sells = account.live_sells(position.position_id)
    if any(o.in_doubt or o.status is OrderStatus.CANCELING for o in sells):
        return []
    if position.protect_refusals >= 2:
        return [flatten(position, "stop_refused", Urgency.URGENT, now_ns)]
    if not sells:
        wanted = sellable(account, position, instrument)
        guard = guard_of(position, instrument)
        if instrument.is_dust(wanted, guard.stop_limit_price):
            return []
        return _place(position, guard, wanted, now_ns)
    triggered = max(order.triggered_ns for order in sells)
    if triggered:
        if now_ns - triggered < policy.trigger_grace_ms * NS_PER_MS:
            return []
        return [flatten(position, "stop_limit_unfilled", Urgency.URGENT, now_ns)]
    if any(order.status is OrderStatus.SUBMITTED for order in sells):
        return []
    if now_ns - position.last_fill_ns < policy.resize_ms * NS_PER_MS:
        return []
    wanted = sellable(account, position, instrument)
    guard = guard_of(position, instrument)
    # A partly filled take profit loses its stop at the venue: that does not fit either. What is
    # left of it and too small for a new pair stays where it may still fill.
    stands = any(order.purpose is Purpose.STOP for order in sells)
    fits = stands and committed(sells) == wanted and _prices_fit(sells, guard)
    if fits or instrument.is_dust(wanted, guard.stop_limit_price):
        return []
    return cancel(sells, "resize", now_ns, exit_priority=True)


def flatten(position: Position, reason: str, urgency: Urgency, now_ns: int) -> ProtectionAccepted:
    """Route's own escalation: the position's version stays, its target becomes an exit."""
    return ProtectionAccepted(
        at_ns=now_ns,
        position_id=position.position_id,
        version=position.version,
        target=Exit(reason=reason, urgency=urgency),
    )


def _prices_fit(sells: list[Order], guard: Guard) -> bool:
    for order in sells:
        if order.purpose is Purpose.STOP:
            if (order.stop_price, order.price) != (guard.stop_price, guard.stop_limit_price):
                return False
        elif order.purpose is Purpose.TAKE_PROFIT and order.price != guard.take_profit_price:
            return False
    return True


def _place(position: Position, guard: Guard, quantity: Decimal, now_ns: int) -> list[Step]:
    number = position.attempts + 1
    decision = position.position_id
    stop_id = client_id(decision, "s", number)
    stop = OrderSubmitted(
        at_ns=now_ns,
        client_id=stop_id,
        decision_id=decision,
        symbol=position.symbol,
        side=Side.SELL,
        kind=OrderKind.STOP_LIMIT,
        purpose=Purpose.STOP,
        quantity=quantity,
        time_in_force=TimeInForce.GTC,
        price=guard.stop_limit_price,
        stop_price=guard.stop_price,
        list_id=client_id(decision, "g", number) if guard.take_profit_price else "",
    )
    if not guard.take_profit_price:
        alone = PlaceOrder(
            symbol=position.symbol,
            client_id=stop_id,
            side=Side.SELL,
            kind=OrderKind.STOP_LIMIT,
            quantity=quantity,
            price=guard.stop_limit_price,
            stop_price=guard.stop_price,
        )
        return [stop, Call(alone, exit_priority=True)]
    profit = OrderSubmitted(
        at_ns=now_ns,
        client_id=client_id(decision, "t", number),
        decision_id=decision,
        symbol=position.symbol,
        side=Side.SELL,
        kind=OrderKind.LIMIT_MAKER,
        purpose=Purpose.TAKE_PROFIT,
        quantity=quantity,
        time_in_force=TimeInForce.GTC,
        price=guard.take_profit_price,
        list_id=stop.list_id,
    )
    both = PlaceOco(
        symbol=position.symbol,
        list_id=stop.list_id,
        quantity=quantity,
        take_profit_id=profit.client_id,
        take_profit_price=guard.take_profit_price,
        stop_id=stop_id,
        stop_price=guard.stop_price,
        stop_limit_price=guard.stop_limit_price,
    )
    return [stop, profit, Call(both, exit_priority=True)]


def local_guard_steps(
    position: Position,
    sells: list[Order],
    instrument: Instrument,
    mark: Mark | None,
    now_ns: int,
) -> list[Step]:
    """While no acknowledged stop rests, route watches the price itself and exits there (L5)."""
    if mark is None or not mark.is_fresh(now_ns) or position.exiting or not position.bought:
        return []
    if any(_is_acknowledged_stop(order) for order in sells):
        return []
    guard = guard_of(position, instrument)
    if mark.bid <= guard.stop_price:
        return [flatten(position, "local_stop", Urgency.URGENT, now_ns)]
    resting = any(order.purpose is Purpose.TAKE_PROFIT for order in sells)
    if guard.take_profit_price and mark.bid >= guard.take_profit_price and not resting:
        return [flatten(position, "take_profit", Urgency.PATIENT, now_ns)]
    return []


def _is_acknowledged_stop(order: Order) -> bool:
    return order.purpose is Purpose.STOP and order.status in (
        OrderStatus.OPEN,
        OrderStatus.PARTIALLY_FILLED,
    )


def status_of(
    account: Account,
    position: Position,
    instrument: Instrument,
    exit_policy: ExitPolicy,
    guarded: bool,
    now_ns: int,
) -> tuple[ProtectionStatus, bool, str]:
    """What stands behind the position (L5): its status, whether it is bare, and why.

    `guarded` says that a fresh price and a live process watch it."""
    if position.status is PositionStatus.NEW:
        return ProtectionStatus.NONE, False, "nothing bought yet"
    quantity = sellable(account, position, instrument)
    sells = account.live_sells(position.position_id)
    if not sells:
        price = guard_of(position, instrument).stop_limit_price if position.bought else ZERO
        if instrument.is_dust(quantity, price):
            if position.position_id in account.intents:
                return ProtectionStatus.LOCAL_GUARD, False, "below the minimum notional"
            return ProtectionStatus.NONE, False, "dust"
    if position.exiting:
        if position.exit_rearm_ns > now_ns:
            return ProtectionStatus.ALARM, True, "exit failed"
        acting = any(
            o.purpose is Purpose.EXIT
            and o.status in (OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED)
            and (not o.expires_ns or now_ns <= o.expires_ns)
            for o in sells
        )
        return ProtectionStatus.FLATTENING, not acting, position.exiting.reason
    stopped = sum((o.remaining for o in sells if _is_acknowledged_stop(o)), ZERO)
    late = exit_policy.ioc_deadline_ms * NS_PER_MS
    unfilled = any(o.triggered_ns and now_ns - o.triggered_ns > late for o in sells)
    if stopped >= quantity and not unfilled:
        return ProtectionStatus.PROTECTED, False, "stop at the venue"
    if guarded:
        return ProtectionStatus.LOCAL_GUARD, False, "a live process watches a fresh price"
    return ProtectionStatus.PROTECTING, True, "no acknowledged stop"


def changed(
    position: Position, status: ProtectionStatus, bare: bool, reason: str, now_ns: int
) -> ProtectionChanged | None:
    """The event, if anything changed."""
    if position.protection is status and bool(position.bare_since_ns) == bare:
        return None
    return ProtectionChanged(
        at_ns=now_ns,
        position_id=position.position_id,
        status=status,
        bare=bare,
        reason=reason,
    )
