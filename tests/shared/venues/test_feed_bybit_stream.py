"""The stream as Bybit wants it: pings, snapshots in the stream, one topic asked for again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from shared.clock import EngineClock
from shared.venues.feed.choose import open_feed
from shared.venues.feed.dialect import BYBIT, BYBIT_LINEAR, NATIVE
from shared.venues.feed.link import FeedError
from shared.venues.feed.port import FeedLimits, FeedStart, RestError
from shared.venues.feed.stream import FeedStream

sys.path.insert(0, str(Path(__file__).parent))
from feed_server import FeedServer, bybit_book, bybit_said, until

QUICK = msgspec.structs.replace(BYBIT, messages_per_s=200.0)
FAST = FeedLimits(
    connect_s=1.0,
    acknowledge_s=0.3,
    stall_s=0.3,
    backoff_min_s=0.02,
    overlap_s=0.1,
    ping_s=0.05,
)
PATIENT = msgspec.structs.replace(FAST, stall_s=10.0)


class Listener:
    """Keeps what a stream says, in order."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def on_data(self, frame: bytes, now_ns: int) -> None:
        said = json.loads(frame)
        self.told.append(f"{said['type']} {said['data']['u']}" if "data" in said else "odd")

    def on_up(self, symbols: tuple[str, ...]) -> None:
        self.told.append("up")

    def on_down(self, symbols: tuple[str, ...], reason: str) -> None:
        self.told.append(f"down: {reason}")


Scene = tuple[FeedServer, FeedStream, Listener]


@contextlib.asynccontextmanager
async def running(
    symbols: tuple[str, ...] = ("AAAUSDT",), limits: FeedLimits = FAST
) -> AsyncIterator[Scene]:
    async with FeedServer() as server:
        listener = Listener()
        stream = FeedStream(QUICK, server.ws, symbols, listener, EngineClock(), limits)
        task = asyncio.create_task(stream.run())
        try:
            yield server, stream, listener
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def play(scene: Callable[[], object]) -> None:
    asyncio.run(scene())  # type: ignore[arg-type]


def test_topics_are_asked_for_in_tens_on_the_path_of_the_market():
    async def scene() -> None:
        symbols = tuple(f"S{n}USDT" for n in range(7))
        async with running(symbols) as (server, _, listener):
            await until(lambda: listener.told == ["up"])
            assert [len(topics) for topics in server.subscribed] == [10, 4]
            assert server.subscribed[0][:2] == ["orderbook.200.S0USDT", "publicTrade.S0USDT"]
            assert server.paths == ["/v5/public/spot"]
            assert [said["op"] for said in server.requests] == ["subscribe"] * 2
        assert BYBIT_LINEAR.ws_path == "/v5/public/linear"

    play(scene)


def test_what_comes_before_the_last_acknowledgement_is_heard_after_up():
    async def scene() -> None:
        async with running(tuple(f"S{n}USDT" for n in range(7))) as (server, _, listener):

            async def snapshots(link: web.WebSocketResponse, topics: list[str]) -> None:
                await link.send_str(bybit_book(topics[0].rpartition(".")[2], "snapshot", 1, 1))

            server.on_subscribe = snapshots
            await until(lambda: len(listener.told) == 3)
            assert listener.told == ["up", "snapshot 1", "snapshot 1"]

    play(scene)


def test_pings_go_out_and_their_answers_are_no_data():
    async def scene() -> None:
        async with running() as (server, stream, listener):
            await until(lambda: any("no data" in word for word in listener.told))
            assert server.pings >= 3
            assert stream.stalls == 1
            assert "odd" not in listener.told

    play(scene)


def test_data_whose_keys_come_in_another_order_are_data():
    async def scene() -> None:
        limits = msgspec.structs.replace(FAST, stall_s=1.0)
        async with running(limits=limits) as (server, stream, listener):
            await until(lambda: listener.told == ["up"])
            frame = json.loads(bybit_book("AAAUSDT", "delta", 5, 5))
            for _ in range(10):
                await server.links[0].send_str(json.dumps({"type": frame["type"], **frame}))
                await asyncio.sleep(0.15)
            assert stream.stalls == 0
            assert listener.told == ["up", *["delta 5"] * 10]

    play(scene)


def test_one_topic_is_dropped_and_added_for_a_new_snapshot():
    async def scene() -> None:
        async with running(("AAAUSDT", "BBBUSDT"), PATIENT) as (server, stream, listener):
            await until(lambda: listener.told == ["up"])
            await stream.resubscribe("BBBUSDT")
            asked = [(said["op"], said["args"]) for said in server.requests[1:]]
            topic = ["orderbook.200.BBBUSDT"]
            assert asked == [("unsubscribe", topic), ("subscribe", topic)]
            assert listener.told == ["up"]

    play(scene)


def test_a_topic_that_was_dropped_already_is_added_all_the_same():
    async def scene() -> None:
        async with running(limits=PATIENT) as (server, stream, listener):
            await until(lambda: listener.told == ["up"])
            server.acknowledge = lambda said: {
                **(bybit_said(said) or {}), "success": said["op"] == "subscribe",
            }  # fmt: skip
            await stream.resubscribe("AAAUSDT")
            server.acknowledge = lambda said: {
                **(bybit_said(said) or {}), "success": False, "ret_msg": "no such topic",
            }  # fmt: skip
            with pytest.raises(FeedError, match="no such topic"):
                await stream.resubscribe("AAAUSDT")
            server.acknowledge = lambda said: None
            with pytest.raises(TimeoutError):
                await stream.resubscribe("AAAUSDT")

    play(scene)


