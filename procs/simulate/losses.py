"""When route's journal last came to know less than route had known, and what that moves.

A position that the journal has lost is not sold within a fence of the start that finds it: sales of
it may be on their way (L2, L6). So what is to be settled within a bound is counted from there. A
process whose disk refused holds rows that nobody else has; it may end after the world has healed.
Losing them is then the last fault of the world, which gets its time to heal from then on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from procs.simulate.world import World


class Losses:
    """Counts route's rows at each of its deaths."""

    def __init__(self, world: World) -> None:
        self.last_ns = 0
        """When rows were last lost; from its start on, when the process that misses them began."""
        self._world = world
        self._rows = 0
        self._missed = False

    def died(self) -> None:
        """Route is gone, and its files are as it left them."""
        self._rows = len(self._world.nodes["route"].rows)

    def look(self) -> None:
        """Somebody's files are not what they were: perhaps route's are shorter."""
        rows = len(self._world.nodes["route"].rows)
        if rows < self._rows:
            self._rows = rows
            self._missed = True
            self._counts()

    def began(self) -> None:
        """A process of route begins, with what is left."""
        if self._missed:
            self._missed = False
            self._counts()

    def _counts(self) -> None:
        self.last_ns = self._world.agenda.now_ns
        self._world.goes_on()
