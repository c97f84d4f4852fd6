"""What carries the prices of a whole market along a path: falls of everything, swings that mislead.

A tide says for each symbol and instant how far, as a logarithm, it has carried the price, and how
frightened the market is. It is a function of seed and time alone: slots of equal length follow each
other, each drawn from its own generator, so nothing of it needs to be saved.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final, NamedTuple, Protocol

from procs.localvenue.market.dips import draw


class Mood(NamedTuple):
    """How far the tide has carried a price, as a logarithm, and the stress, 0 to 1."""

    level: float
    stress: float


STILL: Final = Mood(0.0, 0.0)


class Tide(Protocol):
    """The path of a market."""

    def mood(self, place: int, market_ms: int) -> Mood:
        """The mood of the symbol at this place in the market, so long after the beginning."""


class Leg(NamedTuple):
    """One way of a path, up to an instant of its slot in ms; stress grows or fades towards its."""

    until_ms: float
    to: float
    stress: float


class Path:
    """Legs one after the other, from a level, with the ease that dips have."""

    def __init__(self, start: float, legs: Sequence[Leg]) -> None:
        """The legs' times rise; after the last one the path stays."""
        self._start = start
        self._legs = legs

    def at(self, slot_ms: float) -> Mood:
        """Where the path stands so long after its beginning."""
        from_ms, level, stress = 0.0, self._start, 0.0
        for leg in self._legs:
            if slot_ms < leg.until_ms:
                u = (slot_ms - from_ms) / (leg.until_ms - from_ms)
                ease = 0.5 * u + 0.5 * u * u * (3.0 - 2.0 * u)
                return Mood(
                    level + (leg.to - level) * ease,
                    stress + (leg.stress - stress) * min(u * 3.0, 1.0),
                )
            from_ms, level, stress = leg
        return Mood(level, stress)


CRASH_SLOT_MS: Final = 32 * 60_000
BETA_LEAST, BETA_MOST = 1.0, 2.1
"""How much farther than the first symbol the others fall."""


class CrashTide:
    """All symbols fall together, with bounces and aftershocks, and come back in part; see crash in
    profiles.py."""

    def __init__(self, seed: int, symbols: Sequence[str]) -> None:
        self._seed = seed
        random = [Random(f"{seed}/beta/{symbol}") for symbol in symbols]
        self._betas = [draw(one, (BETA_LEAST, BETA_MOST)) for one in random]
        if self._betas:
            self._betas[0] = BETA_LEAST
        self._slot = -1
        self._path = Path(0.0, ())
        self._shares: list[float] = []
        self._at_ms = -1
        self._now = STILL

    def mood(self, place: int, market_ms: int) -> Mood:
        """See Tide."""
        if market_ms != self._at_ms:
            slot, slot_ms = divmod(market_ms, CRASH_SLOT_MS)
            if slot != self._slot:
                self._begin(slot)
            self._at_ms, self._now = market_ms, self._path.at(slot_ms)
        level, stress = self._now
        return Mood(level * self._betas[place], stress)

    def _begin(self, slot: int) -> None:
        self._slot = slot
        start, end = self._end_of(slot - 1), self._end_of(slot)
        random = Random(f"{self._seed}/crash/{slot}")
        depth = draw(random, (0.096, 0.114))
        at_ms = 0.0
        legs = []
        plan = (
            # seconds, how much of the depth is lost then, stress
            ((60, 150) if slot == 0 else (60, 360), (0.0, 0.0), 0.0),
            ((60, 110), (0.06, 0.1), 0.25),
            ((40, 80), (0.5, 0.57), 0.85),
            ((20, 45), (0.32, 0.38), 0.7),
            ((35, 70), (1.0, 1.0), 1.0),
            ((30, 70), (0.58, 0.68), 0.8),
            ((40, 90), (0.8, 0.9), 0.7),
            ((40, 90), (0.55, 0.64), 0.5),
            ((40, 80), (0.7, 0.8), 0.5),
            ((50, 100), (0.48, 0.56), 0.3),
            ((300, 480), (0.28, 0.38), 0.1),
        )
        for seconds, lost, stress in plan:
            at_ms += draw(random, seconds) * 1_000
            legs.append(Leg(at_ms, start - depth * draw(random, lost), stress))
        legs.append(Leg(CRASH_SLOT_MS, end, 0.0))
        self._path = Path(start, legs)

    def _end_of(self, slot: int) -> float:
        """Where the slow climb after a crash leads, against the first level of all."""
        if slot < 0:
            return 0.0
        return draw(Random(f"{self._seed}/climb/{slot}"), (-0.025, 0.01))


CHOP_SLOT_MS: Final = 80_000


class ChopTide:
    """Every symbol by itself: a drift to an edge, a break through it, and back through the middle;
    see chop in profiles.py."""

    def __init__(self, seed: int, symbols: Sequence[str]) -> None:
        self._seeds = [f"{seed}/chop/{symbol}" for symbol in symbols]
        self._offsets_ms = [int(Random(one).random() * CHOP_SLOT_MS) for one in self._seeds]
        self._slots = [-1] * len(self._seeds)
        self._paths = [Path(0.0, ())] * len(self._seeds)

    def mood(self, place: int, market_ms: int) -> Mood:
        """See Tide."""
        slot, slot_ms = divmod(market_ms + self._offsets_ms[place], CHOP_SLOT_MS)
        if slot != self._slots[place]:
            self._slots[place] = slot
            self._paths[place] = self._path(self._seeds[place], slot)
        return self._paths[place].at(slot_ms)

    @staticmethod
    def _path(seed_text: str, slot: int) -> Path:
        if slot == 0:
            # The market begins in the middle of the first slot, which therefore is silent.
            return Path(0.0, ())
        start = _chop_end(seed_text, slot - 1)
        random = Random(f"{seed_text}/{slot}")
        side = 1.0 if random.random() < 0.5 else -1.0
        drift_ms = draw(random, (18_000.0, 32_000.0))
        broken_ms = drift_ms + draw(random, (5_000.0, 14_000.0))
        held_ms = broken_ms + draw(random, (3_000.0, 10_000.0))
        back_ms = held_ms + draw(random, (8_000.0, 20_000.0))
        top = side * draw(random, (0.011, 0.016))
        legs = (
            Leg(drift_ms, side * draw(random, (0.004, 0.007)), 0.05),
            Leg(broken_ms, top, 0.3),
            Leg(held_ms, top + side * draw(random, (-0.001, 0.001)), 0.15),
            Leg(back_ms, _chop_end(seed_text, slot, side), 0.3),
            Leg(CHOP_SLOT_MS, _chop_end(seed_text, slot, side), 0.0),
        )
        return Path(start, legs)


def _chop_end(seed_text: str, slot: int, side: float | None = None) -> float:
    """Where a slot ends: a little beyond the middle, on the other side of its break."""
    if slot <= 0:
        return 0.0
    if side is None:
        side = 1.0 if Random(f"{seed_text}/{slot}").random() < 0.5 else -1.0
    return -side * draw(Random(f"{seed_text}/{slot}/end"), (0.002, 0.006))
