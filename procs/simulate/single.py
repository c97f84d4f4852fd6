"""One seed, looked at closely: its trace, and the smallest set of faults that still breaks it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from procs.simulate.campaign import command_of
from procs.simulate.dice import Hit
from procs.simulate.modes import Mode
from procs.simulate.shrink import BUDGET_S, Shrinker, Shrunk, hits_text
from procs.simulate.trace import play_traced
from procs.simulate.world import Outcome, World, play


class Seed(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that makes a world."""

    seed: int
    profile: str
    mode: Mode
    only: frozenset[Hit] | None = None

    @property
    def command(self) -> str:
        """What to type to see it again."""
        only = "" if self.only is None else hits_text(tuple(sorted(self.only)))
        return command_of(self.seed, self.profile, self.mode, only)

    def play(self, write: Callable[[str], None] | None = None) -> Outcome:
        """Runs it to its end; with `write`, a line for everything that happens."""
        if write is None:
            return play(self.seed, self.profile, self.mode, self.only)
        return play_traced(World(self.seed, self.profile, self.only, self.mode), write)

    def shrink(self, outcome: Outcome, budget_s: float = BUDGET_S) -> tuple[Seed, Shrunk]:
        """The same world with as few faults as still break the law that this outcome broke."""
        law = outcome.violations[0].law

        def breaks(hits: frozenset[Hit]) -> bool:
            again = play(self.seed, self.profile, self.mode, hits).violations
            return bool(again) and again[0].law == law

        shrunk = Shrinker(outcome.hits, breaks, budget_s).run()
        smaller = msgspec.structs.replace(self, only=frozenset(shrunk.hits))
        return smaller, shrunk
