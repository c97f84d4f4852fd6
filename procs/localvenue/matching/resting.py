"""What the market does to resting orders: it comes to them, trades at them, trades through them.

Only trades eat the queue before an order. Depth updates and trades come on different streams and
tell the same thing twice: who counted both would count every execution before us double.
"""

from __future__ import annotations

from collections import deque
from decimal import Decimal

from procs.localvenue.market.events import Traded
from procs.localvenue.matching.account import add, subtract
from procs.localvenue.matching.model import Evidence, Order
from procs.localvenue.matching.published import BookSide
from procs.localvenue.matching.queues import Desk, PriceQueue, limit_of
from procs.localvenue.matching.taking import Taking
from shared.units import ZERO


class Resting(Taking):
    """Fills makers, each with what the market says was there for it."""

    def _fill_crossed(self, desk: Desk, now_ms: int) -> None:
        """Resting orders that the opposite best has come to are filled at their own price."""
        bid, ask = desk.published.bids.first, desk.published.asks.first
        our_bid, our_ask = desk.bids.first, desk.asks.first
        if our_bid is not None and ask is not None and our_bid >= ask:
            self._meet_levels(desk, desk.bids.reached(ask), desk.published.asks, now_ms)
        if our_ask is not None and bid is not None and our_ask <= bid:
            self._meet_levels(desk, desk.asks.reached(bid), desk.published.bids, now_ms)

    def _meet_levels(self, desk: Desk, orders: list[Order], levels: BookSide, now_ms: int) -> None:
        for order in orders:
            for price, available in list(levels.takeable(limit_of(order))):
                if not order.is_open:
                    break
                quantity = min(available, order.remaining)
                self._fill_maker(desk, order, quantity, levels.take(price, quantity), now_ms)

    def _fill_traded(self, desk: Desk, trade: Traded, line: int, now_ms: int) -> None:
        """A print better than an order's price, or at its price after the queue before it, fills
        it. All our orders share what the print says, in the order of price and time."""
        got = ZERO
        for queue, is_bid in ((desk.bids, True), (desk.asks, False)):
            best = queue.first
            if best is None or (best < trade.price if is_bid else best > trade.price):
                continue
            got = self._fill_passed(desk, queue, trade, line, got, now_ms)
            # A print at the price itself came to the queue of the side that did not take.
            if trade.buyer_is_maker == is_bid:
                got = self._fill_at_price(desk, queue, trade, line, got, now_ms)

    def _fill_passed(
        self, desk: Desk, queue: PriceQueue, trade: Traded, line: int, got: Decimal, now_ms: int
    ) -> Decimal:
        """Orders with a better price than the print: their queues are gone."""
        for order in queue.reached(trade.price):
            if order.price == trade.price:
                break
            if not order.is_open:
                continue
            if order.queue_ahead:
                order.queue_ahead = ZERO
                self._silent[order.id] = order
            left = subtract(trade.quantity, got)
            if left <= 0:
                continue
            quantity = min(left, order.remaining)
            self._fill_maker(desk, order, quantity, _proof(trade, line, got, ZERO), now_ms)
            got = add(got, quantity)
        return got

    def _fill_at_price(
        self, desk: Desk, queue: PriceQueue, trade: Traded, line: int, got: Decimal, now_ms: int
    ) -> Decimal:
        """Orders at the price of the print: first the queue before each of them is served."""
        waiting = deque(queue.at(trade.price))
        while waiting:
            order = waiting.popleft()
            left = subtract(trade.quantity, got)
            if left <= 0:
                break
            if not order.is_open:
                continue
            ahead = order.queue_ahead
            if ahead:
                order.queue_ahead = max(ZERO, subtract(ahead, left))
                self._silent[order.id] = order
            beyond = subtract(left, ahead)
            if beyond <= 0:
                continue
            quantity = min(beyond, order.shown or order.remaining)
            turn = order.queue_number
            self._fill_maker(desk, order, quantity, _proof(trade, line, got, ahead), now_ms)
            got = add(got, quantity)
            if order.is_open and order.queue_number != turn:
                waiting.append(order)  # An iceberg's next slice stands behind all others.
        return got

    def _fill_maker(
        self, desk: Desk, order: Order, quantity: Decimal, evidence: Evidence, now_ms: int
    ) -> None:
        self.counters.trade += 1
        trade_id, price = self.counters.trade, limit_of(order)
        self._fill(desk, order, price, quantity, trade_id, evidence, now_ms, True)


def _proof(trade: Traded, line: int, taken: Decimal, queue_ahead: Decimal) -> Evidence:
    return Evidence(
        kind="trade",
        source=line,
        price=trade.price,
        quantity=trade.quantity,
        taken=taken,
        queue_ahead=queue_ahead,
        trade_id=trade.trade_id,
    )
