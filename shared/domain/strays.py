"""Orders of ours that nobody wants any more: found alive after they were given up (L2, L4).

A late entry order whose intent has ended, or a sale whose position is gone, is cancelled. What it
filled on the way is a position like any other, and gets protected. A sale stays while the venue
holds more of its asset than the ledger explains: it may be the stop of a position that an older
journal has never seen (L12).
"""

from __future__ import annotations

from shared.domain.account import Account
from shared.domain.instrument import Instrument
from shared.domain.order import OrderStatus
from shared.domain.steps import Step, cancel
from shared.messages.account import Purpose
from shared.messages.venue import Side
from shared.units import ZERO

_RESTING = (OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED)


def stray_steps(account: Account, instruments: dict[str, Instrument], now_ns: int) -> list[Step]:
    """Cancels of live orders without an intent or a position behind them."""
    strays = [
        order
        for order in account.orders.values()
        if order.status in _RESTING
        and order.decision_id
        not in (account.intents if order.purpose is Purpose.ENTRY else account.positions)
        and not (order.side is Side.SELL and _may_protect(account, instruments, order.symbol))
    ]
    return cancel(strays, "stray", now_ns, exit_priority=True) if strays else []


def _may_protect(account: Account, instruments: dict[str, Instrument], symbol: str) -> bool:
    """Whether the venue holds more of the symbol's base asset than the ledger explains."""
    instrument = instruments.get(symbol)
    held = account.balances.get(instrument.base) if instrument is not None else None
    if instrument is None or held is None:
        return False
    return held.free + held.locked > account.ledger.get(instrument.base, ZERO)
