"""Orders that wait: stops for the last price, trailing stops behind it, pending orders of a list.

The last trade price alone triggers. Trailing stops follow faqs/trailing-stop-faq.md of the
exchange's documentation: sells fall from the highest price, buys rise from the lowest.
"""

from __future__ import annotations

from decimal import Decimal

from procs.localvenue.market.events import BookChanged, MarketEvent, Traded
from procs.localvenue.matching.account import multiply
from procs.localvenue.matching.model import Order, OrderList
from procs.localvenue.matching.plans import cost
from procs.localvenue.matching.queues import Desk, rises_to_trigger
from procs.localvenue.matching.resting import Resting
from procs.localvenue.matching.words import MARKET_TYPES, STOP_TYPES
from shared.units import BPS, ONE, ZERO


class Triggers(Resting):
    """Takes over the market's events and everything they do to our orders."""

    def on_market(self, event: MarketEvent, now_ms: int) -> None:
        """Takes over one market event and everything it does to our orders."""
        if isinstance(event, BookChanged):
            desk = self.desks[event.symbol]
            desk.published.apply(event, event.line or self._next_line())
            self._fill_crossed(desk, now_ms)
        elif isinstance(event, Traded):
            desk = self.desks[event.symbol]
            desk.published.traded(event)
            self._fill_traded(desk, event, event.line or self._next_line(), now_ms)
            self._trigger(desk, event.price, now_ms)
        if self._touched or self._due:
            self._place_due(now_ms)
            self._report_balances(now_ms)

    def _next_line(self) -> int:
        """A number for an event that came without one, so that evidence always has a source."""
        self.counters.market_line += 1
        return self.counters.market_line

    def _trigger(self, desk: Desk, last_price: Decimal, now_ms: int) -> None:
        """Stops that the last price has reached go to work."""
        if not desk.has_waiting:
            return
        triggered = [
            *desk.waits_for_fall.reached(last_price),
            *desk.waits_for_rise.reached(last_price),
        ]
        triggered.extend(
            order for order in desk.trailing.values() if self._trail(order, last_price, now_ms)
        )
        for order in triggered:
            if order.is_open and not order.is_working:
                self._activate(desk, order, now_ms)

    def _trail(self, order: Order, last_price: Decimal, now_ms: int) -> bool:
        """Moves a trailing stop after the price; true when the price came back by its delta."""
        delta_bps, best = order.trailing_delta_bps, order.trailing_price
        assert delta_bps is not None, "only trailing stops are followed"
        if order.trailing_ms is None:
            if order.stop_price is None or is_reached(order, last_price):
                order.trailing_ms, order.trailing_price = now_ms, last_price
                self._silent[order.id] = order
            return False
        sells = order.side == "SELL"
        if best is None or (last_price > best if sells else last_price < best):
            order.trailing_price = last_price
            self._silent[order.id] = order
            return False
        turn = multiply(best, ONE - delta_bps / BPS if sells else ONE + delta_bps / BPS)
        return last_price <= turn if sells else last_price >= turn

    def _activate(self, desk: Desk, order: Order, now_ms: int) -> None:
        """A stop goes to work: the other order of its pair ends, clients hear NEW again."""
        desk.leave(order)
        self._end_sibling(order, now_ms)
        order.working_ms = order.updated_ms = now_ms
        plan = None
        if order.type in MARKET_TYPES and order.side == "BUY":
            # It held a guess of its cost; what the book asks beyond that comes from free funds,
            # and what they do not cover is not bought.
            account = self.accounts[order.account]
            account.unlock(desk.quote, order.locked)
            plan = self._plan(desk, order, account.available(desk.quote))
            order.locked = cost(plan)
            account.lock(desk.quote, order.locked)
            self._touch(order.account, desk.quote)
        self._join_queue(desk, order)
        self._report(order, "NEW", now_ms)
        self._work(desk, order, now_ms, plan)

    def _start(self, desk: Desk, order: Order, now_ms: int) -> None:
        """A new order waits for its price, or goes to work."""
        if order.is_working:
            self._work(desk, order, now_ms)
        else:
            desk.wait(order)

    def _prepare(self, desk: Desk, order: Order, now_ms: int) -> None:
        """What an order needs before it is told of: its place in a queue, where it trails from."""
        if order.type not in STOP_TYPES:
            order.working_ms = now_ms
            self._join_queue(desk, order)
        elif order.trailing_delta_bps is not None and order.stop_price is None:
            order.trailing_price = desk.published.reference_price()
            if order.trailing_price is not None:
                order.trailing_ms = now_ms

    def _place_due(self, now_ms: int) -> None:
        """Pending orders whose working order is filled go to work, wait or are rejected."""
        while self._due:
            order_list = self._due.pop(0)
            pending = [leg for leg in self.legs(order_list) if leg.status == "PENDING_NEW"]
            if pending:
                self._place_pending(order_list, pending, now_ms)

    def _place_pending(self, order_list: OrderList, pending: list[Order], now_ms: int) -> None:
        desk = self.desks[order_list.symbol]
        account, held = self.accounts[order_list.account], desk.held_asset(pending[0].side)
        for order in pending:
            self._prepare(desk, order, now_ms)
        reason = next(filter(None, (self._pending_fault(desk, one) for one in pending)), None)
        hold = ZERO if reason else max(self._hold(order) for order in pending)
        if hold > account.available(held):
            reason = "INSUFFICIENT_BALANCES"
        if reason is not None:
            for order in pending:
                order.working_ms = -1
                self._end(order, "REJECTED", "REJECTED", now_ms, reject_reason=reason)
            return
        account.lock(held, hold)
        self._touch(order_list.account, held)
        if len(pending) > 1:
            order_list.locked = hold
        else:
            pending[0].locked = hold
        order_list.updated_ms = now_ms
        for order in pending:
            order.status = "NEW"
            order.updated_ms = now_ms
            self._report(order, "NEW", now_ms)
        self._report_list(order_list, now_ms)
        for order in pending:
            if order.is_open:
                self._start(desk, order, now_ms)

    def _pending_fault(self, desk: Desk, order: Order) -> str | None:
        """Why a pending order cannot be placed now, in the exchange's word for it."""
        if order.type == "LIMIT_MAKER" and self._crosses(desk, order):
            return "WOULD_MATCH_IMMEDIATELY"
        last = desk.published.reference_price()
        if order.stop_price is not None and last is not None and is_reached(order, last):
            return "STOP_PRICE_WOULD_TRIGGER_IMMEDIATELY"
        return None


def is_reached(order: Order, last_price: Decimal) -> bool:
    """Whether the last price has come to an order's stop price."""
    if order.stop_price is None:
        return False
    if rises_to_trigger(order.type, order.side):
        return last_price >= order.stop_price
    return last_price <= order.stop_price
