"""The WebSocket API: envelopes, sessions, signatures, limits, and what faults may do to it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from decimal import Decimal
from random import Random

import aiohttp
import pytest
from localvenue_process import RawClient

from procs.localvenue.interference import Passage
from procs.localvenue.options import VenueOptions
from procs.localvenue.protocols.binance_spot.limits import STRIKES
from procs.localvenue.server import VenueServer

pytestmark = pytest.mark.e2e
PAIR = {"symbol": "BTCUSDT"}
BAD_ID = (
    "Invalid 'id' in JSON request; expected an integer, a string matching "
    "'^[a-zA-Z0-9-_]{1,36}$', or null."
)


class Sink:
    """A fault plan that a test steers."""

    def __init__(self):
        self.skew = 0
        self.asked = []
        self.around_answer = None
        self.leaves = None

    def clock_skew_ms(self):
        return self.skew

    async def around(self, asked, answer):
        self.asked.append(asked)
        return answer() if self.around_answer is None else await self.around_answer(answer)

    def outgoing(self, channel, name, data):
        assert channel == "user"
        return None if self.leaves is None else self.leaves(name, data)


@contextlib.asynccontextmanager
async def running(**options):
    """A venue in this process, with a client of it."""
    server = VenueServer(
        VenueOptions(
            **{
                "profile": "calm",
                "seed": 5,
                "unlimited": True,
                "accounts": 2,
                "balances": {"USDT": Decimal(100_000), "BTC": Decimal(10)},
                **options,
            }
        )
    )
    await server.start()
    try:
        async with aiohttp.ClientSession() as session:
            yield server, RawClient(session, json.loads(server.ready_line()))
    finally:
        await server.stop()


class Talk:
    """One connection; events that come between answers are kept aside."""

    def __init__(self, client, socket):
        self.client = client
        self.socket = socket
        self.events = []

    @classmethod
    async def begin(cls, client, query=""):
        return cls(client, await client.session.ws_connect(f"{client.line['ws']}/ws-api/v3{query}"))

    async def send(self, request):
        await (
            self.socket.send_str(request)
            if isinstance(request, str)
            else self.socket.send_json(request)
        )
        return await self.answer()

    async def answer(self):
        while True:
            message = await self.socket.receive(timeout=60)
            assert message.type is aiohttp.WSMsgType.TEXT, message
            decoded = json.loads(message.data)
            if "event" not in decoded:
                return decoded
            self.events.append(decoded)

    async def ask(self, method, request_id=1, **params):
        return await self.send({"id": request_id, "method": method, "params": params})

    async def signed(self, method, request_id=1, **params):
        return await self.send(self.client.socket_request(request_id, method, **params))

    async def quiet(self, seconds=0.2):
        """Everything that comes until nothing comes for so long."""
        with contextlib.suppress(TimeoutError):
            while True:
                self.events.append(json.loads((await self.socket.receive(timeout=seconds)).data))
        return self.events


def run(work):
    asyncio.run(asyncio.wait_for(work(), 100))


def test_ids_are_echoed_and_others_refused():
    async def work():
        async with running() as (_, client):
            talk = await Talk.begin(client)
            for good in (0, 7, -1, 2**40, "a", "A-b_9", "x" * 36, None):
                answer = await talk.send({"id": good, "method": "ping"})
                assert (answer["id"], answer["status"], answer["result"]) == (good, 200, {})
            for bad in (1.5, True, "", "x" * 37, "ü", "a b", [], {}):
                answer = await talk.send({"id": bad, "method": "ping"})
                assert (answer["id"], answer["status"]) == (None, 400)
                assert answer["error"] == {"code": -1135, "msg": BAD_ID}

    run(work)


def test_what_cannot_be_read_is_said_so_and_the_connection_stays():
    async def work():
        async with running() as (_, client):
            talk = await Talk.begin(client)
            for broken in ("", "{", "[]", "null", "3", '"x"', "{'id':1}", "[" * 2000, "\x00"):
                answer = await talk.send(broken)
                assert (answer["id"], answer["status"], answer["error"]["code"]) == (
                    *(None, 400),
                    -1135,
                ), broken
            for request, code, words in (
                ({"id": 1}, -1102, "'method'"),
                ({"id": 1, "method": ""}, -1102, "'method'"),
                ({"id": 1, "method": 5}, -1135, "Invalid JSON"),
                ({"id": 1, "method": "ping", "params": []}, -1135, "Invalid JSON"),
                ({"id": 1, "method": "magic"}, -1020, "not supported"),
                ({"id": 1, "method": "v4/ping"}, -1020, "not supported"),
                ({"id": 1, "method": "depth", "params": {"symbol": {}}}, -1130, "'symbol'"),
                ({"id": 1, "method": "depth"}, -1102, "'symbol'"),
                ({"id": 1, "method": "depth", "params": {"symbol": "NOPE"}}, -1121, "symbol"),
                ({"id": 1, "method": "ping", "params": {"x": 1}}, -1101, "Too many"),
                ({"id": 1, "method": "order.place", "params": {}}, -1102, "'apiKey'"),
                ({"id": 1, "method": "userDataStream.start"}, -1020, "not supported"),
                ({"id": 1, "method": "userDataStream.subscribe"}, -1002, "not authorized"),
                ({"id": 1, "method": "session.status", "params": {"x": 1}}, -1104, "'0'"),
            ):
                answer = await talk.send(request)
                assert (answer["id"], answer["error"]["code"]) == (1, code), request
                assert words in answer["error"]["msg"]
            assert (await talk.ask("v3/time"))["status"] == 200

    run(work)


def test_rate_limits_are_shown_unless_they_are_not_wanted():
    async def work():
        async with running() as (_, client):
            talk = await Talk.begin(client)
            assert "rateLimits" in await talk.ask("ping")
            assert "rateLimits" not in await talk.ask("ping", returnRateLimits=False)
            silent = await Talk.begin(client, "?returnRateLimits=false")
            assert "rateLimits" not in await silent.ask("ping")
            assert "rateLimits" not in await silent.ask("magic")
            assert "rateLimits" in await silent.ask("ping", returnRateLimits=True)
            status = (await silent.ask("session.status"))["result"]
            assert status["returnRateLimits"] is False
            odd = await talk.ask("ping", returnRateLimits="maybe")
            assert odd["error"]["code"] == -1130

    run(work)


def test_one_subscription_for_each_account_and_its_end():
    async def work():
        async with running() as (_, client):
            talk = await Talk.begin(client)
            name = "userDataStream.subscribe.signature"
            assert (await talk.signed(name))["result"] == {"subscriptionId": 0}
            again = await talk.signed(name)
            assert (again["status"], again["error"]["code"]) == (400, -1191)
            first = client.line
            client.line = {**first, **first["accounts"][1]}
            assert (await talk.signed(name))["result"] == {"subscriptionId": 1}
            listed = (await talk.ask("session.subscriptions"))["result"]
            assert listed == [{"subscriptionId": 0}, {"subscriptionId": 1}]
            assert (await talk.ask("session.status"))["result"]["userDataStream"] is True
            # The second account acts, the first one's subscription is silent.
            order = {**PAIR, "side": "BUY", "type": "MARKET", "quantity": "0.001"}
            await talk.signed("order.place", **order)
            assert {one["subscriptionId"] for one in await talk.quiet()} == {1}
            talk.events.clear()
            logged_out = (await talk.ask("session.logout"))["result"]
            assert (logged_out["apiKey"], logged_out["userDataStream"]) == (None, True)
            assert (await talk.ask("userDataStream.unsubscribe", subscriptionId=9))["result"] == {}
            assert (await talk.ask("userDataStream.unsubscribe", subscriptionId=1))["result"] == {}
            (ended,) = await talk.quiet()
            assert (ended["subscriptionId"], ended["event"]["e"]) == (1, "eventStreamTerminated")
            talk.events.clear()
            await talk.signed("order.place", **order)
            assert await talk.quiet() == []
            assert (await talk.signed(name))["result"] == {"subscriptionId": 2}
            await talk.ask("userDataStream.unsubscribe")
            assert [one["subscriptionId"] for one in await talk.quiet()] == [0, 2]
            assert (await talk.ask("session.subscriptions"))["result"] == []

    run(work)


def test_signed_requests():
    async def work():
        async with running() as (_, client):
            talk = await Talk.begin(client)
            good = client.socket_request(1, "account.status")
            shuffled = {**good, "params": dict(reversed(good["params"].items()))}
            assert (await talk.send(shuffled))["status"] == 200
            for change, status, code in (
                ({"signature": "0" * 64}, 400, -1022),
                ({"apiKey": "k" * 64}, 401, -2015),
                ({"apiKey": "?"}, 401, -2014),
                ({"timestamp": None}, 400, -1102),
                ({"signature": None}, 400, -1102),
                ({"recvWindow": 59_999}, 400, -1022),
            ):
                answer = await talk.send({**good, "params": {**good["params"], **change}})
                assert (answer["status"], answer["error"]["code"]) == (status, code), change
            late = await talk.signed("account.status", timestamp=1)
            assert late["error"]["code"] == -1021
            logon = await talk.signed("session.logon")
            assert logon["error"] == {
                "code": -4056,
                "msg": "HMAC_SHA256 API key is not supported.",
            }
            unknown = await talk.signed("account.status", nonsense=1)
            assert unknown["error"]["code"] == -1104

    run(work)


def test_fractions_are_signed_with_the_digits_that_were_sent():
    async def work():
        async with running() as (_, client):
            talk = await Talk.begin(client)
            text = "0.00100000"
            request = client.socket_request(
                1, "order.test", **PAIR, side="BUY", type="MARKET", quantity=text
            )
            bare = json.dumps(request).replace(f'"{text}"', text)
            assert f'"quantity": {text},' in bare
            assert (await talk.send(bare))["status"] == 200
            signed = client.socket_request(
                1, "order.test", **PAIR, side="BUY", type="MARKET", quantity="1e-3"
            )
            wrong = json.dumps(signed).replace('"1e-3"', "1e-3")
            assert (await talk.send(wrong))["error"]["code"] == -1100

    run(work)


def test_ccxts_own_names_are_let_pass_when_an_order_is_placed():
    async def work():
        async with running() as (_, client):
            talk = await Talk.begin(client)
            order = {**PAIR, "side": "BUY", "type": "MARKET", "quantity": "0.001"}
            both = {"newClientOrderId": "mine", "clientOrderId": "mine"}
            assert (await talk.signed("order.place", **order, **both))["status"] == 200
            query = await talk.signed("order.status", **PAIR, clientOrderId="mine")
            assert query["error"]["code"] == -1104

    run(work)


def test_times_in_microseconds():
    async def work():
        async with running() as (server, client):
            talk = await Talk.begin(client, "?timeUnit=MICROSECOND")
            await talk.signed("userDataStream.subscribe.signature")
            now = (await talk.ask("time"))["result"]["serverTime"]
            assert abs(now / 1e3 - server.venue.now_ms()) < 1_000
            order = {**PAIR, "side": "BUY", "type": "MARKET", "quantity": "0.001"}
            made = (await talk.signed("order.place", **order))["result"]
            assert made["transactTime"] > 10**15
            for event in await talk.quiet():
                times = {name: event["event"].get(name) for name in ("E", "T", "O", "W")}
                assert all(value is None or value > 10**15 for value in times.values())
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await Talk.begin(client, "?timeUnit=FORTNIGHT")

    run(work)


def test_beyond_the_limits_429_then_418_and_the_connection_ends():
    async def work():
        async with running(unlimited=False) as (_, client):
            talk = await Talk.begin(client)
            answers = [await talk.ask("ticker.24hr")]
            while answers[-1]["status"] != 418:
                answers.append(await talk.ask("ticker.24hr"))
            assert (await talk.socket.receive(timeout=60)).type is aiohttp.WSMsgType.CLOSE
            statuses = [one["status"] for one in answers]
            assert statuses.count(429) == STRIKES
            assert statuses[-1] == 418
            error = answers[-1]["error"]
            assert "IP banned until" in error["msg"]
            data = answers[-STRIKES]["error"]["data"]
            assert data["retryAfter"] > data["serverTime"]
            assert talk.socket.close_code == 1008
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await Talk.begin(client)

    run(work)


def test_faults_come_between():
    async def work():
        async with running() as (server, client):
            plan = server.venue.interference = Sink()
            talk = await Talk.begin(client)
            await talk.signed("userDataStream.subscribe.signature")
            order = {**PAIR, "side": "BUY", "type": "MARKET", "quantity": "0.001"}
            assert (await talk.signed("order.place", **order))["status"] == 200
            seen = plan.asked[-1]
            assert (seen.operation, seen.method, seen.symbol, seen.writes) == (
                *("order.place", "WS", "BTCUSDT"),
                True,
            )

            async def slow(answer):
                await asyncio.sleep(0.3)
                return answer()

            plan.around_answer = slow
            late = await talk.signed("order.place", **order, recvWindow=100)
            assert late["error"]["code"] == -1021, "looked at again before matching"
            plan.around_answer = None
            plan.skew = 60_000
            ahead = await talk.signed("order.place", **order)
            assert ahead["error"]["code"] == -1021
            now = server.venue.now_ms()
            assert (await talk.ask("time"))["result"]["serverTime"] >= now + 60_000
            made = await talk.signed("order.place", **order, timestamp=now + 60_000)
            assert made["result"]["transactTime"] >= now + 60_000
            await talk.quiet()
            report = talk.events[-2]["event"]
            assert min(report["E"], report["T"], report["O"], report["W"]) >= now + 60_000
            plan.skew = 0

            async def nothing(answer):
                answer()

            plan.around_answer = nothing
            with pytest.raises(AssertionError):
                await talk.signed("order.place", **order)
            assert talk.socket.closed

    run(work)


def test_user_events_can_be_lost_doubled_late_or_the_last():
    async def work():
        async with running() as (server, client):
            plan = server.venue.interference = Sink()
            talk = await Talk.begin(client)
            await talk.signed("userDataStream.subscribe.signature")
            order = {**PAIR, "side": "BUY", "type": "MARKET", "quantity": "0.001"}

            async def told(leaves):
                talk.events.clear()
                plan.leaves = leaves
                await talk.signed("order.place", **order)
                return [one["event"]["e"] for one in await talk.quiet(0.4)]

            report, position = "executionReport", "outboundAccountPosition"
            assert await told(None) == [report, report, position]
            assert await told(lambda name, data: () if name == report else None) == [position]
            doubled = await told(lambda name, data: [Passage(data), Passage(data)])
            assert doubled.count(position) == 2
            late = await told(
                lambda name, data: [Passage(data, after_ms=200)] if name == report else None
            )
            assert late == [position, report, report]
            plan.leaves = lambda name, data: [Passage(b"", cut=True)]
            with pytest.raises(AssertionError):
                await talk.signed("order.place", **order)

    run(work)


async def raw_connection(client):
    """A connection after its handshake, without any WebSocket library."""
    host, port = client.line["ws"].removeprefix("ws://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"GET /ws-api/v3 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
    return reader, writer


@pytest.mark.parametrize(
    "frame",
    [
        b"\x83\x80\x00\x00\x00\x00",  # an opcode that is reserved
        b"\xf1\x80\x00\x00\x00\x00",  # reserved bits
        b"\x81\x82\x00\x00\x00\x00\xff\xfe",  # text that is no UTF-8
        b"\x80\x80\x00\x00\x00\x00",  # a continuation of nothing
        b"\x89\xfe\x01\x00\x00\x00\x00\x00" + b"x" * 256,  # a ping that is too long
        b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00",  # a message without end
        b"\x88\x81\x00\x00\x00\x00\x01",  # a close frame of one byte
        b"\x16\x03\x01\x02\x00" * 40,  # a TLS greeting
    ],
)
def test_frames_that_are_none_end_their_connection_only(frame):
    async def work():
        async with running() as (_, client):
            other = await Talk.begin(client)
            reader, writer = await raw_connection(client)
            writer.write(frame)
            with contextlib.suppress(ConnectionError):
                await asyncio.wait_for(reader.read(), 60)
            writer.transport.abort()
            assert (await other.ask("ping"))["status"] == 200

    run(work)


def test_hundreds_of_connections_come_and_go():
    async def work():
        async with running() as (server, client):
            other = await Talk.begin(client)
            for _ in range(3):
                opened = await asyncio.gather(*(raw_connection(client) for _ in range(100)))
                assert len(server._socket_api.open) >= 100
                for _, writer in opened:
                    writer.transport.abort()
            assert (await other.ask("ping"))["status"] == 200
            for _ in range(100):
                if len(server._socket_api.open) == 1:
                    break
                await asyncio.sleep(0.02)
            assert len(server._socket_api.open) == 1

    run(work)


def test_money_from_outside_is_a_balance_update():
    async def work():
        async with running() as (server, client):
            talk = await Talk.begin(client)
            await talk.signed("userDataStream.subscribe.signature")
            account = client.line["api_key"]
            for amount, text in ((Decimal("2.5"), "2.50000000"), (Decimal(-1), "-1.00000000")):
                talk.events.clear()
                server.venue.turn(
                    lambda now_ms, amount=amount: server.venue.exchange.move_balance(
                        account, "BTC", amount, now_ms
                    )
                )
                moved, position = [one["event"] for one in await talk.quiet()]
                assert moved.keys() == {"e", "E", "a", "d", "T"}
                assert (moved["e"], moved["a"], moved["d"]) == ("balanceUpdate", "BTC", text)
                assert position["e"] == "outboundAccountPosition"
            assert [row for row in position["B"] if row["a"] == "BTC"] == [
                {"a": "BTC", "f": "11.50000000", "l": "0.00000000"}
            ]

    run(work)


JUNK = (
    *("", " ", "-1", "0", "1e9", "NaN", "null", "9" * 25, "0.000000000000001", "A" * 300, "\u0000"),
    *("\uff11", "'; --", "%41", 0, -1, 1e-9, 2**70, True, False, None, [], ["BTCUSDT"], {}),
)
NAMES = (
    *("symbol", "side", "type", "quantity", "price", "timeInForce", "stopPrice", "trailingDelta"),
    *("icebergQty", "newClientOrderId", "recvWindow", "newOrderRespType", "quoteOrderQty"),
    *("selfTradePreventionMode", "strategyType", "orderId", "limit", "orderListId", "newQty"),
)


@pytest.mark.parametrize("seed", range(3))
def test_requests_with_anything_in_them_are_answered(seed):
    dice = Random(seed)

    async def work():
        async with running() as (server, client):
            talk = await Talk.begin(client)
            methods = [name for name in server._socket_api._routes if "." in name]
            good = {**PAIR, "side": "BUY", "type": "LIMIT", "quantity": "0.001", "price": "60000"}
            statuses = set()
            for number in range(300):
                params = {**good, "timeInForce": "GTC"}
                for name in dice.sample(NAMES, dice.randrange(3)):
                    params[name] = dice.choice(JUNK)
                for name in dice.sample(list(params), dice.randrange(2)):
                    del params[name]
                method = dice.choice([*methods, *["order.place"] * len(methods)])
                texts = {name: value for name, value in params.items() if isinstance(value, str)}
                request = client.socket_request(number, method, **texts)
                others = {name: value for name, value in params.items() if name not in texts}
                request["params"] |= others if dice.random() < 0.5 else {}
                answer = await talk.send(request)
                assert answer["id"] == number
                assert ("result" in answer) != ("error" in answer)
                statuses.add(answer["status"])
            assert statuses <= {200, 400, 401, 409}
            assert {200, 400} <= statuses
            server.venue.exchange.verify()

    run(work)
