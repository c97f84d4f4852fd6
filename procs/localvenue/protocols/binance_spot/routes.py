"""Every operation once: its REST place, its name on the WebSocket API, its weight, its answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from procs.localvenue.protocols.binance_spot.market_data import MarketData
from procs.localvenue.protocols.binance_spot.market_routes import market_routes
from procs.localvenue.protocols.binance_spot.order_params import ORDER_NAMES, named
from procs.localvenue.protocols.binance_spot.params import Params
from procs.localvenue.protocols.binance_spot.route import Route as Route
from procs.localvenue.protocols.binance_spot.route import Weight
from procs.localvenue.protocols.binance_spot.trading import Trading
from procs.localvenue.protocols.binance_spot.wallet import Wallet

Answer = Callable[[str, Params], Any]

NOTHING: Final[frozenset[str]] = frozenset()
WINDOW: Final = frozenset({"startTime", "endTime", "limit"})
IDS: Final = frozenset({"orderId", "origClientOrderId"})
PLACING: Final = frozenset({"newOrderRespType", "selfTradePreventionMode"})
SINGLE: Final = frozenset({*ORDER_NAMES, "quantity", "quoteOrderQty", "newClientOrderId"}) | PLACING
LIST: Final = frozenset({"listClientOrderId"}) | PLACING
OLD_OCO: Final = LIST | {
    "limitClientOrderId",
    "limitStrategyId",
    "limitStrategyType",
    "limitIcebergQty",
    "trailingDelta",
    "stopClientOrderId",
    "stopStrategyId",
    "stopStrategyType",
    "stopLimitPrice",
    "stopIcebergQty",
    "stopLimitTimeInForce",
}
REPLACING: Final = SINGLE | {
    "cancelNewClientOrderId",
    "cancelOrigClientOrderId",
    "cancelOrderId",
    "cancelRestrictions",
    "orderRateLimitExceededMode",
}
WORKING: Final = ("workingType", "workingSide", "workingPrice", "workingQuantity")


def routes(market: MarketData, trading: Trading) -> list[Route]:
    """The operations that this venue serves."""
    return [
        *market_routes(market),
        *_order_routes(trading),
        *_list_routes(trading),
        *_account_routes(trading),
        *_wallet_routes(trading.wallet),
    ]


def _order_routes(trading: Trading) -> list[Route]:
    orders = trading.orders
    symbol, order = ("symbol",), ("symbol", "side", "type")
    return [
        _placing("order", orders.place, "order.place", order, SINGLE),
        _route(
            *("POST", "order/test", _test_weight, orders.test, "order.test", order),
            SINGLE | {"computeCommissionRates"},
        ),
        _route("GET", "order", 4, orders.query, "order.status", symbol, IDS),
        _ending(
            "order",
            orders.cancel,
            "order.cancel",
            symbol,
            IDS | {"newClientOrderId", "cancelRestrictions"},
        ),
        _placing(
            "order/cancelReplace",
            trading.cancel_replace.replace,
            "order.cancelReplace",
            (*order, "cancelReplaceMode"),
            REPLACING,
        ),
        _route(
            *("PUT", "order/amend/keepPriority", 4, orders.amend, "order.amend.keepPriority"),
            ("symbol", "newQty"),
            IDS | {"newClientOrderId"},
        ),
        _route(
            *("GET", "order/amendments", 4, orders.amendments, "order.amendments"),
            ("symbol", "orderId"),
            frozenset({"fromExecutionId", "limit"}),
        ),
        _route(
            *("GET", "openOrders", _each(6, 80), orders.open_orders, "openOrders.status"),
            (),
            frozenset(symbol),
        ),
        _ending("openOrders", orders.cancel_all, "openOrders.cancelAll", symbol, NOTHING),
        _route(
            *("GET", "allOrders", 20, orders.all_orders, "allOrders", symbol),
            WINDOW | {"orderId"},
        ),
    ]


def _list_routes(trading: Trading) -> list[Route]:
    lists = trading.lists
    oco = LIST | _leg("above") | _leg("below")
    oto = LIST | _leg("working") | _leg("pending")
    otoco = LIST | _leg("working") | _leg("pendingAbove") | _leg("pendingBelow")
    ids = frozenset({"orderListId", "origClientOrderId"})
    return [
        _placing(
            "orderList/oco",
            lists.place_oco,
            "orderList.place.oco",
            ("symbol", "side", "quantity", "aboveType", "belowType"),
            oco,
        ),
        _placing(
            "orderList/oto",
            lists.place_oto,
            "orderList.place.oto",
            ("symbol", *WORKING, "pendingType", "pendingSide", "pendingQuantity"),
            oto,
        ),
        _placing(
            "orderList/otoco",
            lists.place_otoco,
            "orderList.place.otoco",
            ("symbol", *WORKING, "pendingSide", "pendingQuantity", "pendingAboveType"),
            otoco,
        ),
        _placing("orderList/opo", lists.place_opo, "orderList.place.opo", ("symbol",), None),
        _placing("orderList/opoco", lists.place_opo, "orderList.place.opoco", ("symbol",), None),
        _placing(
            "order/oco",
            lists.place_old_oco,
            "orderList.place",
            ("symbol", "side", "quantity", "price", "stopPrice"),
            OLD_OCO,
        ),
        _route("GET", "orderList", 4, lists.query, "orderList.status", (), ids),
        _ending(
            "orderList",
            lists.cancel,
            "orderList.cancel",
            ("symbol",),
            frozenset({"orderListId", "listClientOrderId", "newClientOrderId"}),
        ),
        _route("GET", "openOrderList", 6, lists.open_lists, "openOrderLists.status", (), NOTHING),
        _route(
            *("GET", "allOrderList", 20, lists.all_lists, "allOrderLists"),
            (),
            WINDOW | {"fromId"},
        ),
    ]


def _account_routes(trading: Trading) -> list[Route]:
    account, symbol = trading.account, ("symbol",)
    return [
        _route(
            *("GET", "myTrades", _trades_weight, account.my_trades, "myTrades", symbol),
            WINDOW | {"orderId", "fromId"},
        ),
        _route(
            *("GET", "myPreventedMatches", _prevented_weight, account.preventions),
            "myPreventedMatches",
            symbol,
            frozenset({"preventedMatchId", "orderId", "fromPreventedMatchId", "limit"}),
        ),
        _route(
            *("GET", "myAllocations", 20, account.allocations, "myAllocations", symbol),
            WINDOW | {"fromAllocationId", "orderId"},
        ),
        _route("GET", "myFilters", 40, account.filters, "myFilters", symbol, NOTHING),
        _route(
            *("GET", "account", 20, account.account, "account.status"),
            (),
            frozenset({"omitZeroBalances"}),
        ),
        _route(
            *("GET", "account/commission", 20, account.commission, "account.commission"),
            symbol,
            NOTHING,
        ),
        _route(
            *("GET", "rateLimit/order", 40, account.order_counts, "account.rateLimits.orders"),
            (),
            NOTHING,
        ),
    ]


def _wallet_routes(wallet: Wallet) -> list[Route]:
    public: Iterable[tuple[str, str, Callable[[Params], Any]]] = (
        ("GET", "/sapi/v1/system/status", wallet.status),
        ("GET", "/sapi/v1/margin/allPairs", wallet.none),
        ("GET", "/sapi/v1/margin/isolated/allPairs", wallet.none),
        ("GET", "/fapi/v1/exchangeInfo", wallet.no_futures),
        ("GET", "/dapi/v1/exchangeInfo", wallet.no_futures),
        ("POST", "/api/v3/userDataStream", wallet.gone),
        ("PUT", "/api/v3/userDataStream", wallet.gone),
        ("DELETE", "/api/v3/userDataStream", wallet.gone),
    )
    signed: Iterable[tuple[str, str, Answer]] = (
        ("GET", "/sapi/v1/capital/config/getall", wallet.coins),
        ("GET", "/sapi/v1/account/apiRestrictions", wallet.restrictions),
        ("GET", "/sapi/v1/account/status", wallet.account_status),
        ("GET", "/sapi/v1/account/apiTradingStatus", wallet.trading_status),
        ("GET", "/sapi/v1/asset/tradeFee", wallet.trade_fees),
        ("POST", "/sapi/v3/asset/getUserAsset", wallet.assets),
    )
    return [
        *(Route(method, path, 1, answer) for method, path, answer in public),
        *(Route(method, path, 1, None, answer) for method, path, answer in signed),
    ]


def _route(
    method: str,
    path: str,
    weight: Weight,
    answer: Answer,
    socket_name: str,
    needs: tuple[str, ...],
    takes: frozenset[str],
) -> Route:
    return Route(
        method, f"/api/v3/{path}", weight, None, answer, socket_name, needs=needs, takes=takes
    )


def _placing(
    path: str,
    answer: Answer,
    socket_name: str,
    needs: tuple[str, ...],
    takes: frozenset[str] | None,
) -> Route:
    """Orders that come: weightless when they succeed, and counted."""
    return Route(
        *("POST", f"/api/v3/{path}", 1, None, answer, socket_name),
        needs=needs,
        takes=takes,
        free=True,
        orders=True,
    )


def _ending(
    path: str, answer: Answer, socket_name: str, needs: tuple[str, ...], takes: frozenset[str]
) -> Route:
    """Orders that go: weightless when it succeeds."""
    return Route(
        *("DELETE", f"/api/v3/{path}", 1, None, answer, socket_name),
        needs=needs,
        takes=takes,
        free=True,
    )


def _leg(place: str) -> frozenset[str]:
    """The parameters of one order of a list."""
    own = {f"{place}{name}" for name in ("Type", "Side", "Quantity", "ClientOrderId")}
    return frozenset({named(place, name) for name in ORDER_NAMES} | own)


def _each(one: int, all_symbols: int) -> Weight:
    return lambda params: one if "symbol" in params.values else all_symbols


def _test_weight(params: Params) -> int:
    return 20 if params.values.get("computeCommissionRates", "").lower() == "true" else 1


def _trades_weight(params: Params) -> int:
    return 5 if "orderId" in params.values else 20


def _prevented_weight(params: Params) -> int:
    return 20 if "orderId" in params.values else 2
