"""One client that never reads, nine that do: how much later the nine hear the market.

The delay of a message is counted from its event time, the venue's clock at sending, in whole
milliseconds; both runs carry the same error.
"""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import time
from typing import Any

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from bench.venue_process import cores, in_a_process, running_venue
from core_ext.histogram import Histogram
from shared.errors import SeawallError

READERS = 9
LISTEN_S = 8.0
WARM_UP_S = 1.0
SYMBOL = "btcusdt"
STREAMS = "/".join(f"{SYMBOL}@{name}" for name in ("trade", "aggTrade", "depth@100ms"))
RECEIVE_BUFFER_BYTES = 4096
ROUNDS = 2


def run() -> list[dict[str, Any]]:
    """One row: the delay with a stuck client, as a ratio to the delay without."""
    server_core, client_core = cores()
    delays = {True: Histogram(), False: Histogram()}
    with running_venue("--profile", "flood", core=server_core) as venue:
        for number in range(ROUNDS * 2):
            stuck = number % 2 == 1
            data = in_a_process(listen, client_core, venue.host, venue.port, stuck)
            delays[stuck].merge(Histogram.from_bytes(data))
    beside, alone = delays[True], delays[False]
    figures = {f"p{str(p).replace('.', '')}": p for p in (50, 99, 99.9)}
    return [
        {
            "name": "delay_beside_stuck_client",
            "unit": "us",
            **{name: round(beside.percentile(p) / 1e3, 1) for name, p in figures.items()},
            "ratio_to": {"nobody_stuck_p99": _ratio(alone, beside)},
            "operation": f"{READERS} readers of {STREAMS}, flood market, one client never reads",
            "samples": beside.count,
            "alone_samples": alone.count,
        }
    ]


def _ratio(alone: Histogram, beside: Histogram) -> float:
    return round(alone.percentile(99) / max(beside.percentile(99), 1), 2)


class Reader(WSListener):
    """Notes how old each message is when it comes."""

    def __init__(self, delays: Histogram) -> None:
        self._delays = delays
        self.measures = False

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Event times stand near the beginning of every message."""
        if not self.measures or frame.msg_type != WSMsgType.TEXT:
            return
        text = frame.get_payload_as_bytes()
        at = text.find(b'"E":', 0, 200)
        if at >= 0:
            sent_ns = int(text[at + 4 : at + 17]) * 1_000_000
            self._delays.record(max(0, time.time_ns() - sent_ns))


def listen(host: str, port: int, stuck: bool) -> bytes:
    """The histogram of the readers' delays. Raises SeawallError when nothing came."""
    return asyncio.run(_listen(host, port, stuck))


async def _listen(host: str, port: int, stuck: bool) -> bytes:
    delays = Histogram()
    url = f"ws://{host}:{port}/stream?streams={STREAMS}"
    connected = [await ws_connect(lambda: Reader(delays), url) for _ in range(READERS)]
    sleeper = _stuck_client(host, port) if stuck else None
    await asyncio.sleep(WARM_UP_S)
    for _, reader in connected:
        reader.measures = True
    await asyncio.sleep(LISTEN_S)
    for transport, _ in connected:
        transport.disconnect()
    if sleeper is not None:
        sleeper.close()
    if not delays.count:
        raise SeawallError("bench venue: the readers heard nothing")
    return delays.to_bytes()


def _stuck_client(host: str, port: int) -> socket.socket:
    """A client that subscribes and then reads nothing any more."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    client.connect((host, port))
    key = base64.b64encode(os.urandom(16)).decode()
    client.sendall(
        (
            f"GET /stream?streams={STREAMS} HTTP/1.1\r\nHost: {host}:{port}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        ).encode()
    )
    if not client.recv(12).startswith(b"HTTP/1.1 101"):
        raise SeawallError("bench venue: the stuck client was not accepted")
    return client
