"""The REST API: reads a request as it was sent, checks key and signature, answers in JSON."""

from __future__ import annotations

from typing import Any, Final

import orjson
from aiohttp import web

from procs.localvenue.matching.model import Refusal
from procs.localvenue.protocols.binance_spot import auth
from procs.localvenue.protocols.binance_spot.limits import Budget
from procs.localvenue.protocols.binance_spot.params import Params, RefusedError
from procs.localvenue.protocols.binance_spot.routes import Route
from procs.localvenue.protocols.binance_spot.trading import ReplaceFailedError
from procs.localvenue.shell import Venue

NO_ENDPOINT: Final = Refusal(-1000, "Path does not exist on this venue.", 404)


class RestApi:
    """Carries requests to operations."""

    def __init__(self, venue: Venue, budget: Budget, routes: list[Route]) -> None:
        self._venue = venue
        self._budget = budget
        self._routes = {(route.method, route.path): route for route in routes}

    def register(self, app: web.Application) -> None:
        """Puts everything under /api onto the server."""
        app.router.add_route("*", "/api/{path:.*}", self._handle)

    async def _handle(self, request: web.Request) -> web.Response:
        body = await request.text() if request.can_read_body else ""
        now_ms = self._venue.now_ms()
        account: str | None = None
        data: dict[str, Any] | None = None
        try:
            route = self._routes.get((request.method, request.path))
            if route is None:
                raise RefusedError(NO_ENDPOINT)
            query = request.raw_path.partition("?")[2]
            params = Params.from_form(query, body)
            self._budget.spend(route.weight_of(params), now_ms)
            if route.signed is not None:
                account = auth.check(
                    self._venue.secrets,
                    request.headers.get("X-MBX-APIKEY"),
                    params,
                    auth.signed_form(query, body),
                    now_ms,
                )
                answer = route.signed(account, params)
            else:
                assert route.public is not None, "a route is public or signed"
                answer = route.public(params)
            status = 200
        except ReplaceFailedError as error:
            status, data = error.refusal.http_status, error.data
            answer = {"code": error.refusal.code, "msg": error.refusal.message, "data": data}
        except RefusedError as error:
            status = error.refusal.http_status
            answer = {"code": error.refusal.code, "msg": error.refusal.message}
        headers = self._budget.headers(account, now_ms)
        if status == 429:
            headers["Retry-After"] = str(self._budget.retry_after_s(now_ms))
        return web.Response(
            body=orjson.dumps(answer),
            status=status,
            headers=headers,
            content_type="application/json",
            charset="UTF-8",
        )
