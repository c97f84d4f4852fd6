"""A venue on a clock that the test moves, and an ear that hears what its streams say."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from procs.localvenue.options import VenueOptions
from procs.localvenue.protocols.binance_spot.streams import Subscriber
from procs.localvenue.server import VenueServer

TURN_MS = 5


def text_of(frame: bytes) -> str:
    """What a text frame holds."""
    assert frame[0] == 0x81, "a whole text frame"
    start, size = {126: (4, 2), 127: (10, 8)}.get(frame[1], (2, 0))
    length = int.from_bytes(frame[2 : 2 + size], "big") if size else frame[1]
    assert len(frame) == start + length
    return frame[start:].decode()


class Ear:
    """Takes the place of a client's socket."""

    def __init__(self, wrapped: bool = True, finer: bool = False) -> None:
        self.texts: list[str] = []
        self.subscriber = Subscriber(self, wrapped, finer)  # type: ignore[arg-type]

    def send_frame(self, frame: bytes) -> None:
        self.texts.append(text_of(frame))

    @property
    def messages(self) -> list[Any]:
        return [json.loads(text) for text in self.texts]

    def by_stream(self) -> dict[str, list[Any]]:
        """Wrapped messages by the stream they came on."""
        heard: dict[str, list[Any]] = defaultdict(list)
        for message in self.messages:
            heard[message["stream"]].append(message["data"])
        return heard


class StreamVenue:
    """The venue of a server that does not listen; time passes only in `pass_ms`."""

    def __init__(self, start_ms: int | None = None, **options: Any) -> None:
        self._server = VenueServer(VenueOptions(**{"seed": 5, **options}))
        self.venue = self._server.venue
        self.time_ms = max(self.venue.now_ms(), start_ms or 0)
        self.venue._wall_ms = lambda: self.time_ms
        (self.hub,) = self.venue.market_listeners
        self.venue.pump()

    def hear(self, *names: str, wrapped: bool = True, finer: bool = False) -> Ear:
        """Subscribes to streams."""
        ear = Ear(wrapped, finer)
        for name in names:
            self.hub.subscribe(ear.subscriber, name)  # type: ignore[attr-defined]
        return ear

    def pass_ms(self, total_ms: int, turn_ms: int = TURN_MS) -> None:
        """Lets time pass in turns."""
        end_ms = self.time_ms + total_ms
        while self.time_ms < end_ms:
            self.time_ms = min(self.time_ms + turn_ms, end_ms)
            self.venue.pump()

    def close(self) -> None:
        self.venue.close()
        self._server._fault_log.close()


def stream_venue(**options: Any) -> Iterator[StreamVenue]:
    """For fixtures: a venue that is closed at the end."""
    venue = StreamVenue(**options)
    yield venue
    venue.close()


async def raw_socket(port: int, path: str, limit: int = 1 << 20) -> Any:
    """Reader and writer of a connection after its handshake, without any WebSocket library."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=limit)
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    head = await reader.readuntil(b"\r\n\r\n")
    assert b" 101 " in head.split(b"\r\n")[0], head
    return reader, writer


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """The opcode and the payload of the next frame."""
    first, size = await reader.readexactly(2)
    if size == 126:
        size = int.from_bytes(await reader.readexactly(2), "big")
    elif size == 127:
        size = int.from_bytes(await reader.readexactly(8), "big")
    return first & 0x0F, await reader.readexactly(size)


def client_frame(opcode: int, payload: bytes) -> bytes:
    """A whole frame as a client sends it, masked with zeros."""
    size = len(payload)
    if size < 126:
        head = bytes((0x80 | opcode, 0x80 | size))
    elif size < 65_536:
        head = bytes((0x80 | opcode, 0xFE)) + size.to_bytes(2, "big")
    else:
        head = bytes((0x80 | opcode, 0xFF)) + size.to_bytes(8, "big")
    return head + b"\0\0\0\0" + payload
