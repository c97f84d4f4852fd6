"""A plausible past for a symbol that begins to exist: bars before its first price.

The newest 30 hours are one-minute bars. That walk runs backwards from the first price and is held
between 2.5 % below and 0.3 % above it: anchors are seeded from these highs, and a past peak would
make the engine buy an old fall. Before it lie hours back to midnight and then days, which are taken
apart into hours, quarters and minutes when somebody asks: a candle of any interval is the join of
its minutes.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from math import exp, sqrt
from random import Random
from typing import Final

from procs.localvenue.market.bar_columns import MINUTE_MS, Bar, BarColumns
from procs.localvenue.market.bar_split import split
from procs.localvenue.market.minute_bars import DAY_MS, HOUR_MS, UNITS_MS, Origin

PAST_MINUTES: Final = 30 * 60
PAST_DAYS: Final = 550
"""Enough for 1,000 bars of every interval up to 12 hours."""
HIGHEST: Final = 0.003
LOWEST: Final = -0.025
HABITUAL: Final = -0.004
"""Where the past stood against the first price, as a logarithm, most of the time."""
HALF_LIFE_MINUTES: Final = 90
WICK_HIGHEST: Final = 0.0045
TRADES_A_MINUTE: Final = 140
HALF_LIFE_DAYS: Final = 40
"""How fast the price of the days forgets how far it was from the first price."""
PARTS_CACHED: Final = 4_096
"""How many days, hours and quarters, of all symbols, are kept taken apart: some megabytes."""


class GeneratedPast:
    """See the module; implements Past. Equal arguments give equal bars."""

    def __init__(
        self, seed_text: str, origin: Origin, volatility_pct: float, units_a_minute: float
    ) -> None:
        """The last bar closes at the origin's price; volatility in per cent a day."""
        self._seed_text = seed_text
        self._sigma = volatility_pct / 100
        self._units_a_minute = units_a_minute
        self.minutes = _minutes(seed_text, origin, volatility_pct, units_a_minute)
        self._older: tuple[BarColumns, BarColumns] | None = None

    def older(self, unit_ms: int, from_ms: int, to_ms: int) -> Iterator[Bar]:
        """See Past."""
        if from_ms >= self.minutes.first_ms:
            return
        if self._older is None:
            self._older = self._make_older()
        for columns in self._older:
            step_ms = columns.step_ms
            inside = columns.between(from_ms // step_ms * step_ms, to_ms)
            for bar in inside.bars():
                yield from self._pieces(bar, step_ms, unit_ms, from_ms, to_ms)

    def _pieces(
        self, bar: Bar, bar_ms: int, unit_ms: int, from_ms: int, to_ms: int
    ) -> Iterator[Bar]:
        """The bar itself, or its parts in units, as far as they open between the two times."""
        if bar_ms <= unit_ms:
            if from_ms <= bar.open_ms < to_ms:
                yield bar
            return
        parts = _parts(self._seed_text, bar_ms, *_fields(bar))
        inside = parts.between(from_ms // parts.step_ms * parts.step_ms, to_ms)
        for part in inside.bars():
            yield from self._pieces(part, parts.step_ms, unit_ms, from_ms, to_ms)

    def _make_older(self) -> tuple[BarColumns, BarColumns]:
        """Days, and after them the hours until the minutes begin."""
        random = Random(f"{self._seed_text}/older")
        end_ms = self.minutes.first_ms
        price = anchor = self.minutes.joined(0, 1).open
        midnight_ms = end_ms // DAY_MS * DAY_MS
        made = []
        for step_ms, first_ms in (
            (HOUR_MS, midnight_ms),
            (DAY_MS, midnight_ms - PAST_DAYS * DAY_MS),
        ):
            days = step_ms / DAY_MS
            sigma = self._sigma * sqrt(days)
            pull = 0.69 / HALF_LIFE_DAYS * days
            units = self._units_a_minute * step_ms / MINUTE_MS
            least = step_ms // MINUTE_MS
            bars = []
            for open_ms in range(end_ms - step_ms, first_ms - 1, -step_ms):
                bars.append(_coarse(open_ms, price, anchor, sigma, pull, units, least, random))
                price = bars[-1].open
            end_ms = first_ms
            made.append(BarColumns(first_ms, step_ms, reversed(bars)))
        hours, days_made = made
        return days_made, hours


def past_bars(
    seed_text: str, origin: Origin, volatility_pct: float, units_a_minute: float
) -> GeneratedPast:
    """The past before origin, the last bar closing at its price.

    Equal arguments give equal bars; volatility in per cent a day, volume in units a minute."""
    return GeneratedPast(seed_text, origin, volatility_pct, units_a_minute)


def _minutes(
    seed_text: str, origin: Origin, volatility_pct: float, units_a_minute: float
) -> BarColumns:
    """The newest 30 hours, and as many minutes more as the first hour needs to be whole."""
    random = Random(seed_text)
    sigma = volatility_pct / 100 / sqrt(1440)
    pull = 0.69 / HALF_LIFE_MINUTES
    price, deviation = origin.price, 0.0
    ceiling = max(int(price * exp(WICK_HIGHEST)), price)
    open_ms = (origin.at_ms - 1) // MINUTE_MS * MINUTE_MS
    first_ms = (open_ms - (PAST_MINUTES - 1) * MINUTE_MS) // HOUR_MS * HOUR_MS
    bars = []
    close = price
    while open_ms >= first_ms:
        deviation += pull * (HABITUAL - deviation) + sigma * random.gauss(0.0, 1.0)
        deviation = min(max(deviation, LOWEST), HIGHEST)
        start = max(round(price * exp(deviation)), 1)
        reach = price * sigma * 0.6
        high = max(min(max(start, close) + int(random.expovariate(1.0) * reach), ceiling), start)
        low = max(min(start, close) - int(random.expovariate(1.0) * reach), 1)
        volume = max(int(units_a_minute * random.lognormvariate(-0.18, 0.6)), 1)
        bars.append(
            Bar(
                open_ms,
                start,
                high,
                low,
                close,
                volume,
                volume * ((high + low + close) // 3),
                1 + int(random.expovariate(1 / TRADES_A_MINUTE)),
            )
        )
        close = start
        open_ms -= MINUTE_MS
    return BarColumns(first_ms, MINUTE_MS, reversed(bars))


def _coarse(
    open_ms: int,
    close: int,
    anchor: int,
    sigma: float,
    pull: float,
    units: float,
    least: int,
    random: Random,
) -> Bar:
    """The bar before the one that opened at `close`, drifting back to the anchor."""
    start = close * exp(sigma * random.gauss(0.0, 1.0))
    start = max(round(start * (anchor / start) ** pull), 1)
    reach = close * sigma * 0.5
    high = max(start, close) + int(random.expovariate(1.0) * reach)
    low = max(min(start, close) - int(random.expovariate(1.0) * reach), 1)
    busy = random.lognormvariate(-0.06, 0.35)
    volume = max(int(units * busy), least)
    return Bar(
        open_ms,
        start,
        high,
        low,
        close,
        volume,
        volume * ((start + high + low + close) // 4),
        least + int(least * TRADES_A_MINUTE * busy),
    )


def _fields(bar: Bar) -> tuple[int, int, int, int, int, int, int, int]:
    return (
        bar.open_ms,
        bar.open,
        bar.high,
        bar.low,
        bar.close,
        bar.volume,
        bar.turnover,
        bar.trades,
    )


@lru_cache(maxsize=PARTS_CACHED)
def _parts(seed_text: str, bar_ms: int, *fields: int) -> BarColumns:
    """A day's hours, an hour's quarters, a quarter's minutes."""
    part_ms = UNITS_MS[UNITS_MS.index(bar_ms) + 1]
    bar = Bar(*fields)
    random = Random(f"{seed_text}/{bar_ms}/{bar.open_ms}")
    made = split(bar, bar_ms // part_ms, part_ms, part_ms // MINUTE_MS, random)
    return BarColumns(bar.open_ms, part_ms, made)
