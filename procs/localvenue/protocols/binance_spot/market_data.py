"""What anyone may ask: books, trades, candles, tickers, symbols."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import orjson

from procs.localvenue.market.events import Traded
from procs.localvenue.matching.account import multiply
from procs.localvenue.matching.model import Refusal
from procs.localvenue.matching.refusals import INVALID_SYMBOL
from procs.localvenue.protocols.binance_spot.candles import Candles, interval_of, zone_ms
from procs.localvenue.protocols.binance_spot.exchange_info import exchange_info
from procs.localvenue.protocols.binance_spot.limits import RateLimits
from procs.localvenue.protocols.binance_spot.params import SYMBOL, Params, RefusedError
from procs.localvenue.protocols.binance_spot.render import eight
from procs.localvenue.protocols.binance_spot.tickers import Tickers, window_ms_of
from procs.localvenue.shell import Venue
from procs.localvenue.tape import Aggregate

ROWS_MAX: Final = 1_000
SYMBOLS_MAX: Final = 200
"""Of a rolling or trading day ticker."""
TICKER_TYPES: Final = ("FULL", "MINI")

BAD_TYPE: Final = Refusal(-1130, "Data sent for parameter 'type' is not valid.")
BOTH_SYMBOLS: Final = Refusal(-1128, "Combination of optional parameters invalid.")
NO_SYMBOL: Final = Refusal(
    -1105, "Either 'symbol' or 'symbols' must be provided, but both were empty/null!"
)
TOO_MANY_SYMBOLS: Final = Refusal(-1130, "Data sent for parameter 'symbols' is not valid.")
BAD_TIMES: Final = Refusal(-1127, "startTime is after endTime.")


class MarketData:
    """Answers of the public endpoints; every method takes the parameters of one request."""

    def __init__(self, venue: Venue, limits: RateLimits) -> None:
        self._venue = venue
        self._exchange = venue.exchange
        self._limits = limits
        self.tickers = Tickers(venue)
        self.candles = Candles(venue)

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
        tape = self._venue.tape.of(self._symbol(params))
        return [_trade(trade) for trade in tape.trades(params.limit(500, ROWS_MAX))]

    def old_trades(self, params: Params) -> Any:
        """GET historicalTrades: from an id on, as far back as the venue remembers."""
        tape = self._venue.tape.of(self._symbol(params))
        limit, from_id = params.limit(500, ROWS_MAX), params.integer("fromId")
        return [_trade(trade) for trade in tape.trades(limit, from_id)]

    def aggregate_trades(self, params: Params) -> Any:
        """GET aggTrades: trades of one taker at one price; by id, by time, or the newest."""
        tape = self._venue.tape.of(self._symbol(params))
        limit, from_id = params.limit(500, ROWS_MAX), params.integer("fromId")
        start_ms, end_ms = _times(params)
        found = [
            one
            for one in tape.aggregates()
            if (from_id is None or one.id >= from_id)
            and (start_ms is None or one.at_ms >= start_ms)
            and (end_ms is None or one.at_ms <= end_ms)
        ]
        from_front = from_id is not None or start_ms is not None
        chosen = found[:limit] if from_front else found[-limit:]
        return [_aggregate(one) for one in chosen]

    def klines(self, params: Params) -> Any:
        """GET klines and uiKlines: bars up to now, between startTime and endTime if given."""
        symbol = self._symbol(params)
        interval = interval_of(params.needed("interval"))
        zone = params.text("timeZone")
        start_ms, end_ms = _times(params)
        return self.candles.rows(
            symbol,
            interval,
            limit=params.limit(500, ROWS_MAX),
            start_ms=start_ms,
            end_ms=end_ms,
            offset_ms=0 if zone is None else zone_ms(zone),
        )

    def average_price(self, params: Params) -> Any:
        """GET avgPrice."""
        price = self._exchange.published[self._symbol(params)].average_price()
        return {"mins": 5, "price": eight(price), "closeTime": self._venue.now_ms()}

    def ticker_day(self, params: Params) -> Any:
        """GET ticker/24hr, FULL or MINI."""
        tickers = self.tickers
        return self._each(params, tickers.day_mini if _is_mini(params) else tickers.day_full)

    def ticker_trading_day(self, params: Params) -> Any:
        """GET ticker/tradingDay, of the calendar day in a time zone."""
        zone, mini = params.text("timeZone"), _is_mini(params)
        offset_ms = 0 if zone is None else zone_ms(zone)
        self._need_symbols(params)
        return self._each(params, lambda symbol: self.tickers.trading_day(symbol, offset_ms, mini))

    def ticker_rolling(self, params: Params) -> Any:
        """GET ticker, of a window of any size."""
        window_ms = window_ms_of(params.text("windowSize") or "1d")
        mini = _is_mini(params)
        self._need_symbols(params)
        return self._each(params, lambda symbol: self.tickers.rolling(symbol, window_ms, mini))

    def ticker_price(self, params: Params) -> Any:
        """GET ticker/price."""
        return self._each(params, self.tickers.price)

    def ticker_book(self, params: Params) -> Any:
        """GET ticker/bookTicker."""
        return self._each(params, self.tickers.top)

    def _need_symbols(self, params: Params) -> None:
        """These answer no question about everything."""
        if "symbol" not in params.values and "symbols" not in params.values:
            raise RefusedError(NO_SYMBOL)
        if "symbols" in params.values and len(self._symbols(params)) > SYMBOLS_MAX:
            raise RefusedError(TOO_MANY_SYMBOLS)

    def _each(self, params: Params, answer: Callable[[str], dict[str, Any]]) -> Any:
        """One object for symbol=, a list for symbols= or for all."""
        if "symbol" in params.values and "symbols" in params.values:
            raise RefusedError(BOTH_SYMBOLS)
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


def _aggregate(one: Aggregate) -> dict[str, Any]:
    return {
        "a": one.id,
        "p": eight(one.price),
        "q": eight(one.quantity),
        "f": one.first_id,
        "l": one.last_id,
        "T": one.at_ms,
        "m": one.buyer_is_maker,
        "M": True,
    }


def _times(params: Params) -> tuple[int | None, int | None]:
    start_ms, end_ms = params.integer("startTime"), params.integer("endTime")
    if start_ms is not None and end_ms is not None and start_ms > end_ms:
        raise RefusedError(BAD_TIMES)
    return start_ms, end_ms


def _is_mini(params: Params) -> bool:
    return params.word("type", TICKER_TYPES, BAD_TYPE) == "MINI"
