"""Our orders on one symbol: who rests at which price, in which order, and who waits for a price."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from decimal import Decimal

from procs.localvenue.matching.model import Order
from procs.localvenue.matching.published import Published
from procs.localvenue.matching.rules import Rules
from procs.localvenue.matching.words import STOP_TYPES, Side
from shared.domain.instrument import Instrument


class PriceQueue:
    """Orders by price, at one price by the time they came; the best price is served first."""

    def __init__(self, *, high_first: bool) -> None:
        self._high_first = high_first
        self._prices: list[Decimal] = []
        self._at: dict[Decimal, dict[int, Order]] = {}
        self.first: Decimal | None = None
        """The price that is served first."""

    def add(self, price: Decimal, order: Order) -> None:
        """Puts an order behind all others at its price."""
        orders = self._at.get(price)
        if orders is None:
            prices = self._prices
            insort(prices, price)
            self._at[price] = {order.id: order}
            self.first = prices[-1] if self._high_first else prices[0]
        else:
            orders[order.id] = order

    def remove(self, price: Decimal, order: Order) -> bool:
        """Takes an order out; false when it was not in here."""
        orders = self._at.get(price)
        if orders is None or orders.pop(order.id, None) is None:
            return False
        if not orders:
            del self._at[price]
            prices = self._prices
            del prices[bisect_left(prices, price)]
            self.first = None if not prices else prices[-1] if self._high_first else prices[0]
        return True

    def prices(self) -> Iterator[Decimal]:
        """Prices that have orders, the first served first."""
        return reversed(self._prices) if self._high_first else iter(self._prices)

    def at(self, price: Decimal) -> list[Order]:
        """The orders at one price, the oldest first."""
        orders = self._at.get(price)
        return [] if orders is None else list(orders.values())

    def reached(self, price: Decimal) -> list[Order]:
        """Orders at `price` or served before it, best price and oldest first."""
        best = self.first
        if best is None or (best < price if self._high_first else best > price):
            return []
        found: list[Order] = []
        for one in self.prices():
            if one < price if self._high_first else one > price:
                break
            found.extend(self._at[one].values())
        return found


class Desk:
    """One symbol: its rules, its published book and our orders on it."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.symbol = instrument.symbol
        self.base = instrument.base
        self.quote = instrument.quote
        self.rules = Rules(instrument)
        self.published = Published()
        self.bids = PriceQueue(high_first=True)
        self.asks = PriceQueue(high_first=False)
        self.waits_for_rise = PriceQueue(high_first=False)
        self.waits_for_fall = PriceQueue(high_first=True)
        self.trailing: dict[int, Order] = {}
        """Trailing stops, whether they follow the price yet or wait for their stop price."""

    @property
    def has_waiting(self) -> bool:
        """Whether a stop waits for a price."""
        falls, rises = self.waits_for_fall.first, self.waits_for_rise.first
        return falls is not None or rises is not None or bool(self.trailing)

    def own(self, side: Side) -> PriceQueue:
        """Where orders of `side` rest."""
        return self.bids if side == "BUY" else self.asks

    def opposite(self, side: Side) -> PriceQueue:
        """The resting orders that an order of `side` meets."""
        return self.asks if side == "BUY" else self.bids

    def would_match(self, side: Side, price: Decimal) -> bool:
        """Whether a limit price meets the other side's best, published or ours."""
        if side == "BUY":
            level, our = self.published.asks.first, self.asks.first
            return (level is not None and price >= level) or (our is not None and price >= our)
        level, our = self.published.bids.first, self.bids.first
        return (level is not None and price <= level) or (our is not None and price <= our)

    def held_asset(self, side: Side) -> str:
        """What an order of `side` holds: quote for a buy, base for a sell."""
        return self.quote if side == "BUY" else self.base

    def rest(self, order: Order) -> None:
        """An order goes on the book, behind all others at its price."""
        (self.bids if order.side == "BUY" else self.asks).add(limit_of(order), order)

    def wait(self, order: Order) -> None:
        """A stop waits for the last price to come to its stop price, or follows it."""
        if order.trailing_delta_bps is not None:
            self.trailing[order.id] = order
        else:
            self._waiting(order).add(stop_of(order), order)

    def leave(self, order: Order) -> None:
        """An order that waits or rests does so no longer."""
        if order.working_ms == -1 and order.type in STOP_TYPES:
            if order.trailing_delta_bps is not None:
                self.trailing.pop(order.id, None)
            else:
                self._waiting(order).remove(stop_of(order), order)
        elif order.price is not None:
            (self.bids if order.side == "BUY" else self.asks).remove(order.price, order)

    def _waiting(self, order: Order) -> PriceQueue:
        rises = rises_to_trigger(order.type, order.side)
        return self.waits_for_rise if rises else self.waits_for_fall


def rises_to_trigger(order_type: str, side: Side) -> bool:
    """Whether the last price triggers by rising: buy stop-losses and sell take-profits do."""
    return order_type.startswith("STOP_LOSS") == (side == "BUY")


def limit_of(order: Order) -> Decimal:
    """The limit price of an order that rests."""
    assert order.price is not None, "only orders with a price rest"
    return order.price


def stop_of(order: Order) -> Decimal:
    """The stop price of an order that waits for it."""
    assert order.stop_price is not None, "stops that do not trail have a stop price"
    return order.stop_price
