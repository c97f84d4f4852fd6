"""The WebSocket API: the REST operations by name, sessions, and the user data stream."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import orjson
from aiohttp import WSMsgType, web

from procs.localvenue.interference import Answer, Asked
from procs.localvenue.matching.model import Refusal, VenueEvent
from procs.localvenue.matching.refusals import missing
from procs.localvenue.protocols.binance_spot import auth, user_events
from procs.localvenue.protocols.binance_spot.limits import Budget
from procs.localvenue.protocols.binance_spot.params import RefusedError
from procs.localvenue.protocols.binance_spot.routes import Route
from procs.localvenue.protocols.binance_spot.socket_requests import (
    BadEnvelopeError,
    RequestId,
    SocketRequest,
    read_request,
)
from procs.localvenue.protocols.binance_spot.socket_sessions import Session, SessionMethods
from procs.localvenue.protocols.binance_spot.sockets import ClientSocket
from procs.localvenue.protocols.binance_spot.trading import ReplaceFailedError
from procs.localvenue.shell import Venue

UNKNOWN_METHOD: Final = Refusal(-1020, "This operation is not supported.")
PATH: Final = "/ws-api/v3"
CONNECT_WEIGHT: Final = 2

COUNTED: Final = frozenset(
    {
        "order.place",
        "order.cancelReplace",
        "orderList.place",
        "orderList.place.oco",
        "orderList.place.oto",
        "orderList.place.otoco",
    }
)
"""Operations that count orders: their answers carry the order limits too."""


class SocketApi:
    """Accepts sessions, answers requests, passes on committed account events."""

    def __init__(self, venue: Venue, budget: Budget, routes: list[Route]) -> None:
        self._venue = venue
        self._budget = budget
        self._routes = {route.socket_name: route for route in routes if route.socket_name}
        self._methods = SessionMethods(venue)
        self._sessions: set[Session] = set()
        self.open: set[ClientSocket] = set()

    def register(self, app: web.Application) -> None:
        """Under /ws-api/v3."""
        app.router.add_get(PATH, self._serve)

    def on_user(self, events: list[VenueEvent], now_ms: int) -> None:
        """Sends the events of one turn to every subscription of their accounts."""
        listeners = [
            (session, subscription, account)
            for session in self._sessions
            for subscription, account in session.subscriptions.items()
        ]
        if not listeners:
            return
        shown_ms = self._venue.client_ms()
        for event in events:
            if all(account != event.account for _, _, account in listeners):
                continue
            body = user_events.user_event(event, shown_ms)
            text = orjson.dumps(body)
            for session, subscription, account in listeners:
                if account == event.account:
                    session.tell(subscription, body["e"], text)

    def announce_shutdown(self) -> None:
        """Tells every session that the venue goes."""
        event = {"event": {"e": "serverShutdown", "E": self._venue.client_ms()}}
        for session in self._sessions:
            session.client.send(orjson.dumps(event))

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        now_ms = self._venue.now_ms()
        try:
            self._budget.spend(CONNECT_WEIGHT, now_ms)
        except RefusedError as error:
            return web.json_response(_error(error), status=error.refusal.http_status)
        client = await ClientSocket.accept(request)
        session = Session(
            client,
            connected_ms=self._venue.client_ms(),
            shows_limits=request.query.get("returnRateLimits", "true") != "false",
        )
        self._sessions.add(session)
        self.open.add(client)
        pending: set[asyncio.Task[None]] = set()
        try:
            async for message in client.socket:
                if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                    continue
                asked = self._read(session, message.data)
                if asked is None:
                    continue
                if self._venue.interference is None:
                    self._reply(session, self._prepare(session, asked)())
                    continue
                task = asyncio.create_task(self._answer_through(session, asked))
                pending.add(task)
                task.add_done_callback(pending.discard)
        finally:
            for task in pending:
                task.cancel()
            self._sessions.discard(session)
            self.open.discard(client)
            await client.close()
        return client.socket

    def _read(self, session: Session, data: str | bytes) -> SocketRequest | None:
        """The request; None when it could not be read, and that has been said."""
        try:
            return read_request(data)
        except BadEnvelopeError as error:
            body = {"error": _error(error)}
            status = error.refusal.http_status
            rows = [self._budget.weight_row(self._venue.now_ms())] if session.shows_limits else None
            session.client.send(_envelope(error.request_id, status, body, rows))
            return None

    async def _answer_through(self, session: Session, request: SocketRequest) -> None:
        interference = self._venue.interference
        assert interference is not None, "the caller looked"
        route = self._routes.get(request.method)
        asked = Asked(
            operation=request.method,
            method="WS",
            path=PATH,
            symbol=request.given.get("symbol", ""),
            writes=route is not None and route.method != "GET",
        )
        answer = await interference.around(asked, self._prepare(session, request))
        if answer is None:
            session.client.drop()
        else:
            self._reply(session, answer)

    def _reply(self, session: Session, answer: Answer) -> None:
        session.client.send(answer.body)
        session.say_ended(self._venue.client_ms())

    def _prepare(self, session: Session, request: SocketRequest) -> Callable[[], Answer]:
        """Checks the request as it comes in; what is left to do is done when it is called."""
        account: str | None = None
        refused: RefusedError | None = None
        try:
            self._budget.spend(self._weight(request), self._venue.now_ms())
            account = self._account(request)
        except RefusedError as error:
            refused = error

        def carry_out() -> Answer:
            status, body = self._outcome(session, request, account, refused)
            shows = request.wants_limits
            shows = session.shows_limits if shows is None else shows
            rows = self._limit_rows(request) if shows else None
            return Answer(status=status, body=_envelope(request.id, status, body, rows))

        return carry_out

    def _outcome(
        self,
        session: Session,
        request: SocketRequest,
        account: str | None,
        refused: RefusedError | None,
    ) -> tuple[int, dict[str, Any]]:
        try:
            if refused is not None:
                raise refused
            if account is not None:
                auth.fresh(request.params, self._venue.client_ms())
            return 200, {"result": self._result(session, request, account)}
        except RefusedError as error:
            return error.refusal.http_status, {"error": self._error_with_data(error)}

    def _result(self, session: Session, request: SocketRequest, account: str | None) -> Any:
        own = self._methods.find(request.method)
        if own is not None:
            return own(session, request, account)
        route = self._routes[request.method]
        if route.public is not None:
            return route.public(request.params)
        assert route.signed is not None, "a route is public or signed"
        assert account is not None, "a signed request has been checked"
        return route.signed(account, request.params)

    def _weight(self, request: SocketRequest) -> int:
        if self._methods.find(request.method) is not None:
            return self._methods.weight
        route = self._routes.get(request.method)
        if route is None:
            raise RefusedError(UNKNOWN_METHOD)
        return route.weight_of(request.params)

    def _account(self, request: SocketRequest) -> str | None:
        route = self._routes.get(request.method)
        if route is not None and route.signed is None:
            return None
        if route is None and not self._methods.is_signed(request.method):
            return None
        api_key = request.given.get("apiKey")
        if not api_key:
            raise RefusedError(missing("apiKey"))
        return auth.check(
            self._venue.secrets,
            api_key,
            request.params,
            request.signed_text,
            self._venue.client_ms(),
        )

    def _limit_rows(self, request: SocketRequest) -> list[dict[str, Any]]:
        now_ms = self._venue.now_ms()
        account = request.given.get("apiKey")
        weight = self._budget.weight_row(now_ms)
        if request.method in COUNTED and account in self._venue.secrets:
            return [*self._budget.order_rows(account, now_ms), weight]
        return [weight]

    def _error_with_data(self, error: RefusedError) -> dict[str, Any]:
        if isinstance(error, ReplaceFailedError):
            return {**_error(error), "data": error.data}
        if error.refusal.code == -1003:
            now_ms = self._venue.client_ms()
            after_ms = self._budget.retry_after_s(self._venue.now_ms()) * 1_000
            return {
                **_error(error),
                "data": {"serverTime": now_ms, "retryAfter": now_ms + after_ms},
            }
        return _error(error)


def _error(error: RefusedError) -> dict[str, Any]:
    return {"code": error.refusal.code, "msg": error.refusal.message}


def _envelope(
    request_id: RequestId, status: int, body: dict[str, Any], rows: list[dict[str, Any]] | None
) -> bytes:
    answer: dict[str, Any] = {"id": request_id, "status": status, **body}
    if rows is not None:
        answer["rateLimits"] = rows
    return orjson.dumps(answer)
