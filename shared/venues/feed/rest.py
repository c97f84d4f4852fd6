"""What ingest asks Binance spot's public REST API, and protect when ingest is gone.

Instruments, 24 h volumes, minute candles, best prices and depth snapshots, paced by a share of the
rate budget; depth stays bytes, because the scanner reads it straight into a book.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar, Final

import msgspec
import orjson

from shared.domain.instrument import Instrument
from shared.errors import NumberError, VenueError
from shared.messages.base import NOT_JSON
from shared.units import decimal_from_text
from shared.venues.feed.budget import WeightBudget
from shared.venues.feed.dialect import BINANCE
from shared.venues.feed.instruments import read_instruments
from shared.venues.feed.listings import in_order
from shared.venues.feed.port import MinuteCandle as MinuteCandle
from shared.venues.feed.port import RestError as RestError
from shared.venues.feed.questions import AnswerError, Questions

PUBLIC_REST: Final = BINANCE.rest
TESTNET_REST: Final = BINANCE.testnet_rest

DEPTH_LIMIT: Final = 1000
CANDLES_MAX: Final = 1000
SYMBOLS_IN_QUERY_MAX: Final = 100
_WEIGHT_INFO: Final = 20
_WEIGHT_VOLUME_FEW: Final = 40
_WEIGHT_VOLUME_ALL: Final = 80
_WEIGHT_BEST: Final = 4


class _Volume(msgspec.Struct):
    symbol: str
    quoteVolume: str


class _Best(msgspec.Struct):
    symbol: str
    bidPrice: str
    askPrice: str


_BEST: Final = msgspec.json.Decoder(list[_Best])
_VOLUMES: Final = msgspec.json.Decoder(list[_Volume])
_ROWS: Final = msgspec.json.Decoder(list[list[Any]])


class BinancePublic:
    """The public questions. Each raises RestError when the venue or the network fails."""

    PREFIX: ClassVar[str] = "api/v3"
    WEIGHT_CANDLES: ClassVar[int] = 2
    WEIGHT_DEPTH: ClassVar[int] = 50

    def __init__(self, base_url: str, budget: WeightBudget, timeout_s: float = 10.0) -> None:
        self._questions = Questions(base_url, budget, timeout_s)

    async def instruments(
        self, symbols: tuple[str, ...] = (), quote: str = ""
    ) -> tuple[Instrument, ...]:
        """The instruments named, or all of a quote asset. ConfigError names what does not exist.

        The venue refuses a whole question for one name that it does not know, and does not say
        which one: all instruments are asked for then, so that the error can."""
        if not symbols:
            body = await self._get("exchangeInfo", {}, _WEIGHT_INFO)
            return read_instruments(body, quote)
        found: dict[str, Instrument] = {}
        for start in range(0, len(symbols), SYMBOLS_IN_QUERY_MAX):
            some = symbols[start : start + SYMBOLS_IN_QUERY_MAX]
            try:
                body = await self._get("exchangeInfo", {"symbols": _listed(some)}, _WEIGHT_INFO)
            except VenueError:
                everything = read_instruments(await self._get("exchangeInfo", {}, _WEIGHT_INFO))
                in_order("the venue", symbols, everything, (one.symbol for one in everything))
                raise
            found.update({entry.symbol: entry for entry in read_instruments(body)})
        return in_order("the venue", symbols, found.values(), found)

    async def refresh_instruments(self, symbols: tuple[str, ...]) -> tuple[Instrument, ...]:
        """Those of the symbols that are still listed; asks for all, because one that is gone
        would make the venue refuse the whole question."""
        body = await self._get("exchangeInfo", {}, _WEIGHT_INFO)
        return read_instruments(body, wanted=frozenset(symbols))

    async def quote_volumes(self, symbols: tuple[str, ...] = ()) -> dict[str, float]:
        """24 h volume in quote units by symbol; of all symbols when none is named."""
        query = {"type": "MINI"}
        weight = _WEIGHT_VOLUME_ALL
        if 0 < len(symbols) <= SYMBOLS_IN_QUERY_MAX:
            query["symbols"] = _listed(symbols)
            weight = _WEIGHT_VOLUME_FEW
        body = await self._get("ticker/24hr", query, weight)
        try:
            return {
                entry.symbol: float(decimal_from_text(entry.quoteVolume))
                for entry in _VOLUMES.decode(body)
            }
        except (*NOT_JSON, NumberError) as error:
            raise RestError(f"ticker/24hr cannot be read: {error}") from error

    async def candles(self, symbol: str, minutes: int) -> tuple[MinuteCandle, ...]:
        """The newest one-minute bars, oldest first; the last one is still growing."""
        limit = max(1, min(minutes, CANDLES_MAX))
        query = {"symbol": symbol, "interval": "1m", "limit": str(limit)}
        body = await self._get("klines", query, self.WEIGHT_CANDLES)
        try:
            return tuple(_candle(row) for row in _ROWS.decode(body))
        except (*NOT_JSON, NumberError, TypeError, LookupError) as error:
            raise RestError(f"klines of {symbol} cannot be read: {error}") from error

    async def best_prices(self, symbols: tuple[str, ...]) -> dict[str, tuple[Decimal, Decimal]]:
        """Best bid and ask by symbol; of one whose book is empty on a side, none."""
        query = {"symbols": _listed(symbols)}
        body = await self._get("ticker/bookTicker", query, _WEIGHT_BEST)
        try:
            best = {
                entry.symbol: (decimal_from_text(entry.bidPrice), decimal_from_text(entry.askPrice))
                for entry in _BEST.decode(body)
            }
        except (*NOT_JSON, NumberError) as error:
            raise RestError(f"ticker/bookTicker cannot be read: {error}") from error
        return {symbol: (bid, ask) for symbol, (bid, ask) in best.items() if 0 < bid < ask}

    async def depth(self, symbol: str) -> bytes:
        """A snapshot of the book as the venue wrote it."""
        query = {"symbol": symbol, "limit": str(DEPTH_LIMIT)}
        return await self._get("depth", query, self.WEIGHT_DEPTH)

    async def _get(self, path: str, query: dict[str, str], weight: int) -> bytes:
        try:
            return await self._questions.get(f"{self.PREFIX}/{path}", query, weight)
        except AnswerError as error:
            if error.status == 400 and path == "exchangeInfo":
                raise VenueError(f"exchangeInfo was refused: {error.body}") from error
            raise


def _listed(symbols: tuple[str, ...]) -> str:
    return orjson.dumps(symbols).decode()


def _candle(row: list[Any]) -> MinuteCandle:
    high, low, close = (float(decimal_from_text(row[place])) for place in (2, 3, 4))
    if not isinstance(row[0], int) or not 0 < low <= close <= high:
        raise TypeError(f"not a candle: {row[:5]!r}")
    return MinuteCandle(row[0], high, low, close)
