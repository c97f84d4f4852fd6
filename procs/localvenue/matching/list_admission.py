"""What the exchange checks before an order list exists: its kind, its legs, their prices."""

from __future__ import annotations

from typing import Final

from procs.localvenue.matching import filters, refusals
from procs.localvenue.matching.admission import Admission, meets
from procs.localvenue.matching.model import Refusal
from procs.localvenue.matching.requests import PlaceOrder, PlaceOrderList
from procs.localvenue.matching.shapes import shape_fault
from procs.localvenue.matching.sheets import Sheet
from procs.localvenue.matching.words import STOP_TYPES

STOP_LOSSES: Final = frozenset({"STOP_LOSS", "STOP_LOSS_LIMIT"})
TAKE_PROFITS: Final = frozenset({"TAKE_PROFIT", "TAKE_PROFIT_LIMIT"})
OCO_TYPES: Final = STOP_LOSSES | TAKE_PROFITS | {"LIMIT_MAKER"}
WORKING_TYPES: Final = frozenset({"LIMIT", "LIMIT_MAKER"})
LEG_NAMES: Final = {
    "OCO": ("below", "above"),
    "OTO": ("working", "pending"),
    "OTOCO": ("working", "pendingBelow", "pendingAbove"),
}
"""What the exchange's parameters of each order of a list begin with, in the order of the list."""


class ListAdmission(Admission):
    """Says why an order list is refused, or None; changes nothing."""

    def list_fault(self, account: str, request: PlaceOrderList) -> Refusal | None:
        """Why an order list would be refused now."""
        fault = self._market_fault(account, request.symbol) or self._legs_fault(request)
        if fault is not None:
            return fault
        orders = request.orders
        desk, sheet = self.desks[request.symbol], self._of[account].sheet(request.symbol)
        stops = sum(1 for order in orders if order.type in STOP_TYPES)
        icebergs = sum(1 for order in orders if order.iceberg_quantity is not None)
        fault = self._count_fault(sheet, len(orders), stops, icebergs)
        if fault is None and sheet.open_lists >= filters.MAX_NUM_ORDER_LISTS:
            fault = refusals.filter_failure("MAX_NUM_ORDER_LISTS")
        fault = fault or self._ids_fault(account, sheet, request)
        if fault is not None:
            return fault
        if request.kind == "OCO":
            return self._pair_prices_fault(orders)
        working = orders[0]
        if working.type == "LIMIT_MAKER" and meets(desk, working):
            return refusals.WOULD_MATCH
        return None

    def _legs_fault(self, request: PlaceOrderList) -> Refusal | None:
        """Each order for itself, then what kinds of orders may stand together."""
        desk = self.desks[request.symbol]
        average = desk.published.average_price()
        if any(order.symbol != request.symbol for order in request.orders):
            return refusals.INVALID_SYMBOL
        for order, name in zip(request.orders, LEG_NAMES[request.kind], strict=True):
            fault = shape_fault(order, name) or desk.rules.fault(order, average)
            if fault is not None:
                return fault
        if request.kind == "OCO":
            return pair_kind_fault(*request.orders)
        working, *pending = request.orders
        if working.type not in WORKING_TYPES:
            return refusals.INVALID_TYPE
        if any(order.quote_quantity is not None for order in pending):
            return refusals.UNSUPPORTED_COMBINATION
        return pair_kind_fault(*pending) if request.kind == "OTOCO" else None

    def _ids_fault(self, account: str, sheet: Sheet, request: PlaceOrderList) -> Refusal | None:
        ids = [order.client_id for order in request.orders if order.client_id]
        if len(ids) != len(set(ids)) or any(map(sheet.is_client_id_open, ids)):
            return refusals.DUPLICATE_ORDER
        if request.client_id:
            found = self.find_list(account, None, request.client_id)
            if found is not None and self._is_list_open(found.id):
                return refusals.DUPLICATE_ORDER
        return None

    def _pair_prices_fault(self, orders: tuple[PlaceOrder, ...]) -> Refusal | None:
        """Above must trigger or trade above the last price, below under it."""
        below, above = orders
        desk = self.desks[below.symbol]
        last = desk.published.reference_price()
        low, high = (leg.stop_price or leg.price for leg in (below, above))
        if low is not None and high is not None and low >= high:
            return refusals.PRICES_UNRELATED
        if last is not None and (
            (low is not None and low >= last) or (high is not None and high <= last)
        ):
            return refusals.PRICES_UNRELATED
        for leg in orders:
            if leg.type == "LIMIT_MAKER" and meets(desk, leg):
                return refusals.WOULD_MATCH
        return None


def pair_kind_fault(below: PlaceOrder, above: PlaceOrder) -> Refusal | None:
    """Which types may stand below and above the price, on which side."""
    for leg in (below, above):
        if leg.type not in OCO_TYPES:
            return refusals.OCO_TYPE
    if below.side != above.side or below.quantity != above.quantity:
        return refusals.BAD_COMBINATION
    if below.type == above.type == "LIMIT_MAKER":
        return refusals.OCO_BOTH_LIMIT
    if above.side == "BUY":
        if above.type == "LIMIT_MAKER":
            return refusals.BUY_LIMIT_ABOVE
        if below.type in STOP_LOSSES:
            return refusals.BUY_STOP_BELOW
        return refusals.BUY_PROFIT_ABOVE if above.type in TAKE_PROFITS else None
    if below.type == "LIMIT_MAKER":
        return refusals.SELL_LIMIT_BELOW
    if above.type in STOP_LOSSES:
        return refusals.SELL_STOP_ABOVE
    return refusals.SELL_PROFIT_BELOW if below.type in TAKE_PROFITS else None
