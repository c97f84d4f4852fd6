"""What the exchange checks before an order exists: parameters, filters, prices, counts, ids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

from procs.localvenue.matching import filters, refusals
from procs.localvenue.matching.account import multiply
from procs.localvenue.matching.execution import ExecutionCore, rises_to_trigger
from procs.localvenue.matching.model import (
    STOP_TYPES,
    Leg,
    PlaceOco,
    PlaceOrder,
    Refusal,
    Side,
)
from shared.domain.instrument import Instrument

LIMIT_LEGS: Final = frozenset({"LIMIT_MAKER", "TAKE_PROFIT_LIMIT"})
STOP_LEGS: Final = frozenset({"STOP_LOSS_LIMIT"})


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
        fault = self._market_fault(account, request.symbol) or _shape_fault(request)
        if fault is not None:
            return fault
        instrument = self.instruments[request.symbol]
        if request.price is not None:
            assert request.quantity is not None, "the shape check wants a quantity with a price"
            fault = self._limit_fault(
                instrument, request.side, request.quantity, request.price, request.stop_price
            )
        else:
            fault = self._market_order_fault(account, instrument, request)
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

    def oco_fault(self, account: str, request: PlaceOco) -> Refusal | None:
        """Why an OCO would be refused now."""
        legs = (request.above, request.below)
        fault = self._market_fault(account, request.symbol)
        if fault is not None:
            return fault
        instrument = self.instruments[request.symbol]
        for leg in legs:
            fault = _leg_shape_fault(leg) or self._limit_fault(
                instrument, request.side, request.quantity, leg.price, leg.stop_price
            )
            if fault is not None:
                return fault
        stops = sum(1 for leg in legs if leg.type in STOP_TYPES)
        return (
            self._count_fault(account, request.symbol, len(legs), stops)
            or self._oco_ids_fault(account, request)
            or self._oco_prices_fault(request)
        )

    def _oco_ids_fault(self, account: str, request: PlaceOco) -> Refusal | None:
        ids = [leg.client_id for leg in (request.above, request.below) if leg.client_id]
        if len(ids) != len(set(ids)) or any(
            self._is_client_id_open(account, request.symbol, one) for one in ids
        ):
            return refusals.DUPLICATE_ORDER
        if request.list_client_id:
            found = self.find_list(account, None, request.list_client_id)
            if found is not None and self._is_list_open(found.id):
                return refusals.DUPLICATE_ORDER
        return None

    def _oco_prices_fault(self, request: PlaceOco) -> Refusal | None:
        """Above must trigger or trade above the last price, below under it."""
        limit_leg, stop_leg = (
            (request.above, request.below)
            if request.side == "SELL"
            else (request.below, request.above)
        )
        if limit_leg.type not in LIMIT_LEGS or stop_leg.type not in STOP_LEGS:
            return refusals.BAD_COMBINATION
        last = self.published[request.symbol].reference_price()
        high = request.above.stop_price or request.above.price
        low = request.below.stop_price or request.below.price
        if low >= high or (last is not None and not low < last < high):
            return refusals.PRICES_UNRELATED
        if limit_leg.type == "LIMIT_MAKER" and self._would_match(
            request.symbol, request.side, limit_leg.price
        ):
            return refusals.WOULD_MATCH
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

    def _market_order_fault(
        self, account: str, instrument: Instrument, request: PlaceOrder
    ) -> Refusal | None:
        if request.quote_quantity is not None:
            fault = filters.precision_fault("quoteOrderQty", request.quote_quantity)
            fault = fault or filters.notional_fault(instrument, request.quote_quantity)
            if fault is not None:
                return fault
            short = self.accounts[account].available(instrument.quote) < request.quote_quantity
            return refusals.INSUFFICIENT_BALANCE if short and request.side == "BUY" else None
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


def _shape_fault(request: PlaceOrder) -> Refusal | None:
    """Parameters that the type needs, or does not take."""
    numbers = (request.quantity, request.quote_quantity)
    if any(value is not None and value <= 0 for value in numbers):
        return refusals.INVALID_QUANTITY
    if any(value is not None and value <= 0 for value in (request.price, request.stop_price)):
        return refusals.INVALID_PRICE
    if request.type == "MARKET":
        if request.quantity is None and request.quote_quantity is None:
            return refusals.missing("quantity")
        if request.quantity is not None and request.quote_quantity is not None:
            return refusals.BAD_COMBINATION
        return _unwanted(price=request.price, stopPrice=request.stop_price) or _unwanted(
            timeInForce=request.time_in_force
        )
    if request.quote_quantity is not None:
        return refusals.not_required("quoteOrderQty")
    needs: dict[str, object] = {"quantity": request.quantity, "price": request.price}
    if request.type != "LIMIT_MAKER":
        needs["timeInForce"] = request.time_in_force
    if request.type in STOP_TYPES:
        needs["stopPrice"] = request.stop_price
    for name, value in needs.items():
        if value is None:
            return refusals.missing(name)
    if request.type == "LIMIT_MAKER":
        return _unwanted(timeInForce=request.time_in_force, stopPrice=request.stop_price)
    return None if request.type in STOP_TYPES else _unwanted(stopPrice=request.stop_price)


def _leg_shape_fault(leg: Leg) -> Refusal | None:
    if leg.price <= 0 or (leg.stop_price is not None and leg.stop_price <= 0):
        return refusals.INVALID_PRICE
    if leg.type not in LIMIT_LEGS | STOP_LEGS:
        return refusals.BAD_COMBINATION
    if leg.type == "LIMIT_MAKER":
        return _unwanted(stopPrice=leg.stop_price, timeInForce=leg.time_in_force)
    return refusals.missing("stopPrice") if leg.stop_price is None else None


def _unwanted(**values: object) -> Refusal | None:
    for name, value in values.items():
        if value is not None:
            return refusals.not_required(name)
    return None
