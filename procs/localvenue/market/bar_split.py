"""A bar taken apart into shorter ones that join to exactly this bar again.

So a long past needs no more room than its coarse bars: an hour's minutes are made when somebody
asks for them, and a candle of a file becomes a path through its open, high, low and close.
"""

from __future__ import annotations

from itertools import pairwise
from math import sqrt
from random import Random

from procs.localvenue.market.bar_columns import Bar


def split(bar: Bar, parts: int, part_ms: int, least: int, random: Random) -> list[Bar]:
    """Bars of part_ms each, the first opening with the bar; prices, volume, turnover and trades
    join to the bar's own.

    Each part trades at least `least` times and units; the bar must have that many for all of them.
    A part opens where the one before it closed, and one of them each touches high and low."""
    nodes = _path(bar, parts, random)
    tops = [max(pair) for pair in pairwise(nodes)]
    feet = [min(pair) for pair in pairwise(nodes)]
    highest, lowest = tops.index(max(tops)), feet.index(min(feet))
    reach = (bar.high - bar.low) * 0.5 / sqrt(parts)
    weights = [0.25 + random.expovariate(1.0) for _ in range(parts)]
    volumes = shares(bar.volume, weights, least)
    trades = shares(bar.trades, weights, least)
    made = []
    for number in range(parts):
        high = min(tops[number] + int(random.expovariate(1.0) * reach), bar.high)
        low = max(feet[number] - int(random.expovariate(1.0) * reach), bar.low)
        if number == highest:
            high = bar.high
        if number == lowest:
            low = bar.low
        close = nodes[number + 1]
        volume = volumes[number]
        turnover = volume * ((high + low + close) // 3)
        open_ms = bar.open_ms + number * part_ms
        made.append(Bar(open_ms, nodes[number], high, low, close, volume, turnover, trades[number]))
    _settle(made, bar)
    return made


def _path(bar: Bar, parts: int, random: Random) -> list[int]:
    """Prices at the seams: a bridge from open to close that stays between low and high."""
    walk, steps = 0.0, [0.0]
    for _ in range(parts):
        walk += random.gauss(0.0, 1.0)
        steps.append(walk)
    scale = 0.6 * (bar.high - bar.low) / sqrt(parts)
    way = bar.close - bar.open
    nodes = [
        min(
            max(round(bar.open + way * n / parts + (step - walk * n / parts) * scale), bar.low),
            bar.high,
        )
        for n, step in enumerate(steps)
    ]
    nodes[0], nodes[-1] = bar.open, bar.close
    return nodes


def shares(total: int, weights: list[float], least: int) -> list[int]:
    """The total in whole numbers by weight, none below `least`; it must suffice for that."""
    left = total - least * len(weights)
    whole = sum(weights)
    shares = [int(left * (weight / whole)) for weight in weights]
    shares[weights.index(max(weights))] += left - sum(shares)
    return [share + least for share in shares]


def _settle(made: list[Bar], bar: Bar) -> None:
    """Moves the parts' turnovers, within their ranges, until they add up to the bar's."""
    missing = bar.turnover - sum(part.turnover for part in made)
    up = missing > 0
    rooms = [_room(part, up) for part in made]
    if sum(rooms) < abs(missing):
        # Too little room inside the parts' own ranges; inside the bar's there is always enough.
        for part in made:
            part.high, part.low = (bar.high, part.low) if up else (part.high, bar.low)
        rooms = [_room(part, up) for part in made]
    room = sum(rooms)
    left = min(abs(missing), room)
    if not left:
        return
    moves = [left * one // room for one in rooms]
    rest = left - sum(moves)
    for number, part in enumerate(made):
        more = min(rest, rooms[number] - moves[number])
        rest -= more
        moved = moves[number] + more
        part.turnover += moved if up else -moved


def _room(part: Bar, up: bool) -> int:
    if up:
        return part.volume * part.high - part.turnover
    return part.turnover - part.volume * part.low
