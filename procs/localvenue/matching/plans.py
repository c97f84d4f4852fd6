"""What a taker meets: published levels and our own resting orders, merged by price and time.

A plan is made first and changes nothing, so that funds, FOK and amounts of quote can be judged by
it; then it is carried out step by step.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

import msgspec

from procs.localvenue.matching.account import down_to_unit, multiply, subtract
from procs.localvenue.matching.model import Order
from procs.localvenue.matching.queues import Desk
from procs.localvenue.matching.words import SelfTradePrevention, Side
from shared.units import ZERO, floor_to

ENDS_TAKER: Final = frozenset({"EXPIRE_TAKER", "EXPIRE_BOTH"})


class Step(msgspec.Struct, frozen=True, gc=False):
    """One thing that a taker meets: a part of a level, or of a resting order of ours."""

    price: Decimal
    quantity: Decimal
    maker: Order | None = None
    prevented: bool = False
    """Self-trade prevention forbids this match."""


Plan = list[Step]


class Wanted:
    """Who takes, and how much is still wanted: a quantity, an amount of quote, or both."""

    __slots__ = ("account", "budget", "mode", "quantity", "side", "step_size")

    def __init__(
        self,
        account: str,
        side: Side,
        mode: SelfTradePrevention,
        quantity: Decimal | None,
        budget: Decimal | None,
        step_size: Decimal,
    ) -> None:
        self.account = account
        self.side = side
        # Orders of one account: TRANSFER has nothing to transfer and works as DECREMENT.
        self.mode: SelfTradePrevention = "DECREMENT" if mode == "TRANSFER" else mode
        self.quantity = quantity
        self.budget = budget
        self.step_size = step_size

    def at(self, price: Decimal) -> Decimal:
        """What is wanted at a price."""
        if self.budget is None:
            assert self.quantity is not None, "a quantity or an amount of quote is wanted"
            return self.quantity
        affordable = floor_to(self.budget / price, self.step_size)
        return affordable if self.quantity is None else min(self.quantity, affordable)

    def less(self, price: Decimal, quantity: Decimal) -> None:
        """So much was got."""
        if self.quantity is not None:
            self.quantity = subtract(self.quantity, quantity)
        if self.budget is not None:
            self.budget = subtract(self.budget, multiply(price, quantity))


def make_plan(desk: Desk, wanted: Wanted, limit: Decimal | None) -> Plan:
    """What a taker would meet now, best price first, at one price in the order of the queue."""
    plan: Plan = []
    for price in _prices(desk, wanted.side, limit):
        if not _plan_price(desk, wanted, price, plan) or wanted.at(price) <= 0:
            break
    return plan


def _prices(desk: Desk, side: Side, limit: Decimal | None) -> Iterator[Decimal]:
    """Prices of levels and of our orders on the other side, not beyond the limit."""
    is_buy = side == "BUY"
    ours, levels = desk.opposite(side).prices(), desk.published.opposite(side).prices()
    our, level = next(ours, None), next(levels, None)
    while our is not None or level is not None:
        if our is None or (level is not None and (level < our) == is_buy and level != our):
            price = level
        else:
            price = our
        assert price is not None, "one of the two is there"
        if limit is not None and (price > limit if is_buy else price < limit):
            return
        yield price
        if price == our:
            our = next(ours, None)
        if price == level:
            level = next(levels, None)


def _plan_price(desk: Desk, wanted: Wanted, price: Decimal, plan: Plan) -> bool:
    """Everything at one price; false when the taker ends here.

    What stood in the level before a resting order goes first, then the order, then what came to
    the level after it. An iceberg's next slice stands behind everything."""
    side = desk.published.opposite(wanted.side)
    published, taken = side.quantities.get(price, ZERO), side.taken(price)
    queue = deque(
        (order, order.remaining, order.shown or order.remaining, order.queue_ahead)
        for order in desk.opposite(wanted.side).at(price)
    )

    def take_level(upto: Decimal) -> Decimal:
        quantity = min(subtract(upto, taken), wanted.at(price))
        if quantity <= 0:
            return taken
        plan.append(Step(price, quantity))
        wanted.less(price, quantity)
        return taken + quantity

    while queue:
        maker, rest, visible, queue_ahead = queue.popleft()
        taken = take_level(min(queue_ahead, published))
        here = wanted.at(price)
        if here <= 0:
            return False
        if maker.account == wanted.account and wanted.mode != "NONE":
            if not _prevent(wanted, price, maker, min(here, rest), plan):
                return False
            continue
        quantity = min(here, visible)
        plan.append(Step(price, quantity, maker))
        wanted.less(price, quantity)
        rest, visible = subtract(rest, quantity), subtract(visible, quantity)
        if not visible and rest:
            assert maker.iceberg_quantity is not None, "only icebergs hide something"
            queue.append((maker, rest, min(maker.iceberg_quantity, rest), published))
    take_level(published)
    return True


def _prevent(wanted: Wanted, price: Decimal, maker: Order, both: Decimal, plan: Plan) -> bool:
    """A match with an order of the same account; false when the taker ends by it."""
    if wanted.mode in ENDS_TAKER:
        plan.append(Step(price, wanted.at(price), maker, True))
        return False
    plan.append(Step(price, both, maker, True))
    if wanted.mode == "DECREMENT":
        wanted.less(price, both)
        return wanted.at(price) > 0
    return True


def traded(plan: Plan) -> Decimal:
    """The base quantity that a plan trades."""
    return sum((step.quantity for step in plan if not step.prevented), ZERO)


def cost(plan: Plan) -> Decimal:
    """The quote amount that a plan pays."""
    return sum(
        (down_to_unit(multiply(one.price, one.quantity)) for one in plan if not one.prevented), ZERO
    )


def quantity_of(plan: Plan, mode: SelfTradePrevention) -> Decimal:
    """The quantity of a market order over an amount of quote: what it trades, and what
    self-trade prevention takes away from it."""
    taken_away = mode != "EXPIRE_MAKER"
    return sum((one.quantity for one in plan if taken_away or not one.prevented), ZERO)


def cut(plan: Plan, quantity: Decimal) -> Plan:
    """The beginning of a plan, up to a traded quantity; a last match is made smaller."""
    kept: Plan = []
    for step in plan:
        if quantity <= 0:
            break
        if not step.prevented:
            step = Step(step.price, min(step.quantity, quantity), step.maker)
            quantity = subtract(quantity, step.quantity)
        kept.append(step)
    return kept
