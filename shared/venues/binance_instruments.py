"""Binance spot's exchangeInfo: instruments with exact steps, and the account's rate limits.

Route and ingest read it here, so that they agree on every tick. Filters are decoded only of markets
that are asked for; the real venue answers several megabytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

import msgspec

from shared.domain.instrument import Instrument
from shared.errors import MessageError, NumberError
from shared.messages.base import Reader
from shared.units import MAX_MAGNITUDE, ZERO, decimal_from_text

NO_BAND_UP: Final = MAX_MAGNITUDE
"""Stands for a market without an upper price band."""


class RateLimit(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One of the venue's limits."""

    rate_limit_type: str
    interval: str
    interval_num: int
    limit: int


class Listing(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One market as listed."""

    symbol: str
    status: str
    base_asset: str
    quote_asset: str
    filters: msgspec.Raw
    is_spot_trading_allowed: bool = True


class ExchangeInfo(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Everything listed."""

    symbols: tuple[Listing, ...]
    rate_limits: tuple[RateLimit, ...] = ()

    def limit_of(self, kind: str, interval: str, interval_num: int) -> int | None:
        """A limit by type and window, such as ('ORDERS', 'SECOND', 10)."""
        for one in self.rate_limits:
            if (one.rate_limit_type, one.interval, one.interval_num) == (
                kind,
                interval,
                interval_num,
            ):
                return one.limit
        return None


EXCHANGE_INFO: Final = Reader(ExchangeInfo)
_FILTERS: Final = Reader(tuple[dict[str, Any], ...])


def instruments_of(listings: Iterable[Listing]) -> tuple[tuple[Instrument, ...], dict[str, str]]:
    """The spot markets, and for each market that cannot be used the reason.

    One odd listing among thousands must not keep the engine from starting.
    """
    instruments = []
    unusable = {}
    for listing in listings:
        if not listing.is_spot_trading_allowed:
            continue
        try:
            instruments.append(_instrument(listing))
        except MessageError as error:
            unusable[listing.symbol] = str(error)
    return tuple(instruments), unusable


def _instrument(listing: Listing) -> Instrument:
    filters = {str(one.get("filterType", "")): one for one in _FILTERS.read(bytes(listing.filters))}
    tick_size = _number(filters, "PRICE_FILTER", "tickSize")
    step_size = _number(filters, "LOT_SIZE", "stepSize")
    if tick_size <= 0 or step_size <= 0:
        raise MessageError(f"tickSize {tick_size} and stepSize {step_size} must be above 0")
    max_quantity = _number(filters, "LOT_SIZE", "maxQty") or MAX_MAGNITUDE
    market_max = max_quantity
    if "MARKET_LOT_SIZE" in filters:
        # Zero means that the filter is switched off.
        market_max = _number(filters, "MARKET_LOT_SIZE", "maxQty") or max_quantity
    band_up, band_down = NO_BAND_UP, ZERO
    if "PERCENT_PRICE_BY_SIDE" in filters:
        band_up = _number(filters, "PERCENT_PRICE_BY_SIDE", "bidMultiplierUp")
        band_down = _number(filters, "PERCENT_PRICE_BY_SIDE", "askMultiplierDown")
    elif "PERCENT_PRICE" in filters:
        band_up = _number(filters, "PERCENT_PRICE", "multiplierUp")
        band_down = _number(filters, "PERCENT_PRICE", "multiplierDown")
    return Instrument(
        symbol=listing.symbol,
        base=listing.base_asset,
        quote=listing.quote_asset,
        tick_size=tick_size,
        step_size=step_size,
        min_quantity=_number(filters, "LOT_SIZE", "minQty"),
        max_quantity=max_quantity,
        min_price=_number(filters, "PRICE_FILTER", "minPrice"),
        max_price=_number(filters, "PRICE_FILTER", "maxPrice") or MAX_MAGNITUDE,
        min_notional=_least_notional(filters),
        market_max_quantity=market_max,
        price_band_up=band_up,
        price_band_down=band_down,
        status=listing.status,
    )


def _least_notional(filters: dict[str, dict[str, Any]]) -> Decimal:
    for name in ("NOTIONAL", "MIN_NOTIONAL"):
        if name in filters:
            return _number(filters, name, "minNotional")
    return ZERO


def _number(filters: dict[str, dict[str, Any]], name: str, field: str) -> Decimal:
    text = filters.get(name, {}).get(field)
    if not isinstance(text, str):
        raise MessageError(f"no text {field} in filter {name}")
    try:
        value = decimal_from_text(text)
    except NumberError as error:
        raise MessageError(f"{field} in filter {name}: {error}") from error
    if value < 0:
        raise MessageError(f"negative {field} in filter {name}: {text}")
    return value
