"""What the market has just done, as clients ask for it: recent trades, aggregates, buyers' shares.

Trades are kept in columns of integers, 41 bytes each: objects would take several times as much, and
of 500 symbols there are half a million.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from decimal import Decimal
from typing import Final

import msgspec

from procs.localvenue.market.events import Candle, Market, Traded
from procs.localvenue.second_bars import SecondBars
from shared.domain.instrument import Instrument
from shared.units import LOT

TRADES_KEPT: Final = 1_000
TRADES_KEPT_MAX: Final = 20_000
TRADES_OF_ALL: Final = 500_000
"""Shared by all symbols: a venue of few remembers more of each, between the two bounds above."""
SECONDS_KEPT: Final = 1_000
SECONDS_OF_ALL: Final = 100_000
MINUTE_MS: Final = 60_000
MINUTES_KEPT: Final = 1_560
"""26 hours, as the market's own bars."""
_LARGEST: Final = 1 << 62


class Aggregate(msgspec.Struct, frozen=True):
    """Trades of one taker order at one price."""

    id: int
    price: Decimal
    quantity: Decimal
    first_id: int
    last_id: int
    at_ms: int
    buyer_is_maker: bool


class Flow(msgspec.Struct):
    """What is known of the trades of some minutes beyond their candle."""

    first_id: int = -1
    last_id: int = -1
    buyers_base: float = 0.0
    """Base units that takers bought; a statistic, not money of anybody."""
    buyers_quote: float = 0.0
    since_ms: int = 0
    """The minutes before were not heard."""


