"""One WebSocket client with an outgoing queue of its own: a slow one never delays the others."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import ClassVar, Final

from aiohttp import WSMsgType, web

QUEUED_BYTES_MAX: Final = 8 * 1024 * 1024
"""A client that leaves so much unread is dropped, as the exchange does."""

PING_S: Final = 30.0
"""The server pings this often; a client that does not answer is closed half as long after."""


class ClientSocket:
    """Sends in order, never blocks the sender, drops a client that does not read."""

    slow_dropped: ClassVar[int] = 0
    """Clients of this process that were dropped because they did not read."""

    def __init__(self, request: web.Request, socket: web.WebSocketResponse) -> None:
        self._request = request
        self.socket = socket
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._wake = asyncio.Event()
        self._writer = asyncio.create_task(self._write())
        self.dropped = False

    @classmethod
    async def accept(cls, request: web.Request) -> ClientSocket:
        """Answers the handshake."""
        socket = web.WebSocketResponse(heartbeat=PING_S, compress=False, max_msg_size=1024 * 1024)
        await socket.prepare(request)
        return cls(request, socket)

    def send(self, data: bytes) -> None:
        """Queues one text message; too much unread drops the client."""
        if self.dropped:
            return
        self._queue.append(data)
        self._queued_bytes += len(data)
        if self._queued_bytes > QUEUED_BYTES_MAX:
            ClientSocket.slow_dropped += 1
            self.drop()
            return
        self._wake.set()

    def drop(self) -> None:
        """Cuts the connection without waiting for anything."""
        self.dropped = True
        self._queue.clear()
        self._queued_bytes = 0
        if self._request.transport is not None:
            self._request.transport.abort()

    async def close(self) -> None:
        """Ends the writer; the connection is over."""
        self.dropped = True
        self._writer.cancel()
        await asyncio.gather(self._writer, return_exceptions=True)

    async def _write(self) -> None:
        while not self.dropped:
            if not self._queue:
                self._wake.clear()
                await self._wake.wait()
                continue
            data = self._queue.popleft()
            try:
                await self.socket.send_frame(data, WSMsgType.TEXT)
            except (ConnectionError, RuntimeError):
                self.drop()  # The client has gone between two messages.
                return
            self._queued_bytes -= len(data)
