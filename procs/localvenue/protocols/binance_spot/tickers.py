"""Figures of a window of time: the 24 hours, the trading day, and windows of any length.

A window is counted from the market's candles and kept for a while, longer the more symbols there
are; what can jump within a second (last price, high, low, best prices) is always of now.
"""

from __future__ import annotations

import re
from collections import deque
from decimal import Decimal
from typing import Any, Final

import msgspec

from procs.localvenue.matching.model import Refusal
from procs.localvenue.protocols.binance_spot.candles import DAY_MS, HOUR_MS, MINUTE_MS
from procs.localvenue.protocols.binance_spot.params import RefusedError
from procs.localvenue.protocols.binance_spot.render import eight
from procs.localvenue.shell import Venue
from shared.units import HUNDRED, ZERO

SYMBOLS_A_SECOND: Final = 25
"""So many windows are counted anew in a second, however many symbols are asked for."""
FRESH_MS: Final = 1_000
STALE_TIMES: Final = 2
"""A figure this many times as old as it should be is not waited for any longer."""

BAD_WINDOW: Final = Refusal(
    -1102, "Mandatory parameter 'windowSize' was not sent, was empty/null, or malformed."
)
_WINDOW: Final = re.compile(r"([0-9]{1,2})([mhd])", re.ASCII)
_UNITS_MS: Final = {"m": (MINUTE_MS, 59), "h": (HOUR_MS, 23), "d": (DAY_MS, 7)}


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """What happened in a window of one symbol."""

    open_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal
    trades: int


class _Known(msgspec.Struct):
    """A window that was counted at that time."""

    counted_ms: int
    window: Window
    is_used: bool = False
    """Whether anybody has asked for it since."""


def window_ms_of(text: str) -> int:
    """1m to 59m, 1h to 23h, 1d to 7d. Raises RefusedError."""
    match = _WINDOW.fullmatch(text)
    if match is None:
        raise RefusedError(BAD_WINDOW)
    unit_ms, most = _UNITS_MS[match[2]]
    if not 1 <= int(match[1]) <= most:
        raise RefusedError(BAD_WINDOW)
    return int(match[1]) * unit_ms


