"""What a process adds to the live loop: its actor, and hooks around it. All hooks have defaults.

A shell owns what is not pure: venue sessions, feeds, web servers. It talks to its actor only
through `runtime.deliver(message)` and the hooks below, always on the loop's thread.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from procs.runtime.launch import Launch
from procs.turn import Actor
from shared.domain.effects import CallVenue
from shared.messages.base import Message
from shared.messages.venue import Outcome, VenueAnswered

if TYPE_CHECKING:
    from procs.runtime.loop import Runtime


class LiveActor(Actor, Protocol):
    """What the live loop needs of an actor beyond the common contract."""

    latched: str
    """Why exits only, empty when entries may be; the runtime sets it before each turn (L9)."""

    @property
    def ready(self) -> bool:
        """Recovered and reconciled; the runtime says so to the supervisor when it first holds."""

    def figures(self) -> dict[str, float]:
        """Counters for the heartbeat."""


class Shell:
    """Subclass it, build the actor, override the hooks that the process needs."""

    role: ClassVar[str]
    journal_events: ClassVar[Any] = None
    """The union of events that the role journals; None when it keeps no journal."""
    quote_prefixes: ClassVar[tuple[bytes, ...]] = (b"",)
    """What the role subscribes to on `quotes` at first; `runtime.links.quotes` can change it."""
    keeps_secrets: ClassVar[bool] = False
    """Whether its memory must not be looked into or dumped (L13)."""
    rehearses: ClassVar[bool] = False
    """Whether `rehearse` does anything (`engine.warm`)."""
    spins: ClassVar[bool] = False
    """Whether it may poll its quotes without sleeping (`engine.spin`)."""

    def __init__(self, launch: Launch) -> None:
        self.launch = launch

    async def prepare(self, runtime: Runtime) -> None:
        """Before the actor is built: connect to a venue, say. The role's lock is held, heartbeats
        go out, nothing is read yet. Raises SeawallError to end the process."""

    def build(self) -> LiveActor:
        """The actor, before recovery. Raises ConfigError for what makes a start impossible.

        Every role has its own; only a shell written without one, a bug, gets here."""
        raise NotImplementedError(f"the shell of {self.role} builds no actor")

    def tasks(self, runtime: Runtime) -> Iterable[Coroutine[Any, Any, None]]:
        """Coroutines that run until they are cancelled at the stop. One that raises, or returns
        early by an error, ends the process."""
        return ()

    def before_turn(self, actor: Any, now_ns: int) -> None:
        """Just before each turn, after `actor.latched` was set."""

    def after_turn(self, actor: Any, now_ns: int) -> None:
        """Just after each turn's effects were performed."""

    def rehearse(self, actor: Any, now_ns: int) -> None:
        """A dry run of what must be quick, in idle time: pure functions alone, everything thrown
        away. It journals nothing, says nothing, sends nothing and leaves every state as it was."""

    async def perform_call(self, call: CallVenue, turn_began_ns: int) -> VenueAnswered:
        """Asks the venue. The runtime has just checked the age of the turn (L7); a shell that waits
        before sending, for a rate budget, checks again (`runtime.is_stale`)."""
        return VenueAnswered(
            request=call.request,
            outcome=Outcome.NOT_SENT,
            code="no_venue",
            text=f"{self.role} has no venue",
        )

    def answer(self, actor: Any, question: Message, now_ns: int) -> Message | None:
        """The answer to a command's question, for the role that binds `query`."""
        return None

    def figures(self) -> dict[str, float]:
        """Counters of the shell for the heartbeat."""
        return {}

    def report(self) -> dict[str, Any]:
        """What the shell adds to the last report."""
        return {}

    async def close(self) -> None:
        """After the last turn: close sessions. Nothing is sent to a venue any more."""
