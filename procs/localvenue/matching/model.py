"""What the matching core is asked and what it says: requests, orders, fills, lists and events.

Requests and answers are plain data, so that the server process and the whole-engine simulation use
the same core. Refusals carry the code, text and HTTP status of Binance spot's public documentation.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from shared.units import ZERO

Side = Literal["BUY", "SELL"]
OrderType = Literal["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"]
TimeInForce = Literal["GTC", "IOC", "FOK"]
OrderStatus = Literal["NEW", "PARTIALLY_FILLED", "FILLED", "CANCELED", "EXPIRED", "REJECTED"]
Execution = Literal["NEW", "TRADE", "CANCELED", "EXPIRED", "REJECTED"]
ListStatus = Literal["EXEC_STARTED", "ALL_DONE"]

STOP_TYPES: frozenset[str] = frozenset({"STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"})
"""Types that wait for the last trade price before they become limit orders."""

OPEN_STATUSES: frozenset[str] = frozenset({"NEW", "PARTIALLY_FILLED"})

NO_LIST = -1
"""The order list id of an order that stands alone, as the exchange writes it."""


class PlaceOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One new order; a MARKET order has quantity or quote_quantity, every other a quantity and a
    price, stop types a stop_price too. Without client_id the venue makes one."""

    symbol: str
    side: Side
    type: OrderType
    quantity: Decimal | None = None
    quote_quantity: Decimal | None = None
    price: Decimal | None = None
    stop_price: Decimal | None = None
    time_in_force: TimeInForce | None = None
    client_id: str | None = None


class Leg(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two orders of an OCO; a LIMIT_MAKER leg has no stop_price."""

    type: OrderType
    price: Decimal
    stop_price: Decimal | None = None
    time_in_force: TimeInForce | None = None
    client_id: str | None = None


class PlaceOco(msgspec.Struct, frozen=True, kw_only=True):
    """One cancels the other: `above` stands over the last price, `below` under it."""

    symbol: str
    side: Side
    quantity: Decimal
    above: Leg
    below: Leg
    list_client_id: str | None = None


class Refusal(msgspec.Struct, frozen=True):
    """The venue said no; nothing has changed."""

    code: int
    message: str
    http_status: int = 400


class Order(msgspec.Struct, kw_only=True):
    """One order and how far it came. The core's own copy changes; those it hands out do not."""

    id: int
    account: str
    symbol: str
    side: Side
    type: OrderType
    quantity: Decimal
    client_id: str
    created_ms: int
    updated_ms: int
    price: Decimal | None = None
    stop_price: Decimal | None = None
    quote_quantity: Decimal | None = None
    time_in_force: TimeInForce = "GTC"
    list_id: int = NO_LIST
    status: OrderStatus = "NEW"
    executed: Decimal = ZERO
    executed_quote: Decimal = ZERO
    working_ms: int = -1
    """When it went on the book; -1 while a stop waits."""
    locked: Decimal = ZERO
    """Held for it: quote units of a buy, base units of a sell."""
    queue_ahead: Decimal = ZERO
    """Quantity that stood at its price when it came; trades at that price eat it first."""

    @property
    def is_open(self) -> bool:
        """Whether it can still be filled or canceled."""
        return self.status in OPEN_STATUSES

    @property
    def is_working(self) -> bool:
        """Whether it is (or was) on the book; false for a stop that waits."""
        return self.working_ms != -1

    @property
    def remaining(self) -> Decimal:
        """Base units that are not executed yet."""
        return self.quantity - self.executed


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """One execution of one of our orders; the fee is taken from what was received."""

    trade_id: int
    order_id: int
    list_id: int
    account: str
    symbol: str
    price: Decimal
    quantity: Decimal
    quote_quantity: Decimal
    fee: Decimal
    fee_asset: str
    is_buyer: bool
    is_maker: bool
    at_ms: int


class OrderList(msgspec.Struct, kw_only=True):
    """Two orders of which the first to act ends the other."""

    id: int
    account: str
    symbol: str
    client_id: str
    order_ids: tuple[int, int]
    created_ms: int
    updated_ms: int
    status: ListStatus = "EXEC_STARTED"
    locked: Decimal = ZERO
    """Held for both together until one of them acts; then the survivor holds its own."""


class Balance(msgspec.Struct, frozen=True):
    """What an account has of one asset; the sum is what it owns."""

    free: Decimal
    locked: Decimal


class OrderUpdated(msgspec.Struct, frozen=True, kw_only=True):
    """An order came, traded or ended; `order` is a copy of that moment."""

    account: str
    execution_id: int
    execution: Execution
    order: Order
    at_ms: int
    fill: Fill | None = None
    cancel_id: str | None = None
    """The client id of the cancel request, of CANCELED only."""


class BalancesChanged(msgspec.Struct, frozen=True, kw_only=True):
    """The balances that one request or market event may have changed, as they are after it."""

    account: str
    balances: dict[str, Balance]
    at_ms: int


class ListChanged(msgspec.Struct, frozen=True, kw_only=True):
    """An order list started or is done; `orders` are copies of that moment."""

    account: str
    order_list: OrderList
    orders: tuple[Order, ...]
    at_ms: int


VenueEvent = OrderUpdated | BalancesChanged | ListChanged


class Placed(msgspec.Struct, frozen=True):
    """An accepted order as it stood when the request was done, with the fills it had at once."""

    order: Order
    fills: tuple[Fill, ...]


class PlacedList(msgspec.Struct, frozen=True):
    """An accepted OCO."""

    order_list: OrderList
    orders: tuple[Order, ...]


class Canceled(msgspec.Struct, frozen=True):
    """What a cancel ended: one order, or a whole list when the order was part of one."""

    cancel_id: str
    orders: tuple[Order, ...]
    order_list: OrderList | None = None
