"""What a symbol is worth right now, as the actors see it: exact prices from a quote."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from core_ext.quote import Quote
from shared.domain.instrument import Instrument
from shared.units import NS_PER_MS, ZERO, from_ticks

FRESH_NS = 2_000 * NS_PER_MS
"""A price older than this guards nothing (E3)."""


class Mark(msgspec.Struct, frozen=True):
    """Best bid and ask, and when the frame behind them reached this machine."""

    bid: Decimal
    ask: Decimal
    recv_ns: int

    def is_fresh(self, now_ns: int) -> bool:
        """Whether it may be acted on."""
        return now_ns - self.recv_ns <= FRESH_NS and self.bid > ZERO


def mark_of(quote: Quote, instrument: Instrument) -> Mark:
    """The exact prices of a quote."""
    return Mark(
        from_ticks(quote.bid_ticks, instrument.tick_size),
        from_ticks(quote.ask_ticks, instrument.tick_size),
        quote.recv_ns,
    )
