"""What anyone may ask: books, trades, candles, tickers, symbols."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import orjson

from procs.localvenue.market.events import Candle, Traded
from procs.localvenue.matching.account import multiply
from procs.localvenue.matching.model import Refusal
from procs.localvenue.matching.refusals import INVALID_SYMBOL
from procs.localvenue.protocols.binance_spot.exchange_info import exchange_info
from procs.localvenue.protocols.binance_spot.limits import RateLimits
from procs.localvenue.protocols.binance_spot.params import SYMBOL, Params, RefusedError
from procs.localvenue.protocols.binance_spot.render import eight
from procs.localvenue.shell import Venue
from procs.localvenue.tape import Day

INTERVALS_MS: Final = {
    "1m": 60_000,
    "3m": 180_000,
    "5m": 300_000,
    "15m": 900_000,
    "30m": 1_800_000,
    "1h": 3_600_000,
    "2h": 7_200_000,
    "4h": 14_400_000,
    "6h": 21_600_000,
    "8h": 28_800_000,
    "12h": 43_200_000,
    "1d": 86_400_000,
}

BAD_INTERVAL: Final = Refusal(-1120, "Invalid interval.")


class MarketData:
    """Answers of the public endpoints; every method takes the parameters of one request."""

    def __init__(self, venue: Venue, limits: RateLimits) -> None:
        self._venue = venue
        self._exchange = venue.exchange
        self._limits = limits

    def ping(self, params: Params) -> Any:
        """GET ping."""
        return {}

    def time(self, params: Params) -> Any:
        """GET time."""
        return {"serverTime": self._venue.client_ms()}

    def exchange_info(self, params: Params) -> Any:
        """GET exchangeInfo, of all symbols, some, or one."""
        return exchange_info(self._venue, self._limits, params)

    def depth(self, params: Params) -> Any:
        """GET depth: the book as it is now, with the id of the last change in it."""
        published = self._exchange.published[self._symbol(params)]
        limit = params.limit(100, 5_000)
        return {
            "lastUpdateId": published.last_update_id,
            "bids": [[eight(p), eight(q)] for p, q in published.bids.levels(limit)],
            "asks": [[eight(p), eight(q)] for p, q in published.asks.levels(limit)],
        }

    def trades(self, params: Params) -> Any:
        """GET trades: the newest public trades, oldest first."""
        symbol = self._symbol(params)
        return [
            _trade(trade) for trade in self._venue.tape.trades(symbol, params.limit(500, 1_000))
        ]

    def aggregate_trades(self, params: Params) -> Any:
        """GET aggTrades: here every trade is an aggregate of its own."""
        symbol = self._symbol(params)
        return [
            {
                "a": trade.trade_id,
                "p": eight(trade.price),
                "q": eight(trade.quantity),
                "f": trade.trade_id,
                "l": trade.trade_id,
                "T": trade.at_ms,
                "m": trade.buyer_is_maker,
                "M": True,
            }
            for trade in self._venue.tape.trades(symbol, params.limit(500, 1_000))
        ]

    def candles(self, params: Params) -> Any:
        """GET klines: bars up to now, oldest first, between startTime and endTime if given."""
        symbol = self._symbol(params)
        interval_ms = INTERVALS_MS.get(params.needed("interval"))
        if interval_ms is None:
            raise RefusedError(BAD_INTERVAL)
        limit = params.limit(500, 1_000)
        start_ms, end_ms = params.integer("startTime"), params.integer("endTime")
        now_ms = self._venue.now_ms()
        wanted = limit
        if start_ms is not None:
            wanted = max((now_ms - start_ms) // interval_ms + 2, 1)
        elif end_ms is not None:
            wanted = max((now_ms - end_ms) // interval_ms, 0) + limit + 1
        bars = [
            bar
            for bar in self._venue.tape.candles(symbol, interval_ms, min(wanted, 100_000), now_ms)
            if (start_ms is None or bar.open_ms >= start_ms)
            and (end_ms is None or bar.open_ms <= end_ms)
        ]
        chosen = bars[:limit] if start_ms is not None else bars[-limit:]
        return [candle_row(bar, interval_ms) for bar in chosen]

    def average_price(self, params: Params) -> Any:
        """GET avgPrice."""
        price = self._exchange.published[self._symbol(params)].average_price()
        return {"mins": 5, "price": eight(price), "closeTime": self._venue.now_ms()}

    def ticker_day(self, params: Params) -> Any:
        """GET ticker/24hr, FULL or MINI."""
        mini = params.values.get("type") == "MINI"
        return self._each(params, self.day_mini if mini else self.day_full)

    def ticker_price(self, params: Params) -> Any:
        """GET ticker/price."""
        return self._each(params, self._price)

    def ticker_book(self, params: Params) -> Any:
        """GET ticker/bookTicker."""
        return self._each(params, self._top)

    def day_full(self, symbol: str) -> dict[str, Any]:
        """The 24 hour ticker of one symbol."""
        day, last = self._day(symbol), self._venue.tape.last(symbol)
        top = self._top(symbol)
        change = day.close - day.open
        percent = change / day.open * 100 if day.open else Decimal(0)
        return {
            "symbol": symbol,
            "priceChange": eight(change),
            "priceChangePercent": f"{percent:.3f}",
            "weightedAvgPrice": eight(day.average),
            "prevClosePrice": eight(day.open),
            "lastPrice": eight(day.close),
            "lastQty": eight(last.quantity if last else None),
            "bidPrice": top["bidPrice"],
            "bidQty": top["bidQty"],
            "askPrice": top["askPrice"],
            "askQty": top["askQty"],
            **_day_figures(day, last),
        }

    def day_mini(self, symbol: str) -> dict[str, Any]:
        """The short 24 hour ticker of one symbol."""
        day, last = self._day(symbol), self._venue.tape.last(symbol)
        return {"symbol": symbol, "lastPrice": eight(day.close), **_day_figures(day, last)}

    def _day(self, symbol: str) -> Day:
        now_ms = self._venue.now_ms()
        day = self._venue.tape.day(symbol, now_ms)
        if day is not None:
            return day
        price = self._exchange.published[symbol].reference_price() or Decimal(0)
        return Day(
            open_ms=now_ms,
            close_ms=now_ms,
            open=price,
            high=price,
            low=price,
            close=price,
            volume=Decimal(0),
            quote_volume=Decimal(0),
            trades=0,
        )

    def _price(self, symbol: str) -> dict[str, Any]:
        price = self._exchange.published[symbol].reference_price()
        return {"symbol": symbol, "price": eight(price)}

    def _top(self, symbol: str) -> dict[str, Any]:
        published = self._exchange.published[symbol]
        bid, ask = published.bids.levels(1), published.asks.levels(1)
        return {
            "symbol": symbol,
            "bidPrice": eight(bid[0][0] if bid else None),
            "bidQty": eight(bid[0][1] if bid else None),
            "askPrice": eight(ask[0][0] if ask else None),
            "askQty": eight(ask[0][1] if ask else None),
        }

    def _each(self, params: Params, answer: Callable[[str], dict[str, Any]]) -> Any:
        """One object for symbol=, a list for symbols= or for all."""
        if "symbol" in params.values:
            return answer(self._symbol(params))
        return [answer(symbol) for symbol in self._symbols(params)]

    def _symbol(self, params: Params) -> str:
        return known_symbol(self._venue, params)

    def _symbols(self, params: Params) -> list[str]:
        if "symbol" in params.values:
            return [self._symbol(params)]
        text = params.text("symbols", r"^.{2,20000}$")
        if text is None:
            return list(self._exchange.instruments)
        try:
            names = orjson.loads(text)
        except orjson.JSONDecodeError:
            names = None
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise RefusedError(
                Refusal(
                    -1100,
                    "Illegal characters found in parameter 'symbols'; legal range is "
                    '\'^\\[("[A-Z0-9-_.]{1,20}"(,"[A-Z0-9-_.]{1,20}"){0,}){0,1}\\]$\'.',
                )
            )
        if any(name not in self._exchange.instruments for name in names):
            raise RefusedError(INVALID_SYMBOL)
        return names


def known_symbol(venue: Venue, params: Params) -> str:
    """The symbol parameter, which must be sent and traded here."""
    symbol = params.needed("symbol", SYMBOL)
    if symbol not in venue.exchange.instruments:
        raise RefusedError(INVALID_SYMBOL)
    return symbol


def candle_row(bar: Candle, interval_ms: int) -> list[Any]:
    """A bar as klines list it; buyers' share is said to be half, the source does not know it."""
    half = Decimal("0.5")
    return [
        bar.open_ms,
        eight(bar.open),
        eight(bar.high),
        eight(bar.low),
        eight(bar.close),
        eight(bar.volume),
        bar.open_ms + interval_ms - 1,
        eight(bar.quote_volume),
        bar.trades,
        eight(bar.volume * half),
        eight(bar.quote_volume * half),
        "0",
    ]


def _trade(trade: Traded) -> dict[str, Any]:
    return {
        "id": trade.trade_id,
        "price": eight(trade.price),
        "qty": eight(trade.quantity),
        "quoteQty": eight(multiply(trade.price, trade.quantity)),
        "time": trade.at_ms,
        "isBuyerMaker": trade.buyer_is_maker,
        "isBestMatch": True,
    }


def _day_figures(day: Day, last: Traded | None) -> dict[str, Any]:
    last_id = last.trade_id if last else -1
    return {
        "openPrice": eight(day.open),
        "highPrice": eight(day.high),
        "lowPrice": eight(day.low),
        "volume": eight(day.volume),
        "quoteVolume": eight(day.quote_volume),
        "openTime": day.open_ms,
        "closeTime": day.close_ms,
        "firstId": max(last_id - day.trades + 1, 0) if last else -1,
        "lastId": last_id,
        "count": day.trades,
    }
