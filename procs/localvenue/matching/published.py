"""The market's own book as the venue publishes it, and how much of it our takers have used.

Our orders never change what is published: what we took of a level is remembered beside it until the
market says something new about that level. Prices and quantities are exact decimals.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from procs.localvenue.market.events import BookChanged, Levels, Traded
from procs.localvenue.matching.account import add, multiply, subtract
from procs.localvenue.matching.model import Evidence
from procs.localvenue.matching.words import Side
from shared.units import ZERO

AVERAGE_PRICE_MS: Final = 5 * 60_000
"""The window of the average price that the notional and percent-price filters use."""


class BookSide:
    """Levels of one side; the best is the highest price of bids, the lowest of asks."""

    def __init__(self, is_bid: bool) -> None:
        self._is_bid = is_bid
        self._prices: list[Decimal] = []
        """Ascending on both sides."""
        self.quantities: dict[Decimal, Decimal] = {}
        self.lines: dict[Decimal, int] = {}
        """Where each level was last said: the line of the event that did."""
        self._taken: dict[Decimal, Decimal] = {}
        self.first: Decimal | None = None
        """The best published price."""

    def apply(self, levels: Levels, line: int) -> None:
        """Takes over absolute quantities; zero deletes. What we took there is forgotten."""
        quantities, prices, lines, taken = self.quantities, self._prices, self.lines, self._taken
        for price, quantity in levels:
            if taken:
                taken.pop(price, None)
            if quantity:
                known = len(quantities)
                quantities[price] = quantity
                if len(quantities) != known:
                    insort(prices, price)
                lines[price] = line
            elif quantities.pop(price, None) is not None:
                del prices[bisect_left(prices, price)]
                del lines[price]
        self.first = None if not prices else prices[-1] if self._is_bid else prices[0]

    def best(self) -> Decimal | None:
        """The best published price."""
        return self.first

    def levels(self, limit: int) -> list[tuple[Decimal, Decimal]]:
        """The best `limit` levels as (price, published quantity)."""
        prices, quantities = self._prices, self.quantities
        best = prices[: -limit - 1 : -1] if self._is_bid else prices[:limit]
        return [(price, quantities[price]) for price in best]

    def prices(self) -> Iterator[Decimal]:
        """Published prices, the best first."""
        return reversed(self._prices) if self._is_bid else iter(self._prices)

    def taken(self, price: Decimal) -> Decimal:
        """What we took at price since the market last said that level."""
        return self._taken.get(price, ZERO)

    def left(self, price: Decimal) -> Decimal:
        """What is left for us at price."""
        return subtract(self.quantities.get(price, ZERO), self._taken.get(price, ZERO))

    def takeable(self, limit_price: Decimal) -> Iterator[tuple[Decimal, Decimal]]:
        """(price, quantity left for us) from the best on, not beyond limit_price."""
        for price in self.prices():
            if price < limit_price if self._is_bid else price > limit_price:
                return
            left = self.left(price)
            if left > 0:
                yield price, left

    def take(self, price: Decimal, quantity: Decimal) -> Evidence:
        """Uses quantity of the level at price; the evidence says what was there before."""
        taken = self._taken.get(price, ZERO)
        self._taken[price] = add(taken, quantity)
        return Evidence(
            kind="level",
            source=self.lines[price],
            price=price,
            quantity=self.quantities[price],
            taken=taken,
        )


class Published:
    """One symbol as the market says it: both sides, the last trade, the average price."""

    def __init__(self) -> None:
        self.bids = BookSide(True)
        self.asks = BookSide(False)
        self.last_update_id = 0
        self.last_price: Decimal | None = None
        self._seconds: deque[tuple[int, Decimal, Decimal]] = deque()
        """What traded in each second of the window but the newest."""
        self._notional = ZERO
        self._volume = ZERO
        self._newest = (0, ZERO, ZERO)
        self._average: Decimal | None = None
        """The average price, kept until something changes it."""

    def apply(self, event: BookChanged, line: int) -> None:
        """Takes over a depth delta; the first of a run holds the whole book."""
        self.bids.apply(event.bids, line)
        self.asks.apply(event.asks, line)
        self.last_update_id = event.last_id
        if not self._newest[2]:
            self._average = None

    def traded(self, event: Traded) -> None:
        """Takes over a public trade."""
        self.last_price = event.price
        self._average = None
        notional = multiply(event.price, event.quantity)
        newest, second = self._newest, event.at_ms // 1000
        if newest[0] == second:
            self._newest = second, add(newest[1], notional), add(newest[2], event.quantity)
            return
        self._newest = second, notional, event.quantity
        self._seconds.append(newest)
        self._notional = add(self._notional, newest[1])
        self._volume = add(self._volume, newest[2])
        horizon = second - AVERAGE_PRICE_MS // 1000
        while self._seconds and self._seconds[0][0] < horizon:
            _, old_notional, old_volume = self._seconds.popleft()
            self._notional = subtract(self._notional, old_notional)
            self._volume = subtract(self._volume, old_volume)

    def opposite(self, side: Side) -> BookSide:
        """The side that an order of `side` takes from."""
        return self.asks if side == "BUY" else self.bids

    def own(self, side: Side) -> BookSide:
        """The side that an order of `side` rests on."""
        return self.bids if side == "BUY" else self.asks

    def reference_price(self) -> Decimal | None:
        """The last trade price; before the first trade the middle of the book."""
        if self.last_price is not None:
            return self.last_price
        bid, ask = self.bids.best(), self.asks.best()
        if bid is None or ask is None:
            return bid if ask is None else ask
        return (bid + ask) / 2

    def average_price(self) -> Decimal | None:
        """Volume-weighted over the last five minutes of trades; else the reference price."""
        if self._average is None:
            _, notional, volume = self._newest
            volume = add(self._volume, volume)
            self._average = (
                add(self._notional, notional) / volume if volume else self.reference_price()
            )
        return self._average
