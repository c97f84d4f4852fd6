"""A peer that answers every order at once, in a process of its own: HTTP and the WebSocket API.

What it says is as long as what the exchange says; it looks at nothing but where a request ends.
"""

from __future__ import annotations

import asyncio
from multiprocessing.connection import Connection
from typing import Any, Final

import orjson
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server

CLIENT_ID: Final = "sw-bench-1-e1"
BODY: Final = orjson.dumps(
    {
        "symbol": "BTCUSDT",
        "orderId": 28_465_123_907,
        "orderListId": -1,
        "clientOrderId": CLIENT_ID,
        "transactTime": 1_767_225_600_123,
        "price": "50000.10000000",
        "origQty": "0.00100000",
        "executedQty": "0.00000000",
        "origQuoteOrderQty": "0.00000000",
        "cummulativeQuoteQty": "0.00000000",
        "status": "NEW",
        "timeInForce": "GTC",
        "type": "LIMIT",
        "side": "BUY",
        "workingTime": 1_767_225_600_123,
        "fills": [],
        "selfTradePreventionMode": "EXPIRE_MAKER",
    }
)
HEADERS: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json;charset=UTF-8\r\nServer: nginx\r\n"
    b"Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nConnection: keep-alive\r\nx-mbx-uuid: 6f9c-4a51\r\n"
    b"x-mbx-used-weight: 1\r\nx-mbx-used-weight-1m: 1\r\nx-mbx-order-count-10s: 1\r\n"
    b"x-mbx-order-count-1d: 1\r\nCache-Control: no-cache\r\nContent-Length: %d\r\n\r\n" % len(BODY)
)
ANSWER: Final = HEADERS + BODY
ENVELOPE: Final = (
    b'{"id":"%b","status":200,"result":'
    + BODY
    + b',"rateLimits":[{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":100,'
    b'"count":1},{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,'
    b'"limit":6000,"count":1}]}'
)


class HttpPeer(asyncio.Protocol):
    """Answers each whole request."""

    def __init__(self) -> None:
        self._rest = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._rest += data
        while True:
            head, found, rest = self._rest.partition(b"\r\n\r\n")
            if not found:
                return
            at = head.lower().find(b"\r\ncontent-length:")
            length = int(head[at + 17 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(rest) < length:
                return
            self._rest = rest[length:]
            self._transport.write(ANSWER)


class SocketPeer(WSListener):  # type: ignore[misc, unused-ignore]
    """Answers each request by its id."""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            number = orjson.loads(frame.get_payload_as_bytes())["id"].encode()
            transport.send(WSMsgType.TEXT, ENVELOPE.replace(b"%b", number, 1))


def serve(pipe: Connection) -> None:
    """Says both ports through the pipe, then serves until the pipe says anything."""

    async def live() -> None:
        loop = asyncio.get_running_loop()
        http = await loop.create_server(HttpPeer, "127.0.0.1", 0)
        socket = await ws_create_server(lambda _: SocketPeer(), "127.0.0.1", 0)
        pipe.send([one.sockets[0].getsockname()[1] for one in (http, socket)])
        ended = loop.create_future()

        def end() -> None:
            loop.remove_reader(pipe.fileno())
            ended.set_result(None)

        loop.add_reader(pipe.fileno(), end)
        await ended

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(live())
