"""Orders, lists, fills and accounts of the venue, found by every key that a request may use."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

import msgspec

from procs.localvenue.matching.account import Account
from procs.localvenue.matching.ledger import Ledger
from procs.localvenue.matching.model import (
    Amendment,
    Balance,
    BalancesChanged,
    Fill,
    ListChanged,
    Order,
    OrderList,
    OrderUpdated,
    Prevention,
    VenueEvent,
)
from procs.localvenue.matching.queues import Desk
from procs.localvenue.matching.sheets import AccountOrders, Sheet
from procs.localvenue.matching.words import NO_LIST, Execution, ListStatus
from shared.domain.instrument import Instrument
from shared.units import ZERO

CLOSED_ORDERS_KEPT: Final = 20_000
"""Closed orders that stay askable per account; older ones live on in the venue's journal only."""


class Counters(msgspec.Struct):
    """The last ids given out."""

    order: int = 0
    order_list: int = 0
    trade: int = 0
    execution: int = 0
    prevention: int = 0
    queue: int = 0
    """Turns among orders at one price."""
    market_line: int = 0
    """Numbers of market events that came without one."""


class VenueState(msgspec.Struct):
    """Everything a restart needs beside the market's books, which the market repeats."""

    balances: dict[str, dict[str, Balance]]
    orders: list[Order]
    lists: list[OrderList]
    fills: list[Fill]
    counters: Counters
    last_prices: dict[str, Decimal]
    ledger: Ledger
    preventions: list[Prevention] = []
    amendments: list[Amendment] = []


