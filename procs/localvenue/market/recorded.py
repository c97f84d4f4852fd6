"""Recorded Binance traffic as a market: the raw lines, moved to now, the book joined as documented.

A recording holds deltas, trades, best prices and a depth snapshot that stands after the first
deltas: those are kept until the snapshot comes, the ones it already holds are dropped, the rest is
applied (clearing the book at the snapshot instead leaves it crossed). Ids stay as recorded. Time is
the receive clock, because the exchange's may be ahead of it; a trade's own time keeps its distance
to the event time it was recorded with. Lines are read as time passes. A recording that is held
begins when somebody listens.

Every event carries its line: the place, from 1, in the symbol's own files, counted on from one file
to the next in reading order; other symbols' lines that come in between are not counted.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec

from procs.localvenue.market.events import Candle, MarketEvent
from procs.localvenue.market.minute_bars import Bar, MinuteBars, Origin, no_history
from procs.localvenue.market.recorded_book import RecordedBook, read_trade
from shared.domain.instrument import Instrument
from shared.errors import ConfigError, MessageError, NotFoundError, RecordingError
from shared.messages.base import Reader, encode
from shared.units import LOT, NS_PER_MS, to_lots

Frame = bytes | bytearray | memoryview | str | dict[str, Any]
"""One raw message, as text or decoded."""

Lines = Iterable[tuple[int, Frame]]
"""(receive time in ns, frame), in order of time."""

BARS_SAVED: Final = 1_440


class RecordedLine(NamedTuple):
    """One line of a symbol's recording: when it was received, what it says, its number from 1."""

    recv_ns: int
    symbol: str
    frame: Frame
    number: int


class SavedBars(msgspec.Struct, kw_only=True):
    """The bars of one symbol as they are written down."""

    symbol: str
    origin: Origin | None
    bars: list[Bar]


class SavedReplay(msgspec.Struct, kw_only=True):
    """A replay as it is written down: how far it is; the lines come again from the recording."""

    first_ns: int
    lines_read: int
    bars: list[SavedBars]


_READER: Final = Reader(SavedReplay)


