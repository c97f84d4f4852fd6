"""The exchange's filters on one order, in the exchange's order; pure checks, nothing moves."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from procs.localvenue.matching.account import multiply
from procs.localvenue.matching.model import Refusal
from procs.localvenue.matching.refusals import filter_failure, too_precise
from shared.domain.instrument import Instrument

ASSET_DECIMALS: Final = 8
MAX_NUM_ORDERS: Final = 200
"""Open orders of one account on one symbol."""
MAX_NUM_ALGO_ORDERS: Final = 5
"""Open stop-loss and take-profit orders of one account on one symbol."""


def precision_fault(name: str, value: Decimal) -> Refusal | None:
    """A number with more decimals than any asset has."""
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -ASSET_DECIMALS:
        return too_precise(name)
    return None


def price_fault(instrument: Instrument, price: Decimal, average: Decimal | None) -> Refusal | None:
    """PRICE_FILTER and, against the average price, PERCENT_PRICE_BY_SIDE."""
    if tick_fault(instrument, price):
        return filter_failure("PRICE_FILTER")
    if average is not None:
        low = multiply(average, instrument.price_band_down)
        high = multiply(average, instrument.price_band_up)
        if not low <= price <= high:
            return filter_failure("PERCENT_PRICE_BY_SIDE")
    return None


def tick_fault(instrument: Instrument, price: Decimal) -> bool:
    """Whether a price or stop price is outside its range or between two ticks."""
    return bool(
        price < instrument.min_price or price > instrument.max_price or price % instrument.tick_size
    )


def quantity_fault(instrument: Instrument, quantity: Decimal, is_market: bool) -> Refusal | None:
    """LOT_SIZE, and MARKET_LOT_SIZE of market orders."""
    if (
        quantity < instrument.min_quantity
        or quantity > instrument.max_quantity
        or quantity % instrument.step_size
    ):
        return filter_failure("LOT_SIZE")
    if is_market and quantity > instrument.market_max_quantity:
        return filter_failure("MARKET_LOT_SIZE")
    return None


def notional_fault(instrument: Instrument, notional: Decimal) -> Refusal | None:
    """NOTIONAL: the order is worth too little."""
    return filter_failure("NOTIONAL") if notional < instrument.min_notional else None
