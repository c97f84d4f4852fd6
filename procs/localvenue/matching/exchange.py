"""The venue's matching core as a client meets it: place, place an order list, cancel, amend, query.

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
from procs.localvenue.matching.account import LedgerBroken, add
from procs.localvenue.matching.amending import Amending
from procs.localvenue.matching.model import (
    Balance,
    BalanceMoved,
    Canceled,
    Order,
    OrderList,
    Refusal,
    VenueEvent,
)
from procs.localvenue.matching.store import VenueState
from procs.localvenue.matching.words import NO_LIST, OPEN_STATUSES, CancelRestriction
from shared.domain.instrument import Instrument
from shared.units import ZERO

FEE_RATE: Final = Decimal("0.001")
"""0.1 % of what is received, of makers and takers alike."""

PROVEN_EVERY: Final = 5_000
"""Events after which the whole ledger is proven again; each fill and hold is checked at once."""

_STATE_DECODER: Final = msgspec.json.Decoder(VenueState)


class Exchange(Amending):
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
        self._unproven = 0

    @property
    def has_news(self) -> bool:
        """Whether `drain` has something to return."""
        return bool(self._events)

    def drain(self) -> list[VenueEvent]:
        """Everything that happened since the last drain, in order; LedgerBroken as `verify`."""
        events = self._events
        self._events = []
        self._unproven += len(events)
        if self._unproven >= PROVEN_EVERY:
            self._unproven = 0
            self.verify()
        return events

    def cancel(
        self,
        account: str,
        symbol: str,
        now_ms: int,
        *,
        order_id: int | None = None,
        client_id: str | None = None,
        cancel_id: str | None = None,
        restriction: CancelRestriction | None = None,
    ) -> Canceled | Refusal:
        """Cancels an open order; one order of a list cancels the whole list.

        With a restriction, only when the order has traded nothing, or something, yet."""
        order = self.find(account, symbol, order_id, client_id)
        if order is None or order.status not in OPEN_STATUSES:
            return refusals.CANCEL_UNKNOWN
        if restriction is not None and order.status != restriction.removeprefix("ONLY_"):
            return refusals.CANCEL_RESTRICTED
        cancel_id = cancel_id or self._cancel_id()
        if order.list_id != NO_LIST:
            order_list = self._lists[order.list_id]
            if len(self._open_legs(order_list)) > 1:
                return self._cancel_list(order_list, now_ms, cancel_id)
        said = self._end(order, "CANCELED", "CANCELED", now_ms, cancel_id=cancel_id)
        self._report_balances(now_ms)
        return Canceled(cancel_id, (said,))

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
        return self._cancel_list(found, now_ms, cancel_id or self._cancel_id())

    def cancel_all(self, account: str, symbol: str, now_ms: int) -> list[Canceled] | Refusal:
        """Cancels every open order of a symbol; refuses when there is none."""
        done: list[Canceled] = []
        for order in self.open_orders(account, symbol):
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

    def move_balance(
        self, account: str, asset: str, amount: Decimal, now_ms: int
    ) -> Refusal | None:
        """A deposit of amount, or a withdrawal when it is below zero; of free funds only."""
        owner = self.accounts.get(account)
        if owner is None:
            return refusals.UNKNOWN_ACCOUNT
        if add(owner.available(asset), amount) < 0:
            return refusals.INSUFFICIENT_BALANCE
        owner.move(asset, amount)
        self.ledger.deposit(asset, amount)
        self._events.append(BalanceMoved(account=account, asset=asset, amount=amount, at_ms=now_ms))
        self._touch(account, asset)
        self._report_balances(now_ms)
        return None

    def vanish(self, order_id: int, now_ms: int) -> None:
        """A fault: an open order is canceled and its hold freed, and no client is told of it."""
        order = self._orders.get(order_id)
        if order is None or not order.is_open:
            return
        self._end(order, "CANCELED", None, now_ms)
        self._place_due(now_ms)
        self._report_balances(now_ms)

    def verify(self) -> dict[str, Decimal]:
        """What was put in, by asset (L15).

        Raises LedgerBroken unless each account adds up, all accounts together with the market's
        and the fees are what was put in, and holds are exactly those of the open orders."""
        for name, account in self.accounts.items():
            account.verify()
            held: dict[str, Decimal] = {}
            for order in self.open_orders(name):
                asset = self._held_asset(order)
                held[asset] = add(held.get(asset, ZERO), order.locked)
            for order_list in self.lists(name):
                if order_list.locked:
                    asset = self._held_asset(self.legs(order_list)[-1])
                    held[asset] = add(held.get(asset, ZERO), order_list.locked)
            for asset, locked in account.locked.items():
                if held.get(asset, ZERO) != locked:
                    raise LedgerBroken(f"{name}: {asset} held {held}, locked {locked}")
        return self.ledger.verify(self.accounts.values())

    def totals(self) -> dict[str, Decimal]:
        """What was put in, by asset; proven as in `verify`."""
        return self.verify()

    def save(self) -> bytes:
        """Accounts, orders, lists, fills, ids and last prices as JSON."""
        return msgspec.json.encode(self.state())

    def load(self, saved: bytes) -> None:
        """Takes up what `save` wrote, into an exchange that has not been used."""
        self.restore(_STATE_DECODER.decode(saved))

    def restore(self, state: VenueState) -> None:
        """Takes up a state; open orders go back to their queues, in their turns."""
        self._adopt(state)
        orders = [order for name in self.accounts for order in self.open_orders(name)]
        for order in sorted(orders, key=lambda one: (one.queue_number, one.id)):
            desk = self.desks.get(order.symbol)
            if desk is None or order.status == "PENDING_NEW":
                continue
            if order.is_working:
                desk.rest(order)
            else:
                desk.wait(order)

    def _cancel_id(self) -> str:
        return f"cancel{10**15 + self.counters.execution + 1}"

    def _cancel_list(self, found: OrderList, now_ms: int, cancel_id: str) -> Canceled:
        # Pending orders first: the end of the working one would expire them.
        for order in reversed(self._open_legs(found)):
            self._end(order, "CANCELED", "CANCELED", now_ms, cancel_id=cancel_id)
        self._report_balances(now_ms)
        orders = tuple(copy.copy(order) for order in self.legs(found))
        return Canceled(cancel_id, orders, copy.copy(found))
