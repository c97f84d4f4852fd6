"""The venue's user stream: ccxt connects and authenticates, we read each push and watch its life.

A socket that dies, falls silent, or does not mention an order the venue has just acknowledged is
replaced. A frame that cannot be read is counted and never ends anything. Coming up is announced,
because something may have been missed in between (O7).
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Any, Final, Protocol

from ccxt.base.errors import BaseError

from shared.clock import EngineClock
from shared.errors import MessageError
from shared.messages.venue import VenueStreamChanged
from shared.units import NS_PER_S
from shared.venues.binance_answers import pushed
from shared.venues.credentials import Credentials
from shared.venues.port import Deliver
from shared.venues.redirect import RAISED_BY_CCXT, RecordedBinance

FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 5.0
"""60 attempts in 5 minutes, a fifth of what the exchange allows one address."""

STEADY_S: Final = 10.0
"""A stream that lived this long starts again with the first pause."""

AUTHENTICATE_S: Final = 8.0
CLOSE_S: Final = 1.0
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


class UserStream:
    """One account's pushes, delivered in the order in which they come."""

    def __init__(
        self,
        exchange: RecordedBinance,
        credentials: Credentials,
        clock: EngineClock,
        quiet: Quiet,
    ) -> None:
        self._exchange = exchange
        self._credentials = credentials
        self._clock = clock
        self._quiet = quiet
        self._deliver: Deliver | None = None
        self._client: Any = None
        self._lost: asyncio.Future[str] | None = None
        self._touched_ns = 0
        self._mentioned: OrderedDict[str, None] = OrderedDict()
        self._awaited: dict[str, int] = {}
        self.is_connected = False
        self.frames_malformed = 0
        self.reconnects = 0
        self.last_malformed = ""
        exchange.frames = self

    async def run(self, deliver: Deliver) -> None:
        """Delivers until cancelled."""
        self._deliver = deliver
        pause_s = FIRST_PAUSE_S
        announced = False
        try:
            while True:
                began_ns = self._clock.now_ns()
                reason = await self._live()
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

    async def _live(self) -> str:
        """Connects, stays, and returns why it ended."""
        exchange = self._exchange
        url = exchange.urls["api"]["ws"]["ws-api"]["spot"]
        # We pause between attempts ourselves; ccxt would add its own growing pause.
        (getattr(exchange, "ws_dial_backoff", None) or {}).pop(url, None)
        self._client = exchange.client(url)
        self._lost = asyncio.get_running_loop().create_future()
        self._awaited.clear()
        watcher: asyncio.Task[Any] | None = None
        try:
            async with asyncio.timeout(AUTHENTICATE_S):
                await exchange.authenticate({"type": "spot"})
            watcher = asyncio.create_task(exchange.watch_orders())
            self._touched_ns = self._clock.now_ns()
            self.is_connected = True
            if self._deliver is not None:
                self._deliver(VenueStreamChanged(connected=True))
            return await self._stay(watcher, self._lost)
        except TimeoutError:
            return "no answer to the subscription"
        except RAISED_BY_CCXT as error:
            origin = _origin(error)
            return self._credentials.scrub(f"{type(origin).__name__}: {origin}")
        finally:
            if watcher is not None:
                watcher.cancel()
                await asyncio.wait({watcher})
            await self._drop()

    async def _stay(self, watcher: asyncio.Task[Any], lost: asyncio.Future[str]) -> str:
        while True:
            done, _ = await asyncio.wait(
                {watcher, lost}, timeout=LOOK_S, return_when="FIRST_COMPLETED"
            )
            if lost in done:
                return lost.result()
            if watcher in done:
                error = None if watcher.cancelled() else watcher.exception()
                return self._credentials.scrub(f"socket lost: {error or 'closed'}")
            now_ns = self._clock.now_ns()
            if now_ns - self._touched_ns > SILENT_NS:
                return f"silent for {(now_ns - self._touched_ns) / NS_PER_S:.1f} s"
            for client_id, limit_ns in self._awaited.items():
                if now_ns > limit_ns:
                    return f"did not mention the acknowledged order {client_id}"

    async def _drop(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        if self._exchange.clients.get(client.url) is client:
            del self._exchange.clients[client.url]
        try:
            async with asyncio.timeout(CLOSE_S):
                await client.close()
        except (TimeoutError, *RAISED_BY_CCXT) as error:
            # A dead peer does not answer the closing handshake; the socket is given up anyway.
            self.last_malformed = f"close: {type(error).__name__}"

    def touched(self, client: Any) -> None:
        """Any frame, a pong too, shows that the peer lives."""
        if client is self._client:
            self._touched_ns = self._clock.now_ns()

    def malformed(self, client: Any, reason: str) -> None:
        """Counts; the next frame may be fine, and reconciliation finds what this one said."""
        self.frames_malformed += 1
        self.last_malformed = self._credentials.scrub(reason)

    def take(self, client: Any, message: dict[str, Any]) -> bool:
        """Delivers a push; True for everything that is not an answer to ccxt."""
        event = message.get("event", message)
        if not isinstance(event, dict) or "e" not in event:
            return False
        if client is not self._client or self._deliver is None:
            return True
        if event["e"] in ("eventStreamTerminated", "serverShutdown"):
            self._lose(f"the venue said {event['e']}")
            return True
        try:
            reported = pushed(event)
        except MessageError as error:
            self.malformed(client, str(error))
            return True
        if reported is not None:
            if reported.order is not None:
                self._mention(reported.order.client_id)
            self._deliver(reported)
        return True

    def _mention(self, client_id: str) -> None:
        self._awaited.pop(client_id, None)
        self._mentioned[client_id] = None
        self._mentioned.move_to_end(client_id)
        if len(self._mentioned) > REMEMBERED_IDS:
            self._mentioned.popitem(last=False)

    def _lose(self, reason: str) -> None:
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(reason)


def _origin(error: BaseException) -> BaseException:
    """The venue's refusal, which ccxt's own clean-up may have hidden behind a KeyError."""
    while not isinstance(error, BaseError) and error.__context__ is not None:
        error = error.__context__
    return error
