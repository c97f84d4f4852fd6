"""Orders of ours that nobody wants any more: found alive after they were given up (L2, L4).

A late entry order whose intent has ended, or a sale whose position is gone, is cancelled. What it
filled on the way is a position like any other, and gets protected.
"""

from __future__ import annotations

from shared.domain.account import Account
from shared.domain.order import OrderStatus
from shared.domain.steps import Step, cancel
from shared.messages.account import Purpose

_RESTING = (OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED)


def stray_steps(account: Account, now_ns: int) -> list[Step]:
    """Cancels of live orders without an intent or a position behind them."""
    strays = [
        order
        for order in account.orders.values()
        if order.status in _RESTING
        and order.decision_id
        not in (account.intents if order.purpose is Purpose.ENTRY else account.positions)
    ]
    return cancel(strays, "stray", now_ns, exit_priority=True) if strays else []
