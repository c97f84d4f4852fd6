"""Chance of one seed: whether a fault happens here, and how long it lasts.

Each kind of fault has a generator of its own, and each occasion a number: a single occurrence can
be taken out, and what the other kinds do is drawn as before. So a failing seed can be shrunk.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import NamedTuple

import msgspec

from procs.simulate.faults import Faults

DRAWN = -1


class Hit(NamedTuple):
    """One fault that happened: of which kind, at the how manieth occasion for that kind."""

    kind: str
    occasion: int
    length: int = DRAWN
    """How long it lasts, or where it strikes, when not the dice but a plan says so."""

    def __str__(self) -> str:
        return f"{self.kind}:{self.occasion}" + (f"@{self.length}" if self.length >= 0 else "")


def drawn(random: Random, least: int, most: int) -> int:
    """What `random.randint(least, most)` draws, in less time."""
    width = most - least + 1
    bits = width.bit_length()
    number = random.getrandbits(bits)
    while number >= width:
        number = random.getrandbits(bits)
    return least + number


class Dice:
    """Draws every fault of a world, remembers what hit and in which state of the engine."""

    def __init__(self, seed: int, faults: Faults, only: frozenset[Hit] | None = None) -> None:
        """`only`: just these hit, whatever the chances say; None lets chance decide."""
        self.faults = faults
        self.on_hit: Callable[[Hit, str], None] | None = None
        """Told of every hit and the state it met, for a trace."""
        self.hits_made: list[Hit] = []
        self.counts: dict[str, int] = {}
        self.coverage: dict[str, int] = {}
        """How often "state × fault" occurred."""
        self._seed = seed
        self._only = None if only is None else {(h.kind, h.occasion): h.length for h in only}
        self._occasions: dict[str, int] = {}
        self._generators: dict[str, Random] = {}
        self._lengths: dict[str, Random] = {}
        self._planned: dict[str, int] = {}
        self._ill: dict[str, float] = msgspec.structs.asdict(faults)
        self._well = dict.fromkeys(self._ill, 0.0)
        self._chances = self._ill
        """Of each kind, as the world is now."""

    def heal(self) -> None:
        """From now on nothing hits."""
        self._chances = self._well

    def fall_ill(self) -> None:
        """From now on faults happen."""
        self._chances = self._ill

    def hits(self, kind: str, state: str) -> bool:
        """Whether the fault of this name happens on this occasion, in that state of the engine."""
        chance = self._chances[kind]
        if not chance:
            return False
        occasion = self._occasions[kind] = self._occasions.get(kind, 0) + 1
        if self._only is None:
            generator = self._generators.get(kind) or self._begun(kind)
            if generator.random() >= chance:
                return False
            hit = Hit(kind, occasion)
        else:
            length = self._only.get((kind, occasion))
            if length is None:
                return False
            hit = Hit(kind, occasion, length)
        self._planned[kind] = hit.length
        self._lengths.pop(kind, None)
        self.hits_made.append(hit)
        self.count(kind)
        self.cover(f"{state} × {kind}")
        if self.on_hit is not None:
            self.on_hit(hit, state)
        return True

    def between(self, kind: str, least: int, most: int) -> int:
        """A length for what has hit, the same whatever else hits or not."""
        planned = self._planned.get(kind, DRAWN)
        if planned >= 0:
            return max(least, min(planned, most))
        return self._length(kind).randint(least, most)

    def coin(self, kind: str, chance: float) -> bool:
        """A choice within what has hit."""
        return self._length(kind).random() < chance

    def occasions(self, kind: str) -> int:
        """How often this kind could have hit so far."""
        return self._occasions.get(kind, 0)

    def count(self, name: str) -> None:
        """One more of something that is no draw."""
        self.counts[name] = self.counts.get(name, 0) + 1

    def cover(self, name: str) -> None:
        """One more state × fault."""
        self.coverage[name] = self.coverage.get(name, 0) + 1

    def _begun(self, kind: str) -> Random:
        """The generator of a kind that was never drawn before."""
        begun = self._generators[kind] = Random(f"{self._seed} {kind}")
        return begun

    def _length(self, kind: str) -> Random:
        """A generator of each hit's own: without another hit, this one is as it was."""
        found = self._lengths.get(kind)
        if found is None:
            occasion = self._occasions.get(kind, 0)
            found = self._lengths[kind] = Random(f"{self._seed} {kind} {occasion}")
        return found
