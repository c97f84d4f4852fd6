"""A plausible past for a symbol that begins to exist: one-minute bars before its first price.

The walk runs backwards from the first price and is held between 2.5 % below and 0.3 % above it:
anchors are seeded from these highs, and a past peak would make the engine buy an old fall.
"""

from __future__ import annotations

from math import exp, sqrt
from random import Random
from typing import Final

from procs.localvenue.market.minute_bars import MINUTE_MS, Bar, Origin

PAST_MINUTES: Final = 30 * 60
HIGHEST: Final = 0.003
LOWEST: Final = -0.025
HABITUAL: Final = -0.004
"""Where the past stood against the first price, as a logarithm, most of the time."""
HALF_LIFE_MINUTES: Final = 90
WICK_HIGHEST: Final = 0.0045


def past_bars(
    seed_text: str, origin: Origin, volatility_pct: float, units_a_minute: float
) -> list[Bar]:
    """The bars of the 30 hours before origin, the last one closing at its price.

    Equal arguments give equal bars; volatility in per cent a day, volume in units a minute."""
    random = Random(seed_text)
    sigma = volatility_pct / 100 / sqrt(1440)
    pull = 0.69 / HALF_LIFE_MINUTES
    price, deviation = origin.price, 0.0
    ceiling = max(int(price * exp(WICK_HIGHEST)), price)
    open_ms = (origin.at_ms - 1) // MINUTE_MS * MINUTE_MS
    bars = []
    close = price
    for _ in range(PAST_MINUTES):
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
                1 + int(random.expovariate(1 / 140)),
            )
        )
        close = start
        open_ms -= MINUTE_MS
    bars.reverse()
    return bars
