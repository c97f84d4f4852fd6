"""The REST API: reads a request as it was sent, checks it, answers in JSON."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec
import orjson
from aiohttp import web

from procs.localvenue.interference import Answer, Asked
from procs.localvenue.matching.model import Refusal
from procs.localvenue.protocols.binance_spot import auth, client_times
from procs.localvenue.protocols.binance_spot.limits import LOOPBACK, Budget
from procs.localvenue.protocols.binance_spot.params import Params, RefusedError
from procs.localvenue.protocols.binance_spot.route import Route
from procs.localvenue.protocols.binance_spot.trading import ReplaceFailedError
from procs.localvenue.shell import Venue

PREFIXES: Final = ("/api", "/sapi", "/fapi", "/dapi")
"""Where clients of the exchange expect REST; only what is in the table of routes is there."""

BODY_MAX_BYTES: Final = 64 * 1024
BODY_S: Final = 10.0
"""A body that takes longer to come is not waited for."""

COMPRESS_FROM_BYTES: Final = 16 * 1024
JSON: Final = "application/json;charset=UTF-8"
FORM: Final = "application/x-www-form-urlencoded"

NO_ENDPOINT: Final = Refusal(-1020, "This operation is not supported.", 404)
NO_METHOD: Final = Refusal(-1020, "This operation is not supported.", 405)
BODY_TOO_LARGE: Final = Refusal(-1013, "The request body is too large.", 413)
BODY_TOO_SLOW: Final = Refusal(-1013, "The request body did not arrive in time.", 408)
BODY_BROKEN: Final = Refusal(-1013, "The request body cannot be read.")


class _Arrived(msgspec.Struct, frozen=True):
    """A request after the checks on arrival; `refused` when they did not let it in."""

    path: str
    route: Route | None
    params: Params
    account: str | None = None
    factor: int = 1
    """What times in the answer are multiplied by: 1000 for microseconds."""
    refused: RefusedError | None = None


class RestApi:
    """Carries requests to operations."""

    def __init__(self, venue: Venue, budget: Budget, routes: list[Route]) -> None:
        self._venue = venue
        self._budget = budget
        self._routes: dict[str, dict[str, Route]] = {}
        for route in routes:
            self._routes.setdefault(route.path, {})[route.method] = route

    def register(self, app: web.Application) -> None:
        """Puts everything under the exchange's prefixes onto the server."""
        for prefix in PREFIXES:
            app.router.add_route("*", prefix + "/{path:.*}", self._handle)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        address = request.remote or LOOPBACK
        body, fault = b"", None
        if request.can_read_body:
            body, fault = await _body_of(request)
        arrived = self._arrive(request, body, fault, address)
        interference = self._venue.interference
        if interference is None:
            answer: Answer | None = self._answer(arrived, address)
        else:
            answer = await interference.around(
                _asked(request, arrived), lambda: self._answer(arrived, address, again=True)
            )
        if answer is None:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()  # Nobody hears it: the fault has cut the connection.
        return _response(request, arrived.route, answer, fault)

    def _arrive(
        self, request: web.Request, body: bytes, fault: Refusal | None, address: str
    ) -> _Arrived:
        """The checks on arrival, in the exchange's order: limits, key, time, signature, names."""
        now_ms = self._venue.now_ms()
        route: Route | None = None
        params = _NO_PARAMS
        factor = 1
        try:
            weight = 1
            try:
                if fault is not None:
                    raise RefusedError(fault)
                route = self._route(request)
                query = request.raw_path.partition("?")[2]
                form = body if _is_form(request) else b""
                params = Params.from_form(query, form.decode("utf-8", "replace"))
                weight = route.weight_of(params)
            finally:
                self._budget.spend(weight, now_ms, address)
            if client_times.in_microseconds(request.headers.get(client_times.HEADER)):
                factor = 1000
            account: str | None = None
            if route.signed is not None:
                sent = query.encode("utf-8", "surrogateescape")
                account = auth.check(
                    self._venue.secrets,
                    request.headers.get("X-MBX-APIKEY"),
                    params,
                    auth.signed_form(sent, body),
                    self._venue.client_ms(),
                )
            route.check_names(params)
        except RefusedError as error:
            return _Arrived(request.path, route, params, None, factor, error)
        return _Arrived(request.path, route, params, account, factor)

    def _answer(self, arrived: _Arrived, address: str, again: bool = False) -> Answer:
        """Carries the request out; `again` when time may have passed since it arrived."""
        retry_after_s: int | None = None
        status = 200
        route = arrived.route
        try:
            content = self._content(arrived, again)
            assert route is not None, "nothing unknown is carried out"
            if route.free:
                self._budget.refund(route.weight_of(arrived.params), self._venue.now_ms(), address)
        except RefusedError as error:
            refusal = error.refusal
            status, retry_after_s = refusal.http_status, error.retry_after_s
            content = {"code": refusal.code, "msg": refusal.message}
            if isinstance(error, ReplaceFailedError):
                content["data"] = error.data
        skew_ms = self._venue.skew_ms()
        if arrived.factor != 1 or skew_ms:
            content = client_times.shown(content, arrived.factor, skew_ms)
        counted = arrived.account if route is not None and route.orders else None
        headers = self._budget.headers(counted, self._venue.now_ms(), address)
        if retry_after_s is not None:
            headers["Retry-After"] = str(retry_after_s)
        if status == 405:
            headers["Allow"] = ", ".join(self._routes[arrived.path])
        return Answer(status=status, body=orjson.dumps(content), headers=headers)

    def _content(self, arrived: _Arrived, again: bool) -> Any:
        if arrived.refused is not None:
            raise arrived.refused
        route = arrived.route
        assert route is not None, "what is not refused has a route"
        if route.public is not None:
            return route.public(arrived.params)
        assert route.signed is not None, "a route is public or signed"
        assert arrived.account is not None, "it was checked on arrival"
        if again:
            auth.fresh(arrived.params, self._venue.client_ms())
        return route.signed(arrived.account, arrived.params)

    def _route(self, request: web.Request) -> Route:
        found = self._routes.get(request.path)
        if found is None:
            raise RefusedError(NO_ENDPOINT)
        route = found.get("GET" if request.method == "HEAD" else request.method)
        if route is None:
            raise RefusedError(NO_METHOD)
        return route


