"""One symbol of the candle market: plays its candles as trades, with a book around the path."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Final

import msgspec

from procs.localvenue.market.bar_columns import MINUTE_MS, Bar, BarColumns
from procs.localvenue.market.bar_split import split
from procs.localvenue.market.candle_path import ACT_MS, Act, CandleSeries, acts_of, stirs
from procs.localvenue.market.events import BookChanged, MarketEvent, Traded
from procs.localvenue.market.ladder_book import LadderBook, Shape
from procs.localvenue.market.minute_bars import MinuteBars, NoPast, Origin, Past
from shared.units import from_ticks

SHAPE: Final = Shape(pull=0.0, levels_min=40, levels_max=90)
TIGHT_SHARE: Final = 0.9
SPREAD_MORE_BPS: Final = 0.6
LEVEL_PRINTS: Final = 3.0
"""A level near the touch holds about so many usual trades."""
BARS_SAVED: Final = 1_440
PAST_MINUTES_MAX: Final = 20_000


class SavedCandleWalk(msgspec.Struct, kw_only=True):
    """A symbol as it is written down: how far it is, its ids, its ladders, its bars."""

    symbol: str
    index: int
    acts: int
    ticks: int
    update_id: int
    trade_id: int
    bids: list[tuple[int, int]]
    asks: list[tuple[int, int]]
    origin: Origin | None
    bars: list[Bar]


class CandleClock(msgspec.Struct, frozen=True):
    """How the file's time becomes the venue's: what opens at begin_ms happens at anchor_ms."""

    begin_ms: int
    speed: float
    anchor_ms: int

    def passed_ms(self, file_ms: int) -> float:
        """How long after the anchor this instant of the file is, in the venue's ms."""
        return (file_ms - self.begin_ms) / self.speed


