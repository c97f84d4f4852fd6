"""Chance of one seed: whether a fault happens here, and how long it lasts.

Each kind of fault has a generator of its own, and each occasion a number: a single occurrence can
be taken out, and what the other kinds do is drawn as before. So a failing seed can be shrunk.
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from procs.simulate.faults import Faults


class Hit(NamedTuple):
    """One fault that happened: of which kind, at the how manieth occasion for that kind."""

    kind: str
    occasion: int


class Dice:
    """Draws every fault of a world, remembers what hit and in which state of the engine."""

    def __init__(self, seed: int, faults: Faults, only: frozenset[Hit] | None = None) -> None:
        """`only`: of what would hit, just these do; None lets all of it happen."""
        self.faults = faults
        self.hits_made: list[Hit] = []
        self.counts: dict[str, int] = {}
        self.coverage: dict[str, int] = {}
        """How often "state × fault" occurred."""
        self._seed = seed
        self._only = only
        self._occasions: dict[str, int] = {}
        self._generators: dict[str, Random] = {}
        self._healed = False

    def heal(self) -> None:
        """From now on nothing hits."""
        self._healed = True

    def hits(self, kind: str, state: str) -> bool:
        """Whether the fault of this name happens on this occasion, in that state of the engine."""
        chance = 0.0 if self._healed else getattr(self.faults, kind)
        if not chance:
            return False
        occasion = self._occasions[kind] = self._occasions.get(kind, 0) + 1
        if self._generator(kind).random() >= chance:
            return False
        hit = Hit(kind, occasion)
        if self._only is not None and hit not in self._only:
            return False
        self.hits_made.append(hit)
        self.count(kind)
        self.cover(f"{state} × {kind}")
        return True

    def between(self, kind: str, least: int, most: int) -> int:
        """A length for what has hit, from the kind's own generator."""
        return self._generator(kind).randint(least, most)

    def coin(self, kind: str, chance: float) -> bool:
        """A choice within what has hit."""
        return self._generator(kind).random() < chance

    def count(self, name: str) -> None:
        """One more of something that is no draw."""
        self.counts[name] = self.counts.get(name, 0) + 1

    def cover(self, name: str) -> None:
        """One more state × fault."""
        self.coverage[name] = self.coverage.get(name, 0) + 1

    def _generator(self, kind: str) -> Random:
        found = self._generators.get(kind)
        if found is None:
            found = self._generators[kind] = Random(f"{self._seed} {kind}")
        return found
