"""What every checker is: a law, what it looks at, and how it says that the law is broken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from procs.localvenue.matching.model import Order as VenueSideOrder
from procs.simulate.books import Book
from procs.supervise.effects import Spawn
from shared.messages.venue import VenueRequest

if TYPE_CHECKING:
    from procs.simulate.checkers import Checkers
    from procs.simulate.world import World


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """A broken law: which, when (event number), what was seen."""

    law: str
    step: int
    text: str


class Checker:
    """Looks on; a method that a checker does not have costs nothing."""

    law = ""
    roles: tuple[str, ...] = ("route", "protect", "ingest", "decide", "observe")
    """Whose turns it looks at, as they begin (`heard`) and as they end (`turned`)."""
    words: tuple[type, ...] = ()
    """What it looks at when it is said (`said`)."""

    def __init__(self, checkers: Checkers) -> None:
        self.checkers = checkers
        self.world: World = checkers.world
        self.books = self.world.venue.books
        self.questions = self.world.venue.questions

    def say(self, text: str, law: str = "") -> None:
        """The law is broken."""
        self.checkers.say(law or self.law, text)

    def called(self, node: Any, request: VenueRequest) -> None:
        """A request leaves a process; the venue has not met it."""

    def said(self, node: Any, message: Any) -> None:
        """A process says something to another one."""

    def heard(self, node: Any, messages: list[Any]) -> None:
        """A living process takes messages, all in one turn."""

    def changed(self, order: VenueSideOrder) -> None:
        """An order changed at the venue."""

    def acted(self, books: list[Book]) -> None:
        """The venue has done something, and these books changed by it."""

    def turned(self, node: Any) -> None:
        """A process ended a turn."""

    def moved(self) -> None:
        """The market moved: time has passed."""

    def died(self, node: Any) -> None:
        """A process is dead; its actor and its disk are as they were."""

    def failed(self, role: str) -> None:
        """A process died while it started up."""

    def spawned(self, wanted: Spawn) -> None:
        """The supervisor starts a process."""

    def restored(self) -> None:
        """Older journals came back: the engine knows less than before."""

    def at_rest(self) -> None:
        """After the healing, at the end."""
