"""The two doors of the venue, REST and the WebSocket API, asked in the same words."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
from localvenue_process import RawClient, VenueProcess

OPERATIONS = {
    "order.place": ("POST", "order"),
    "order.test": ("POST", "order/test"),
    "order.status": ("GET", "order"),
    "order.cancel": ("DELETE", "order"),
    "order.cancelReplace": ("POST", "order/cancelReplace"),
    "order.amend.keepPriority": ("PUT", "order/amend/keepPriority"),
    "order.amendments": ("GET", "order/amendments"),
    "openOrders.status": ("GET", "openOrders"),
    "openOrders.cancelAll": ("DELETE", "openOrders"),
    "orderList.place": ("POST", "order/oco"),
    "orderList.place.oco": ("POST", "orderList/oco"),
    "orderList.place.oto": ("POST", "orderList/oto"),
    "orderList.place.otoco": ("POST", "orderList/otoco"),
    "orderList.status": ("GET", "orderList"),
    "orderList.cancel": ("DELETE", "orderList"),
    "openOrderLists.status": ("GET", "openOrderList"),
    "allOrders": ("GET", "allOrders"),
    "allOrderLists": ("GET", "allOrderList"),
    "myTrades": ("GET", "myTrades"),
    "myPreventedMatches": ("GET", "myPreventedMatches"),
    "account.status": ("GET", "account"),
    "account.commission": ("GET", "account/commission"),
    "account.rateLimits.orders": ("GET", "rateLimit/order"),
}
PUBLIC = {
    "ping": "ping",
    "time": "time",
    "exchangeInfo": "exchangeInfo",
    "depth": "depth",
    "trades.recent": "trades",
    "trades.historical": "historicalTrades",
    "trades.aggregate": "aggTrades",
    "klines": "klines",
    "uiKlines": "uiKlines",
    "avgPrice": "avgPrice",
    "ticker.24hr": "ticker/24hr",
    "ticker.tradingDay": "ticker/tradingDay",
    "ticker": "ticker",
    "ticker.price": "ticker/price",
    "ticker.book": "ticker/bookTicker",
}


class RestDoor:
    """Operations over HTTP."""

    name = "rest"

    def __init__(self, client: RawClient) -> None:
        self.client = client

    async def ask(self, operation: str, **params: Any) -> tuple[int, Any]:
        """(status, body)"""
        if operation in PUBLIC:
            base = f"{self.client.line['rest']}/api/v3/{PUBLIC[operation]}"
            async with self.client.session.get(base, params=params) as answer:
                return answer.status, await answer.json()
        method, path = OPERATIONS[operation]
        status, body, _ = await self.client.call(method, path, **params)
        return status, body


class SocketDoor:
    """Operations over one connection of the WebSocket API."""

    name = "socket"

    def __init__(self, client: RawClient, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.client = client
        self.socket = socket
        self.envelope: dict[str, Any] = {}
        self._number = 0

    async def ask(self, operation: str, **params: Any) -> tuple[int, Any]:
        """(status, result or error)"""
        self._number += 1
        if operation in PUBLIC:
            request = {"id": self._number, "method": operation, "params": params}
        else:
            request = self.client.socket_request(self._number, operation, **params)
        await self.socket.send_json(request)
        self.envelope = await asyncio.wait_for(self.socket.receive_json(), 60)
        assert self.envelope["id"] == self._number
        return self.envelope["status"], self.envelope.get("result", self.envelope.get("error"))


Door = RestDoor | SocketDoor


@contextlib.asynccontextmanager
async def opened(venue: VenueProcess, name: str) -> AsyncIterator[Door]:
    """One door of a venue."""
    async with aiohttp.ClientSession() as session:
        client = RawClient(session, venue.line)
        if name == "rest":
            yield RestDoor(client)
            return
        async with session.ws_connect(f"{venue.line['ws']}/ws-api/v3") as socket:
            yield SocketDoor(client, socket)


class Listener:
    """Collects the user events of an account."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.events: list[dict[str, Any]] = []

    @classmethod
    async def start(cls, client: RawClient) -> Listener:
        """Subscribes on a connection of its own."""
        socket = await client.session.ws_connect(f"{client.line['ws']}/ws-api/v3")
        await socket.send_json(client.socket_request("s", "userDataStream.subscribe.signature"))
        answer = await socket.receive_json()
        assert answer["status"] == 200, answer
        return cls(socket)

    async def gather(self, seconds: float = 0.3) -> list[dict[str, Any]]:
        """The events that came since, until nothing comes for so long."""
        news: list[dict[str, Any]] = []
        while True:
            try:
                message = await self.socket.receive(timeout=seconds)
            except TimeoutError:
                self.events += news
                return news
            news.append(json.loads(message.data))
