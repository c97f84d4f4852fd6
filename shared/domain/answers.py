"""What a venue's answer means for the account: three outcomes, never a fourth (L2, O4).

A refusal is final only for an order that nobody has seen alive. An unknown outcome keeps everything
as it is and starts the fence. A refused cancel is no news of the order: the order is asked about.
"""

from __future__ import annotations

import msgspec

from shared.domain.account import Account
from shared.domain.evidence import of_balances, of_order, of_trades
from shared.domain.instrument import Instrument
from shared.domain.order import Order, OrderStatus
from shared.domain.protection import flatten
from shared.domain.resolve import of_absence
from shared.domain.steps import Call, Step
from shared.messages.account import OrderDoubted, OrderRefused, Purpose, SymbolBlocked
from shared.messages.protection import Urgency
from shared.messages.venue import (
    CancelOrder,
    Meaning,
    Outcome,
    QueryOrder,
    VenueAnswered,
    placed_ids,
)
from shared.units import NS_PER_MS, NS_PER_S

PAUSE_NS = 250 * NS_PER_MS
"""After a refusal the same decision sends nothing for this long: never a tight loop (O5)."""
PAUSE_MAX_NS = 5 * NS_PER_S
REGION_BLOCK_NS = 24 * 3600 * NS_PER_S

_UNJUDGED = (OrderStatus.SUBMITTED, OrderStatus.UNKNOWN, OrderStatus.CANCELING)


class Reading(msgspec.Struct):
    """What follows from an answer."""

    steps: list[Step] = []
    pause_until_ns: int = 0
    """The decision sends nothing before this engine time."""
    short_of: str = ""
    """The decision whose sale the venue found too large: clamp it to the balance (O5)."""
    refused: bool | None = None
    """Whether the venue judged an order, and how; None when it did not."""


def read_placement(
    account: Account,
    answer: VenueAnswered,
    instruments: dict[str, Instrument],
    fence_ns: int,
    now_ns: int,
) -> Reading:
    """The answer to a PlaceOrder or a PlaceOco."""
    reading = Reading()
    orders = [o for i in placed_ids(answer.request) if (o := account.order(i)) is not None]
    waiting = [o for o in orders if o.status in _UNJUDGED and not o.venue_order_id]
    match answer.outcome:
        case Outcome.OK if answer.orders:
            reading.steps = _evidence(account, answer, instruments, now_ns)
            reading.refused = False
        case Outcome.REFUSED if answer.meaning is not Meaning.DUPLICATE_ID:
            reading.steps = [_refused(order, answer, now_ns) for order in waiting]
            reading.pause_until_ns = now_ns + PAUSE_NS
            reading.refused = True
            _judge(account, answer, orders, reading, now_ns)
        case Outcome.THROTTLED | Outcome.NOT_SENT:
            reading.steps = [_refused(order, answer, now_ns) for order in waiting]
            wanted_ns = max(answer.retry_at_ns, now_ns + PAUSE_NS)
            reading.pause_until_ns = min(wanted_ns, now_ns + PAUSE_MAX_NS)
        case _:
            # UNKNOWN, an OK without evidence, or an id the venue has already seen.
            sent_ns = answer.sent_ns or now_ns
            fence_at_ns = sent_ns + fence_ns if fence_ns else 0
            reading.steps = [
                OrderDoubted(
                    at_ns=now_ns,
                    client_id=order.client_id,
                    reason=answer.text or str(answer.meaning),
                    fence_ns=fence_at_ns,
                )
                for order in waiting
            ]
            reading.steps += _questions(waiting)
    return reading


