"""What a fill and an end do: balances, holds, fees, the list an order belongs to, the events.

Every fill carries its evidence, and is checked against it: nobody gets more than what was there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

from procs.localvenue.matching.account import (
    LedgerBroken,
    add,
    down_to_unit,
    multiply,
    subtract,
    up_to_unit,
)
from procs.localvenue.matching.model import Evidence, Fill, Order, OrderList, Prevention
from procs.localvenue.matching.queues import Desk
from procs.localvenue.matching.store import OrderStore
from procs.localvenue.matching.words import NO_LIST, Execution, OrderStatus
from shared.domain.instrument import Instrument
from shared.units import ZERO


class Settlement(OrderStore):
    """Books executions and ends of orders."""

    def __init__(
        self,
        instruments: Iterable[Instrument],
        balances: Mapping[str, Mapping[str, Decimal]],
        fee_rate: Decimal,
    ) -> None:
        super().__init__(instruments, balances)
        self.fee_rate = fee_rate
        self.fill_share: Callable[[Order, Decimal], Decimal] | None = None
        """A fault: how much a taker gets of the base quantity that it could take."""
        self._due: list[OrderList] = []
        """Lists whose working order was just filled: their pending orders are placed next."""

    def _fill(
        self,
        desk: Desk,
        order: Order,
        price: Decimal,
        quantity: Decimal,
        trade_id: int,
        evidence: Evidence,
        now_ms: int,
        is_maker: bool,
    ) -> Fill:
        """One execution: sibling, balances, fee, status, events."""
        there = subtract(subtract(evidence.quantity, evidence.taken), evidence.queue_ahead)
        remaining = subtract(order.remaining, quantity)
        if quantity > there or quantity <= ZERO or remaining < ZERO:
            raise LedgerBroken(f"order {order.id}: {quantity} filled of {there}, {evidence}")
        if order.list_id != NO_LIST:
            self._end_sibling(order, now_ms)
        quote = down_to_unit(multiply(price, quantity))
        order.executed = add(order.executed, quantity)
        order.executed_quote = add(order.executed_quote, quote)
        order.updated_ms = now_ms
        is_buyer = order.side == "BUY"
        fee, fee_asset = self._pay(desk, order, quantity, quote, remaining)
        if order.iceberg_quantity is not None:
            self._show_slice(desk, order, order.iceberg_quantity, quantity, is_maker)
        fill = Fill(
            trade_id=trade_id,
            order_id=order.id,
            list_id=order.list_id,
            account=order.account,
            symbol=order.symbol,
            price=price,
            quantity=quantity,
            quote_quantity=quote,
            fee=fee,
            fee_asset=fee_asset,
            is_buyer=is_buyer,
            is_maker=is_maker,
            at_ms=now_ms,
            evidence=evidence,
        )
        fills = self._fills.get(order.id)
        if fills is None:
            self._fills[order.id] = [fill]
        else:
            fills.append(fill)
        if remaining > ZERO:
            order.status = "PARTIALLY_FILLED"
            self._report(order, "TRADE", now_ms, fill)
        else:
            self._end(order, "FILLED", "TRADE", now_ms, fill)
        return fill

    def _pay(
        self, desk: Desk, order: Order, quantity: Decimal, quote: Decimal, remaining: Decimal
    ) -> tuple[Decimal, str]:
        """Moves the money of one fill between the account, the market and the fees; the order
        holds from now on what its remaining quantity needs."""
        account = self.accounts[order.account]
        if order.side == "BUY":
            paid, paid_asset, got, got_asset = quote, desk.quote, quantity, desk.base
            still = (
                subtract(order.locked, paid)
                if order.price is None
                else up_to_unit(multiply(order.price, remaining))
            )
        else:
            paid, paid_asset, got, got_asset = quantity, desk.base, quote, desk.quote
            still = subtract(order.locked, paid)
        fee = down_to_unit(multiply(got, self.fee_rate))
        account.pay(paid_asset, subtract(order.locked, still), paid)
        account.receive(got_asset, subtract(got, fee))
        self.ledger.post((paid_asset, paid), (got_asset, got), fee)
        order.locked = still
        self._touch(order.account, paid_asset)
        self._touch(order.account, got_asset)
        return fee, got_asset

    def _show_slice(
        self, desk: Desk, order: Order, slice_size: Decimal, quantity: Decimal, is_maker: bool
    ) -> None:
        """An iceberg whose visible slice is used up shows the next one behind everybody else:
        behind our other orders, and behind what the level's queue publishes now."""
        if not is_maker:
            order.shown = min(slice_size, order.remaining)
            return
        order.shown = subtract(order.shown, quantity)
        if order.shown > 0 or order.price is None:
            return
        order.shown = min(slice_size, order.remaining)
        if order.shown > 0 and desk.own(order.side).remove(order.price, order):
            self._join_queue(desk, order)
            desk.own(order.side).add(order.price, order)

    def _join_queue(self, desk: Desk, order: Order) -> None:
        """Gives an order its place: behind what is published at its price, and behind ours."""
        if order.price is None:
            return
        published = desk.published
        own = published.bids if order.side == "BUY" else published.asks
        order.queue_ahead = own.quantities.get(order.price, ZERO)
        self.counters.queue += 1
        order.queue_number = self.counters.queue
        if order.iceberg_quantity is not None:
            order.shown = min(order.iceberg_quantity, order.remaining)

    def _end(
        self,
        order: Order,
        status: OrderStatus,
        execution: Execution | None,
        now_ms: int,
        fill: Fill | None = None,
        cancel_id: str | None = None,
        reject_reason: str = "NONE",
        prevention: Prevention | None = None,
    ) -> Order:
        """An order leaves the book for good: its hold is freed, its list may be done.

        Without an execution clients are not told. Returns the order as it was then."""
        desk = self.desks[order.symbol]
        if order.status != "PENDING_NEW":
            desk.leave(order)
        held = desk.quote if order.side == "BUY" else desk.base
        if order.locked:
            self.accounts[order.account].unlock(held, order.locked)
            order.locked = ZERO
            self._touch(order.account, held)
        order.status = status
        order.updated_ms = now_ms
        self._forget_open(order)
        if execution is None:
            self._silent[order.id] = order
            said = order
        else:
            said = self._report(
                order, execution, now_ms, fill, cancel_id, reject_reason, prevention
            )
        if order.list_id != NO_LIST:
            self._list_order_ended(self._lists[order.list_id], order, held, now_ms)
        return said

    def _held_asset(self, order: Order) -> str:
        return self.desks[order.symbol].held_asset(order.side)

    def _end_sibling(self, order: Order, now_ms: int) -> None:
        """The first order of a pair to act takes over its part of the hold and ends the other."""
        if order.list_id == NO_LIST:
            return
        order_list = self._lists[order.list_id]
        if order_list.kind != "OCO" and order.id == order_list.order_ids[0]:
            return
        siblings = [leg for leg in self.legs(order_list) if leg.id != order.id and leg.is_open]
        if order_list.locked:
            held = self._held_asset(order)
            own = min(order_list.locked, hold_of(order))
            self.accounts[order.account].unlock(held, subtract(order_list.locked, own))
            order_list.locked = ZERO
            self._silent_lists[order_list.id] = order_list
            order.locked = own
            self._touch(order.account, held)
        for sibling in siblings:
            self._end(sibling, "EXPIRED", "EXPIRED", now_ms)

    def _list_order_ended(
        self, order_list: OrderList, order: Order, held: str, now_ms: int
    ) -> None:
        """The end of a working order makes its pending orders due, or takes them along; a list
        whose orders have all ended is done, and what it still held is freed."""
        legs = self.legs(order_list)
        if order_list.kind != "OCO" and order.id == order_list.order_ids[0]:
            pending = [leg for leg in legs if leg.status == "PENDING_NEW"]
            if pending and order.status == "FILLED":
                self._due.append(order_list)
                return
            for leg in pending:
                self._end(leg, "EXPIRED", "EXPIRED", now_ms)
        if order_list.status == "ALL_DONE" or any(leg.is_open for leg in legs):
            return
        if order_list.locked:
            self.accounts[order_list.account].unlock(held, order_list.locked)
            order_list.locked = ZERO
            self._touch(order_list.account, held)
        order_list.status = "ALL_DONE"
        order_list.updated_ms = now_ms
        self._of[order_list.account].sheets[order_list.symbol].open_lists -= 1
        self._report_list(order_list, now_ms)


def hold_of(order: Order) -> Decimal:
    """What an order holds: quote at its price for a buy, the base quantity for a sell.

    A buy stop without a price of its own holds its quantity at its stop price, or at the price
    that it trails; what it needs beyond that is looked for when it triggers."""
    if order.side == "SELL":
        return order.remaining
    price = order.price
    if price is None:
        price = order.stop_price or order.trailing_price
    return ZERO if price is None else up_to_unit(multiply(price, order.remaining))
