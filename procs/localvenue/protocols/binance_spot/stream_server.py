"""The market stream sockets: `/ws`, `/stream`, and SUBSCRIBE / UNSUBSCRIBE / LIST_SUBSCRIPTIONS."""

from __future__ import annotations

from typing import Any, Final

import orjson
from aiohttp import WSMsgType, web

from procs.localvenue.protocols.binance_spot.sockets import ClientSocket
from procs.localvenue.protocols.binance_spot.streams import StreamHub, Subscriber

STREAMS_MAX: Final = 1_024
"""Streams of one connection, as on the exchange."""


class StreamServer:
    """Accepts connections and carries out their requests."""

    def __init__(self, hub: StreamHub) -> None:
        self._hub = hub
        self.open: set[ClientSocket] = set()

    def register(self, app: web.Application) -> None:
        """Raw events under /ws and /stream/ws, wrapped ones under /stream."""
        app.router.add_get("/ws", self._raw)
        app.router.add_get("/ws/{names:.*}", self._raw)
        app.router.add_get("/stream/ws", self._raw)
        app.router.add_get("/stream/ws/{names:.*}", self._raw)
        app.router.add_get("/stream", self._wrapped)

    async def _raw(self, request: web.Request) -> web.WebSocketResponse:
        names = request.match_info.get("names", "")
        return await self._serve(request, [name for name in names.split("/") if name], False)

    async def _wrapped(self, request: web.Request) -> web.WebSocketResponse:
        names = request.query.get("streams", "")
        return await self._serve(request, [name for name in names.split("/") if name], True)

    async def _serve(
        self, request: web.Request, names: list[str], wrapped: bool
    ) -> web.WebSocketResponse:
        client = await ClientSocket.accept(request)
        subscriber = Subscriber(client, wrapped)
        self.open.add(client)
        try:
            for name in names[:STREAMS_MAX]:
                self._hub.subscribe(subscriber, name)
            async for message in client.socket:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    client.send(orjson.dumps(self._answer(subscriber, message.data)))
        finally:
            self._hub.leave(subscriber)
            self.open.discard(client)
            await client.close()
        return client.socket

    def _answer(self, subscriber: Subscriber, data: str | bytes) -> dict[str, Any]:
        try:
            request = orjson.loads(data)
        except orjson.JSONDecodeError as error:
            return {"error": {"code": 3, "msg": f"Invalid JSON: {error}"}}
        request_id = request.get("id") if isinstance(request, dict) else None
        if not isinstance(request, dict) or not isinstance(request_id, int | str | None):
            return _error("request ID must be an unsigned integer, a string or null", None)
        method, params = request.get("method"), request.get("params", [])
        if method == "LIST_SUBSCRIPTIONS":
            return {"result": list(subscriber.names), "id": request_id}
        if not isinstance(params, list):
            return _error("params must be an array", request_id)
        if method == "SET_PROPERTY" and len(params) == 2 and params[0] == "combined":
            subscriber.wrapped = bool(params[1])
            return {"result": None, "id": request_id}
        if method == "GET_PROPERTY" and params == ["combined"]:
            return {"result": subscriber.wrapped, "id": request_id}
        if not all(isinstance(name, str) for name in params):
            return _error("stream names must be strings", request_id)
        if method == "SUBSCRIBE":
            if len(subscriber.names.keys() | set(params)) > STREAMS_MAX:
                return _error(f"at most {STREAMS_MAX} streams on one connection", request_id)
            for name in params:
                self._hub.subscribe(subscriber, name)
        elif method == "UNSUBSCRIBE":
            for name in params:
                self._hub.unsubscribe(subscriber, name)
        else:
            return _error(f"unknown method {method!r}", request_id)
        return {"result": None, "id": request_id}


def _error(message: str, request_id: int | str | None) -> dict[str, Any]:
    return {"error": {"code": 2, "msg": f"Invalid request: {message}"}, "id": request_id}
