"""A memory of the exchange's accounts that lags behind: it takes up events some time after they
happened, and answers the same questions from what it has taken up."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Final

from procs.localvenue.matching import refusals
from procs.localvenue.matching.exchange import Exchange
from procs.localvenue.matching.model import (
    Balance,
    BalancesChanged,
    Fill,
    ListChanged,
    Order,
    OrderList,
    OrderUpdated,
    Refusal,
    VenueEvent,
)

ORDERS_KEPT: Final = 20_000
"""Orders that are remembered; beyond that the oldest closed ones are forgotten."""


class LaggedReads:
    """Answers as of `lag_ms` ago; see Reads. It begins with the state of the moment it is made."""

    def __init__(self, exchange: Exchange, lag_ms: int, now_ms: Callable[[], int]) -> None:
        self._lag_ms = lag_ms
        self._now_ms = now_ms
        self._waiting: deque[tuple[int, VenueEvent]] = deque()
        self._orders: dict[int, Order] = {}
        self._fills: dict[int, list[Fill]] = {}
        self._lists: dict[int, OrderList] = {}
        self._balances: dict[str, dict[str, Balance]] = {}
        for account in exchange.accounts:
            self._balances[account] = exchange.balances(account)
            for order_list in exchange.lists(account):
                self._lists[order_list.id] = copy.copy(order_list)
            for symbol in exchange.instruments:
                for order in exchange.all_orders(account, symbol):
                    self._orders[order.id] = copy.copy(order)
                    fills = exchange.fills_of(order.id)
                    if fills:
                        self._fills[order.id] = list(fills)

    def hear(self, events: Iterable[VenueEvent], now_ms: int) -> None:
        """What has happened now; answers will know it when the lag is over."""
        self._waiting.extend((now_ms + self._lag_ms, event) for event in events)
        self._catch_up()

    def find(
        self, account: str, symbol: str, order_id: int | None, client_id: str | None
    ) -> Order | None:
        """The order with that id or client id (the newest that had it); both must agree."""
        self._catch_up()
        if order_id is None:
            own = self.all_orders(account, symbol)
            return next((one for one in reversed(own) if one.client_id == client_id), None)
        order = self._orders.get(order_id)
        if order is None or order.account != account or order.symbol != symbol:
            return None
        return order if client_id is None or client_id == order.client_id else None

    def order(
        self, account: str, symbol: str, order_id: int | None = None, client_id: str | None = None
    ) -> Order | Refusal:
        """The same, or the exchange's refusal when it is not known yet."""
        found = self.find(account, symbol, order_id, client_id)
        return refusals.NO_SUCH_ORDER if found is None else copy.copy(found)

    def open_orders(self, account: str, symbol: str | None = None) -> list[Order]:
        """Open orders by id, of one symbol or of all."""
        self._catch_up()
        found = [
            order
            for order in self._orders.values()
            if order.is_open and order.account == account and symbol in (None, order.symbol)
        ]
        return sorted(found, key=attrgetter("id"))

    def all_orders(self, account: str, symbol: str) -> list[Order]:
        """Orders of one symbol, by id."""
        self._catch_up()
        found = [
            order
            for order in self._orders.values()
            if order.account == account and order.symbol == symbol
        ]
        return sorted(found, key=attrgetter("id"))

    def fills_of(self, order_id: int) -> list[Fill]:
        """The executions of one order, oldest first."""
        self._catch_up()
        return self._fills.get(order_id, [])

    def fills(self, account: str, symbol: str) -> list[Fill]:
        """The executions of one account on one symbol, by trade id."""
        own = self.all_orders(account, symbol)
        return sorted(
            (fill for order in own for fill in self.fills_of(order.id)),
            key=attrgetter("trade_id"),
        )

    def balances(self, account: str) -> dict[str, Balance]:
        """Free and locked of every asset that the account has touched."""
        self._catch_up()
        return dict(sorted(self._balances[account].items()))

    def find_list(
        self, account: str, list_id: int | None, client_id: str | None
    ) -> OrderList | None:
        """The order list with that id, or the newest with that client id."""
        if list_id is None:
            own = self.lists(account)
            return next((one for one in reversed(own) if one.client_id == client_id), None)
        self._catch_up()
        found = self._lists.get(list_id)
        return found if found is not None and found.account == account else None

    def lists(self, account: str) -> list[OrderList]:
        """Order lists of one account, by id."""
        self._catch_up()
        found = [one for one in self._lists.values() if one.account == account]
        return sorted(found, key=attrgetter("id"))

    def legs(self, order_list: OrderList) -> tuple[Order, ...]:
        """The orders of a list."""
        self._catch_up()
        return tuple(self._orders[one] for one in order_list.order_ids)

    def _catch_up(self) -> None:
        now_ms = self._now_ms()
        while self._waiting and self._waiting[0][0] <= now_ms:
            self._take_up(self._waiting.popleft()[1])

    def _take_up(self, event: VenueEvent) -> None:
        if isinstance(event, OrderUpdated):
            self._orders[event.order.id] = event.order
            if event.fill is not None:
                self._fills.setdefault(event.order.id, []).append(event.fill)
            if len(self._orders) > ORDERS_KEPT:
                self._forget()
        elif isinstance(event, BalancesChanged):
            self._balances[event.account].update(event.balances)
        elif isinstance(event, ListChanged):
            self._lists[event.order_list.id] = event.order_list

    def _forget(self) -> None:
        """Half of the closed orders, the oldest, with the lists that they made up."""
        closed = sorted(one.id for one in self._orders.values() if not one.is_open)
        for order_id in closed[: ORDERS_KEPT // 2]:
            del self._orders[order_id]
            self._fills.pop(order_id, None)
        known = self._orders.keys()
        self._lists = {key: one for key, one in self._lists.items() if known >= set(one.order_ids)}
