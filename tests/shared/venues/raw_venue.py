"""A peer on loopback that answers with exactly the bytes, pauses and cuts that a test scripted."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import uvloop

Behaviour = Callable[[asyncio.StreamWriter], Awaitable[None]]


def on_uvloop(work: Coroutine[Any, Any, Any]) -> Any:
    """Runs it on the loop that the engine uses."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def says(*parts: bytes, pause_s: float = 0.0, cut: bool = False) -> Behaviour:
    """Answers with the parts, a pause before each but the first, and a cut at the end."""

    async def behave(writer: asyncio.StreamWriter) -> None:
        for number, part in enumerate(parts):
            if number and pause_s:
                await asyncio.sleep(pause_s)
            writer.write(part)
            await writer.drain()
        if cut:
            writer.close()

    return behave


def answer(body: str, *headers: str, status: str = "200 OK") -> bytes:
    """One whole answer."""
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body.encode())}"]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


class RawVenue:
    """Requests that came, whole; what answers the next ones; what is done with new connections."""

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[bytes] = []
        self.connections = 0
        self.writers: list[asyncio.StreamWriter] = []
        self.script: deque[Behaviour] = deque()
        self.refuses = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        self.writers.append(writer)
        if self.refuses:
            writer.transport.abort()
            return
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = 0
                for line in head.split(b"\r\n"):
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                self.requests.append(head + await reader.readexactly(length))
                if self.script:
                    await self.script.popleft()(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


@asynccontextmanager
async def raw_venue(tls: ssl.SSLContext | None = None):
    """A peer that listens on a free port."""
    venue = RawVenue()
    server = await asyncio.start_server(venue.serve, "127.0.0.1", 0, ssl=tls)
    venue.port = server.sockets[0].getsockname()[1]
    try:
        yield venue
    finally:
        server.close()
        for writer in venue.writers:
            writer.transport.abort()
