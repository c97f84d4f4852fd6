"""How fast things happen to one symbol of the flow market, and how that swings.

The rate is a product: what the listing's turnover makes usual, times an activity whose mean is 1.
Activity is the sum of a slow part, the exponential of three relaxing Gaussian walks (seconds, tens
of seconds, minutes), and of an excited part: each taker's order adds to two rates that decay within
fractions of a second and within seconds (a Hawkes process). Clusters of trades, seconds with many
times the usual messages and the fat tails of the returns come from here.
"""

from __future__ import annotations

from math import exp, sqrt
from random import Random
from typing import Final

import msgspec

from procs.localvenue.market.listings import Listing

QUOTES_MAX: Final = 140.0
"""Changes of the touch in a second, for the symbols with the highest turnover."""
QUOTES_MIN: Final = 1.2
BUSY_MILLIONS: Final = 800.0
"""From this turnover on, in million USDT a day, a symbol is as busy as it gets."""

SLOW_MS: Final = (1_500.0, 4_000.0, 20_000.0)
SLOW_VARIANCES: Final = (0.42, 0.55, 0.1)
EXCITED_PER_MS: Final = (1 / 180, 1 / 3_000)
EXCITED_SHARES: Final = (0.1, 0.12)
"""How much of the mean activity each of the excited rates carries: their branching ratios."""
ACTIVITY_MIN: Final = 0.1
ACTIVITY_MAX: Final = 9.0
UPDATE_MS: Final = 100.0
"""The slow part moves when so much time has passed."""
PRESSURE_MS: Final = 3_000.0

_SLOW_SHARE: Final = 1 - sum(EXCITED_SHARES)
_SLOW_VARIANCE: Final = sum(SLOW_VARIANCES)


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """Mean events in a second of one symbol."""

    takes: float
    """Taker's orders that leave the touch where it is."""
    touches: float
    """Orders that come to the touch or leave it."""
    deeps: float
    """Changes behind the touch; each says some levels at once."""
    deep_levels: float
    openings: float
    """The best level of a side vanishes, and the spread is wide for a moment."""
    closings: float
    """Attempts to close a wide spread, while it is wide."""

    @property
    def total(self) -> float:
        """Events in a second while the spread is at rest."""
        return self.takes + self.touches + self.deeps + self.openings


def usual_quotes(turnover_millions: float) -> float:
    """Changes of the touch in a second that go with a day's turnover in million USDT."""
    busy: float = min(turnover_millions / BUSY_MILLIONS, 1.0) ** 0.6
    return max(QUOTES_MAX * busy, QUOTES_MIN)


def rates_for(listing: Listing, quotes: float | None = None) -> Rates:
    """The rates of a listing; `quotes` (changes of the touch in a second) replaces the usual."""
    if quotes is None:
        quotes = usual_quotes(listing.turnover_millions)
    if quotes <= QUOTES_MAX:
        openings = 0.0175 * quotes * (QUOTES_MAX / quotes) ** 0.2
    else:
        openings = 0.0175 * QUOTES_MAX * sqrt(quotes / QUOTES_MAX)
    takes = 0.15 * quotes
    levels = min(takes * 26, 1_500.0)
    deep_levels = 7.0 if levels < 600 else 24.0
    return Rates(
        takes=takes,
        touches=max(quotes - takes - 4.4 * openings, 0.4 * quotes),
        deeps=levels / deep_levels,
        deep_levels=deep_levels,
        openings=openings,
        closings=min(max(1.6 * quotes, 40.0), 600.0),
    )


class Pace(msgspec.Struct, kw_only=True):
    """The swinging activity of one symbol; times in ms of market time."""

    kick_short: float
    kick_long: float
    swing: float
    at_ms: float = 0.0
    moved_ms: float = 0.0
    slow_seconds: float = 0.0
    slow_tens: float = 0.0
    slow_minutes: float = 0.0
    slow: float = 1.0
    short: float = EXCITED_SHARES[0]
    long: float = EXCITED_SHARES[1]
    pressure: float = 0.0
    """Who is more eager: above 0 buyers; the queues at the touch lean to it. Variance 1."""

    def excite(self) -> None:
        """A taker's order came: more will follow."""
        self.short += self.kick_short
        self.long += self.kick_long

    def activity(self, now_ms: float, random: Random) -> float:
        """The factor on all rates from now on."""
        passed_ms = now_ms - self.at_ms
        self.at_ms = now_ms
        self.short *= exp(-passed_ms * EXCITED_PER_MS[0])
        self.long *= exp(-passed_ms * EXCITED_PER_MS[1])
        passed_ms = now_ms - self.moved_ms
        if passed_ms >= UPDATE_MS:
            self.moved_ms = now_ms
            self._move(passed_ms, random)
        activity = self.slow + self.short + self.long
        return min(max(activity, ACTIVITY_MIN), ACTIVITY_MAX)

    def _move(self, passed_ms: float, random: Random) -> None:
        gauss = random.gauss
        walks = []
        before = (self.slow_seconds, self.slow_tens, self.slow_minutes)
        for walk, relax_ms, variance in zip(before, SLOW_MS, SLOW_VARIANCES, strict=True):
            kept = exp(-passed_ms / relax_ms)
            walks.append(walk * kept + sqrt(variance * (1 - kept * kept)) * gauss(0.0, 1.0))
        self.slow_seconds, self.slow_tens, self.slow_minutes = walks
        swing = self.swing
        self.slow = _SLOW_SHARE * exp(swing * sum(walks) - swing * swing * _SLOW_VARIANCE / 2)
        kept = exp(-passed_ms / PRESSURE_MS)
        self.pressure = self.pressure * kept + sqrt(1 - kept * kept) * gauss(0.0, 1.0)


def new_pace(rates: Rates, swing: float, random: Random) -> Pace:
    """A pace that begins somewhere in its usual range; swing is a factor on the slow part's walks.

    Raising the factor raises the bursts: 1 is what the recorded files do."""
    takes_per_ms = (rates.takes + rates.openings / 2) / 1_000
    pace = Pace(
        kick_short=min(EXCITED_SHARES[0] * EXCITED_PER_MS[0] / takes_per_ms, 4.0),
        swing=swing,
        kick_long=min(EXCITED_SHARES[1] * EXCITED_PER_MS[1] / takes_per_ms, 1.0),
    )
    pace.activity(10 * SLOW_MS[-1], random)
    pace.at_ms = pace.moved_ms = 0.0
    return pace
