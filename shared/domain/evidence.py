"""From what a venue says to account events: idempotent, in any order, any number of times (L2, L3).

Evidence never judges. It says only what is new: an acknowledgement, an end, an execution not yet
booked, an order of ours that the live map lacked. Orders without our prefix are not ours (L4).
"""

from __future__ import annotations

from collections.abc import Iterable

from shared.domain.account import Account, fill_key
from shared.domain.booking import PURPOSES
from shared.domain.instrument import Instrument
from shared.domain.order import Order, OrderStatus
from shared.ids import decision_of, leg_of
from shared.messages.account import (
    AccountEvent,
    BalancesSeen,
    FillBooked,
    OrderAcknowledged,
    OrderAdopted,
    OrderEnd,
    OrderEnded,
    OrderTriggered,
)
from shared.messages.venue import VenueBalance, VenueOrder, VenueStatus, VenueTrade
from shared.units import NS_PER_S, NS_PER_US, ZERO

_ENDS = {
    VenueStatus.FILLED: OrderEnd.FILLED,
    VenueStatus.CANCELED: OrderEnd.CANCELED,
    VenueStatus.EXPIRED: OrderEnd.EXPIRED,
    VenueStatus.REJECTED: OrderEnd.REJECTED,
}
STALE_NS = 3 * NS_PER_S
"""A venue's reads may lag; older news of an order that ended more recently is no resurrection."""


def of_order(account: Account, said: VenueOrder, now_ns: int, asked_ns: int) -> list[AccountEvent]:
    """What is new in a venue's word on an order; asked_ns: when the question left."""
    decision = decision_of(said.client_id)
    if decision is None:
        return []
    order = account.order(said.client_id)
    if order is None or _is_risen(order, said, asked_ns):
        if order is None and said.status.is_final and said.filled_quantity == ZERO:
            return []
        adopted = _adopt(said, decision, now_ns)
        return [adopted, *_trigger(said, now_ns), *_ending(said, now_ns)]
    events: list[AccountEvent] = []
    waiting = order.status in (OrderStatus.SUBMITTED, OrderStatus.UNKNOWN)
    # An execution may be heard of first, and end the order. Its trades are listed under the
    # venue's own id alone: without that they would never be found (L3).
    nameless = not order.venue_order_id and order.status is not OrderStatus.REJECTED
    if waiting or (nameless and said.venue_order_id):
        latency_us = (now_ns - order.submitted_ns) // NS_PER_US
        events.append(
            OrderAcknowledged(
                at_ns=now_ns,
                client_id=said.client_id,
                venue_order_id=said.venue_order_id,
                latency_us=latency_us,
            )
        )
    if order.is_live and not order.triggered_ns:
        events.extend(_trigger(said, now_ns))
    if order.is_live or said.filled_quantity > max(order.ended_filled, order.filled):
        events.extend(_ending(said, now_ns))
    return events


def _is_risen(order: Order, said: VenueOrder, asked_ns: int) -> bool:
    """An order we took for dead that the venue says is open, in news younger than its end (L2)."""
    if order.is_live or said.status.is_final:
        return order.status is OrderStatus.REJECTED and said.filled_quantity > ZERO
    return asked_ns - order.ended_ns > STALE_NS


def _adopt(said: VenueOrder, decision: str, now_ns: int) -> OrderAdopted:
    return OrderAdopted(
        at_ns=now_ns,
        client_id=said.client_id,
        venue_order_id=said.venue_order_id,
        decision_id=decision,
        symbol=said.symbol,
        side=said.side,
        kind=said.kind,
        purpose=PURPOSES[leg_of(said.client_id) or "x"],
        quantity=said.quantity,
        price=said.price,
        stop_price=said.stop_price,
        listed=bool(said.group_id),
    )


def _trigger(said: VenueOrder, now_ns: int) -> list[AccountEvent]:
    if not said.triggered or said.status.is_final:
        return []
    return [OrderTriggered(at_ns=now_ns, client_id=said.client_id)]


def _ending(said: VenueOrder, now_ns: int) -> list[AccountEvent]:
    if not said.status.is_final:
        return []
    return [
        OrderEnded(
            at_ns=now_ns,
            client_id=said.client_id,
            end=_ENDS[said.status],
            filled_quantity=said.filled_quantity,
        )
    ]


def of_trades(
    account: Account,
    said: Iterable[VenueTrade],
    instruments: dict[str, Instrument],
    now_ns: int,
    told: Iterable[VenueOrder] = (),
) -> list[AccountEvent]:
    """The executions of our orders that are not booked yet; each once (L3).

    `told` are orders that came with the trades, known to the account or not."""
    by_venue_id: dict[tuple[str, str], str] | None = None
    events: list[AccountEvent] = []
    seen: set[str] = set()
    for trade in said:
        if account.has_booked(trade.symbol, trade.trade_id, trade.side):
            continue
        key = fill_key(trade.symbol, trade.trade_id, trade.side)
        if key in seen or trade.symbol not in instruments:
            continue
        client = trade.client_id
        if not client:
            # A venue's trade list names only its own order ids.
            if by_venue_id is None:
                by_venue_id = client_ids(account)
                by_venue_id |= {(o.symbol, o.venue_order_id): o.client_id for o in told}
            client = by_venue_id.get((trade.symbol, trade.venue_order_id), "")
        decision = decision_of(client)
        if decision is None:
            continue
        seen.add(key)
        instrument = instruments[trade.symbol]
        events.append(
            FillBooked(
                at_ns=now_ns,
                client_id=client,
                decision_id=decision,
                symbol=trade.symbol,
                base=instrument.base,
                quote=instrument.quote,
                side=trade.side,
                trade_id=trade.trade_id,
                price=trade.price,
                quantity=trade.quantity,
                fee=trade.fee,
                fee_asset=trade.fee_asset,
                venue_ms=trade.at_ms,
            )
        )
    return events


def client_ids(account: Account) -> dict[tuple[str, str], str]:
    """Our id of each order that has one of the venue's, by symbol and that."""
    return {
        (order.symbol, order.venue_order_id): client_id
        for orders in (account.tombstones, account.orders)
        for client_id, order in orders.items()
        if order.venue_order_id
    }


def inferred_fill(order: Order, instrument: Instrument, now_ns: int) -> FillBooked:
    """The top-up of an ended order whose executions the venue counted but does not list (L3)."""
    return FillBooked(
        at_ns=now_ns,
        client_id=order.client_id,
        decision_id=order.decision_id,
        symbol=order.symbol,
        base=instrument.base,
        quote=instrument.quote,
        side=order.side,
        trade_id=f"inferred:{order.client_id}",
        price=order.price or order.stop_price,
        quantity=order.owed,
        fee=ZERO,
        fee_asset=instrument.quote,
        inferred=True,
    )


def of_balances(account: Account, said: Iterable[VenueBalance], now_ns: int) -> list[AccountEvent]:
    """The balances that differ from what was last seen, in one event."""
    fresh = tuple(b for b in said if account.balances.get(b.asset) != b)
    return [BalancesSeen(at_ns=now_ns, balances=fresh)] if fresh else []
