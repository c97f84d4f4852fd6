"""The feed of every venue without a native one: ccxt.pro connects, our own books check.

Implements `port.Feed`. Each symbol has its own subscription, so that one that the venue refuses
takes nothing from the others. Raw book messages are taken before ccxt handles them where the venue
has a row in `ccxt_dialects.py`; ccxt's unified book is followed elsewhere. Reconnecting dials,
pings and rotation are ccxt's; a silence that it does not notice, and every hole, are ours.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

from core_ext.codes import Dialect
from core_ext.join import Remedy
from shared.domain.instrument import Instrument
from shared.errors import ConfigError, VenueError
from shared.venues.feed.ccxt_book import VenueBook, VenueTrades
from shared.venues.feed.ccxt_client import RAISED, may_ask_again, open_client, redirected
from shared.venues.feed.ccxt_dialects import ROWS
from shared.venues.feed.ccxt_listings import (
    candles_of,
    find_market,
    instrument_of,
    instruments_of,
    places_of,
    volumes_of,
)
from shared.venues.feed.ccxt_streams import CcxtStreams
from shared.venues.feed.port import FeedHandler, FeedStart, MinuteCandle, RestError

CANDLES_MAX: Final = 300
"""More than an anchor window of an hour; below what every venue answers at once."""
_T = TypeVar("_T")


class CcxtFeed:
    """The market data of one venue through ccxt. ConfigError for a venue that cannot be watched."""

    def __init__(self, start: FeedStart) -> None:
        self._start = start
        self._row = ROWS.get(start.venue)
        self._markets: list[Mapping[str, Any]] = []
        self._exchange: Any = None
        self._streams = CcxtStreams(self._row, start)
        self._check_testnet(self._open())

    @property
    def frames(self) -> Dialect:
        """Ours, written as Bybit's."""
        return Dialect.BYBIT

    @property
    def remedy(self) -> Remedy:
        """Snapshots come as frames, whether the venue streams them or we fetch them."""
        return Remedy.SUBSCRIBE

    # ---- questions

    async def instruments(self, symbols: tuple[str, ...], quote: str) -> tuple[Instrument, ...]:
        """The instruments named, by ccxt's names or the venue's own, or all of a quote asset.
        ConfigError names what the venue does not have."""
        async with self._opened() as exchange:
            markets = await self._load(exchange)
            mode = exchange.precisionMode
            if not symbols:
                return instruments_of(markets, mode, quote)
            found = {name: find_market(markets, name) for name in symbols}
        missing = [name for name, market in found.items() if market is None]
        if missing:
            raise ConfigError(
                f"universe.symbols: {self._start.venue} does not know {', '.join(missing)}; "
                "allowed: its spot markets, such as BTC/USDT"
            )
        return tuple(instrument_of(one, mode) for one in found.values() if one is not None)

    async def refresh_instruments(self, symbols: tuple[str, ...]) -> tuple[Instrument, ...]:
        """Those of the symbols that are still listed, with their present status."""
        async with self._opened() as exchange:
            markets = await self._load(exchange, anew=True)
            mode = exchange.precisionMode
            still = [markets[symbol] for symbol in symbols if symbol in markets]
            return tuple(instrument_of(market, mode) for market in still)

    async def quote_volumes(self, symbols: tuple[str, ...] = ()) -> dict[str, float]:
        """24 h turnover in quote units; nothing where the venue does not tell it of all at once."""
        async with self._opened() as exchange:
            await self._load(exchange)
            if not exchange.has.get("fetchTickers"):
                return {}
            named = list(symbols) if symbols else None
            return volumes_of(await self._ask("tickers", exchange.fetch_tickers(named)), symbols)

    async def candles(self, symbol: str, minutes: int) -> tuple[MinuteCandle, ...]:
        """The newest one-minute bars, oldest first; none where the venue has none."""
        async with self._opened() as exchange:
            await self._load(exchange)
            if not exchange.has.get("fetchOHLCV"):
                return ()
            limit = max(1, min(minutes, CANDLES_MAX))
            question = exchange.fetch_ohlcv(symbol, "1m", None, limit)
            return candles_of(await self._ask(f"candles of {symbol}", question), symbol)

    async def depth(self, symbol: str) -> bytes:
        """Never asked: the remedy is `resubscribe`."""
        raise VenueError(f"{symbol}: snapshots of {self._start.venue} come in the stream")

    # ---- streams

    async def resubscribe(self, symbol: str) -> None:
        """Makes a snapshot of one symbol come again. RestError when that failed."""
        try:
            await self._streams.resubscribe(symbol)
        except TimeoutError as error:
            raise RestError(f"{symbol}: the venue did not agree in time") from error
        except RAISED as error:
            raise RestError(f"{symbol}: {type(error).__name__}: {error}"[:200]) from error

    async def run(self, symbols: tuple[str, ...], handler: FeedHandler) -> None:
        """Keeps the streams of the symbols up until cancelled, then closes them."""
        exchange = self._exchange = self._open()
        try:
            markets = await self._load(exchange)
            books = [self._book(exchange, markets, symbol) for symbol in symbols]
            trades = [VenueTrades(symbol) for symbol in symbols]
            self._streams.attach(exchange, handler, books, trades)
            await self._streams.run()
        finally:
            self._exchange = None
            await exchange.close()

    def figures(self) -> dict[str, float]:
        """Counters: rotations are ccxt's own business. Malformed frames are handed on, and counted
        by who listens."""
        return {"rotations": 0, "stalls": self._streams.stalls, "holes": self._streams.holes}

    # ---- inside

    def _open(self) -> Any:
        start = self._start
        exchange = open_client(
            start.venue,
            self._streams,
            {
                "enableRateLimit": True,
                "timeout": int(start.timeout_s * 1000),
                "timeout_on_exit": 50,
                "newUpdates": False,
            },
        )
        kinds = exchange.options.get("fetchMarkets")
        if isinstance(kinds, dict) and isinstance(kinds.get("types"), list):
            kinds["types"] = ["spot"]
        exchange.options["defaultType"] = "spot"
        if start.rest or start.ws:
            redirected(exchange, start.rest, start.ws)
        elif start.testnet and "test" in exchange.urls:
            exchange.set_sandbox_mode(True)
        return exchange

    def _check_testnet(self, exchange: Any) -> None:
        start = self._start
        if start.testnet and not (start.rest or start.ws) and "test" not in exchange.urls:
            raise ConfigError(f"{start.venue}: ccxt knows no test network of it; allowed is live")

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[Any]:
        """The exchange that runs, or one for this question."""
        if self._exchange is not None:
            yield self._exchange
            return
        exchange = self._open()
        try:
            yield exchange
        finally:
            await exchange.close()

    async def _load(self, exchange: Any, anew: bool = False) -> dict[str, Any]:
        """The venue's markets by unified name, asked for once for all our clients."""
        if anew or not self._markets:
            self._markets = await self._ask("markets", exchange.fetch_markets())
            exchange.set_markets(self._markets)
        elif exchange.markets is None:
            exchange.set_markets(self._markets)
        markets: dict[str, Any] = exchange.markets
        return markets

    async def _ask(self, what: str, question: Awaitable[_T]) -> _T:
        try:
            return await question
        except RAISED as error:
            text = f"{self._start.venue}: {what}: {type(error).__name__}: {error}"[:300]
            if may_ask_again(error):
                raise RestError(text) from error
            raise VenueError(text) from error

    def _book(self, exchange: Any, markets: Mapping[str, Any], symbol: str) -> VenueBook:
        market = markets[symbol]
        instrument = instrument_of(market, exchange.precisionMode)
        places = places_of(market, self._start.venue, instrument.step_size, instrument.tick_size)
        return VenueBook(symbol, self._row, *places)
