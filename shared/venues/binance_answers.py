"""Binance spot's answers and pushes as strict structs, and what they say in the engine's words.

Decimals come from the raw text, never through a float. Whatever lacks a promised field, or names
another order than was asked for, raises MessageError, which a caller turns into UNKNOWN (L2).
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from shared.errors import MessageError
from shared.messages.base import Amount, Reader, read_as
from shared.messages.venue import (
    OrderKind,
    Side,
    VenueBalance,
    VenueOrder,
    VenueReported,
    VenueStatus,
    VenueTrade,
)
from shared.units import ZERO

STATUSES: Final = {
    "NEW": VenueStatus.OPEN,
    "PENDING_NEW": VenueStatus.OPEN,
    "PARTIALLY_FILLED": VenueStatus.OPEN,
    "PENDING_CANCEL": VenueStatus.OPEN,
    "FILLED": VenueStatus.FILLED,
    "CANCELED": VenueStatus.CANCELED,
    "REJECTED": VenueStatus.REJECTED,
    "EXPIRED": VenueStatus.EXPIRED,
    "EXPIRED_IN_MATCH": VenueStatus.EXPIRED,
}

KINDS: Final = {
    "LIMIT": OrderKind.LIMIT,
    "MARKET": OrderKind.MARKET,
    "LIMIT_MAKER": OrderKind.LIMIT_MAKER,
    "STOP_LOSS_LIMIT": OrderKind.STOP_LIMIT,
    # The engine places none of these; a person's orders are only reported (L4).
    "STOP_LOSS": OrderKind.STOP_LIMIT,
    "TAKE_PROFIT": OrderKind.STOP_LIMIT,
    "TAKE_PROFIT_LIMIT": OrderKind.STOP_LIMIT,
}

SIDES: Final = {"BUY": Side.BUY, "SELL": Side.SELL}
NO_LIST: Final = -1


class Fill(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One execution inside an order's answer."""

    trade_id: int
    price: Amount
    qty: Amount
    commission: Amount
    commission_asset: str


class OrderAnswer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An order in the answers of order, openOrders and orderList requests."""

    symbol: str
    order_id: int
    client_order_id: str
    price: Amount
    orig_qty: Amount
    executed_qty: Amount
    status: str
    type: str
    side: str
    order_list_id: int = NO_LIST
    orig_client_order_id: str = ""
    stop_price: Amount = ZERO
    is_working: bool | None = None
    working_time: int = -1
    transact_time: int = 0
    update_time: int = 0
    fills: tuple[Fill, ...] = ()

    def order(self) -> VenueOrder:
        """The order; after a cancel the original client id counts, not the cancel's own."""
        kind = _named(KINDS, self.type, "order type")
        # An untriggered stop shows -1, and where it is queried isWorking false as well.
        working = self.working_time > 0 and self.is_working is not False
        return VenueOrder(
            symbol=self.symbol,
            client_id=self.orig_client_order_id or self.client_order_id,
            venue_order_id=str(self.order_id),
            side=_named(SIDES, self.side, "side"),
            kind=kind,
            status=_named(STATUSES, self.status, "order status"),
            quantity=self.orig_qty,
            filled_quantity=self.executed_qty,
            price=self.price,
            stop_price=self.stop_price,
            group_id=_group(self.order_list_id),
            triggered=kind is OrderKind.STOP_LIMIT and (working or self.executed_qty > 0),
            updated_ms=self.update_time or self.transact_time,
        )

    def trades(self) -> tuple[VenueTrade, ...]:
        """The executions that came with the answer."""
        if not self.fills:
            return ()
        order = self.order()
        return tuple(
            VenueTrade(
                symbol=self.symbol,
                trade_id=str(fill.trade_id),
                venue_order_id=order.venue_order_id,
                client_id=order.client_id,
                side=order.side,
                price=fill.price,
                quantity=fill.qty,
                fee=fill.commission,
                fee_asset=fill.commission_asset,
                at_ms=self.transact_time,
            )
            for fill in self.fills
        )


class ListAnswer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An order list: an OCO placed, or cancelled as a whole."""

    order_list_id: int
    list_client_order_id: str
    symbol: str
    order_reports: tuple[OrderAnswer, ...]


class TradeAnswer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One line of myTrades."""

    symbol: str
    id: int
    order_id: int
    price: Amount
    qty: Amount
    commission: Amount
    commission_asset: str
    time: int
    is_buyer: bool

    def trade(self, client_id: str) -> VenueTrade:
        """The execution; the venue does not say the client id here, the caller may know it."""
        return VenueTrade(
            symbol=self.symbol,
            trade_id=str(self.id),
            venue_order_id=str(self.order_id),
            client_id=client_id,
            side=Side.BUY if self.is_buyer else Side.SELL,
            price=self.price,
            quantity=self.qty,
            fee=self.commission,
            fee_asset=self.commission_asset,
            at_ms=self.time,
        )


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """One asset of the account."""

    asset: str
    free: Amount
    locked: Amount

    def balance(self) -> VenueBalance:
        """In the engine's words."""
        return VenueBalance(asset=self.asset, free=self.free, locked=self.locked)


class AccountAnswer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The account: what it may do and what it holds."""

    can_trade: bool
    balances: tuple[Holding, ...]


class Restrictions(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What the API key itself may do (L13)."""

    enable_withdrawals: bool
    enable_spot_and_margin_trading: bool
    enable_internal_transfer: bool = False
    permits_universal_transfer: bool = False


