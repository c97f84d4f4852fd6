"""A scripted server that speaks as Binance or as Bybit: what it says is the test's decision."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from aiohttp import WSMsgType, web


def wrapped(stream: str, **data: Any) -> str:
    return json.dumps({"stream": stream, "data": data}, separators=(",", ":"))


def depth(symbol: str, first: int, last: int, bids: Any = (), asks: Any = ()) -> str:
    name = f"{symbol.lower()}@depth@100ms"
    return wrapped(name, e="depthUpdate", E=1700, s=symbol, U=first, u=last, b=bids, a=asks)


def trade(symbol: str, number: int, price: str, quantity: str = "1.0") -> str:
    return wrapped(
        f"{symbol.lower()}@trade",
        e="trade", E=1700, s=symbol, t=number, p=price, q=quantity, T=1700, m=True, M=True,
    )  # fmt: skip


def ticker(symbol: str, number: int, bid: str, ask: str) -> str:
    return wrapped(
        f"{symbol.lower()}@bookTicker", u=number, s=symbol, b=bid, B="1.0", a=ask, A="2.0"
    )


def snapshot(last_id: int, bids: Any, asks: Any) -> bytes:
    return json.dumps({"lastUpdateId": last_id, "bids": bids, "asks": asks}).encode()


def bybit_book(
    symbol: str,
    kind: str,
    number: int,
    sequence: int,
    bids: Any = (),
    asks: Any = (),
    depth: int = 200,
) -> str:
    """A v5 frame of a book; kind is snapshot or delta."""
    data = {"s": symbol, "b": list(bids), "a": list(asks), "u": number, "seq": sequence}
    frame = {"topic": f"orderbook.{depth}.{symbol}", "type": kind, "ts": 1700, "data": data}
    return json.dumps({**frame, "cts": 1699}, separators=(",", ":"))


def bybit_trades(symbol: str, *trades: tuple[int, str]) -> str:
    """A v5 frame of trades, (cross sequence, price) each."""
    data = [
        {
            "T": 1700,
            "s": symbol,
            "S": "Buy",
            "v": "0.5",
            "p": price,
            "i": f"x{place}",
            "seq": number,
        }
        for place, (number, price) in enumerate(trades)
    ]
    frame = {"topic": f"publicTrade.{symbol}", "type": "snapshot", "ts": 1700, "data": data}
    return json.dumps(frame, separators=(",", ":"))


def bybit_said(said: dict[str, Any]) -> dict[str, Any] | None:
    """How Bybit acknowledges."""
    return {
        "success": True, "ret_msg": said["op"], "conn_id": "c", "req_id": said["req_id"],
        "op": said["op"],
    }  # fmt: skip


def binance_said(said: dict[str, Any]) -> dict[str, Any] | None:
    """How Binance acknowledges."""
    return {"result": None, "id": said["id"]}


class FeedServer:
    """Listens on loopback; every connection is kept in `links`, every REST path in `asked`.

    What a client asks of a stream is kept in `subscribed` (topics of a request that adds) and
    `requests` (all of them); `on_subscribe` hears (link, topics) after the acknowledgement.
    """

    def __init__(self) -> None:
        self.links: list[web.WebSocketResponse] = []
        self.subscribed: list[list[str]] = []
        self.asked: list[str] = []
        self.answers: dict[str, Callable[[web.Request], web.Response]] = {}
        self.requests: list[dict[str, Any]] = []
        self.pings = 0
        self.paths: list[str] = []
        self.acknowledge: Callable[[dict[str, Any]], dict[str, Any] | None] = lambda said: (
            bybit_said(said) if "op" in said else binance_said(said)
        )
        self.on_subscribe: Callable[[web.WebSocketResponse, list[str]], Any] | None = None
        self.refuse_connections = 0
        self._runner: web.AppRunner | None = None
        self.rest = self.ws = ""

    async def __aenter__(self) -> FeedServer:
        app = web.Application()
        for path in ("/stream", "/v5/public/spot", "/v5/public/linear"):
            app.router.add_get(path, self._stream)
        for path in ("api/v3", "fapi/v1", "dapi/v1", "v5/market"):
            app.router.add_get(f"/{path}/{{path:.*}}", self._rest)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.rest, self.ws = f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}"
        return self

    async def __aexit__(self, *details: object) -> None:
        for link in self.links:
            if not link.closed and link._req is not None and link._req.transport is not None:
                link._req.transport.abort()
        assert self._runner is not None
        await self._runner.cleanup()

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        if self.refuse_connections:
            self.refuse_connections -= 1
            return web.Response(status=503)
        link = web.WebSocketResponse(autoping=True)
        await link.prepare(request)
        self.links.append(link)
        self.paths.append(request.path)
        async for message in link:
            if message.type is WSMsgType.TEXT:
                await self._take(link, json.loads(message.data))
        return link

    async def _take(self, link: web.WebSocketResponse, said: dict[str, Any]) -> None:
        if said.get("op") == "ping":
            self.pings += 1
            await link.send_str('{"success":true,"ret_msg":"pong","conn_id":"c","op":"ping"}')
            return
        self.requests.append(said)
        adds = said.get("op") == "subscribe" or said.get("method") == "SUBSCRIBE"
        topics = said["args"] if "args" in said else said["params"]
        if adds:
            self.subscribed.append(topics)
        answer = self.acknowledge(said)
        if answer is not None:
            await link.send_str(json.dumps(answer))
        if adds and self.on_subscribe is not None and answer is not None:
            await self.on_subscribe(link, topics)

    async def _rest(self, request: web.Request) -> web.Response:
        self.asked.append(request.path_qs)
        return self.answers[request.match_info["path"]](request)

    def cut(self, place: int = -1) -> None:
        """Drops a connection without a goodbye."""
        request = self.links[place]._req
        assert request is not None
        assert request.transport is not None
        request.transport.abort()


async def until(condition: Callable[[], Any], timeout_s: float = 60.0) -> None:
    """Waits for a condition of the test."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.005)
