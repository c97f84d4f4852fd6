"""From a failing seed to the few faults that break it: delta debugging over hits, bounded in time.

A replay with only some of the hits is exact: each hit's length is its own (`dice.py`). A smaller
set counts when it breaks the same law; with what text, at what time, may differ.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from procs.simulate.dice import DRAWN, Hit
from shared.clock import EngineClock
from shared.errors import ConfigError
from shared.units import NS_PER_S

BUDGET_S = 60

Breaks = Callable[[frozenset[Hit]], bool]
"""Whether a world with just these faults breaks the law in question."""


class Shrunk(msgspec.Struct, frozen=True, kw_only=True):
    """What is left of a seed's faults."""

    hits: tuple[Hit, ...]
    before: int
    replays: int
    complete: bool
    """Taking out any one more makes it pass; False when time ran out first."""


class _OutOfTime(Exception):
    """The budget is spent; what has been reached so far is the result."""


class Shrinker:
    """One search. `breaks` replays the world."""

    def __init__(self, hits: tuple[Hit, ...], breaks: Breaks, budget_s: float = BUDGET_S) -> None:
        self._hits = list(hits)
        self._before = len(hits)
        self._breaks = breaks
        self._clock = EngineClock()
        self._until_ns = self._clock.now_ns() + int(budget_s * NS_PER_S)
        self._replays = 0

    def run(self) -> Shrunk:
        """First whole kinds are taken out, then halves, quarters, … and single hits."""
        complete = True
        try:
            self._without_kinds()
            self._without_chunks()
        except _OutOfTime:
            complete = False
        return Shrunk(
            hits=tuple(self._hits),
            before=self._before,
            replays=self._replays,
            complete=complete,
        )

    def _without_kinds(self) -> None:
        for kind in sorted({hit.kind for hit in self._hits}):
            self._try([hit for hit in self._hits if hit.kind != kind])

    def _without_chunks(self) -> None:
        size = max(len(self._hits) // 2, 1)
        while self._hits:
            at, taken = 0, False
            while at < len(self._hits):
                if self._try(self._hits[:at] + self._hits[at + size :]):
                    taken = True
                else:
                    at += size
            if size == 1 and not taken:
                return
            size = max(size // 2, 1)

    def _try(self, fewer: list[Hit]) -> bool:
        if len(fewer) == len(self._hits):
            return False
        if self._clock.now_ns() > self._until_ns:
            raise _OutOfTime
        self._replays += 1
        if not self._breaks(frozenset(fewer)):
            return False
        self._hits = fewer
        return True


def hits_text(hits: tuple[Hit, ...]) -> str:
    """Hits as `--only` takes them; "none" for a world without any."""
    return ",".join(map(str, hits)) or "none"


def hits_of(text: str) -> frozenset[Hit]:
    """What `--only` names: `crash:17,lost_answer:3`, `crash:17@2` for a crash after two of
    that turn's steps. Raises ConfigError."""
    if text == "none":
        return frozenset()
    return frozenset(map(_hit_of, text.split(",")))


def _hit_of(text: str) -> Hit:
    kind, _, place = text.partition(":")
    occasion, at, length = place.partition("@")
    right = kind.isidentifier() and _is_number(occasion) and (not at or _is_number(length))
    if not right:
        raise ConfigError(f"--only {text!r}, allowed: kind:number or kind:number@length, or none")
    return Hit(kind, int(occasion), int(length) if at else DRAWN)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10
