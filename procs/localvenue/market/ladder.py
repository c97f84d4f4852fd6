"""One side of a generated book, in integers, that remembers what changed.

A level's place is its rank: the price in ticks, negated for bids, so that on both sides the best
level has the smallest rank and every rule is written once.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from decimal import Decimal

from procs.localvenue.market.events import Levels


class Side:
    """The levels of one side: rank → quantity in steps; an absent rank is an empty level."""

    __slots__ = ("_new", "changed", "quantities", "ranks", "sign")

    def __init__(self, sign: int) -> None:
        """sign is -1 for bids and +1 for asks: rank = sign * ticks."""
        self.sign = sign
        self.ranks: list[int] = []
        self.quantities: dict[int, int] = {}
        self.changed: dict[int, int] = {}
        self._new: set[int] = set()

    def put(self, rank: int, quantity: int) -> None:
        """The level has this quantity now, in steps, more than zero."""
        if rank not in self.quantities:
            insort(self.ranks, rank)
            if rank not in self.changed:
                self._new.add(rank)
        self.quantities[rank] = quantity
        self.changed[rank] = quantity

    def remove(self, rank: int) -> None:
        """The level, which must exist, is empty now."""
        del self.quantities[rank]
        del self.ranks[bisect_left(self.ranks, rank)]
        self._emptied(rank)

    def take_better_than(self, rank: int) -> list[tuple[int, int]]:
        """Removes all levels better than rank; returns them as (rank, steps), best first."""
        count = bisect_left(self.ranks, rank)
        taken = [(gone, self.quantities.pop(gone)) for gone in self.ranks[:count]]
        del self.ranks[:count]
        for gone, _ in taken:
            self._emptied(gone)
        return taken

    def trim(self, count: int) -> None:
        """Removes the farthest levels beyond count."""
        for gone in self.ranks[count:]:
            del self.quantities[gone]
            self._emptied(gone)
        del self.ranks[count:]

    def _emptied(self, rank: int) -> None:
        """A level that came and went between two deltas is not said at all."""
        if rank in self._new:
            self._new.remove(rank)
            del self.changed[rank]
        else:
            self.changed[rank] = 0

    def levels(self) -> list[tuple[int, int]]:
        """All (rank, steps), best first."""
        return [(rank, self.quantities[rank]) for rank in self.ranks]

    def replace(self, levels: list[tuple[int, int]]) -> None:
        """Holds these (rank, steps) from now on, nothing of them said yet."""
        self.quantities = dict(levels)
        self.ranks = sorted(self.quantities)
        self.touch_all()

    def touch_all(self) -> None:
        """Makes the next delta say every level."""
        self.changed = dict(self.quantities)
        self._new = set(self.quantities)

    def said(self, tick_size: Decimal, step_size: Decimal) -> Levels:
        """What changed since the last time, best first, in exact decimals."""
        changed, sign = self.changed, self.sign
        if not changed:
            return ()
        self.changed = {}
        self._new.clear()
        return tuple(
            [(tick_size * (sign * rank), step_size * changed[rank]) for rank in sorted(changed)]
        )
