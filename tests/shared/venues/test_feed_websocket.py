"""Opening a WebSocket against a real peer that hangs up, says nonsense or sends us elsewhere."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from shared.clock import EngineClock
from shared.venues.feed.dialect import BINANCE
from shared.venues.feed.port import FeedLimits
from shared.venues.feed.stream import FeedStream
from shared.venues.feed.websocket import WebSocketEnd, connect

sys.path.insert(0, str(Path(__file__).parent))
from raw_venue import answer, on_uvloop, raw_venue, says

AGREED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
ELSEWHERE = answer("", "Location: ws://127.0.0.1:1/", status="302 Found")


class Nobody(WebSocketEnd):
    def _let_go(self, reason):
        raise AssertionError(f"it was never connected: {reason}")

    def on_ws_frame(self, transport, frame):
        raise AssertionError("it was never connected")


async def refusal(behaviour, within_s=5.0):
    async with raw_venue() as venue:
        venue.script.append(behaviour)
        with pytest.raises(OSError) as refused:
            await connect(Nobody, f"ws://127.0.0.1:{venue.port}/ws", within_s)
        assert venue.connections == 1
        return refused.value


@pytest.mark.parametrize(
    ("said", "words"),
    [
        pytest.param(b"", "hung up during the handshake", id="nothing"),
        pytest.param(AGREED, "hung up during the handshake", id="half an answer"),
        pytest.param(b"\xff\xfe\x00\r\n\r\n", "status line", id="garbage"),
        pytest.param(AGREED + b"nonsense\r\n\r\n", "malformed header", id="a line that is none"),
        pytest.param(AGREED + b"Sec-WebSocket-Accept: a\r\n\r\n", "accept", id="another's key"),
        pytest.param(AGREED + b"a" * 100_000, "exceed", id="endless headers"),
        pytest.param(answer("{}", status="503 Busy"), "503", id="busy"),
        pytest.param(ELSEWHERE, "302", id="sent elsewhere"),
    ],
)
def test_a_peer_that_does_not_agree_is_an_os_error(said, words):
    assert words in str(on_uvloop(refusal(says(said, cut=True))))


def test_a_silent_peer_is_waited_for_only_so_long():
    assert isinstance(on_uvloop(refusal(says(), within_s=0.05)), TimeoutError)


def test_a_stream_whose_peer_hangs_up_tries_again():
    """A venue that died in the middle of the handshake once took ingest with it."""

    class Told:
        downs: list[str] = []

        def on_data(self, frame, now_ns):
            raise AssertionError("no data")

        def on_up(self, symbols):
            raise AssertionError("never up")

        def on_down(self, symbols, reason):
            self.downs.append(reason)

    async def run():
        limits = FeedLimits(connect_s=5.0, backoff_min_s=0.01, backoff_max_s=0.02)
        async with raw_venue() as venue:
            venue.script.extend(says(cut=True) for _ in range(3))
            url = f"ws://127.0.0.1:{venue.port}"
            stream = FeedStream(BINANCE, url, ("AAAUSDT",), Told(), EngineClock(), limits)
            task = asyncio.create_task(stream.run())
            while len(Told.downs) < 3 and not task.done():
                await asyncio.sleep(0.01)
            assert not task.done()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert all("hung up during the handshake" in reason for reason in Told.downs[:3])

    on_uvloop(run())
