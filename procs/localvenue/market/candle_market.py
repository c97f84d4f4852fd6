"""A market driven by candles from a file: every candle becomes a path of trades through its open,
high, low and close, with its volume, and a book around it.

Event times are the venue's own. A candle of the file passes in its length divided by `speed`, and
the venue's klines are counted in the venue's time as the trades print. The market joins in the
middle of its first candle, so that candles that take whole minutes, or of which a whole number
makes a minute, begin and end with the venue's own: then a kline of that length (or the join of the
candles in a minute) has exactly the file's open, high, low and close, and its volume up to the
rounding to order steps. What had happened before the start in that first candle is in the klines
only. The number of trades is not the file's. After a restart the market goes on where it was, at
the instant it is asked again; from then on candles no longer begin with the venue's minutes.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from procs.localvenue.market.candle_path import CandleSeries
from procs.localvenue.market.candle_walk import CandleClock, CandleWalk, SavedCandleWalk
from procs.localvenue.market.events import Candle, MarketEvent
from shared.errors import ConfigError, MessageError, NotFoundError
from shared.messages.base import Reader, encode

STATE_VERSION: Final = 1


class SavedCandleMarket(msgspec.Struct, kw_only=True):
    """A candle market as it is written down."""

    version: int
    source: list[str]
    anchor_ms: int
    passed_ms: int
    walks: list[SavedCandleWalk]


_READER: Final = Reader(SavedCandleMarket)


class CandleMarket:
    """See the module; implements the Market protocol."""

    def __init__(
        self,
        series: Sequence[CandleSeries],
        start_ms: int,
        speed: float = 1.0,
        seed: int = 1,
        from_ms: int | None = None,
    ) -> None:
        """Plays from the first candle that opens at or after from_ms of the file's time, else from
        the first of all; those before it are the klines' history.

        Raises ConfigError for a speed that is not positive and when no candle is left to play."""
        if not 0 < speed < float("inf"):
            raise ConfigError(f"candle speed {speed}, allowed: more than 0")
        starts = [_first_from(one, from_ms) for one in series]
        played = [one for one, at_ms in zip(series, starts, strict=True) if at_ms is not None]
        if not played:
            raise ConfigError(f"no candle opens at or after {from_ms} ms (UTC) in the file")
        begin_ms = min(at_ms for at_ms in starts if at_ms is not None)
        duration_ms = max(one.interval_ms for one in played) / speed
        anchor_ms = start_ms
        if duration_ms >= 1 and duration_ms == int(duration_ms):
            anchor_ms -= start_ms % int(duration_ms)
        self._start_ms = start_ms
        self._anchor_ms = anchor_ms
        self._clock = CandleClock(begin_ms, speed, anchor_ms)
        self._walks = {one.instrument.symbol: CandleWalk(one, self._clock, seed) for one in played}
        self.instruments = tuple(walk.instrument for walk in self._walks.values())
        self._source = [
            f"{one.instrument.symbol} {one.interval_ms} {len(one.times_ms)} {one.times_ms[0]}"
            for one in played
        ] + [f"{begin_ms} {speed!r} {seed}"]
        self._begun = False
        self._passed_ms = 0
        self._resumed = False

    def advance(self, now_ms: int) -> list[MarketEvent]:
        """See Market."""
        said: list[MarketEvent] = []
        if self._resumed:
            self._anchor_ms, self._resumed = now_ms - self._passed_ms, False
            said.extend(walk.whole_book(now_ms) for walk in self._walks.values())
        elif not self._begun:
            if now_ms < self._start_ms:
                return said
            self._begun = True
            for walk in self._walks.values():
                walk.advance(self._start_ms - self._anchor_ms, self._anchor_ms, said, silent=True)
                walk.settle()
                said.append(walk.whole_book(self._start_ms))
        self._passed_ms = max(now_ms - self._anchor_ms, self._passed_ms)
        whole_books = len(said)
        for walk in self._walks.values():
            walk.advance(self._passed_ms, self._anchor_ms, said)
        said[whole_books:] = sorted(said[whole_books:], key=_time_of)
        return said

    def _walk(self, symbol: str) -> CandleWalk:
        walk = self._walks.get(symbol)
        if walk is None:
            raise NotFoundError(f"no symbol {symbol!r}, there are {', '.join(self._walks)}")
        return walk

    def candles(self, symbol: str, interval_ms: int, limit: int, now_ms: int) -> list[Candle]:
        """See Market; before the start only what the file holds before it.

        Raises ConfigError for an interval that is not whole minutes, NotFoundError for a symbol."""
        return self._walk(symbol).bars.candles(interval_ms, limit, now_ms)

    def day_volume(self, symbol: str, now_ms: int) -> Decimal:
        """See Market. Raises NotFoundError for an unknown symbol."""
        return self._walk(symbol).bars.day_volume(now_ms)

    def save(self) -> bytes:
        """See Market: how far the file is played, the books and the bars."""
        return encode(
            SavedCandleMarket(
                version=STATE_VERSION,
                source=self._source,
                anchor_ms=self._clock.anchor_ms,
                passed_ms=self._passed_ms if self._begun or self._resumed else -1,
                walks=[walk.save() for walk in self._walks.values()],
            )
        )

    def load(self, state: bytes) -> None:
        """See Market. Raises MessageError, and changes nothing, when it is of other candles."""
        saved: Any = _READER.read(state)
        if saved.version != STATE_VERSION or saved.source != self._source:
            raise MessageError(
                f"the saved candles are {'; '.join(saved.source)}, these {'; '.join(self._source)}"
            )
        if saved.passed_ms < 0:
            return
        self._clock = msgspec.structs.replace(self._clock, anchor_ms=saved.anchor_ms)
        for walk, one in zip(self._walks.values(), saved.walks, strict=True):
            walk.load(one, self._clock)
        self._passed_ms, self._begun, self._resumed = saved.passed_ms, True, True

    def ended(self) -> bool:
        """See Market: after the last candle."""
        return all(walk.over for walk in self._walks.values())


def _first_from(series: CandleSeries, from_ms: int | None) -> int | None:
    if from_ms is None:
        return series.times_ms[0]
    return next((time_ms for time_ms in series.times_ms if time_ms >= from_ms), None)


def _time_of(event: MarketEvent) -> int:
    return event.at_ms
