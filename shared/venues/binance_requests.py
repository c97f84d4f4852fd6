"""The engine's requests as Binance spot wants them: endpoint, exact text parameters, weight."""

from __future__ import annotations

import msgspec

from shared.messages.venue import (
    CancelOrder,
    OrderKind,
    PlaceOco,
    PlaceOrder,
    QueryOrder,
    TimeInForce,
)
from shared.units import plain

ROWS_PER_PAGE = 1000


class WireCall(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request: ccxt's implicit method, parameters, and what it costs of the budget."""

    method: str
    params: dict[str, str] = {}
    weight: int = 1
    orders: int = 0


_TYPES = {
    OrderKind.LIMIT: "LIMIT",
    OrderKind.MARKET: "MARKET",
    OrderKind.LIMIT_MAKER: "LIMIT_MAKER",
    OrderKind.STOP_LIMIT: "STOP_LOSS_LIMIT",
}
_TIMES = {TimeInForce.GTC: "GTC", TimeInForce.IOC: "IOC"}

MARKETS = WireCall(method="publicGetExchangeInfo", weight=20)
TIME = WireCall(method="publicGetTime")
ACCOUNT = WireCall(method="privateGetAccount", weight=20)
OPEN_ORDERS = WireCall(method="privateGetOpenOrders", weight=80)
KEY_RESTRICTIONS = WireCall(method="sapiGetAccountApiRestrictions")


def place_order(request: PlaceOrder) -> WireCall:
    """A new order; FULL answers bring the fills. Raises ValueError for an incomplete request."""
    params = {
        "symbol": request.symbol,
        "side": request.side.upper(),
        "type": _TYPES[request.kind],
        "quantity": plain(request.quantity),
        "newClientOrderId": request.client_id,
        "newOrderRespType": "FULL",
    }
    if request.kind is not OrderKind.MARKET:
        if request.price is None:
            raise ValueError(f"{request.kind} order {request.client_id} has no price")
        params["price"] = plain(request.price)
    if request.kind in (OrderKind.LIMIT, OrderKind.STOP_LIMIT):
        params["timeInForce"] = _TIMES[request.time_in_force]
    if request.kind is OrderKind.STOP_LIMIT:
        if request.stop_price is None:
            raise ValueError(f"stop order {request.client_id} has no stop price")
        params["stopPrice"] = plain(request.stop_price)
    return WireCall(method="privatePostOrder", params=params, orders=1)


def place_oco(request: PlaceOco) -> WireCall:
    """A take profit above and a stop below, of which one cancels the other."""
    return WireCall(
        method="privatePostOrderListOco",
        params={
            "symbol": request.symbol,
            "listClientOrderId": request.list_id,
            "side": "SELL",
            "quantity": plain(request.quantity),
            "aboveType": "LIMIT_MAKER",
            "aboveClientOrderId": request.take_profit_id,
            "abovePrice": plain(request.take_profit_price),
            "belowType": "STOP_LOSS_LIMIT",
            "belowClientOrderId": request.stop_id,
            "belowStopPrice": plain(request.stop_price),
            "belowPrice": plain(request.stop_limit_price),
            "belowTimeInForce": "GTC",
            "newOrderRespType": "FULL",
        },
        orders=2,
    )


def cancel_order(request: CancelOrder) -> WireCall:
    """A cancel; of an OCO's leg it ends both."""
    params = {"symbol": request.symbol, "origClientOrderId": request.client_id}
    return WireCall(method="privateDeleteOrder", params=params)


def query_order(request: QueryOrder) -> WireCall:
    """One order by our id."""
    params = {"symbol": request.symbol, "origClientOrderId": request.client_id}
    return WireCall(method="privateGetOrder", params=params, weight=4)


def trades_of_order(symbol: str, venue_order_id: str) -> WireCall:
    """The executions of one order."""
    params = {"symbol": symbol, "orderId": venue_order_id}
    return WireCall(method="privateGetMyTrades", params=params, weight=5)


def trades_page(symbol: str, window: tuple[int, int] | None, from_id: int | None) -> WireCall:
    """A page of the account's trades: of a time window in ms, or from an id on."""
    return _page("privateGetMyTrades", symbol, window, "fromId", from_id)


def orders_page(symbol: str, window: tuple[int, int] | None, from_id: int | None) -> WireCall:
    """A page of the account's orders, ended ones too: of a time window in ms, or from an id on."""
    return _page("privateGetAllOrders", symbol, window, "orderId", from_id)


def _page(
    method: str, symbol: str, window: tuple[int, int] | None, id_name: str, from_id: int | None
) -> WireCall:
    params = {"symbol": symbol, "limit": str(ROWS_PER_PAGE)}
    if window is not None:
        params["startTime"], params["endTime"] = map(str, window)
    else:
        params[id_name] = str(from_id)
    return WireCall(method=method, params=params, weight=20)