class SymbolTape:
    """One symbol's trades in columns, its seconds, and its minutes."""

    def __init__(
        self, instrument: Instrument, kept: int = TRADES_KEPT, seconds_kept: int = SECONDS_KEPT
    ) -> None:
        self.symbol = instrument.symbol
        # Coins of tiny value trade in quantities that 64 bits of 10^-8 do not hold.
        fits = instrument.max_quantity / LOT < _LARGEST
        self.unit = LOT if fits else instrument.step_size
        """What quantities are counted in."""
        self._kept = kept
        self._ids = array("q")
        self._aggregates = array("q")
        self._times = array("q")
        self._prices = array("q")
        self._quantities = array("q")
        self._makers = bytearray()
        self._count = 0
        self.aggregate_id = 0
        """Of the newest trade."""
        self._gone_aggregate = -1
        """Of the newest trade that is forgotten: what is left of it is not whole."""
        self._is_cut = False
        self.last: Traded | None = None
        self.seconds = SecondBars(seconds_kept)
        self._minutes = array("q")
        self._minute_firsts = array("q")
        self._minute_lasts = array("q")
        self._buyers_base = array("d")
        self._buyers_quote = array("d")

    def record(self, trade: Traded) -> None:
        """Takes in a public trade. It is of the same taker as the one before when both happened in
        one turn, at one time, on one side and at one price."""
        last = self.last
        if last is None:
            self.aggregate_id = trade.trade_id
        elif (
            self._is_cut
            or last.at_ms != trade.at_ms
            or last.price != trade.price
            or last.buyer_is_maker != trade.buyer_is_maker
        ):
            self.aggregate_id += 1
        self._is_cut = False
        self.last = trade
        price, quantity = int(trade.price / LOT), int(trade.quantity / self.unit)
        row = (trade.trade_id, self.aggregate_id, trade.at_ms, price, quantity)
        columns = (self._ids, self._aggregates, self._times, self._prices, self._quantities)
        if self._count < self._kept:
            for column, value in zip(columns, row, strict=True):
                column.append(value)
            self._makers.append(trade.buyer_is_maker)
        else:
            place = self._count % self._kept
            self._gone_aggregate = self._aggregates[place]
            for column, value in zip(columns, row, strict=True):
                column[place] = value
            self._makers[place] = trade.buyer_is_maker
        self._count += 1
        is_bought = not trade.buyer_is_maker
        self.seconds.add(trade.at_ms, price, quantity, trade.trade_id, is_bought)
        self._count_minute(trade)

    def cut(self) -> None:
        """The turn is over: what comes next belongs to no aggregate of before."""
        self._is_cut = True

    def trades(self, limit: int, from_id: int | None = None) -> list[Traded]:
        """The newest trades, or those from an id on; oldest first."""
        start = max(self._first, self._count - limit)
        if from_id is not None:
            start = self._find(self._ids, from_id)
        return [self._trade(number) for number in range(start, min(start + limit, self._count))]

    def aggregates(
        self,
        limit: int,
        *,
        from_id: int | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
    ) -> list[Aggregate]:
        """The newest, or from an id or a time on; those whose trades are still known, oldest
        first."""
        start, stop = self._find(self._aggregates, self._gone_aggregate + 1), self._count
        if end_ms is not None:
            stop = self._find(self._times, end_ms + 1)
        if from_id is not None:
            start = max(start, self._find(self._aggregates, from_id))
        if start_ms is not None:
            start = max(start, self._find(self._times, start_ms))
        found: list[Aggregate] = []
        if from_id is not None or start_ms is not None:
            while start < stop and len(found) < limit:
                following = self._find(self._aggregates, self._aggregate_at(start) + 1)
                found.append(self._aggregated(start, following))
                start = following
            return found
        while start < stop and len(found) < limit:
            begin = self._find(self._aggregates, self._aggregate_at(stop - 1))
            found.append(self._aggregated(begin, stop))
            stop = begin
        return found[::-1]

    def flow(self, from_ms: int, to_ms: int) -> Flow:
        """The trades of the minutes from from_ms to before to_ms."""
        minutes = self._minutes
        found = Flow(since_ms=minutes[0] if minutes else to_ms)
        start, stop = bisect_left(minutes, from_ms), bisect_left(minutes, to_ms)
        if start < stop:
            found.first_id = self._minute_firsts[start]
            found.last_id = self._minute_lasts[stop - 1]
            found.buyers_base = sum(self._buyers_base[start:stop])
            found.buyers_quote = sum(self._buyers_quote[start:stop])
        return found

    @property
    def _first(self) -> int:
        """The number of the oldest trade that is known; they are numbered from 0."""
        return max(self._count - self._kept, 0)

    def _find(self, column: array[int], value: int) -> int:
        """The number of the first known trade whose value is not below; columns ascend."""
        kept = self._kept
        numbers = range(self._first, self._count)
        return self._first + bisect_left(numbers, value, key=lambda number: column[number % kept])

    def _aggregate_at(self, number: int) -> int:
        return self._aggregates[number % self._kept]

    def _trade(self, number: int) -> Traded:
        place = number % self._kept
        return Traded(
            symbol=self.symbol,
            at_ms=self._times[place],
            trade_id=self._ids[place],
            price=self._prices[place] * LOT,
            quantity=self._quantities[place] * self.unit,
            buyer_is_maker=bool(self._makers[place]),
        )

    def _aggregated(self, start: int, stop: int) -> Aggregate:
        first, last = start % self._kept, (stop - 1) % self._kept
        quantity = sum(self._quantities[number % self._kept] for number in range(start, stop))
        return Aggregate(
            id=self._aggregates[first],
            price=self._prices[first] * LOT,
            quantity=quantity * self.unit,
            first_id=self._ids[first],
            last_id=self._ids[last],
            at_ms=self._times[first],
            buyer_is_maker=bool(self._makers[first]),
        )

    def _count_minute(self, trade: Traded) -> None:
        minute_ms = trade.at_ms - trade.at_ms % MINUTE_MS
        if not self._minutes or minute_ms > self._minutes[-1]:
            if len(self._minutes) >= 2 * MINUTES_KEPT:
                for column in (
                    self._minutes,
                    self._minute_firsts,
                    self._minute_lasts,
                    self._buyers_base,
                    self._buyers_quote,
                ):
                    del column[:MINUTES_KEPT]
            self._minutes.append(minute_ms)
            self._minute_firsts.append(trade.trade_id)
            self._minute_lasts.append(trade.trade_id)
            self._buyers_base.append(0.0)
            self._buyers_quote.append(0.0)
        self._minute_lasts[-1] = trade.trade_id
        if not trade.buyer_is_maker:
            base = float(trade.quantity)
            self._buyers_base[-1] += base
            self._buyers_quote[-1] += base * float(trade.price)


class Tape:
    """The tapes of all symbols, and the market's candles."""

    def __init__(self, market: Market) -> None:
        self._market = market
        symbols = max(len(market.instruments), 1)
        kept = min(max(TRADES_OF_ALL // symbols, TRADES_KEPT), TRADES_KEPT_MAX)
        seconds = min(SECONDS_OF_ALL // symbols, SECONDS_KEPT)
        self._tapes = {
            one.symbol: SymbolTape(one, kept, max(seconds, 1)) for one in market.instruments
        }
        self._traded: list[SymbolTape] = []
        """Who traded in this turn."""

    def record(self, trade: Traded) -> None:
        """Takes in a public trade."""
        tape = self._tapes[trade.symbol]
        tape.record(trade)
        self._traded.append(tape)

    def end_turn(self) -> None:
        """Aggregates of this turn are whole now: none of them grows later."""
        for tape in self._traded:
            tape.cut()
        self._traded.clear()

    def of(self, symbol: str) -> SymbolTape:
        """One symbol's tape."""
        return self._tapes[symbol]

    def candles(self, symbol: str, interval_ms: int, limit: int, now_ms: int) -> list[Candle]:
        """The market's bars up to now_ms, which may lie in the past; oldest first."""
        return self._market.candles(symbol, interval_ms, limit, now_ms)
