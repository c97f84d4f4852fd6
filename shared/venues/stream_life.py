"""The life of a user stream, whoever carries it: kept up, watched, believed while it talks.

A socket that dies, falls silent, or does not mention an order the venue has just acknowledged is
replaced. A frame that cannot be read is counted and never ends anything. Coming up is announced,
because something may have been missed in between (O7).
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Any, Final, Protocol

from shared.clock import EngineClock
from shared.errors import MessageError
from shared.messages.venue import VenueStreamChanged
from shared.units import NS_PER_S
from shared.venues.binance_answers import pushed
from shared.venues.credentials import Credentials
from shared.venues.port import Deliver

FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 5.0
"""60 attempts in 5 minutes, a fifth of what the exchange allows one address."""

STEADY_S: Final = 10.0
"""A stream that lived this long starts again with the first pause."""

AUTHENTICATE_S: Final = 8.0
LOOK_S: Final = 0.5
SILENT_NS: Final = 12 * NS_PER_S
"""Longer than two pings (5 s apart) without any frame."""

MENTION_NS: Final = 5 * NS_PER_S
"""An order that the venue acknowledged by REST appears in a live stream within this."""

REMEMBERED_IDS: Final = 2000


class Quiet(Protocol):
    """Says for how long nothing may be sent at all."""

    def silence_s(self) -> float:
        """Seconds until a ban ends; 0 when there is none."""


class StreamLife:
    """One account's pushes, delivered in the order in which they come."""

    def __init__(self, credentials: Credentials, clock: EngineClock, quiet: Quiet) -> None:
        self._credentials = credentials
        self._clock = clock
        self._quiet = quiet
        self._deliver: Deliver | None = None
        self._lost: asyncio.Future[str] | None = None
        self._touched_ns = 0
        self._mentioned: OrderedDict[str, None] = OrderedDict()
        self._awaited: dict[str, int] = {}
        self.is_connected = False
        self.frames_malformed = 0
        self.reconnects = 0
        self.last_malformed = ""

    async def run(self, deliver: Deliver) -> None:
        """Delivers until cancelled."""
        self._deliver = deliver
        pause_s = FIRST_PAUSE_S
        announced = False
        try:
            while True:
                began_ns = self._clock.now_ns()
                self._awaited.clear()
                self._lost = asyncio.get_running_loop().create_future()
                reason = self._credentials.scrub(await self._live(self._lost))
                if self.is_connected or not announced:
                    self.is_connected = False
                    announced = True
                    deliver(VenueStreamChanged(connected=False, reason=reason))
                self.reconnects += 1
                if self._clock.now_ns() - began_ns > STEADY_S * NS_PER_S:
                    pause_s = FIRST_PAUSE_S
                await asyncio.sleep(max(pause_s, self._quiet.silence_s()))
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        finally:
            self.is_connected = False
            await self._drop()

    def expect(self, client_ids: tuple[str, ...]) -> None:
        """The venue acknowledged these orders: the stream must mention them soon."""
        if self.is_connected:
            limit_ns = self._clock.now_ns() + MENTION_NS
            for client_id in client_ids:
                if client_id not in self._mentioned:
                    self._awaited[client_id] = limit_ns

    def figures(self) -> dict[str, float]:
        """Counters for heartbeats."""
        return {
            "venue_stream_connected": float(self.is_connected),
            "venue_stream_reconnects": float(self.reconnects),
            "venue_frames_malformed": float(self.frames_malformed),
        }

    async def _live(self, lost: asyncio.Future[str]) -> str:
        """Connects, subscribes, calls `_up`, stays, and returns why it ended."""
        raise NotImplementedError

    async def _drop(self) -> None:
        """Lets go of what `_live` has left open."""
        raise NotImplementedError

    def _up(self) -> None:
        """Subscribed: from now on nothing is missed."""
        self._touched()
        self.is_connected = True
        if self._deliver is not None:
            self._deliver(VenueStreamChanged(connected=True))

    async def _stay(self, ended: asyncio.Future[Any], lost: asyncio.Future[str]) -> str:
        """Why the stream is over: `ended` is the socket's end, `lost` what a push said."""
        while True:
            done, _ = await asyncio.wait(
                {ended, lost}, timeout=LOOK_S, return_when="FIRST_COMPLETED"
            )
            if lost in done:
                return lost.result()
            if ended in done:
                return f"socket lost: {_why(ended)}"
            now_ns = self._clock.now_ns()
            if now_ns - self._touched_ns > SILENT_NS:
                return f"silent for {(now_ns - self._touched_ns) / NS_PER_S:.1f} s"
            for client_id, limit_ns in self._awaited.items():
                if now_ns > limit_ns:
                    return f"did not mention the acknowledged order {client_id}"

    def _touched(self) -> None:
        """Any frame, a pong too, shows that the peer lives."""
        self._touched_ns = self._clock.now_ns()

    def _malformed(self, reason: str) -> None:
        """Counts; the next frame may be fine, and reconciliation finds what this one said."""
        self.frames_malformed += 1
        self.last_malformed = self._credentials.scrub(reason)

    def _take_event(self, event: dict[str, Any]) -> None:
        """Delivers a push."""
        if event["e"] in ("eventStreamTerminated", "serverShutdown"):
            self._lose(f"the venue said {event['e']}")
            return
        try:
            reported = pushed(event)
        except MessageError as error:
            self._malformed(str(error))
            return
        if reported is not None and self._deliver is not None:
            if reported.order is not None:
                self._mention(reported.order.client_id)
            self._deliver(reported)

    def _mention(self, client_id: str) -> None:
        self._awaited.pop(client_id, None)
        self._mentioned[client_id] = None
        self._mentioned.move_to_end(client_id)
        if len(self._mentioned) > REMEMBERED_IDS:
            self._mentioned.popitem(last=False)

    def _lose(self, reason: str) -> None:
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(reason)


def _why(ended: asyncio.Future[Any]) -> str:
    if ended.cancelled():
        return "closed"
    error = ended.exception()
    if error is not None:
        return str(error) or type(error).__name__
    result = ended.result()
    return result if isinstance(result, str) else "closed"
