"""The only place that reads a clock.

Engine time is CLOCK_BOOTTIME shifted once, at the start of a run, to the wall clock: it is the
same in every process of a run, goes on during suspend, and never jumps when the wall clock is set.
Every duration, deadline and age is a difference of engine times (reliability.md §6, row 12).
"""

from __future__ import annotations

import time
from datetime import UTC, datetime


def boot_offset_ns() -> int:
    """Wall clock minus boot clock now; the supervisor takes it once, for all its children."""
    return time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class EngineClock:
    """Engine time in nanoseconds since the epoch, as the run's start understood it."""

    def __init__(self, offset_ns: int | None = None) -> None:
        self.offset_ns = boot_offset_ns() if offset_ns is None else offset_ns

    def now_ns(self) -> int:
        """Engine time."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) + self.offset_ns

    def error_ns(self) -> int:
        """How far the wall clock has moved against engine time since the run's start."""
        return time.time_ns() - self.now_ns()


def wall_ms() -> int:
    """The wall clock in milliseconds, for venues, which compare it with their own."""
    return time.time_ns() // 1_000_000


def cpu_ns() -> int:
    """CPU time of this thread, for measurements."""
    return time.thread_time_ns()


def iso(at_ns: int) -> str:
    """Engine or wall time as UTC text for people and logs, to the millisecond."""
    at = datetime.fromtimestamp(at_ns / 1e9, tz=UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
