"""The WebSocket API: the REST operations by name, sessions, and the user data stream."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import orjson
from aiohttp import web

from procs.localvenue.interference import Answer, Asked
from procs.localvenue.matching.model import Refusal, VenueEvent
from procs.localvenue.matching.refusals import missing
from procs.localvenue.protocols.binance_spot import auth, client_times, user_events
from procs.localvenue.protocols.binance_spot.limits import LOOPBACK, Budget
from procs.localvenue.protocols.binance_spot.params import RefusedError
from procs.localvenue.protocols.binance_spot.route import Route
from procs.localvenue.protocols.binance_spot.socket_requests import (
    BadEnvelopeError,
    RequestId,
    SocketRequest,
    read_request,
    yes_or_no,
)
from procs.localvenue.protocols.binance_spot.socket_sessions import Session, SessionMethods
from procs.localvenue.protocols.binance_spot.sockets import ClientSocket
from procs.localvenue.protocols.binance_spot.trading import ReplaceFailedError
from procs.localvenue.shell import Venue

UNKNOWN_METHOD: Final = Refusal(-1020, "This operation is not supported.")
PATH: Final = "/ws-api/v3"
CONNECT_WEIGHT: Final = 2
POLICY_VIOLATION: Final = 1008
"""The close code for a banned address, with the exchange's own word."""

ANSWER_FIRST_S: Final = 0.01
"""What the answer to a banned address gets before its connection is closed."""