class OrderStore:
    """Holds the state and writes down each change as an event; decides nothing."""

    def __init__(
        self, instruments: Iterable[Instrument], balances: Mapping[str, Mapping[str, Decimal]]
    ) -> None:
        self.desks: dict[str, Desk] = {one.symbol: Desk(one) for one in instruments}
        self.instruments = {symbol: desk.instrument for symbol, desk in self.desks.items()}
        self.published = {symbol: desk.published for symbol, desk in self.desks.items()}
        self.accounts: dict[str, Account] = {}
        self.counters = Counters()
        self.ledger = Ledger()
        self._orders: dict[int, Order] = {}
        self._of: dict[str, AccountOrders] = {}
        self._lists: dict[int, OrderList] = {}
        self._fills: dict[int, list[Fill]] = {}
        self._amendments: dict[int, list[Amendment]] = {}
        self._events: list[VenueEvent] = []
        self._silent: dict[int, Order] = {}
        self._silent_lists: dict[int, OrderList] = {}
        self._touched: dict[str, dict[str, None]] = {}
        for name, free in balances.items():
            self._open_account(Account(name, free))
            for asset, amount in free.items():
                self.ledger.deposit(asset, amount)

    def drain_silent(self) -> list[Order | OrderList]:
        """What changed since the last call without an event that says so: places in queues,
        trailing prices, holds of lists, orders that vanished. A restart needs them, clients are
        not told."""
        if not self._silent and not self._silent_lists:
            return []
        changed: list[Order | OrderList] = [
            *map(copy.copy, self._silent.values()),
            *map(copy.copy, self._silent_lists.values()),
        ]
        self._silent.clear()
        self._silent_lists.clear()
        return changed

    def find(
        self, account: str, symbol: str, order_id: int | None, client_id: str | None
    ) -> Order | None:
        """The order with that id or client id (the newest that had it); both must agree."""
        if order_id is None and client_id is not None:
            sheet = self._seen(account, symbol)
            order_id = None if sheet is None else sheet.by_client.get(client_id)
        order = self._orders.get(order_id) if order_id is not None else None
        if order is None or order.account != account or order.symbol != symbol:
            return None
        return order if client_id is None or client_id == order.client_id else None

    def find_list(
        self, account: str, list_id: int | None, client_id: str | None
    ) -> OrderList | None:
        """The order list with that id, or the newest with that client id."""
        if list_id is None and client_id is not None and account in self._of:
            list_id = self._of[account].lists_by_client.get(client_id)
        found = self._lists.get(list_id) if list_id is not None else None
        return found if found is not None and found.account == account else None

    def open_orders(self, account: str, symbol: str | None = None) -> list[Order]:
        """Open orders by id, of one symbol or of all."""
        own = self._of.get(account)
        if own is None:
            return []
        found = [
            order
            for name, sheet in own.sheets.items()
            if symbol is None or name == symbol
            for order in sheet.open.values()
        ]
        return sorted(found, key=lambda order: order.id)

    def all_orders(self, account: str, symbol: str) -> list[Order]:
        """Orders of one symbol that are still remembered, by id."""
        sheet = self._seen(account, symbol)
        return [] if sheet is None else list(sheet.orders.values())

    def lists(self, account: str) -> list[OrderList]:
        """Order lists of one account, by id."""
        own = self._of.get(account)
        return [] if own is None else list(own.lists.values())

    def legs(self, order_list: OrderList) -> tuple[Order, ...]:
        """The orders of a list, as they stand now."""
        return tuple(self._orders[one] for one in order_list.order_ids)

    def fills_of(self, order_id: int) -> list[Fill]:
        """The executions of one order, oldest first."""
        return self._fills.get(order_id, [])

    def fills(self, account: str, symbol: str) -> list[Fill]:
        """The executions of one account on one symbol, by trade id."""
        orders = self.all_orders(account, symbol)
        found = [fill for order in orders for fill in self.fills_of(order.id)]
        return sorted(found, key=_fill_key)

    def preventions(self, account: str, symbol: str) -> list[Prevention]:
        """The prevented matches of one account on one symbol, oldest first."""
        sheet = self._seen(account, symbol)
        return [] if sheet is None else list(sheet.preventions)

    def amendments(self, order_id: int) -> list[Amendment]:
        """The changes of one order's quantity, oldest first."""
        return list(self._amendments.get(order_id, ()))

    def state(self) -> VenueState:
        """Everything that a restart needs."""
        sheets = [sheet for own in self._of.values() for sheet in own.sheets.values()]
        preventions = [one for sheet in sheets for one in sheet.preventions]
        return VenueState(
            balances={
                name: {asset: account.balance(asset) for asset in sorted(account.free)}
                for name, account in sorted(self.accounts.items())
            },
            orders=list(self._orders.values()),
            lists=list(self._lists.values()),
            fills=sorted((fill for fills in self._fills.values() for fill in fills), key=_fill_key),
            counters=self.counters,
            last_prices=self.last_prices(),
            ledger=self.ledger,
            preventions=sorted(preventions, key=lambda one: one.id),
            amendments=sorted(
                (one for found in self._amendments.values() for one in found),
                key=lambda one: one.execution_id,
            ),
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
        newly_put_in, self.ledger = self.ledger.put_in, state.ledger
        for asset, amount in newly_put_in.items():
            self.ledger.deposit(asset, amount)
        for name, balances in state.balances.items():
            owned = {asset: one.free + one.locked for asset, one in balances.items()}
            account = Account(name, owned)
            for asset, one in balances.items():
                account.lock(asset, one.locked)
            self._open_account(account)
        for order_list in sorted(state.lists, key=lambda found: found.id):
            self._remember_list(order_list)
        for order in sorted(state.orders, key=lambda found: found.id):
            sheet = self._sheet(order)
            self._remember(order, sheet)
            if not order.is_open:
                sheet.ended(order)
                self._of[order.account].closed.append(order.id)
        for fill in sorted(state.fills, key=_fill_key):
            self._fills.setdefault(fill.order_id, []).append(fill)
        for amendment in sorted(state.amendments, key=lambda found: found.execution_id):
            self._amendments.setdefault(amendment.order_id, []).append(amendment)
        for prevention in sorted(state.preventions, key=lambda found: found.id):
            self._of[prevention.account].sheet(prevention.symbol).preventions.append(prevention)
        for symbol, price in state.last_prices.items():
            if symbol in self.published:
                self.published[symbol].last_price = price

    def _open_account(self, account: Account) -> None:
        self.accounts[account.name] = account
        self._of[account.name] = AccountOrders()

    def _seen(self, account: str, symbol: str) -> Sheet | None:
        own = self._of.get(account)
        return None if own is None else own.sheets.get(symbol)

    def _sheet(self, order: Order) -> Sheet:
        return self._of[order.account].sheet(order.symbol)

    def _remember(self, order: Order, sheet: Sheet) -> None:
        self._orders[order.id] = order
        sheet.came(order)

    def _remember_list(self, order_list: OrderList) -> None:
        own = self._of[order_list.account]
        self._lists[order_list.id] = order_list
        own.lists[order_list.id] = order_list
        own.lists_by_client[order_list.client_id] = order_list.id
        if order_list.status != "ALL_DONE":
            own.sheet(order_list.symbol).open_lists += 1

    def _forget_open(self, order: Order) -> None:
        """The order has ended; the oldest closed ones beyond what is kept are let go."""
        own = self._of[order.account]
        own.sheets[order.symbol].ended(order)
        closed = own.closed
        closed.append(order.id)
        while len(closed) > CLOSED_ORDERS_KEPT:
            self._let_go(closed.popleft(), own)

    def _let_go(self, order_id: int, own: AccountOrders) -> None:
        old = self._orders.get(order_id)
        if old is None:
            return  # It went together with the other orders of its list.
        if old.list_id == NO_LIST:
            del self._orders[order_id]
            if old.executed:
                self._fills.pop(order_id, None)
            if old.amends:
                self._amendments.pop(order_id, None)
            own.sheets[old.symbol].forget(old)
            return
        order_list = self._lists.get(old.list_id)
        if order_list is not None and any(leg.is_open for leg in self.legs(order_list)):
            own.closed.append(order_id)
            return
        for one in (order_id,) if order_list is None else order_list.order_ids:
            gone = self._orders.pop(one, None)
            self._fills.pop(one, None)
            self._amendments.pop(one, None)
            if gone is not None:
                own.sheets[gone.symbol].forget(gone)
        if order_list is not None:
            del self._lists[order_list.id]
            del own.lists[order_list.id]
            if own.lists_by_client.get(order_list.client_id) == order_list.id:
                del own.lists_by_client[order_list.client_id]

    def _report(
        self,
        order: Order,
        execution: Execution,
        now_ms: int,
        fill: Fill | None = None,
        cancel_id: str | None = None,
        reject_reason: str = "NONE",
        prevention: Prevention | None = None,
        amendment: Amendment | None = None,
    ) -> Order:
        """Says what happened to an order; returns the copy that was said."""
        self.counters.execution += 1
        said = order.__copy__()
        if execution == "NEW":
            self._events.append(
                OrderUpdated(
                    account=said.account,
                    execution_id=self.counters.execution,
                    execution=execution,
                    order=said,
                    at_ms=now_ms,
                )
            )
            return said
        self._events.append(
            OrderUpdated(
                account=said.account,
                execution_id=self.counters.execution,
                execution=execution,
                order=said,
                at_ms=now_ms,
                fill=fill,
                cancel_id=cancel_id,
                reject_reason=reject_reason,
                prevention=prevention,
                amendment=amendment,
            )
        )
        return said

    def _report_list(
        self, order_list: OrderList, now_ms: int, status: ListStatus | None = None
    ) -> None:
        said = copy.copy(order_list)
        if status is not None:
            said.status = status
        self._events.append(
            ListChanged(
                account=order_list.account,
                order_list=said,
                orders=tuple(copy.copy(order) for order in self.legs(order_list)),
                at_ms=now_ms,
            )
        )

    def _touch(self, account: str, asset: str) -> None:
        """The balance of asset may have changed."""
        touched = self._touched.get(account)
        if touched is None:
            self._touched[account] = {asset: None}
        else:
            touched[asset] = None

    def _report_balances(self, now_ms: int) -> None:
        """One event for each account whose balances the request or market event touched."""
        if not self._touched:
            return
        for name, assets in self._touched.items():
            account = self.accounts[name]
            free, locked = account.free, account.locked
            balances = {
                asset: Balance(free.get(asset, ZERO), locked.get(asset, ZERO))
                for asset in (sorted(assets) if len(assets) > 1 else assets)
            }
            self._events.append(BalancesChanged(account=name, balances=balances, at_ms=now_ms))
        self._touched.clear()

    def _is_list_open(self, list_id: int) -> bool:
        return list_id != NO_LIST and self._lists[list_id].status != "ALL_DONE"


def _fill_key(fill: Fill) -> tuple[int, int]:
    """Fills by trade; the two orders of one trade by their ids."""
    return fill.trade_id, fill.order_id
