"""The venue's own doors under /seawall/: faults, balances, health; for its owner, never for pages.

A web page that the owner happens to visit can send requests to loopback as well. Such requests
carry an Origin, or the name of the page's own host, and are refused.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson
from aiohttp import web

from procs.localvenue.faults.injector import Injector
from procs.localvenue.faults.plan import parse_plan
from procs.localvenue.matching.model import Refusal
from procs.localvenue.shell import Venue
from shared.errors import ConfigError, NotFoundError, NumberError, SeawallError
from shared.units import decimal_from_text, plain

Handler = Callable[[web.Request], Awaitable[dict[str, Any]]]

PREFIX: Final = "/seawall"
BODY_MAX_BYTES: Final = 256 * 1024
DECIMALS_MAX: Final = 8
SOURCE: Final = "POST /seawall/faults"
"""What errors call a plan that came by the door."""

STATUSES: Final = {ConfigError: 400, NotFoundError: 404, NumberError: 400}


class ForeignRequestError(SeawallError):
    """A request that a web page sent, or somebody who came by another name than loopback."""


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What the sockets know of themselves."""

    connections: int
    sockets: int
    slow_dropped: int


class Admin:
    """Answers under /seawall/."""

    def __init__(
        self,
        venue: Venue,
        injector: Injector,
        about: dict[str, Any],
        counts: Callable[[], Counts],
        announce_shutdown: Callable[[], None],
    ) -> None:
        """`about` says what market this is; the last two reach the sockets."""
        self._venue = venue
        self._injector = injector
        self._about = about
        self._counts = counts
        self._announce_shutdown = announce_shutdown

    def register(self, app: web.Application) -> None:
        """Puts the doors onto the server; whatever else is under the prefix is answered 404."""
        router = app.router
        doors: tuple[tuple[str, str, Handler], ...] = (
            ("GET", "/market", self._market),
            ("GET", "/accounts", self._accounts),
            ("GET", "/health", self._health),
            ("GET", "/faults", self._faults),
            ("POST", "/faults", self._install),
            ("DELETE", "/faults", self._heal),
            ("DELETE", "/faults/{number}", self._heal),
            ("POST", "/deposit", self._deposit),
            ("POST", "/shutdown-notice", self._shutdown_notice),
        )
        for method, path, handler in doors:
            router.add_route(method, PREFIX + path, _guarded(handler))
        router.add_route("*", PREFIX + "/{path:.*}", _guarded(self._nothing))

    async def _market(self, request: web.Request) -> dict[str, Any]:
        venue = self._venue
        return {
            "ended": venue.market.ended(),
            **self._about,
            "symbols": list(venue.exchange.instruments),
            "server_time_ms": venue.now_ms(),
        }

    async def _accounts(self, request: web.Request) -> dict[str, Any]:
        """Everybody's balances, the ledger's own accounts, and what was put in; proven to agree."""
        exchange = self._venue.exchange
        ledger: Any = msgspec.to_builtins(exchange.ledger, builtin_types=(Decimal,))
        return {
            "accounts": {
                account: {
                    asset: {"free": plain(one.free), "locked": plain(one.locked)}
                    for asset, one in exchange.balances(account).items()
                }
                for account in exchange.accounts
            },
            "ledger": _shown(ledger),
            "totals": {asset: plain(one) for asset, one in sorted(exchange.totals().items())},
        }

    async def _health(self, request: web.Request) -> dict[str, Any]:
        venue = self._venue
        return {
            "server_time_ms": venue.now_ms(),
            "turns": venue.turns,
            "market_events": venue.market_events,
            "account_events": venue.account_events,
            "rss_bytes": _rss_bytes(),
            **msgspec.structs.asdict(self._counts()),
            "faults": dict(self._injector.log.counts),
        }

    async def _faults(self, request: web.Request) -> dict[str, Any]:
        return self._injector.report()

    async def _install(self, request: web.Request) -> dict[str, Any]:
        """A whole plan instead of what holds, or one fault more."""
        data = await _json(request)
        if isinstance(data, dict) and "kind" in data:
            self._injector.add(data, SOURCE)
        else:
            self._injector.replace(parse_plan(data, SOURCE))
        return self._injector.report()

    async def _heal(self, request: web.Request) -> dict[str, Any]:
        text = request.match_info.get("number")
        if text is None:
            self._injector.heal()
        elif text.isascii() and text.isdigit() and len(text) < 10:
            self._injector.heal(int(text))
        else:
            raise ConfigError(f"fault {text!r}, allowed: its number")
        return self._injector.report()

    async def _deposit(self, request: web.Request) -> dict[str, Any]:
        """Money from outside, or to it when below zero; the account hears balanceUpdate."""
        data = await _json(request)
        names = ("api_key", "asset", "amount")
        if not isinstance(data, dict) or sorted(data) != sorted(names):
            raise ConfigError(f"deposit: allowed is an object of exactly {', '.join(names)}")
        account, asset, amount = data["api_key"], data["asset"], _amount(data["amount"])
        exchange = self._venue.exchange
        if not isinstance(account, str) or account not in exchange.accounts:
            raise NotFoundError("deposit: api_key is none of this venue's accounts")
        instruments = exchange.instruments.values()
        assets = sorted({one for each in instruments for one in (each.base, each.quote)})
        if asset not in assets:
            raise ConfigError(f"deposit: asset = {asset!r}, allowed: {_some(assets)}")
        moved: Refusal | None = self._venue.turn(
            lambda now_ms: exchange.move_balance(account, asset, amount, now_ms)
        )
        if moved is not None:
            raise ConfigError(f"deposit: amount = {plain(amount)}: {moved.message}")
        now = exchange.balances(account)[asset]
        return {"asset": asset, "free": plain(now.free), "locked": plain(now.locked)}

    async def _shutdown_notice(self, request: web.Request) -> dict[str, Any]:
        """Tells every socket that the venue goes, as the exchange does; it stays all the same."""
        self._announce_shutdown()
        return {"told": self._counts().sockets}

    async def _nothing(self, request: web.Request) -> dict[str, Any]:
        raise NotFoundError(f"{request.method} {request.path} is not there")


