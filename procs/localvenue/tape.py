"""What the market has just done, as clients ask for it: recent public trades, the day's figures."""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from typing import Final

import msgspec

from procs.localvenue.market.events import Candle, Market, Traded
from shared.units import ZERO

TRADES_KEPT: Final = 1_000
BAR_MS: Final = 15 * 60_000
BARS_A_DAY: Final = 96
DAY_FRESH_MS: Final = 1_000
"""The day's figures are counted again at most this often."""


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """The last 24 hours of one symbol."""

    open_ms: int
    close_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal
    trades: int

    @property
    def average(self) -> Decimal:
        """Volume-weighted average price; the last price when nothing traded."""
        return self.quote_volume / self.volume if self.volume else self.close


class Tape:
    """Recent trades of every symbol, and day figures counted from the market's candles."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._trades: dict[str, deque[Traded]] = {
            one.symbol: deque(maxlen=TRADES_KEPT) for one in market.instruments
        }
        self._days: dict[str, tuple[int, Day]] = {}

    def record(self, trade: Traded) -> None:
        """Takes in a public trade."""
        self._trades[trade.symbol].append(trade)

    def trades(self, symbol: str, limit: int) -> list[Traded]:
        """The newest trades, oldest first."""
        trades = self._trades[symbol]
        return list(trades)[-limit:]

    def last(self, symbol: str) -> Traded | None:
        """The newest trade."""
        trades = self._trades[symbol]
        return trades[-1] if trades else None

    def candles(self, symbol: str, interval_ms: int, limit: int, now_ms: int) -> list[Candle]:
        """The market's bars, oldest first."""
        return self._market.candles(symbol, interval_ms, limit, now_ms)

    def day(self, symbol: str, now_ms: int) -> Day | None:
        """The last 24 hours, at most a second old; None before the first bar."""
        known = self._days.get(symbol)
        if known is not None and now_ms - known[0] < DAY_FRESH_MS:
            return known[1]
        bars = self._market.candles(symbol, BAR_MS, BARS_A_DAY, now_ms)
        if not bars:
            return None
        day = Day(
            open_ms=bars[0].open_ms,
            close_ms=now_ms,
            open=bars[0].open,
            high=max(bar.high for bar in bars),
            low=min(bar.low for bar in bars),
            close=bars[-1].close,
            volume=sum((bar.volume for bar in bars), ZERO),
            quote_volume=self._market.day_volume(symbol, now_ms),
            trades=sum(bar.trades for bar in bars),
        )
        self._days[symbol] = (now_ms, day)
        return day
