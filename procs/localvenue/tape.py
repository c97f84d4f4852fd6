"""What the market has just done, as clients ask for it: recent trades, aggregates, buyers' shares.

Trades are kept in columns of integers: 500 symbols with a thousand trades each take 25 MB, where
objects would take 200.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

import msgspec

from procs.localvenue.market.events import Candle, Market, Traded
from shared.domain.instrument import Instrument
from shared.units import LOT

TRADES_KEPT: Final = 1_000
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
    """One symbol's trades in columns, and its minutes."""

    def __init__(self, instrument: Instrument) -> None:
        self.symbol = instrument.symbol
        # Coins of tiny value trade in quantities that 64 bits of 10^-8 do not hold.
        fits = instrument.max_quantity / LOT < _LARGEST
        self._unit = LOT if fits else instrument.step_size
        self._ids = array("q")
        self._aggregates = array("q")
        self._times = array("q")
        self._prices = array("q")
        self._quantities = array("q")
        self._makers = bytearray()
        self._count = 0
        self._aggregate = 0
        self.last: Traded | None = None
        self._minutes = array("q")
        self._minute_firsts = array("q")
        self._minute_lasts = array("q")
        self._buyers_base = array("d")
        self._buyers_quote = array("d")

    def record(self, trade: Traded) -> None:
        """Takes in a public trade."""
        last = self.last
        if (
            last is None
            or last.at_ms != trade.at_ms
            or last.price != trade.price
            or last.buyer_is_maker != trade.buyer_is_maker
        ):
            self._aggregate = self._aggregate + 1 if last is not None else trade.trade_id
        self.last = trade
        place = self._count % TRADES_KEPT
        row = (
            trade.trade_id,
            self._aggregate,
            trade.at_ms,
            int(trade.price / LOT),
            int(trade.quantity / self._unit),
        )
        columns = (self._ids, self._aggregates, self._times, self._prices, self._quantities)
        if self._count < TRADES_KEPT:
            for column, value in zip(columns, row, strict=True):
                column.append(value)
            self._makers.append(trade.buyer_is_maker)
        else:
            for column, value in zip(columns, row, strict=True):
                column[place] = value
            self._makers[place] = trade.buyer_is_maker
        self._count += 1
        self._count_minute(trade)

    def trades(self, limit: int, from_id: int | None = None) -> list[Traded]:
        """The newest trades, or those from an id on; oldest first."""
        places = self._places()
        if from_id is None:
            places = places[-limit:]
        else:
            places = [place for place in places if self._ids[place] >= from_id][:limit]
        return [self._trade(place) for place in places]

    def aggregates(self) -> Iterator[Aggregate]:
        """Every aggregate whose trades are still known, oldest first."""
        group: list[int] = []
        for place in self._places():
            if group and self._aggregates[group[0]] != self._aggregates[place]:
                yield self._aggregated(group)
                group = []
            group.append(place)
        if group:
            yield self._aggregated(group)

    def flow(self, from_ms: int, to_ms: int) -> Flow:
        """The trades of the minutes from from_ms to before to_ms."""
        found = Flow(since_ms=self._minutes[0] if self._minutes else to_ms)
        place = len(self._minutes)
        while place and self._minutes[place - 1] >= from_ms:
            place -= 1
            if self._minutes[place] >= to_ms:
                continue
            found.first_id = self._minute_firsts[place]
            found.last_id = max(found.last_id, self._minute_lasts[place])
            found.buyers_base += self._buyers_base[place]
            found.buyers_quote += self._buyers_quote[place]
        return found

    def _places(self) -> list[int]:
        if self._count <= TRADES_KEPT:
            return list(range(self._count))
        start = self._count % TRADES_KEPT
        return [*range(start, TRADES_KEPT), *range(start)]

    def _trade(self, place: int) -> Traded:
        return Traded(
            symbol=self.symbol,
            at_ms=self._times[place],
            trade_id=self._ids[place],
            price=self._prices[place] * LOT,
            quantity=self._quantities[place] * self._unit,
            buyer_is_maker=bool(self._makers[place]),
        )

    def _aggregated(self, group: list[int]) -> Aggregate:
        first, last = group[0], group[-1]
        return Aggregate(
            id=self._aggregates[first],
            price=self._prices[first] * LOT,
            quantity=sum(self._quantities[place] for place in group) * self._unit,
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
        self._tapes = {one.symbol: SymbolTape(one) for one in market.instruments}

    def record(self, trade: Traded) -> None:
        """Takes in a public trade."""
        self._tapes[trade.symbol].record(trade)

    def of(self, symbol: str) -> SymbolTape:
        """One symbol's tape."""
        return self._tapes[symbol]

    def candles(self, symbol: str, interval_ms: int, limit: int, now_ms: int) -> list[Candle]:
        """The market's bars up to now_ms, which may lie in the past; oldest first."""
        return self._market.candles(symbol, interval_ms, limit, now_ms)
