"""A scripted Binance spot on loopback for tests: real HTTP and WebSocket, canned answers.

It answers what a test told it to and records the raw requests; matching is the local venue's job.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from aiohttp import WSMsgType, web
from served import served

from shared.clock import EngineClock
from shared.venues.ccxt_spot import CcxtSpot
from shared.venues.credentials import Credentials
from shared.venues.native.live_spot import LiveSpot
from shared.venues.transport import Access

KEY, SECRET = "stub-key-0123456789", "stub-secret-9876543210"


class Canned(msgspec.Struct):
    """One answer: `cut` closes the connection instead, `hang` never answers."""

    status: int = 200
    body: str = "{}"
    headers: dict[str, str] = {}
    cut: str = ""
    delay_s: float = 0.0


class Asked(msgspec.Struct):
    """One request as it came over the wire."""

    method: str
    path: str
    raw: str
    params: dict[str, str]
    headers: dict[str, str]


def listing(symbol: str = "BTCUSDT", **changes: Any) -> dict[str, Any]:
    """One market with every filter; ccxt wants a few more fields than we do."""
    base = symbol.removesuffix("USDT")
    return {
        "symbol": symbol,
        "status": "TRADING",
        "baseAsset": base,
        "baseAssetPrecision": 8,
        "quoteAsset": "USDT",
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS_LIMIT"],
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": "0.01000000",
                "maxPrice": "1000000.00000000",
                "tickSize": "0.01000000",
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": "0.00001000",
                "maxQty": "9000.00000000",
                "stepSize": "0.00001000",
            },
            {
                "filterType": "MARKET_LOT_SIZE",
                "minQty": "0.00000000",
                "maxQty": "107.90610166",
                "stepSize": "0.00000000",
            },
            {
                "filterType": "PERCENT_PRICE_BY_SIDE",
                "bidMultiplierUp": "5",
                "bidMultiplierDown": "0.2",
                "askMultiplierUp": "5",
                "askMultiplierDown": "0.2",
                "avgPriceMins": 5,
            },
            {
                "filterType": "NOTIONAL",
                "minNotional": "5.00000000",
                "applyMinToMarket": True,
                "maxNotional": "9000000.00000000",
                "applyMaxToMarket": False,
                "avgPriceMins": 5,
            },
        ],
        **changes,
    }


EXCHANGE_INFO = {
    "timezone": "UTC",
    "serverTime": 1,
    "rateLimits": [
        {
            "rateLimitType": "REQUEST_WEIGHT",
            "interval": "MINUTE",
            "intervalNum": 1,
            "limit": 6000,
        },
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100},
    ],
    "exchangeFilters": [],
    "symbols": [listing("BTCUSDT"), listing("ETHUSDT")],
}
ACCOUNT = {
    "canTrade": True,
    "canWithdraw": True,
    "accountType": "SPOT",
    "balances": [
        {"asset": "USDT", "free": "10000.00000001", "locked": "0.00000000"},
        {"asset": "BTC", "free": "0.00000000", "locked": "0.00000000"},
        {"asset": "XYZ", "free": "0.00000000", "locked": "0.00000000"},
    ],
}


RIGHTS = {
    "ipRestrict": True,
    "enableReading": True,
    "enableWithdrawals": False,
    "enableInternalTransfer": False,
    "permitsUniversalTransfer": False,
    "enableSpotAndMarginTrading": True,
}


class StubVenue:
    """Default answers for start-up; `script` holds the answers of coming order requests."""

    def __init__(self) -> None:
        self.script: deque[Canned] = deque()
        self.by_path: dict[str, Canned] = {}
        self.asked: list[Asked] = []
        self.sockets: list[web.WebSocketResponse] = []
        self.subscribe_answer: dict[str, Any] | None = None
        self.clock_ahead_ms = 0
        self.port = 0

    def last(self) -> Asked:
        """The newest request that is not about time."""
        return next(one for one in reversed(self.asked) if not one.path.endswith("/time"))

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = (await request.read()).decode()
        raw = body or request.query_string
        self.asked.append(
            Asked(
                method=request.method,
                path=request.path,
                raw=raw,
                params=dict(parse_qsl(raw)),
                headers=dict(request.headers),
            )
        )
        canned = self.by_path.get(request.path)
        if canned is None and request.path.endswith("/time"):
            now_ms = time.time_ns() // 1_000_000 + self.clock_ahead_ms
            return web.json_response({"serverTime": now_ms})
        if canned is None and request.path.endswith("/exchangeInfo"):
            return web.json_response(EXCHANGE_INFO)
        if canned is None and request.path.endswith("/account"):
            return web.json_response(ACCOUNT)
        if canned is None and request.path.endswith("/apiRestrictions"):
            return web.json_response(RIGHTS)
        if canned is None:
            canned = self.script.popleft() if self.script else Canned(status=404, body="")
        if canned.delay_s:
            await asyncio.sleep(canned.delay_s)
        if canned.cut == "before":
            request.transport.close()
        if canned.cut == "middle":
            response = web.StreamResponse(headers={"Content-Length": "1000"})
            await response.prepare(request)
            await response.write(b'{"symbol":')
            request.transport.close()
            return response
        return web.Response(
            status=canned.status,
            body=canned.body.encode(),
            headers={"Content-Type": "application/json", **canned.headers},
        )

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                continue
            asked = json.loads(message.data)
            if asked["method"].startswith("order"):
                await self._answer_order(socket, asked, message.data)
                continue
            answer = self.subscribe_answer or {"status": 200, "result": {"subscriptionId": 0}}
            await socket.send_json({"id": asked["id"], **answer})
            self.sockets.append(socket)
        return socket

    async def _answer_order(self, socket: web.WebSocketResponse, asked: Any, raw: str) -> None:
        self.asked.append(
            Asked(
                method=asked["method"],
                path="/ws-api/v3",
                raw=raw,
                params={name: str(value) for name, value in asked["params"].items()},
                headers={},
            )
        )
        canned = self.script.popleft() if self.script else Canned(status=404, body="")
        if canned.delay_s:
            await asyncio.sleep(canned.delay_s)
        if canned.cut:
            await socket.close()
            return
        part = "result" if canned.status == 200 else "error"
        body = f',"{part}":{canned.body}' if canned.body else ""
        counters = canned.headers.get("rateLimits", "[]")
        await socket.send_str(
            f'{{"id":"{asked["id"]}","status":{canned.status}{body},"rateLimits":{counters}}}'
        )

    async def push(self, event: dict[str, Any] | str) -> None:
        """Sends an event (or raw text) to the newest subscriber."""
        text = (
            event if isinstance(event, str) else json.dumps({"subscriptionId": 0, "event": event})
        )
        await self.sockets[-1].send_str(text)


@asynccontextmanager
async def running_stub():
    """A stub that listens on a free port."""
    stub = StubVenue()
    app = web.Application()
    app.router.add_get("/ws-api/v3", stub.socket)
    app.router.add_route("*", "/{tail:.*}", stub.handle)
    async with served(app) as stub.port:
        yield stub


@contextmanager
def stub_in_a_thread() -> Iterator[StubVenue]:
    """A stub for processes of their own."""
    made: list[StubVenue] = []
    started, stopping = threading.Event(), threading.Event()

    async def serve() -> None:
        async with running_stub() as stub:
            made.append(stub)
            started.set()
            while not stopping.is_set():
                await asyncio.sleep(0.02)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert started.wait(10)
    try:
        yield made[0]
    finally:
        stopping.set()
        thread.join(10)


def access(port: int, **changes: Any) -> Access:
    """How to reach a stub."""
    return msgspec.structs.replace(
        Access(
            venue="local",
            mode="paper",
            credentials=Credentials(api_key=KEY, api_secret=SECRET),
            rest=f"http://127.0.0.1:{port}",
            ws=f"ws://127.0.0.1:{port}",
            timeout_ms=1000,
        ),
        **changes,
    )


def open_spot(way: Access) -> CcxtSpot | LiveSpot:
    """The session that `orders` asks for."""
    return (CcxtSpot if way.orders == "ccxt" else LiveSpot)(way, EngineClock())


@asynccontextmanager
async def connected_venue(orders: str = "ccxt", **changes: Any):
    """A connected session, ccxt's unless another is named, and its stub."""
    async with running_stub() as stub:
        venue = open_spot(access(stub.port, orders=orders, **changes))
        try:
            await venue.connect()
            yield venue, stub
        finally:
            await venue.close()


def order_body(**changes: Any) -> str:
    """A FULL answer to a new order."""
    return json.dumps(
        {
            "symbol": "BTCUSDT",
            "orderId": 28,
            "orderListId": -1,
            "clientOrderId": "sw-a-1-e1",
            "transactTime": 1507725176595,
            "price": "50000.01000000",
            "origQty": "0.00020000",
            "executedQty": "0.00000000",
            "status": "NEW",
            "timeInForce": "GTC",
            "type": "LIMIT",
            "side": "BUY",
            "workingTime": 1507725176595,
            "fills": [],
            **changes,
        }
    )


def refusal(code: int, text: str, status: int = 400, **headers: str) -> Canned:
    """An error answer as the venue writes it."""
    return Canned(status=status, body=json.dumps({"code": code, "msg": text}), headers=headers)


async def until(condition, timeout_s: float = 60.0) -> None:
    """Waits for a condition; fails the test when it does not come."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)
