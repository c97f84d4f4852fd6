"""L1: every order that leaves is on the disk of the process that sends it, safe from power cuts."""

from __future__ import annotations

import re
from typing import Any

from procs.simulate.checkers.base import Checker
from shared.messages.venue import VenueRequest, placed_ids

SUBMITTED = re.compile(rb'^\{"type":"order_submitted".*?"client_id":"([^"]*)"')


class IntentFirst(Checker):
    """Reads each row of route's journal once, as bytes."""

    law = "L1"

    def __init__(self, checkers: Any) -> None:
        super().__init__(checkers)
        self._read = 0
        self._place: dict[bytes, int] = {}

    def called(self, node: Any, request: VenueRequest) -> None:
        """The ids of a placement stand in rows that are committed."""
        placed = placed_ids(request)
        if not placed:
            return
        rows = node.rows
        for number, row in enumerate(rows[self._read :], self._read + 1):
            found = SUBMITTED.match(row)
            if found is not None:
                self._place[found[1]] = number
        self._read = len(rows)
        for client_id in placed:
            place = self._place.get(client_id.encode())
            if place is None:
                self.say(f"{client_id} left before it was on disk")
            elif place > node.disk.mark and not node.keeping.degraded:
                # A disk that refuses promises nothing; sales go on without it all the same (L11).
                self.say(f"{client_id} left before a power cut could not take its row back")

    def died(self, node: Any) -> None:
        """A disk may be damaged while nobody looks: the next process's is read anew."""
        if node.role == "route":
            self._read = 0
            self._place.clear()

    def restored(self) -> None:
        """The journal is another one."""
        self._read = 0
        self._place.clear()