class RecordedMarket:
    """See the module; implements the Market protocol.

    `lines` is one iterable for each symbol, or one with the lines of all; there, a bare snapshot,
    which does not name its symbol, is only understood when there is one instrument."""

    def __init__(
        self,
        lines: Mapping[str, Lines] | Lines,
        instruments: tuple[Instrument, ...],
        start_ms: int,
        speed: float = 1.0,
        hold_ms: int = 0,
    ) -> None:
        """The first line happens at start_ms, the others after it, `speed` times as fast.

        With hold_ms nothing happens before `begin`, or before so much time has passed.
        Raises ConfigError for a speed that is not positive or a symbol without instrument."""
        if not 0 < speed < float("inf"):
            raise ConfigError(f"replay speed {speed}, allowed: more than 0")
        self.instruments = instruments
        self._books = {one.symbol: RecordedBook(one.symbol) for one in instruments}
        self._bars = {one.symbol: MinuteBars(LOT, LOT, None, no_history) for one in instruments}
        if isinstance(lines, Mapping):
            unknown = sorted(set(lines) - set(self._books))
            if unknown:
                raise ConfigError(f"no instrument for the recorded symbols {', '.join(unknown)}")
            streams = [_named(symbol, one) for symbol, one in sorted(lines.items())]
            self._lines: Iterator[RecordedLine] = heapq.merge(*streams, key=_time_of)
        else:
            only = instruments[0].symbol if len(instruments) == 1 else ""
            self._lines = _named(only, lines)
        self._start_ms = start_ms
        self._speed = speed
        self._latest_ms = start_ms
        self._held_until_ms = start_ms + hold_ms
        self._first_ns: int | None = None
        """When the recording's first line was received: tells recordings apart."""
        self._origin_ns = 0
        """What was received then happens at start_ms: the first line, or where a replay resumes."""
        self._resume_from_ns: int | None = None
        self._next: RecordedLine | None = None
        self._ended = False
        self._tapes: dict[str, str] = {}
        """The kind of trade event that a symbol is followed by: two kinds say the same twice."""
        self._traded_ms: dict[str, int] = {}
        self.lines_read = 0

    @property
    def books(self) -> Mapping[str, RecordedBook]:
        """The book of each symbol with its counts of applied, stale and missing deltas."""
        return self._books

    def begin(self, now_ms: int) -> None:
        """Lets a recording that is held go on from now; does nothing to one that runs."""
        if now_ms < self._held_until_ms:
            self._held_until_ms = self._start_ms = self._latest_ms = now_ms

    def advance(self, now_ms: int) -> list[MarketEvent]:
        """See Market. Raises RecordingError, with the line's number, for one that is broken."""
        said: list[MarketEvent] = []
        if self._resume_from_ns is not None:
            self._start_ms = self._latest_ms = now_ms
            self._origin_ns, self._resume_from_ns = self._resume_from_ns, None
            for book in self._books.values():
                said.extend(book.whole(now_ms))
        if now_ms < self._held_until_ms:
            self._start_ms = self._latest_ms = now_ms
            return said
        while (line := self._peek()) is not None:
            recv_ns = line.recv_ns
            if self._first_ns is None:
                self._first_ns = self._origin_ns = recv_ns
            passed_ms = (recv_ns - self._origin_ns) / (NS_PER_MS * self._speed)
            # A recorder's clock may step back; the market's time must not.
            at_ms = self._latest_ms = max(self._start_ms + int(passed_ms), self._latest_ms)
            if at_ms > now_ms:
                break
            self._next = None
            self.lines_read += 1
            self._take(line, at_ms, said)
        return said

    def _peek(self) -> RecordedLine | None:
        if self._next is None and not self._ended:
            self._next = next(self._lines, None)
            if self._next is None:
                self._ended = True
                self._check_end()
        return self._next

    def _check_end(self) -> None:
        for book in self._books.values():
            if book.waiting:
                raise RecordingError(
                    f"the recording of {book.symbol} has {book.waiting} deltas or trades and no "
                    f"depth snapshot that joins them"
                )

    def _take(self, line: RecordedLine, at_ms: int, said: list[MarketEvent]) -> None:
        frame = line.frame
        try:
            message = frame if isinstance(frame, dict) else msgspec.json.decode(frame)
            data = message.get("data", message)
            symbol = data.get("s", line.symbol)
            book = self._books.get(symbol)
            if book is None:
                raise RecordingError(f"symbol {symbol!r} has no instrument")
            kind = data.get("e")
            if kind in ("trade", "aggTrade"):
                if self._tapes.setdefault(symbol, kind) == kind:
                    said.extend(self._trade(book, data, at_ms, line.number))
            elif kind == "depthUpdate":
                said.extend(book.take_delta(data, at_ms, line.number))
            elif "lastUpdateId" in data:
                said.extend(book.take_snapshot(data, at_ms, line.number))
            elif "B" in data and "A" in data and "u" in data:
                said.extend(book.take_ticker(data, at_ms))
            # Other streams of the same connection say nothing about book or trades.
        except RecordingError as error:
            raise RecordingError(f"recorded line {line.number}: {error}") from error
        except (KeyError, TypeError, ValueError, AttributeError, msgspec.DecodeError) as error:
            text = str(frame)[:160]
            raise RecordingError(
                f"recorded line {line.number} is not a Binance message: {error!r} in {text}"
            ) from error

    def _trade(
        self, book: RecordedBook, data: dict[str, Any], at_ms: int, line: int
    ) -> list[MarketEvent]:
        """A trade, as long before it is sent as it was recorded; never before the one before."""
        late_ms = max(0, data.get("E", 0) - data.get("T", data.get("E", 0)))
        traded_ms = max(at_ms - int(late_ms / self._speed), self._traded_ms.get(book.symbol, 0))
        self._traded_ms[book.symbol] = traded_ms = min(traded_ms, at_ms)
        trade = read_trade(data, traded_ms, line)
        self._bars[book.symbol].add(traded_ms, to_lots(trade.price), to_lots(trade.quantity))
        return book.pass_on(trade)

    def _bars_of(self, symbol: str) -> MinuteBars:
        bars = self._bars.get(symbol)
        if bars is None:
            raise NotFoundError(f"no symbol {symbol!r}, there are {', '.join(self._bars)}")
        return bars

    def candles(self, symbol: str, interval_ms: int, limit: int, now_ms: int) -> list[Candle]:
        """See Market; only what was recorded: nothing before the first trade.

        Raises ConfigError for an interval that is not whole minutes, NotFoundError for a symbol."""
        return self._bars_of(symbol).candles(interval_ms, limit, now_ms)

    def day_volume(self, symbol: str, now_ms: int) -> Decimal:
        """See Market; only what was recorded. Raises NotFoundError for an unknown symbol."""
        return self._bars_of(symbol).day_volume(now_ms)

    def save(self) -> bytes:
        """See Market: how many lines were read, and the bars."""
        return encode(
            SavedReplay(
                first_ns=self._first_ns or 0,
                lines_read=self.lines_read,
                bars=[
                    SavedBars(symbol=symbol, origin=origin, bars=live)
                    for symbol, bars in self._bars.items()
                    for origin, live in (bars.newest(BARS_SAVED),)
                ],
            )
        )

    def load(self, state: bytes) -> None:
        """See Market. Reads the lines again up to there, so they must start from the beginning.

        Raises MessageError when this was already advanced or the recording is another one."""
        saved: SavedReplay = _READER.read(state)
        symbols = [one.symbol for one in saved.bars]
        if self.lines_read:
            raise MessageError("a replay that has begun cannot take up a saved state")
        if symbols != list(self._bars):
            raise MessageError(f"the saved replay is of {symbols}, this one of {list(self._bars)}")
        unheard: list[MarketEvent] = []
        last_ns = saved.first_ns
        while self.lines_read < saved.lines_read:
            line = self._peek()
            if line is None or (self.lines_read == 0 and line.recv_ns != saved.first_ns):
                raise MessageError(f"the saved replay is not of this recording: {saved.first_ns}")
            self._next = None
            self.lines_read += 1
            last_ns = line.recv_ns
            self._take(line, 0, unheard)
            unheard.clear()
        for one in saved.bars:
            self._bars[one.symbol].resume(one.origin, one.bars)
        if saved.lines_read:
            self._first_ns, self._resume_from_ns = saved.first_ns, last_ns

    def ended(self) -> bool:
        """See Market: after the last line was said."""
        return self._ended


def _named(symbol: str, lines: Lines) -> Iterator[RecordedLine]:
    for number, (recv_ns, frame) in enumerate(lines, 1):
        yield RecordedLine(recv_ns, symbol, frame, number)


def _time_of(line: RecordedLine) -> int:
    return line.recv_ns
