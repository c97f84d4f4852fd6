"""What ingest asks Binance's futures: USD-M under /fapi, COIN-M under /dapi.

The questions are spot's with other weights; listings and turnover are written differently. A COIN-M
contract is worth a fixed amount of the quote asset, so its turnover is contracts times that amount.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar, Final

import msgspec

from shared.domain.instrument import Instrument
from shared.errors import MessageError, NumberError, VenueError
from shared.messages.base import NOT_JSON, Reader
from shared.units import MAX_MAGNITUDE, ZERO, decimal_from_text
from shared.venues.binance_instruments import NO_BAND_UP
from shared.venues.feed.listings import exact, finest, in_order, step, usable
from shared.venues.feed.port import RestError
from shared.venues.feed.rest import BinancePublic

_WEIGHT_INFO: Final = 1
_WEIGHT_VOLUMES: Final = 40


class Contract(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One contract as listed; USD-M says status, COIN-M contractStatus and contractSize."""

    symbol: str
    base_asset: str
    quote_asset: str
    filters: msgspec.Raw
    status: str = ""
    contract_status: str = ""
    contract_size: int = 0
    price_precision: int | None = None


class ContractInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Everything listed."""

    symbols: tuple[Contract, ...]


class _Turnover(msgspec.Struct, rename="camel"):
    symbol: str
    quote_volume: str = ""
    volume: str = ""


_INFO: Final = Reader(ContractInfo)
_FILTERS: Final = Reader(tuple[dict[str, Any], ...])
_TURNOVERS: Final = msgspec.json.Decoder(list[_Turnover])


class UsdmPublic(BinancePublic):
    """USD-M's public questions."""

    PREFIX: ClassVar[str] = "fapi/v1"
    NAME: ClassVar[str] = "binanceusdm"
    WEIGHT_CANDLES: ClassVar[int] = 5
    WEIGHT_DEPTH: ClassVar[int] = 20

    async def instruments(
        self, symbols: tuple[str, ...] = (), quote: str = ""
    ) -> tuple[Instrument, ...]:
        """The contracts named, or all of a quote asset. VenueError when one does not exist."""
        info = await self._info()
        if not symbols:
            return usable("exchangeInfo", info, instrument_of, quote)
        found = usable("exchangeInfo", info, instrument_of, wanted=frozenset(symbols))
        return in_order(self.NAME, symbols, found, (one.symbol for one in info))

    async def refresh_instruments(self, symbols: tuple[str, ...]) -> tuple[Instrument, ...]:
        """Those of the symbols that are still listed."""
        info = await self._info()
        return usable("exchangeInfo", info, instrument_of, wanted=frozenset(symbols))

    async def quote_volumes(self, symbols: tuple[str, ...] = ()) -> dict[str, float]:
        """24 h turnover in quote units by symbol; the venue tells of all contracts at once."""
        body = await self._get("ticker/24hr", {}, _WEIGHT_VOLUMES)
        wanted = frozenset(symbols)
        try:
            return {
                entry.symbol: self._turnover(entry)
                for entry in _TURNOVERS.decode(body)
                if not wanted or entry.symbol in wanted
            }
        except (*NOT_JSON, NumberError) as error:
            raise RestError(f"ticker/24hr cannot be read: {error}") from error

    def _turnover(self, entry: _Turnover) -> float:
        return float(decimal_from_text(entry.quote_volume))

    async def _info(self) -> tuple[Contract, ...]:
        body = await self._get("exchangeInfo", {}, _WEIGHT_INFO)
        try:
            info: ContractInfo = _INFO.read(body)
        except MessageError as error:
            raise VenueError(f"exchangeInfo cannot be read: {error}") from error
        return info.symbols


class CoinmPublic(UsdmPublic):
    """COIN-M's public questions."""

    PREFIX: ClassVar[str] = "dapi/v1"
    NAME: ClassVar[str] = "binancecoinm"
    _sizes: dict[str, int]

    def _turnover(self, entry: _Turnover) -> float:
        contracts = float(decimal_from_text(entry.volume))
        return contracts * self._sizes.get(entry.symbol, 0)

    async def quote_volumes(self, symbols: tuple[str, ...] = ()) -> dict[str, float]:
        """24 h turnover in quote units: contracts times their size, which the listing tells."""
        if not hasattr(self, "_sizes"):
            await self._info()
        return await super().quote_volumes(symbols)

    async def _info(self) -> tuple[Contract, ...]:
        info = await super()._info()
        self._sizes = {one.symbol: one.contract_size for one in info}
        return info


def instrument_of(listing: Contract) -> Instrument:
    """One contract's rules; its tick is the step of prices in the book (`listings.finest`).
    MessageError names the filter, the field and the value."""
    filters = {str(one.get("filterType", "")): one for one in _FILTERS.read(bytes(listing.filters))}
    price = filters.get("PRICE_FILTER", {})
    lot = filters.get("LOT_SIZE", {})
    band = filters.get("PERCENT_PRICE", {})
    max_quantity = exact(lot, "maxQty", "LOT_SIZE") or MAX_MAGNITUDE
    market_lot = filters.get("MARKET_LOT_SIZE", {})
    least = filters.get("MIN_NOTIONAL", {})
    return Instrument(
        symbol=listing.symbol,
        base=listing.base_asset,
        quote=listing.quote_asset,
        tick_size=finest(step(price, "tickSize", "PRICE_FILTER"), listing.price_precision),
        step_size=step(lot, "stepSize", "LOT_SIZE"),
        min_quantity=exact(lot, "minQty", "LOT_SIZE"),
        max_quantity=max_quantity,
        min_price=exact(price, "minPrice", "PRICE_FILTER"),
        max_price=exact(price, "maxPrice", "PRICE_FILTER") or MAX_MAGNITUDE,
        min_notional=exact(least, "notional", "MIN_NOTIONAL", ZERO),
        market_max_quantity=exact(market_lot, "maxQty", "MARKET_LOT_SIZE", ZERO) or max_quantity,
        price_band_up=exact(band, "multiplierUp", "PERCENT_PRICE", NO_BAND_UP),
        price_band_down=exact(band, "multiplierDown", "PERCENT_PRICE", Decimal(0)),
        status=listing.status or listing.contract_status,
    )
