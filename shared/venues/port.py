"""What the engine needs of a venue. Route's shell and ingest's shell speak only this.

An implementation never raises for what a venue or the network does: every request ends as a
VenueAnswered whose outcome is ok, refused, throttled, not sent or UNKNOWN (L2).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from shared.domain.capability import Capability
from shared.domain.instrument import Instrument
from shared.messages.venue import (
    VenueAnswered,
    VenueReported,
    VenueRequest,
    VenueStreamChanged,
)
from shared.venues.transport import LastCheck

Deliver = Callable[[VenueReported | VenueStreamChanged], None]


class VenuePort(Protocol):
    """One account at one venue."""

    capability: Capability

    async def connect(self) -> tuple[Instrument, ...]:
        """Loads markets and clock difference. Raises VenueError when the venue cannot be used."""

    async def call(
        self,
        request: VenueRequest,
        *,
        exit_priority: bool = False,
        last_check: LastCheck | None = None,
    ) -> VenueAnswered:
        """Performs one request; never raises for a venue's or a network's failure.

        `exit_priority` may use the part of the rate budget reserved for exits (L10); `last_check`
        is asked directly before the bytes of an order or a cancel are written (L7)."""

    async def stream(self, deliver: Deliver) -> None:
        """Delivers the user stream until cancelled; reconnects by itself and says so."""

    def clock_error_ms(self) -> float:
        """How far this machine's wall clock is from the venue's, as last measured."""

    async def close(self) -> None:
        """Closes sessions; nothing is sent any more."""
