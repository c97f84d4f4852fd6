"""Every event of the public streams has the documentation's keys and types."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import conformance_shapes
import pytest
from conformance_shapes import differences

pytestmark = pytest.mark.e2e
SHAPES = conformance_shapes.load()["streams"]

STREAMS = {
    "btcusdt@aggTrade": "Aggregate Trade Streams",
    "btcusdt@trade": "Trade Streams",
    "btcusdt@kline_1m": "Kline/Candlestick Streams for UTC",
    "btcusdt@kline_1s": "Kline/Candlestick Streams for UTC",
    "btcusdt@kline_1d@+08:00": "Kline/Candlestick Streams with timezone offset",
    "btcusdt@miniTicker": "Individual Symbol Mini Ticker Stream",
    "btcusdt@ticker": "Individual Symbol Ticker Streams",
    "btcusdt@ticker_1h": "Individual Symbol Rolling Window Statistics Streams",
    "btcusdt@ticker_4h": "Individual Symbol Rolling Window Statistics Streams",
    "btcusdt@ticker_1d": "Individual Symbol Rolling Window Statistics Streams",
    "btcusdt@bookTicker": "Individual Symbol Book Ticker Streams",
    "btcusdt@avgPrice": "Average Price",
    "btcusdt@depth5": "Partial Book Depth Streams",
    "btcusdt@depth10@100ms": "Partial Book Depth Streams",
    "btcusdt@depth20@100ms": "Partial Book Depth Streams",
    "btcusdt@depth": "Diff. Depth Stream",
    "btcusdt@depth@100ms": "Diff. Depth Stream",
}
OF_ALL_SYMBOLS = {
    "!miniTicker@arr": "Individual Symbol Mini Ticker Stream",
    "!ticker_1h@arr": "Individual Symbol Rolling Window Statistics Streams",
    "!ticker_1d@arr": "Individual Symbol Rolling Window Statistics Streams",
}


@pytest.fixture(scope="module")
def venue(start_venue):
    return start_venue("--profile", "calm", "--seed", "7", "--unlimited")


def run(work):
    return asyncio.run(asyncio.wait_for(work, 100))


def test_every_stream_wrapped(venue):
    async def work():
        names = {**STREAMS, **OF_ALL_SYMBOLS}
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{venue.line['ws']}/stream?streams={'/'.join(names)}") as socket,
        ):
            seen: dict[str, list] = {}
            try:
                async with asyncio.timeout(90):
                    while seen.keys() != names.keys():
                        message = await socket.receive_json()
                        assert message.keys() == {"stream", "data"}
                        seen.setdefault(message["stream"], message["data"])
            except TimeoutError:
                pytest.fail(f"silent streams: {sorted(names.keys() - seen.keys())}")
        found = []
        for name, data in seen.items():
            for row in data if name in OF_ALL_SYMBOLS else [data]:
                found += differences(row, SHAPES[names[name]][0], name, set())
        assert found == []

    run(work())


def test_each_stream_alone_is_not_wrapped(venue):
    async def work():
        async with aiohttp.ClientSession() as session:
            for name in ("btcusdt@bookTicker", "btcusdt@depth5@100ms", "btcusdt@depth@100ms"):
                async with session.ws_connect(f"{venue.line['ws']}/ws/{name}") as socket:
                    data = await asyncio.wait_for(socket.receive_json(), 60)
                    assert (
                        differences(
                            data,
                            SHAPES[STREAMS[name.replace("depth5@100ms", "depth5")]][0],
                            name,
                            set(),
                        )
                        == []
                    )

    run(work())


def test_requests_about_subscriptions(venue):
    async def work():
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{venue.line['ws']}/ws") as socket,
        ):

            async def ask(**request):
                await socket.send_json(request)
                while True:
                    message = await asyncio.wait_for(socket.receive_json(), 60)
                    if "id" in message:
                        return message

            names = ["btcusdt@depth5", "btcusdt@avgPrice"]
            for request, heading, result in (
                ({"method": "SUBSCRIBE", "params": names}, "Subscribe to a stream", None),
                (
                    {"method": "LIST_SUBSCRIPTIONS"},
                    "Listing Subscriptions",
                    sorted(names),
                ),
                (
                    {"method": "UNSUBSCRIBE", "params": names[:1]},
                    "Unsubscribe to a stream",
                    None,
                ),
                ({"method": "LIST_SUBSCRIPTIONS"}, "Listing Subscriptions", names[1:]),
                (
                    {"method": "SET_PROPERTY", "params": ["combined", True]},
                    "Setting Properties",
                    None,
                ),
                (
                    {"method": "GET_PROPERTY", "params": ["combined"]},
                    "Retrieving Properties",
                    True,
                ),
            ):
                for request_id in (312, "a-string", None):
                    answer = await ask(**request, id=request_id)
                    assert answer["id"] == request_id
                    got = answer["result"]
                    assert (sorted(got) if isinstance(got, list) else got) == result
                    assert answer.keys() == SHAPES[heading][1].keys()
            message = await asyncio.wait_for(socket.receive_json(), 60)
            assert message.keys() == {"stream", "data"}, "combined was set"

    run(work())


def test_the_end_of_the_venue_is_announced(start_venue):
    venue = start_venue("--profile", "calm", "--seed", "8")

    async def work():
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{venue.line['ws']}/ws/btcusdt@avgPrice") as raw,
            session.ws_connect(f"{venue.line['ws']}/stream?streams=btcusdt@avgPrice") as wrapped,
            session.ws_connect(f"{venue.line['ws']}/ws-api/v3") as socket_api,
        ):
            venue.process.terminate()
            told = []
            for socket in (raw, wrapped, socket_api):
                messages = []
                while (message := await socket.receive(timeout=60)).type is aiohttp.WSMsgType.TEXT:
                    messages.append(json.loads(message.data))
                told.append(messages)
                assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
            shapes = (*SHAPES["Server Shutdown"], SOCKET["Server Shutdown"][0])
            for messages, shape in zip(told, shapes, strict=True):
                assert messages, "closed without a word"
                assert differences(messages[-1], shape, "shutdown", set()) == []
            assert told[0][-1]["e"] == "serverShutdown"
            assert told[1][-1]["data"]["e"] == "serverShutdown"
            assert told[2][-1]["event"]["e"] == "serverShutdown"

    run(work())


SOCKET = conformance_shapes.load()["socket"]
