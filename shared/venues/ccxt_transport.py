"""Requests through ccxt: it signs and sends, every raw answer is recorded on the way."""

from __future__ import annotations

import asyncio

from shared.venues.binance_requests import WireCall
from shared.venues.redirect import LAST_CHECK, RAISED_BY_CCXT, RECORD, RecordedBinance
from shared.venues.transport import Exchanged, LastCheck


class CcxtTransport:
    """One ccxt client; see `transport.py`."""

    def __init__(self, exchange: RecordedBinance) -> None:
        self._exchange = exchange

    async def exchange(
        self, call: WireCall, deadline_s: float, last_check: LastCheck | None = None
    ) -> tuple[Exchanged, str]:
        """See Transport. The last check is asked before ccxt begins, which costs nothing, and where
        aiohttp is about to write, because ccxt signs and queues for milliseconds."""
        record = Exchanged()
        if last_check is not None and (reason := last_check()):
            record.held_back = reason
            return record, reason
        token, checked = RECORD.set(record), LAST_CHECK.set(last_check)
        fault = ""
        try:
            async with asyncio.timeout(deadline_s):
                await getattr(self._exchange, call.method)(dict(call.params))
        except TimeoutError:
            fault = f"no answer within {deadline_s:.1f} s"
        except RAISED_BY_CCXT as error:
            # ccxt's text quotes the address with its signature; the cause says what happened.
            cause = error.__cause__ or error
            fault = f"{type(error).__name__} from {type(cause).__name__}"
        finally:
            LAST_CHECK.reset(checked)
            RECORD.reset(token)
        return record, record.held_back or fault

    def set_clock(self, venue_ahead_ms: float) -> None:
        """See Transport."""
        self._exchange.options["timeDifference"] = -round(venue_ahead_ms)

    def rehearse(self, call: WireCall) -> None:
        """See Transport: nothing, a library signs and sends in one."""

    async def live(self) -> None:
        """See Transport; ccxt's session keeps a pool of its own."""

    async def close(self) -> None:
        """See Transport; the session belongs to whoever opened it."""
        await self._exchange.close()
