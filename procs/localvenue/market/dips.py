"""Falls and returns on a schedule: the paths that make a demonstration trade.

A dip is a chain of legs. Along a leg the logarithm of the price runs from one level to the next
with the ease s(u) = u/2 + (3u² - 2u³)/2, whose slope is at most 1.25 times the mean one: a fall of
5 % in 2 s moves about 0.3 % in a step of 100 ms, so the book can follow level by level.
"""

from __future__ import annotations

from math import exp, log
from random import Random
from typing import Final

import msgspec

Range = tuple[float, float]

HOUR_MS: Final = 3_600_000


class DipPlan(msgspec.Struct, frozen=True, kw_only=True):
    """When and how deep; times in ms, depths and heights in per cent of the highest hour price."""

    every_ms: Range
    first_ms: Range
    rest_ms: int
    depth_pct: Range = (4.1, 5.4)
    fall_ms: Range = (1_500.0, 2_900.0)
    hold_ms: Range = (300.0, 1_500.0)
    return_ms: Range = (5_500.0, 18_000.0)
    above_pct: Range = (0.35, 0.75)
    deep_every: int = 6
    """One fall in so many goes deeper than a stop that lies 3 % below an entry at -5 %."""
    deep_depth_pct: Range = (8.2, 9.6)
    deep_fall_ms: Range = (2_400.0, 3_000.0)
    deep_hold_ms: Range = (4_000.0, 8_000.0)
    deep_return_ms: Range = (40_000.0, 80_000.0)
    deep_above_pct: Range = (-1.2, -0.3)
    high_ratio: float = 1.12
    """Above this multiple of the first price a return ends just under the old high, and ..."""
    high_above_pct: Range = (-0.06, 0.0)
    ebb_ratio: float = 1.16
    """... above this one the symbol first lies 2.2 % lower for an hour, so that its highest hour
    price falls too and days of dips do not carry it away."""
    ebb_pct: float = 2.2
    ebb_ms: int = 3_900_000
    ebb_share: float = 0.3
    """At most this share of the symbols lies low at a time."""


class Leg(msgspec.Struct, array_like=True, frozen=True):
    """One way from a price to a price, between two instants of market time in ms."""

    from_ms: int
    to_ms: int
    from_price: float
    to_price: float


class Dip(msgspec.Struct):
    """One dip of one symbol on its way."""

    legs: list[Leg]
    deep: bool
    high: float

    def falling(self, at_ms: int) -> bool:
        """Whether the first leg still runs."""
        return at_ms <= self.legs[0].to_ms

    def done(self, at_ms: int) -> bool:
        """Whether the last leg has ended."""
        return at_ms >= self.legs[-1].to_ms

    def price(self, at_ms: int) -> float:
        """Where the path stands at an instant of market time."""
        leg = next((leg for leg in self.legs if at_ms < leg.to_ms), self.legs[-1])
        u = (at_ms - leg.from_ms) / (leg.to_ms - leg.from_ms)
        u = min(max(u, 0.0), 1.0)
        ease = 0.5 * u + 0.5 * u * u * (3.0 - 2.0 * u)
        return leg.from_price * exp(log(leg.to_price / leg.from_price) * ease)


def draw(random: Random, between: Range) -> float:
    """A number between the two, evenly."""
    return between[0] + (between[1] - between[0]) * random.random()


def new_dip(
    plan: DipPlan, random: Random, at_ms: int, price: float, high: float, first: float, deep: bool
) -> Dip:
    """A dip from price now, measured from high, of a symbol whose first price ever was `first`."""
    if deep:
        depth, fall, hold, back, above = (
            plan.deep_depth_pct,
            plan.deep_fall_ms,
            plan.deep_hold_ms,
            plan.deep_return_ms,
            plan.deep_above_pct,
        )
    else:
        depth, fall, hold, back = plan.depth_pct, plan.fall_ms, plan.hold_ms, plan.return_ms
        above = plan.high_above_pct if high > first * plan.high_ratio else plan.above_pct
    bottom = high * (1 - draw(random, depth) / 100)
    top = high * (1 + draw(random, above) / 100)
    fallen_ms = at_ms + int(draw(random, fall))
    held_ms = fallen_ms + int(draw(random, hold))
    back_ms = held_ms + int(draw(random, back))
    legs = [
        Leg(at_ms, fallen_ms, price, bottom),
        Leg(fallen_ms, held_ms, bottom, bottom),
        Leg(held_ms, back_ms, bottom, top),
    ]
    return Dip(legs, deep, high)
