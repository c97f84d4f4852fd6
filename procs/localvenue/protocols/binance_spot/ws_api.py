"""The WebSocket API: the REST operations by name, and the user data stream."""

from __future__ import annotations

from itertools import count
from typing import Any, Final

import orjson
from aiohttp import WSMsgType, web

from procs.localvenue.matching.model import Refusal, VenueEvent
from procs.localvenue.protocols.binance_spot import auth, user_events
from procs.localvenue.protocols.binance_spot.limits import Budget
from procs.localvenue.protocols.binance_spot.params import RefusedError
from procs.localvenue.protocols.binance_spot.routes import Route
from procs.localvenue.protocols.binance_spot.sockets import ClientSocket
from procs.localvenue.protocols.binance_spot.trading import ReplaceFailedError
from procs.localvenue.shell import Venue

UNKNOWN_METHOD: Final = Refusal(-1100, "Unknown method.", 400)


class Session:
    """One connection and the accounts whose events it hears."""

    def __init__(self, client: ClientSocket) -> None:
        self.client = client
        self.subscriptions: dict[int, str] = {}
        self.next_id = count()


class SocketApi:
    """Accepts sessions, answers requests, passes on committed account events."""

    def __init__(self, venue: Venue, budget: Budget, routes: list[Route]) -> None:
        self._venue = venue
        self._budget = budget
        self._routes = {route.socket_name: route for route in routes if route.socket_name}
        self._sessions: set[Session] = set()
        self.open: set[ClientSocket] = set()

    def register(self, app: web.Application) -> None:
        """Under /ws-api/v3."""
        app.router.add_get("/ws-api/v3", self._serve)

    def on_user(self, events: list[VenueEvent], now_ms: int) -> None:
        """Sends the events of one turn to every subscription of their accounts."""
        listeners = [
            (session, subscription, account)
            for session in self._sessions
            for subscription, account in session.subscriptions.items()
        ]
        if not listeners:
            return
        for event in events:
            body = orjson.dumps(user_events.user_event(event, now_ms))
            for session, subscription, account in listeners:
                if account == event.account:
                    head = b'{"subscriptionId":%d,"event":' % subscription
                    session.client.send(head + body + b"}")

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        client = await ClientSocket.accept(request)
        session = Session(client)
        self._sessions.add(session)
        self.open.add(client)
        try:
            async for message in client.socket:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    client.send(orjson.dumps(self._answer(session, message.data)))
        finally:
            self._sessions.discard(session)
            self.open.discard(client)
            await client.close()
        return client.socket

    def _answer(self, session: Session, data: str | bytes) -> dict[str, Any]:
        now_ms = self._venue.now_ms()
        request_id: Any = None
        extra: dict[str, Any] = {}
        try:
            request = _request(data)
            request_id = request.get("id")
            result = self._result(session, request, now_ms)
            status, body = 200, {"result": result}
        except ReplaceFailedError as error:
            extra = {"data": error.data}
            status, body = error.refusal.http_status, {"error": _error(error, extra)}
        except RefusedError as error:
            status, body = error.refusal.http_status, {"error": _error(error, extra)}
        limits = [self._budget.weight_row(now_ms)]
        return {"id": request_id, "status": status, **body, "rateLimits": limits}

    def _result(self, session: Session, request: dict[str, Any], now_ms: int) -> Any:
        method, given = request.get("method"), request.get("params") or {}
        if not isinstance(given, dict):
            raise RefusedError(Refusal(-1135, "Invalid JSON Request"))
        params = auth.json_params(given)
        if method == "userDataStream.subscribe.signature":
            self._budget.spend(2, now_ms)
            account = self._account(given, now_ms)
            subscription = next(session.next_id)
            session.subscriptions[subscription] = account
            return {"subscriptionId": subscription}
        if method == "userDataStream.unsubscribe":
            self._budget.spend(2, now_ms)
            wanted = params.integer("subscriptionId")
            for subscription in list(session.subscriptions):
                if wanted in (None, subscription):
                    del session.subscriptions[subscription]
            return {}
        if method == "session.subscriptions":
            self._budget.spend(2, now_ms)
            return [{"subscriptionId": one} for one in session.subscriptions]
        route = self._routes.get(method) if isinstance(method, str) else None
        if route is None:
            raise RefusedError(UNKNOWN_METHOD)
        self._budget.spend(route.weight_of(params), now_ms)
        if route.public is not None:
            return route.public(params)
        assert route.signed is not None, "a route is public or signed"
        return route.signed(self._account(given, now_ms), params)

    def _account(self, given: dict[str, Any], now_ms: int) -> str:
        api_key = given.get("apiKey")
        return auth.check(
            self._venue.secrets,
            api_key if isinstance(api_key, str) else None,
            auth.json_params(given),
            auth.signed_json(given),
            now_ms,
        )


def _request(data: str | bytes) -> dict[str, Any]:
    try:
        request = orjson.loads(data)
    except orjson.JSONDecodeError:
        request = None
    if not isinstance(request, dict):
        raise RefusedError(Refusal(-1135, "Invalid JSON Request"))
    return request


def _error(error: RefusedError, extra: dict[str, Any]) -> dict[str, Any]:
    return {"code": error.refusal.code, "msg": error.refusal.message, **extra}
