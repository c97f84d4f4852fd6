"""What a client may use: request weight and requests of its address, orders of its account.

Counted in windows of the clock, as the exchange counts and reports them. Who goes on after being
told to stop is banned, each time for longer. REST and the WebSocket API share one budget.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from procs.localvenue.matching.model import OrderUpdated, Refusal, VenueEvent
from procs.localvenue.protocols.binance_spot.params import RefusedError

TEN_SECONDS_MS: Final = 10_000
MINUTE_MS: Final = 60_000
FIVE_MINUTES_MS: Final = 300_000
DAY_MS: Final = 86_400_000

LOOPBACK: Final = "127.0.0.1"
"""The address of a client that nobody named: this venue listens on loopback."""

STRIKES: Final = 10
"""Requests after the first 429 of a window that are answered 429 too; one more is answered 418."""

FIRST_BAN_MS: Final = 2 * MINUTE_MS
LONGEST_BAN_MS: Final = 3 * DAY_MS
FORGIVEN_AFTER_MS: Final = 3 * DAY_MS
"""An address that was not banned for so long is banned for the shortest time again."""

ADDRESSES_KEPT: Final = 10_000

TAKER_CREDIT: Final = 1
"""What the first fill of an order takes off the unfilled order count when it came as a taker."""
MAKER_CREDIT: Final = 5
"""The same when it came as a maker, as the exchange's own example counts."""

UNENFORCED: Final = 10**9
"""A limit that nobody reaches."""


class RateLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How much is allowed; the exchange's own numbers unless a test wants others."""

    weight_per_minute: int = 6_000
    requests_per_5min: int = 300_000
    orders_per_10s: int = 100
    orders_per_day: int = 200_000

    @classmethod
    def unenforced(cls) -> RateLimits:
        """Limits that refuse nobody."""
        return cls(
            weight_per_minute=UNENFORCED,
            requests_per_5min=UNENFORCED,
            orders_per_10s=UNENFORCED,
            orders_per_day=UNENFORCED,
        )


class _Window:
    """A counter that begins again with each interval of the clock."""

    __slots__ = ("_count", "_length_ms", "_number")

    def __init__(self, length_ms: int) -> None:
        self._length_ms = length_ms
        self._number = -1
        self._count = 0

    def count(self, now_ms: int) -> int:
        number = now_ms // self._length_ms
        if number != self._number:
            self._number, self._count = number, 0
        return self._count

    def add(self, amount: int, now_ms: int) -> int:
        """The count after adding, never below zero."""
        self._count = max(self.count(now_ms) + amount, 0)
        return self._count

    def left_s(self, now_ms: int) -> int:
        return (self._length_ms - now_ms % self._length_ms) // 1000 + 1


class _Address:
    """What one client address has used, how often it was told to stop, and its bans."""

    __slots__ = ("banned_until_ms", "bans", "requests", "strikes", "weight")

    def __init__(self) -> None:
        self.weight = _Window(MINUTE_MS)
        self.requests = _Window(FIVE_MINUTES_MS)
        self.strikes = _Window(MINUTE_MS)
        self.bans = 0
        self.banned_until_ms = 0

    def strike(self, now_ms: int) -> bool:
        """One more refused request; whether it was one too many, which bans the address."""
        if self.strikes.add(1, now_ms) <= STRIKES:
            return False
        if now_ms - self.banned_until_ms > FORGIVEN_AFTER_MS:
            self.bans = 0
        self.banned_until_ms = now_ms + min(FIRST_BAN_MS << min(self.bans, 20), LONGEST_BAN_MS)
        self.bans += 1
        return True

    def is_idle(self, now_ms: int) -> bool:
        """Whether nothing would be lost by forgetting it."""
        return (
            now_ms - self.banned_until_ms > FORGIVEN_AFTER_MS
            and not self.weight.count(now_ms)
            and not self.requests.count(now_ms)
        )


