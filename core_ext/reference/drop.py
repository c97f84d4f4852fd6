"""The drop window over a list of peaks."""

from __future__ import annotations

import math
from decimal import Decimal

from core_ext.errors import NumberRefused


class DropWindow:
    """See core_ext.drop.DropWindow."""

    def __init__(self, window_ns: int, limit: int = 65_536) -> None:
        if window_ns <= 0:
            raise NumberRefused("window_ns", window_ns, "above 0")
        if not 16 <= limit <= 16_777_216:
            raise NumberRefused("limit", limit, "16 to 16777216")
        self.window_ns = window_ns
        self.limit = limit
        self.void()

    def void(self) -> None:
        """Forgets everything."""
        self._peaks: list[tuple[int, float]] = []
        self._first_ns: int | None = None
        self._last_ns: int | None = None
        self.seeded = False

    def update(self, ts_ns: int, price: float | Decimal) -> float:
        """Takes the newest price and returns the drop in per cent, at most 0 (E2)."""
        value = float(price)
        if not (math.isfinite(value) and value > 0):
            raise NumberRefused("price", price, "a positive finite number")
        now = ts_ns if self._last_ns is None else max(ts_ns, self._last_ns)
        kept = [(at, peak) for at, peak in self._peaks if peak > value]
        kept = [(at, peak) for at, peak in kept if at >= now - self.window_ns]
        if len(kept) == self.limit:
            kept[-1] = (now, kept[-1][1])
        else:
            kept.append((now, value))
        self._peaks = kept
        self._last_ns = now
        if self._first_ns is None:
            self._first_ns = now
        return min(0.0, (value / kept[0][1] - 1.0) * 100.0)

    def seed(self, ts_ns: int, high: float | Decimal) -> None:
        """Adds a high of the past, also after updates began."""
        value = float(high)
        if not (math.isfinite(value) and value > 0):
            raise NumberRefused("high", high, "a positive finite number")
        self.seeded = True
        if self._last_ns is not None and ts_ns < self._last_ns - self.window_ns:
            return
        older = [(at, peak) for at, peak in self._peaks if at <= ts_ns]
        newer = self._peaks[len(older) :]
        if newer and newer[0][1] >= value:
            return
        higher = [(at, peak) for at, peak in older if peak > value]
        if len(higher) == len(older) and len(self._peaks) == self.limit:
            if older:
                older[-1] = (ts_ns, older[-1][1])
            else:
                newer[0] = (newer[0][0], value)
            self._peaks = older + newer
            return
        self._peaks = [*higher, (ts_ns, value), *newer]

    def anchor(self) -> float | None:
        """The highest price of the window as of the last update; None without data."""
        return self._peaks[0][1] if self._peaks else None

    def age_ns(self, now_ns: int) -> int:
        """How long updates have been coming in; 0 without any."""
        return 0 if self._first_ns is None else max(0, now_ns - self._first_ns)

    def __len__(self) -> int:
        return len(self._peaks)
