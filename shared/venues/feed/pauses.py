"""How long a feed waits before it tries again: each time twice as long, up to a bound."""

from __future__ import annotations

import asyncio

from shared.units import NS_PER_S
from shared.venues.feed.port import FeedLimits


class Pauses:
    """The pauses of one connection or subscription."""

    def __init__(self, limits: FeedLimits) -> None:
        self._limits = limits
        self._next_s = limits.backoff_min_s

    async def after(self, lived_ns: int = 0) -> None:
        """Waits after something that lived so long; a good one makes the pauses small again."""
        limits = self._limits
        if lived_ns >= limits.settled_s * NS_PER_S:
            self._next_s = limits.backoff_min_s
        pause_s, self._next_s = self._next_s, min(self._next_s * 2, limits.backoff_max_s)
        await asyncio.sleep(pause_s)