def read_cancel(
    account: Account, answer: VenueAnswered, instruments: dict[str, Instrument], now_ns: int
) -> Reading:
    """The answer to a CancelOrder."""
    assert isinstance(answer.request, CancelOrder)
    order = account.order(answer.request.client_id)
    reading = Reading(steps=_evidence(account, answer, instruments, now_ns))
    if order is None or not order.is_live:
        return reading
    if answer.outcome in (Outcome.REFUSED, Outcome.UNKNOWN):
        reading.steps += _questions([order])
    elif answer.outcome in (Outcome.THROTTLED, Outcome.NOT_SENT):
        wanted_ns = max(answer.retry_at_ns, now_ns + PAUSE_NS)
        reading.pause_until_ns = min(wanted_ns, now_ns + PAUSE_MAX_NS)
    return reading


def read_query(
    account: Account,
    answer: VenueAnswered,
    instruments: dict[str, Instrument],
    fence_ns: int,
    now_ns: int,
) -> Reading:
    """The answer to a QueryOrder; absence counts only when it is an answer (L2)."""
    assert isinstance(answer.request, QueryOrder)
    if answer.outcome is not Outcome.OK:
        return Reading()
    reading = Reading(steps=_evidence(account, answer, instruments, now_ns))
    order = account.order(answer.request.client_id)
    if not answer.orders and order is not None:
        reading.steps += of_absence(order, answer.sent_ns, now_ns, fence_ns)
    return reading


def unheeded_cancels(answer: VenueAnswered, account: Account) -> list[Step]:
    """Cancels to repeat: asked well after the cancel, the venue says that the order lives."""
    steps: list[Step] = []
    for said in answer.orders:
        order = account.orders.get(said.client_id)
        if (
            order is not None
            and order.status is OrderStatus.CANCELING
            and not said.status.is_final
            and answer.sent_ns - order.cancel_asked_ns > NS_PER_S
        ):
            request = CancelOrder(symbol=order.symbol, client_id=order.client_id)
            steps.append(Call(request, exit_priority=True))
    return steps


def _evidence(
    account: Account, answer: VenueAnswered, instruments: dict[str, Instrument], now_ns: int
) -> list[Step]:
    steps: list[Step] = []
    # Executions first: an end that is folded before them would look like missing ones.
    steps += of_trades(account, answer.trades, instruments, now_ns)
    for said in answer.orders:
        steps += of_order(account, said, now_ns, answer.sent_ns or now_ns)
    steps += of_balances(account, answer.balances, now_ns)
    return steps


def _refused(order: Order, answer: VenueAnswered, now_ns: int) -> OrderRefused:
    judged = answer.outcome is Outcome.REFUSED
    return OrderRefused(
        at_ns=now_ns,
        client_id=order.client_id,
        meaning=answer.meaning if judged else Meaning.RATE,
        reason=f"{answer.code} {answer.text}".strip() or str(answer.outcome),
    )


def _questions(orders: list[Order]) -> list[Step]:
    return [
        Call(QueryOrder(symbol=order.symbol, client_id=order.client_id), exit_priority=True)
        for order in orders
    ]


def _judge(
    account: Account, answer: VenueAnswered, orders: list[Order], reading: Reading, now_ns: int
) -> None:
    """What a refusal says about the position: the stop is behind the price, funds are missing, …"""
    order = orders[0] if orders else None
    position = account.positions.get(order.decision_id) if order is not None else None
    if order is None or position is None:
        return
    protective = order.purpose in (Purpose.STOP, Purpose.TAKE_PROFIT)
    if protective and position.exiting is None:
        if answer.meaning is Meaning.WOULD_TRIGGER:
            reading.steps.append(flatten(position, "beyond_stop", Urgency.URGENT, now_ns))
        elif answer.meaning is Meaning.WOULD_MATCH:
            reading.steps.append(flatten(position, "take_profit", Urgency.PATIENT, now_ns))
    if answer.meaning is Meaning.INSUFFICIENT and order.purpose is not Purpose.ENTRY:
        reading.short_of = position.position_id
    if answer.meaning is Meaning.REGION:
        reading.steps.append(
            SymbolBlocked(
                at_ns=now_ns,
                symbol=order.symbol,
                reason="region",
                until_ns=now_ns + REGION_BLOCK_NS,
            )
        )