UNIFIED_NAMES: Final = frozenset(
    {
        "clientOrderId",
        "cost",
        "postOnly",
        "stopLossOrTakeProfit",
        "stopLossPrice",
        "takeProfitPrice",
        "trailingPercent",
        "trailingTriggerPrice",
        "triggerPrice",
    }
)
"""ccxt translates these names, and on the WebSocket API leaves them in beside the translation.
They are let pass where an order is placed; any other unknown name is refused."""


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
        skew_ms = self._venue.skew_ms()
        interference = self._venue.interference
        heard = {account for _, _, account in listeners}
        for event in events:
            if event.account not in heard:
                continue
            body = user_events.user_event(event, now_ms + skew_ms, skew_ms)
            texts = {1: orjson.dumps(body)}
            for session, subscription, account in listeners:
                if account != event.account:
                    continue
                if session.factor not in texts:
                    finer = user_events.in_microseconds(body, session.factor)
                    texts[session.factor] = orjson.dumps(finer)
                session.tell(interference, subscription, body["e"], texts[session.factor])

    def announce_shutdown(self) -> None:
        """Tells every session that the venue goes."""
        event = {"event": {"e": "serverShutdown", "E": self._venue.client_ms()}}
        for session in self._sessions:
            session.client.send(orjson.dumps(event))

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        address = request.remote or LOOPBACK
        try:
            self._budget.spend(CONNECT_WEIGHT, self._venue.now_ms(), address)
            finer = client_times.in_microseconds(request.query.get("timeUnit"))
        except RefusedError as error:
            return web.json_response(_error(error), status=error.refusal.http_status)
        client = await ClientSocket.accept(request)
        session = Session(
            client,
            address=address,
            connected_ms=self._venue.client_ms(),
            shows_limits=yes_or_no(request.query.get("returnRateLimits", "true")) is not False,
            factor=1000 if finer else 1,
        )
        self._sessions.add(session)
        self.open.add(client)
        pending: set[asyncio.Task[None]] = set()
        try:
            async for data in client.messages():
                asked = self._read(session, data)
                if asked is None:
                    continue
                if self._venue.interference is None:
                    await self._reply(session, self._prepare(session, asked)())
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
            fault: RefusedError = error
            try:
                self._budget.spend(1, self._venue.now_ms(), session.address)
            except RefusedError as beyond:
                fault = beyond
            rows = self._limit_rows(session, None) if session.shows_limits else None
            body = {"error": self._error(fault)}
            status = fault.refusal.http_status
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
            writes=route is not None and route.writes,
            request_id=request.id,
        )
        answer = await interference.around(asked, self._prepare(session, request))
        if answer is None:
            session.client.drop()
        else:
            await self._reply(session, answer)

    async def _reply(self, session: Session, answer: Answer) -> None:
        session.client.send(answer.body)
        session.say_ended(self._venue.interference, self._venue.client_ms())
        if answer.status == 418:
            await asyncio.sleep(ANSWER_FIRST_S)
            session.client.refuse(POLICY_VIOLATION, b"disconnected")

    def _prepare(self, session: Session, request: SocketRequest) -> Callable[[], Answer]:
        """Checks the request as it comes in; what is left to do is done when it is called."""
        account: str | None = None
        refused: RefusedError | None = None
        try:
            self._budget.spend(self._weight(request), self._venue.now_ms(), session.address)
            account = self._account(request)
            self._check_names(request)
        except RefusedError as error:
            refused = error

        def carry_out() -> Answer:
            status, body = self._outcome(session, request, account, refused)
            shows = session.shows_limits if request.wants_limits is None else request.wants_limits
            rows = self._limit_rows(session, request) if shows else None
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
            if account is not None and self._venue.interference is not None:
                auth.fresh(request.params, self._venue.client_ms())
            result = self._result(session, request, account)
            status, body = 200, {"result": result}
        except RefusedError as error:
            status, body = error.refusal.http_status, {"error": self._error(error)}
        skew_ms = self._venue.skew_ms()
        if session.factor != 1 or skew_ms:
            body = client_times.shown(body, session.factor, skew_ms)
        return status, body

    def _result(self, session: Session, request: SocketRequest, account: str | None) -> Any:
        own = self._methods.find(request.method)
        if own is not None:
            return own(session, request, account)
        route = self._routes.get(request.method)
        if route is None:
            raise RefusedError(UNKNOWN_METHOD)
        if route.public is not None:
            return route.public(request.params)
        assert route.signed is not None, "a route is public or signed"
        assert account is not None, "a signed request has been checked"
        result = route.signed(account, request.params)
        if route.free:
            weight = route.weight_of(request.params)
            self._budget.refund(weight, self._venue.now_ms(), session.address)
        return result

    def _weight(self, request: SocketRequest) -> int:
        if self._methods.find(request.method) is not None:
            return self._methods.weight
        route = self._routes.get(request.method)
        return 1 if route is None else route.weight_of(request.params)

    def _account(self, request: SocketRequest) -> str | None:
        route = self._routes.get(request.method)
        if route is not None and route.signed is None:
            return None
        if route is None and not self._methods.is_signed(request.method):
            return None
        api_key = request.given.get("apiKey")
        if not api_key:
            raise RefusedError(missing("apiKey"))
        now_ms = self._venue.client_ms()
        return auth.check(self._venue.secrets, api_key, request.params, request.signed_text, now_ms)

    def _check_names(self, request: SocketRequest) -> None:
        route = self._routes.get(request.method)
        if route is None:
            self._methods.check_names(request)
            return
        params = request.params
        if route.orders or route.method == "POST":
            for name in UNIFIED_NAMES & params.values.keys():
                del params.values[name]
        route.check_names(params)

    def _limit_rows(self, session: Session, request: SocketRequest | None) -> list[dict[str, Any]]:
        now_ms = self._venue.now_ms()
        weight = self._budget.weight_row(now_ms, session.address)
        route = None if request is None else self._routes.get(request.method)
        if request is None or route is None or not route.orders:
            return [weight]
        account = request.given.get("apiKey")
        if account not in self._venue.secrets:
            return [weight]
        return [*self._budget.order_rows(account, now_ms), weight]

    def _error(self, error: RefusedError) -> dict[str, Any]:
        if isinstance(error, ReplaceFailedError):
            return {**_error(error), "data": error.data}
        if error.retry_after_s is None:
            return _error(error)
        now_ms = self._venue.client_ms()
        retry_ms = now_ms + error.retry_after_s * 1_000
        return {**_error(error), "data": {"serverTime": now_ms, "retryAfter": retry_ms}}


def _error(error: RefusedError) -> dict[str, Any]:
    return {"code": error.refusal.code, "msg": error.refusal.message}


def _envelope(
    request_id: RequestId, status: int, body: dict[str, Any], rows: list[dict[str, Any]] | None
) -> bytes:
    answer: dict[str, Any] = {"id": request_id, "status": status, **body}
    if rows is not None:
        answer["rateLimits"] = rows
    return orjson.dumps(answer)
