"""Binance spot's exchangeInfo as instruments: every filter as an exact Decimal (E6).

Only the fields that are needed are decoded; the real venue answers several megabytes.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import msgspec

from shared.domain.instrument import Instrument
from shared.errors import NumberError, VenueError
from shared.units import decimal_from_text

UNBOUNDED: Final = Decimal("1E15")
"""Stands for a bound that the venue does not set (it writes 0, or leaves the filter out)."""


class _Symbol(msgspec.Struct):
    symbol: str
    status: str
    baseAsset: str
    quoteAsset: str
    filters: msgspec.Raw


class _ExchangeInfo(msgspec.Struct):
    symbols: list[_Symbol]


_DECODER: Final = msgspec.json.Decoder(_ExchangeInfo)
_FILTERS: Final = msgspec.json.Decoder(list[dict[str, Any]])


def read_instruments(
    body: bytes, quote: str = "", wanted: frozenset[str] = frozenset()
) -> tuple[Instrument, ...]:
    """The instruments of an exchangeInfo answer: those wanted, or of a quote asset, or all.

    Raises VenueError naming the symbol whose filters cannot be read.
    """
    try:
        info = _DECODER.decode(body)
    except msgspec.DecodeError as error:
        raise VenueError(f"exchangeInfo cannot be read: {error}") from error
    return tuple(
        _instrument(entry)
        for entry in info.symbols
        if (not quote or entry.quoteAsset == quote) and (not wanted or entry.symbol in wanted)
    )


def _instrument(entry: _Symbol) -> Instrument:
    try:
        listed = _FILTERS.decode(entry.filters)
    except msgspec.DecodeError as error:
        raise VenueError(f"exchangeInfo: {entry.symbol}.filters: {error}") from error
    filters = {str(item.get("filterType")): item for item in listed}
    price = filters.get("PRICE_FILTER", {})
    lot = filters.get("LOT_SIZE", {})
    market = filters.get("MARKET_LOT_SIZE", {})
    notional = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL") or {}
    band = filters.get("PERCENT_PRICE_BY_SIDE", {})

    def number(of: dict[str, Any], key: str, default: Decimal | None = None) -> Decimal:
        text = of.get(key)
        if text is None and default is not None:
            return default
        try:
            return decimal_from_text(text if isinstance(text, str) else "")
        except NumberError as error:
            raise VenueError(f"exchangeInfo: {entry.symbol}.{key}: {text!r} {error}") from error

    def bound(of: dict[str, Any], key: str) -> Decimal:
        return number(of, key, Decimal(0)) or UNBOUNDED

    tick_size = number(price, "tickSize")
    step_size = number(lot, "stepSize")
    if tick_size <= 0 or step_size <= 0:
        raise VenueError(
            f"exchangeInfo: {entry.symbol}: tickSize {tick_size} and stepSize {step_size}, "
            "both must be above 0"
        )
    return Instrument(
        symbol=entry.symbol,
        base=entry.baseAsset,
        quote=entry.quoteAsset,
        tick_size=tick_size,
        step_size=step_size,
        min_quantity=number(lot, "minQty"),
        max_quantity=bound(lot, "maxQty"),
        min_price=number(price, "minPrice", Decimal(0)),
        max_price=bound(price, "maxPrice"),
        min_notional=number(notional, "minNotional", Decimal(0)),
        market_max_quantity=bound(market, "maxQty"),
        price_band_up=number(band, "bidMultiplierUp", Decimal(5)),
        price_band_down=number(band, "askMultiplierDown", Decimal("0.2")),
        status=entry.status,
    )
