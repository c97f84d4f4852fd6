"""When a fault strikes: its window, its matches, its chance, drawn from a seed of its own."""

from __future__ import annotations

import random
from typing import Any

from procs.localvenue.faults.plan import Fault


class Trigger:
    """One fault of a plan at work.

    Its random numbers depend on the plan's seed and its number only; each match draws exactly one
    for the decision, so that the same plan and the same matches strike the same ones."""

    def __init__(self, fault: Fault, seed: int, number: int, installed_ms: int) -> None:
        """`number` is its place in the plan, from 1; healing others does not change it."""
        self.fault = fault
        self.number = number
        self.kind = fault.kind
        self.matches = 0
        self.strikes = 0
        self._random = random.Random(f"{seed}:{number}")
        self._amounts = random.Random(f"{seed}:{number}:amounts")
        self._from_ms = installed_ms + round(fault.after_s * 1_000)
        self._until_ms = None if fault.for_s is None else self._from_ms + round(fault.for_s * 1_000)

    def is_on(self, now_ms: int) -> bool:
        """Whether now lies in its window."""
        return now_ms >= self._from_ms and (self._until_ms is None or now_ms < self._until_ms)

    def since_ms(self, now_ms: int) -> int:
        """Milliseconds since its window began."""
        return now_ms - self._from_ms

    def strikes_now(self, now_ms: int) -> bool:
        """One match: whether the fault strikes it."""
        if not self.is_on(now_ms):
            return False
        fault = self.fault
        self.matches += 1
        drawn = self._random.random()
        if fault.nth is not None and self.matches != fault.nth:
            return False
        if self.matches % fault.every or drawn >= fault.chance:
            return False
        if fault.count is not None and self.strikes >= fault.count:
            return False
        self.strikes += 1
        return True

    def value(self, name: str) -> Any:
        """A number of the fault as the plan says it."""
        return self.fault.values[name]

    def drawn(self, name: str) -> float:
        """A number with a spread, drawn anew."""
        low, high = self.fault.values[name]
        return float(low) if low == high else self._amounts.uniform(low, high)

    def drawn_ms(self, name: str = "delay_ms") -> int:
        """The same in whole milliseconds."""
        return round(self.drawn(name))

    def pick(self, upto: int) -> int:
        """A whole number from 0 to below upto."""
        return self._amounts.randrange(upto)

    def row(self) -> dict[str, Any]:
        """How it stands, for people."""
        return {
            "number": self.number,
            **self.fault.said,
            "matches": self.matches,
            "strikes": self.strikes,
        }
