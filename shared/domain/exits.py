"""The exit ladder (P7): limit at the bid, limit IOC through the bid, market. Never oversells (L6).

The one exit slot is the position's target: the first request holds it, later ones join it or raise
its urgency. An exit first takes the resting protection away, because on spot it holds the funds.
"""

from __future__ import annotations

from decimal import Decimal

from shared.domain.account import Account
from shared.domain.instrument import Instrument
from shared.domain.mark import Mark
from shared.domain.order import Order, OrderStatus
from shared.domain.policy import ExitPolicy
from shared.domain.position import Position
from shared.domain.protection import committed, sellable
from shared.domain.resolve import INFERRED_PHASE_NS
from shared.domain.steps import Call, Step, cancel
from shared.ids import client_id
from shared.messages.account import (
    Alarmed,
    ExitFailed,
    OrderSubmitted,
    PositionClosed,
    Purpose,
)
from shared.messages.control import PERSONAL
from shared.messages.protection import Exit, Urgency
from shared.messages.venue import OrderKind, PlaceOrder, Side, TimeInForce
from shared.units import BPS, NS_PER_MS, NS_PER_S, ONE, ZERO


def join(held: Exit | None, asked: Exit) -> Exit | None:
    """What the exit slot holds after a request; None when the request changes nothing (P7).

    A person's request lends the exit its reason, which HALTED looks at (L9), and so does a stop
    that is to leave nothing open (R1)."""
    if held is None:
        return asked
    reasons = (held.reason, asked.reason)
    personal = next((reason for reason in PERSONAL if reason in reasons), held.reason)
    joined = Exit(reason=personal, urgency=max(held.urgency, asked.urgency))
    return joined if joined != held else None


def exit_steps(
    account: Account,
    position: Position,
    instrument: Instrument,
    policy: ExitPolicy,
    mark: Mark | None,
    now_ns: int,
    held_at_venue: Decimal | None = None,
) -> list[Step]:
    """The next step of a position on its way out: wait (none), cancel, send, or alarm.

    held_at_venue caps the quantity after the venue called a sale too large (O5)."""
    target = position.exiting
    assert target is not None, position.position_id
    sells = account.live_sells(position.position_id)
    if any(order.in_doubt or order.status is OrderStatus.CANCELING for order in sells):
        return []
    in_the_way = [o for o in sells if _must_go(o, target, now_ns)]
    if in_the_way:
        return cancel(in_the_way, target.reason, now_ns, exit_priority=True)
    if sells:
        return []
    quantity = min(
        sellable(account, position, instrument) - committed(sells), instrument.market_max_quantity
    )
    if held_at_venue is not None:
        quantity = min(quantity, instrument.quantity_down(held_at_venue))
    price = mark.bid if mark is not None and mark.is_fresh(now_ns) else None
    if instrument.is_dust(quantity, price or position.entry_price):
        return []
    if now_ns < position.exit_rearm_ns:
        return []
    if position.exits_tried >= policy.max_attempts:
        return _give_up(position, policy, now_ns)
    return _send(position, instrument, policy, target, quantity, price, now_ns)


def _must_go(order: Order, target: Exit, now_ns: int) -> bool:
    """Protection always; an exit order when its rung is over or its rung is too patient now."""
    if order.purpose is not Purpose.EXIT:
        return True
    over = 0 < order.expires_ns <= now_ns
    too_patient = order.time_in_force is TimeInForce.GTC and order.kind is OrderKind.LIMIT
    return over or (too_patient and target.urgency > Urgency.PATIENT)


def _send(
    position: Position,
    instrument: Instrument,
    policy: ExitPolicy,
    target: Exit,
    quantity: Decimal,
    bid: Decimal | None,
    now_ns: int,
) -> list[Step]:
    rung = min(int(target.urgency) + position.exits_tried, int(Urgency.MARKET))
    kind, force, price, deadline_ms = (
        OrderKind.MARKET,
        TimeInForce.IOC,
        None,
        policy.ioc_deadline_ms,
    )
    if bid is not None and rung == Urgency.PATIENT:
        kind, force, price = OrderKind.LIMIT, TimeInForce.GTC, instrument.price_down(bid)
        deadline_ms = policy.gtc_deadline_ms
    elif bid is not None and rung == Urgency.URGENT:
        through = bid * (ONE - Decimal(str(policy.slippage_bps)) / BPS)
        kind, price = OrderKind.LIMIT, instrument.price_down(through)
    if price is not None and instrument.order_fault(quantity, price) is not None:
        kind, force, price = OrderKind.MARKET, TimeInForce.IOC, None
    order_id = client_id(position.position_id, "x", position.attempts + 1)
    submitted = OrderSubmitted(
        at_ns=now_ns,
        client_id=order_id,
        decision_id=position.position_id,
        symbol=position.symbol,
        side=Side.SELL,
        kind=kind,
        purpose=Purpose.EXIT,
        quantity=quantity,
        time_in_force=force,
        price=price or ZERO,
        expires_ns=now_ns + deadline_ms * NS_PER_MS,
    )
    request = PlaceOrder(
        symbol=position.symbol,
        client_id=order_id,
        side=Side.SELL,
        kind=kind,
        quantity=quantity,
        time_in_force=force,
        price=price,
    )
    return [submitted, Call(request, exit_priority=True)]


def _give_up(position: Position, policy: ExitPolicy, now_ns: int) -> list[Step]:
    """FAILED_FINAL, said once; armed again with a doubling pause while the position exists (P7)."""
    pause_s = min(policy.rearm_s * 2**position.exit_failures, policy.rearm_max_s)
    return [
        ExitFailed(
            at_ns=now_ns,
            position_id=position.position_id,
            attempts=position.exits_tried,
            rearm_ns=now_ns + pause_s * NS_PER_S,
        ),
        Alarmed(
            at_ns=now_ns,
            kind="exit_failed",
            symbol=position.symbol,
            text=f"{position.position_id}: {position.exits_tried} attempts, again in {pause_s} s",
        ),
    ]


def close_steps(
    account: Account, position: Position, instrument: Instrument, mark: Mark | None, now_ns: int
) -> list[Step]:
    """PositionClosed once nothing sellable is left and nothing can trade; the rest is dust."""
    if position.position_id in account.intents or not position.bought:
        return []
    if account.orders_of(position.position_id):
        return []
    price = mark.bid if mark is not None and mark.bid > ZERO else position.entry_price
    if not instrument.is_dust(sellable(account, position, instrument), price):
        return []
    guessed = any(
        guess.decision_id == position.position_id and now_ns - guess.at_ns < INFERRED_PHASE_NS
        for guess in account.inferred.values()
    )
    if guessed and not instrument.is_dust(position.quantity, price):
        # What is kept back for an unheard fee may be sold once the execution is listed (L5). One
        # that is asked for no more holds up neither its symbol nor a stop of the engine (R1).
        return []
    reason = position.exiting.reason if position.exiting else _venue_exit(account, position)
    return [
        PositionClosed(
            at_ns=now_ns,
            position_id=position.position_id,
            symbol=position.symbol,
            reason=reason,
            dust_quantity=max(position.quantity, ZERO),
        )
    ]


def _venue_exit(account: Account, position: Position) -> str:
    """Which resting order sold it."""
    for order in reversed(account.tombstones.values()):
        if order.decision_id == position.position_id and order.filled and order.side is Side.SELL:
            return str(order.purpose)
    return "too small to sell"
