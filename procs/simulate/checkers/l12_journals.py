"""L12: who has seen more of route than its journal holds must not be traded upon."""

from __future__ import annotations

from typing import Any

from procs.simulate.checkers.base import Checker
from shared.messages.account import EventSaid
from shared.messages.base import encode
from shared.messages.venue import PlaceOrder, Side, VenueRequest

READERS = ("decide", "protect")


class Journals(Checker):
    """Compares what was said of the journal with what is in it when a new process reads it."""

    law = "L12"

    def __init__(self, checkers: Any) -> None:
        super().__init__(checkers)
        self._said: dict[int, bytes] = {}
        self._life = 0
        self._lost = ""
        """What was said and is not there; until a person has opened a latch again."""
        self._lost_seq = 0
        self._latched = False

    def said(self, node: Any, message: Any) -> None:
        """Route tells its readers of a row."""
        if isinstance(message, EventSaid) and node.role == "route":
            self._look(node)
            self._said[message.seq] = encode(message.event)

    def turned(self, node: Any) -> None:
        """A person looks: the latch is set, and then it is gone."""
        if node.role != "route" or not self._lost:
            return
        if self.world.machine.latch:
            self._latched = True
        elif self._latched:
            self._lost = ""

    def called(self, node: Any, request: VenueRequest) -> None:
        """No entry on a journal that has lost what others know."""
        self._look(node)
        if self._lost and isinstance(request, PlaceOrder) and request.side is Side.BUY:
            if self._remembered() < self._lost_seq:
                self._lost = ""  # A later power cut has taken the last memory of it.
                return
            self.say(f"{request.client_id} leaves, and {self._lost}")

    def _look(self, node: Any) -> None:
        """Once for each process, before it has said anything."""
        if node.life == self._life:
            return
        self._life = node.life
        rows, mark = node.rows, self._remembered()
        lost = [seq for seq, row in self._said.items() if seq > len(rows) or rows[seq - 1] != row]
        known = [seq for seq in lost if seq <= mark]
        for seq in lost:
            del self._said[seq]
        if known:
            self._lost_seq = min(known)
            self._lost = f"row {min(known)} of {mark} that others know is lost"
            self._latched = False

    def _remembered(self) -> int:
        """How far somebody knows route's rows: living readers, and the journals of dead ones.

        What a power cut takes from all of them is reconciled, nobody can miss it (L1)."""
        marks = [0]
        for role in READERS:
            reader = self.world.nodes[role]
            known = reader.actor if reader.alive else reader.recovered()
            marks.append(known.replica.mark)
        return max(marks)
