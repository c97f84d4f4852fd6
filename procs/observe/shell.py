"""Observe's process: answers commands on `query`, and looks up what route's journal still knows."""

from __future__ import annotations

from typing import Any, ClassVar

from procs.observe.actor import RECENT_FILLS, ObserveActor
from procs.runtime.launch import Launch
from procs.runtime.shell import Shell
from shared.errors import JournalError, MessageError, NotFoundError
from shared.journal.reader import JournalReader
from shared.messages.account import FillBooked
from shared.messages.base import Message, Reader
from shared.messages.control import Ask, Told

_FILLS = Reader(FillBooked)


class ObserveShell(Shell):
    """Adds nothing to the loop but a reader of route's journal."""

    role: ClassVar[str] = "observe"

    def __init__(self, launch: Launch) -> None:
        super().__init__(launch)
        self._looked_up = 0
        self._unreadable = 0

    def build(self) -> ObserveActor:
        """The actor of this incarnation."""
        launch = self.launch
        return ObserveActor(launch.incarnation, launch.config_hash, launch.settings.universe.quote)

    def after_turn(self, actor: Any, now_ns: int) -> None:
        """A welcome tells the account but not its past executions: those are in the journal."""
        if actor.welcomes != self._looked_up:
            self._looked_up = actor.welcomes
            actor.remember(self._journaled_fills())

    def _journaled_fills(self) -> list[FillBooked]:
        path = self.launch.journal_path.with_name("route.db")
        try:
            with JournalReader(path, "route") as journal:
                rows = journal.of_type("fill_booked", RECENT_FILLS)
                return [_FILLS.read(row.body) for row in rows]
        except (NotFoundError, JournalError, MessageError):
            # Route judges its journal and alarms; a list of past fills is not worth a restart.
            self._unreadable += 1
            return []

    def answer(self, actor: Any, question: Message, now_ns: int) -> Message | None:
        """A command's answer."""
        if not isinstance(question, Ask):
            return None
        told: Told = actor.answer(question, now_ns)
        return told

    def figures(self) -> dict[str, float]:
        """How often route's journal could not be read."""
        return {"journal_unreadable": self._unreadable}
