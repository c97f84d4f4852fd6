"""Every operation once: its REST place, its name on the WebSocket API, its weight, its answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from procs.localvenue.protocols.binance_spot.market_data import MarketData
from procs.localvenue.protocols.binance_spot.params import Params
from procs.localvenue.protocols.binance_spot.trading import Trading

Weight = int | Callable[[Params], int]


class Route(msgspec.Struct, frozen=True):
    """One operation; signed ones are answered by `signed`, public ones by `public`."""

    method: str
    path: str
    weight: Weight
    public: Callable[[Params], Any] | None = None
    signed: Callable[[str, Params], Any] | None = None
    socket_name: str | None = None

    def weight_of(self, params: Params) -> int:
        """The request weight, which may depend on the parameters."""
        return self.weight if isinstance(self.weight, int) else self.weight(params)


def routes(market: MarketData, trading: Trading) -> list[Route]:
    """The operations that this venue serves."""
    return [
        Route("GET", "/api/v3/ping", 1, market.ping, None, "ping"),
        Route("GET", "/api/v3/time", 1, market.time, None, "time"),
        Route("GET", "/api/v3/exchangeInfo", 20, market.exchange_info, None, "exchangeInfo"),
        Route("GET", "/api/v3/depth", _depth_weight, market.depth, None, "depth"),
        Route("GET", "/api/v3/trades", 25, market.trades, None, "trades.recent"),
        Route("GET", "/api/v3/aggTrades", 4, market.aggregate_trades, None, "trades.aggregate"),
        Route("GET", "/api/v3/klines", 2, market.candles, None, "klines"),
        Route("GET", "/api/v3/avgPrice", 2, market.average_price, None, "avgPrice"),
        Route("GET", "/api/v3/ticker/24hr", _each(2, 80), market.ticker_day, None, "ticker.24hr"),
        Route(
            "GET", "/api/v3/ticker/price", _each(2, 4), market.ticker_price, None, "ticker.price"
        ),
        Route(
            "GET", "/api/v3/ticker/bookTicker", _each(2, 4), market.ticker_book, None, "ticker.book"
        ),
        Route("POST", "/api/v3/order", 1, None, trading.place, "order.place"),
        Route("POST", "/api/v3/order/test", 1, None, trading.test, "order.test"),
        Route("GET", "/api/v3/order", 4, None, trading.query, "order.status"),
        Route("DELETE", "/api/v3/order", 1, None, trading.cancel, "order.cancel"),
        Route(
            "POST", "/api/v3/order/cancelReplace", 1, None, trading.replace, "order.cancelReplace"
        ),
        Route(
            "GET",
            "/api/v3/openOrders",
            _each(6, 80),
            None,
            trading.open_orders,
            "openOrders.status",
        ),
        Route("DELETE", "/api/v3/openOrders", 1, None, trading.cancel_all, "openOrders.cancelAll"),
        Route("GET", "/api/v3/allOrders", 20, None, trading.all_orders, "allOrders"),
        Route("POST", "/api/v3/orderList/oco", 1, None, trading.place_oco, "orderList.place.oco"),
        Route("POST", "/api/v3/order/oco", 1, None, trading.place_old_oco, "orderList.place"),
        Route("GET", "/api/v3/orderList", 4, None, trading.query_list, "orderList.status"),
        Route("DELETE", "/api/v3/orderList", 1, None, trading.cancel_list, "orderList.cancel"),
        Route("GET", "/api/v3/openOrderList", 6, None, trading.open_lists, "openOrderLists.status"),
        Route("GET", "/api/v3/allOrderList", 20, None, trading.all_lists, "allOrderLists"),
        Route("GET", "/api/v3/myTrades", 20, None, trading.my_trades, "myTrades"),
        Route("GET", "/api/v3/account", 20, None, trading.account, "account.status"),
        Route(
            "GET", "/api/v3/account/commission", 20, None, trading.commission, "account.commission"
        ),
        Route(
            "GET",
            "/api/v3/rateLimit/order",
            40,
            None,
            trading.order_counts,
            "account.rateLimits.orders",
        ),
    ]


def _each(one: int, all_symbols: int) -> Weight:
    return lambda params: one if "symbol" in params.values else all_symbols


def _depth_weight(params: Params) -> int:
    text = params.values.get("limit", "100")
    limit = int(text) if text.isdecimal() and len(text) < 9 else 100
    return next(weight for most, weight in _DEPTH_WEIGHTS if limit <= most)


_DEPTH_WEIGHTS = ((100, 5), (500, 25), (1_000, 50), (10**9, 250))
