"""Binance spot without an exchange library, as route's usual session: user stream and all.

Orders go over HTTP, or over the WebSocket API with HTTP beside it.
"""

from __future__ import annotations

from shared.clock import EngineClock, wall_ms
from shared.venues.native.socket_transport import SocketTransport
from shared.venues.native.spot import NativeSpot
from shared.venues.native.transport import NativeTransport
from shared.venues.native.user_stream import NativeUserStream
from shared.venues.port import Deliver
from shared.venues.transport import Access


class LiveSpot(NativeSpot):
    """One account at Binance spot or at the local venue, with its pushes."""

    def __init__(self, access: Access, clock: EngineClock) -> None:
        http = NativeTransport(access)
        self._session = SocketTransport(access, http, self) if access.orders == "ws" else None
        super().__init__(access, clock, self._session or http)
        self._stream = NativeUserStream(access, clock, self, self._venue_ms)

    def figures(self) -> dict[str, float]:
        """Counters for heartbeats."""
        session = {} if self._session is None else self._session.figures()
        return {**super().figures(), **self._stream.figures(), **session}

    async def _hear(self, deliver: Deliver) -> None:
        await self._stream.run(deliver)

    def _expect(self, client_ids: tuple[str, ...]) -> None:
        self._stream.expect(client_ids)

    def _venue_ms(self) -> int:
        return wall_ms() + round(self._wire.venue_ahead_ms)
