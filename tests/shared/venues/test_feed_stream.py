"""The stream against a real WebSocket server that misbehaves on purpose."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from shared.clock import EngineClock
from shared.venues.feed.dialect import BINANCE
from shared.venues.feed.port import FeedLimits
from shared.venues.feed.stream import FeedStream

sys.path.insert(0, str(Path(__file__).parent))
from feed_server import FeedServer, depth, ticker, until

FAST = FeedLimits(
    connect_s=1.0,
    acknowledge_s=0.5,
    stall_s=0.3,
    stall_max_s=1.2,
    backoff_min_s=0.02,
    backoff_max_s=0.1,
    settled_s=0.1,
    overlap_s=0.1,
)
IN_FOURS = msgspec.structs.replace(BINANCE, topics_per_message=4, messages_per_s=100.0)
PATIENT = FeedLimits(connect_s=1.0, acknowledge_s=0.5, backoff_min_s=0.02, overlap_s=0.15)


class Listener:
    """Keeps what a stream says, in order."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.told: list[str] = []
        self.fail_on: bytes | None = None

    def on_data(self, frame: bytes, now_ns: int) -> None:
        assert now_ns > 0
        if self.fail_on is not None and self.fail_on in frame:
            raise RuntimeError("a bug of the handler")
        self.frames.append(frame)

    def on_up(self, symbols: tuple[str, ...]) -> None:
        self.told.append("up")

    def on_down(self, symbols: tuple[str, ...], reason: str) -> None:
        self.told.append(f"down: {reason}")

    def count(self, what: str) -> int:
        return sum(word.startswith(what) for word in self.told)


@contextlib.asynccontextmanager
async def running(
    server: FeedServer,
    limits: FeedLimits,
    symbols: tuple[str, ...] = ("AAAUSDT",),
    fail_on: bytes | None = None,
) -> AsyncIterator[tuple[FeedStream, Listener, asyncio.Task[None]]]:
    listener = Listener()
    listener.fail_on = fail_on
    stream = FeedStream(IN_FOURS, server.ws, symbols, listener, EngineClock(), limits)
    task = asyncio.create_task(stream.run())
    try:
        yield stream, listener, task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, RuntimeError):
            await task


def with_server(scene: Callable[[FeedServer], object]) -> None:
    async def play() -> None:
        async with FeedServer() as server:
            await scene(server)  # type: ignore[misc]

    asyncio.run(play())


def test_subscribes_in_chunks_and_hands_frames_on_untouched():
    async def scene(server: FeedServer) -> None:
        async with running(server, PATIENT, ("AAAUSDT", "BBBUSDT")) as (_, listener, _task):
            await until(lambda: listener.told == ["up"])
            assert server.subscribed == [
                [
                    *(f"aaausdt@{kind}" for kind in ("depth@100ms", "trade", "bookTicker")),
                    "bbbusdt@depth@100ms",
                ],
                ["bbbusdt@trade", "bbbusdt@bookTicker"],
            ]
            frame = depth("AAAUSDT", 1, 2, [["1.0", "2.0"]])
            await server.links[0].send_str(frame)
            await until(lambda: listener.frames)
            assert listener.frames == [frame.encode()]

    with_server(scene)


def test_a_cut_connection_is_told_and_opened_again():
    async def scene(server: FeedServer) -> None:
        async with running(server, PATIENT) as (stream, listener, _task):
            await until(lambda: listener.count("up") == 1)
            server.cut()
            await until(lambda: listener.count("up") == 2)
            assert [word.split(":")[0] for word in listener.told] == ["up", "down", "up"]
            assert stream.reconnects == 1

    with_server(scene)


def test_a_venue_that_is_away_is_tried_again_with_growing_pauses():
    async def scene(server: FeedServer) -> None:
        server.refuse_connections = 3
        began = asyncio.get_running_loop().time()
        async with running(server, PATIENT) as (_, listener, _task):
            await until(lambda: listener.count("up") == 1)
            assert listener.count("down: not connected") == 3
            assert asyncio.get_running_loop().time() - began >= 0.02 + 0.04 + 0.08

    with_server(scene)


def test_a_refused_and_an_unanswered_subscription_are_not_up():
    async def scene(server: FeedServer) -> None:
        said_no = {"error": {"code": 2, "msg": "Invalid request"}}
        answers = [lambda said: {**said_no, "id": said["id"]}, lambda said: None]
        plain = server.acknowledge
        server.acknowledge = lambda said: (answers.pop(0) if answers else plain)(said)
        async with running(server, FAST) as (_, listener, _task):
            await until(lambda: listener.count("up") == 1)
            assert "Invalid request" in listener.told[0]
            assert [word[:4] for word in listener.told] == ["down", "down", "up"]

    with_server(scene)


