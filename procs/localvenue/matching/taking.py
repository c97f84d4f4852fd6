"""An order goes to work: it takes what its plan says, and rests or expires with the rest."""

from __future__ import annotations

from decimal import Decimal

from procs.localvenue.matching.account import add, subtract
from procs.localvenue.matching.model import Evidence, Order, OrderList, Prevention
from procs.localvenue.matching.plans import (
    ENDS_TAKER,
    Plan,
    Step,
    Wanted,
    cost,
    cut,
    make_plan,
    traded,
)
from procs.localvenue.matching.queues import Desk
from procs.localvenue.matching.settlement import Settlement, hold_of
from procs.localvenue.matching.words import MARKET_TYPES, NO_LIST, SelfTradePrevention
from shared.units import ZERO, floor_to


class Taking(Settlement):
    """Carries out plans of takers."""

    def _plan(self, desk: Desk, order: Order, budget: Decimal | None = None) -> Plan:
        """What an order would meet now, within an amount of quote when there is a budget."""
        is_buy, limit = order.side == "BUY", order.price
        levels = desk.published.asks if is_buy else desk.published.bids
        best, our = levels.first, (desk.asks if is_buy else desk.bids).first
        if our is None:
            # The usual order: nobody of ours is there, and it meets nothing or one level.
            if best is None:
                return []
            if limit is not None and (best > limit if is_buy else best < limit):
                return []
            if budget is None and levels.left(best) >= order.remaining:
                return [Step(best, order.remaining)]
        elif not self._crosses(desk, order):
            return []
        wanted = Wanted(
            order.account,
            order.side,
            order.prevention,
            order.remaining,
            budget,
            desk.instrument.step_size,
        )
        return make_plan(desk, wanted, limit)

    def _crosses(self, desk: Desk, order: Order) -> bool:
        """Whether the best of the other side, published or ours, is within the order's limit."""
        return order.price is None or desk.would_match(order.side, order.price)

    def _work(self, desk: Desk, order: Order, now_ms: int, plan: Plan | None = None) -> None:
        """Takes what an order can take now; the rest goes on the book or expires."""
        if plan is None:
            plan = self._plan(desk, order)
        if plan:
            self._take(desk, order, plan, now_ms)
            if not order.is_open:
                return
        if order.type in MARKET_TYPES or order.time_in_force != "GTC":
            self._end(order, "EXPIRED", "EXPIRED", now_ms)
        else:
            desk.rest(order)

    def _take(self, desk: Desk, order: Order, plan: Plan, now_ms: int) -> None:
        """Carries a plan out, as far as FOK and the fault of partial fills let it."""
        if order.time_in_force == "FOK":
            if traded(plan) < order.remaining:
                return
        elif self.fill_share is not None:
            could = traded(plan)
            share = floor_to(self.fill_share(order, could), desk.instrument.step_size)
            plan = cut(plan, max(ZERO, min(could, share)))
        for step in plan:
            if step.prevented:
                self._prevent(order, step, now_ms)
            elif step.maker is None:
                self._take_level(desk, order, step, now_ms)
            else:
                self._match(desk, order, step, step.maker, now_ms)
            if not order.is_open:
                return

    def _take_level(self, desk: Desk, order: Order, step: Step, now_ms: int) -> None:
        """Takes a part of a published level, which stays published as it is."""
        evidence = desk.published.opposite(order.side).take(step.price, step.quantity)
        self.counters.trade += 1
        trade_id = self.counters.trade
        self._fill(desk, order, step.price, step.quantity, trade_id, evidence, now_ms, False)

    def _match(self, desk: Desk, taker: Order, step: Step, maker: Order, now_ms: int) -> None:
        """Two orders of this venue trade with each other: one trade, told to both."""
        self.counters.trade += 1
        trade_id = self.counters.trade
        price, quantity = step.price, step.quantity
        sides = ((taker, maker, False), (maker, taker, True))
        proofs = [
            Evidence(kind="order", source=other.id, price=price, quantity=other.remaining)
            for _, other, _ in sides
        ]
        for (order, _, is_maker), evidence in zip(sides, proofs, strict=True):
            self._fill(desk, order, price, quantity, trade_id, evidence, now_ms, is_maker)

    def _prevent(self, taker: Order, step: Step, now_ms: int) -> None:
        """A match within one account does not happen; who loses quantity ends or goes on."""
        maker = step.maker
        assert maker is not None, "only matches with orders are prevented"
        # Orders of one account: TRANSFER has nothing to transfer and works as DECREMENT.
        mode = "DECREMENT" if taker.prevention == "TRANSFER" else taker.prevention
        both = mode == "DECREMENT"
        from_taker = taker.remaining if mode in ENDS_TAKER else step.quantity if both else ZERO
        from_maker = step.quantity if both else ZERO if mode == "EXPIRE_TAKER" else maker.remaining
        prevention = self._remember_prevention(
            taker, maker, mode, step.price, from_taker, from_maker, now_ms
        )
        for order, amount in ((taker, from_taker), (maker, from_maker)):
            if amount:
                self._take_away(order, amount, prevention, now_ms)

    def _remember_prevention(
        self,
        taker: Order,
        maker: Order,
        mode: SelfTradePrevention,
        price: Decimal,
        from_taker: Decimal,
        from_maker: Decimal,
        now_ms: int,
    ) -> Prevention:
        self.counters.prevention += 1
        prevention = Prevention(
            id=self.counters.prevention,
            account=taker.account,
            symbol=taker.symbol,
            taker_order_id=taker.id,
            maker_order_id=maker.id,
            mode=mode,
            price=price,
            taker_prevented=from_taker,
            maker_prevented=from_maker,
            at_ms=now_ms,
        )
        self._sheet(taker).preventions.append(prevention)
        return prevention

    def _take_away(
        self, order: Order, quantity: Decimal, prevention: Prevention, now_ms: int
    ) -> None:
        """An order loses quantity by self-trade prevention; without a rest it ends."""
        order.prevented = add(order.prevented, quantity)
        order.prevented_match_id = prevention.id
        if order.remaining <= 0:
            self._end(order, "EXPIRED_IN_MATCH", "TRADE_PREVENTION", now_ms, prevention=prevention)
            return
        if order.iceberg_quantity is not None:
            order.shown = min(order.shown, order.remaining)
        order.updated_ms = now_ms
        if order.type not in MARKET_TYPES:
            self._shrink_hold(order)
        self._report(order, "TRADE_PREVENTION", now_ms, prevention=prevention)

    def _hold(self, order: Order) -> Decimal:
        """What a new order holds; a market buy holds what the book will charge it."""
        if order.type == "MARKET" and order.side == "BUY":
            return cost(self._plan(self.desks[order.symbol], order))
        return hold_of(order)

    def _shrink_hold(self, order: Order) -> None:
        """An order that got smaller holds no more than it needs; so does a pair with one hold."""
        pair = self._lists.get(order.list_id) if order.list_id != NO_LIST else None
        account, held = self.accounts[order.account], self._held_asset(order)
        if pair is not None and pair.locked:
            needed = min(pair.locked, max(self._hold(leg) for leg in self._open_legs(pair)))
            account.unlock(held, subtract(pair.locked, needed))
            pair.locked = needed
            self._silent_lists[pair.id] = pair
        else:
            needed = min(order.locked, self._hold(order))
            account.unlock(held, subtract(order.locked, needed))
            order.locked = needed
        self._touch(order.account, held)

    def _open_legs(self, pair: OrderList) -> list[Order]:
        return [leg for leg in self.legs(pair) if leg.is_open]
