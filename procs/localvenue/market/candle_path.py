"""A candle of a file as a path: trades that touch its open, high, low and close and nothing beyond,
with the candle's whole volume; and between them instants at which only the book stirs."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from itertools import pairwise
from math import ceil
from random import Random
from typing import Final, NamedTuple

import msgspec

from procs.localvenue.market.bar_columns import Bar, BarColumns
from procs.localvenue.market.bar_split import shares, split
from shared.domain.instrument import Instrument

PIECE_MS: Final = 60_000.0
"""A candle that takes longer is first taken apart into shorter ones."""
ACT_MS: Final = 450.0
"""About so often a trade prints, if there is volume and time enough."""
ACTS_MIN: Final = 4
ACTS_MAX: Final = 2_000
PARTS_MAX: Final = 20_000
STIR_MS: Final = 800.0
"""The book says something at least so often."""
NEAR_END_FIRST: Final = 0.7
"""How often a candle goes to the end first that lies against its direction."""


class CandleSeries(msgspec.Struct, frozen=True):
    """The candles of one symbol: bars in ticks and steps, and when each of them opens in ms.

    The bars' own times mean nothing; the file may have gaps."""

    instrument: Instrument
    interval_ms: int
    times_ms: array[int]
    bars: BarColumns


class Act(NamedTuple):
    """Something that happens: a trade of so many steps at a price in ticks; without steps the book
    only stirs."""

    at_ms: int
    ticks: int
    steps: int
    buys: bool


def acts_of(bar: Bar, from_ms: float, to_ms: float, seed_text: str) -> Iterator[Act]:
    """What happens in a candle that passes between the two times; in order, equal for equal
    arguments. The trades' open, high, low, close and volume are the bar's."""
    random = Random(seed_text)
    length_ms = to_ms - from_ms
    parts = min(ceil(length_ms / PIECE_MS), bar.volume // ACTS_MIN, PARTS_MAX)
    if parts <= 1:
        yield from _piece(bar, from_ms, to_ms, random)
        return
    bar.trades = bar.volume
    bar.turnover = bar.volume * ((bar.high + bar.low) // 2)
    for number, part in enumerate(split(bar, parts, 1, ACTS_MIN, random)):
        yield from _piece(
            part,
            from_ms + length_ms * number / parts,
            from_ms + length_ms * (number + 1) / parts,
            random,
        )


def stirs(ticks: int, from_ms: float, to_ms: float) -> Iterator[Act]:
    """A silent time: the book stirs about a price, and nothing trades."""
    at_ms = from_ms + STIR_MS
    while at_ms < to_ms:
        yield Act(int(at_ms), ticks, 0, False)
        at_ms += STIR_MS


def _piece(bar: Bar, from_ms: float, to_ms: float, random: Random) -> Iterator[Act]:
    length_ms = to_ms - from_ms
    corners = _corners(bar, random)
    if bar.volume <= 0 and len(corners) == 1:
        yield from stirs(bar.open, from_ms, to_ms)
        return
    wanted = int(length_ms / ACT_MS * (0.6 + 0.4 * random.random()))
    count = max(min(max(wanted, ACTS_MIN), bar.volume, ACTS_MAX), len(corners))
    prices = _prices(bar, corners, count, random)
    weights = [0.1 + random.expovariate(1.0) for _ in prices]
    sizes = shares(max(bar.volume, count), weights, 1)
    # The first trade opens the candle, the last one prints before the next candle begins.
    shares_of_time = sorted(random.random() * 0.98 for _ in range(count - 1))
    at_ms, buys, last = from_ms, random.random() < 0.5, bar.open
    for share, ticks, steps in zip([0.0, *shares_of_time], prices, sizes, strict=True):
        now_ms = from_ms + share * length_ms
        yield from stirs(last, at_ms, now_ms)
        if ticks != last:
            buys = ticks > last
        elif random.random() < 0.3:
            buys = not buys
        yield Act(int(now_ms), ticks, steps, buys)
        at_ms, last = now_ms, ticks
    yield from stirs(last, at_ms, to_ms)


def _corners(bar: Bar, random: Random) -> list[int]:
    """Open, the two ends in a plausible order, close; each once if it follows itself."""
    ends = [bar.low, bar.high] if bar.close >= bar.open else [bar.high, bar.low]
    if random.random() >= NEAR_END_FIRST:
        ends.reverse()
    corners = [bar.open]
    for ticks in (*ends, bar.close):
        if ticks != corners[-1]:
            corners.append(ticks)
    return corners


def _prices(bar: Bar, corners: list[int], count: int, random: Random) -> list[int]:
    """`count` prices along the corners, each of which is among them; none beyond high and low."""
    if len(corners) == 1:
        return corners * count
    ways = [abs(to - start) for start, to in pairwise(corners)]
    steps = shares(count - 1, [float(way) for way in ways], 1)
    shiver = (bar.high - bar.low) * 0.04
    prices = [corners[0]]
    for start, to, number in zip(corners, corners[1:], steps, strict=False):
        for step in range(1, number):
            ticks = round(start + (to - start) * step / number + random.gauss(0.0, 1.0) * shiver)
            prices.append(min(max(ticks, bar.low), bar.high))
        prices.append(to)
    return prices
