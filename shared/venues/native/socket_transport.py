"""Orders and cancels over the WebSocket API, everything else over HTTP, and HTTP while it is down.

One session is kept open. Before the venue ends it, after 24 hours, another takes its place while
the old one still brings its answers.
"""

from __future__ import annotations

import asyncio
from typing import Final

from shared.clock import wall_ms
from shared.errors import MessageError
from shared.venues.binance_requests import WireCall
from shared.venues.native.socket_link import SocketLink, open_link, socket_address
from shared.venues.native.socket_requests import METHODS, Envelope, FrameBuilder, fill
from shared.venues.stream_life import Quiet
from shared.venues.transport import Access, Exchanged, LastCheck, Transport

ROTATE_S: Final = 23.5 * 3600
"""The venue cuts every session after 24 hours."""

SILENT_S: Final = 12.0
"""Longer than two pings without any frame: nobody is there."""

LOOK_S: Final = 0.5
FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 5.0
LAST_ANSWERS_S: Final = 10.0
"""How long an old session may still bring answers."""


class SocketTransport:
    """One account's orders over a session; see `shared/venues/transport.py`."""

    def __init__(self, access: Access, http: Transport, quiet: Quiet) -> None:
        self._url = socket_address(access)
        self._http = http
        self._quiet = quiet
        self._builder = FrameBuilder(access)
        self._venue_ahead_ms = 0
        self._link: SocketLink | None = None
        self._old: set[SocketLink] = set()
        self._touched_s = 0.0
        self._opened_s = 0.0
        self._leaving = False
        self.sessions = 0
        self.frames_malformed = 0
        self.by_http = 0
        """Orders that went over HTTP because no session was open."""

    async def exchange(
        self, call: WireCall, deadline_s: float, last_check: LastCheck | None = None
    ) -> tuple[Exchanged, str]:
        """See Transport."""
        method = METHODS.get(call.method)
        if method is None:
            return await self._http.exchange(call, deadline_s, last_check)
        record = Exchanged()
        link = self._link
        if link is None or link.closed.done():
            self.by_http += 1
            return await self._http.exchange(call, deadline_s, last_check)
        if last_check is not None and (reason := last_check()):
            record.held_back = reason
            return record, reason
        number = link.next_id()
        now_ms = wall_ms() + self._venue_ahead_ms
        waiter = link.send(number, self._builder.build(method, call.params, number, now_ms))
        record.sent = True
        try:
            fill(record, await link.answer(number, waiter, deadline_s))
        except TimeoutError:
            # One slow answer is no reason to lose those of others; silence all the while is.
            if self._touched_s < asyncio.get_running_loop().time() - deadline_s:
                link.end(f"nothing within {deadline_s:.1f} s")
            return record, f"no answer within {deadline_s:.1f} s"
        except OSError as error:
            return record, f"{type(error).__name__}: {error}"
        except MessageError as error:
            return record, f"unreadable answer: {error}"
        return record, ""

    def set_clock(self, venue_ahead_ms: float) -> None:
        """See Transport."""
        self._venue_ahead_ms = round(venue_ahead_ms)
        self._http.set_clock(venue_ahead_ms)

    def rehearse(self, call: WireCall) -> None:
        """See Transport."""
        method = METHODS.get(call.method)
        if method is not None:
            self._builder.build(method, call.params, "0", wall_ms() + self._venue_ahead_ms)

    async def live(self) -> None:
        """See Transport."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._http.live())
            group.create_task(self._keep_session())

    async def close(self) -> None:
        """See Transport."""
        self._drop()
        await self._http.close()

    async def open_session(self) -> SocketLink:
        """A new session takes the place of the one before. Raises OSError."""
        link = await open_link(self._url, self._push, self._malformed, self._touched)
        self._retire(self._link)
        self._link = link
        self._leaving = False
        self._opened_s = asyncio.get_running_loop().time()
        self._touched()
        self.sessions += 1
        return link

    def figures(self) -> dict[str, float]:
        """Counters for heartbeats."""
        return {
            "venue_sessions": float(self.sessions),
            "venue_session_malformed": float(self.frames_malformed),
            "venue_orders_by_http": float(self.by_http),
        }

    async def _keep_session(self) -> None:
        """Keeps a session open until cancelled."""
        pause_s = FIRST_PAUSE_S
        try:
            while True:
                try:
                    link = await self.open_session()
                except OSError:
                    # Orders go over HTTP meanwhile, where the same failure would be told.
                    await asyncio.sleep(max(pause_s, self._quiet.silence_s()))
                    pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                    continue
                if await self._stay(link):
                    pause_s = FIRST_PAUSE_S
                    continue
                await asyncio.sleep(max(pause_s, self._quiet.silence_s()))
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        finally:
            self._drop()

    async def _stay(self, link: SocketLink) -> bool:
        """Until the session has to be followed by another (True), or is over (False)."""
        loop = asyncio.get_running_loop()
        while not link.closed.done():
            await asyncio.wait({link.closed}, timeout=LOOK_S)
            now_s = loop.time()
            if now_s - self._touched_s > SILENT_S:
                link.end(f"silent for {now_s - self._touched_s:.1f} s")
            elif self._leaving or now_s - self._opened_s > ROTATE_S:
                return True
        return False

    def _retire(self, link: SocketLink | None) -> None:
        """An old session brings the answers that are still to come, then it is closed."""
        if link is None or link.closed.done():
            return
        self._old.add(link)
        link.closed.add_done_callback(lambda _: self._old.discard(link))
        asyncio.get_running_loop().call_later(
            LAST_ANSWERS_S if link.is_waited_for else 0.0, link.drop
        )

    def _drop(self) -> None:
        link, self._link = self._link, None
        for one in (link, *self._old):
            if one is not None:
                one.drop()

    def _push(self, envelope: Envelope, message: bytes) -> None:
        # Nothing is subscribed here; what comes unasked is the word that the venue closes.
        if b"serverShutdown" in message:
            self._leaving = True

    def _malformed(self, reason: str) -> None:
        self.frames_malformed += 1

    def _touched(self) -> None:
        self._touched_s = asyncio.get_running_loop().time()
