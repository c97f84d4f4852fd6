"""The rate budget of one account, fed by the venue's own counters (O9, L10).

30 % of each window is kept for cancels, stops and exits. A rate refusal stops entries until the
venue's time and thins exits out; a ban silences everything until it ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from shared.messages.venue import Meaning
from shared.units import NS_PER_MS, NS_PER_S

RESERVED_FOR_EXITS: Final = 0.3
EXIT_SPACING_NS: Final = 250 * NS_PER_MS
"""Between two exits while the venue asks for a pause: going on at full speed turns into a ban."""


class Silence(msgspec.Struct, frozen=True):
    """Not to be sent now: why, and not before which engine time."""

    meaning: Meaning
    until_ns: int
    text: str


class Window:
    """One of the venue's counters, reset at the multiples of its length as the venue does."""

    def __init__(self, header: str, length_ns: int, limit: int) -> None:
        self.header = header
        self.length_ns = length_ns
        self.limit = limit
        self.used = 0
        self._number = 0

    def turn(self, now_ns: int) -> None:
        """Starts a fresh count when a new window began."""
        number = now_ns // self.length_ns
        if number != self._number:
            self._number = number
            self.used = 0

    def end_ns(self) -> int:
        """When the current window ends."""
        return (self._number + 1) * self.length_ns

    def seen(self, count: int, now_ns: int) -> None:
        """The venue's count; other users of the address or account are in it."""
        self.turn(now_ns)
        self.used = max(self.used, count)

    def has_room(self, count: int, exit_priority: bool) -> bool:
        """Whether count more fits below the share that the request may use."""
        share = self.limit if exit_priority else int(self.limit * (1 - RESERVED_FOR_EXITS))
        return self.used + count <= share


class RateBudget:
    """Request weight and order counts; engine times throughout."""

    def __init__(self, weight_per_minute: int = 6000, orders_per_10s: int = 100) -> None:
        self.weight = Window("x-mbx-used-weight-1m", 60 * NS_PER_S, weight_per_minute)
        self.orders = Window("x-mbx-order-count-10s", 10 * NS_PER_S, orders_per_10s)
        self.paused_until_ns = 0
        self.banned_until_ns = 0
        self._last_exit_ns = 0

    def admit(self, weight: int, orders: int, exit_priority: bool, now_ns: int) -> Silence | None:
        """Books the request and returns None, or says why it must not be sent."""
        if now_ns < self.banned_until_ns:
            return Silence(Meaning.BANNED, self.banned_until_ns, "banned by the venue")
        if now_ns < self.paused_until_ns:
            if not exit_priority:
                return Silence(Meaning.RATE, self.paused_until_ns, "the venue asked for a pause")
            if now_ns < self._last_exit_ns + EXIT_SPACING_NS:
                next_ns = self._last_exit_ns + EXIT_SPACING_NS
                return Silence(Meaning.RATE, next_ns, "exits are spaced during a pause")
        for window, count, what in (
            (self.weight, weight, "request weight"),
            (self.orders, orders, "orders"),
        ):
            window.turn(now_ns)
            if count and not window.has_room(count, exit_priority):
                used = f"{window.used} of {window.limit} used"
                return Silence(Meaning.RATE, window.end_ns(), f"rate budget of {what}: {used}")
        self.weight.used += weight
        self.orders.used += orders
        if now_ns < self.paused_until_ns:
            self._last_exit_ns = now_ns
        return None

    def heard(self, headers: Mapping[str, str], sent_ns: int, now_ns: int) -> None:
        """Takes over the venue's counters from an answer's headers (lower-case names)."""
        for window in (self.weight, self.orders):
            count = headers.get(window.header, "")
            # A count of the window in which it was sent says nothing about the next one.
            same_window = sent_ns // window.length_ns == now_ns // window.length_ns
            if same_window and count.isascii() and count.isdigit():
                window.seen(int(count[:9]), now_ns)

    def refused(self, meaning: Meaning, until_ns: int) -> None:
        """The venue refused by rate: a pause for entries, or a ban for everything."""
        if meaning is Meaning.BANNED:
            self.banned_until_ns = max(self.banned_until_ns, until_ns)
        else:
            self.paused_until_ns = max(self.paused_until_ns, until_ns)

    def is_paused(self, now_ns: int) -> bool:
        """Whether the venue asked for a pause that is not over."""
        return now_ns < max(self.paused_until_ns, self.banned_until_ns)

    def figures(self, now_ns: int) -> dict[str, float]:
        """Counters for heartbeats."""
        self.weight.turn(now_ns)
        self.orders.turn(now_ns)
        return {
            "venue_weight_used": float(self.weight.used),
            "venue_weight_limit": float(self.weight.limit),
            "venue_orders_used": float(self.orders.used),
            "venue_paused_s": max(0, self.paused_until_ns - now_ns) / NS_PER_S,
            "venue_banned_s": max(0, self.banned_until_ns - now_ns) / NS_PER_S,
        }
