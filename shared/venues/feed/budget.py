"""Ingest's share of the venue's rate budget: request weight is paced, never overdrawn (L10).

A bucket of `burst` weight that refills evenly; what is asked first is served first. The venue's own
count stands above it: it knows what this process spent in an earlier life, and what others spend.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from shared.units import NS_PER_S
from shared.venues.budget import Window

BURST_WEIGHT: Final = 2400
REFILL_PER_S: Final = 20.0
"""At most 2400 + 60 * 20 = 3600 of Binance's 6000 a minute; the rest belongs to route."""
MINUTE_WEIGHT: Final = 6000
SHARE: Final = 0.8
"""Of the venue's count of the minute, whoever spent it: a data process that is restarted again and
again must leave to route what it needs to start and to exit."""
USED_WEIGHT: Final = "x-mbx-used-weight-1m"
TOLD_FROM_S: Final = 1.0
"""A shorter wait needs no explanation."""
TOLD_EVERY_NS: Final = 60 * NS_PER_S
"""A universe of hundreds waits between any two of its books for minutes: said once a minute."""


class Clock(Protocol):
    """Engine time."""

    def now_ns(self) -> int:
        """Now."""


class WeightBudget:
    """Paces requests by weight; the venue's own refusals (429, 418) pause it altogether."""

    def __init__(
        self,
        clock: Clock,
        burst: float = BURST_WEIGHT,
        refill_per_s: float = REFILL_PER_S,
        share: float = SHARE,
        minute_weight: int = MINUTE_WEIGHT,
        on_wait: Callable[[float], None] | None = None,
    ) -> None:
        """`share` is how much of the venue's minute may be used when this process asks; `on_wait`
        hears of long waits, in seconds."""
        self._minute = Window(USED_WEIGHT, 60 * NS_PER_S, int(minute_weight * share))
        self._clock = clock
        self._burst = burst
        self._refill_per_s = refill_per_s
        self._weight = burst
        self._filled_ns = clock.now_ns()
        self._not_before_ns = 0
        self._on_wait = on_wait
        self._told_ns = -TOLD_EVERY_NS
        self._turn = asyncio.Lock()

    async def take(self, weight: float) -> None:
        """Waits until weight may be spent, and spends it. ValueError when it never may."""
        if not 0 <= weight <= self._burst:
            raise ValueError(f"weight {weight} can never be taken, allowed up to {self._burst}")
        async with self._turn:
            while (wait_s := self._wait_s(weight)) > 0:
                self._tell(wait_s)
                await asyncio.sleep(wait_s)
            self._weight -= weight
            self._minute.used += int(weight)

    def heard(self, count: str) -> None:
        """What the venue has counted in this minute, as its header says it; else unchanged."""
        if count.isascii() and count.isdigit():
            self._minute.seen(int(count[:9]), self._clock.now_ns())

    def pause(self, seconds: float) -> None:
        """Nothing is sent for so long; a longer pause that already runs is kept."""
        until_ns = self._clock.now_ns() + int(seconds * NS_PER_S)
        self._not_before_ns = max(self._not_before_ns, until_ns)

    def _tell(self, wait_s: float) -> None:
        now_ns = self._clock.now_ns()
        if self._on_wait is None or wait_s < TOLD_FROM_S or now_ns - self._told_ns < TOLD_EVERY_NS:
            return
        self._told_ns = now_ns
        self._on_wait(wait_s)

    def _wait_s(self, weight: float) -> float:
        now_ns = self._clock.now_ns()
        gained = (now_ns - self._filled_ns) / NS_PER_S * self._refill_per_s
        self._weight = min(self._burst, self._weight + gained)
        self._filled_ns = now_ns
        self._minute.turn(now_ns)
        if not self._minute.has_room(int(weight), exit_priority=True):
            return (self._minute.end_ns() - now_ns) / NS_PER_S
        paused_s = (self._not_before_ns - now_ns) / NS_PER_S
        return max(paused_s, (weight - self._weight) / self._refill_per_s)
