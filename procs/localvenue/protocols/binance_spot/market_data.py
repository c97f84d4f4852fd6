"""What anyone may ask: books, trades, candles, tickers, symbols."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from procs.localvenue.market.events import Traded
from procs.localvenue.matching.account import multiply
from procs.localvenue.matching.model import Refusal
from procs.localvenue.matching.refusals import BAD_COMBINATION, INVALID_SYMBOL
from procs.localvenue.protocols.binance_spot.candles import Candles, interval_of, zone_ms
from procs.localvenue.protocols.binance_spot.exchange_info import (
    BAD_STATUS,
    exchange_info,
    symbol_list,
)
from procs.localvenue.protocols.binance_spot.limits import RateLimits
from procs.localvenue.protocols.binance_spot.params import SYMBOL, Params, RefusedError, one_needed
from procs.localvenue.protocols.binance_spot.render import eight
from procs.localvenue.protocols.binance_spot.tickers import Tickers, window_ms_of
from procs.localvenue.shell import Venue
from procs.localvenue.tape import Aggregate

ROWS_MAX: Final = 1_000
SYMBOLS_MAX: Final = 100
"""Of a rolling or trading day ticker."""
TICKER_TYPES: Final = ("FULL", "MINI")
STATUSES: Final = ("TRADING", "HALT", "BREAK")
"""What symbolStatus of market data may say."""

BAD_TYPE: Final = Refusal(-1139, "Invalid ticker type.")
WRONG_STATUS: Final = Refusal(
    -1220, "The symbol's status does not match the requested symbolStatus."
)
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
        found = tape.aggregates(limit, from_id=from_id, start_ms=start_ms, end_ms=end_ms)
        return [_aggregate(one) for one in found]

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
        """GET avgPrice; it closes with the last trade."""
        symbol = self._symbol(params)
        price = self._exchange.published[symbol].average_price()
        last = self._venue.tape.of(symbol).last
        closed_ms = self._venue.now_ms() if last is None else last.at_ms
        return {"mins": 5, "price": eight(price), "closeTime": closed_ms}

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
        if not params.values.get("symbol") and not params.values.get("symbols"):
            raise RefusedError(one_needed("symbol", "symbols"))
        listed = symbol_list(self._venue, params, SYMBOLS_MAX)
        if listed is not None and "symbol" in params.values:
            raise RefusedError(BAD_COMBINATION)

    def _each(self, params: Params, answer: Callable[[str], dict[str, Any]]) -> Any:
        """One object for symbol=, a list for symbols= or for all; with a status, only those."""
        if "symbol" in params.values and "symbols" in params.values:
            raise RefusedError(BAD_COMBINATION)
        if "symbol" in params.values:
            return answer(self._symbol(params))
        listed, status = symbol_list(self._venue, params), _status(params)
        instruments = self._exchange.instruments
        return [
            answer(symbol)
            for symbol in (instruments if listed is None else listed)
            if status is None or instruments[symbol].status == status
        ]

    def _symbol(self, params: Params) -> str:
        """The symbol; it must have the status that is asked for, if one is."""
        symbol, status = known_symbol(self._venue, params), _status(params)
        if status is not None and self._exchange.instruments[symbol].status != status:
            raise RefusedError(WRONG_STATUS)
        return symbol


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


def _status(params: Params) -> str | None:
    return params.word("symbolStatus", STATUSES, BAD_STATUS)