class Budget:
    """What client addresses have used, and each account's unfilled orders."""

    def __init__(self, limits: RateLimits) -> None:
        self.limits = limits
        self._addresses: dict[str, _Address] = {}
        self._orders: dict[str, tuple[_Window, _Window]] = {}

    def spend(self, weight: int, now_ms: int, address: str = LOOPBACK) -> None:
        """Counts one request and its weight. Raises RefusedError (-1003) beyond a limit: 429, or
        418 for a banned address."""
        client = self._address(address, now_ms)
        if now_ms < client.banned_until_ms:
            raise _banned(client, now_ms)
        requests = client.requests.add(1, now_ms)
        if client.weight.add(weight, now_ms) > self.limits.weight_per_minute:
            if client.strike(now_ms):
                raise _banned(client, now_ms)
            limit, words = self.limits.weight_per_minute, "request weight per 1 MINUTE"
            raise _too_much(
                f"request weight used; current limit is {limit} {words}", client.weight, now_ms
            )
        if requests > self.limits.requests_per_5min:
            if client.strike(now_ms):
                raise _banned(client, now_ms)
            limit = self.limits.requests_per_5min
            raise _too_much(
                f"requests; current limit is {limit} requests per 5 MINUTE", client.requests, now_ms
            )

    def refund(self, weight: int, now_ms: int, address: str = LOOPBACK) -> None:
        """Takes weight back: requests that place or cancel orders weigh nothing when they
        succeed."""
        self._address(address, now_ms).weight.add(-weight, now_ms)

    def count_orders(self, account: str, orders: int, now_ms: int) -> None:
        """Counts new orders. Raises RefusedError (-1015, 429) beyond the limit."""
        short, day = self._windows(account)
        for window, limit, words in (
            (short, self.limits.orders_per_10s, "10 SECOND"),
            (day, self.limits.orders_per_day, "1 DAY"),
        ):
            if window.count(now_ms) + orders > limit:
                text = f"Too many new orders; current limit is {limit} orders per {words}."
                raise RefusedError(Refusal(-1015, text, 429), window.left_s(now_ms))
        short.add(orders, now_ms)
        day.add(orders, now_ms)

    def uncount_orders(self, account: str, orders: int, now_ms: int) -> None:
        """Takes orders off the count: they were refused, or have begun to fill."""
        for window in self._windows(account):
            window.add(-orders, now_ms)

    def on_user(self, events: Sequence[VenueEvent], now_ms: int) -> None:
        """Orders that trade do not count: the first fill of each lowers the count."""
        for event in events:
            if not isinstance(event, OrderUpdated) or event.fill is None:
                continue
            if event.order.executed == event.fill.quantity:
                credit = MAKER_CREDIT if event.fill.is_maker else TAKER_CREDIT
                self.uncount_orders(event.account, credit, now_ms)

    def headers(self, account: str | None, now_ms: int, address: str = LOOPBACK) -> dict[str, str]:
        """The exchange's headers that say what is used; order counts when an account is named."""
        weight = str(self._address(address, now_ms).weight.count(now_ms))
        headers = {"X-MBX-USED-WEIGHT": weight, "X-MBX-USED-WEIGHT-1M": weight}
        if account is not None:
            short, day = self._windows(account)
            headers["X-MBX-ORDER-COUNT-10S"] = str(short.count(now_ms))
            headers["X-MBX-ORDER-COUNT-1D"] = str(day.count(now_ms))
        return headers

    def retry_after_s(self, now_ms: int, address: str = LOOPBACK) -> int:
        """Seconds until the weight window begins again, or until the ban is over."""
        client = self._address(address, now_ms)
        if now_ms < client.banned_until_ms:
            return _seconds(client.banned_until_ms - now_ms)
        return client.weight.left_s(now_ms)

    def order_rows(self, account: str, now_ms: int) -> list[dict[str, Any]]:
        """The order counts as GET /api/v3/rateLimit/order lists them."""
        rows = order_limits(self.limits)
        return [
            {**row, "count": window.count(now_ms)}
            for row, window in zip(rows, self._windows(account), strict=True)
        ]

    def weight_row(self, now_ms: int, address: str = LOOPBACK) -> dict[str, Any]:
        """The weight used as WebSocket API answers carry it."""
        count = self._address(address, now_ms).weight.count(now_ms)
        return {**weight_limit(self.limits), "count": count}

    def _address(self, address: str, now_ms: int) -> _Address:
        found = self._addresses.get(address)
        if found is None:
            if len(self._addresses) >= ADDRESSES_KEPT:
                self._forget_idle(now_ms)
            found = self._addresses[address] = _Address()
        return found

    def _forget_idle(self, now_ms: int) -> None:
        idle = [name for name, one in self._addresses.items() if one.is_idle(now_ms)]
        for name in idle or list(self._addresses)[: ADDRESSES_KEPT // 10]:
            del self._addresses[name]

    def _windows(self, account: str) -> tuple[_Window, _Window]:
        found = self._orders.get(account)
        if found is None:
            found = self._orders[account] = (_Window(TEN_SECONDS_MS), _Window(DAY_MS))
        return found


def _seconds(left_ms: int) -> int:
    return -(-left_ms // 1000)


def _too_much(what: str, window: _Window, now_ms: int) -> RefusedError:
    text = (
        f"Too much {what}. Please use WebSocket Streams for live updates to avoid polling the API."
    )
    return RefusedError(Refusal(-1003, text, 429), window.left_s(now_ms))


def _banned(client: _Address, now_ms: int) -> RefusedError:
    text = (
        f"Way too much request weight used; IP banned until {client.banned_until_ms}. Please use "
        "WebSocket Streams for live updates to avoid bans."
    )
    return RefusedError(Refusal(-1003, text, 418), _seconds(client.banned_until_ms - now_ms))


def rate_limits(limits: RateLimits) -> list[dict[str, Any]]:
    """All limits as exchangeInfo lists them."""
    return [weight_limit(limits), *order_limits(limits), request_limit(limits)]


def weight_limit(limits: RateLimits) -> dict[str, Any]:
    """The request-weight limit as exchangeInfo lists it."""
    return _row("REQUEST_WEIGHT", "MINUTE", 1, limits.weight_per_minute)


def request_limit(limits: RateLimits) -> dict[str, Any]:
    """The limit of requests of any weight as exchangeInfo lists it."""
    return _row("RAW_REQUESTS", "MINUTE", 5, limits.requests_per_5min)


def order_limits(limits: RateLimits) -> list[dict[str, Any]]:
    """The order-count limits as exchangeInfo lists them."""
    return [
        _row("ORDERS", "SECOND", 10, limits.orders_per_10s),
        _row("ORDERS", "DAY", 1, limits.orders_per_day),
    ]


def _row(kind: str, interval: str, number: int, limit: int) -> dict[str, Any]:
    return {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit}
