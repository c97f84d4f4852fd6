"""Requests without an exchange library: what `CcxtTransport` does, in a tenth of the time.

Used by route's rescue mode, which must not depend on what may have made three starts fail.
"""

from __future__ import annotations

import asyncio
from typing import Final

from shared.clock import wall_ms
from shared.venues.binance_requests import WireCall
from shared.venues.native.connections import Connections
from shared.venues.native.requests import RequestBuilder
from shared.venues.transport import Access, Exchanged

REST: Final = {"live": "https://api.binance.com", "testnet": "https://testnet.binance.vision"}


class NativeTransport:
    """One account's requests; see `shared/venues/transport.py`."""

    def __init__(self, access: Access) -> None:
        self._connections = Connections(access.rest or REST[access.mode])
        self._builder = RequestBuilder(access, self._connections.host)
        self._venue_ahead_ms = 0

    async def exchange(self, call: WireCall, deadline_s: float) -> tuple[Exchanged, str]:
        """See Transport."""
        record = Exchanged()
        try:
            async with asyncio.timeout(deadline_s):
                stream = await self._connections.open()
                record.sent = True
                stream[1].write(self._builder.build(call, wall_ms() + self._venue_ahead_ms))
                answer = await self._connections.answer(stream)
        except TimeoutError:
            return record, f"no answer within {deadline_s:.1f} s"
        except OSError as error:
            return record, f"{type(error).__name__}: {error}"
        record.status = answer.status
        record.headers = answer.headers
        try:
            record.body = answer.body.decode()
        except UnicodeDecodeError as error:
            return record, f"an answer that is not UTF-8: {error.reason}"
        return record, ""

    def set_clock(self, venue_ahead_ms: float) -> None:
        """See Transport."""
        self._venue_ahead_ms = round(venue_ahead_ms)

    async def close(self) -> None:
        """See Transport."""
        self._connections.close()
