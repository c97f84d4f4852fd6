"""L12: who has seen more of route than its journal holds must not be traded upon."""

from __future__ import annotations

from typing import Any

from procs.simulate.checkers.base import Checker
from shared.messages.account import EventSaid, Hello
from shared.messages.base import encode
from shared.messages.venue import PlaceOrder, Side, VenueRequest

READERS = ("decide", "protect")


class Journals(Checker):
    """Compares what was said of the journal with what is in it when a new process reads it."""

    law = "L12"
    roles = ("route",)
    words = (EventSaid,)

    def __init__(self, checkers: Any) -> None:
        super().__init__(checkers)
        self._said: dict[int, tuple[bytes, str]] = {}
        """Rows that were said, and by which process of route."""
        self._life = 0
        self._lost = ""
        """What was said and is not there; until a person has opened a latch again."""
        self._lost_rows: set[tuple[int, str]] = set()
        self._told = False
        """Route has heard of it."""
        self._latched = False

    def said(self, node: Any, message: Any) -> None:
        """Route tells its readers of a row."""
        if isinstance(message, EventSaid) and node.role == "route":
            self._look(node)
            self._said[message.seq] = (encode(message.event), node.actor.epoch)

    def heard(self, node: Any, messages: list[Any]) -> None:
        """A reader tells route what it has seen."""
        if self._lost and node.role == "route":
            self._told = self._told or any(
                isinstance(one, Hello) and (one.mark, one.marked_in) in self._lost_rows
                for one in messages
            )

    def turned(self, node: Any) -> None:
        """A person looks: the latch is set, and then it is gone."""
        if node.role != "route" or not self._lost:
            return
        if self.world.machine.latch:
            self._latched = True
        elif self._latched:
            self._lost = ""
            self._lost_rows.clear()

    def called(self, node: Any, request: VenueRequest) -> None:
        """No entry on a journal that has lost what others know."""
        self._look(node)
        if self._lost and isinstance(request, PlaceOrder) and request.side is Side.BUY:
            if not self._told and not self._remembered():
                self._lost = ""  # A later power cut has taken the last memory of it.
                return
            self.say(f"{request.client_id} leaves, and {self._lost}")

    def _look(self, node: Any) -> None:
        """Once for each process, before it has said anything."""
        if node.life == self._life:
            return
        self._life = node.life
        rows = node.rows
        lost = [
            seq for seq, (row, _) in self._said.items() if seq > len(rows) or rows[seq - 1] != row
        ]
        for seq in lost:
            _, epoch = self._said.pop(seq)
            self._lost_rows.add((seq, epoch))
        if lost and self._remembered():
            self._lost = f"row {min(lost)} of {self._remembered()} that others know is lost"
            self._latched = self._told = False

    def _remembered(self) -> int:
        """The highest lost row that somebody knows: living readers, and the journals of dead ones.

        A mark names a row by number and epoch: one that others have written since is another one.
        What a power cut takes from all of them is reconciled, nobody can miss it (L1)."""
        marks = [(0, "")]
        for role in READERS:
            reader = self.world.nodes[role]
            known = reader.actor if reader.alive else reader.recovered()
            marks.append((known.replica.mark, known.replica.marked_in))
        return max((seq for seq, epoch in marks if (seq, epoch) in self._lost_rows), default=0)
