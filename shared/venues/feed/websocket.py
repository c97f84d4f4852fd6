"""Our end of a WebSocket of feeds and orders: whole messages, and one reason why it is over."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final, TypeVar, cast

from picows import WSCloseCode, WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from shared.venues.feed.http import tls_context

MESSAGE_BYTES_MAX: Final = 8 * 1024 * 1024

_TEXT: Final = WSMsgType.TEXT


class WebSocketEnd(WSListener, ABC):  # type: ignore[misc, unused-ignore]
    """Open until `closed` is done; `end` may come from either side, the first reason counts."""

    def __init__(self) -> None:
        self._transport: WSTransport | None = None
        self._parts: list[bytes] = []
        self._last_word: asyncio.Task[None] | None = None
        self.closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Why the connection ended, once it has."""

    @abstractmethod
    def _let_go(self, reason: str) -> None:
        """What else ends with the connection: timers, and the answers that will not come."""

    @property
    def _usable(self) -> WSTransport | None:
        """Where to send; None while the connection is not made, and once it is over."""
        return None if self.closed.done() else self._transport

    def end(self, reason: str) -> None:
        """Notes why the connection is over, the first reason counts, and lets go of it."""
        if self.closed.done():
            return
        self.closed.set_result(reason)
        self._let_go(reason)
        if self._transport is not None:
            self._transport.disconnect()

    def drop(self) -> None:
        """Closes the connection from our side."""
        if (transport := self._usable) is not None:
            transport.send_close(WSCloseCode.OK)
        self.end("closed by us")

    # ---- picows

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self._last_word = asyncio.get_running_loop().create_task(self._hear_the_end(transport))

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.end("connection lost")

    # ---- inside

    def _message(self, frame: WSFrame) -> bytes | None:
        """The message that a frame completes; None before, and when it is too long or the venue
        closes, which end the connection."""
        kind = frame.msg_type
        if kind == _TEXT and frame.fin:
            return frame.get_payload_as_bytes()
        if kind in (_TEXT, WSMsgType.CONTINUATION):
            return self._joined(frame)
        if kind == WSMsgType.CLOSE:
            code = frame.get_close_code()
            self.end(f"closed by the venue ({getattr(code, 'value', code)})")
        return None

    def _joined(self, frame: WSFrame) -> bytes | None:
        self._parts.append(frame.get_payload_as_bytes())
        if sum(map(len, self._parts)) > MESSAGE_BYTES_MAX:
            self._parts.clear()
            self.end("a message that is too long")
        elif frame.fin:
            whole = b"".join(self._parts)
            self._parts.clear()
            return whole
        return None

    async def _hear_the_end(self, transport: WSTransport) -> None:
        """Takes what the library holds against the peer, such as a frame that is none; left with
        the library it would surface as an error of the loop."""
        try:
            await transport.wait_disconnected()
        except Exception as error:  # noqa: BLE001
            # Any error of the library's: the connection is over, and this is told as the reason.
            self.end(f"connection broken: {error or type(error).__name__}")


End = TypeVar("End", bound=WebSocketEnd)


async def connect(make: Callable[[], End], url: str, within_s: float) -> End:
    """A connected end of a WebSocket. Raises OSError (TimeoutError).

    A redirection is refused: what is signed for the venue goes nowhere else."""
    try:
        async with asyncio.timeout(within_s):
            _, end = await ws_connect(
                make,
                url,
                ssl_context=tls_context() if url.startswith("wss:") else None,
                max_frame_size=MESSAGE_BYTES_MAX,
                max_redirects=0,
                websocket_handshake_timeout=within_s,
            )
    except WSError as error:
        raise ConnectionError(f"{type(error).__name__}: {error}") from error
    if end is None:
        # The library takes a peer that hangs up before it has agreed for one that has.
        raise ConnectionResetError("the peer hung up during the handshake")
    return cast("End", end)
