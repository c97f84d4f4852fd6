"""Seconds that pass whatever is done to the wall clock, and waiting by them."""

from __future__ import annotations

import time

from shared.clock import EngineClock
from shared.units import NS_PER_S

_CLOCK = EngineClock()


def now_s() -> float:
    """Engine time in seconds; only differences mean something."""
    return _CLOCK.now_ns() / NS_PER_S


def sleep_until(ends_s: float) -> None:
    """Sleeps until then; not at all when it has passed."""
    time.sleep(max(0.0, ends_s - now_s()))
