"""The venue's user stream over a connection of our own; see `shared/venues/stream_life.py`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from shared.clock import EngineClock
from shared.errors import MessageError
from shared.messages.base import Reader
from shared.venues import stream_life
from shared.venues.errors import Heard, judge
from shared.venues.feed.http import HttpError
from shared.venues.native.socket_link import SocketLink, open_link, socket_address
from shared.venues.native.socket_requests import SUBSCRIBE, Envelope, FrameBuilder, fill
from shared.venues.stream_life import Quiet, StreamLife
from shared.venues.transport import Access, Exchanged

_EVENT: Final = Reader(dict[str, Any])


class NativeUserStream(StreamLife):
    """One account's pushes over the WebSocket API."""

    def __init__(
        self, access: Access, clock: EngineClock, quiet: Quiet, venue_ms: Callable[[], int]
    ) -> None:
        """`venue_ms` is the venue's clock as we know it."""
        super().__init__(access.credentials, clock, quiet)
        self._url = socket_address(access)
        self._builder = FrameBuilder(access)
        self._link: SocketLink | None = None
        self._venue_ms = venue_ms

    async def _live(self, lost: asyncio.Future[str]) -> str:
        try:
            async with asyncio.timeout(stream_life.AUTHENTICATE_S):
                self._link = link = await open_link(
                    self._url, self._take, self._malformed, self._touched
                )
                await self._subscribe(link)
            self._up()
            return await self._stay(link.closed, lost)
        except TimeoutError:
            return "no answer to the subscription"
        except OSError as error:
            return f"{type(error).__name__}: {error}"
        finally:
            await self._drop()

    async def _drop(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.drop()

    async def _subscribe(self, link: SocketLink) -> None:
        """Raises HttpError when it is refused or the connection ends."""
        number = link.next_id()
        frame = self._builder.build(SUBSCRIBE, {}, number, self._venue_ms())
        waiter = link.send(number, frame)
        envelope = await link.answer(number, waiter, stream_life.AUTHENTICATE_S)
        if envelope.status == 200:
            return
        record = Exchanged(sent=True)
        try:
            fill(record, envelope)
        except MessageError as error:
            raise HttpError(f"subscription refused: {error}") from error
        verdict = judge("binance", Heard(status=record.status, body=record.body))
        raise HttpError(f"subscription refused: {verdict.code}: {verdict.text}")

    def _take(self, envelope: Envelope, message: bytes) -> None:
        try:
            event = _EVENT.read(bytes(envelope.event) or message)
        except MessageError as error:
            self._malformed(str(error))
            return
        if "e" in event:
            self._take_event(event)
        else:
            self._malformed("neither an answer nor an event")
