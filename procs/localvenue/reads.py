"""What answers about accounts are read from: the exchange itself, or a memory that lags behind."""

from __future__ import annotations

from typing import Protocol

from procs.localvenue.matching.model import Balance, Fill, Order, OrderList, Refusal


class Reads(Protocol):
    """The questions of GET requests about orders, trades, balances and order lists."""

    def find(
        self, account: str, symbol: str, order_id: int | None, client_id: str | None
    ) -> Order | None:
        """The order with that id or client id; both must agree."""

    def order(
        self, account: str, symbol: str, order_id: int | None = None, client_id: str | None = None
    ) -> Order | Refusal:
        """The same, or the exchange's refusal when there is none."""

    def open_orders(self, account: str, symbol: str | None = None) -> list[Order]:
        """Open orders by id, of one symbol or of all."""

    def all_orders(self, account: str, symbol: str) -> list[Order]:
        """Orders of one symbol, by id."""

    def fills_of(self, order_id: int) -> list[Fill]:
        """The executions of one order, oldest first."""

    def fills(self, account: str, symbol: str) -> list[Fill]:
        """The executions of one account on one symbol, by trade id."""

    def balances(self, account: str) -> dict[str, Balance]:
        """Free and locked of every asset that the account has touched."""

    def find_list(
        self, account: str, list_id: int | None, client_id: str | None
    ) -> OrderList | None:
        """The order list with that id, or the newest with that client id."""

    def lists(self, account: str) -> list[OrderList]:
        """Order lists of one account, by id."""

    def legs(self, order_list: OrderList) -> tuple[Order, ...]:
        """The orders of a list."""
