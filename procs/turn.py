"""The order of effects: journal, then say, then call. Pure; live loop and simulation share it.

Write-ahead holds by construction (L1): a batch cannot be performed in any other order, because
`Batch` is the only thing the performers accept and its parts are taken in the order of its fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import msgspec

from shared.domain.effects import (
    CallVenue,
    CancelTimer,
    Effect,
    Journal,
    Note,
    Say,
    SetTimer,
)
from shared.messages.base import Message
from shared.messages.control import EngineStatus, StopEntries, TradingState
from shared.messages.venue import Outcome, VenueAnswered

MAX_MESSAGES_PER_TURN = 256


class Actor(Protocol):
    """A process's judgement: synchronous, and pure but for its own state.

    Life: `recover` once (snapshot and journal rows, evolve only), `start` once, then `on` for each
    message. Messages are those of `shared/messages`, quotes of `core_ext.quote`, and TimerFired.
    """

    role: str

    def recover(self, snapshot: bytes | None, events: Iterable[Message]) -> None:
        """Folds what the journal holds; judges nothing and wants nothing done."""

    def snapshot(self) -> bytes:
        """The state after the last journaled event, for `recover`."""

    def start(self, now_ns: int) -> list[Effect]:
        """The first effects after recovery."""

    def on(self, message: Any, now_ns: int) -> list[Effect]:
        """What follows from a message."""

    def report(self) -> dict[str, Any]:
        """Plain figures for the run summary."""


class Batch(msgspec.Struct):
    """The effects of one turn, sorted into the order in which they are performed."""

    journal: list[Journal] = []
    timers: list[SetTimer | CancelTimer] = []
    says: list[Say] = []
    calls: list[CallVenue] = []
    notes: list[Note] = []

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to perform; notes are no deeds."""
        return not (self.journal or self.timers or self.says or self.calls)

    @property
    def durable(self) -> bool:
        """Whether the commit must survive a power cut (L1)."""
        return any(entry.durable for entry in self.journal)


def gather(effects: Iterable[Effect]) -> Batch:
    """Sorts effects into a batch; within a kind their order is kept."""
    batch = Batch()
    for effect in effects:
        match effect:
            case Journal():
                batch.journal.append(effect)
            case Say():
                batch.says.append(effect)
            case CallVenue():
                batch.calls.append(effect)
            case SetTimer() | CancelTimer():
                batch.timers.append(effect)
            case Note():
                batch.notes.append(effect)
    return batch


def take_turn(actor: Actor, messages: Sequence[Any], now_ns: int) -> Batch:
    """One turn: every message is judged at the same instant, all effects come out in one batch.

    What forbids is heard before what might act: a late timer and the stop that came meanwhile
    would otherwise send an entry and cancel it in one breath (L9), an answer the next order of a
    decision that was told to slow down (L10). A stop is heard first of all, and a state that
    permits entries not at all when a newer state came in the same turn."""
    if len(messages) == 1:
        return gather(actor.on(messages[0], now_ns))
    effects: list[Effect] = []
    for message in sorted(_without_old_permits(messages), key=_rank):
        effects.extend(actor.on(message, now_ns))
    return gather(effects)


def _without_old_permits(messages: Sequence[Any]) -> list[Any]:
    newest = [at for at, one in enumerate(messages) if isinstance(one, EngineStatus)][-1:]
    return [one for at, one in enumerate(messages) if at in newest or not _permits(one)]


def _permits(message: Any) -> bool:
    return isinstance(message, EngineStatus) and message.state is TradingState.ACTIVE


def _rank(message: Any) -> int:
    if isinstance(message, StopEntries):
        return 0
    if isinstance(message, EngineStatus):
        return 1
    throttled = isinstance(message, VenueAnswered) and message.outcome is Outcome.THROTTLED
    return 1 if throttled else 2
