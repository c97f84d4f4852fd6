"""Candles of every interval, in any time zone, with trade ids and the buyers' share where known."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from math import gcd
from typing import Any, Final

import msgspec

from procs.localvenue.market.events import Candle
from procs.localvenue.matching.model import Refusal
from procs.localvenue.protocols.binance_spot.params import RefusedError
from procs.localvenue.protocols.binance_spot.render import eight
from procs.localvenue.shell import Venue
from procs.localvenue.tape import Flow
from shared.units import ZERO

SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000
MONTH: Final = "1M"
INTERVALS_MS: Final = {
    "1s": SECOND_MS,
    "1m": MINUTE_MS,
    "3m": 3 * MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS,
    "1h": HOUR_MS,
    "2h": 2 * HOUR_MS,
    "4h": 4 * HOUR_MS,
    "6h": 6 * HOUR_MS,
    "8h": 8 * HOUR_MS,
    "12h": 12 * HOUR_MS,
    "1d": DAY_MS,
    "3d": 3 * DAY_MS,
    "1w": 7 * DAY_MS,
    MONTH: 31 * DAY_MS,
}
"""A month is as long as its calendar says; 31 days are what is looked at."""

BAD_INTERVAL: Final = Refusal(-1120, "Invalid interval.")
BAD_ZONE: Final = Refusal(-1194, "Invalid timezone.")
_ZONE: Final = re.compile(r"([+-]?)([0-9]{1,2})(?::([0-9]{2}))?", re.ASCII)
_EAST_MAX_MS: Final = 14 * HOUR_MS
_WEST_MAX_MS: Final = 12 * HOUR_MS


class Bar(msgspec.Struct, frozen=True):
    """A candle with its end and what the tape knows of it."""

    candle: Candle
    close_ms: int
    flow: Flow


def interval_of(text: str) -> str:
    """The interval. Raises RefusedError for one that there is not."""
    if text not in INTERVALS_MS:
        raise RefusedError(BAD_INTERVAL)
    return text


def zone_ms(text: str) -> int:
    """A time zone such as 8, -1:00 or 05:45 as an offset. Raises RefusedError."""
    match = _ZONE.fullmatch(text)
    if match is None or int(match[3] or 0) > 59:
        raise RefusedError(BAD_ZONE)
    offset_ms = int(match[2]) * HOUR_MS + int(match[3] or 0) * MINUTE_MS
    offset_ms = -offset_ms if match[1] == "-" else offset_ms
    if not -_WEST_MAX_MS <= offset_ms <= _EAST_MAX_MS:
        raise RefusedError(BAD_ZONE)
    return offset_ms


class Candles:
    """Bars as clients ask for them."""

    def __init__(self, venue: Venue) -> None:
        self._tape = venue.tape
        self._venue = venue

    def rows(
        self,
        symbol: str,
        interval: str,
        *,
        limit: int,
        start_ms: int | None = None,
        end_ms: int | None = None,
        offset_ms: int = 0,
    ) -> list[list[Any]]:
        """REST's rows: from start_ms on, else the newest up to end_ms or now."""
        now_ms = self._venue.now_ms()
        until_ms = now_ms if end_ms is None else min(end_ms, now_ms)
        length_ms = INTERVALS_MS[interval]
        if start_ms is None:
            return [row(bar) for bar in self.bars(symbol, interval, limit, until_ms, offset_ms)]
        first_ms = max(start_ms, 0)
        if first_ms > until_ms:
            return []
        last_ms = min(first_ms + (limit + 1) * length_ms, until_ms)
        count = (last_ms - first_ms) // length_ms + 2
        found = self.bars(symbol, interval, count, last_ms, offset_ms)
        wanted = [bar for bar in found if first_ms <= bar.candle.open_ms <= until_ms]
        return [row(bar) for bar in wanted[:limit]]

    def bars(
        self, symbol: str, interval: str, count: int, until_ms: int, offset_ms: int = 0
    ) -> list[Bar]:
        """The newest bars that begin at or before until_ms, oldest first."""
        if interval == "1s":
            return self._seconds(symbol, count, until_ms)
        length_ms = INTERVALS_MS[interval]
        if interval == MONTH:
            groups = self._grouped(symbol, DAY_MS, (count + 1) * 31, until_ms, _month_of, offset_ms)
        elif offset_ms % length_ms == 0 and length_ms <= DAY_MS:
            found = self._tape.candles(symbol, length_ms, count, until_ms)
            return [self._bar(symbol, one, one.open_ms + length_ms) for one in found]
        else:
            piece_ms = gcd(length_ms, offset_ms) if offset_ms else length_ms
            monday_ms = 3 * DAY_MS if interval == "1w" else 0
            if piece_ms == length_ms:
                found = self._tape.candles(symbol, length_ms, count, until_ms)
                return [self._bar(symbol, one, one.open_ms + length_ms) for one in found]

            def begin(at_ms: int) -> tuple[int, int]:
                open_ms = at_ms - (at_ms + monday_ms) % length_ms
                return open_ms, open_ms + length_ms

            pieces = (count + 1) * (length_ms // piece_ms)
            groups = self._grouped(symbol, piece_ms, pieces, until_ms, begin, offset_ms)
        return [self._bar(symbol, candle, end_ms) for candle, end_ms in groups[-count:]]

    def _grouped(
        self, symbol: str, piece_ms: int, pieces: int, until_ms: int, begin: Any, offset_ms: int
    ) -> list[tuple[Candle, int]]:
        """Pieces joined to longer bars; `begin` tells start and end of the bar of a local time."""
        groups: dict[tuple[int, int], list[Candle]] = {}
        for piece in self._tape.candles(symbol, piece_ms, pieces, until_ms):
            groups.setdefault(begin(piece.open_ms + offset_ms), []).append(piece)
        return [
            (_joined(start_ms - offset_ms, some), end_ms - offset_ms)
            for (start_ms, end_ms), some in groups.items()
        ]

    def _seconds(self, symbol: str, count: int, until_ms: int) -> list[Bar]:
        """Seconds from the trades that are still known; silent ones repeat the price before."""
        by_second: dict[int, list[Any]] = {}
        trades = self._tape.of(symbol).trades(1_000)
        for trade in trades:
            by_second.setdefault(trade.at_ms // SECOND_MS, []).append(trade)
        last_s = until_ms // SECOND_MS
        first_s = max(min(by_second, default=0), last_s - count + 1)
        bars: list[Bar] = []
        before = [trade.price for trade in trades if trade.at_ms < first_s * SECOND_MS]
        known = before[-1] if before else trades[0].price if trades else None
        close = known or self._venue.exchange.published[symbol].reference_price()
        if close is None:
            return []
        for second in range(first_s, last_s + 1):
            some = by_second.get(second, [])
            prices = [trade.price for trade in some] or [close]
            close = prices[-1]
            flow = Flow()
            if some:
                bought = [trade for trade in some if not trade.buyer_is_maker]
                flow = Flow(
                    some[0].trade_id,
                    some[-1].trade_id,
                    sum(float(trade.quantity) for trade in bought),
                    sum(float(trade.quantity * trade.price) for trade in bought),
                )
            candle = Candle(
                open_ms=second * SECOND_MS,
                open=prices[0],
                high=max(prices),
                low=min(prices),
                close=close,
                volume=sum((trade.quantity for trade in some), ZERO),
                quote_volume=sum((trade.quantity * trade.price for trade in some), ZERO),
                trades=len(some),
            )
            bars.append(Bar(candle, (second + 1) * SECOND_MS, flow))
        return bars

    def _bar(self, symbol: str, candle: Candle, end_ms: int) -> Bar:
        flow = self._tape.of(symbol).flow(candle.open_ms, end_ms)
        if flow.since_ms > candle.open_ms:
            # Of what traded before anybody listened, buyers are said to have taken half.
            unheard = max(float(candle.volume) - 2 * flow.buyers_base, 0.0)
            share = unheard / float(candle.volume) if candle.volume else 0.0
            flow.buyers_base += unheard / 2
            flow.buyers_quote += float(candle.quote_volume) * share / 2
        flow.buyers_base = min(flow.buyers_base, float(candle.volume))
        flow.buyers_quote = min(flow.buyers_quote, float(candle.quote_volume))
        return Bar(candle, end_ms, flow)


def row(bar: Bar) -> list[Any]:
    """A bar as klines list it."""
    candle, flow = bar.candle, bar.flow
    return [
        candle.open_ms,
        eight(candle.open),
        eight(candle.high),
        eight(candle.low),
        eight(candle.close),
        eight(candle.volume),
        bar.close_ms - 1,
        eight(candle.quote_volume),
        candle.trades,
        f"{flow.buyers_base:.8f}",
        f"{flow.buyers_quote:.8f}",
        "0",
    ]


def _month_of(local_ms: int) -> tuple[int, int]:
    at = datetime.fromtimestamp(local_ms / 1000, UTC)
    first = datetime(at.year, at.month, 1, tzinfo=UTC)
    following = datetime(at.year + at.month // 12, at.month % 12 + 1, 1, tzinfo=UTC)
    return int(first.timestamp() * 1000), int(following.timestamp() * 1000)


def _joined(open_ms: int, some: Iterable[Candle]) -> Candle:
    pieces = list(some)
    return Candle(
        open_ms=open_ms,
        open=pieces[0].open,
        high=max(one.high for one in pieces),
        low=min(one.low for one in pieces),
        close=pieces[-1].close,
        volume=sum((one.volume for one in pieces), ZERO),
        quote_volume=sum((one.quote_volume for one in pieces), ZERO),
        trades=sum(one.trades for one in pieces),
    )
