"""L1: every order that leaves is on the disk of the process that sends it."""

from __future__ import annotations

import re
from typing import Any

from procs.simulate.checkers.base import Checker
from procs.simulate.questions import ids_of
from shared.messages.venue import VenueRequest

SUBMITTED = re.compile(rb'^\{"type":"order_submitted".*?"client_id":"([^"]*)"')


class IntentFirst(Checker):
    """Reads each row of route's journal once, as bytes."""

    law = "L1"

    def __init__(self, checkers: Any) -> None:
        super().__init__(checkers)
        self._read = 0
        self._ids: set[bytes] = set()

    def called(self, node: Any, request: VenueRequest) -> None:
        """The ids of a placement stand in rows that are committed."""
        placed = ids_of(request)
        if not placed:
            return
        rows = node.rows
        for row in rows[self._read :]:
            found = SUBMITTED.match(row)
            if found is not None:
                self._ids.add(found[1])
        self._read = len(rows)
        for client_id in placed:
            if client_id.encode() not in self._ids:
                self.say(f"{client_id} left before it was on disk")

    def restored(self) -> None:
        """The journal is another one."""
        self._read = 0
        self._ids.clear()
