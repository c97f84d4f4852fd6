"""The wire itself: JSON shapes against the exchange's documentation, streams, limits."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from statistics import median

import pytest
from aiohttp import web
from localvenue_process import ROOT, raw_client

from procs.localvenue.protocols.binance_spot.sockets import (
    GOODBYE_S,
    UNREAD_BYTES_MAX,
    ClientSocket,
)

pytestmark = pytest.mark.e2e

SAMPLES = Path(ROOT).parent / "shared" / "fixtures" / "binance_spot_docs.json"
OPTIONAL = {"v", "icebergQty", "strategyId", "strategyType", "trailingDelta", "sors"}
"""Keys that the exchange sends only for features that this venue does not have."""


@pytest.fixture(scope="module")
def venue(start_venue):
    return start_venue("--profile", "calm", "--seed", "5", "--unlimited", "--accounts", "2")


@pytest.fixture(scope="module")
def samples():
    if not SAMPLES.exists():
        pytest.skip(f"no documentation samples at {SAMPLES}: shapes are not compared")
    return json.loads(SAMPLES.read_text())["files"]


def run(work):
    return asyncio.run(asyncio.wait_for(work, 100))


def assert_shape(ours, sample, place="", extra=()):
    """The same keys, and values of the same JSON type, as the documentation's sample."""
    if sample == {} and place:
        return  # The documentation leaves it out.
    if isinstance(sample, dict):
        assert isinstance(ours, dict), place
        missing = sample.keys() - ours.keys() - OPTIONAL - set(extra)
        assert not missing, f"{place}: missing {missing}"
        unknown = ours.keys() - sample.keys() - set(extra)
        assert not unknown, f"{place}: unknown {unknown}"
        for name in sample.keys() & ours.keys():
            assert_shape(ours[name], sample[name], f"{place}.{name}")
    elif isinstance(sample, list):
        assert isinstance(ours, list), place
        if sample and ours and not isinstance(sample[0], dict | list):
            kinds = [type(one) for one in sample[: len(ours)]]
            assert [type(one) for one in ours[: len(kinds)]] == kinds, place
        elif sample and ours:
            assert_shape(ours[0], sample[0], f"{place}[0]")
    elif sample is not None and ours is not None:
        assert type(ours) is type(sample), f"{place}: {ours!r} is not like {sample!r}"


def test_public_answers_have_the_documented_shape(venue, samples):
    rest = samples["rest-api.md"]

    async def work():
        async with raw_client(venue) as client:
            one = {"symbol": "BTCUSDT"}
            for path, name, params in (
                ("time", "Check server time", {}),
                ("exchangeInfo", "Exchange information", one),
                ("depth", "Order book", one),
                ("trades", "Recent trades list", one),
                ("aggTrades", "Compressed/Aggregate trades list", one),
                ("klines", "Kline/Candlestick data", {**one, "interval": "1m"}),
                ("avgPrice", "Current average price", one),
                ("ticker/24hr", "24hr ticker price change statistics", one),
                ("ticker/price", "Symbol price ticker", one),
                ("ticker/bookTicker", "Symbol order book ticker", one),
            ):
                ours = await client.get(f"api/v3/{path}", **params)
                assert_shape(ours, rest[name][0], name)
            mini = await client.get("api/v3/ticker/24hr", **one, type="MINI")
            assert_shape(mini, rest["24hr ticker price change statistics"][2], "mini")
            info = await client.get("api/v3/exchangeInfo", **one)
            for filter_ in info["symbols"][0]["filters"]:
                assert_shape(filter_, samples["filters.md"][filter_["filterType"]][0])
            for symbols in ('["BTCUSDT","ETHUSDT"]',):
                two = await client.get("api/v3/exchangeInfo", symbols=symbols)
                assert [row["symbol"] for row in two["symbols"]] == ["BTCUSDT", "ETHUSDT"]

    run(work())


