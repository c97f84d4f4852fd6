"""Candles of every interval, in any time zone, with trade ids and the buyers' share where known."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from decimal import Decimal
from math import gcd
from typing import Any, Final

import msgspec

from procs.localvenue.market.events import Candle
from procs.localvenue.matching.model import Refusal
from procs.localvenue.protocols.binance_spot.params import RefusedError, invalid
from procs.localvenue.protocols.binance_spot.render import eight
from procs.localvenue.second_bars import SecondBar
from procs.localvenue.shell import Venue
from procs.localvenue.tape import Flow
from shared.units import LOT, ZERO

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
BAD_ZONE: Final = invalid("timeZone")
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
        """The newest bars that begin at or before until_ms, oldest first; the last one is whole, as
        far as the market has come."""
        if interval == "1s":
            return self._seconds(symbol, count, until_ms)
        length_ms = INTERVALS_MS[interval]
        piece_ms = DAY_MS if interval == MONTH else length_ms
        piece_ms = gcd(piece_ms, offset_ms)
        begin = _beginning(interval)
        read_ms = min(begin(until_ms + offset_ms)[1] - offset_ms - 1, self._venue.now_ms())
        if piece_ms == length_ms:
            found = self._tape.candles(symbol, length_ms, count, read_ms)
            return [self._bar(symbol, one, one.open_ms + length_ms) for one in found]
        groups: dict[tuple[int, int], list[Candle]] = {}
        pieces = (count + 1) * (length_ms // piece_ms)
        for piece in self._tape.candles(symbol, piece_ms, pieces, read_ms):
            groups.setdefault(begin(piece.open_ms + offset_ms), []).append(piece)
        return [
            self._bar(symbol, _joined(start_ms - offset_ms, some), end_ms - offset_ms)
            for (start_ms, end_ms), some in list(groups.items())[-count:]
        ]

    def _seconds(self, symbol: str, count: int, until_ms: int) -> list[Bar]:
        """The seconds that the tape has counted; silent ones repeat the price before, or before the
        first trade that of the book."""
        tape = self._tape.of(symbol)
        seconds = tape.seconds
        stop_ms = until_ms - until_ms % SECOND_MS + SECOND_MS
        start_ms = max(stop_ms - count * SECOND_MS, seconds.first_ms or 0)
        known = {one.open_ms: one for one in seconds.between(start_ms, stop_ms)}
        close = seconds.close_before(start_ms)
        if seconds.first_ms is None:
            price = self._venue.exchange.published[symbol].reference_price()
            close = None if price is None else int(price / LOT)
        bars: list[Bar] = []
        for open_ms in range(start_ms, stop_ms, SECOND_MS):
            one = known.get(open_ms)
            if one is not None:
                close = one.close
                bars.append(_second(one, tape.unit))
            elif close is not None:
                bars.append(_second(_silent(open_ms, close), tape.unit))
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


def _silent(open_ms: int, price: int) -> SecondBar:
    """A second in which nothing traded."""
    return SecondBar(open_ms, price, price, price, price, 0, -1, -1, 0, 0, 0, 0)


def _second(one: SecondBar, unit: Decimal) -> Bar:
    """A second as a bar; what takers bought is exact."""
    candle = Candle(
        open_ms=one.open_ms,
        open=one.open * LOT,
        high=one.high * LOT,
        low=one.low * LOT,
        close=one.close * LOT,
        volume=one.volume * unit,
        quote_volume=one.turnover * (LOT * unit),
        trades=one.trades,
    )
    base, quote = float(one.bought * unit), float(one.bought_turnover * (LOT * unit))
    return Bar(candle, one.open_ms + SECOND_MS, Flow(one.first_id, one.last_id, base, quote))


def _beginning(interval: str) -> Callable[[int], tuple[int, int]]:
    """What tells start and end of the bar that holds a local time."""
    if interval == MONTH:
        return _month_of
    length_ms = INTERVALS_MS[interval]
    monday_ms = 3 * DAY_MS if interval == "1w" else 0

    def begin(at_ms: int) -> tuple[int, int]:
        open_ms = at_ms - (at_ms + monday_ms) % length_ms
        return open_ms, open_ms + length_ms

    return begin


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
