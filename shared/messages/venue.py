"""What is asked of a venue and what it says, in words that no venue's codes leak into.

Requests are data that route's actor emits; the shell performs them through `shared/venues/port.py`
and hands the answer back as a VenueAnswered. In the simulation the pure exchange answers instead.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from shared.messages.base import Amount, Message


class Side(StrEnum):
    """Which way an order trades."""

    BUY = "buy"
    SELL = "sell"


class OrderKind(StrEnum):
    """The order types the engine uses; a venue adapter translates them."""

    LIMIT = "limit"
    MARKET = "market"
    LIMIT_MAKER = "limit_maker"
    STOP_LIMIT = "stop_limit"


class TimeInForce(StrEnum):
    """How long a limit order may wait."""

    GTC = "gtc"
    IOC = "ioc"


class VenueStatus(StrEnum):
    """What a venue says of an order."""

    OPEN = "open"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"

    @property
    def is_final(self) -> bool:
        """Whether the order has ended."""
        return self is not VenueStatus.OPEN


class Outcome(StrEnum):
    """How a request ended (L2). THROTTLED and NOT_SENT are refusals that may be tried again."""

    OK = "ok"
    REFUSED = "refused"
    THROTTLED = "throttled"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"


class Meaning(StrEnum):
    """Why a venue refused, told apart from its code by the error table (O4)."""

    NONE = "none"
    UNKNOWN_ORDER = "unknown_order"
    DUPLICATE_ID = "duplicate_id"
    INSUFFICIENT = "insufficient"
    WOULD_TRIGGER = "would_trigger"
    WOULD_MATCH = "would_match"
    FILTER = "filter"
    REGION = "region"
    CLOCK = "clock"
    RATE = "rate"
    BANNED = "banned"
    PERMISSION = "permission"
    BROKEN = "broken"
    OTHER = "other"


class VenueOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order as the venue reports it; quantities in base units, prices in quote units."""

    symbol: str
    client_id: str
    venue_order_id: str
    side: Side
    kind: OrderKind
    status: VenueStatus
    quantity: Amount
    filled_quantity: Amount
    price: Amount = Amount(0)
    stop_price: Amount = Amount(0)
    group_id: str = ""
    """The venue's own id of the order list the order belongs to, or empty."""
    triggered: bool = False
    """A stop whose price was reached: it now works as a limit order."""
    updated_ms: int = 0


class VenueTrade(msgspec.Struct, frozen=True, kw_only=True):
    """One execution of an order of this account; (symbol, trade_id) is its identity (L3)."""

    symbol: str
    trade_id: str
    venue_order_id: str
    client_id: str
    side: Side
    price: Amount
    quantity: Amount
    fee: Amount
    fee_asset: str
    at_ms: int


class VenueBalance(msgspec.Struct, frozen=True, kw_only=True):
    """What the account holds of one asset."""

    asset: str
    free: Amount
    locked: Amount


class Request(Message, frozen=True, kw_only=True):
    """The root of what may be asked."""

    symbol: str


class PlaceOrder(Request, frozen=True, kw_only=True, tag="place_order"):
    """Send one order. Price is None for a market order."""

    client_id: str
    side: Side
    kind: OrderKind
    quantity: Amount
    time_in_force: TimeInForce = TimeInForce.GTC
    price: Amount | None = None
    stop_price: Amount | None = None


class PlaceOco(Request, frozen=True, kw_only=True, tag="place_oco"):
    """Sell quantity either at take_profit_price or, once stop_price trades, at stop_limit_price."""

    list_id: str
    quantity: Amount
    take_profit_id: str
    take_profit_price: Amount
    stop_id: str
    stop_price: Amount
    stop_limit_price: Amount


class CancelOrder(Request, frozen=True, kw_only=True, tag="cancel_order"):
    """Cancel an order; cancelling one leg of an OCO cancels both."""

    client_id: str


class QueryOrder(Request, frozen=True, kw_only=True, tag="query_order"):
    """What became of an order. An OK answer without orders is proof that the venue knows none."""

    client_id: str


class TakeSnapshot(Request, frozen=True, kw_only=True, tag="take_snapshot"):
    """All open orders, all balances, and trades of `symbols` since a time (O7); symbol is empty.

    With `history` also the orders of `symbols` that have ended since then: only they tell whose
    trades these are when the journal has never seen them (L4, L12)."""

    symbols: tuple[str, ...]
    trades_since_ms: int
    asked_ns: int
    history: bool = False


VenueRequest = PlaceOrder | PlaceOco | CancelOrder | QueryOrder | TakeSnapshot


def placed_ids(request: VenueRequest) -> tuple[str, ...]:
    """The client ids under which a request places orders; none for one that places nothing."""
    match request:
        case PlaceOrder():
            return (request.client_id,)
        case PlaceOco():
            return (request.stop_id, request.take_profit_id)
    return ()


class VenueAnswered(Message, frozen=True, kw_only=True, tag="venue_answered"):
    """How a request ended, with whatever evidence came along."""

    request: VenueRequest
    outcome: Outcome
    meaning: Meaning = Meaning.NONE
    code: str = ""
    text: str = ""
    retry_at_ns: int = 0
    """For THROTTLED: not before this engine time."""
    sent_ns: int = 0
    orders: tuple[VenueOrder, ...] = ()
    trades: tuple[VenueTrade, ...] = ()
    balances: tuple[VenueBalance, ...] = ()


class VenueReported(Message, frozen=True, kw_only=True, tag="venue_reported"):
    """A push of the venue's user stream."""

    order: VenueOrder | None = None
    trade: VenueTrade | None = None
    balances: tuple[VenueBalance, ...] = ()


class VenueStreamChanged(Message, frozen=True, kw_only=True, tag="venue_stream_changed"):
    """The user stream came up or was lost; coming up means that something may have been missed."""

    connected: bool
    reason: str = ""
