"""Orders and order lists come to the exchange, all of a request or nothing of it."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Final

from procs.localvenue.matching import refusals
from procs.localvenue.matching.list_admission import ListAdmission
from procs.localvenue.matching.model import Order, OrderList, Placed, PlacedList, Refusal
from procs.localvenue.matching.plans import Plan, Wanted, cost, make_plan, quantity_of
from procs.localvenue.matching.queues import Desk
from procs.localvenue.matching.requests import PlaceOrder, PlaceOrderList
from procs.localvenue.matching.settlement import hold_of
from procs.localvenue.matching.words import NO_LIST
from shared.units import ZERO

_ID_BASE: Final = 10**16
"""Makes ids of one length without formatting."""


class Placing(ListAdmission):
    """Places what admission lets through."""

    def place(self, account: str, request: PlaceOrder, now_ms: int) -> Placed | Refusal:
        """Places one order; market, IOC and FOK orders have ended when this returns."""
        fault = self.place_fault(account, request)
        if fault is not None:
            return fault
        desk, sheet = self.desks[request.symbol], self._of[account].sheets[request.symbol]
        plan: Plan | None = None
        quantity = request.quantity
        if request.quote_quantity is not None:
            plan, quantity = self._quote_plan(desk, account, request)
            if quantity < desk.instrument.min_quantity:
                return refusals.LITTLE_LIQUIDITY
        assert quantity is not None, "the fault check wants one of the two"
        order = _new_order(self.counters.order + 1, account, request, quantity, now_ms)
        self._prepare(desk, order, now_ms)
        if request.type == "MARKET" and plan is None:
            plan = self._plan(desk, order)
        hold = hold_of(order) if plan is None or order.side == "SELL" else cost(plan)
        held, owner = desk.held_asset(order.side), self.accounts[account]
        if hold > owner.free.get(held, ZERO):
            return refusals.INSUFFICIENT_BALANCE
        self.counters.order += 1
        owner.lock(held, hold)
        order.locked = hold
        self._touch(account, held)
        self._orders[order.id] = order
        sheet.came(order)
        already = self.counters.prevention
        said = self._report(order, "NEW", now_ms)
        if order.working_ms == -1:
            desk.wait(order)
        else:
            self._work(desk, order, now_ms, plan)
            if order.status != "NEW" or order.prevented:
                said = copy.copy(order)
        # The answer tells how the order stood when it had been matched; what it set off, such as
        # pending orders of a list, comes after it.
        fills = self._fills.get(order.id)
        answer = Placed(said, () if fills is None else tuple(fills))
        if self._due:
            self._place_due(now_ms)
        self._report_balances(now_ms)
        if already == self.counters.prevention:
            return answer
        prevented = self.preventions(account, request.symbol)
        mine = tuple(one for one in prevented if one.taker_order_id == order.id)
        return Placed(answer.order, answer.fills, mine)

    def reject(self, account: str, request: PlaceOrder, refusal: Refusal, now_ms: int) -> None:
        """Tells of a new order that was refused when the cancel before it had succeeded, as only
        a cancel-replace does; other refusals are answers and no events."""
        reason = refusals.REJECT_REASONS.get(refusal)
        if reason is None:
            return
        self.counters.order += 1
        order = _new_order(self.counters.order, account, request, request.quantity or ZERO, now_ms)
        self._remember(order, self._of[account].sheet(request.symbol))
        self._end(order, "REJECTED", "REJECTED", now_ms, reject_reason=reason)
        self._report_balances(now_ms)

    def place_list(
        self, account: str, request: PlaceOrderList, now_ms: int
    ) -> PlacedList | Refusal:
        """Places all orders of the list, or none.

        The two orders of an OCO share one hold until the first of them acts. Pending orders hold
        nothing: they are placed, and their funds looked for, when the working order is filled."""
        fault = self.list_fault(account, request)
        if fault is not None:
            return fault
        desk, owner = self.desks[request.symbol], self.accounts[account]
        first_id, list_id = self.counters.order + 1, self.counters.order_list + 1
        orders = [
            _new_order(first_id + place, account, leg, leg.quantity or ZERO, now_ms, list_id)
            for place, leg in enumerate(request.orders)
        ]
        is_pair = request.kind == "OCO"
        live = orders if is_pair else orders[:1]
        for order in live:
            self._prepare(desk, order, now_ms)
        for order in orders[len(live) :]:
            order.status = "PENDING_NEW"
        hold, held = max(map(hold_of, live)), desk.held_asset(live[0].side)
        if hold > owner.available(held):
            return refusals.INSUFFICIENT_BALANCE
        self.counters.order += len(orders)
        self.counters.order_list = list_id
        owner.lock(held, hold)
        self._touch(account, held)
        order_list = OrderList(
            id=list_id,
            account=account,
            symbol=request.symbol,
            client_id=request.client_id or f"list{list_id:018d}",
            order_ids=tuple(order.id for order in orders),
            kind=request.kind,
            created_ms=now_ms,
            updated_ms=now_ms,
            locked=hold if is_pair else ZERO,
        )
        if not is_pair:
            live[0].locked = hold
        self._remember_list(order_list)
        sheet = self._of[account].sheet(request.symbol)
        for order in orders:
            self._remember(order, sheet)
            self._report(order, "NEW", now_ms)
        self._report_list(order_list, now_ms)
        for order in live:
            if order.is_open:
                self._start(desk, order, now_ms)
        reports = tuple(copy.copy(order) for order in orders)
        fills = tuple(fill for order in live for fill in self.fills_of(order.id))
        said = copy.copy(order_list)
        self._place_due(now_ms)
        self._report_balances(now_ms)
        return PlacedList(said, reports, fills)

    def _quote_plan(self, desk: Desk, account: str, request: PlaceOrder) -> tuple[Plan, Decimal]:
        """What a market order over an amount of quote would meet, and its quantity: what the
        amount trades in whole lot steps."""
        wanted = Wanted(
            account,
            request.side,
            request.prevention,
            None,
            request.quote_quantity,
            desk.instrument.step_size,
        )
        plan = make_plan(desk, wanted, None)
        return plan, quantity_of(plan, request.prevention)


def _new_order(
    order_id: int,
    account: str,
    request: PlaceOrder,
    quantity: Decimal,
    now_ms: int,
    list_id: int = NO_LIST,
) -> Order:
    order = Order(
        id=order_id,
        account=account,
        symbol=request.symbol,
        side=request.side,
        type=request.type,
        quantity=quantity,
        client_id=request.client_id or f"venue{_ID_BASE + order_id}",
        created_ms=now_ms,
        updated_ms=now_ms,
        price=request.price,
        time_in_force=request.time_in_force or "GTC",
        list_id=list_id,
        prevention=request.prevention,
    )
    # What few orders have is set afterwards: each name given above costs every order.
    if request.stop_price is not None:
        order.stop_price = request.stop_price
    if request.quote_quantity is not None:
        order.quote_quantity = request.quote_quantity
    if request.iceberg_quantity is not None:
        order.iceberg_quantity = request.iceberg_quantity
    if request.trailing_delta_bps is not None:
        order.trailing_delta_bps = request.trailing_delta_bps
    if request.strategy_id is not None:
        order.strategy_id = request.strategy_id
    if request.strategy_type is not None:
        order.strategy_type = request.strategy_type
    return order