def test_silence_is_noticed_though_pings_are_answered():
    async def scene(server: FeedServer) -> None:
        async with running(server, FAST) as (stream, listener, _task):
            await until(lambda: listener.count("up") == 1)
            for _ in range(5):
                await server.links[0].ping()
                await asyncio.sleep(0.05)
            await until(lambda: listener.count("down: no data") == 1)
            assert stream.stalls == 1

    with_server(scene)


def test_a_market_in_which_nothing_happens_is_left_in_peace_longer_each_time():
    async def scene(server: FeedServer) -> None:
        async with running(server, FAST) as (stream, listener, _task):
            ended_s = []
            for number in (1, 2, 3):
                await until(lambda n=number: stream.stalls >= n)
                ended_s.append(asyncio.get_running_loop().time())
            assert listener.count("up") - 3 in (0, 1), "each of them cost one connection"
            # 0.3, 0.6, 1.2 s of patience.
            first_s, second_s, third_s = ended_s
            assert second_s - first_s >= 0.59
            assert third_s - second_s >= 1.19

    with_server(scene)


@pytest.mark.parametrize("reason", ["age", "announcement"])
def test_a_connection_is_replaced_before_it_is_closed(reason: str):
    async def scene(server: FeedServer) -> None:
        limits = FeedLimits(rotate_s=0.4 if reason == "age" else 3600.0, overlap_s=0.15)
        async with running(server, limits) as (stream, listener, _task):
            await until(lambda: listener.count("up") == 1)
            if reason == "announcement":
                shutdown = '{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1}}'
                await server.links[0].send_str(shutdown)
            await until(lambda: len(server.links) == 2 and len(server.subscribed) == 2)
            assert not server.links[0].closed
            for number, link in enumerate(server.links):
                await link.send_str(ticker("AAAUSDT", number, "1.0", "1.1"))
            await until(lambda: server.links[0].closed)
            await server.links[1].send_str(ticker("AAAUSDT", 9, "1.0", "1.1"))
            await until(lambda: len(listener.frames) == 3)
            assert listener.told == ["up"]
            assert (stream.rotations, stream.reconnects) == (1, 0)

    with_server(scene)


def test_fragments_are_joined_and_nonsense_is_handed_on_without_harm():
    async def scene(server: FeedServer) -> None:
        async with running(server, PATIENT) as (_, listener, _task):
            await until(lambda: listener.count("up") == 1)
            link = server.links[0]
            for odd in ("", "{", "[1]", "null", '{"id":[1]}', '{"id":77,"result":null}', "\x00"):
                await link.send_str(odd)
            whole = depth("AAAUSDT", 3, 4)
            transport = link._req.transport
            half = len(whole) // 2
            for first, part in ((0x01, whole[:half]), (0x80, whole[half:])):
                transport.write(bytes([first, len(part)]) + part.encode())
            await until(lambda: len(listener.frames) == 8)
            assert listener.frames[-1] == whole.encode()
            assert listener.told == ["up"]

    with_server(scene)


@pytest.mark.parametrize(
    "wire", [b"\x83\x01x", b"\xf1\x01x", b"\x81\x7f" + b"\xff" * 8, b"\x00" * 40]
)
def test_bytes_that_are_no_frames_cost_a_connection_and_nothing_else(wire: bytes):
    async def scene(server: FeedServer) -> None:
        surprises: list[dict[str, object]] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: surprises.append(context))
        async with running(server, FAST) as (_, listener, _task):
            await until(lambda: listener.count("up") == 1)
            server.links[0]._req.transport.write(wire)
            await until(lambda: listener.count("up") == 2)
        await asyncio.sleep(0.05)
        gc.collect()
        assert surprises == []

    with_server(scene)


def test_a_failing_handler_ends_the_stream_with_its_error():
    async def scene(server: FeedServer) -> None:
        async with running(server, PATIENT) as (_, listener, task):
            await until(lambda: listener.count("up") == 1)
            listener.fail_on = b"AAAUSDT"
            await server.links[0].send_str(depth("AAAUSDT", 1, 1))
            with pytest.raises(RuntimeError, match="a bug of the handler"):
                await asyncio.wait_for(task, 60)

    with_server(scene)


def test_a_handler_that_fails_while_topics_are_still_asked_for_ends_the_stream_too():
    async def scene(server: FeedServer) -> None:
        async def tell(link: web.WebSocketResponse, topics: list[str]) -> None:
            await link.send_str(depth("AAAUSDT", 1, 1))

        server.on_subscribe = tell
        async with running(server, PATIENT, ("AAAUSDT", "BBBUSDT"), b"AAAUSDT") as (*_, task):
            with pytest.raises(RuntimeError, match="a bug of the handler"):
                await asyncio.wait_for(task, 60)
            assert len(server.links) == 1

    with_server(scene)
