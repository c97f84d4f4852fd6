"""The exchange's filters on one order, in the exchange's order; pure checks, nothing moves."""

from __future__ import annotations

from decimal import Decimal

from procs.localvenue.matching import filters
from procs.localvenue.matching.account import multiply
from procs.localvenue.matching.model import Refusal
from procs.localvenue.matching.refusals import ICEBERG_TOO_LARGE, filter_failure, too_precise
from procs.localvenue.matching.requests import PlaceOrder
from procs.localvenue.matching.words import MARKET_TYPES
from shared.domain.instrument import Instrument
from shared.units import ZERO

_MOST_PARTS = Decimal(filters.ICEBERG_PARTS)


class Rules:
    """What one instrument's filters say of an order. The bounds are looked up once."""

    def __init__(self, instrument: Instrument) -> None:
        one = instrument
        self._instrument = one
        self._price = (one.min_price, one.max_price, one.tick_size)
        self._lot = (one.min_quantity, one.max_quantity, one.step_size)
        self._notional = (one.min_notional, filters.MAX_NOTIONAL)
        self._average: Decimal | None = None
        self._band = (ZERO, ZERO)

    def fault(self, request: PlaceOrder, average: Decimal | None) -> Refusal | None:
        """Why the filters refuse an order whose parameters fit its type; `average` is the
        average price, None when the market has none yet."""
        if request.price is None:
            return self._unpriced_fault(request, average)
        price, quantity = request.price, request.quantity
        assert quantity is not None, "the shape check wants a quantity with a price"
        # What passes everything is let through before anything is looked for that has a name.
        low, high, tick = self._price
        least, most, step = self._lot
        cheapest, dearest = self._notional
        if (
            low <= price <= high
            and not price % tick
            and least <= quantity <= most
            and not quantity % step
            and cheapest <= multiply(price, quantity) <= dearest
            and request.stop_price is None
            and request.iceberg_quantity is None
            and request.trailing_delta_bps is None
            and (
                self._band[0] <= price <= self._band[1]
                if average is self._average and average is not None
                else self._is_in_band(price, average)
            )
        ):
            return None
        return (
            _precision_fault("quantity", quantity)
            or _precision_fault("price", price)
            or _failure(not self._is_price(price), "PRICE_FILTER")
            or _failure(not self._is_in_band(price, average), "PERCENT_PRICE_BY_SIDE")
            or self._stop_fault(request)
            or _failure(not self.is_lot(quantity), "LOT_SIZE")
            or self._iceberg_fault(request.iceberg_quantity, quantity)
            or self.notional_fault(multiply(price, quantity))
        )

    def is_lot(self, quantity: Decimal) -> bool:
        """LOT_SIZE."""
        low, high, step = self._lot
        return low <= quantity <= high and not quantity % step

    def notional_fault(self, notional: Decimal) -> Refusal | None:
        """NOTIONAL of an order with a price."""
        low, high = self._notional
        return None if low <= notional <= high else filter_failure("NOTIONAL")

    def _unpriced_fault(self, request: PlaceOrder, average: Decimal | None) -> Refusal | None:
        if request.quote_quantity is not None:
            fault = _precision_fault("quoteOrderQty", request.quote_quantity)
            return fault or self._market_notional_fault(request.quote_quantity)
        quantity = request.quantity
        assert quantity is not None, "the shape check wants one of the two"
        is_market = request.type in MARKET_TYPES
        return (
            _precision_fault("quantity", quantity)
            or self._stop_fault(request)
            or _failure(not self.is_lot(quantity), "LOT_SIZE")
            or _failure(
                is_market and quantity > self._instrument.market_max_quantity, "MARKET_LOT_SIZE"
            )
            or (
                None
                if average is None
                else self._market_notional_fault(multiply(average, quantity))
            )
        )

    def _market_notional_fault(self, notional: Decimal) -> Refusal | None:
        low, high = self._notional
        if filters.APPLY_MIN_NOTIONAL_TO_MARKET and notional < low:
            return filter_failure("NOTIONAL")
        if filters.APPLY_MAX_NOTIONAL_TO_MARKET and notional > high:
            return filter_failure("NOTIONAL")
        return None

    def _stop_fault(self, request: PlaceOrder) -> Refusal | None:
        """PRICE_FILTER of the stop price, TRAILING_DELTA."""
        if request.stop_price is not None:
            fault = _precision_fault("stopPrice", request.stop_price)
            if fault is not None or not self._is_price(request.stop_price):
                return fault or filter_failure("PRICE_FILTER")
        delta_bps = request.trailing_delta_bps
        if delta_bps is not None and not (
            filters.MIN_TRAILING_DELTA <= delta_bps <= filters.MAX_TRAILING_DELTA
        ):
            return filter_failure("TRAILING_DELTA")
        return None

    def _iceberg_fault(self, iceberg: Decimal | None, quantity: Decimal) -> Refusal | None:
        if iceberg is None:
            return None
        if iceberg > quantity:
            return ICEBERG_TOO_LARGE
        return (
            _precision_fault("icebergQty", iceberg)
            or _failure(not self.is_lot(iceberg), "LOT_SIZE")
            or _failure(quantity > multiply(iceberg, _MOST_PARTS), "ICEBERG_PARTS")
        )

    def _is_price(self, price: Decimal) -> bool:
        low, high, tick = self._price
        return low <= price <= high and not price % tick

    def _is_in_band(self, price: Decimal, average: Decimal | None) -> bool:
        """PERCENT_PRICE_BY_SIDE: the same multipliers bound bids and asks."""
        if average is None:
            return True
        if average is not self._average:
            self._average = average
            one = self._instrument
            self._band = (
                multiply(average, one.price_band_down),
                multiply(average, one.price_band_up),
            )
        low, high = self._band
        return low <= price <= high


def _failure(is_broken: bool, name: str) -> Refusal | None:
    return filter_failure(name) if is_broken else None


def _precision_fault(name: str, value: Decimal) -> Refusal | None:
    """A number with more decimals than any asset has."""
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -filters.ASSET_DECIMALS:
        return too_precise(name)
    return None
