"""The market stream sockets: `/ws`, `/stream`, and SUBSCRIBE / UNSUBSCRIBE / LIST_SUBSCRIPTIONS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import unquote

import orjson
from aiohttp import web

from procs.localvenue.protocols.binance_spot.client_times import in_microseconds as time_unit
from procs.localvenue.protocols.binance_spot.limits import LOOPBACK
from procs.localvenue.protocols.binance_spot.params import RefusedError
from procs.localvenue.protocols.binance_spot.sockets import (
    LIFETIME_S,
    POLICY_VIOLATION,
    Arrivals,
    ClientSocket,
)
from procs.localvenue.protocols.binance_spot.stream_events import in_microseconds
from procs.localvenue.protocols.binance_spot.stream_requests import (
    BadStreamRequestError,
    StreamRequest,
    invalid,
    read_stream_request,
)
from procs.localvenue.protocols.binance_spot.streams import StreamHub, Subscriber

INCOMING_MAX: Final = 5
"""Messages of a client in a second: requests, pings and pongs."""
STREAMS_MAX: Final = 1_024
"""Streams of one connection, as on the exchange."""
TOO_MANY_STREAMS: Final = b"at most 1024 streams on one connection"


class StreamServer:
    """Accepts connections and carries out their requests."""

    def __init__(
        self,
        hub: StreamHub,
        clock_ms: Callable[[], int],
        is_enforced: bool,
        lifetime_s: float = LIFETIME_S,
    ) -> None:
        """Without enforcement any number of connections and requests is heard."""
        self._hub = hub
        self._clock_ms = clock_ms
        self._arrivals = Arrivals(is_enforced)
        self._incoming_max = INCOMING_MAX if is_enforced else None
        self._lifetime_s = lifetime_s
        self._subscribers: set[Subscriber] = set()

    @property
    def open(self) -> set[ClientSocket]:
        """The connections."""
        return {subscriber.socket for subscriber in self._subscribers}

    def announce_shutdown(self) -> None:
        """Tells every connection that the venue goes."""
        event = {"e": "serverShutdown", "E": self._clock_ms()}
        for subscriber in self._subscribers:
            said: Any = in_microseconds(event) if subscriber.finer else event
            if subscriber.wrapped:
                said = {"stream": "!serverShutdown", "data": said}
            subscriber.socket.send(orjson.dumps(said))

    def register(self, app: web.Application) -> None:
        """Raw events under /ws and /stream/ws, wrapped ones under /stream."""
        app.router.add_get("/ws", self._raw)
        app.router.add_get("/ws/{names:.*}", self._raw)
        app.router.add_get("/stream/ws", self._raw)
        app.router.add_get("/stream/ws/{names:.*}", self._raw)
        app.router.add_get("/stream", self._wrapped)

    async def _raw(self, request: web.Request) -> web.StreamResponse:
        names = request.match_info.get("names", "")
        return await self._serve(request, [name for name in names.split("/") if name], False)

    async def _wrapped(self, request: web.Request) -> web.StreamResponse:
        # A plus sign is one here (`@+08:00`), not a blank as in a form.
        fields = (field.partition("=") for field in request.rel_url.raw_query_string.split("&"))
        names = next((unquote(value) for name, _, value in fields if name == "streams"), "")
        return await self._serve(request, [name for name in names.split("/") if name], True)

    async def _serve(
        self, request: web.Request, names: list[str], wrapped: bool
    ) -> web.StreamResponse:
        address = request.remote or LOOPBACK
        if not self._arrivals.admit(address, self._clock_ms()):
            return web.Response(status=429, headers={"Retry-After": "300"})
        try:
            finer = time_unit(request.query.get("timeUnit"))
        except RefusedError as error:
            refusal = error.refusal
            return web.json_response({"code": refusal.code, "msg": refusal.message}, status=400)
        client = await ClientSocket.accept(request, self._lifetime_s, self._incoming_max)
        subscriber = Subscriber(client, wrapped, finer)
        self._subscribers.add(subscriber)
        try:
            if len(set(names)) > STREAMS_MAX:
                client.refuse(POLICY_VIOLATION, TOO_MANY_STREAMS)
                names = []
            for name in names:
                self._hub.subscribe(subscriber, name)
            async for text in client.messages():
                client.send(orjson.dumps(self._answer(subscriber, text)))
        finally:
            self._hub.leave(subscriber)
            self._subscribers.discard(subscriber)
            await client.close()
        return client.socket

    def _answer(self, subscriber: Subscriber, text: str) -> dict[str, Any]:
        try:
            request = read_stream_request(text)
            return {"result": self._carry_out(subscriber, request), "id": request.id}
        except BadStreamRequestError as error:
            return error.answer

    def _carry_out(self, subscriber: Subscriber, request: StreamRequest) -> Any:
        match request.method:
            case "LIST_SUBSCRIPTIONS":
                return list(subscriber.names)
            case "GET_PROPERTY":
                return subscriber.wrapped
            case "SET_PROPERTY":
                subscriber.wrapped = request.value
            case "UNSUBSCRIBE":
                for name in request.names:
                    self._hub.unsubscribe(subscriber, name)
            case _:
                if len(subscriber.names.keys() | set(request.names)) > STREAMS_MAX:
                    raise invalid(f"at most {STREAMS_MAX} streams on one connection", request.id)
                for name in request.names:
                    self._hub.subscribe(subscriber, name)
        return None