class Tickers:
    """Every ticker, as REST writes it."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._known: dict[tuple[str, int], _Known] = {}
        symbols = len(venue.exchange.instruments)
        self._fresh_ms = max(FRESH_MS, FRESH_MS * symbols // SYMBOLS_A_SECOND)
        self._unseen = deque(venue.exchange.instruments)
        """Symbols whose day nobody has counted yet: the first time takes long."""
        self._wanted: dict[tuple[str, int], None] = {}
        """Windows that somebody waits for, in this order."""
        self._turns: deque[tuple[str, int]] = deque()
        """The windows in the order in which they are counted anew."""

    def keep_fresh(self) -> None:
        """Counts at most one window, so that no question has to wait for all of them.

        Called in every turn. First what somebody waits for, then each symbol's day once, which
        builds its past; then days and windows that are asked for, before they are too old."""
        if self._wanted or self._unseen:
            key = next(iter(self._wanted), None) or (self._unseen.popleft(), DAY_MS)
            self._wanted.pop(key, None)
            if key not in self._known:
                self._count(*key)
            return
        if not self._turns:
            return
        key = self._turns[0]
        if self._venue.now_ms() - self._known[key].counted_ms >= self._fresh_ms:
            self._turns.popleft()
            # Everybody's day is kept: a question for all symbols must not wait for all of them.
            if self._known.pop(key).is_used or key[1] == DAY_MS:
                self._count(*key)

    def is_ready(self, symbol: str, window_ms: int) -> bool:
        """Whether a window can be told at once; if not, it can be a few turns later."""
        key = (symbol, window_ms)
        if key in self._known:
            return True
        self._wanted[key] = None
        return False

    def day_full(self, symbol: str) -> dict[str, Any]:
        """The 24 hour ticker of one symbol."""
        window, now_ms = self._day(symbol)
        last, top = self._venue.tape.of(symbol).last, self.top(symbol)
        return {
            "symbol": symbol,
            **_changes(window),
            "prevClosePrice": eight(window.open),
            "lastPrice": eight(window.close),
            "lastQty": eight(last.quantity if last else None),
            "bidPrice": top["bidPrice"],
            "bidQty": top["bidQty"],
            "askPrice": top["askPrice"],
            "askQty": top["askQty"],
            **self._figures(symbol, window, now_ms),
        }

    def day_mini(self, symbol: str) -> dict[str, Any]:
        """The short 24 hour ticker of one symbol."""
        return self._mini(symbol, *self._day(symbol))

    def rolling(
        self, symbol: str, window_ms: int, mini: bool = False, to_the_minute: bool = True
    ) -> dict[str, Any]:
        """The ticker of the last window_ms, in whole minutes; one of very many symbols may begin
        with an earlier minute."""
        window = self._window(symbol, window_ms, to_the_minute)
        write = self._mini if mini else self._full
        return write(symbol, window, self._venue.now_ms())

    def trading_day(self, symbol: str, offset_ms: int, mini: bool = False) -> dict[str, Any]:
        """The ticker of the calendar day of a time zone; it closes when the day does."""
        now_ms = self._venue.now_ms()
        begin_ms = now_ms - (now_ms + offset_ms) % DAY_MS
        window = self._counted(symbol, begin_ms, now_ms)
        write = self._mini if mini else self._full
        return write(symbol, window, begin_ms + DAY_MS - 1)

    def price(self, symbol: str) -> dict[str, Any]:
        """The last price."""
        price = self._venue.exchange.published[symbol].reference_price()
        return {"symbol": symbol, "price": eight(price)}

    def top(self, symbol: str) -> dict[str, Any]:
        """The best prices and their quantities."""
        published = self._venue.exchange.published[symbol]
        bid, ask = published.bids.levels(1), published.asks.levels(1)
        return {
            "symbol": symbol,
            "bidPrice": eight(bid[0][0] if bid else None),
            "bidQty": eight(bid[0][1] if bid else None),
            "askPrice": eight(ask[0][0] if ask else None),
            "askQty": eight(ask[0][1] if ask else None),
        }

    def _day(self, symbol: str) -> tuple[Window, int]:
        """The last 24 hours, which end now."""
        now_ms = self._venue.now_ms()
        window = self._window(symbol, DAY_MS, to_the_minute=False)
        return msgspec.structs.replace(window, open_ms=now_ms - DAY_MS), now_ms

    def _full(self, symbol: str, window: Window, close_ms: int) -> dict[str, Any]:
        return {
            "symbol": symbol,
            **_changes(window),
            "lastPrice": eight(window.close),
            **self._figures(symbol, window, close_ms),
        }

    def _mini(self, symbol: str, window: Window, close_ms: int) -> dict[str, Any]:
        figures = self._figures(symbol, window, close_ms)
        return {"symbol": symbol, "lastPrice": eight(window.close), **figures}

    def _figures(self, symbol: str, window: Window, close_ms: int) -> dict[str, Any]:
        last = self._venue.tape.of(symbol).last
        last_id = last.trade_id if last and window.trades else -1
        return {
            "openPrice": eight(window.open),
            "highPrice": eight(window.high),
            "lowPrice": eight(window.low),
            "volume": eight(window.volume),
            "quoteVolume": eight(window.quote_volume),
            "openTime": window.open_ms,
            "closeTime": close_ms,
            "firstId": max(last_id - window.trades + 1, 0) if last_id >= 0 else -1,
            "lastId": last_id,
            "count": window.trades,
        }

    def _window(self, symbol: str, window_ms: int, to_the_minute: bool) -> Window:
        """The figures of a rolling window, counted a while ago and brought up to the last price."""
        now_ms, known = self._venue.now_ms(), self._known.get((symbol, window_ms))
        if known is None or self._is_stale(known, now_ms, to_the_minute):
            known = self._count(symbol, window_ms)
        known.is_used = True
        window, last = known.window, self._venue.tape.of(symbol).last
        if last is None or last.price == window.close:
            return window
        return msgspec.structs.replace(
            window,
            close=last.price,
            high=max(window.high, last.price),
            low=min(window.low, last.price),
        )

    def _is_stale(self, known: _Known, now_ms: int, to_the_minute: bool) -> bool:
        if to_the_minute and known.counted_ms // MINUTE_MS != now_ms // MINUTE_MS:
            return True
        return now_ms - known.counted_ms > STALE_TIMES * self._fresh_ms

    def _count(self, symbol: str, window_ms: int) -> _Known:
        """A window begins with a whole minute, up to 59,999 ms before its length."""
        now_ms = self._venue.now_ms()
        begin_ms = (now_ms - window_ms) // MINUTE_MS * MINUTE_MS
        if (symbol, window_ms) not in self._known:
            self._turns.append((symbol, window_ms))
        known = _Known(now_ms, self._counted(symbol, begin_ms, now_ms))
        self._known[symbol, window_ms] = known
        return known

    def _counted(self, symbol: str, begin_ms: int, now_ms: int) -> Window:
        """Minutes up to the first full hour, then hours: the market joins them quickly."""
        tape = self._venue.tape
        bars = []
        hour_ms = begin_ms + -begin_ms % HOUR_MS
        if hour_ms <= now_ms:
            bars = tape.candles(symbol, HOUR_MS, (now_ms - hour_ms) // HOUR_MS + 1, now_ms)
        head_ms = min(hour_ms, now_ms + 1)
        minutes = (head_ms - begin_ms + MINUTE_MS - 1) // MINUTE_MS
        if minutes:
            bars = tape.candles(symbol, MINUTE_MS, minutes, head_ms - 1) + bars
        bars = [bar for bar in bars if bar.open_ms >= begin_ms]
        if not bars:
            price = self._venue.exchange.published[symbol].reference_price() or ZERO
            return Window(
                open_ms=begin_ms,
                open=price,
                high=price,
                low=price,
                close=price,
                volume=ZERO,
                quote_volume=ZERO,
                trades=0,
            )
        return Window(
            open_ms=begin_ms,
            open=bars[0].open,
            high=max(bar.high for bar in bars),
            low=min(bar.low for bar in bars),
            close=bars[-1].close,
            volume=sum((bar.volume for bar in bars), ZERO),
            quote_volume=sum((bar.quote_volume for bar in bars), ZERO),
            trades=sum(bar.trades for bar in bars),
        )


def _changes(window: Window) -> dict[str, Any]:
    change = window.close - window.open
    percent = change / window.open * HUNDRED if window.open else ZERO
    average = window.quote_volume / window.volume if window.volume else window.close
    return {
        "priceChange": eight(change),
        "priceChangePercent": f"{percent:.3f}",
        "weightedAvgPrice": eight(average),
    }
