"""Kept connections to one host, some of them always free: no exit waits for a slow answer.

A connection carries one request at a time and is used again only after a whole answer, so that no
answer can ever be taken for that of another request.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from typing import Any, Final
from urllib.parse import urlsplit

from shared.venues.feed.http import tls_context
from shared.venues.native.connection import Connection, prepare_socket

READY: Final = 2
"""So many stand open and free for the next requests."""

IDLE_MAX: Final = 8
CONNECT_S: Final = 5.0
ADDRESS_S: Final = 2.0
"""One address of several gets so long: a path that swallows packets must not hide the next."""

IDLE_S: Final = 45.0
"""Unused for so long, a connection is replaced: servers close them after 60 s and more."""

PAUSE_S: Final = 1.0
"""After a failure to connect ahead of need; a request that needs one tries at once."""


class Connections:
    """The open connections to one base address (http or https)."""

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or parts.hostname is None:
            raise ValueError(f"not an http address: {base_url!r}")
        self.host = parts.netloc
        self.opened = 0
        self._name = parts.hostname
        self._secure = parts.scheme == "https"
        self._port = parts.port or (443 if self._secure else 80)
        self._idle: deque[Connection] = deque()
        self._all: set[Connection] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._paused_until_s = 0.0
        self._closed = False

    def take(self, *, coldest: bool = False) -> Connection | None:
        """A free connection, the one used last, or the one that waited longest; None for none."""
        while self._idle:
            connection = self._idle.popleft() if coldest else self._idle.pop()
            if connection.is_open:
                return connection
        return None

    def give_back(self, connection: Connection) -> None:
        """Of a connection that was taken and not used, or has told its answer."""
        if self._closed or len(self._idle) >= IDLE_MAX:
            connection.close()
        else:
            self._idle.append(connection)

    async def open(self) -> Connection:
        """A new connection, not among the free ones. Raises OSError."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(self._name, self._port, type=socket.SOCK_STREAM)
        failure: OSError = OSError(f"no address of {self._name}")
        for family, kind, protocol, _, address in found:
            try:
                async with asyncio.timeout(ADDRESS_S):
                    return await self._connect(family, kind, protocol, address)
            except OSError as error:
                failure = error
        raise failure

    def top_up(self) -> None:
        """Opens connections when too few are free. Returns at once, and costs nothing as a rule."""
        if len(self._idle) < READY:
            self.keep_ready()

    def keep_ready(self) -> None:
        """Opens connections ahead of need, and replaces those that waited long. Returns at once."""
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        if self._closed or now_s < self._paused_until_s:
            return
        aged = self._aged(now_s)
        fresh = len(self._idle) - len(aged)
        if fresh >= READY:
            for connection in aged:
                self._idle.remove(connection)
                connection.close()
        for _ in range(READY - fresh - len(self._opening)):
            task = loop.create_task(self._open_ahead())
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    def distrust(self, since_s: float) -> None:
        """Gives up the free connections, unless one of them was answered since then: a peer that
        fell silent on one may be silent on all, but a slow answer alone is no such sign."""
        if any(one.used_s >= since_s for one in self._idle):
            return
        while self._idle:
            self._idle.pop().close()

    def close(self) -> None:
        """Closes all; an answer still awaited is never heard."""
        self._closed = True
        for task in self._opening:
            task.cancel()
        for connection in tuple(self._all):
            connection.close()
        self._idle.clear()

    async def _open_ahead(self) -> None:
        try:
            async with asyncio.timeout(CONNECT_S):
                opened = await self.open()
        except OSError:
            # Nothing is lost by it: a request that finds no free connection tells why.
            self._paused_until_s = asyncio.get_running_loop().time() + PAUSE_S
            return
        if self._closed or len(self._idle) >= IDLE_MAX:
            opened.close()
            return
        # At the cold end: what has just been used stays the next to be used.
        self._idle.appendleft(opened)
        for aged in self._aged(asyncio.get_running_loop().time())[:1]:
            self._idle.remove(aged)
            aged.close()

    async def _connect(self, family: int, kind: int, protocol: int, address: Any) -> Connection:
        loop = asyncio.get_running_loop()
        opened = socket.socket(family, kind, protocol)
        try:
            opened.setblocking(False)
            prepare_socket(opened)
            await loop.sock_connect(opened, address)
            connection = Connection(None if self._secure else opened, self.give_back, self._forget)
            await loop.create_connection(
                lambda: connection,
                sock=opened,
                ssl=tls_context() if self._secure else None,
                server_hostname=self._name if self._secure else None,
            )
        except BaseException:  # Raised on, whatever it is: nothing was sent yet.
            opened.close()
            raise
        self.opened += 1
        self._all.add(connection)
        if self._closed:
            connection.close()
            raise OSError("the connections were closed")
        return connection

    def _aged(self, now_s: float) -> list[Connection]:
        return [one for one in self._idle if now_s - one.used_s > IDLE_S]

    def _forget(self, connection: Connection) -> None:
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