def test_a_market_that_is_gone_does_not_silence_the_others():
    gone = "orderbook.200.GONEUSDT"

    def acknowledge(said: dict[str, Any]) -> dict[str, Any]:
        refused = any("GONE" in topic for topic in said["args"])
        return {**(bybit_said(said) or {}), "success": not refused, "ret_msg": f"no {gone}"}

    async def scene() -> None:
        async with FeedServer() as server:
            server.acknowledge = acknowledge
            for symbols, told in ((("AAAUSDT", "GONEUSDT"), "up"), (("GONEUSDT",), "down")):
                listener = Listener()
                stream = FeedStream(QUICK, server.ws, symbols, listener, EngineClock(), PATIENT)
                task = asyncio.create_task(stream.run())
                await until(lambda heard=listener: heard.told)
                assert listener.told[0].startswith(told)
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            assert f"no {gone}" in listener.told[0]
            assert server.subscribed[:5] == [
                ["orderbook.200.AAAUSDT", "publicTrade.AAAUSDT", gone, "publicTrade.GONEUSDT"],
                ["orderbook.200.AAAUSDT"], ["publicTrade.AAAUSDT"],
                [gone], ["publicTrade.GONEUSDT"],
            ]  # fmt: skip

    play(scene)


def test_a_handler_that_fails_at_up_leaves_no_connection():
    async def scene() -> None:
        async with FeedServer() as server:
            listener = Listener()
            listener.on_up = lambda symbols: 1 / 0  # type: ignore[assignment,method-assign]
            stream = FeedStream(QUICK, server.ws, ("A",), listener, EngineClock(), PATIENT)
            with pytest.raises(ZeroDivisionError):
                await asyncio.wait_for(stream.run(), 60)
            await until(lambda: server.links[0].closed)

    play(scene)


def test_without_a_connection_nothing_can_be_asked():
    async def scene() -> None:
        async with FeedServer() as server:
            stream = FeedStream(QUICK, server.ws, ("AAAUSDT",), Listener(), EngineClock(), FAST)
            with pytest.raises(FeedError, match="not connected"):
                await stream.resubscribe("AAAUSDT")

    play(scene)


def test_a_successor_is_heard_from_its_snapshot_on_and_not_before_the_old_one_is_silent():
    async def scene() -> None:
        limits = msgspec.structs.replace(PATIENT, rotate_s=0.3, overlap_s=0.2)
        async with running(limits=limits) as (server, stream, listener):
            await until(lambda: len(server.links) == 2 and len(server.subscribed) == 2)
            old, new = server.links
            await old.send_str(bybit_book("AAAUSDT", "delta", 100, 100))
            await new.send_str(bybit_book("AAAUSDT", "snapshot", 100, 100))
            await old.send_str(bybit_book("AAAUSDT", "delta", 101, 101))
            await new.send_str(bybit_book("AAAUSDT", "delta", 101, 101))
            await until(lambda: len(listener.told) == 5)
            expected = ["up", "delta 100", "delta 101", "snapshot 100", "delta 101"]
            assert listener.told == expected
            await until(lambda: old.closed)
            assert (stream.rotations, stream.reconnects) == (1, 0)
            await new.send_str(bybit_book("AAAUSDT", "delta", 102, 102))
            await until(lambda: listener.told == [*expected, "delta 102"])

    play(scene)


def test_many_symbols_are_spread_over_connections_and_each_is_asked_on_its_own(
    monkeypatch: pytest.MonkeyPatch,
):
    row = msgspec.structs.replace(QUICK, symbols_per_connection=2)
    monkeypatch.setitem(NATIVE, "bybit", row)

    async def scene() -> None:
        async with FeedServer() as server:
            listener = Listener()
            start = FeedStart(
                venue="bybit", clock=EngineClock(), rest=server.rest, ws=server.ws, limits=PATIENT
            )
            feed = open_feed(start)
            symbols = tuple(f"S{n}USDT" for n in range(5))
            task = asyncio.create_task(feed.run(symbols, listener))
            await until(lambda: listener.told.count("up") == 3)
            assert len(server.links) == 3
            await feed.resubscribe("S3USDT")
            assert server.subscribed[-1] == ["orderbook.200.S3USDT"]
            assert feed.figures() == {"rotations": 0, "stalls": 0}
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await until(lambda: all(link.closed for link in server.links))
            with pytest.raises(RestError, match="S3USDT: not connected"):
                await feed.resubscribe("S3USDT")

    play(scene)


def test_too_much_before_it_is_up_costs_the_connection(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("shared.venues.feed.link.KEPT_BYTES_MAX", 1000)

    async def scene() -> None:
        async with running() as (server, _, listener):
            server.acknowledge = lambda said: None
            await until(lambda: server.links)
            for number in range(20):
                await server.links[0].send_str(bybit_book("AAAUSDT", "delta", number, number))
            await until(lambda: listener.told)
            assert "more data than can be kept" in listener.told[0]

    play(scene)