def test_account_answers_and_events_have_the_documented_shape(venue, samples):
    rest, told_samples = samples["rest-api.md"], samples["user-data-stream.md"]
    placed_samples = rest["New order (TRADE)"]

    async def work():
        async with raw_client(venue) as client:
            socket = await client.session.ws_connect(f"{venue.line['ws']}/ws-api/v3")
            await socket.send_json(client.socket_request("x", "userDataStream.subscribe.signature"))
            assert (await socket.receive_json())["result"] == {"subscriptionId": 0}
            price = float((await client.get("api/v3/ticker/price", symbol="BTCUSDT"))["price"])
            buy = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}
            for response, sample in zip(("ACK", "RESULT", "FULL"), placed_samples, strict=True):
                status, ours, headers = await client.call(
                    "POST", "order", **buy, newOrderRespType=response
                )
                assert status == 200
                assert_shape(ours, sample, response)
                assert int(headers["X-MBX-ORDER-COUNT-10S"]) == 0, "what fills does not count"
                assert int(headers["X-MBX-USED-WEIGHT-1M"]) >= 1
            oco = {
                "symbol": "BTCUSDT",
                "side": "SELL",
                "quantity": "0.01",
                "aboveType": "LIMIT_MAKER",
                "abovePrice": f"{price * 1.05:.2f}",
                "belowType": "STOP_LOSS_LIMIT",
                "belowStopPrice": f"{price * 0.95:.2f}",
                "belowPrice": f"{price * 0.94:.2f}",
                "belowTimeInForce": "GTC",
            }
            _, made, _ = await client.call("POST", "orderList/oco", **oco)
            assert_shape(made, rest["New Order list - OCO (TRADE)"][0], "oco")
            for method, path, name, params in (
                ("GET", "account", "Account information (USER_DATA)", {}),
                ("GET", "openOrders", "Current open orders (USER_DATA)", {}),
                ("GET", "allOrders", "All orders (USER_DATA)", {"symbol": "BTCUSDT"}),
                ("GET", "myTrades", "Account trade list (USER_DATA)", {"symbol": "BTCUSDT"}),
                ("GET", "openOrderList", "Query Open Order lists (USER_DATA)", {}),
                ("GET", "allOrderList", "Query all Order lists (USER_DATA)", {}),
                (
                    "GET",
                    "orderList",
                    "Query Order list (USER_DATA)",
                    {"orderListId": made["orderListId"]},
                ),
                ("GET", "rateLimit/order", "Query Unfilled Order Count (USER_DATA)", {}),
                (
                    "GET",
                    "account/commission",
                    "Query Commission Rates (USER_DATA)",
                    {"symbol": "BTCUSDT"},
                ),
                (
                    "DELETE",
                    "orderList",
                    "Cancel Order list (TRADE)",
                    {"symbol": "BTCUSDT", "orderListId": made["orderListId"]},
                ),
            ):
                status, ours, _ = await client.call(method, path, **params)
                assert status == 200, ours
                assert_shape(ours, rest[name][0], name)
            limit = {
                **{"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"},
                **{"quantity": "0.001", "price": f"{price * 0.9:.2f}", "newClientOrderId": "a-1"},
            }
            await client.call("POST", "order", **limit)
            found = {"symbol": "BTCUSDT", "origClientOrderId": "a-1"}
            _, ours, _ = await client.call("GET", "order", **found)
            assert_shape(ours, rest["Query order (USER_DATA)"][0], "query")
            new = {**limit, "newClientOrderId": "a-2", "cancelReplaceMode": "STOP_ON_FAILURE"}
            name = "Cancel an Existing Order and Send a New Order (TRADE)"
            _, ours, _ = await client.call(
                "POST", "order/cancelReplace", **new, cancelOrigClientOrderId="a-1"
            )
            assert_shape(ours, rest[name][0], name, extra=("workingTime",))
            status, ours, _ = await client.call(
                "POST", "order/cancelReplace", **new, cancelOrigClientOrderId="a-1"
            )
            assert status == 400
            assert_shape(ours, rest[name][1], name)
            found["origClientOrderId"] = "a-2"
            _, ours, _ = await client.call("DELETE", "order", **found)
            assert_shape(ours, rest["Cancel order (TRADE)"][0], "cancel")
            return await _listen(socket, 0.3)

    told = run(work())
    names = {"outboundAccountPosition": "Account Update", "executionReport": "Order Update"}
    names["listStatus"] = "Order Reject Reason"
    assert {event["event"]["e"] for event in told} == set(names)
    for message in told:
        event = message["event"]
        sample = told_samples[names[event["e"]]][0]
        if event["e"] == "executionReport" and "W" not in event:
            assert event["o"] == "STOP_LOSS_LIMIT", "only what waits was never on the book"
            sample = {**sample, "event": {**sample["event"]}}
            del sample["event"]["W"]
        assert_shape(message, sample, event["e"])


