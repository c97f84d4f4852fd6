"""What a market says: book levels that changed, trades that printed. The generator and the
recordings speak it, the matching and the streams listen to it."""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol

import msgspec

from shared.domain.instrument import Instrument

Levels = tuple[tuple[Decimal, Decimal], ...]
"""(price, absolute quantity now at that price); quantity 0 deletes the level."""


class BookChanged(msgspec.Struct, frozen=True, kw_only=True):
    """One depth delta; first_id/last_id are the venue's U and u (spot: U == previous u + 1)."""

    symbol: str
    at_ms: int
    first_id: int
    last_id: int
    bids: Levels
    asks: Levels
    line: int = 0
    """Where it was read: the recording's line, or the number of a generated event; from 1."""


class Traded(msgspec.Struct, frozen=True, kw_only=True):
    """One public trade; buyer_is_maker means that a seller took."""

    symbol: str
    at_ms: int
    trade_id: int
    price: Decimal
    quantity: Decimal
    buyer_is_maker: bool
    line: int = 0


class Ticked(msgspec.Struct, frozen=True, kw_only=True):
    """The best bid and ask with their quantities, when the source says them apart from depth."""

    symbol: str
    at_ms: int
    update_id: int
    bid: Decimal
    bid_quantity: Decimal
    ask: Decimal
    ask_quantity: Decimal


MarketEvent = BookChanged | Traded | Ticked


class Candle(msgspec.Struct, frozen=True, kw_only=True):
    """One bar; open_ms is its start, quantities in base and quote units."""

    open_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal
    trades: int


class Market(Protocol):
    """A source of market events on a clock that its owner moves. Pure: no clock, no I/O inside."""

    instruments: tuple[Instrument, ...]

    def advance(self, now_ms: int) -> list[MarketEvent]:
        """Everything that happened up to now_ms and was not said before, in order of time.

        The first call for each symbol starts with a BookChanged holding the whole book."""

    def candles(self, symbol: str, interval_ms: int, limit: int, now_ms: int) -> list[Candle]:
        """The newest `limit` bars up to now_ms, oldest first, gap-free; with generated history."""

    def day_volume(self, symbol: str, now_ms: int) -> Decimal:
        """Quote units traded in the 24 hours up to now_ms, generated history included."""

    def save(self) -> bytes:
        """The state to go on from after a restart (positions, prices, random state, ids)."""

    def load(self, state: bytes) -> None:
        """Takes up a saved state; the first advance afterwards repeats the whole books."""

    def ended(self) -> bool:
        """Whether there is nothing more to come (recordings end, generators do not)."""