def _guarded(handler: Handler) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        try:
            _keep_out_pages(request)
            content, status = await handler(request), 200
        except SeawallError as error:
            status = 403 if isinstance(error, ForeignRequestError) else 400
            status = STATUSES.get(type(error), status)
            content = {"error": str(error)}
        return web.Response(
            body=orjson.dumps(content) + b"\n", status=status, content_type="application/json"
        )

    return handle


def _keep_out_pages(request: web.Request) -> None:
    """Raises ForeignRequestError for what a browser may have sent on behalf of a page."""
    if "Origin" in request.headers:
        raise ForeignRequestError("requests of web pages (with an Origin) are not taken here")
    name = request.host.rpartition(":")[0] or request.host
    if request.host.endswith("]"):
        name = request.host
    try:
        is_loopback = ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        is_loopback = name.lower() == "localhost"
    if not is_loopback:
        raise ForeignRequestError(f"Host {request.host!r}, allowed: 127.0.0.1 or localhost")


async def _json(request: web.Request) -> Any:
    try:
        body = await request.content.read(BODY_MAX_BYTES + 1)
        while len(body) <= BODY_MAX_BYTES and not request.content.at_eof():
            body += await request.content.read(BODY_MAX_BYTES + 1)
    except web.RequestPayloadError as error:
        raise ConfigError(f"the body cannot be read: {error}") from error
    if len(body) > BODY_MAX_BYTES:
        raise ConfigError(f"the body is larger than {BODY_MAX_BYTES} bytes")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ConfigError(f"the body is no JSON: {error}") from error


def _amount(value: Any) -> Decimal:
    """A decimal number as text or JSON number, not zero, of at most eight decimals."""
    allowed = f"allowed: a number such as 100 or -2.5 with at most {DECIMALS_MAX} decimals"
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ConfigError(f"deposit: amount = {value!r}, {allowed}")
    text = value if isinstance(value, str) else plain(Decimal(repr(value)))
    try:
        amount = decimal_from_text(text)
    except NumberError as error:
        raise ConfigError(f"deposit: amount = {value!r}, {allowed}") from error
    if not amount or abs(amount) >= 10**15 or amount != round(amount, DECIMALS_MAX):
        raise ConfigError(f"deposit: amount = {value!r}, {allowed}")
    return amount


def _some(names: list[str]) -> str:
    return ", ".join(names[:20]) + (", …" if len(names) > 20 else "")


def _shown(value: Any) -> Any:
    """Decimals as plain text, at any depth."""
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, dict):
        return {key: _shown(one) for key, one in value.items()}
    return value


def _rss_bytes() -> int:
    """The memory that the process has in use."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
