"""One-second bars counted as trades print, in integers; seconds without trades are not kept."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import Final

import msgspec

SECOND_MS: Final = 1_000


class SecondBar(msgspec.Struct, frozen=True):
    """One second in which something traded; prices in lots, volumes in quantity units, turnovers
    in lots × units."""

    open_ms: int
    open: int
    high: int
    low: int
    close: int
    trades: int
    first_id: int
    last_id: int
    volume: int
    turnover: int
    bought: int
    """Of the volume, what takers bought."""
    bought_turnover: int


class SecondBars:
    """The newest seconds of one symbol: between `kept` and twice as many."""

    __slots__ = ("_columns", "_kept", "_sums")

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._columns = [array("q") for _ in range(8)]
        """Of SecondBar, up to last_id."""
        self._sums: list[list[int]] = [[] for _ in range(4)]
        """Volume, turnover and the buyers' part of both: longer than 64 bits now and then."""

    def add(self, at_ms: int, price: int, quantity: int, trade_id: int, is_bought: bool) -> None:
        """A trade printed; one of an older second counts for the newest."""
        opened, _, highs, lows, closes, counts, _, lasts = self._columns
        open_ms = at_ms - at_ms % SECOND_MS
        turnover = price * quantity
        if not opened or open_ms > opened[-1]:
            self._trim()
            row = (open_ms, price, price, price, price, 0, trade_id, trade_id)
            for column, value in zip(self._columns, row, strict=True):
                column.append(value)
            for sums in self._sums:
                sums.append(0)
        if price > highs[-1]:
            highs[-1] = price
        if price < lows[-1]:
            lows[-1] = price
        closes[-1] = price
        counts[-1] += 1
        lasts[-1] = trade_id
        volumes, turnovers, bought, bought_turnovers = self._sums
        volumes[-1] += quantity
        turnovers[-1] += turnover
        if is_bought:
            bought[-1] += quantity
            bought_turnovers[-1] += turnover

    def between(self, from_ms: int, to_ms: int) -> list[SecondBar]:
        """The bars that open from from_ms to before to_ms, oldest first."""
        opened = self._columns[0]
        start, stop = bisect_left(opened, from_ms), bisect_left(opened, to_ms)
        parts = [column[start:stop] for column in (*self._columns, *self._sums)]
        return [SecondBar(*row) for row in zip(*parts, strict=True)]

    def close_before(self, at_ms: int) -> int | None:
        """The last price before that second, as far as it is known."""
        place = bisect_left(self._columns[0], at_ms)
        return self._columns[4][place - 1] if place else None

    @property
    def first_ms(self) -> int | None:
        """The oldest second that is kept."""
        opened = self._columns[0]
        return opened[0] if opened else None

    def _trim(self) -> None:
        if len(self._columns[0]) >= 2 * self._kept:
            for column in self._columns:
                del column[: self._kept]
            for sums in self._sums:
                del sums[: self._kept]
