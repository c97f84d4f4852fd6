"""One-minute bars counted in integers as trades print, and candles of longer intervals from them.

Older bars may come from a generated history, which ends where the live bars begin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Final

import msgspec

from procs.localvenue.market.events import Candle
from shared.errors import ConfigError

MINUTE_MS: Final = 60_000
DAY_MS: Final = 86_400_000
LIVE_BARS_MAX: Final = 3_000
LIVE_BARS_KEPT: Final = 1_560
"""26 hours: whoever asks for a day of bars is answered with what really printed."""


class Bar(msgspec.Struct, array_like=True):
    """One minute; prices in ticks, volume in quantity units, turnover in ticks × units."""

    open_ms: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    turnover: int
    trades: int

    def join(self, later: Bar) -> None:
        """Takes in a bar that follows this one."""
        self.high = max(self.high, later.high)
        self.low = min(self.low, later.low)
        self.close = later.close
        self.volume += later.volume
        self.turnover += later.turnover
        self.trades += later.trades


class Origin(msgspec.Struct, array_like=True, frozen=True):
    """Where the history ends and the live bars begin: the time and the price in ticks there."""

    at_ms: int
    price: int


History = Callable[[Origin], list[Bar]]
"""Makes the bars before an origin, oldest first, without gaps, the last one ending at its price."""


def no_history(origin: Origin) -> list[Bar]:
    """For sources that must not invent anything: there is nothing before the origin."""
    return []


class MinuteBars:
    """The bars of one symbol."""

    def __init__(
        self, tick_size: Decimal, unit_size: Decimal, origin: Origin | None, history: History
    ) -> None:
        self._tick_size = tick_size
        self._unit_size = unit_size
        self._make_history = history
        self._history: list[Bar] | None = None
        self.origin = origin
        self.live: list[Bar] = []

    def add(self, at_ms: int, price: int, quantity: int) -> None:
        """A trade printed; price in ticks, quantity in units.

        When the owner's clock went back, it counts for the newest minute."""
        open_ms = at_ms - at_ms % MINUTE_MS
        if self.live:
            open_ms = max(open_ms, self.live[-1].open_ms)
        if self.origin is None:
            self.origin = Origin(open_ms, price)
        printed = Bar(open_ms, price, price, price, price, quantity, price * quantity, 1)
        if self.live and self.live[-1].open_ms == open_ms:
            self.live[-1].join(printed)
            return
        self.live.append(printed)
        if len(self.live) > LIVE_BARS_MAX:
            self.resume(*self.newest(LIVE_BARS_KEPT))

    def newest(self, count: int) -> tuple[Origin | None, list[Bar]]:
        """The newest live bars and the origin before them: enough to go on from."""
        if len(self.live) <= count:
            return self.origin, self.live
        kept = self.live[-count:]
        return Origin(kept[0].open_ms, kept[0].open), kept

    def resume(self, origin: Origin | None, live: list[Bar]) -> None:
        """Goes on from bars that `newest` gave."""
        self.origin, self.live, self._history = origin, live, None

    def _past(self) -> list[Bar]:
        if self._history is None:
            self._history = [] if self.origin is None else self._make_history(self.origin)
        return self._history

    def _minutes(self, from_ms: int, now_ms: int) -> Iterator[Bar]:
        """Bars from from_ms (a full minute) to the one holding now_ms; silent minutes are flat."""
        past, live = self._past(), self.live
        if self.origin is None:
            return
        first_ms = past[0].open_ms if past else self.origin.at_ms // MINUTE_MS * MINUTE_MS
        at_ms = max(from_ms, first_ms)
        position = _first_from(live, at_ms)
        if position > 0:
            close = live[position - 1].close
        else:
            close = self.origin.price
        while at_ms <= now_ms:
            index = (at_ms - first_ms) // MINUTE_MS
            bar = None
            if index < len(past):
                bar = msgspec.structs.replace(past[index])
            if position < len(live) and live[position].open_ms == at_ms:
                if bar is None:
                    bar = msgspec.structs.replace(live[position])
                else:
                    bar.join(live[position])
                position += 1
            if bar is None:
                bar = Bar(at_ms, close, close, close, close, 0, 0, 0)
            close = bar.close
            yield bar
            at_ms += MINUTE_MS

    def highest(self, window_ms: int, now_ms: int) -> int | None:
        """The highest price of the minutes that reach into the window before now, in ticks."""
        from_ms = (now_ms - window_ms) // MINUTE_MS * MINUTE_MS
        return max((bar.high for bar in self._minutes(from_ms, now_ms)), default=None)

    def day_volume(self, now_ms: int) -> Decimal:
        """Quote units that were traded in the 24 hours before now."""
        from_ms = (now_ms - DAY_MS) // MINUTE_MS * MINUTE_MS + MINUTE_MS
        turnover = sum(bar.turnover for bar in self._minutes(from_ms, now_ms))
        return self._tick_size * self._unit_size * turnover

    def candles(self, interval_ms: int, limit: int, now_ms: int) -> list[Candle]:
        """The newest `limit` candles up to now_ms, oldest first; interval in whole minutes.

        Raises ConfigError for other intervals."""
        if interval_ms <= 0 or interval_ms % MINUTE_MS:
            raise ConfigError(f"candle interval {interval_ms} ms, allowed: whole minutes")
        newest_ms = now_ms - now_ms % interval_ms
        from_ms = max(newest_ms - (limit - 1) * interval_ms, 0)
        joined: list[Bar] = []
        for bar in self._minutes(from_ms, now_ms):
            open_ms = bar.open_ms - bar.open_ms % interval_ms
            if joined and joined[-1].open_ms == open_ms:
                joined[-1].join(bar)
            else:
                bar.open_ms = open_ms
                joined.append(bar)
        return [self._candle(bar) for bar in joined]

    def _candle(self, bar: Bar) -> Candle:
        tick, unit = self._tick_size, self._unit_size
        return Candle(
            open_ms=bar.open_ms,
            open=tick * bar.open,
            high=tick * bar.high,
            low=tick * bar.low,
            close=tick * bar.close,
            volume=unit * bar.volume,
            quote_volume=tick * unit * bar.turnover,
            trades=bar.trades,
        )


def _first_from(bars: list[Bar], at_ms: int) -> int:
    low, high = 0, len(bars)
    while low < high:
        middle = (low + high) // 2
        if bars[middle].open_ms < at_ms:
            low = middle + 1
        else:
            high = middle
    return low
