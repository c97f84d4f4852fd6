"""Request weight and order counts in fixed windows, as the exchange counts and reports them."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from procs.localvenue.matching.model import Refusal
from procs.localvenue.protocols.binance_spot.params import RefusedError

MINUTE_MS: Final = 60_000
TEN_SECONDS_MS: Final = 10_000
DAY_MS: Final = 86_400_000


class RateLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How much is allowed; the exchange's own numbers unless a test wants others."""

    weight_per_minute: int = 6_000
    orders_per_10s: int = 100
    orders_per_day: int = 200_000


class _Window:
    """A counter that begins again with each interval of the clock."""

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
        self._count = self.count(now_ms) + amount
        return self._count

    def left_s(self, now_ms: int) -> int:
        return (self._length_ms - now_ms % self._length_ms) // 1000 + 1


class Budget:
    """What this client address has used, and each account's orders."""

    def __init__(self, limits: RateLimits) -> None:
        self.limits = limits
        self._weight = _Window(MINUTE_MS)
        self._orders: dict[str, tuple[_Window, _Window]] = {}

    def spend(self, weight: int, now_ms: int) -> None:
        """Counts the weight of a request. Raises RefusedError (-1003, 429) beyond the limit."""
        if self._weight.add(weight, now_ms) > self.limits.weight_per_minute:
            raise RefusedError(
                Refusal(
                    -1003,
                    "Too much request weight used; current limit is "
                    f"{self.limits.weight_per_minute} request weight per 1 MINUTE. Please use "
                    "WebSocket Streams for live updates to avoid polling the API.",
                    429,
                )
            )

    def count_orders(self, account: str, orders: int, now_ms: int) -> None:
        """Counts new orders. Raises RefusedError (-1015, 429) beyond the limit."""
        short, day = self._windows(account)
        for window, limit, words in (
            (short, self.limits.orders_per_10s, "10 SECOND"),
            (day, self.limits.orders_per_day, "1 DAY"),
        ):
            if window.count(now_ms) + orders > limit:
                text = f"Too many new orders; current limit is {limit} orders per {words}."
                raise RefusedError(Refusal(-1015, text, 429))
        short.add(orders, now_ms)
        day.add(orders, now_ms)

    def headers(self, account: str | None, now_ms: int) -> dict[str, str]:
        """The exchange's headers that say what is used."""
        weight = str(self._weight.count(now_ms))
        headers = {"X-MBX-USED-WEIGHT": weight, "X-MBX-USED-WEIGHT-1M": weight}
        if account is not None:
            short, day = self._windows(account)
            headers["X-MBX-ORDER-COUNT-10S"] = str(short.count(now_ms))
            headers["X-MBX-ORDER-COUNT-1D"] = str(day.count(now_ms))
        return headers

    def retry_after_s(self, now_ms: int) -> int:
        """Seconds until the weight window begins again."""
        return self._weight.left_s(now_ms)

    def order_rows(self, account: str, now_ms: int) -> list[dict[str, Any]]:
        """The order counts as GET /api/v3/rateLimit/order lists them."""
        short, day = self._windows(account)
        rows = order_limits(self.limits)
        return [
            {**row, "count": window.count(now_ms)}
            for row, window in zip(rows, (short, day), strict=True)
        ]

    def weight_row(self, now_ms: int) -> dict[str, Any]:
        """The weight used as WebSocket API answers carry it."""
        return {**weight_limit(self.limits), "count": self._weight.count(now_ms)}

    def _windows(self, account: str) -> tuple[_Window, _Window]:
        found = self._orders.get(account)
        if found is None:
            found = self._orders[account] = (_Window(TEN_SECONDS_MS), _Window(DAY_MS))
        return found


def weight_limit(limits: RateLimits) -> dict[str, Any]:
    """The request-weight limit as exchangeInfo lists it."""
    return {
        "rateLimitType": "REQUEST_WEIGHT",
        "interval": "MINUTE",
        "intervalNum": 1,
        "limit": limits.weight_per_minute,
    }


def order_limits(limits: RateLimits) -> list[dict[str, Any]]:
    """The order-count limits as exchangeInfo lists them."""
    return [
        {
            "rateLimitType": "ORDERS",
            "interval": "SECOND",
            "intervalNum": 10,
            "limit": limits.orders_per_10s,
        },
        {
            "rateLimitType": "ORDERS",
            "interval": "DAY",
            "intervalNum": 1,
            "limit": limits.orders_per_day,
        },
    ]