_NO_PARAMS: Final = Params({})


async def _body_of(request: web.Request) -> tuple[bytes, Refusal | None]:
    """The body as it was sent, or why it is not read."""
    if (request.content_length or 0) > BODY_MAX_BYTES:
        return b"", BODY_TOO_LARGE
    try:
        async with asyncio.timeout(BODY_S):
            body = await request.read()
    except web.HTTPRequestEntityTooLarge:
        return b"", BODY_TOO_LARGE
    except TimeoutError:
        return b"", BODY_TOO_SLOW
    except (web.RequestPayloadError, ConnectionError):
        return b"", BODY_BROKEN
    return (body, None) if len(body) <= BODY_MAX_BYTES else (b"", BODY_TOO_LARGE)


def _is_form(request: web.Request) -> bool:
    """Whether the body's parameters count: a GET has none, other content is not read."""
    if request.method in ("GET", "HEAD"):
        return False
    kind = request.headers.get("Content-Type")
    return kind is None or kind.partition(";")[0].strip().lower() == FORM


def _asked(request: web.Request, arrived: _Arrived) -> Asked:
    route = arrived.route
    return Asked(
        operation=route.operation if route is not None else request.path,
        method=request.method,
        path=request.path,
        symbol=arrived.params.values.get("symbol", ""),
        writes=route is not None and route.writes,
    )


def _response(
    request: web.Request, route: Route | None, answer: Answer, fault: Refusal | None
) -> web.Response:
    response = web.Response(
        body=answer.body,
        status=answer.status,
        headers={"Content-Type": JSON, **answer.headers},
    )
    if route is not None and route.compressed and len(answer.body) > COMPRESS_FROM_BYTES:
        response.enable_compression()
    if fault is not None:
        response.force_close()  # What is left of the body is not waited for.
    return response
