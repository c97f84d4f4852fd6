"""The venue's matching core as a client meets it: place, place an OCO, cancel, query.

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
from procs.localvenue.matching.account import add, down_to_unit, multiply
from procs.localvenue.matching.admission import Admission
from procs.localvenue.matching.execution import hold_of
from procs.localvenue.matching.model import (
    NO_LIST,
    STOP_TYPES,
    Balance,
    Canceled,
    Leg,
    Order,
    OrderList,
    Placed,
    PlacedList,
    PlaceOco,
    PlaceOrder,
    Refusal,
)
from procs.localvenue.matching.store import VenueState
from shared.domain.instrument import Instrument
from shared.units import ZERO

FEE_RATE: Final = Decimal("0.001")
"""0.1 % of what is received, of makers and takers alike."""

_STATE_DECODER: Final = msgspec.json.Decoder(VenueState)


class Exchange(Admission):
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
        order = Order(
            id=self.counters.order + 1,
            account=account,
            symbol=request.symbol,
            side=request.side,
            type=request.type,
            quantity=plan_quantity,
            quote_quantity=request.quote_quantity,
            price=request.price,
            stop_price=request.stop_price,
            time_in_force=request.time_in_force or "GTC",
            client_id=request.client_id or f"venue{self.counters.order + 1:017d}",
            created_ms=now_ms,
            updated_ms=now_ms,
            working_ms=-1 if request.type in STOP_TYPES else now_ms,
        )
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
        self._report_balances(now_ms)
        return Placed(copy.copy(order), tuple(self.fills_of(order.id)))

    def place_oco(self, account: str, request: PlaceOco, now_ms: int) -> PlacedList | Refusal:
        """Places both legs, or none; they share one hold until the first of them acts."""
        fault = self.oco_fault(account, request)
        if fault is not None:
            return fault
        first_id, list_id = self.counters.order + 1, self.counters.order_list + 1
        legs = tuple(
            self._leg_order(account, request, leg, first_id + place, list_id, now_ms)
            for place, leg in enumerate((request.below, request.above))
        )
        hold = max(hold_of(order.side, leg_price(order), order.quantity) for order in legs)
        held = self._held_asset(legs[0])
        if hold > self.accounts[account].available(held):
            return refusals.INSUFFICIENT_BALANCE
        self.counters.order += len(legs)
        self.counters.order_list = list_id
        self.accounts[account].lock(held, hold)
        self._touch(account, held)
        order_list = OrderList(
            id=list_id,
            account=account,
            symbol=request.symbol,
            client_id=request.list_client_id or f"list{list_id:018d}",
            order_ids=(first_id, first_id + 1),
            created_ms=now_ms,
            updated_ms=now_ms,
            locked=hold,
        )
        self._remember_list(order_list)
        for order in legs:
            self._remember(order)
            self._report(order, "NEW", now_ms)
        self._report_list(order_list, now_ms)
        for order in legs:
            self._start(order, now_ms)
        self._report_balances(now_ms)
        return PlacedList(copy.copy(order_list), tuple(copy.copy(order) for order in legs))

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
                asset = self._held_asset(self.legs(order_list)[0])
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
                    if order.is_working:
                        book.resting[order.side].insert(leg_price(order), order.id)
                    else:
                        assert order.stop_price is not None, "a waiting order has a stop price"
                        book.waiting(order).insert(order.stop_price, order.id)

    def _start(self, order: Order, now_ms: int) -> None:
        """A new order waits for its stop price, or goes to work."""
        if order.is_working:
            self._work(order, now_ms)
        else:
            assert order.stop_price is not None, "the fault check wants a stop price"
            self._books[order.symbol].waiting(order).insert(order.stop_price, order.id)

    def _hold(self, order: Order) -> Decimal:
        """What a new order holds; a market buy holds what the book will charge it."""
        if order.side == "SELL" or order.price is not None:
            return hold_of(order.side, order.price or ZERO, order.quantity)
        return sum((down_to_unit(multiply(price, size)) for price, size in self._plan(order)), ZERO)

    def _held_asset(self, order: Order) -> str:
        instrument = self.instruments[order.symbol]
        return instrument.quote if order.side == "BUY" else instrument.base

    def _leg_order(
        self, account: str, request: PlaceOco, leg: Leg, order_id: int, list_id: int, now_ms: int
    ) -> Order:
        return Order(
            id=order_id,
            account=account,
            symbol=request.symbol,
            side=request.side,
            type=leg.type,
            quantity=request.quantity,
            price=leg.price,
            stop_price=leg.stop_price,
            time_in_force=leg.time_in_force or "GTC",
            client_id=leg.client_id or f"venue{order_id:017d}",
            list_id=list_id,
            created_ms=now_ms,
            updated_ms=now_ms,
            working_ms=-1 if leg.type in STOP_TYPES else now_ms,
        )

    def _cancel_list(self, found: OrderList, now_ms: int, cancel_id: str | None) -> Canceled:
        cancel_id = cancel_id or self._cancel_id()
        for order in self._open_legs(found.id):
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