async def _listen(socket, seconds):
    """Every message until nothing came for that long."""
    told = []
    while True:
        try:
            told.append(json.loads((await socket.receive(timeout=seconds)).data))
        except TimeoutError:
            return told


def test_the_depth_stream_joins_on_to_the_snapshot_without_a_gap(venue, samples):
    async def work():
        async with raw_client(venue) as client:
            socket = await client.session.ws_connect(f"{venue.line['ws']}/ws")
            await socket.send_json(
                {"method": "SUBSCRIBE", "params": ["ethusdt@depth@100ms"], "id": None}
            )
            assert await socket.receive_json() == {"result": None, "id": None}
            events = [await socket.receive_json()]
            snapshot = await client.get("api/v3/depth", symbol="ETHUSDT", limit=5000)
            book = {side: dict(snapshot[side]) for side in ("bids", "asks")}
            last = snapshot["lastUpdateId"]
            equal = 0
            while equal < 3:
                events.append(await socket.receive_json())
                assert events[-1]["U"] == events[-2]["u"] + 1
                event = events[-1]
                if event["u"] <= last:
                    continue
                assert event["U"] <= last + 1
                last = event["u"]
                for side, changes in (("bids", event["b"]), ("asks", event["a"])):
                    for price, quantity in changes:
                        book[side][price] = quantity
                        if float(quantity) == 0:
                            del book[side][price]
                later = await client.get("api/v3/depth", symbol="ETHUSDT", limit=5000)
                if later["lastUpdateId"] == last:
                    assert {side: dict(later[side]) for side in book} == book
                    equal += 1
            assert_shape(events[0], samples["web-socket-streams.md"]["Diff. Depth Stream"][0])

    run(work())


def test_streams_have_the_documented_shape_raw_and_wrapped(venue, samples):
    docs = samples["web-socket-streams.md"]
    wanted = {
        "btcusdt@trade": "Trade Streams",
        "btcusdt@aggTrade": "Aggregate Trade Streams",
        "btcusdt@bookTicker": "Individual Symbol Book Ticker Streams",
        "btcusdt@kline_1m": "Kline/Candlestick Streams for UTC",
        "btcusdt@ticker": "Individual Symbol Ticker Streams",
        "btcusdt@miniTicker": "Individual Symbol Mini Ticker Stream",
        "btcusdt@depth5@100ms": "Partial Book Depth Streams",
        "btcusdt@depth": "Diff. Depth Stream",
    }

    async def work():
        async with raw_client(venue) as client:
            base = venue.line["ws"]
            socket = await client.session.ws_connect(f"{base}/stream?streams={'/'.join(wanted)}")
            seen = {}
            while seen.keys() != wanted.keys():
                message = await socket.receive_json()
                assert message.keys() == {"stream", "data"}
                seen[message["stream"]] = message["data"]
            for name, data in seen.items():
                assert_shape(data, docs[wanted[name]][0], name)
            raw = await client.session.ws_connect(f"{base}/ws/btcusdt@bookTicker")
            assert "stream" not in await raw.receive_json()
            plain = await client.session.ws_connect(f"{base}/stream/ws/0")
            for request, answer in (
                ({"method": "LIST_SUBSCRIPTIONS", "id": "q"}, {"result": ["0"], "id": "q"}),
                (
                    {"method": "SUBSCRIBE", "params": ["nope@depth", "btcusdt@magic"], "id": 7},
                    {"result": None, "id": 7},
                ),
                (
                    {"method": "UNSUBSCRIBE", "params": ["nope@depth"], "id": 8},
                    {"result": None, "id": 8},
                ),
            ):
                await plain.send_json(request)
                assert await plain.receive_json() == answer
            await plain.send_str("not json")
            assert (await plain.receive_json())["error"]["code"] == 3
            await plain.send_json({"method": "DANCE", "id": 9})
            assert (await plain.receive_json())["error"]["code"] == 2

    run(work())


