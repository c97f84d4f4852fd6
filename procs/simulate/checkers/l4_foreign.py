"""L4: what does not carry our prefix is never touched."""

from __future__ import annotations

from typing import Any

from procs.simulate.checkers.base import Checker
from shared.ids import decision_of
from shared.messages.venue import CancelOrder, VenueRequest, placed_ids


class Foreign(Checker):
    """Looks at every id that a request names."""

    law = "L4"

    def called(self, node: Any, request: VenueRequest) -> None:
        """Only orders of ours are placed and cancelled."""
        named = placed_ids(request)
        if isinstance(request, CancelOrder):
            named = (request.client_id,)
        for client_id in named:
            if decision_of(client_id) is None:
                self.say(f"{type(request).__name__} of {client_id!r}, which is not ours")
