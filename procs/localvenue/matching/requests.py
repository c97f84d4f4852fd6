"""What the matching core is asked: one order, several that belong together, a smaller quantity."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from procs.localvenue.matching.words import (
    ListKind,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
)


class PlaceOrder(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One new order.

    MARKET has quantity or quote_quantity; limit types have quantity, price and time in force;
    stop types a stop_price, a trailing_delta_bps, or both. The venue makes absent client ids."""

    symbol: str
    side: Side
    type: OrderType
    quantity: Decimal | None = None
    quote_quantity: Decimal | None = None
    price: Decimal | None = None
    stop_price: Decimal | None = None
    trailing_delta_bps: int | None = None
    iceberg_quantity: Decimal | None = None
    time_in_force: TimeInForce | None = None
    client_id: str | None = None
    prevention: SelfTradePrevention = "NONE"
    strategy_id: int | None = None
    strategy_type: int | None = None


class PlaceOrderList(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Orders that come together or not at all.

    OCO: (below, above), one side and quantity, the first to act ends the other. OTO: (working,
    pending), the pending one is placed when the working one is filled. OTOCO: (working, pending
    below, pending above)."""

    symbol: str
    kind: ListKind
    orders: tuple[PlaceOrder, ...]
    client_id: str | None = None
