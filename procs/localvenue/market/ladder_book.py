"""Both ladders of a generated symbol: how they follow a touch that moves, and how they stir.

Prices are ticks and quantities are steps here.
"""

from __future__ import annotations

from bisect import bisect_right
from decimal import Decimal
from math import log
from random import Random
from typing import Final

import msgspec

from procs.localvenue.market.dips import Range
from procs.localvenue.market.events import BookChanged, Levels
from procs.localvenue.market.ladder import Side

NEAR_BPS: Final = 50.0
THINNED: Final = 0.85
"""The share of every new quantity that the worst stress takes away."""
FRIGHTENED: Final = 7.0
"""So many levels near the touch change in a step of the worst stress, besides the usual ones."""


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """How the books of a profile look and how lively they are."""

    levels_min: int = 60
    levels_max: int = 120
    near_min: int = 14
    """About so many levels lie within 50 bps of the touch, wherever a fall has brought it."""
    reach_bps: float = 150.0
    """The ladder goes at least this far from the touch, and at most three times as far."""
    far_gap_bps: float = 2.5
    fill_bps: float = 1.5
    tight_share: float = 0.955
    """How often a new touch is one tick wide."""
    spread_least_bps: float = 0.0
    """What a touch that is not one tick wide has at least, ..."""
    spread_more_bps: float = 0.4
    """... what it has above that on average, ..."""
    spread_most_bps: float = 12.0
    """... and what it never has more than, without stress."""
    keep_share: float = 0.0
    """How often a touch that need not move stays as it is, spread and all."""
    pull: float
    """The share of the way home, per step with an arrival: what keeps the walk near its level."""
    restlessness: float = 1.0
    """Factor on the listing's volatility."""
    trade_share: float = 0.4
    turnover_share: float = 1.0
    """Factor on the listing's turnover."""
    level_quote: Range = (5_000.0, 60_000.0)
    """What a level near the touch holds, in quote units: at least, at most."""
    print_distance: float = 0.0012
    """A trade prints before the mid is farther than this share of itself from the last one."""
    pace: float | None = None
    """Arrivals a second without excitement, when the turnover does not decide."""
    jump_share: float = 0.0
    """How often an arrival is a jump, ..."""
    jump_pct: Range = (0.6, 2.2)
    """... and how far it goes, up or down."""


