"""One kept HTTP connection: a request at a time, its bytes handed to the kernel at once.

Over plain TCP the bytes are written to the socket itself, not to the event loop's buffer, which is
emptied only when the loop comes round: that is faster, and a socket that takes no byte proves that
nothing was sent. Over TLS the loop encrypts and writes.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Final, cast

from shared.venues.feed.http import Answer, HttpError
from shared.venues.native.http_reader import HttpReader

_KEEPALIVE: Final = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 2),
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
)
"""A peer that vanished is noticed after 25 s; an order is not held back to be sent with another."""


def prepare_socket(opened: socket.socket) -> None:
    """Sets what a connection of orders needs. Raises OSError."""
    for level, option, value in _KEEPALIVE:
        opened.setsockopt(level, option, value)


class Connection(asyncio.Protocol):
    """An open connection; `on_free` is called when it can carry another request."""

    def __init__(
        self,
        plain: socket.socket | None,
        on_free: Callable[[Connection], None],
        on_lost: Callable[[Connection], None],
    ) -> None:
        """`plain` is the connected socket where no TLS stands before it."""
        self._loop = asyncio.get_running_loop()
        self._plain = plain
        self._on_free = on_free
        self._on_lost = on_lost
        self._reader = HttpReader()
        self._waiter: asyncio.Future[Answer] | None = None
        self._transport: asyncio.Transport
        self.is_open = False
        self.used_s = self._loop.time()
        """When an answer last came over it, in the loop's time."""

    def send(self, request: bytes) -> asyncio.Future[Answer]:
        """Hands a request to the kernel; the future gives its answer, or HttpError.

        Raises OSError when surely no byte of it was taken."""
        if not self.is_open or self._waiter is not None:
            raise HttpError("the connection is not free")
        sent = 0
        if self._plain is not None and not self._transport.get_write_buffer_size():
            try:
                sent = self._plain.send(request)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError:
                self.close()
                raise
        self._waiter = waiter = self._loop.create_future()
        if sent < len(request):
            self._transport.write(request[sent:])
        return waiter

    async def answer(self, waiter: asyncio.Future[Answer], deadline_s: float) -> Answer:
        """What `send` returned, awaited for deadline_s. Raises TimeoutError, HttpError.

        An answer that is not awaited to its end closes the connection."""
        timer = self._loop.call_later(deadline_s, self._expire, waiter)
        try:
            return await waiter
        finally:
            timer.cancel()
            if self._waiter is waiter:
                self.close()

    def close(self) -> None:
        """Closes at once; an answer still awaited is never heard."""
        self.is_open = False
        self._transport.abort()

    # ---- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have its methods and are no subclass of it.
        self._transport = cast(asyncio.Transport, transport)
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        if self._waiter is None:
            # Nobody asked: a farewell, or an answer that came too late for its request.
            self.close()
            return
        try:
            answer = self._reader.feed(data)
        except HttpError as error:
            self._fail(error)
            return
        if answer is not None:
            self._told(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        if self._waiter is not None:
            try:
                answer = self._reader.end()
                if answer is not None and exc is None:
                    self._told(answer)
                else:
                    self._fail(
                        HttpError(f"the connection ended without an answer: {exc or 'closed'}")
                    )
            except HttpError as error:
                self._fail(error)
        self._on_lost(self)

    # ---- inside

    def _told(self, answer: Answer) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(answer)
        if self.is_open and self._reader.keeps and self._reader.is_idle:
            self.used_s = self._loop.time()
            self._on_free(self)
        else:
            self.close()

    def _fail(self, error: OSError) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
        self.close()

    def _expire(self, waiter: asyncio.Future[Answer]) -> None:
        if not waiter.done():
            waiter.set_exception(TimeoutError())
