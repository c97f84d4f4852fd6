"""What ingest asks Bybit's v5 public REST API: spot or linear, told apart by their category.

Every answer is an envelope whose retCode says whether it is one; candles come newest first. Books
are not asked for: their snapshots come in the stream.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from shared.domain.instrument import Instrument
from shared.errors import NumberError, VenueError
from shared.messages.base import NOT_JSON, Reader
from shared.units import MAX_MAGNITUDE, ZERO, decimal_from_text
from shared.venues.feed.listings import exact, finest, in_order, step, usable
from shared.venues.feed.port import MinuteCandle, RestError
from shared.venues.feed.questions import AnswerError, Questions

CANDLES_MAX: Final = 1000
PAGE: Final = 1000
PAGES_MAX: Final = 20
"""Of the listings; a venue that turns its pages for ever is not believed."""
BANNED_S: Final = 600.0
"""How long an address that asked too often is refused, with HTTP 403."""
TOO_MANY: Final = 10_006
TOO_MANY_PAUSE_S: Final = 5.0
TRADING: Final = "Trading"


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """One market as listed, spot's or linear's."""

    symbol: str
    status: str
    base_asset: str = msgspec.field(name="baseCoin")
    quote_asset: str = msgspec.field(name="quoteCoin")
    price: msgspec.Raw = msgspec.field(name="priceFilter")
    lot: msgspec.Raw = msgspec.field(name="lotSizeFilter")
    price_scale: str = msgspec.field(name="priceScale", default="")


class _Envelope(msgspec.Struct):
    retCode: int
    retMsg: str = ""
    result: msgspec.Raw = msgspec.Raw(b"{}")


class _Listings(msgspec.Struct):
    list: tuple[Listing, ...]
    nextPageCursor: str = ""


class _Ticker(msgspec.Struct):
    symbol: str
    turnover24h: str


class _Tickers(msgspec.Struct):
    list: tuple[_Ticker, ...]


class _Candles(msgspec.Struct):
    list: tuple[tuple[str, ...], ...]


_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)
_LISTINGS: Final = msgspec.json.Decoder(_Listings)
_TICKERS: Final = msgspec.json.Decoder(_Tickers)
_CANDLES: Final = msgspec.json.Decoder(_Candles)
_FILTER: Final = Reader(dict[str, Any])


class BybitPublic:
    """The public questions of one category. Implements `port.PublicRest`."""

    def __init__(self, name: str, category: str, questions: Questions) -> None:
        self._name = name
        self._category = category
        self._questions = questions

    async def instruments(
        self, symbols: tuple[str, ...] = (), quote: str = ""
    ) -> tuple[Instrument, ...]:
        """The markets named, or all of a quote asset. VenueError when one does not exist."""
        listings = await self._listings()
        if not symbols:
            return usable("instruments-info", listings, instrument_of, quote)
        found = usable("instruments-info", listings, instrument_of, wanted=frozenset(symbols))
        return in_order(self._name, symbols, found, (one.symbol for one in listings))

    async def refresh_instruments(self, symbols: tuple[str, ...]) -> tuple[Instrument, ...]:
        """Those of the symbols that are still listed."""
        listings = await self._listings()
        return usable("instruments-info", listings, instrument_of, wanted=frozenset(symbols))

    async def quote_volumes(self, symbols: tuple[str, ...] = ()) -> dict[str, float]:
        """24 h turnover in quote units by symbol; the venue tells of all markets at once."""
        wanted = frozenset(symbols)
        result = await self._ask("tickers", {})
        try:
            return {
                entry.symbol: float(decimal_from_text(entry.turnover24h))
                for entry in _TICKERS.decode(result).list
                if not wanted or entry.symbol in wanted
            }
        except (*NOT_JSON, NumberError) as error:
            raise RestError(f"tickers cannot be read: {error}") from error

    async def candles(self, symbol: str, minutes: int) -> tuple[MinuteCandle, ...]:
        """The newest one-minute bars, oldest first; the last one is still growing."""
        limit = max(1, min(minutes, CANDLES_MAX))
        query = {"symbol": symbol, "interval": "1", "limit": str(limit)}
        result = await self._ask("kline", query)
        try:
            return tuple(_candle(row) for row in reversed(_CANDLES.decode(result).list))
        except (*NOT_JSON, NumberError, ValueError) as error:
            raise RestError(f"kline of {symbol} cannot be read: {error}") from error

    async def depth(self, symbol: str) -> bytes:
        """VenueError: the stream brings the snapshots."""
        raise VenueError(f"depth of {symbol}: snapshots of {self._name} come in its stream")

    async def _listings(self) -> list[Listing]:
        listings: list[Listing] = []
        query = {"limit": str(PAGE)}
        for _ in range(PAGES_MAX):
            result = await self._ask("instruments-info", query)
            try:
                page = _LISTINGS.decode(result)
            except NOT_JSON as error:
                raise VenueError(f"instruments-info cannot be read: {error}") from error
            listings += page.list
            if not page.nextPageCursor:
                return listings
            query["cursor"] = page.nextPageCursor
        raise VenueError(f"instruments-info: more than {PAGES_MAX} pages of {PAGE}")

    async def _ask(self, name: str, query: dict[str, str]) -> bytes:
        path = f"v5/market/{name}"
        try:
            body = await self._questions.get(path, {"category": self._category, **query}, 1)
        except AnswerError as error:
            if error.status == 403:
                self._questions.budget.pause(BANNED_S)
            raise
        try:
            said = _ENVELOPE.decode(body)
        except NOT_JSON as error:
            raise RestError(f"{name} cannot be read: {error}") from error
        if said.retCode == 0:
            return bytes(said.result)
        if said.retCode == TOO_MANY:
            self._questions.budget.pause(TOO_MANY_PAUSE_S)
        raise RestError(f"{name}: {said.retCode} {said.retMsg[:200]}")


def _candle(row: tuple[str, ...]) -> MinuteCandle:
    if len(row) < 5 or not (row[0].isascii() and row[0].isdigit() and len(row[0]) < 16):
        raise ValueError(f"not a candle: {row[:5]!r}")
    high, low, close = (float(decimal_from_text(row[place])) for place in (2, 3, 4))
    if not 0 < low <= close <= high:
        raise ValueError(f"not a candle: {row[:5]!r}")
    return MinuteCandle(int(row[0]), high, low, close)


def instrument_of(listing: Listing) -> Instrument:
    """One market's rules; its tick is the step of prices in the book (`listings.finest`).
    MessageError names the filter, the field and the value."""
    price = _FILTER.read(bytes(listing.price))
    lot = _FILTER.read(bytes(listing.lot))
    spot = "basePrecision" in lot
    scale = listing.price_scale
    digits = int(scale) if scale.isascii() and scale.isdigit() and len(scale) < 3 else None
    max_quantity = exact(lot, "maxOrderQty", "lotSizeFilter", ZERO) or MAX_MAGNITUDE
    market_max = exact(
        lot, "maxMarketOrderQty" if spot else "maxMktOrderQty", "lotSizeFilter", ZERO
    )
    return Instrument(
        symbol=listing.symbol,
        base=listing.base_asset,
        quote=listing.quote_asset,
        tick_size=finest(step(price, "tickSize", "priceFilter"), digits),
        step_size=step(lot, "basePrecision" if spot else "qtyStep", "lotSizeFilter"),
        min_quantity=exact(lot, "minOrderQty", "lotSizeFilter", ZERO),
        max_quantity=max_quantity,
        min_price=exact(price, "minPrice", "priceFilter", ZERO),
        max_price=exact(price, "maxPrice", "priceFilter", ZERO) or MAX_MAGNITUDE,
        min_notional=exact(
            lot, "minOrderAmt" if spot else "minNotionalValue", "lotSizeFilter", ZERO
        ),
        market_max_quantity=market_max or max_quantity,
        status="TRADING" if listing.status == TRADING else listing.status,
    )
