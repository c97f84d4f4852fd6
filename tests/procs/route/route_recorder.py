"""A wire between route and its venue that notes when each request came by; it changes nothing.

It reads what was really written, HTTP and WebSocket alike, and shares no code with the engine.
"""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import parse_qsl

PLACING = re.compile(rb"POST /api/v3/(?:order|orderList/oco)[ ?]")
HEAD_END = b"\r\n\r\n"


class Placed(NamedTuple):
    """An order as it came over the wire."""

    ids: tuple[str, ...]
    at_ns: int
    timestamp_ms: int


class Recorder:
    """Forwards connections to a port; `placed` are the orders seen so far."""

    def __init__(self, target: int, now_ns: Callable[[], int]) -> None:
        self.target = target
        self.placed: list[Placed] = []
        self.seen = 0
        self._now_ns = now_ns
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._sockets: list[socket.socket] = [self._server]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Cuts everything."""
        for one in list(self._sockets):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
            finally:
                one.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self.target))
            self._sockets += [near, far]
            threading.Thread(target=self._forth, args=(near, far), daemon=True).start()
            threading.Thread(target=self._carry, args=(far, near, None), daemon=True).start()

    def _forth(self, near: socket.socket, far: socket.socket) -> None:
        buffer = bytearray()
        speaks_frames = False

        def look(data: bytes) -> None:
            nonlocal speaks_frames
            buffer.extend(data)
            while True:
                taken = take_frame(buffer) if speaks_frames else take_request(buffer)
                if taken is None:
                    return
                self.seen += 1
                if not speaks_frames and b"\r\nupgrade: websocket" in taken.lower():
                    speaks_frames = True
                    continue
                placed = of_frame(taken) if speaks_frames else of_request(taken)
                if placed:
                    self.placed.append(Placed(placed[0], self._now_ns(), placed[1]))

        self._carry(near, far, look)

    def _carry(
        self, source: socket.socket, sink: socket.socket, look: Callable[[bytes], None] | None
    ) -> None:
        try:
            while data := source.recv(65_536):
                if look is not None:
                    look(data)
                sink.sendall(data)
        except OSError:
            return
        finally:
            for one in (source, sink):
                one.close()


def take_request(buffer: bytearray) -> bytes | None:
    """One whole HTTP request off the buffer."""
    end = buffer.find(HEAD_END)
    if end < 0:
        return None
    match = re.search(rb"\r\ncontent-length: *(\d+)", bytes(buffer[:end]), re.IGNORECASE)
    whole = end + len(HEAD_END) + (int(match[1]) if match else 0)
    if len(buffer) < whole:
        return None
    taken = bytes(buffer[:whole])
    del buffer[:whole]
    return taken


def take_frame(buffer: bytearray) -> bytes | None:
    """One client frame's payload, unmasked, off the buffer; no compression, no fragments."""
    if len(buffer) < 6:
        return None
    length, at = buffer[1] & 0x7F, 2
    if length == 126:
        length, at = int.from_bytes(buffer[2:4], "big"), 4
    elif length == 127:
        length, at = int.from_bytes(buffer[2:10], "big"), 10
    if len(buffer) < at + 4 + length:
        return None
    mask = buffer[at : at + 4]
    body = buffer[at + 4 : at + 4 + length]
    payload = bytes(byte ^ mask[index % 4] for index, byte in enumerate(body))
    del buffer[: at + 4 + length]
    return payload


def of_request(request: bytes) -> tuple[tuple[str, ...], int] | None:
    """Client ids and timestamp of a request that places orders."""
    if not PLACING.match(request):
        return None
    target = request.split(b" ", 2)[1].partition(b"?")[2]
    body = request.partition(HEAD_END)[2]
    fields = dict(parse_qsl(target.decode()) + parse_qsl(body.decode()))
    return _ids(fields), int(fields["timestamp"])


def of_frame(payload: bytes) -> tuple[tuple[str, ...], int] | None:
    """The same of a frame of the WebSocket API."""
    try:
        said = json.loads(payload)
    except ValueError:
        return None  # A ping, or the end.
    placing = ("order.place", "orderList.place.oco")
    if not isinstance(said, dict) or said.get("method") not in placing:
        return None
    return _ids(said["params"]), int(said["params"]["timestamp"])


def _ids(fields: dict) -> tuple[str, ...]:
    names = ("newClientOrderId", "aboveClientOrderId", "belowClientOrderId")
    found = tuple(fields[name] for name in names if name in fields)
    assert found, fields
    return found
