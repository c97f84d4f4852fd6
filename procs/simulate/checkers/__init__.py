"""The laws, looked at from outside: one checker each, the venue's own books against the engine's.

A checker compares what really happened (the exchange, the wire, the disks) with what the engine
holds for true. None of them asks the engine's own judgements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from procs.localvenue.matching.model import Order as VenueSideOrder
from procs.simulate.checkers.base import Checker, Violation
from procs.simulate.checkers.l1_intent_first import IntentFirst
from procs.simulate.checkers.l2_outcomes import Outcomes
from procs.simulate.checkers.l3_fills import Fills
from procs.simulate.checkers.l4_foreign import Foreign
from procs.simulate.checkers.l5_protection import Protection
from procs.simulate.checkers.l6_oversell import Oversell
from procs.simulate.checkers.l7_writers import Writers
from procs.simulate.checkers.l8_channels import Channels
from procs.simulate.checkers.l9_states import States
from procs.simulate.checkers.l10_budget import Budget
from procs.simulate.checkers.l12_journals import Journals
from procs.simulate.checkers.l14_supervision import Supervision
from procs.simulate.checkers.l15_money import Money
from procs.simulate.checkers.l16_recovery import Recovery
from procs.supervise.effects import Spawn
from shared.messages.venue import VenueAnswered, VenueReported, VenueRequest

if TYPE_CHECKING:
    from procs.simulate.world import World

__all__ = ["Checkers", "Violation"]

ALL: tuple[type[Checker], ...] = (
    IntentFirst,
    Outcomes,
    Fills,
    Foreign,
    Protection,
    Oversell,
    Writers,
    Channels,
    States,
    Budget,
    Journals,
    Supervision,
    Money,
    Recovery,
)


FROM_THE_VENUE = (VenueAnswered, VenueReported)


class Checkers:
    """Watches one world; the first violation ends it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.violations: list[Violation] = []
        world.venue.on_acted = self._acted
        checkers = [one(self) for one in ALL]
        self._called = _those_with("called", checkers)
        self._said = _by_word(checkers)
        self._heard = _by_role("heard", checkers)
        self._changed = _those_with("changed", checkers)
        self._looking_at_books = _those_with("acted", checkers)
        self._turned = _by_role("turned", checkers)
        self._moved = _those_with("moved", checkers)
        self._died = _those_with("died", checkers)
        self._failed = _those_with("failed", checkers)
        self._spawned = _those_with("spawned", checkers)
        self._restored = _those_with("restored", checkers)
        self._at_rest = _those_with("at_rest", checkers)

    def say(self, law: str, text: str) -> None:
        """A law is broken."""
        self.violations.append(Violation(law=law, step=self.world.events, text=text))

    def called(self, node: Any, request: VenueRequest) -> None:
        """A request leaves a process."""
        for look in self._called:
            look(node, request)

    def said(self, node: Any, message: Any) -> None:
        """A process says something to another one."""
        for look in self._said.get(type(message), ()):
            look(node, message)

    def heard(self, node: Any, messages: list[Any]) -> None:
        """A living process takes messages."""
        if node.role == "route":
            told = self.world.venue.questions.told
            for message in messages:
                if isinstance(message, FROM_THE_VENUE):
                    told(message)
        for look in self._heard[node.role]:
            look(node, messages)

    def changed(self, order: VenueSideOrder) -> None:
        """An order changed at the venue."""
        for look in self._changed:
            look(order)

    def turned(self, node: Any) -> None:
        """A process ended a turn."""
        for look in self._turned[node.role]:
            look(node)

    def market_moved(self) -> None:
        """Time has passed."""
        for look in self._moved:
            look()

    def died(self, node: Any) -> None:
        """A process is dead; its actor and its disk are as they were."""
        for look in self._died:
            look(node)

    def failed(self, role: str) -> None:
        """A process died while it started up."""
        for look in self._failed:
            look(role)

    def spawned(self, wanted: Spawn) -> None:
        """The supervisor starts a process."""
        for look in self._spawned:
            look(wanted)

    def restored(self) -> None:
        """Older journals came back."""
        self.world.venue.questions.forget()
        for look in self._restored:
            look()

    def at_rest(self) -> None:
        """After the healing, at the end; first of all the running sums are proved."""
        for text in self.world.venue.books.prove():
            self.say("books", text)
        for look in self._at_rest:
            look()

    def _acted(self) -> None:
        books = self.world.venue.books
        if not books.changed:
            return
        changed, books.changed = list(books.changed.values()), {}
        for look in self._looking_at_books:
            look(changed)


def _those_with(name: str, checkers: Iterable[Checker]) -> list[Callable[..., None]]:
    """The methods of this name of the checkers that have one of their own."""
    return [
        getattr(c, name) for c in checkers if getattr(type(c), name) is not getattr(Checker, name)
    ]


def _by_role(name: str, checkers: list[Checker]) -> dict[str, list[Callable[..., None]]]:
    """The methods of this name that look at a role's turns: most look at one role alone."""
    return {
        role: _those_with(name, (c for c in checkers if role in c.roles)) for role in Checker.roles
    }


def _by_word(checkers: list[Checker]) -> dict[type, list[Callable[..., None]]]:
    """Those that want to see a message of this kind when it is said: nobody looks at most."""
    words = dict.fromkeys(word for c in checkers for word in c.words)
    return {word: _those_with("said", (c for c in checkers if word in c.words)) for word in words}
