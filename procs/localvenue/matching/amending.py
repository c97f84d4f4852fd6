"""Making an open order smaller without losing its place in the queue."""

from __future__ import annotations

import copy
from decimal import Decimal

from procs.localvenue.matching import filters, refusals
from procs.localvenue.matching.account import multiply, subtract
from procs.localvenue.matching.model import Amended, Amendment, Order, Refusal
from procs.localvenue.matching.placing import Placing
from procs.localvenue.matching.words import NO_LIST


class Amending(Placing):
    """Order amend keep priority (faqs/order_amend_keep_priority.md of the documentation)."""

    def amend(
        self,
        account: str,
        symbol: str,
        now_ms: int,
        *,
        order_id: int | None = None,
        client_id: str | None = None,
        quantity: Decimal,
        new_client_id: str | None = None,
    ) -> Amended | Refusal:
        """Reduces an open order's quantity to `quantity` base units.

        Both orders of a pair change together, because only one of them can ever be executed."""
        order = self.find(account, symbol, order_id, client_id)
        if order is None or not order.is_open:
            return refusals.AMEND_UNKNOWN
        fault = self._amend_fault(order, quantity, new_client_id)
        if fault is not None:
            return fault
        pair = self._pair_of(order)
        renamed = new_client_id or f"amend{self.counters.execution + 1:017d}"
        is_renamed = renamed != order.client_id
        old_quantity = order.quantity
        for one in pair:
            _resize(one, quantity, now_ms)
        if order.status != "PENDING_NEW":
            self._shrink_hold(order)
        for one in pair:
            if one is not order:
                self._report_amended(one, old_quantity, one.client_id, now_ms)
        amendment = self._report_amended(order, old_quantity, renamed, now_ms)
        self._report_balances(now_ms)
        order_list = self._lists.get(order.list_id) if order.list_id != NO_LIST else None
        if order_list is None:
            return Amended(copy.copy(order), amendment)
        if is_renamed:
            self._report_list(order_list, now_ms, "UPDATED")
            self._silent_lists[order_list.id] = order_list
        legs = tuple(copy.copy(leg) for leg in self.legs(order_list))
        return Amended(copy.copy(order), amendment, copy.copy(order_list), legs)

    def _amend_fault(
        self, order: Order, quantity: Decimal, new_client_id: str | None
    ) -> Refusal | None:
        if quantity <= 0:
            return refusals.INVALID_QUANTITY
        if quantity == order.quantity:
            return refusals.AMEND_NOTHING
        if quantity > order.quantity:
            return refusals.AMEND_UPWARDS
        if any(quantity <= subtract(leg.quantity, leg.remaining) for leg in self._pair_of(order)):
            return refusals.AMEND_EXECUTED
        if order.amends >= filters.MAX_NUM_ORDER_AMENDS:
            return refusals.AMEND_TOO_OFTEN
        is_renamed = new_client_id is not None and new_client_id != order.client_id
        if is_renamed and self._sheet(order).is_client_id_open(new_client_id):
            return refusals.AMEND_DUPLICATE
        rules = self.desks[order.symbol].rules
        if not rules.is_lot(quantity):
            return refusals.filter_failure("LOT_SIZE")
        if order.price is not None:
            return rules.notional_fault(multiply(order.price, quantity))
        return None

    def _pair_of(self, order: Order) -> list[Order]:
        """The order and, when it is one of two of which only one can act, the other one."""
        if order.list_id == NO_LIST:
            return [order]
        order_list = self._lists[order.list_id]
        legs = self.legs(order_list)
        pair = legs if order_list.kind == "OCO" else legs[1:]
        return [leg for leg in pair if leg.is_open] if order in pair else [order]

    def _report_amended(
        self, order: Order, old_quantity: Decimal, client_id: str, now_ms: int
    ) -> Amendment:
        """Gives an amended order its new client id and says so."""
        old_client_id = order.client_id
        if client_id != old_client_id:
            by_client = self._sheet(order).by_client
            by_client.pop(old_client_id, None)
            by_client[client_id] = order.id
            order.client_id = client_id
        amendment = Amendment(
            order_id=order.id,
            execution_id=self.counters.execution + 1,
            account=order.account,
            symbol=order.symbol,
            old_client_id=old_client_id,
            new_client_id=client_id,
            old_quantity=old_quantity,
            new_quantity=order.quantity,
            at_ms=now_ms,
        )
        self._amendments.setdefault(order.id, []).append(amendment)
        self._report(order, "REPLACED", now_ms, cancel_id=old_client_id, amendment=amendment)
        return amendment


def _resize(order: Order, quantity: Decimal, now_ms: int) -> None:
    """Gives an order its new quantity; its place in the queue stays."""
    order.quantity = quantity
    order.amends += 1
    order.updated_ms = now_ms
    if order.iceberg_quantity is not None:
        order.iceberg_quantity = min(order.iceberg_quantity, quantity)
        order.shown = min(order.shown, order.remaining)
