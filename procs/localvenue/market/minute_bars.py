"""One-minute bars counted in integers as trades print, and candles of longer intervals from them.

Older bars may come from a past that was there before the first trade; it ends where the live bars
begin.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Final, Protocol

import msgspec

from procs.localvenue.market.bar_columns import MINUTE_MS, Bar, BarColumns
from procs.localvenue.market.events import Candle
from shared.errors import ConfigError

__all__ = [
    "DAY_MS",
    "MINUTE_MS",
    "Bar",
    "History",
    "MinuteBars",
    "NoPast",
    "Origin",
    "Past",
    "no_history",
]

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000
WEEK_MS: Final = 7 * DAY_MS
MONDAY_MS: Final = 3 * DAY_MS
"""Weeks begin on Monday; so long before the epoch one began."""
LIVE_BARS_MAX: Final = 2_000
LIVE_BARS_KEPT: Final = 1_560
"""26 hours: whoever asks for a day of bars is answered with what really printed."""
UNITS_MS: Final = (DAY_MS, HOUR_MS, 900_000, MINUTE_MS)
"""The lengths of bars that a past is asked for."""


class Origin(msgspec.Struct, array_like=True, frozen=True):
    """Where the past ends and the live bars begin: the time and the price in ticks there."""

    at_ms: int
    price: int


class Past(Protocol):
    """The bars before an origin, without gaps, the last one ending at its price."""

    @property
    def minutes(self) -> BarColumns:
        """The newest bars in minutes, up to the one before the origin or the one that holds it."""

    def older(self, unit_ms: int, from_ms: int, to_ms: int) -> Iterable[Bar]:
        """What lies before `minutes` and opens between the two times, oldest first, in bars of
        unit_ms (one of UNITS_MS) or of shorter lengths that divide it."""


class NoPast:
    """For sources that must not invent anything: there is nothing before the origin."""

    def __init__(self) -> None:
        self.minutes = BarColumns(0)

    def older(self, unit_ms: int, from_ms: int, to_ms: int) -> Iterable[Bar]:
        """See Past: nothing."""
        return ()


History = Callable[[Origin], Past]


def no_history(origin: Origin) -> Past:
    """See NoPast."""
    return NoPast()


class MinuteBars:
    """The bars of one symbol."""

    def __init__(
        self, tick_size: Decimal, unit_size: Decimal, origin: Origin | None, history: History
    ) -> None:
        self._tick_size = tick_size
        self._unit_size = unit_size
        self._make_past = history
        self._known_past: Past | None = None
        self.origin = origin
        self._live = BarColumns(0)
        """From the minute of the origin on, without gaps; empty before the first trade."""
        self._live_until_ms = -sys.maxsize
        """Where the newest live bar ends: what prints before it joins that bar."""

    def add(self, at_ms: int, price: int, quantity: int) -> None:
        """A trade printed; price in ticks, quantity in units.

        When the owner's clock went back, it counts for the newest minute. After a silence of more
        than 26 hours the bars begin anew."""
        if at_ms < self._live_until_ms:
            self._live.join_trade(price, quantity)
            return
        open_ms = at_ms - at_ms % MINUTE_MS
        self._take(Bar(open_ms, price, price, price, price, quantity, price * quantity, 1))
        if len(self._live) > LIVE_BARS_MAX:
            self.resume(*self.newest(LIVE_BARS_KEPT))

    def _take(self, bar: Bar) -> None:
        live = self._live
        if self.origin is None:
            self.origin = Origin(bar.open_ms, bar.open)
        first_ms = self.origin.at_ms // MINUTE_MS * MINUTE_MS
        if not len(live):
            live = self._live = BarColumns(first_ms)
            close = self.origin.price
        else:
            close = live.last_close
        if bar.open_ms < live.end_ms and len(live):
            live.join_last(bar)
            return
        if bar.open_ms - live.end_ms > LIVE_BARS_KEPT * MINUTE_MS:
            self.origin, self._known_past = Origin(bar.open_ms, bar.open), None
            live = self._live = BarColumns(bar.open_ms)
        live.fill(bar.open_ms, close)
        live.append(bar)
        self._live_until_ms = live.end_ms

    def newest(self, count: int) -> tuple[Origin | None, list[Bar]]:
        """The newest live bars and the origin before them: enough to go on from."""
        live = self._live
        if len(live) <= count:
            return self.origin, live.bars()
        kept = live.between(live.end_ms - count * MINUTE_MS, live.end_ms).bars()
        return Origin(kept[0].open_ms, kept[0].open), kept

    def resume(self, origin: Origin | None, live: list[Bar]) -> None:
        """Goes on from bars that `newest` gave."""
        self.origin, self._known_past = origin, None
        self._live = BarColumns(0)
        self._live_until_ms = -sys.maxsize
        for bar in live:
            self._take(bar)

    def _past(self) -> Past:
        if self._known_past is None:
            self._known_past = NoPast() if self.origin is None else self._make_past(self.origin)
        return self._known_past

    def _window(self, from_ms: int, now_ms: int) -> BarColumns:
        """Minutes from from_ms (a full one) to the one holding now; silent minutes are flat."""
        if self.origin is None:
            return BarColumns(from_ms)
        past, live = self._past().minutes, self._live
        first_ms = past.first_ms if len(past) else self.origin.at_ms // MINUTE_MS * MINUTE_MS
        until_ms = now_ms // MINUTE_MS * MINUTE_MS + MINUTE_MS
        window = past.between(max(from_ms, first_ms), until_ms)
        close = self.origin.price
        if len(live):
            if len(window) and live.first_ms < window.end_ms:
                # The minute of the origin began in the past and goes on in the live bars.
                window.join_last(live.joined(0, 1))
            window.fill(min(live.first_ms, until_ms), close)
            if live.first_ms < until_ms:
                if live.end_ms <= window.end_ms:
                    close = live.last_close
                else:
                    window.extend(live.between(window.end_ms, until_ms), window.end_ms)
        if len(window):
            close = window.last_close
        window.fill(until_ms, close)
        return window

    def highest(self, window_ms: int, now_ms: int) -> int | None:
        """The highest price of the minutes that reach into the window before now, in ticks."""
        from_ms = (now_ms - window_ms) // MINUTE_MS * MINUTE_MS
        return self._window(from_ms, now_ms).highest()

    def day_volume(self, now_ms: int) -> Decimal:
        """Quote units that were traded in the 24 hours before now."""
        from_ms = (now_ms - DAY_MS) // MINUTE_MS * MINUTE_MS + MINUTE_MS
        return self._tick_size * self._unit_size * self._window(from_ms, now_ms).turnover()

    def candles(self, interval_ms: int, limit: int, now_ms: int) -> list[Candle]:
        """The newest `limit` candles up to now_ms, oldest first; interval in whole minutes.

        Weeks begin on Monday, everything else at multiples of its length. now_ms may lie in the
        past: then nothing later is in them, as far as whole minutes tell. Raises ConfigError for
        other intervals."""
        if interval_ms <= 0 or interval_ms % MINUTE_MS:
            raise ConfigError(f"candle interval {interval_ms} ms, allowed: whole minutes")
        shift_ms = MONDAY_MS if interval_ms % WEEK_MS == 0 else 0
        newest_ms = now_ms - (now_ms + shift_ms) % interval_ms
        from_ms = max(newest_ms - (limit - 1) * interval_ms, 0)
        joined: list[Bar] = []
        unit_ms = next(unit_ms for unit_ms in UNITS_MS if interval_ms % unit_ms == 0)
        older = () if self.origin is None else self._past().older(unit_ms, from_ms, now_ms + 1)
        for bar in older:
            _add(joined, bar, bar.open_ms - (bar.open_ms + shift_ms) % interval_ms)
        window = self._window(from_ms, now_ms)
        start, count = 0, len(window)
        while start < count:
            open_ms = window.first_ms + start * MINUTE_MS
            open_ms -= (open_ms + shift_ms) % interval_ms
            stop = min((open_ms + interval_ms - window.first_ms) // MINUTE_MS, count)
            _add(joined, window.joined(start, stop), open_ms)
            start = stop
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


def _add(joined: list[Bar], bar: Bar, open_ms: int) -> None:
    """Takes a bar into the candle that opens at open_ms, which is the last one or a new one."""
    if joined and joined[-1].open_ms == open_ms:
        joined[-1].join(bar)
    else:
        bar.open_ms = open_ms
        joined.append(bar)
