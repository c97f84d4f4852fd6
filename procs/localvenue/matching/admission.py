"""What the exchange checks before an order exists: parameters, filters, prices, counts, ids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from procs.localvenue.matching import filters, refusals
from procs.localvenue.matching.account import multiply
from procs.localvenue.matching.execution import ExecutionCore, rises_to_trigger
from procs.localvenue.matching.model import (
    STOP_TYPES,
    PlaceOrder,
    Refusal,
    Side,
)
from shared.domain.instrument import Instrument


class Admission(ExecutionCore):
    """Says why a request is refused, or None; changes nothing."""

    def __init__(
        self,
        instruments: Iterable[Instrument],
        balances: Mapping[str, Mapping[str, Decimal]],
        fee_rate: Decimal,
        max_orders: int,
        max_stop_orders: int,
    ) -> None:
        super().__init__(instruments, balances, fee_rate)
        self.max_orders = max_orders
        self.max_stop_orders = max_stop_orders

    def place_fault(self, account: str, request: PlaceOrder) -> Refusal | None:
        """Why a single order would be refused now."""
        fault = self._market_fault(account, request.symbol) or shape_fault(request)
        if fault is not None:
            return fault
        fault = self._order_filters_fault(self.instruments[request.symbol], request)
        if fault is None and request.quote_quantity is not None and request.side == "BUY":
            quote = self.instruments[request.symbol].quote
            if self.accounts[account].available(quote) < request.quote_quantity:
                fault = refusals.INSUFFICIENT_BALANCE
        is_stop = request.type in STOP_TYPES
        fault = fault or self._count_fault(account, request.symbol, 1, int(is_stop))
        if fault is not None:
            return fault
        if request.client_id and self._is_client_id_open(
            account, request.symbol, request.client_id
        ):
            return refusals.DUPLICATE_ORDER
        if request.type == "LIMIT_MAKER" and self._would_match(
            request.symbol, request.side, request.price
        ):
            return refusals.WOULD_MATCH
        if is_stop and self._would_trigger(
            request.symbol, request.type, request.side, request.stop_price
        ):
            return refusals.WOULD_TRIGGER
        return None

    def _market_fault(self, account: str, symbol: str) -> Refusal | None:
        if account not in self.accounts:
            return refusals.UNKNOWN_ACCOUNT
        instrument = self.instruments.get(symbol)
        if instrument is None:
            return refusals.INVALID_SYMBOL
        return None if instrument.status == "TRADING" else refusals.MARKET_CLOSED

    def _limit_fault(
        self,
        instrument: Instrument,
        side: Side,
        quantity: Decimal,
        price: Decimal,
        stop_price: Decimal | None,
    ) -> Refusal | None:
        average = self.published[instrument.symbol].average_price()
        return (
            filters.precision_fault("quantity", quantity)
            or filters.precision_fault("price", price)
            or filters.price_fault(instrument, price, average)
            or (
                filters.price_fault(instrument, stop_price, None)
                if stop_price is not None
                else None
            )
            or filters.quantity_fault(instrument, quantity, is_market=False)
            or filters.notional_fault(instrument, multiply(price, quantity))
        )

    def _order_filters_fault(self, instrument: Instrument, request: PlaceOrder) -> Refusal | None:
        """The filters on one order by itself."""
        if request.price is None:
            return self._market_order_fault(instrument, request)
        assert request.quantity is not None, "the shape check wants a quantity with a price"
        return self._limit_fault(
            instrument, request.side, request.quantity, request.price, request.stop_price
        )

    def _market_order_fault(self, instrument: Instrument, request: PlaceOrder) -> Refusal | None:
        if request.quote_quantity is not None:
            fault = filters.precision_fault("quoteOrderQty", request.quote_quantity)
            return fault or filters.notional_fault(instrument, request.quote_quantity)
        assert request.quantity is not None, "the shape check wants one of the two"
        average = self.published[instrument.symbol].average_price()
        return (
            filters.precision_fault("quantity", request.quantity)
            or filters.quantity_fault(instrument, request.quantity, is_market=True)
            or (
                filters.notional_fault(instrument, multiply(average, request.quantity))
                if average is not None
                else None
            )
        )

    def _count_fault(self, account: str, symbol: str, orders: int, stops: int) -> Refusal | None:
        open_orders, open_stops = self._open_counts(account, symbol)
        if open_orders + orders > self.max_orders:
            return refusals.filter_failure("MAX_NUM_ORDERS")
        if stops and open_stops + stops > self.max_stop_orders:
            return refusals.filter_failure("MAX_NUM_ALGO_ORDERS")
        return None

    def _would_match(self, symbol: str, side: Side, price: Decimal | None) -> bool:
        best = self.published[symbol].opposite(side).best()
        if best is None or price is None:
            return False
        return price >= best if side == "BUY" else price <= best

    def _would_trigger(
        self, symbol: str, order_type: str, side: Side, stop_price: Decimal | None
    ) -> bool:
        last = self.published[symbol].reference_price()
        if last is None or stop_price is None:
            return False
        return last >= stop_price if rises_to_trigger(order_type, side) else last <= stop_price


def shape_fault(request: PlaceOrder, leg: str = "") -> Refusal | None:
    """Parameters that the type needs, or does not take; `leg` begins their names in a list."""
    numbers = (request.quantity, request.quote_quantity)
    if any(value is not None and value <= 0 for value in numbers):
        return refusals.INVALID_QUANTITY
    if any(value is not None and value <= 0 for value in (request.price, request.stop_price)):
        return refusals.INVALID_PRICE
    if request.type == "MARKET":
        if request.quantity is None and request.quote_quantity is None:
            return refusals.missing(_named(leg, "quantity"))
        if request.quantity is not None and request.quote_quantity is not None:
            return refusals.BAD_COMBINATION
        return _unwanted(
            leg,
            price=request.price,
            stopPrice=request.stop_price,
            timeInForce=request.time_in_force,
        )
    if request.quote_quantity is not None:
        return refusals.not_required(_named(leg, "quoteOrderQty"))
    needs: dict[str, object] = {"quantity": request.quantity, "price": request.price}
    if request.type != "LIMIT_MAKER":
        needs["timeInForce"] = request.time_in_force
    if request.type in STOP_TYPES:
        needs["stopPrice"] = request.stop_price
    for name, value in needs.items():
        if value is None:
            return refusals.missing(_named(leg, name))
    if request.type == "LIMIT_MAKER":
        return _unwanted(leg, timeInForce=request.time_in_force, stopPrice=request.stop_price)
    return None if request.type in STOP_TYPES else _unwanted(leg, stopPrice=request.stop_price)


def _unwanted(leg: str, **values: object) -> Refusal | None:
    for name, value in values.items():
        if value is not None:
            return refusals.not_required(_named(leg, name))
    return None


def _named(leg: str, name: str) -> str:
    return leg + name[0].upper() + name[1:] if leg else name
