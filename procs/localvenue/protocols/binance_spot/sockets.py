"""One WebSocket client: frames joined to one write a turn, pings, a lifetime, and no patience with
one that does not read: it never delays the others.

aiohttp does the handshake and reads; what leaves is written as ready frames, because the same
bytes go to every listener of a stream.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Any, ClassVar, Final

from aiohttp import WSMsgType, web

from shared.clock import wall_ms

UNREAD_BYTES_MAX: Final = 8 * 1024 * 1024
"""A client that leaves so much unread is dropped, as the exchange does."""
GOODBYE_S: Final = 2.0
"""So long a dropped client may take to read the rest and the close frame."""
PING_S: Final = 20.0
PINGS_OPEN_MAX: Final = 4
SILENT_S: Final = 60.0
"""Without a pong for so long a client is gone."""
LIFETIME_S: Final = 24 * 3600.0
FRAME_BYTES_MAX: Final = 1024 * 1024
CONNECTIONS_MAX: Final = 300
CONNECTIONS_WINDOW_MS: Final = 300_000

GOING_AWAY: Final = 1001
UNSUPPORTED_DATA: Final = 1003
POLICY_VIOLATION: Final = 1008


def text_frame(data: bytes) -> bytes:
    """A whole unmasked text frame (RFC 6455, 5.2), as a server sends it."""
    return _frame(0x81, data)


def _frame(first: int, data: bytes) -> bytes:
    size = len(data)
    if size < 126:
        return bytes((first, size)) + data
    if size < 65_536:
        return bytes((first, 126)) + size.to_bytes(2, "big") + data
    return bytes((first, 127)) + size.to_bytes(8, "big") + data


class ClientSocket:
    """Sends in order, never blocks the sender, drops a client that does not read."""

    slow_dropped: ClassVar[int] = 0
    """Clients of this process that were dropped because they did not read."""

    def __init__(
        self,
        request: web.Request,
        socket: web.WebSocketResponse,
        lifetime_s: float,
        incoming_max: int | None,
    ) -> None:
        self.socket = socket
        self._incoming_max = incoming_max
        self._incoming: deque[float] = deque()
        self._pings: deque[bytes] = deque(maxlen=PINGS_OPEN_MAX)
        self.dropped = False
        self._loop = asyncio.get_running_loop()
        self._transport: Any = request.transport
        self._frames: list[bytes] = []
        self._is_planned = False
        self._heard_s = self._loop.time()
        self._ping = self._loop.call_later(PING_S, self._on_ping)
        self._end = self._loop.call_later(lifetime_s, self._on_end)

    @classmethod
    async def accept(
        cls,
        request: web.Request,
        lifetime_s: float = LIFETIME_S,
        incoming_max: int | None = None,
    ) -> ClientSocket:
        """Answers the handshake; `incoming_max` messages a second are heard, pings included."""
        socket = web.WebSocketResponse(autoping=False, compress=False, max_msg_size=FRAME_BYTES_MAX)
        await socket.prepare(request)
        return cls(request, socket, lifetime_s, incoming_max)

    async def messages(self) -> AsyncIterator[str]:
        """The texts of a client; pings are answered, pongs noted, other frames end it.

        aiohttp closes what breaks the protocol (1002), is no UTF-8 (1007) or too long (1009)."""
        async for message in self.socket:
            if self.dropped:
                return
            if message.type is WSMsgType.PONG:
                self._on_pong(message.data)
            elif message.type is WSMsgType.PING:
                self.send_frame(_frame(0x8A, message.data))
            if self._is_too_much():
                self.refuse(POLICY_VIOLATION, b"Too many requests")
                return
            if message.type is WSMsgType.BINARY:
                self.refuse(UNSUPPORTED_DATA, b"text frames only")
                return
            if message.type is WSMsgType.TEXT:
                yield message.data

    def _on_pong(self, payload: bytes) -> None:
        """Only the copy of a ping that was sent counts, as on the exchange."""
        if bytes(payload) in self._pings:
            self._heard_s = self._loop.time()

    def _is_too_much(self) -> bool:
        """Whether more came within a second than is heard."""
        if self._incoming_max is None:
            return False
        now_s, times = self._loop.time(), self._incoming
        times.append(now_s)
        while now_s - times[0] > 1.0:
            times.popleft()
        return len(times) > self._incoming_max

    def send(self, data: bytes) -> None:
        """Sends one text message with what else this turn sends."""
        self.send_frame(text_frame(data))

    def send_frame(self, frame: bytes) -> None:
        """Sends a ready text frame with what else this turn sends."""
        if self.dropped:
            return
        self._frames.append(frame)
        if not self._is_planned:
            self._is_planned = True
            self._loop.call_soon(self._flush)

    def drop(self) -> None:
        """Cuts the connection without waiting for anything."""
        self._leave()
        if self._transport is not None:
            self._transport.abort()

    def refuse(self, code: int, reason: bytes) -> None:
        """Says why it ends, and ends; one that does not read even that is cut after a while."""
        if self.dropped:
            return
        self._frames.append(_frame(0x88, code.to_bytes(2, "big") + reason))
        self._write()
        self._leave()
        transport = self._transport
        if transport is not None and not transport.is_closing():
            transport.close()
            self._loop.call_later(GOODBYE_S, transport.abort)

    async def close(self) -> None:
        """The connection is over."""
        self._leave()

    def _flush(self) -> None:
        """Writes what this turn has said in one piece."""
        self._is_planned = False
        if self.dropped:
            return
        self._write()
        if self._transport is not None:
            unread = self._transport.get_write_buffer_size()
            if unread > UNREAD_BYTES_MAX:
                ClientSocket.slow_dropped += 1
                self.refuse(POLICY_VIOLATION, b"too slow")

    def _write(self) -> None:
        frames, self._frames = self._frames, []
        if not frames or self.socket.closed:
            return  # Nothing may follow a close frame.
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(frames))

    def _on_ping(self) -> None:
        if self._loop.time() - self._heard_s > SILENT_S:
            self.refuse(POLICY_VIOLATION, b"Pong timeout")
            return
        if not self.dropped:
            payload = str(wall_ms()).encode()
            self._pings.append(payload)
            self.send_frame(_frame(0x89, payload))
            self._ping = self._loop.call_later(PING_S, self._on_ping)

    def _on_end(self) -> None:
        self.refuse(GOING_AWAY, b"24 hours")

    def _leave(self) -> None:
        self.dropped = True
        self._frames.clear()
        self._ping.cancel()
        self._end.cancel()


class Arrivals:
    """How often each address connects: at most 300 times in five minutes."""

    def __init__(self, is_enforced: bool) -> None:
        self._is_enforced = is_enforced
        self._times: dict[str, deque[int]] = {}

    def admit(self, address: str, now_ms: int) -> bool:
        """Whether one more connection of an address is let in."""
        times = self._times.setdefault(address, deque())
        while times and now_ms - times[0] > CONNECTIONS_WINDOW_MS:
            times.popleft()
        if self._is_enforced and len(times) >= CONNECTIONS_MAX:
            return False
        times.append(now_ms)
        return True
