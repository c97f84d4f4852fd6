"""A venue in this process, on a thread of its own, and a plain client that signs by hand."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import http.client
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from procs.localvenue.options import VenueOptions
from procs.localvenue.server import VenueServer

BALANCES = {"USDT": Decimal(100_000), "BTC": Decimal(2)}


@dataclass
class Reply:
    """One answer, decoded when it is JSON."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def code(self) -> int | None:
        return self.body.get("code") if isinstance(self.body, dict) else None

    @property
    def outcome(self) -> tuple[int, int | None]:
        return self.status, self.code


class RestVenue:
    """Starts in a thread; `stop` ends it. The server's own objects may be looked at."""

    def __init__(self, **options: Any) -> None:
        values = {"profile": "calm", "seed": 5, "accounts": 2, "balances": BALANCES, **options}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.server: VenueServer = self.run(_start(VenueOptions(**values)))
        self.keys = list(self.server.venue.secrets.items())
        self._connection: http.client.HTTPConnection | None = None

    @property
    def port(self) -> int:
        return self.server.port

    def run(self, work: Any) -> Any:
        """Runs a coroutine in the venue's own loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def look(self, at: Any) -> Any:
        """What a function says about the venue, asked between two turns."""

        async def ask() -> Any:
            return at(self.server.venue)

        return self.run(ask())

    def stop(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self.run(self.server.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def raw(self, method: str, target: str, body: bytes | None = None, **headers: str) -> Reply:
        """One request as it is, over a connection that is kept."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        for attempt in (1, 2):
            connection = self._connection or http.client.HTTPConnection(
                "127.0.0.1", self.port, timeout=60
            )
            self._connection = connection
            try:
                connection.request(method, target, body=body, headers=named)
                answer = connection.getresponse()
                content = answer.read()
                break
            except (http.client.RemoteDisconnected, ConnectionError):
                connection.close()
                self._connection = None
                if attempt == 2:
                    raise
        shown: Any = content
        with contextlib.suppress(ValueError):
            shown = json.loads(content)
        return Reply(answer.status, shown, {n.lower(): v for n, v in answer.getheaders()})

    def get(self, path: str, **params: Any) -> Reply:
        """A public request."""
        return self.raw(
            "GET", f"/api/v3/{path}?{urlencode(params)}" if params else f"/api/v3/{path}"
        )

    def payload(self, params: dict[str, Any], account: int = 0) -> str:
        """Parameters with timestamp and signature, in the order in which they are given."""
        form = urlencode({"timestamp": time.time_ns() // 1_000_000, **params})
        return f"{form}&signature={self.sign(form.encode(), account)}"

    def sign(self, payload: bytes, account: int = 0) -> str:
        secret = self.keys[account][1].encode()
        return hmac.new(secret, payload, hashlib.sha256).hexdigest()

    def call(
        self, method: str, path: str, *, account: int = 0, unit: str = "", **params: Any
    ) -> Reply:
        """A signed request: POST and PUT in the body, GET and DELETE in the query."""
        form = self.payload(params, account)
        headers = {"X_MBX_APIKEY": self.keys[account][0]}
        if unit:
            headers["X_MBX_TIME_UNIT"] = unit
        target = path if path.startswith("/") else f"/api/v3/{path}"
        if method in ("POST", "PUT"):
            headers["Content_Type"] = "application/x-www-form-urlencoded"
            return self.raw(method, target, form.encode(), **headers)
        return self.raw(method, f"{target}?{form}", None, **headers)

    def price(self, symbol: str = "BTCUSDT") -> float:
        """The last price."""
        return float(self.get("ticker/price", symbol=symbol).body["price"])

    def cancel_everything(self) -> None:
        """No open orders are left."""
        for account in range(len(self.keys)):
            for symbol in {
                one["symbol"] for one in self.call("GET", "openOrders", account=account).body
            }:
                self.call("DELETE", "openOrders", account=account, symbol=symbol)


async def _start(options: VenueOptions) -> VenueServer:
    server = VenueServer(options)
    await server.start()
    return server


@contextlib.contextmanager
def rest_venue(**options: Any) -> Iterator[RestVenue]:
    """A venue that ends with the block; its accounts must add up then."""
    venue = RestVenue(**options)
    try:
        yield venue
        venue.look(lambda one: one.exchange.verify())
    finally:
        venue.stop()
