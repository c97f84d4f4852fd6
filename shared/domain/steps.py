"""What a judgement of route may ask for: an event to record, or a request to make.

Judgements (`entry`, `protection`, `exits`, `resolve`) look at the folded account and say the next
small step. They are level-triggered: asked again after every turn and on every tick, live, after a
crash and in the simulation alike, so that there is no second path that could forget something.
"""

from __future__ import annotations

import msgspec

from shared.domain.order import Order, OrderStatus
from shared.messages.account import AccountEvent, CancelAsked
from shared.messages.venue import CancelOrder, VenueRequest


class Call(msgspec.Struct, frozen=True):
    """Make a request, after everything recorded before it is on disk (L1)."""

    request: VenueRequest
    exit_priority: bool = False


Step = AccountEvent | Call


def cancel(orders: list[Order], reason: str, now_ns: int, *, exit_priority: bool) -> list[Step]:
    """Cancels orders that stand alone, and the legs of one OCO by a single request."""
    steps: list[Step] = []
    lists_done: set[str] = set()
    for order in orders:
        if order.status is OrderStatus.CANCELING:
            continue
        steps.append(CancelAsked(at_ns=now_ns, client_id=order.client_id, reason=reason))
        if order.list_id in lists_done and order.list_id:
            continue
        lists_done.add(order.list_id)
        request = CancelOrder(symbol=order.symbol, client_id=order.client_id)
        steps.append(Call(request, exit_priority))
    return steps
