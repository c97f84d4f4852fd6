"""Requests without an exchange library: what `CcxtTransport` does, in a twentieth of the time.

A request is built, signed and handed to the kernel without a pause in between; what is slow, a new
connection or the answer, comes before or after.
"""

from __future__ import annotations

import asyncio
from typing import Final

from shared.clock import wall_ms
from shared.venues.binance_requests import WireCall
from shared.venues.feed.http import Answer
from shared.venues.native.connection import Connection
from shared.venues.native.connections import Connections
from shared.venues.native.requests import ENDPOINTS, RequestBuilder
from shared.venues.transport import Access, Exchanged, LastCheck, check_access

LOOK_S: Final = 5.0

REST: Final = {"live": "https://api.binance.com", "testnet": "https://testnet.binance.vision"}


class NativeTransport:
    """One account's requests over HTTP; see `shared/venues/transport.py`."""

    def __init__(self, access: Access) -> None:
        """Raises ConfigError for an access that names no venue of ours."""
        check_access(access)
        self._connections = Connections(access.rest or REST[access.mode])
        self._builder = RequestBuilder(access, self._connections.host)
        self._venue_ahead_ms = 0

    async def exchange(
        self, call: WireCall, deadline_s: float, last_check: LastCheck | None = None
    ) -> tuple[Exchanged, str]:
        """See Transport."""
        record = Exchanged()
        pool = self._connections
        # A question about the time may warm what waited long; an order takes what is warm.
        connection = pool.take(coldest=not ENDPOINTS[call.method].signed)
        left_s = deadline_s
        is_new = False
        while True:
            if connection is None:
                is_new = True
                began_s = asyncio.get_running_loop().time()
                try:
                    async with asyncio.timeout(deadline_s):
                        connection = await pool.open()
                except TimeoutError:
                    return record, f"no connection within {deadline_s:.1f} s"
                except OSError as error:
                    return record, f"{type(error).__name__}: {error}"
                # An answer is waited for, however long the connection took.
                spent_s = asyncio.get_running_loop().time() - began_s
                left_s = max(deadline_s - spent_s, deadline_s / 2)
            if last_check is not None and (reason := last_check()):
                pool.give_back(connection)
                record.held_back = reason
                return record, reason
            request = self._builder.build(call, wall_ms() + self._venue_ahead_ms)
            try:
                waiter = connection.send(request)
                break
            except OSError as error:
                # Not a byte was taken: another connection may carry it.
                if is_new:
                    return record, f"{type(error).__name__}: {error}"
                connection = pool.take()
        record.sent = True
        pool.top_up()
        return record, await self._hear(connection, waiter, left_s, deadline_s, record)

    def set_clock(self, venue_ahead_ms: float) -> None:
        """See Transport."""
        self._venue_ahead_ms = round(venue_ahead_ms)

    def rehearse(self, call: WireCall) -> None:
        """See Transport."""
        self._builder.build(call, wall_ms() + self._venue_ahead_ms)

    async def live(self) -> None:
        """See Transport."""
        while True:
            self._connections.keep_ready()
            await asyncio.sleep(LOOK_S)

    async def close(self) -> None:
        """See Transport."""
        self._connections.close()

    async def _hear(
        self,
        connection: Connection,
        waiter: asyncio.Future[Answer],
        left_s: float,
        deadline_s: float,
        record: Exchanged,
    ) -> str:
        try:
            answer = await connection.answer(waiter, left_s)
        except TimeoutError:
            self._connections.distrust(asyncio.get_running_loop().time() - left_s)
            self._connections.top_up()
            return f"no answer within {deadline_s:.1f} s"
        except OSError as error:
            return f"{type(error).__name__}: {error}"
        record.status = answer.status
        record.headers = answer.headers
        try:
            record.body = answer.body.decode()
        except UnicodeDecodeError as error:
            return f"an answer that is not UTF-8: {error.reason}"
        return ""
