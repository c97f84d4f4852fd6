"""L14: after three starts of route that failed within ten seconds comes its rescue mode."""

from __future__ import annotations

from typing import Any, Final

from procs.simulate.checkers.base import Checker
from procs.supervise.effects import Spawn
from shared.units import NS_PER_S

RESCUED_AFTER: Final = 3
FAILED_WITHIN_NS: Final = 10 * NS_PER_S


class Supervision(Checker):
    """From the machine's side: what died while it started up, and what is started next.

    L5 counts anew from each failed start; this is what keeps them from going on."""

    law = "L14"

    def __init__(self, checkers: Any) -> None:
        super().__init__(checkers)
        self._failed_ns: list[int] = []
        self._tries = (0, 0)

    def failed(self, role: str) -> None:
        """A start of route failed. A new run, or a person who resumes, begins to count anew."""
        if role != "route":
            return
        tries = self._tries_now()
        if tries != self._tries:
            self._tries, self._failed_ns = tries, []
        self._failed_ns = [*self._failed_ns, self.world.agenda.now_ns][-RESCUED_AFTER:]

    def spawned(self, wanted: Spawn) -> None:
        """The supervisor knows of every death by now: it buries one child before the next."""
        if wanted.role != "route" or wanted.rescue or len(self._failed_ns) < RESCUED_AFTER:
            return
        if self._tries != self._tries_now():
            return
        # The supervisor heard of the first one later than it happened, and of the last before now.
        if self.world.agenda.now_ns - self._failed_ns[0] < FAILED_WITHIN_NS:
            self.say(f"route starts as before after {RESCUED_AFTER} starts that failed")

    def _tries_now(self) -> tuple[int, int]:
        return self.world.machine.runs, self.world.dice.counts.get("person_resume", 0)
