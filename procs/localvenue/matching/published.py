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
from procs.localvenue.matching.model import Side
from shared.units import ZERO

AVERAGE_PRICE_MS: Final = 5 * 60_000
"""The window of the average price that the notional and percent-price filters use."""


class BookSide:
    """Levels of one side, best first; `sign` is -1 for bids, so that keys always ascend."""

    def __init__(self, sign: int) -> None:
        self._sign = sign
        self._keys: list[Decimal] = []
        self.quantities: dict[Decimal, Decimal] = {}
        self._taken: dict[Decimal, Decimal] = {}

    def apply(self, levels: Levels) -> None:
        """Takes over absolute quantities; zero deletes. What we took there is forgotten."""
        quantities, keys, sign = self.quantities, self._keys, self._sign
        for price, quantity in levels:
            if self._taken:
                self._taken.pop(price, None)
            if quantity:
                if price not in quantities:
                    insort(keys, price * sign)
                quantities[price] = quantity
            elif quantities.pop(price, None) is not None:
                del keys[bisect_left(keys, price * sign)]

    def best(self) -> Decimal | None:
        """The best published price."""
        return self._keys[0] * self._sign if self._keys else None

    def levels(self, limit: int) -> list[tuple[Decimal, Decimal]]:
        """The best `limit` levels as (price, published quantity)."""
        return [(key * self._sign, self.quantities[key * self._sign]) for key in self._keys[:limit]]

    def takeable(self, limit_price: Decimal | None) -> Iterator[tuple[Decimal, Decimal]]:
        """(price, quantity left for us) from the best on, not beyond limit_price."""
        limit_key = None if limit_price is None else limit_price * self._sign
        for key in self._keys:
            if limit_key is not None and key > limit_key:
                return
            price = key * self._sign
            left = subtract(self.quantities[price], self._taken.get(price, ZERO))
            if left > 0:
                yield price, left

    def take(self, price: Decimal, quantity: Decimal) -> None:
        """Remembers that we used quantity of the level at price."""
        self._taken[price] = add(self._taken.get(price, ZERO), quantity)


class Published:
    """One symbol as the market says it: both sides, the last trade, the average price."""

    def __init__(self) -> None:
        self.bids = BookSide(-1)
        self.asks = BookSide(1)
        self.last_update_id = 0
        self.last_price: Decimal | None = None
        self._seconds: deque[tuple[int, Decimal, Decimal]] = deque()
        self._notional = ZERO
        self._volume = ZERO

    def apply(self, event: BookChanged) -> None:
        """Takes over a depth delta; the first of a run holds the whole book."""
        self.bids.apply(event.bids)
        self.asks.apply(event.asks)
        self.last_update_id = event.last_id

    def traded(self, event: Traded) -> None:
        """Takes over a public trade."""
        self.last_price = event.price
        notional = multiply(event.price, event.quantity)
        second = event.at_ms // 1000
        if self._seconds and self._seconds[-1][0] == second:
            _, earlier, volume = self._seconds.pop()
            self._seconds.append((second, add(earlier, notional), add(volume, event.quantity)))
        else:
            self._seconds.append((second, notional, event.quantity))
        self._notional = add(self._notional, notional)
        self._volume = add(self._volume, event.quantity)
        horizon = second - AVERAGE_PRICE_MS // 1000
        while self._seconds[0][0] < horizon:
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
        return self._notional / self._volume if self._volume else self.reference_price()
