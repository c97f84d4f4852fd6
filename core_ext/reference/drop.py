"""The drop window over a list of peaks."""

from __future__ import annotations

import math
from array import array
from decimal import Decimal
from typing import TYPE_CHECKING

from core_ext.errors import NumberRefused

if TYPE_CHECKING:
    from typing_extensions import Buffer


class DropWindow:
    """See core_ext.drop.DropWindow."""

    def __init__(self, window_ns: int, limit: int = 65_536) -> None:
        if not 0 < window_ns < 2**62:
            raise NumberRefused("window_ns", window_ns, "1 to 2^62 - 1")
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


class DropWindows:
    """See core_ext.drop.DropWindows."""

    def __init__(self, symbols: int, window_ns: int, limit: int = 65_536) -> None:
        DropWindow(window_ns, limit)
        if not 1 <= symbols <= 1_000_000:
            raise NumberRefused("symbols", symbols, "1 to 1000000")
        self.window_ns = window_ns
        self.limit = limit
        self.drops = array("d", bytes(8 * symbols))
        self._each = [DropWindow(window_ns, limit) for _ in range(symbols)]

    def update(self, ts_ns: int, prices: Buffer) -> array[float]:
        """Takes the newest price of every symbol; returns `drops`, written anew."""
        row = memoryview(prices)
        if row.nbytes != 8 * len(self._each) or row.format != "d":
            raise NumberRefused("prices", row.nbytes, f"{len(self._each)} floats of 8 bytes")
        size = 8 * len(self.drops)
        if size != row.nbytes:
            raise NumberRefused("drops", size, f"{row.nbytes} bytes, as they were made")
        for at, price in enumerate(row):
            if not (math.isfinite(price) and price > 0):
                raise NumberRefused(f"price {at}", price, "a positive finite number")
        for at, price in enumerate(row):
            self.drops[at] = self._each[at].update(ts_ns, price)
        return self.drops

    def _of(self, i: int) -> DropWindow:
        if not 0 <= i < len(self._each):
            raise NumberRefused("symbol", i, f"0 to {len(self._each) - 1}")
        return self._each[i]

    def seed(self, i: int, ts_ns: int, high: float | Decimal) -> None:
        """Adds a high of the past to symbol i."""
        self._of(i).seed(ts_ns, high)

    def void(self, i: int) -> None:
        """Forgets everything of symbol i."""
        self._of(i).void()

    def anchor(self, i: int) -> float | None:
        """The highest price of symbol i's window; None without data."""
        return self._of(i).anchor()

    def __len__(self) -> int:
        return len(self._each)
