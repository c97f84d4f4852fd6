"""One connection to the WebSocket API: requests matched with their answers, pushes handed on.

It pings, because a peer that vanished says nothing; who uses it judges the silence.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from picows import WSFrame, WSMsgType, WSTransport

from shared.errors import MessageError
from shared.venues.feed.http import HttpError
from shared.venues.feed.websocket import WebSocketEnd, connect
from shared.venues.native.socket_requests import ENVELOPE, Envelope
from shared.venues.transport import Access

CONNECT_S: Final = 5.0
PING_S: Final = 5.0

ADDRESSES: Final = {
    "live": "wss://ws-api.binance.com:443/ws-api/v3",
    "testnet": "wss://ws-api.testnet.binance.vision/ws-api/v3",
}

Push = Callable[[Envelope, bytes], None]
"""Called with what a frame says and the frame itself, when it answers no request of ours."""


class SocketLink(WebSocketEnd):
    """An open connection, until `closed` says why it is none any more."""

    def __init__(
        self,
        on_push: Push,
        on_malformed: Callable[[str], None],
        on_touched: Callable[[], None],
    ) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._on_push = on_push
        self._on_malformed = on_malformed
        self._on_touched = on_touched
        self._answers: dict[str, asyncio.Future[Envelope]] = {}
        self._number = 0
        self._ping: asyncio.TimerHandle | None = None

    def next_id(self) -> str:
        """The id of the next request."""
        self._number += 1
        return str(self._number)

    def send(self, number: str, frame: bytes) -> asyncio.Future[Envelope]:
        """Sends a request; the future gives its answer, or HttpError when the connection ends.

        Raises HttpError when surely nothing was sent."""
        if (transport := self._usable) is None:
            raise HttpError("the socket is not connected")
        self._answers[number] = answer = self._loop.create_future()
        transport.send(WSMsgType.TEXT, frame)
        return answer

    async def answer(
        self, number: str, waiter: asyncio.Future[Envelope], deadline_s: float
    ) -> Envelope:
        """What `send` returned, awaited for deadline_s. Raises TimeoutError, HttpError."""
        timer = self._loop.call_later(deadline_s, _expire, waiter)
        try:
            return await waiter
        finally:
            timer.cancel()
            self._answers.pop(number, None)

    @property
    def is_waited_for(self) -> bool:
        """Whether an answer is still to come."""
        return bool(self._answers)

    # ---- picows

    def on_ws_connected(self, transport: WSTransport) -> None:
        super().on_ws_connected(transport)
        self._ping = self._loop.call_later(PING_S, self._ping_again)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        self._on_touched()
        message = self._message(frame)
        if message is not None:
            self._take(message)

    # ---- inside

    def _let_go(self, reason: str) -> None:
        if self._ping is not None:
            self._ping.cancel()
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(HttpError(f"the socket ended without an answer: {reason}"))

    def _take(self, message: bytes) -> None:
        try:
            envelope = ENVELOPE.read(message)
        except MessageError as error:
            self._on_malformed(str(error))
            return
        if envelope.status is None:
            self._on_push(envelope, message)
            return
        answer = self._answers.get(str(envelope.id))
        if answer is not None and not answer.done():
            answer.set_result(envelope)

    def _ping_again(self) -> None:
        if (transport := self._usable) is not None:
            transport.send_ping()
            self._ping = self._loop.call_later(PING_S, self._ping_again)


async def open_link(
    url: str,
    on_push: Push,
    on_malformed: Callable[[str], None],
    on_touched: Callable[[], None],
) -> SocketLink:
    """A connected link. Raises OSError (TimeoutError)."""
    return await connect(lambda: SocketLink(on_push, on_malformed, on_touched), url, CONNECT_S)


def socket_address(access: Access) -> str:
    """Where the WebSocket API is."""
    return f"{access.ws}/ws-api/v3" if access.ws else ADDRESSES[access.mode]


def _expire(waiter: asyncio.Future[Envelope]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())
