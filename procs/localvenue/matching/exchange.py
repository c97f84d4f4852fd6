"""The venue's matching core as a client meets it: place, place an order list, cancel, query.

Pure: the time is passed in, answers are values (`Placed`, `Canceled`, … or a `Refusal`), and what
happened besides is drained as events. The server process and the simulation use this one class.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

import msgspec

from procs.localvenue.matching import filters, refusals
from procs.localvenue.matching.account import add
from procs.localvenue.matching.list_admission import ListAdmission
from procs.localvenue.matching.model import (
    NO_LIST,
    STOP_TYPES,
    Balance,
    Canceled,
    Order,
    OrderList,
    Placed,
    PlacedList,
    PlaceOrder,
    PlaceOrderList,
    Refusal,
)
from procs.localvenue.matching.store import VenueState
from shared.domain.instrument import Instrument
from shared.units import ZERO

FEE_RATE: Final = Decimal("0.001")
"""0.1 % of what is received, of makers and takers alike."""

_STATE_DECODER: Final = msgspec.json.Decoder(VenueState)


class Exchange(ListAdmission):
    """Accounts, orders and order lists over the market's published books."""

    def __init__(
        self,
        instruments: Iterable[Instrument],
        balances: Mapping[str, Mapping[str, Decimal]],
        *,
        fee_rate: Decimal = FEE_RATE,
        max_orders: int = filters.MAX_NUM_ORDERS,
        max_stop_orders: int = filters.MAX_NUM_ALGO_ORDERS,
    ) -> None:
        """`balances` opens one account for each key: asset to free amount."""
        super().__init__(instruments, balances, fee_rate, max_orders, max_stop_orders)

    def place(self, account: str, request: PlaceOrder, now_ms: int) -> Placed | Refusal:
        """Places one order; market, IOC and FOK orders have ended when this returns."""
        fault = self.place_fault(account, request)
        if fault is not None:
            return fault
        plan_quantity = request.quantity
        if plan_quantity is None and request.quote_quantity is not None:
            plan = self._plan_for_quote(request.symbol, request.side, request.quote_quantity)
            plan_quantity = sum((quantity for _, quantity in plan), ZERO)
        assert plan_quantity is not None, "the fault check wants one of the two"
        order = self._new_order(account, request, plan_quantity, now_ms)
        order.locked = self._hold(order)
        held = self._held_asset(order)
        if order.locked > self.accounts[account].available(held):
            return refusals.INSUFFICIENT_BALANCE
        self.counters.order += 1
        self.accounts[account].lock(held, order.locked)
        self._touch(account, held)
        self._remember(order)
        self._report(order, "NEW", now_ms)
        self._start(order, now_ms)
        self._place_due(now_ms)
        self._report_balances(now_ms)
        return Placed(copy.copy(order), tuple(self.fills_of(order.id)))

    def place_list(
        self, account: str, request: PlaceOrderList, now_ms: int
    ) -> PlacedList | Refusal:
        """Places all orders of the list, or none.

        The two orders of an OCO share one hold until the first of them acts. Pending orders hold
        nothing: they are placed, and their funds looked for, when the working order is filled."""
        fault = self.list_fault(account, request)
        if fault is not None:
            return fault
        first_id, list_id = self.counters.order + 1, self.counters.order_list + 1
        orders = []
        for place, leg in enumerate(request.orders):
            assert leg.quantity is not None, "the fault check wants quantities in lists"
            order = self._new_order(account, leg, leg.quantity, now_ms, first_id + place, list_id)
            if request.kind != "OCO" and place > 0:
                order.status, order.working_ms = "PENDING_NEW", -1
            orders.append(order)
        shared = request.kind == "OCO"
        live = orders if shared else orders[:1]
        hold = max(self._hold(order) for order in live)
        held = self._held_asset(live[0])
        if hold > self.accounts[account].available(held):
            return refusals.INSUFFICIENT_BALANCE
        self.counters.order += len(orders)
        self.counters.order_list = list_id
        self.accounts[account].lock(held, hold)
        self._touch(account, held)
        if not shared:
            orders[0].locked = hold
        order_list = OrderList(
            id=list_id,
            account=account,
            symbol=request.symbol,
            client_id=request.client_id or f"list{list_id:018d}",
            order_ids=tuple(order.id for order in orders),
            kind=request.kind,
            created_ms=now_ms,
            updated_ms=now_ms,
            locked=hold if shared else ZERO,
        )
        self._remember_list(order_list)
        for order in orders:
            self._remember(order)
            self._report(order, "NEW", now_ms)
        self._report_list(order_list, now_ms)
        for order in live:
            self._start(order, now_ms)
        reports = tuple(copy.copy(order) for order in orders)
        self._place_due(now_ms)
        self._report_balances(now_ms)
        fills = tuple(fill for order in live for fill in self.fills_of(order.id))
        return PlacedList(copy.copy(order_list), reports, fills)

    def cancel(
        self,
        account: str,
        symbol: str,
        now_ms: int,
        *,
        order_id: int | None = None,
        client_id: str | None = None,
        cancel_id: str | None = None,
    ) -> Canceled | Refusal:
        """Cancels an open order; one leg of a list cancels the whole list."""
        order = self.find(account, symbol, order_id, client_id)
        if order is None or not order.is_open:
            return refusals.CANCEL_UNKNOWN
        if order.list_id != NO_LIST and len(self._open_legs(order.list_id)) > 1:
            return self._cancel_list(self._lists[order.list_id], now_ms, cancel_id)
        cancel_id = cancel_id or self._cancel_id()
        self._end(order, "CANCELED", "CANCELED", now_ms, cancel_id=cancel_id)
        self._report_balances(now_ms)
        return Canceled(cancel_id, (copy.copy(order),))

    def cancel_list(
        self,
        account: str,
        symbol: str,
        now_ms: int,
        *,
        list_id: int | None = None,
        client_id: str | None = None,
        cancel_id: str | None = None,
    ) -> Canceled | Refusal:
        """Cancels an order list that is not done."""
        found = self.find_list(account, list_id, client_id)
        if found is None or found.symbol != symbol or found.status == "ALL_DONE":
            return refusals.CANCEL_UNKNOWN
        return self._cancel_list(found, now_ms, cancel_id)

    def cancel_all(self, account: str, symbol: str, now_ms: int) -> list[Canceled] | Refusal:
        """Cancels every open order of a symbol; refuses when there is none."""
        orders = self.open_orders(account, symbol)
        done: list[Canceled] = []
        for order in orders:
            answer = self.cancel(account, symbol, now_ms, order_id=order.id)
            if isinstance(answer, Canceled):
                done.append(answer)
        return done or refusals.CANCEL_UNKNOWN

    def order(
        self, account: str, symbol: str, order_id: int | None = None, client_id: str | None = None
    ) -> Order | Refusal:
        """One order by id or client id, open or closed."""
        found = self.find(account, symbol, order_id, client_id)
        return refusals.NO_SUCH_ORDER if found is None else copy.copy(found)

    def balances(self, account: str) -> dict[str, Balance]:
        """Free and locked of every asset that the account has touched."""
        found = self.accounts[account]
        return {asset: found.balance(asset) for asset in sorted(found.free)}

    def verify(self) -> None:
        """Raises LedgerBroken unless all accounts add up and holds match the open orders (L15)."""
        for name, account in self.accounts.items():
            account.verify()
            held: dict[str, Decimal] = {}
            for order in self.open_orders(name):
                asset = self._held_asset(order)
                held[asset] = add(held.get(asset, ZERO), order.locked)
            for order_list in self.lists(name):
                asset = self._held_asset(self.legs(order_list)[-1])
                held[asset] = add(held.get(asset, ZERO), order_list.locked)
            for asset, locked in account.locked.items():
                assert held.get(asset, ZERO) == locked, f"{name}: {asset} held {held} not {locked}"

    def save(self) -> bytes:
        """Accounts, orders, lists, fills, ids and last prices as JSON."""
        return msgspec.json.encode(self.state())

    def load(self, saved: bytes) -> None:
        """Takes up what `save` wrote, into an exchange that has not been used."""
        self.restore(_STATE_DECODER.decode(saved))

    def restore(self, state: VenueState) -> None:
        """Takes up a state; open orders go back to their queues."""
        self._adopt(state)
        for symbol in self.instruments:
            for name in self.accounts:
                for order in self.open_orders(name, symbol):
                    book = self._books[symbol]
                    if order.status == "PENDING_NEW":
                        continue
                    if order.is_working:
                        book.resting[order.side].insert(leg_price(order), order.id)
                    else:
                        assert order.stop_price is not None, "a waiting order has a stop price"
                        book.waiting(order).insert(order.stop_price, order.id)

    def _new_order(
        self,
        account: str,
        request: PlaceOrder,
        quantity: Decimal,
        now_ms: int,
        order_id: int = 0,
        list_id: int = NO_LIST,
    ) -> Order:
        order_id = order_id or self.counters.order + 1
        return Order(
            id=order_id,
            account=account,
            symbol=request.symbol,
            side=request.side,
            type=request.type,
            quantity=quantity,
            quote_quantity=request.quote_quantity,
            price=request.price,
            stop_price=request.stop_price,
            time_in_force=request.time_in_force or "GTC",
            client_id=request.client_id or f"venue{order_id:017d}",
            list_id=list_id,
            created_ms=now_ms,
            updated_ms=now_ms,
            working_ms=-1 if request.type in STOP_TYPES else now_ms,
            strategy_id=request.strategy_id,
            strategy_type=request.strategy_type,
        )

    def _cancel_list(self, found: OrderList, now_ms: int, cancel_id: str | None) -> Canceled:
        cancel_id = cancel_id or self._cancel_id()
        # Pending orders first: the end of the working one would expire them.
        for order in reversed(self._open_legs(found.id)):
            self._end(order, "CANCELED", "CANCELED", now_ms, cancel_id=cancel_id)
        self._report_balances(now_ms)
        orders = tuple(copy.copy(order) for order in self.legs(found))
        return Canceled(cancel_id, orders, copy.copy(found))

    def _open_legs(self, list_id: int) -> list[Order]:
        return [leg for leg in self.legs(self._lists[list_id]) if leg.is_open]

    def _cancel_id(self) -> str:
        return f"cancel{self.counters.execution + 1:016d}"


def leg_price(order: Order) -> Decimal:
    """The limit price of an order that has one."""
    assert order.price is not None, "only market orders have no price"
    return order.price
