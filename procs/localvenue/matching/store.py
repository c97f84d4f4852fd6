"""Orders, lists, fills and accounts of the venue, found by every key that a request may use."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

import msgspec

from procs.localvenue.matching.account import Account
from procs.localvenue.matching.model import (
    NO_LIST,
    STOP_TYPES,
    Balance,
    BalancesChanged,
    Execution,
    Fill,
    ListChanged,
    Order,
    OrderList,
    OrderUpdated,
    VenueEvent,
)
from procs.localvenue.matching.published import Published
from shared.domain.instrument import Instrument

CLOSED_ORDERS_KEPT: Final = 20_000
"""Closed orders that stay askable per account; older ones live on in the venue's journal only."""


class Counters(msgspec.Struct):
    """The last ids given out."""

    order: int = 0
    order_list: int = 0
    trade: int = 0
    execution: int = 0


class VenueState(msgspec.Struct):
    """Everything a restart needs beside the market's books, which the market repeats."""

    balances: dict[str, dict[str, Balance]]
    orders: list[Order]
    lists: list[OrderList]
    fills: list[Fill]
    counters: Counters
    last_prices: dict[str, Decimal]


class OrderStore:
    """Holds the state and writes down each change as an event; decides nothing."""

    def __init__(
        self, instruments: Iterable[Instrument], balances: Mapping[str, Mapping[str, Decimal]]
    ) -> None:
        self.instruments: dict[str, Instrument] = {one.symbol: one for one in instruments}
        self.published: dict[str, Published] = {symbol: Published() for symbol in self.instruments}
        self.accounts: dict[str, Account] = {
            name: Account(name, free) for name, free in balances.items()
        }
        self.counters = Counters()
        self._orders: dict[int, Order] = {}
        self._open: dict[tuple[str, str], dict[int, Order]] = {}
        self._by_client: dict[tuple[str, str, str], int] = {}
        self._closed: dict[str, deque[int]] = {name: deque() for name in self.accounts}
        self._lists: dict[int, OrderList] = {}
        self._lists_by_client: dict[tuple[str, str], int] = {}
        self._fills: dict[int, list[Fill]] = {}
        self._events: list[VenueEvent] = []
        self._touched: dict[str, set[str]] = {}

    def drain(self) -> list[VenueEvent]:
        """Everything that happened since the last drain, in order."""
        events, self._events = self._events, []
        return events

    def find(
        self, account: str, symbol: str, order_id: int | None, client_id: str | None
    ) -> Order | None:
        """The order with that id or client id (the newest that had it); both must agree."""
        if order_id is None:
            if client_id is None:
                return None
            order_id = self._by_client.get((account, symbol, client_id))
        order = self._orders.get(order_id) if order_id is not None else None
        if order is None or order.account != account or order.symbol != symbol:
            return None
        return order if client_id in (None, order.client_id) else None

    def find_list(
        self, account: str, list_id: int | None, client_id: str | None
    ) -> OrderList | None:
        """The order list with that id, or the newest with that client id."""
        if list_id is None and client_id is not None:
            list_id = self._lists_by_client.get((account, client_id))
        found = self._lists.get(list_id) if list_id is not None else None
        return found if found is not None and found.account == account else None

    def open_orders(self, account: str, symbol: str | None = None) -> list[Order]:
        """Open orders by id, of one symbol or of all."""
        symbols = self.instruments if symbol is None else (symbol,)
        found = [o for s in symbols for o in self._open.get((account, s), {}).values()]
        return sorted(found, key=lambda order: order.id)

    def all_orders(self, account: str, symbol: str) -> list[Order]:
        """Orders of one symbol that are still remembered, by id."""
        return [o for o in self._orders.values() if o.account == account and o.symbol == symbol]

    def lists(self, account: str) -> list[OrderList]:
        """Order lists of one account, by id."""
        return [found for found in self._lists.values() if found.account == account]

    def legs(self, order_list: OrderList) -> tuple[Order, ...]:
        """The orders of a list, as they stand now."""
        return tuple(self._orders[one] for one in order_list.order_ids)

    def fills_of(self, order_id: int) -> list[Fill]:
        """The executions of one order, oldest first."""
        return self._fills.get(order_id, [])

    def fills(self, account: str, symbol: str) -> list[Fill]:
        """The executions of one account on one symbol, by trade id."""
        found = [
            fill
            for order_id, fills in self._fills.items()
            for fill in fills
            if fill.symbol == symbol and self._orders[order_id].account == account
        ]
        return sorted(found, key=lambda fill: fill.trade_id)

    def state(self) -> VenueState:
        """Everything that a restart needs."""
        return VenueState(
            balances={
                name: {asset: account.balance(asset) for asset in account.free}
                for name, account in self.accounts.items()
            },
            orders=list(self._orders.values()),
            lists=list(self._lists.values()),
            fills=[fill for fills in self._fills.values() for fill in fills],
            counters=self.counters,
            last_prices=self.last_prices(),
        )

    def last_prices(self) -> dict[str, Decimal]:
        """The last trade price of every symbol that has traded."""
        return {
            symbol: market.last_price
            for symbol, market in self.published.items()
            if market.last_price is not None
        }

    def _adopt(self, state: VenueState) -> None:
        """Takes over a saved state; orders on symbols that are not traded now keep their hold."""
        self.counters = state.counters
        for name, balances in state.balances.items():
            account = Account(
                name, {asset: one.free + one.locked for asset, one in balances.items()}
            )
            for asset, one in balances.items():
                account.lock(asset, one.locked)
            self.accounts[name] = account
            self._closed.setdefault(name, deque())
        for order_list in sorted(state.lists, key=lambda found: found.id):
            self._remember_list(order_list)
        for order in sorted(state.orders, key=lambda found: found.id):
            self._remember(order)
            if not order.is_open:
                self._closed[order.account].append(order.id)
        for fill in sorted(state.fills, key=lambda found: found.trade_id):
            self._fills.setdefault(fill.order_id, []).append(fill)
        for symbol, price in state.last_prices.items():
            if symbol in self.published:
                self.published[symbol].last_price = price

    def _remember(self, order: Order) -> None:
        self._orders[order.id] = order
        self._by_client[order.account, order.symbol, order.client_id] = order.id
        if order.is_open:
            self._open.setdefault((order.account, order.symbol), {})[order.id] = order

    def _remember_list(self, order_list: OrderList) -> None:
        self._lists[order_list.id] = order_list
        self._lists_by_client[order_list.account, order_list.client_id] = order_list.id

    def _forget_open(self, order: Order) -> None:
        """The order has ended; the oldest closed ones beyond what is kept are let go."""
        del self._open[order.account, order.symbol][order.id]
        closed = self._closed[order.account]
        closed.append(order.id)
        while len(closed) > CLOSED_ORDERS_KEPT:
            self._let_go(closed.popleft())

    def _let_go(self, order_id: int) -> None:
        old = self._orders.get(order_id)
        if old is None:
            return  # It went together with the other leg of its list.
        order_list = self._lists.get(old.list_id)
        if order_list is not None and any(leg.is_open for leg in self.legs(order_list)):
            self._closed[old.account].append(order_id)
            return
        for one in (order_id,) if order_list is None else order_list.order_ids:
            gone = self._orders.pop(one, None)
            self._fills.pop(one, None)
            key = (old.account, old.symbol, gone.client_id if gone else "")
            if self._by_client.get(key) == one:
                del self._by_client[key]
        if order_list is not None:
            del self._lists[order_list.id]
            self._lists_by_client.pop((order_list.account, order_list.client_id), None)

    def _is_client_id_open(self, account: str, symbol: str, client_id: str) -> bool:
        order_id = self._by_client.get((account, symbol, client_id))
        return order_id is not None and self._orders[order_id].is_open

    def _open_counts(self, account: str, symbol: str) -> tuple[int, int]:
        """(open orders, waiting or working stop orders among them)."""
        orders = self._open.get((account, symbol), {})
        return len(orders), sum(1 for order in orders.values() if order.type in STOP_TYPES)

    def _report(
        self,
        order: Order,
        execution: Execution,
        now_ms: int,
        fill: Fill | None = None,
        cancel_id: str | None = None,
        reject_reason: str = "NONE",
    ) -> None:
        self.counters.execution += 1
        self._events.append(
            OrderUpdated(
                account=order.account,
                execution_id=self.counters.execution,
                execution=execution,
                order=copy.copy(order),
                at_ms=now_ms,
                fill=fill,
                cancel_id=cancel_id,
                reject_reason=reject_reason,
            )
        )

    def _report_list(self, order_list: OrderList, now_ms: int) -> None:
        orders = tuple(copy.copy(order) for order in self.legs(order_list))
        self._events.append(
            ListChanged(
                account=order_list.account,
                order_list=copy.copy(order_list),
                orders=orders,
                at_ms=now_ms,
            )
        )

    def _touch(self, account: str, *assets: str) -> None:
        self._touched.setdefault(account, set()).update(assets)

    def _report_balances(self, now_ms: int) -> None:
        """One event for each account whose balances the request or market event touched."""
        for name, assets in self._touched.items():
            account = self.accounts[name]
            self._events.append(
                BalancesChanged(
                    account=name,
                    balances={asset: account.balance(asset) for asset in sorted(assets)},
                    at_ms=now_ms,
                )
            )
        self._touched.clear()

    def _is_list_open(self, list_id: int) -> bool:
        return list_id != NO_LIST and self._lists[list_id].status != "ALL_DONE"
