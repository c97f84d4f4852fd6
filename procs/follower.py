"""What decide and protect have in common: a journal of their own, a replica of route's account, and
effects that are gathered through a turn. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar

from shared.domain.effects import Effect, Journal
from shared.domain.policy import Policy
from shared.domain.replica import Replica
from shared.messages.base import Message, Reader, encode
from shared.messages.decision import RouteMarked
from shared.units import NS_PER_S

MARK_EVERY_NS = 10 * NS_PER_S
"""How often the place reached in route's journal is written down, while it moves."""

ASK_AFTER_NS = NS_PER_S
"""Route beats more often than this; a longer silence means that it forgot us, or is gone."""


class FoldedState(Protocol):
    """What a follower's journal folds to, as far as followers are alike."""

    seq: int
    route_mark: int
    route_marked_in: str


StateT = TypeVar("StateT", bound=FoldedState)


class Follower(Generic[StateT]):
    """The common half of an actor; its judgement is the other one."""

    role: str

    def __init__(
        self,
        policy: Policy,
        run_id: str,
        incarnation: int,
        state: StateT,
        evolve: Callable[[StateT, Message], None],
    ) -> None:
        self.policy = policy
        self.run_id = run_id
        self.state = state
        self.replica = Replica(self.role, incarnation, policy.config_hash)
        self.latched = ""
        self._evolve = evolve
        self._marked_ns = 0
        self._effects: list[Effect] = []

    def recover(self, snapshot: bytes | None, events: Iterable[Message]) -> None:
        """Folds snapshot and journal."""
        if snapshot is not None:
            self.state = Reader(type(self.state)).read(snapshot)
        for event in events:
            self._evolve(self.state, event)
        self.replica.mark = self.state.route_mark
        self.replica.marked_in = self.state.route_marked_in

    def snapshot(self) -> bytes:
        """The state after the last event."""
        return encode(self.state)

    def _ask_when_silent(self, now_ns: int) -> None:
        if not self.replica.welcomed or now_ns - self.replica.fresh_ns > ASK_AFTER_NS:
            self._effects += self.replica.ask(now_ns)

    def _mark_progress(self, now_ns: int) -> None:
        """Writes down how far route's events were seen: a route that knows less lost some (L12)."""
        moved = self.replica.mark > self.state.route_mark
        if moved and now_ns - self._marked_ns > MARK_EVERY_NS:
            self._marked_ns = now_ns
            self._record(
                RouteMarked(seq=self.replica.mark, at_ns=now_ns, epoch=self.replica.marked_in)
            )

    def _record(self, event: Message) -> None:
        self._evolve(self.state, event)
        self._effects.append(Journal(self.state.seq, event))

    def _drain(self) -> list[Effect]:
        effects, self._effects = self._effects, []
        return effects
