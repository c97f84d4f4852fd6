"""What the matching core knows and says: orders, fills, lists, balances, answers and events.

Requests and answers are plain data, so that the server process and the whole-engine simulation use
the same core. Refusals carry the code, text and HTTP status of Binance spot's public documentation.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Literal

import msgspec

from procs.localvenue.matching.requests import PlaceOrder as PlaceOrder
from procs.localvenue.matching.requests import PlaceOrderList as PlaceOrderList
from procs.localvenue.matching.words import MARKET_TYPES as MARKET_TYPES
from procs.localvenue.matching.words import NO_LIST as NO_LIST
from procs.localvenue.matching.words import OPEN_STATUSES as OPEN_STATUSES
from procs.localvenue.matching.words import STOP_TYPES as STOP_TYPES
from procs.localvenue.matching.words import CancelRestriction as CancelRestriction
from procs.localvenue.matching.words import Execution as Execution
from procs.localvenue.matching.words import ListKind as ListKind
from procs.localvenue.matching.words import ListStatus as ListStatus
from procs.localvenue.matching.words import OrderStatus as OrderStatus
from procs.localvenue.matching.words import OrderType as OrderType
from procs.localvenue.matching.words import SelfTradePrevention as SelfTradePrevention
from procs.localvenue.matching.words import Side as Side
from procs.localvenue.matching.words import TimeInForce as TimeInForce
from shared.units import ZERO


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """The venue said no; nothing has changed."""

    code: int
    message: str
    http_status: int = 400


class Order(msgspec.Struct, kw_only=True, gc=False):
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
    queue_number: int = 0
    """Its turn among our orders at one price; an iceberg gets a new one with each slice."""
    shown: Decimal = ZERO
    """What is left of an iceberg's visible slice; zero for other orders."""
    queue_ahead: Decimal = ZERO
    """Quantity that stood at its price when it came; trades at that price eat it first."""
    iceberg_quantity: Decimal | None = None
    trailing_delta_bps: int | None = None
    trailing_ms: int | None = None
    """Since when the trailing stop follows the price; None before that."""
    trailing_price: Decimal | None = None
    """The best last price since then, from which the delta is counted."""
    prevention: SelfTradePrevention = "NONE"
    prevented: Decimal = ZERO
    """What self-trade prevention took away from it, base units."""
    prevented_match_id: int | None = None
    """The newest match that was prevented."""
    amends: int = 0
    strategy_id: int | None = None
    strategy_type: int | None = None

    if TYPE_CHECKING:  # Every struct has it; called by name it costs half of copy.copy.

        def __copy__(self) -> Order: ...

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
        """Base units that can still be executed."""
        rest = self.quantity - self.executed
        return rest - self.prevented if self.prevented else rest


class Evidence(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Why a fill is honest: what the market said that was there for it.

    level: a published level was taken; quantity is the level's, taken what we had taken of it
    since its last update. trade: the market traded at or through a resting order; quantity is the
    trade's, taken what other orders here got of it before, queue_ahead what stood before the
    order. order: another order of this venue was the other side; source is its order id."""

    kind: Literal["level", "trade", "order"]
    source: int
    """The recording's line (or the generated event's number) of the level or trade."""
    price: Decimal
    quantity: Decimal
    taken: Decimal = ZERO
    queue_ahead: Decimal = ZERO
    trade_id: int | None = None


class Prevention(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One match that did not happen because both orders belong to the same account."""

    id: int
    account: str
    symbol: str
    taker_order_id: int
    maker_order_id: int
    mode: SelfTradePrevention
    price: Decimal
    taker_prevented: Decimal
    maker_prevented: Decimal
    at_ms: int


class Amendment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One change of an order's quantity that kept its place in the queue."""

    order_id: int
    execution_id: int
    account: str
    symbol: str
    old_client_id: str
    new_client_id: str
    old_quantity: Decimal
    new_quantity: Decimal
    at_ms: int


class Fill(msgspec.Struct, frozen=True, kw_only=True, gc=False):
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
    evidence: Evidence | None = None
    """Always there in fills of this version; None only in journals of older ones."""


class OrderList(msgspec.Struct, kw_only=True, gc=False):
    """Orders that were placed together; see PlaceOrderList."""

    id: int
    account: str
    symbol: str
    client_id: str
    order_ids: tuple[int, ...]
    kind: ListKind = "OCO"
    created_ms: int
    updated_ms: int
    status: ListStatus = "EXEC_STARTED"
    locked: Decimal = ZERO
    """Held for both together until one of them acts; then the survivor holds its own."""


class Balance(msgspec.Struct, frozen=True, gc=False):
    """What an account has of one asset; the sum is what it owns."""

    free: Decimal
    locked: Decimal


class OrderUpdated(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An order came, traded or ended; `order` is a copy of that moment."""

    account: str
    execution_id: int
    execution: Execution
    order: Order
    at_ms: int
    fill: Fill | None = None
    cancel_id: str | None = None
    """The client id of the cancel request, of CANCELED only; of REPLACED the id before it."""
    prevention: Prevention | None = None
    amendment: Amendment | None = None
    """Of REPLACED only."""
    reject_reason: str = "NONE"


class BalancesChanged(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The balances that one request or market event may have changed, as they are after it."""

    account: str
    balances: dict[str, Balance]
    at_ms: int


class ListChanged(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An order list started or is done; `orders` are copies of that moment."""

    account: str
    order_list: OrderList
    orders: tuple[Order, ...]
    at_ms: int


class BalanceMoved(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Money came to an account (or left it) from outside the venue."""

    account: str
    asset: str
    amount: Decimal
    at_ms: int


VenueEvent = OrderUpdated | BalancesChanged | ListChanged | BalanceMoved


class Placed(msgspec.Struct, frozen=True, gc=False):
    """An accepted order as it stood when the request was done, with the fills it had at once."""

    order: Order
    fills: tuple[Fill, ...]
    preventions: tuple[Prevention, ...] = ()
    """Matches with orders of the same account that did not happen."""


class PlacedList(msgspec.Struct, frozen=True, gc=False):
    """An accepted order list, and the fills its working order had at once."""

    order_list: OrderList
    orders: tuple[Order, ...]
    fills: tuple[Fill, ...] = ()


class Canceled(msgspec.Struct, frozen=True, gc=False):
    """What a cancel ended: one order, or a whole list when the order was part of one."""

    cancel_id: str
    orders: tuple[Order, ...]
    order_list: OrderList | None = None


class Amended(msgspec.Struct, frozen=True, gc=False):
    """An order with its new quantity."""

    order: Order
    amendment: Amendment
    order_list: OrderList | None = None
    list_orders: tuple[Order, ...] = ()
