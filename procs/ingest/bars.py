"""Volatility from trades: one-minute bars by receive time and the mean of their true ranges (E1).

Prices are in ticks. A minute without a trade is a flat bar: the figure falls when a market sleeps.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

ATR_BARS: Final = 14


class MinuteBars:
    """The bar that grows now and the true ranges of the last 14 closed ones."""

    __slots__ = ("_close", "_high", "_low", "_minute", "_ranges")

    def __init__(self) -> None:
        self._ranges: deque[float] = deque(maxlen=ATR_BARS)
        self._minute = -1
        self._high = self._low = self._close = 0.0

    def on_trade(self, price: float, minute: int) -> None:
        """Takes one trade; a minute that lies before the present bar counts as the present one."""
        if self._minute < 0:
            self._minute = minute
            self._high = self._low = self._close = price
            return
        if minute > self._minute:
            self.advance(minute)
        self._high = max(self._high, price)
        self._low = min(self._low, price)
        self._close = price

    def advance(self, minute: int) -> None:
        """Closes the bars before `minute`; the new one starts flat at the last price.

        Because it starts there, its high less its low is its true range.
        """
        if self._minute < 0 or minute <= self._minute:
            return
        self._ranges.append(self._high - self._low)
        for _ in range(min(minute - self._minute - 1, ATR_BARS)):
            self._ranges.append(0.0)
        self._minute = minute
        self._high = self._low = self._close

    def seed(self, bars: Iterable[tuple[int, float, float, float]]) -> None:
        """Starts again from (minute, high, low, close) of the venue, oldest first.

        Trades seen meanwhile in the newest minute are kept.
        """
        minute, high, low, close = self._minute, self._high, self._low, self._close
        self._ranges.clear()
        self._minute = -1
        for bar_minute, bar_high, bar_low, bar_close in bars:
            self.on_trade(bar_close, bar_minute)
            if bar_minute == self._minute:
                self._high = max(self._high, bar_high)
                self._low = min(self._low, bar_low)
        if minute >= self._minute >= 0:
            self.on_trade(close, minute)
            self._high = max(self._high, high)
            self._low = min(self._low, low)
        elif minute >= 0 and self._minute < 0:
            self._minute, self._high, self._low, self._close = minute, high, low, close

    def atr_pct(self, minute: int) -> float:
        """Mean true range of the closed bars in per cent of the last price; 0.0 without any."""
        self.advance(minute)
        if not self._ranges:
            return 0.0
        return sum(self._ranges) / len(self._ranges) / self._close * 100.0