class ServerTime(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The venue's clock in milliseconds."""

    server_time: int


class ExecutionReport(msgspec.Struct, frozen=True, kw_only=True):
    """A push about one order; the one-letter names are the venue's."""

    symbol: str = msgspec.field(name="s")
    client_id: str = msgspec.field(name="c")
    original_id: str | None = msgspec.field(name="C", default=None)
    side: str = msgspec.field(name="S")
    type: str = msgspec.field(name="o")
    quantity: Amount = msgspec.field(name="q")
    price: Amount = msgspec.field(name="p")
    stop_price: Amount = msgspec.field(name="P")
    list_id: int = msgspec.field(name="g", default=NO_LIST)
    execution: str = msgspec.field(name="x")
    status: str = msgspec.field(name="X")
    order_id: int = msgspec.field(name="i")
    last_quantity: Amount = msgspec.field(name="l")
    filled_quantity: Amount = msgspec.field(name="z")
    last_price: Amount = msgspec.field(name="L")
    fee: Amount | None = msgspec.field(name="n", default=None)
    fee_asset: str | None = msgspec.field(name="N", default=None)
    transact_ms: int = msgspec.field(name="T")
    trade_id: int = msgspec.field(name="t", default=-1)
    on_book: bool = msgspec.field(name="w", default=False)

    def reported(self) -> VenueReported:
        """The order as it stands, and its execution when this push is one."""
        # A cancel's report carries the cancel's own id in c and the order's in C.
        original = self.original_id if self.original_id not in (None, "", "null") else ""
        client_id = original or self.client_id
        kind = _named(KINDS, self.type, "order type")
        side = _named(SIDES, self.side, "side")
        order = VenueOrder(
            symbol=self.symbol,
            client_id=client_id,
            venue_order_id=str(self.order_id),
            side=side,
            kind=kind,
            status=_named(STATUSES, self.status, "order status"),
            quantity=self.quantity,
            filled_quantity=self.filled_quantity,
            price=self.price,
            stop_price=self.stop_price,
            group_id=_group(self.list_id),
            triggered=kind is OrderKind.STOP_LIMIT and (self.on_book or self.filled_quantity > 0),
            updated_ms=self.transact_ms,
        )
        if self.execution != "TRADE":
            return VenueReported(order=order)
        if self.trade_id < 0 or self.last_quantity <= 0:
            raise MessageError(f"execution without a trade: order {self.order_id}")
        trade = VenueTrade(
            symbol=self.symbol,
            trade_id=str(self.trade_id),
            venue_order_id=order.venue_order_id,
            client_id=client_id,
            side=side,
            price=self.last_price,
            quantity=self.last_quantity,
            fee=self.fee or ZERO,
            fee_asset=self.fee_asset or "",
            at_ms=self.transact_ms,
        )
        return VenueReported(order=order, trade=trade)


class _PushedHolding(msgspec.Struct, frozen=True, kw_only=True):
    asset: str = msgspec.field(name="a")
    free: Amount = msgspec.field(name="f")
    locked: Amount = msgspec.field(name="l")


class AccountPosition(msgspec.Struct, frozen=True, kw_only=True):
    """A push of the balances that changed."""

    holdings: tuple[_PushedHolding, ...] = msgspec.field(name="B")

    def reported(self) -> VenueReported:
        """In the engine's words."""
        return VenueReported(
            balances=tuple(
                VenueBalance(asset=one.asset, free=one.free, locked=one.locked)
                for one in self.holdings
            )
        )


class CancelReader(Reader):
    """A cancel's answer: the order, or the whole list when the order was a leg of one."""

    def __init__(self) -> None:
        super().__init__(OrderAnswer)
        self._list = Reader(ListAnswer)

    def read(self, data: bytes | memoryview | str) -> Any:
        """An OrderAnswer or a ListAnswer. Raises MessageError."""
        text = data.encode("utf-8", "replace") if isinstance(data, str) else bytes(data)
        return self._list.read(data) if b'"orderReports"' in text else super().read(data)


PUSHES: Final[dict[str, Any]] = {
    "executionReport": ExecutionReport,
    "outboundAccountPosition": AccountPosition,
}

ORDER: Final = Reader(OrderAnswer)
ORDERS: Final = Reader(tuple[OrderAnswer, ...])
ORDER_LIST: Final = Reader(ListAnswer)
CANCELED: Final = CancelReader()
TRADES: Final = Reader(tuple[TradeAnswer, ...])
ACCOUNT: Final = Reader(AccountAnswer)
RESTRICTIONS: Final = Reader(Restrictions)
SERVER_TIME: Final = Reader(ServerTime)


def pushed(event: dict[str, Any]) -> VenueReported | None:
    """What a user stream event says; None for events that say nothing of orders or balances.

    Raises MessageError for an event of ours that cannot be read.
    """
    name = event.get("e", "")
    kind = PUSHES.get(name) if isinstance(name, str) else None
    if kind is None:
        return None
    reported: VenueReported = read_as(kind, event).reported()
    return reported


def _group(order_list_id: int) -> str:
    return "" if order_list_id == NO_LIST else str(order_list_id)


def _named(table: dict[str, Any], name: str, what: str) -> Any:
    if name not in table:
        raise MessageError(f"unknown {what} {name!r}, known are {', '.join(table)}")
    return table[name]