class LadderBook:
    """The levels of one symbol and the id of the last change in them."""

    def __init__(
        self, symbol: str, tick_size: Decimal, step_size: Decimal, shape: Shape, level_steps: float
    ) -> None:
        """level_steps is the usual quantity of a level near the touch, in steps."""
        self.symbol = symbol
        self.shape = shape
        self.bids, self.asks = Side(-1), Side(1)
        self.update_id = 0
        self.stress = 0.0
        """0 in quiet times to 1 in the worst panic: thins what is put from now on."""
        self._tick_size = tick_size
        self._step_size = step_size
        self._level_steps = level_steps

    @property
    def bid(self) -> int:
        """The best bid in ticks."""
        return -self.bids.ranks[0]

    @property
    def ask(self) -> int:
        """The best ask in ticks."""
        return self.asks.ranks[0]

    @property
    def said_something(self) -> bool:
        """Whether the next delta will hold a level."""
        return bool(self.bids.changed or self.asks.changed)

    def begin(self, bid: int, ask: int, price: float, random: Random) -> None:
        """The first ladders: dense at the touch, thinning out with the distance."""
        self.bids.put(-bid, self.quantity(random, 0.0))
        self.asks.put(ask, self.quantity(random, 0.0))
        for side in (self.bids, self.asks):
            self._build(side, price, random)

    def whole(self, at_ms: int) -> BookChanged:
        """The delta that says every level."""
        self.bids.touch_all()
        self.asks.touch_all()
        return self.delta(at_ms, 0)

    def quantity(self, random: Random, distance_bps: float) -> int:
        """What a new level holds, so far from the touch."""
        # The logarithm is `expovariate(1.0)` written out, here and in `stir`: the commonest draws.
        weight = (0.15 - log(1.0 - random.random())) * (1 + distance_bps / 60)
        return 1 + int(self._level_steps * weight * (1.0 - THINNED * self.stress))

    def follow(self, side: Side, rank: int, price: float, random: Random) -> None:
        """Makes rank the best level, fills the way to the old best, keeps count and reach."""
        shape, ranks, basis_point = self.shape, side.ranks, price * 0.0001
        if not ranks or ranks[0] != rank:
            if ranks and ranks[0] < rank:
                side.take_better_than(rank)
            way = ranks[0] - rank if ranks else 0
            if rank not in side.quantities:
                side.put(rank, self.quantity(random, 0.0))
            stride = shape.fill_bps * basis_point
            distance = stride * (0.5 + random.random())
            while distance < way:
                place = rank + int(distance)
                if place not in side.quantities:
                    side.put(place, self.quantity(random, distance / basis_point))
                distance += stride * (0.5 + random.random()) + 1
        near = NEAR_BPS * basis_point
        for _ in range(shape.near_min - bisect_right(ranks, rank + near)):
            place = rank + 1 + int(random.random() * near)
            if place not in side.quantities and (side.sign > 0 or place < 0):
                side.put(place, self.quantity(random, (place - rank) / basis_point))
        reach = shape.reach_bps * basis_point
        while len(ranks) < shape.levels_min or ranks[-1] - rank < reach:
            if not self._append_far(side, price, random):
                break
        if ranks[-1] - rank > 3 * reach and len(ranks) > shape.levels_min:
            side.trim(max(len(ranks) - 4, shape.levels_min))
        while len(ranks) > shape.levels_max:
            side.remove(ranks[len(ranks) // 3 + int(random.random() * (len(ranks) * 0.6))])

    def _append_far(self, side: Side, price: float, random: Random) -> bool:
        """One level more beyond the farthest; False when there is no price left."""
        basis_point = price * 0.0001
        farthest = side.ranks[-1]
        place = farthest + 1 + int(random.expovariate(1.0) * self.shape.far_gap_bps * basis_point)
        if side.sign < 0:
            # A bid at or below zero is no price; a ladder seldom comes near it with real prices.
            place = min(place, -1)
            if place <= farthest:
                return False
        side.put(place, self.quantity(random, (place - side.ranks[0]) / basis_point))
        return True

    def _build(self, side: Side, price: float, random: Random) -> None:
        shape, basis_point = self.shape, price * 0.0001
        place = best = side.ranks[0]
        count = (shape.levels_min + shape.levels_max) // 2
        for number in range(1, count):
            gap_bps = 2 * shape.reach_bps / count * number / count
            place += 1 + int(random.expovariate(1.0) * gap_bps * basis_point)
            if side.sign < 0 and place >= 0:
                return
            side.put(place, self.quantity(random, (place - best) / basis_point))
        while place - best < shape.reach_bps * basis_point:
            if not self._append_far(side, price, random):
                return
            place = side.ranks[-1]

    def stir(self, price: float, random: Random) -> None:
        """A few orders come, change or go, mostly near the touch; under stress many thin out."""
        basis_point = price * 0.0001
        for _ in range(1 - int(log(1.0 - random.random()) * 1.4)):
            side = self.bids if random.random() < 0.5 else self.asks
            ranks = side.ranks
            chance = random.random()
            if chance < 0.25 and len(ranks) < self.shape.levels_max:
                distance_bps = random.expovariate(1.0) * 6
                place = ranks[0] + 1 + int(distance_bps * basis_point)
                if side.sign > 0 or place < 0:
                    side.put(place, self.quantity(random, distance_bps))
                continue
            index = min(int(-log(1.0 - random.random()) * len(ranks) * 0.15), len(ranks) - 1)
            place = ranks[index]
            if chance > 0.78 and index > 0 and len(ranks) > self.shape.levels_min:
                side.remove(place)
            else:
                distance_bps = (place - ranks[0]) / basis_point
                side.put(place, self.quantity(random, distance_bps))
        for _ in range(int(self.stress * FRIGHTENED)):
            side = self.bids if random.random() < 0.6 else self.asks
            index = min(int(random.expovariate(1.0) * 8), len(side.ranks) - 1)
            place = side.ranks[index]
            wanted = self.quantity(random, (place - side.ranks[0]) / basis_point)
            if wanted < side.quantities[place]:
                side.put(place, wanted)

    def delta(self, at_ms: int, more_ids: int) -> BookChanged:
        """What changed in the ladders, with ids that continue the last; empty takes no id."""
        bids: Levels = self.bids.said(self._tick_size, self._step_size)
        asks: Levels = self.asks.said(self._tick_size, self._step_size)
        first_id = self.update_id + 1
        if bids or asks:
            self.update_id += len(bids) + len(asks) + more_ids
        return BookChanged(
            symbol=self.symbol,
            at_ms=at_ms,
            first_id=first_id,
            last_id=self.update_id,
            bids=bids,
            asks=asks,
        )