class CandleWalk:
    """See the module; times are ms after the market's anchor, which its owner keeps."""

    def __init__(self, series: CandleSeries, clock: CandleClock, seed: int) -> None:
        """The series holds a candle that opens at or after the clock's begin."""
        self.instrument = series.instrument
        self.symbol = series.instrument.symbol
        self._series = series
        self._clock = clock
        self._seed_text = f"{seed}/{self.symbol}"
        times = series.times_ms
        self._first = next(n for n, time_ms in enumerate(times) if time_ms >= clock.begin_ms)
        random = Random(self._seed_text)
        self._trade_id = 1_000_000 + int(random.random() * 1e8)
        self._ticks = self._bar(self._first).open
        duration_ms = series.interval_ms / clock.speed
        volumes = series.bars.joined(self._first, len(times)).volume / (len(times) - self._first)
        print_steps = volumes / max(duration_ms / ACT_MS, 4.0)
        tick, step = self.instrument.tick_size, self.instrument.step_size
        self._book = LadderBook(
            self.symbol, tick, step, SHAPE, max(print_steps * LEVEL_PRINTS, 10.0)
        )
        self._book.update_id = 1_000_000 + int(random.random() * 1e9)
        self._random = random
        bid = max(self._ticks - 1, 1)
        self._book.begin(bid, bid + 1, float(self._ticks), random)
        origin = None
        if self._first > 0:
            origin = Origin(clock.anchor_ms, self._ticks)
        self.bars = MinuteBars(tick, step, origin, self._past)
        self._index = self._first - 1
        """The candle that plays; the one before the first one while that is waited for."""
        self._acts_done = 0
        self._acts = self._play(self._index)
        self._next = next(self._acts, None)

    @property
    def over(self) -> bool:
        """Whether the last candle has passed."""
        return self._next is None

    def _bar(self, index: int) -> Bar:
        return self._series.bars.joined(index, index + 1)

    def _play(self, from_index: int) -> Iterator[Act]:
        """Everything from a candle on, silent times included."""
        series, clock = self._series, self._clock
        times, count = series.times_ms, len(series.times_ms)
        for index in range(from_index, count):
            self._index, self._acts_done = index, 0
            if index < self._first:
                until_ms = clock.passed_ms(times[self._first])
                yield from stirs(self._ticks, 0.0, until_ms)
                continue
            start_ms = clock.passed_ms(times[index])
            end_ms = clock.passed_ms(times[index] + series.interval_ms)
            bar = self._bar(index)
            close = bar.close
            yield from acts_of(bar, start_ms, end_ms, f"{self._seed_text}/{index}")
            if index + 1 < count:
                yield from stirs(close, end_ms, clock.passed_ms(times[index + 1]))

    def advance(
        self, until_ms: int, anchor_ms: int, said: list[MarketEvent], silent: bool = False
    ) -> None:
        """Plays up to an instant; silent: only the bars hear of it."""
        while self._next is not None and self._next.at_ms <= until_ms:
            act = self._next
            at_ms = anchor_ms + act.at_ms
            if act.steps:
                self._trade_id += 1
                self.bars.add(at_ms, act.ticks, act.steps)
            if silent:
                self._ticks = act.ticks
            else:
                self._show(act, at_ms, said)
            self._acts_done += 1
            self._next = next(self._acts, None)

    def _show(self, act: Act, at_ms: int, said: list[MarketEvent]) -> None:
        """The trade, if it is one, and the book that follows it."""
        book, random, ticks = self._book, self._random, act.ticks
        if act.steps:
            said.append(
                Traded(
                    symbol=self.symbol,
                    at_ms=at_ms,
                    trade_id=self._trade_id,
                    price=from_ticks(ticks, self.instrument.tick_size),
                    quantity=self.instrument.step_size * act.steps,
                    buyer_is_maker=not act.buys or ticks <= 1,
                )
            )
            self._ticks = ticks
            self._move(ticks, act.buys and ticks > 1, act.steps)
        book.stir(float(ticks), random)
        delta = book.delta(at_ms, int(random.random() * 4))
        if delta.bids or delta.asks:
            said.append(delta)

    def _move(self, ticks: int, buys: bool, steps: int) -> None:
        """Brings the touch to the trade's price, on the side that was taken from."""
        book, random = self._book, self._random
        spread = 1
        if random.random() >= TIGHT_SHARE:
            spread += int(random.expovariate(1.0) * SPREAD_MORE_BPS * ticks * 0.0001)
        bid = max(ticks - spread, 1) if buys else ticks
        ask = ticks if buys else ticks + spread
        # The side that gives way first, so that the two never meet.
        book.bids.take_better_than(-bid)
        book.asks.take_better_than(ask)
        book.follow(book.bids, -bid, float(ticks), random)
        book.follow(book.asks, ask, float(ticks), random)
        side = book.asks if buys else book.bids
        rank = side.ranks[0]
        left = side.quantities[rank] - steps
        side.put(rank, left if left > 0 else book.quantity(random, 0.0))

    def settle(self) -> None:
        """Brings the book to the price that the silent part led to."""
        self._move(self._ticks, self._ticks > 1, 1)

    def whole_book(self, at_ms: int) -> BookChanged:
        """The delta that says every level."""
        return self._book.whole(at_ms)

    def _past(self, origin: Origin) -> Past:
        """The candles before the first one that plays, in minutes of the venue's time."""
        if origin.at_ms != self._clock.anchor_ms:
            return NoPast()
        return _FilePast(self._series, self._clock, self._first, self._seed_text)

    def save(self) -> SavedCandleWalk:
        """What `load` needs to go on."""
        origin, bars = self.bars.newest(BARS_SAVED)
        return SavedCandleWalk(
            symbol=self.symbol,
            index=self._index,
            acts=self._acts_done,
            ticks=self._ticks,
            update_id=self._book.update_id,
            trade_id=self._trade_id,
            bids=self._book.bids.levels(),
            asks=self._book.asks.levels(),
            origin=origin,
            bars=bars,
        )

    def load(self, saved: SavedCandleWalk, clock: CandleClock) -> None:
        """Goes on from there."""
        self._clock = clock
        self.bars.resume(saved.origin, saved.bars)
        self._ticks, self._trade_id = saved.ticks, saved.trade_id
        self._book.update_id = saved.update_id
        self._book.bids.replace(saved.bids)
        self._book.asks.replace(saved.asks)
        self._random = Random(f"{self._seed_text}/{saved.update_id}")
        self._acts = self._play(saved.index)
        self._next = next(self._acts, None)
        for _ in range(saved.acts):
            self._next = next(self._acts, None)
        self._acts_done = saved.acts


class _FilePast:
    """The candles before the beginning as minutes; implements Past."""

    def __init__(
        self, series: CandleSeries, clock: CandleClock, count: int, seed_text: str
    ) -> None:
        self.minutes = BarColumns(0)
        duration_ms = series.interval_ms / clock.speed
        parts = max(int(duration_ms // MINUTE_MS), 1)
        first = max(count - int(PAST_MINUTES_MAX * MINUTE_MS / duration_ms), 0)
        for index in range(first, count):
            open_ms = clock.anchor_ms + clock.passed_ms(series.times_ms[index])
            bar = series.bars.joined(index, index + 1)
            bar.trades = max(bar.trades, min(bar.volume, parts))
            pieces = [bar]
            if parts > 1 and min(bar.volume, bar.trades) >= parts:
                pieces = split(bar, parts, 1, 1, Random(f"{seed_text}/past/{index}"))
            for number, piece in enumerate(pieces):
                self._add(piece, int(open_ms + duration_ms * number / parts))

    def _add(self, bar: Bar, at_ms: int) -> None:
        minute_ms = at_ms // MINUTE_MS * MINUTE_MS
        if not len(self.minutes):
            self.minutes = BarColumns(minute_ms)
        if len(self.minutes) and minute_ms < self.minutes.end_ms:
            self.minutes.join_last(bar)
            return
        if len(self.minutes):
            self.minutes.fill(minute_ms, self.minutes.last_close)
        self.minutes.append(bar)

    def older(self, unit_ms: int, from_ms: int, to_ms: int) -> Iterator[Bar]:
        """See Past: nothing."""
        return iter(())
