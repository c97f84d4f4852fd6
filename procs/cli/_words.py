"""Journal events as sentences for people; numbers plain, ids as they are searched for."""

from __future__ import annotations

from decimal import Decimal

from shared.messages.account import (
    Alarmed,
    CancelAsked,
    ExitFailed,
    FillBooked,
    IntentAccepted,
    IntentEnded,
    IntentRefused,
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
)
from shared.messages.base import Message, encode
from shared.messages.decision import (
    Check,
    DecisionMade,
    PlanChanged,
    PlanDropped,
    ReservationFound,
    ReservationReleased,
)
from shared.messages.protection import Exit, Target
from shared.units import plain

_Plans = DecisionMade | PlanChanged | PlanDropped | ReservationFound | ReservationReleased


def words_of(event: Message) -> str:
    """One event as one sentence; an event without words of its own as its JSON."""
    match event:
        case _ if isinstance(event, _Plans):
            return _plan_words(event)
        case IntentAccepted() | IntentRefused() | IntentEnded():
            return _intent_words(event)
        case FillBooked():
            marked = " (inferred from a total)" if event.inferred else ""
            return (
                f"{event.client_id}: {event.side} fill {plain(event.quantity)} at "
                f"{plain(event.price)}, fee {plain(event.fee)} {event.fee_asset}, "
                f"trade {event.trade_id}{marked}"
            )
        case ProtectionAccepted() | ProtectionChanged() | ExitFailed() | PositionClosed():
            return _position_words(event)
        case Alarmed():
            return f"ALARM {event.kind}: {event.text}"
        case OrderSubmitted():
            return _submitted_words(event)
    return _order_words(event)


def _plan_words(event: _Plans) -> str:
    match event:
        case DecisionMade():
            return _decision_words(event)
        case PlanChanged():
            return (
                f"protect plans version {event.version}: {_target(event.target)} ({event.reason})"
            )
        case PlanDropped():
            return "protect has nothing left to plan"
        case ReservationFound():
            return "route knows an intent that was lost here: it is reserved for again"
        case ReservationReleased():
            return f"reservation released: {event.reason}"


def _decision_words(event: DecisionMade) -> str:
    checks = "; ".join(map(_check, event.checks))
    verdict = f"refused: {', '.join(event.refusals)}" if event.intent is None else "approved"
    limits = f"; limits: {event.limits}" if event.limits else ""
    return (
        f"{event.symbol} fell {event.drop_pct:.2f} % from {plain(event.anchor)} "
        f"(trigger {event.trigger_pct:g} %), bid {plain(event.bid)}, ask {plain(event.ask)}, "
        f"spread {event.spread_bps:.1f} bps; {verdict}; checks: {checks or 'none'}{limits}"
    )


def _check(check: Check) -> str:
    """Such as `spread: 4.20 bps (at most 20 bps)`, `protect silent: no`, in capitals when it
    refused."""
    limit = f" ({check.limit})" if check.limit else ""
    refused = "" if check.passed else " REFUSED"
    return f"{check.name.replace('_', ' ')}: {check.value}{limit}{refused}"


def _intent_words(event: IntentAccepted | IntentRefused | IntentEnded) -> str:
    match event:
        case IntentAccepted(intent=intent):
            steps = " then ".join(
                f"{rung.time_in_force} {plain(rung.price)} for {rung.deadline_ms} ms"
                for rung in intent.ladder
            )
            return (
                f"route takes the intent on: buy {plain(intent.quantity)} {intent.symbol}, "
                f"{steps}; {plain(intent.reserved_quote)} reserved"
            )
        case IntentRefused():
            return f"route refuses the intent: {event.reason}"
        case IntentEnded():
            return f"the entry is over: {event.reason}"


def _submitted_words(event: OrderSubmitted) -> str:
    price = f" at {plain(event.price)}" if event.price else " at market"
    stop = f", stop {plain(event.stop_price)}" if event.stop_price else ""
    return (
        f"{event.client_id}: {event.purpose.replace('_', ' ')} order, {event.side} "
        f"{plain(event.quantity)}{price}{stop} ({event.kind} {event.time_in_force})"
    )


def _order_words(event: Message) -> str:
    match event:
        case OrderAcknowledged():
            return f"{event.client_id}: acknowledged after {event.latency_us} µs"
        case OrderTriggered():
            return f"{event.client_id}: its stop price was reached"
        case OrderRefused():
            return f"{event.client_id}: refused, {event.meaning}: {event.reason}"
        case OrderDoubted():
            return f"{event.client_id}: outcome unknown, {event.reason}"
        case CancelAsked():
            return f"{event.client_id}: cancel asked, {event.reason}"
        case OrderEnded():
            return f"{event.client_id}: {event.end}, {plain(event.filled_quantity)} filled"
        case OrderAdopted():
            return f"{event.client_id}: found at the venue and adopted"
    return encode(event).decode()


def _position_words(
    event: ProtectionAccepted | ProtectionChanged | ExitFailed | PositionClosed,
) -> str:
    match event:
        case ProtectionAccepted():
            return f"route follows version {event.version}: {_target(event.target)}"
        case ProtectionChanged():
            bare = ", bare" if event.bare else ""
            return f"protection is {event.status}{bare}: {event.reason}"
        case ExitFailed():
            return f"the exit failed after {event.attempts} attempts, tried again later"
        case PositionClosed():
            dust = f", {plain(event.dust_quantity)} left as dust" if event.dust_quantity else ""
            return f"closed: {event.reason}{dust}"


def _target(target: Target) -> str:
    if isinstance(target, Exit):
        return f"exit, {target.urgency.name.lower()} ({target.reason})"
    parts = (
        ("stop", target.stop_price),
        ("limit", target.stop_limit_price),
        ("take profit", target.take_profit_price),
    )
    return ", ".join(f"{name} {plain(price)}" for name, price in parts if price != Decimal(0))
