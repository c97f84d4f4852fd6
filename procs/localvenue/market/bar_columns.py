"""Bars of one length without gaps, in columns of 64-bit integers: 56 bytes each, far less than
objects. Joining a run of them is a handful of slices."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, MutableSequence
from typing import Final

import msgspec

MINUTE_MS: Final = 60_000


class Bar(msgspec.Struct, array_like=True):
    """One bar; prices in ticks, volume in quantity units, turnover in ticks × units."""

    open_ms: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    turnover: int
    trades: int

    def join(self, later: Bar) -> None:
        """Takes in a bar that follows this one. Silence has no prices of its own: a bar without
        trades changes nothing, and after one the later bar's open counts."""
        if not later.trades:
            return
        if not self.trades:
            self.open, self.high, self.low = later.open, later.high, later.low
        self.high = max(self.high, later.high)
        self.low = min(self.low, later.low)
        self.close = later.close
        self.volume += later.volume
        self.turnover += later.turnover
        self.trades += later.trades


Column = MutableSequence[int]
"""An array of 64-bit integers; a plain list once a number came that is longer."""

OPEN, HIGH, LOW, CLOSE, VOLUME, TURNOVER, TRADES = range(7)


class BarColumns:
    """Bars of step_ms each, the first one opening at first_ms."""

    __slots__ = ("_columns", "first_ms", "step_ms")

    def __init__(self, first_ms: int, step_ms: int = MINUTE_MS, bars: Iterable[Bar] = ()) -> None:
        """`bars` follow each other without gaps, from first_ms on."""
        self.first_ms = first_ms
        self.step_ms = step_ms
        self._columns: list[Column] = [array("q") for _ in range(7)]
        for bar in bars:
            self.append(bar)

    def __len__(self) -> int:
        return len(self._columns[OPEN])

    @property
    def end_ms(self) -> int:
        """Where the last bar ends."""
        return self.first_ms + len(self) * self.step_ms

    @property
    def last_close(self) -> int:
        """The newest bar's close; there must be one."""
        return self._columns[CLOSE][-1]

    def append(self, bar: Bar) -> None:
        """Adds a bar at the end; its open_ms is where the last one ends."""
        row = (bar.open, bar.high, bar.low, bar.close, bar.volume, bar.turnover, bar.trades)
        for number, value in enumerate(row):
            try:
                self._columns[number].append(value)
            except OverflowError:
                self._columns[number] = [*self._columns[number], value]

    def join_last(self, later: Bar) -> None:
        """Takes what happened later into the newest bar."""
        if not self._columns[TRADES][-1] or not later.trades:
            last = self.joined(len(self) - 1, len(self))
            last.join(later)
            for column in self._columns:
                column.pop()
            self.append(last)
            return
        high, low, close = self._columns[HIGH], self._columns[LOW], self._columns[CLOSE]
        if later.high > high[-1]:
            high[-1] = later.high
        if later.low < low[-1]:
            low[-1] = later.low
        close[-1] = later.close
        self._columns[TRADES][-1] += later.trades
        self._grow(later.volume, later.turnover)

    def join_trade(self, price: int, quantity: int) -> None:
        """Takes one trade into the newest bar: `join_last` without a bar for it."""
        _, high, low, close, _, _, trades = self._columns
        if not trades[-1]:
            bar = Bar(self.end_ms, price, price, price, price, quantity, price * quantity, 1)
            self.join_last(bar)
            return
        if price > high[-1]:
            high[-1] = price
        if price < low[-1]:
            low[-1] = price
        close[-1] = price
        trades[-1] += 1
        self._grow(quantity, price * quantity)

    def _grow(self, volume: int, turnover: int) -> None:
        """Adds to what the newest bar traded."""
        columns = self._columns
        for number, value in ((VOLUME, volume), (TURNOVER, turnover)):
            column = columns[number]
            total = column[-1] + value
            try:
                column[-1] = total
            except OverflowError:
                columns[number] = [*column[:-1], total]

    def fill(self, end_ms: int, price: int) -> None:
        """Adds flat bars at this price until end_ms."""
        count = (end_ms - self.end_ms) // self.step_ms
        if count <= 0:
            return
        for number, column in enumerate(self._columns):
            column.extend([price if number <= CLOSE else 0] * count)

    def extend(self, other: BarColumns, from_ms: int) -> None:
        """Adds the bars of the other from from_ms on, which must be where these end."""
        index = (from_ms - other.first_ms) // self.step_ms
        for number, column in enumerate(other._columns):
            if isinstance(column, list):
                self._columns[number] = [*self._columns[number], *column[index:]]
            else:
                self._columns[number].extend(column[index:])

    def between(self, from_ms: int, to_ms: int) -> BarColumns:
        """A copy of the bars that open in this time; an empty one begins at from_ms."""
        start = max(-((self.first_ms - from_ms) // self.step_ms), 0)
        stop = max(-((self.first_ms - to_ms) // self.step_ms), start)
        found = BarColumns(
            max(self.first_ms, from_ms) if start < len(self) else from_ms, self.step_ms
        )
        found._columns = [column[start:stop] for column in self._columns]
        return found

    def drop_before(self, count: int) -> None:
        """Forgets all but the newest `count` bars."""
        gone = len(self) - count
        if gone > 0:
            self._columns = [column[gone:] for column in self._columns]
            self.first_ms += gone * self.step_ms

    def joined(self, start: int, stop: int) -> Bar:
        """The bars from index start to before stop, at least one, as one; see Bar.join."""
        columns = self._columns
        if stop - start > 1 and not min(columns[TRADES][start:stop]):
            bars = [self.joined(index, index + 1) for index in range(start, stop)]
            for bar in bars[1:]:
                bars[0].join(bar)
            return bars[0]
        return Bar(
            self.first_ms + start * self.step_ms,
            columns[OPEN][start],
            max(columns[HIGH][start:stop]),
            min(columns[LOW][start:stop]),
            columns[CLOSE][stop - 1],
            sum(columns[VOLUME][start:stop]),
            sum(columns[TURNOVER][start:stop]),
            sum(columns[TRADES][start:stop]),
        )

    def bars(self) -> list[Bar]:
        """Each bar by itself, oldest first."""
        times = range(self.first_ms, self.end_ms, self.step_ms)
        return [Bar(*row) for row in zip(times, *self._columns, strict=True)]

    def highest(self) -> int | None:
        """The highest price, None without bars."""
        return max(self._columns[HIGH], default=None)

    def turnover(self) -> int:
        """The turnover of all bars."""
        return sum(self._columns[TURNOVER])
