"""The ladders of one symbol of the flow market, and how they are grown, stirred and kept in shape.

Prices are ticks (as ranks, see ladder.py) and quantities are steps. The first level behind the
touch may lie a tick or many away; levels thin out and grow with the distance.
"""

from __future__ import annotations

from math import log
from random import Random
from typing import Final

import msgspec

from procs.localvenue.market.ladder import Side

REACH_BPS: Final = 150.0
"""The ladder goes at least this far from the touch."""
NEAR_BPS: Final = 7.0
"""Mean distance from the touch of the orders that come behind it."""
DUST_SHARE: Final = 0.2
"""So many of the levels behind the touch hold next to nothing."""


class BookShape(msgspec.Struct, frozen=True, kw_only=True):
    """What a symbol's ladder looks like."""

    levels: int
    """On each side, about."""
    touch_steps: float
    """Mean quantity of the best level."""
    basis_point: float
    """Ticks in a basis point, at the first price."""


def level_quantity(shape: BookShape, distance_bps: float, random: Random) -> int:
    """A new level's steps; farther levels hold more, some hold dust."""
    chance = random.random()
    if chance < DUST_SHARE:
        return 1 + int(shape.touch_steps * 0.02 * chance)
    weight = (0.15 - log(1.0 - random.random())) * (0.5 + distance_bps / 50)
    return 1 + int(shape.touch_steps * weight)


def touch_quantity(shape: BookShape, lean: float, random: Random) -> int:
    """A new best level's steps; lean is the factor that the pressure on this side makes."""
    return 2 + int(shape.touch_steps * lean * (0.1 - 0.7 * log(1.0 - random.random())))


def grow(side: Side, shape: BookShape, random: Random) -> None:
    """Builds the ladder behind its best level."""
    place = best = side.ranks[0]
    for number in range(1, shape.levels):
        gap = 2 * REACH_BPS / shape.levels * number / shape.levels * shape.basis_point
        place += 1 + int(-log(1.0 - random.random()) * gap)
        if side.sign < 0 and place >= 0:
            return
        distance_bps = (place - best) / shape.basis_point
        side.put(place, level_quantity(shape, distance_bps, random))


def extend(side: Side, shape: BookShape, random: Random) -> None:
    """Adds a level beyond the farthest; a bid stays above zero."""
    gap = 2 * REACH_BPS / shape.levels * shape.basis_point
    place = side.ranks[-1] + 1 + int(-log(1.0 - random.random()) * gap)
    if side.sign > 0 or place < 0:
        distance_bps = (place - side.ranks[0]) / shape.basis_point
        side.put(place, level_quantity(shape, distance_bps, random))


def stir(side: Side, shape: BookShape, count: int, random: Random) -> None:
    """So many orders come, change or go behind the touch."""
    chance, ranks = random.random, side.ranks
    basis_point = shape.basis_point
    best = ranks[0]
    for _ in range(count):
        distance_bps = -NEAR_BPS * log(1.0 - chance())
        if len(ranks) <= shape.levels and chance() < 0.6:
            place = best + 1 + int(distance_bps * basis_point)
            if side.sign > 0 or place < 0:
                side.put(place, level_quantity(shape, distance_bps, random))
            continue
        if len(ranks) < 2:
            continue
        spot = chance()
        place = ranks[1 + int(spot * spot * (len(ranks) - 1))]
        if len(ranks) > shape.levels:
            side.remove(place)
        else:
            side.put(place, level_quantity(shape, (place - best) / basis_point, random))
    reach = REACH_BPS * basis_point
    if ranks[-1] - best < reach:
        extend(side, shape, random)
    elif ranks[-1] - best > 2 * reach and len(ranks) > shape.levels // 2:
        side.trim(len(ranks) - 1)
