"""The operations that anyone may ask, as a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from procs.localvenue.protocols.binance_spot.market_data import MarketData
from procs.localvenue.protocols.binance_spot.params import Params
from procs.localvenue.protocols.binance_spot.route import Route, Weight

Answer = Callable[[Params], Any]

NOTHING: Final[frozenset[str]] = frozenset()
LIMIT: Final = frozenset({"limit"})
SOME: Final = frozenset({"symbol", "symbols", "symbolStatus"})
"""One symbol, a list, or all."""
ONE: Final = ("symbol",)


def market_routes(market: MarketData) -> list[Route]:
    """The public operations that this venue serves."""
    return [
        _route("ping", 1, market.ping, "ping", (), NOTHING),
        _route("time", 1, market.time, "time", (), NOTHING),
        Route(
            "GET",
            "/api/v3/exchangeInfo",
            20,
            market.exchange_info,
            None,
            "exchangeInfo",
            takes=SOME | {"permissions", "showPermissionSets"},
            compressed=True,
        ),
        _route("depth", _depth_weight, market.depth, "depth", ONE, LIMIT | {"symbolStatus"}),
        _route("trades", 25, market.trades, "trades.recent", ONE, LIMIT),
        _route(
            "historicalTrades",
            25,
            market.old_trades,
            "trades.historical",
            ONE,
            LIMIT | {"fromId"},
        ),
        _route(
            "aggTrades",
            4,
            market.aggregate_trades,
            "trades.aggregate",
            ONE,
            LIMIT | {"fromId", "startTime", "endTime"},
        ),
        *(
            _route(
                name,
                2,
                market.klines,
                name,
                ("symbol", "interval"),
                LIMIT | {"startTime", "endTime", "timeZone"},
            )
            for name in ("klines", "uiKlines")
        ),
        _route("avgPrice", 2, market.average_price, "avgPrice", ONE, NOTHING),
        _route("ticker/24hr", _day_weight, market.ticker_day, "ticker.24hr", (), SOME | {"type"}),
        _route(
            "ticker/tradingDay",
            _window_weight,
            market.ticker_trading_day,
            "ticker.tradingDay",
            (),
            SOME | {"type", "timeZone"},
        ),
        _route(
            "ticker",
            _window_weight,
            market.ticker_rolling,
            "ticker",
            (),
            SOME | {"type", "windowSize"},
        ),
        _route("ticker/price", _each(2, 4), market.ticker_price, "ticker.price", (), SOME),
        _route("ticker/bookTicker", _each(2, 4), market.ticker_book, "ticker.book", (), SOME),
    ]


def _route(
    path: str,
    weight: Weight,
    answer: Answer,
    socket_name: str,
    needs: tuple[str, ...],
    takes: frozenset[str],
) -> Route:
    return Route(
        "GET", f"/api/v3/{path}", weight, answer, None, socket_name, needs=needs, takes=takes
    )


def _each(one: int, all_symbols: int) -> Weight:
    return lambda params: one if "symbol" in params.values else all_symbols


def _listed(params: Params) -> int | None:
    """How many symbols a list names, before anybody has read it properly; None for none."""
    text = params.values.get("symbols")
    return None if text is None else text.count(",") + 1


def _day_weight(params: Params) -> int:
    """2 for a symbol; of a list 2 up to 20 symbols, 40 up to 100, then 80 as for all."""
    listed = _listed(params)
    if "symbol" in params.values or (listed is not None and listed <= 20):
        return 2
    return 40 if listed is not None and listed <= 100 else 80


def _window_weight(params: Params) -> int:
    """4 for each symbol, at most 200."""
    return min(4 * (_listed(params) or 1), 200)


def _depth_weight(params: Params) -> int:
    text = params.values.get("limit", "100")
    limit = int(text) if text.isdecimal() and len(text) < 9 else 100
    return next(weight for most, weight in _DEPTH_WEIGHTS if limit <= most)


_DEPTH_WEIGHTS = ((100, 5), (500, 25), (1_000, 50), (10**9, 250))
