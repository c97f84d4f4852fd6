"""The signs of takers' orders: large parent orders, worked in many pieces by a few hands at once.

Each hand works one parent order after the other. Lengths of parents follow a power law, and the
hands differ in how much of the flow is theirs: that is where the long memory of trade signs comes
from.
"""

from __future__ import annotations

from random import Random
from typing import Final

import msgspec

SHARES: Final = (0.62, 0.9, 1.0)
"""Cumulative: the first hand sends 62 % of the orders, the second 28 %, the third 10 %."""
SHORTEST: Final = (2.0, 2.0, 3.0)
LONGEST: Final = 31
TAIL: Final = 1.5
"""P(parent longer than n pieces) falls as n to the power of minus this."""


class Hands(msgspec.Struct, kw_only=True):
    """Who is at work: for each hand, whether it buys, and how many pieces are left."""

    buys: list[bool]
    left: list[int]

    def next(self, random: Random) -> bool:
        """Whether the next taker buys."""
        chance = random.random()
        hand = 0 if chance < SHARES[0] else 1 if chance < SHARES[1] else 2
        if self.left[hand] <= 0:
            self.buys[hand] = random.random() < 0.5
            length = SHORTEST[hand] * (1.0 - random.random()) ** (-1 / TAIL)
            self.left[hand] = min(int(length), LONGEST)
        self.left[hand] -= 1
        return self.buys[hand]


def new_hands() -> Hands:
    """Hands that begin with new parent orders."""
    return Hands(buys=[True] * len(SHARES), left=[0] * len(SHARES))
