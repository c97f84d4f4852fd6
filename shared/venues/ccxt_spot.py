"""Binance spot on genuine ccxt.pro: it signs, sends, keeps sockets, and tells of the account.

What is asked and what answers mean is in `spot.py`; numbers never touch a float in either
direction, because answers are read from the raw bodies.
"""

from __future__ import annotations

from shared.clock import EngineClock
from shared.domain.instrument import Instrument
from shared.venues.ccxt_markets import read_markets
from shared.venues.ccxt_transport import CcxtTransport
from shared.venues.port import Deliver
from shared.venues.redirect import open_exchange, open_session
from shared.venues.spot import BinanceSpot
from shared.venues.transport import Access
from shared.venues.user_stream import UserStream


class CcxtSpot(BinanceSpot):
    """One account at Binance spot or at the local venue, through ccxt."""

    def __init__(self, access: Access, clock: EngineClock) -> None:
        self._session = open_session(venue_is_local=access.venue == "local")
        self._exchange = open_exchange(access, self._session)
        super().__init__(access, clock, CcxtTransport(self._exchange))
        self._stream = UserStream(self._exchange, access.credentials, clock, self)

    def figures(self) -> dict[str, float]:
        """Counters for heartbeats."""
        return {**super().figures(), **self._stream.figures()}

    async def close(self) -> None:
        """Closes sessions; nothing is sent any more."""
        await super().close()
        await self._session.close()

    async def _read_instruments(self) -> tuple[tuple[Instrument, ...], dict[str, str]]:
        return await read_markets(self._exchange, self._wire)

    async def _hear(self, deliver: Deliver) -> None:
        await self._stream.run(deliver)

    def _expect(self, client_ids: tuple[str, ...]) -> None:
        self._stream.expect(client_ids)
