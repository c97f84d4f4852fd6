"""How orders meet the market: taking, resting, being traded through, triggering, ending.

Fills never exceed what the market shows or prints: takers walk the published levels less what we
took of them already; makers fill when trades print through their price, when trades at their price
have eaten the queue that stood before them, or when the opposite best crosses them.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping
from decimal import Decimal

from procs.localvenue.market.events import BookChanged, MarketEvent, Traded
from procs.localvenue.matching.account import (
    add,
    down_to_unit,
    multiply,
    subtract,
    up_to_unit,
)
from procs.localvenue.matching.model import (
    NO_LIST,
    STOP_TYPES,
    Execution,
    Fill,
    Order,
    OrderList,
    OrderStatus,
    Side,
)
from procs.localvenue.matching.published import Published
from procs.localvenue.matching.store import OrderStore
from shared.domain.instrument import Instrument
from shared.units import ZERO, floor_to

Plan = list[tuple[Decimal, Decimal]]
"""(price, quantity) that a taker would get, best first."""


class _Queue:
    """Orders of one kind on one symbol by price and age; `sign` -1 puts the highest price first."""

    def __init__(self, sign: int) -> None:
        self._sign = sign
        self._keys: list[tuple[Decimal, int]] = []

    def insert(self, price: Decimal, order_id: int) -> None:
        insort(self._keys, (price * self._sign, order_id))

    def remove(self, price: Decimal, order_id: int) -> None:
        del self._keys[bisect_left(self._keys, (price * self._sign, order_id))]

    def holds(self, price: Decimal, order_id: int) -> bool:
        key = (price * self._sign, order_id)
        at = bisect_left(self._keys, key)
        return at < len(self._keys) and self._keys[at] == key

    def reached(self, price: Decimal) -> list[int]:
        """Ids of orders at `price` or better, best and oldest first."""
        keys, limit = self._keys, price * self._sign
        if not keys or keys[0][0] > limit:
            return []
        return [order_id for key, order_id in keys if key <= limit]


class _SymbolOrders:
    """Our resting and waiting orders on one symbol."""

    def __init__(self) -> None:
        self.resting: dict[Side, _Queue] = {"BUY": _Queue(-1), "SELL": _Queue(1)}
        self.waits_for_rise = _Queue(1)
        self.waits_for_fall = _Queue(-1)

    def waiting(self, order: Order) -> _Queue:
        """Where a stop waits: for the last price to rise to its stop price, or to fall to it."""
        return (
            self.waits_for_rise if rises_to_trigger(order.type, order.side) else self.waits_for_fall
        )


def rises_to_trigger(order_type: str, side: Side) -> bool:
    """Whether the last price triggers by rising: buy stop-losses and sell take-profits do."""
    return (order_type == "STOP_LOSS_LIMIT") == (side == "BUY")


class ExecutionCore(OrderStore):
    """Moves orders and balances when the market moves; the request side is in `exchange`."""

    def __init__(
        self,
        instruments: Iterable[Instrument],
        balances: Mapping[str, Mapping[str, Decimal]],
        fee_rate: Decimal,
    ) -> None:
        super().__init__(instruments, balances)
        self.fee_rate = fee_rate
        self._books: dict[str, _SymbolOrders] = {name: _SymbolOrders() for name in self.instruments}
        self._due: list[OrderList] = []
        """Lists whose working order was just filled: their pending orders are placed next."""

    def on_market(self, event: MarketEvent, now_ms: int) -> None:
        """Takes over one market event and everything it does to our orders."""
        if isinstance(event, BookChanged):
            published = self.published[event.symbol]
            published.apply(event)
            self._fill_crossed(event.symbol, published, now_ms)
        elif isinstance(event, Traded):
            self.published[event.symbol].traded(event)
            self._fill_traded_through(event, now_ms)
            self._trigger(event.symbol, event.price, now_ms)
        if self._touched:
            self._place_due(now_ms)
            self._report_balances(now_ms)

    def _place_due(self, now_ms: int) -> None:
        """Pending orders whose working order is filled go to work, wait or are rejected."""
        while self._due:
            order_list = self._due.pop(0)
            pending = [leg for leg in self.legs(order_list) if leg.status == "PENDING_NEW"]
            if not pending:
                continue
            reason = self._pending_fault(pending)
            held = self._held_asset(pending[0])
            hold = ZERO if reason else max(self._hold(order) for order in pending)
            if hold > self.accounts[order_list.account].available(held):
                reason = "INSUFFICIENT_BALANCES"
            if reason is not None:
                for order in pending:
                    self._end(order, "REJECTED", "REJECTED", now_ms, reject_reason=reason)
                continue
            self.accounts[order_list.account].lock(held, hold)
            self._touch(order_list.account, held)
            if len(pending) > 1:
                order_list.locked = hold
            else:
                pending[0].locked = hold
            for order in pending:
                order.status = "NEW"
                order.updated_ms = now_ms
                order.working_ms = -1 if order.type in STOP_TYPES else now_ms
                self._report(order, "NEW", now_ms)
            for order in pending:
                if order.is_open:
                    self._start(order, now_ms)

    def _pending_fault(self, pending: list[Order]) -> str | None:
        """Why pending orders cannot be placed now, in the exchange's word for it."""
        for order in pending:
            published = self.published[order.symbol]
            best, last = published.opposite(order.side).best(), published.reference_price()
            if order.type == "LIMIT_MAKER" and best is not None:
                price = _limit(order)
                if price >= best if order.side == "BUY" else price <= best:
                    return "WOULD_MATCH_IMMEDIATELY"
            if order.type in STOP_TYPES and last is not None and order.stop_price is not None:
                rises = rises_to_trigger(order.type, order.side)
                if last >= order.stop_price if rises else last <= order.stop_price:
                    return "STOP_PRICE_WOULD_TRIGGER_IMMEDIATELY"
        return None

    def _start(self, order: Order, now_ms: int) -> None:
        """A new order waits for its stop price, or goes to work."""
        if order.is_working:
            self._work(order, now_ms)
        else:
            self._books[order.symbol].waiting(order).insert(_stop(order), order.id)

    def _hold(self, order: Order) -> Decimal:
        """What a new order holds; a market buy holds what the book will charge it."""
        if order.side == "SELL" or order.price is not None:
            return hold_of(order.side, order.price or ZERO, order.quantity)
        return sum((down_to_unit(multiply(price, size)) for price, size in self._plan(order)), ZERO)

    def _held_asset(self, order: Order) -> str:
        instrument = self.instruments[order.symbol]
        return instrument.quote if order.side == "BUY" else instrument.base

    def _fill_crossed(self, symbol: str, published: Published, now_ms: int) -> None:
        """Resting orders that the opposite best has come to are filled at their own price."""
        for side, queue in self._books[symbol].resting.items():
            opposite = published.opposite(side)
            best = opposite.best()
            if best is None:
                continue
            for order_id in queue.reached(best):
                order = self._orders[order_id]
                for price, available in list(opposite.takeable(order.price)):
                    if not order.is_open:
                        break
                    quantity = min(available, order.remaining)
                    opposite.take(price, quantity)
                    self._fill(order, _limit(order), quantity, True, now_ms)

    def _fill_traded_through(self, trade: Traded, now_ms: int) -> None:
        """A print better than an order's price fills it; a print at its price may."""
        for side, queue in self._books[trade.symbol].resting.items():
            left = trade.quantity
            for order_id in queue.reached(trade.price):
                order = self._orders[order_id]
                if not order.is_open:
                    continue
                if order.price != trade.price:
                    self._fill(order, _limit(order), order.remaining, True, now_ms)
                    continue
                if trade.buyer_is_maker != (side == "BUY"):
                    continue  # The taker of this print came to the other side's queue.
                beyond = subtract(left, order.queue_ahead)
                order.queue_ahead = max(ZERO, subtract(order.queue_ahead, left))
                if beyond > 0:
                    quantity = min(beyond, order.remaining)
                    left = subtract(left, quantity)
                    self._fill(order, _limit(order), quantity, True, now_ms)

    def _trigger(self, symbol: str, last_price: Decimal, now_ms: int) -> None:
        """Stops that the last price has reached go to work as limit orders."""
        book = self._books[symbol]
        for queue in (book.waits_for_fall, book.waits_for_rise):
            for order_id in queue.reached(last_price):
                order = self._orders[order_id]
                if order.is_open and not order.is_working:
                    queue.remove(_stop(order), order_id)
                    self._end_sibling(order, now_ms)
                    order.working_ms = order.updated_ms = now_ms
                    self._report(order, "NEW", now_ms)
                    self._work(order, now_ms)

    def _work(self, order: Order, now_ms: int) -> None:
        """Takes what an order can take now; the rest goes on the book or expires."""
        published = self.published[order.symbol]
        opposite = published.opposite(order.side)
        plan = self._plan(order)
        wanted = sum((quantity for _, quantity in plan), ZERO)
        if order.time_in_force == "FOK" and wanted < order.quantity:
            plan = []
        for price, quantity in plan:
            opposite.take(price, quantity)
            self._fill(order, price, quantity, False, now_ms)
        if not order.is_open:
            return
        if order.type == "MARKET" or order.time_in_force != "GTC":
            self._end(order, "EXPIRED", "EXPIRED", now_ms)
            return
        price = _limit(order)
        order.queue_ahead = published.own(order.side).quantities.get(price, ZERO)
        self._books[order.symbol].resting[order.side].insert(price, order.id)

    def _plan(self, order: Order) -> Plan:
        """What a taker would get of the published book now."""
        opposite = self.published[order.symbol].opposite(order.side)
        return _walk(opposite.takeable(order.price), order.remaining)

    def _plan_for_quote(self, symbol: str, side: Side, quote: Decimal) -> Plan:
        """What a market order over an amount of quote would get, in whole lot steps."""
        step = self.instruments[symbol].step_size
        plan: Plan = []
        for price, available in self.published[symbol].opposite(side).takeable(None):
            quantity = min(available, floor_to(quote / price, step))
            if quantity <= 0:
                break
            plan.append((price, quantity))
            quote = subtract(quote, multiply(price, quantity))
        return plan

    def _fill(
        self, order: Order, price: Decimal, quantity: Decimal, is_maker: bool, now_ms: int
    ) -> None:
        """One execution: sibling, balances, fee, status, events."""
        self._end_sibling(order, now_ms)
        instrument = self.instruments[order.symbol]
        account = self.accounts[order.account]
        quote = down_to_unit(multiply(price, quantity))
        order.executed = add(order.executed, quantity)
        order.executed_quote = add(order.executed_quote, quote)
        is_buyer = order.side == "BUY"
        if is_buyer:
            paid, paid_asset, got, got_asset = quote, instrument.quote, quantity, instrument.base
        else:
            paid, paid_asset, got, got_asset = quantity, instrument.base, quote, instrument.quote
        still = (
            up_to_unit(multiply(order.price, order.remaining))
            if is_buyer and order.price is not None
            else subtract(order.locked, paid)
        )
        fee = down_to_unit(multiply(got, self.fee_rate))
        account.pay(paid_asset, subtract(order.locked, still), paid)
        account.receive(got_asset, subtract(got, fee))
        order.locked = still
        self._touch(order.account, paid_asset, got_asset)
        self.counters.trade += 1
        fill = Fill(
            trade_id=self.counters.trade,
            order_id=order.id,
            list_id=order.list_id,
            account=order.account,
            symbol=order.symbol,
            price=price,
            quantity=quantity,
            quote_quantity=quote,
            fee=fee,
            fee_asset=got_asset,
            is_buyer=is_buyer,
            is_maker=is_maker,
            at_ms=now_ms,
        )
        self._fills.setdefault(order.id, []).append(fill)
        order.updated_ms = now_ms
        if order.remaining > 0:
            order.status = "PARTIALLY_FILLED"
            self._report(order, "TRADE", now_ms, fill)
        else:
            self._end(order, "FILLED", "TRADE", now_ms, fill)

    def _end(
        self,
        order: Order,
        status: OrderStatus,
        execution: Execution,
        now_ms: int,
        fill: Fill | None = None,
        cancel_id: str | None = None,
        reject_reason: str = "NONE",
    ) -> None:
        """An order leaves the book for good: its hold is freed, its list may be done."""
        if order.status != "PENDING_NEW":
            self._leave_queues(order)
        instrument = self.instruments[order.symbol]
        held = instrument.quote if order.side == "BUY" else instrument.base
        if order.locked:
            self.accounts[order.account].unlock(held, order.locked)
            order.locked = ZERO
        self._touch(order.account, held)
        order.status = status
        order.updated_ms = now_ms
        self._forget_open(order)
        self._report(order, execution, now_ms, fill, cancel_id, reject_reason)
        if order.list_id == NO_LIST:
            return
        order_list = self._lists[order.list_id]
        if order_list.kind != "OCO" and order.id == order_list.order_ids[0]:
            self._working_ended(order_list, order, now_ms)
        self._finish_list(order_list, held, now_ms)

    def _working_ended(self, order_list: OrderList, working: Order, now_ms: int) -> None:
        """A filled working order makes the pending ones due, any other end takes them along."""
        if working.status == "FILLED":
            self._due.append(order_list)
            return
        for order in self.legs(order_list):
            if order.status == "PENDING_NEW":
                self._end(order, "EXPIRED", "EXPIRED", now_ms)

    def _leave_queues(self, order: Order) -> None:
        book = self._books[order.symbol]
        if order.type in STOP_TYPES and not order.is_working:
            book.waiting(order).remove(_stop(order), order.id)
            return
        if order.type != "MARKET":
            queue = book.resting[order.side]
            if queue.holds(_limit(order), order.id):
                queue.remove(_limit(order), order.id)

    def _end_sibling(self, order: Order, now_ms: int) -> None:
        """The first leg of a list to act takes over its own part of the hold and ends the other."""
        if order.list_id == NO_LIST:
            return
        order_list = self._lists[order.list_id]
        if order_list.kind != "OCO" and order.id == order_list.order_ids[0]:
            return
        siblings = [leg for leg in self.legs(order_list) if leg.id != order.id and leg.is_open]
        if not siblings:
            return
        instrument = self.instruments[order.symbol]
        held = instrument.quote if order.side == "BUY" else instrument.base
        own = hold_of(order.side, _limit(order), order.remaining)
        self.accounts[order.account].unlock(held, subtract(order_list.locked, own))
        order_list.locked = ZERO
        order.locked = own
        self._end(siblings[0], "EXPIRED", "EXPIRED", now_ms)

    def _finish_list(self, order_list: OrderList, held: str, now_ms: int) -> None:
        """A list whose orders have all ended is done; what it still held is freed."""
        if order_list.status == "ALL_DONE" or any(leg.is_open for leg in self.legs(order_list)):
            return
        if order_list.locked:
            self.accounts[order_list.account].unlock(held, order_list.locked)
            order_list.locked = ZERO
        order_list.status = "ALL_DONE"
        order_list.updated_ms = now_ms
        self._report_list(order_list, now_ms)


def hold_of(side: Side, price: Decimal, quantity: Decimal) -> Decimal:
    """What a limit order holds: quote at its price for a buy, the base quantity for a sell."""
    return up_to_unit(multiply(price, quantity)) if side == "BUY" else quantity


def _walk(levels: Iterable[tuple[Decimal, Decimal]], wanted: Decimal) -> Plan:
    plan: Plan = []
    for price, available in levels:
        if not wanted:
            break
        quantity = min(available, wanted)
        plan.append((price, quantity))
        wanted = subtract(wanted, quantity)
    return plan


def _limit(order: Order) -> Decimal:
    assert order.price is not None, "only market orders have no price, and they never rest"
    return order.price


def _stop(order: Order) -> Decimal:
    assert order.stop_price is not None, "every waiting order has a stop price"
    return order.stop_price