def test_the_socket_api_trades_and_tells_only_the_owner(venue):
    async def work():
        async with raw_client(venue) as client:
            socket = await client.session.ws_connect(f"{venue.line['ws']}/ws-api/v3")
            other = await client.session.ws_connect(f"{venue.line['ws']}/ws-api/v3")
            await socket.send_json({"id": 1, "method": "ping"})
            answer = await socket.receive_json()
            assert (answer["id"], answer["status"], answer["result"]) == (1, 200, {})
            assert answer["rateLimits"][0]["rateLimitType"] == "REQUEST_WEIGHT"
            await socket.send_json({"id": 2, "method": "time"})
            assert (
                abs((await socket.receive_json())["result"]["serverTime"] / 1e3 - time.time()) < 2
            )
            mine = client.line
            client.line = {**mine, **mine["accounts"][1]}
            await other.send_json(client.socket_request(1, "userDataStream.subscribe.signature"))
            assert (await other.receive_json())["status"] == 200
            client.line = mine
            price = float((await client.get("api/v3/ticker/price", symbol="BTCUSDT"))["price"])
            order = {
                **{"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"},
                **{"quantity": "0.001", "price": f"{price * 0.9:.2f}"},
            }
            await socket.send_json(client.socket_request("o", "order.place", **order))
            placed = await socket.receive_json()
            assert placed["result"]["status"] == "NEW"
            await socket.send_json(
                client.socket_request(
                    "c", "order.cancel", symbol="BTCUSDT", orderId=placed["result"]["orderId"]
                )
            )
            assert (await socket.receive_json())["result"]["status"] == "CANCELED"
            bad = client.socket_request("b", "order.place", **order)
            bad["params"]["signature"] = "0" * 64
            await socket.send_json(bad)
            refused = await socket.receive_json()
            assert (refused["status"], refused["error"]["code"]) == (400, -1022)
            await socket.send_json({"id": "u", "method": "magic"})
            assert (await socket.receive_json())["status"] == 400
            await socket.send_str("{")
            assert (await socket.receive_json())["error"]["code"] == -1135
            assert await _listen(other, 0.3) == []
            await other.send_json({"id": 5, "method": "session.subscriptions"})
            assert (await other.receive_json())["result"] == [{"subscriptionId": 0}]
            await other.send_json({"id": 6, "method": "userDataStream.unsubscribe"})
            assert (await other.receive_json())["result"] == {}

    run(work())


def test_a_client_that_does_not_read_delays_nobody(venue):
    async def work():
        async with raw_client(venue) as client:

            async def ping_s():
                began = time.monotonic()
                await client.get("api/v3/ping")
                return time.monotonic() - began

            usual_s = [await ping_s() for _ in range(11)]
            reader, writer = await asyncio.open_connection("127.0.0.1", venue.port, limit=1024)
            names = "/".join(f"{symbol.lower()}@depth20@100ms" for symbol in venue.line["symbols"])
            writer.write(
                f"GET /stream?streams={names} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
            )
            await reader.readuntil(b"\r\n\r\n")
            good = await client.session.ws_connect(f"{venue.line['ws']}/ws/btcusdt@bookTicker")
            beside_s = []
            for _ in range(11):
                beside_s.append(await ping_s())
                await good.receive_json()
            assert median(beside_s) < 20 * median(usual_s)
            writer.transport.abort()

    run(work())


@pytest.mark.parametrize("reads_the_rest", [True, False])
def test_a_client_that_leaves_too_much_unread_is_dropped(reads_the_rest):
    """It hears the exchange's close code if it reads on, and is cut if it does not."""
    sockets = []

    async def accept(request):
        client = await ClientSocket.accept(request)
        sockets.append(client)
        async for _ in client.socket:
            pass
        await client.close()
        return client.socket

    async def work():
        app = web.Application()
        app.router.add_get("/", accept)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        reader, writer = await asyncio.open_connection(*runner.addresses[0], limit=1024)
        writer.write(
            b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        await reader.readuntil(b"\r\n\r\n")
        (client,) = sockets
        sent = 0
        while not client.dropped and sent < 4 * UNREAD_BYTES_MAX:
            client.send(b"x" * 100_000)
            sent += 100_000
            await asyncio.sleep(0)
        assert client.dropped
        assert sent > UNREAD_BYTES_MAX
        if reads_the_rest:
            heard = await reader.read(-1)
            assert heard.endswith(b"\x88\x0a" + (1008).to_bytes(2, "big") + b"too slow")
            assert len(heard) > sent
        else:
            await asyncio.sleep(GOODBYE_S + 0.2)
            assert client._transport.is_closing()
            assert client._transport.get_write_buffer_size() == 0, "its memory is free again"
        writer.transport.abort()
        await runner.cleanup()

    run(work())
