"""The orders of one account, and of one account on one symbol, with the counts that filters ask."""

from __future__ import annotations

from collections import deque
from typing import Final

from procs.localvenue.matching.model import Order, OrderList, Prevention
from procs.localvenue.matching.words import STOP_TYPES

PREVENTIONS_KEPT: Final = 1_000
"""Prevented matches that stay askable per account and symbol."""


class Sheet:
    """One account's orders on one symbol."""

    __slots__ = ("by_client", "icebergs", "open", "open_lists", "orders", "preventions", "stops")

    def __init__(self) -> None:
        self.orders: dict[int, Order] = {}
        self.open: dict[int, Order] = {}
        self.by_client: dict[str, int] = {}
        """Client id to the newest order that had it."""
        self.stops = 0
        self.icebergs = 0
        self.open_lists = 0
        self.preventions: deque[Prevention] = deque(maxlen=PREVENTIONS_KEPT)

    def came(self, order: Order) -> None:
        """A new order, counted as open."""
        self.orders[order.id] = order
        self.open[order.id] = order
        self.by_client[order.client_id] = order.id
        if order.type in STOP_TYPES:
            self.stops += 1
        if order.iceberg_quantity is not None:
            self.icebergs += 1

    def ended(self, order: Order) -> None:
        """The order is not open any more."""
        del self.open[order.id]
        if order.type in STOP_TYPES:
            self.stops -= 1
        if order.iceberg_quantity is not None:
            self.icebergs -= 1

    def forget(self, order: Order) -> None:
        """The order is not remembered any longer."""
        del self.orders[order.id]
        if self.by_client.get(order.client_id) == order.id:
            del self.by_client[order.client_id]

    def is_client_id_open(self, client_id: str | None) -> bool:
        """Whether an open order has that client id."""
        return client_id is not None and self.by_client.get(client_id) in self.open


class AccountOrders:
    """All orders and lists of one account."""

    __slots__ = ("closed", "lists", "lists_by_client", "sheets")

    def __init__(self) -> None:
        self.sheets: dict[str, Sheet] = {}
        self.lists: dict[int, OrderList] = {}
        self.lists_by_client: dict[str, int] = {}
        self.closed: deque[int] = deque()
        """Ids of ended orders, the oldest first."""

    def sheet(self, symbol: str) -> Sheet:
        """The account's sheet for a symbol; empty at first."""
        found = self.sheets.get(symbol)
        if found is None:
            found = self.sheets[symbol] = Sheet()
        return found
