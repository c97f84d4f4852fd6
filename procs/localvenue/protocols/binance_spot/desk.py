"""What all trading operations share: the venue, its exchange, the counts of orders."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from procs.localvenue.matching.model import (
    Placed,
    PlacedList,
    PlaceOrder,
    PlaceOrderList,
    Refusal,
)
from procs.localvenue.protocols.binance_spot.limits import Budget
from procs.localvenue.protocols.binance_spot.market_data import known_symbol
from procs.localvenue.protocols.binance_spot.order_params import granted
from procs.localvenue.protocols.binance_spot.params import Params, RefusedError
from procs.localvenue.reads import Reads
from procs.localvenue.shell import Venue

Answer = TypeVar("Answer")


class Desk:
    """Carries requests to the matching core, one turn each."""

    def __init__(self, venue: Venue, budget: Budget) -> None:
        self.venue = venue
        self.exchange = venue.exchange
        self.budget = budget

    @property
    def reads(self) -> Reads:
        """What answers are read from: the exchange, unless a fault lets them lag behind."""
        return self.venue.reads

    def place(self, account: str, request: PlaceOrder, now_ms: int) -> Placed | Refusal:
        """Places one order within a turn, unless a fault refuses it."""
        refuse = self.venue.order_refusal
        refusal = None if refuse is None else refuse((request,))
        return refusal or self.exchange.place(account, request, now_ms)

    def place_list(
        self, account: str, request: PlaceOrderList, now_ms: int
    ) -> PlacedList | Refusal:
        """The same for orders that belong together."""
        refuse = self.venue.order_refusal
        refusal = None if refuse is None else refuse(request.orders)
        return refusal or self.exchange.place_list(account, request, now_ms)

    def symbol(self, params: Params) -> str:
        """The symbol parameter, which must be sent and traded here."""
        return known_symbol(self.venue, params)

    def turn(self, request: Callable[[int], Answer | Refusal]) -> Answer:
        """The answer to one request of the core. Raises RefusedError with its refusal."""
        return granted(self.venue.turn(request))

    def placing(
        self, account: str, orders: int, request: Callable[[int], Answer | Refusal]
    ) -> Answer:
        """The same for new orders, which are counted unless the core refuses them."""
        now_ms = self.venue.now_ms()
        self.budget.count_orders(account, orders, now_ms)
        try:
            return self.turn(request)
        except RefusedError:
            self.budget.uncount_orders(account, orders, now_ms)
            raise
