"""Binance spot without an exchange library, for route's rescue mode (L14).

There is no user stream: the account is compared with the venue every few seconds instead, which
finds everything a push would have told, a little later.
"""

from __future__ import annotations

import asyncio
from typing import Final

from shared.clock import EngineClock
from shared.domain.instrument import Instrument
from shared.messages.venue import VenueStreamChanged
from shared.venues import binance_requests as requests
from shared.venues.binance_instruments import EXCHANGE_INFO
from shared.venues.native.transport import NativeTransport
from shared.venues.port import Deliver
from shared.venues.spot import BinanceSpot
from shared.venues.start_up import require, usable_instruments
from shared.venues.transport import Access, Transport

LOAD_MARKETS_S: Final = 60.0
"""The real exchange lists thousands of markets in several megabytes."""

COMPARE_S: Final = 3.0
"""Open orders and balances weigh 100: a third of what the exchange allows an address."""


class NativeSpot(BinanceSpot):
    """One account at Binance spot or at the local venue, by plain HTTP."""

    def __init__(
        self, access: Access, clock: EngineClock, transport: Transport | None = None
    ) -> None:
        super().__init__(access, clock, transport or NativeTransport(access))

    async def _read_instruments(self) -> tuple[tuple[Instrument, ...], dict[str, str]]:
        answer = await self._wire.ask(
            requests.MARKETS, EXCHANGE_INFO, exit_priority=True, deadline_s=LOAD_MARKETS_S
        )
        require(answer, "markets")
        return usable_instruments(answer.content, self._wire)

    async def _hear(self, deliver: Deliver) -> None:
        while True:
            # "Something may have been missed": route compares itself with the venue (O7).
            deliver(VenueStreamChanged(connected=True, reason="compared, not pushed"))
            await asyncio.sleep(COMPARE_S)
