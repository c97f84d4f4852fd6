"""Quotes of the simulated market: what ingest would say of the published books, without frames."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from core_ext.codes import QuoteFlag
from core_ext.drop import DropWindow
from core_ext.quote import Quote
from procs.localvenue.matching.published import Published
from shared.domain.effects import Effect
from shared.domain.instrument import Instrument
from shared.messages.base import Message
from shared.units import NS_PER_S, to_ticks

DAY_VOLUME = 5e8
WINDOW_NS = 3_600 * NS_PER_S
FLAGS = int(QuoteFlag.WARM | QuoteFlag.SEEDED)
CROSSED_FLAGS = int(FLAGS | QuoteFlag.CROSSED)


class BooksMoved(msgspec.Struct, frozen=True):
    """The published books of these symbols have changed."""

    symbols: tuple[str, ...]


class PriceActor:
    """Ingest without frames: says the published books as they are, while its process lives."""

    role = "ingest"
    has_dirty = False

    def __init__(
        self, instruments: tuple[Instrument, ...], published: dict[str, Published]
    ) -> None:
        self.latched = ""
        self.quotes: list[Quote] = []
        """To be published, in order."""
        self.ready = False
        self._published = published
        self._prices = Prices(instruments, WINDOW_NS)

    def recover(self, snapshot: bytes | None, events: Iterable[Message]) -> None:
        """Owns nothing."""

    def snapshot(self) -> bytes:
        """Owns nothing."""
        return b""

    def start(self, now_ns: int) -> list[Effect]:
        """The first look at every book."""
        return self.on(BooksMoved(tuple(self._published)), now_ns)

    def on(self, message: Any, now_ns: int) -> list[Effect]:
        """A book that moved is said."""
        if isinstance(message, BooksMoved):
            for symbol in message.symbols:
                quote = self._prices.quote(symbol, self._published[symbol], now_ns)
                if quote is not None:
                    self.quotes.append(quote)
                    self.ready = True
        return []

    def take_quotes(self) -> list[Quote]:
        """The quotes to publish; the list starts empty again."""
        quotes, self.quotes = self.quotes, []
        return quotes

    def take_fetches(self) -> list[Any]:
        """It asks nothing."""
        return []

    def report(self) -> dict[str, Any]:
        """Nothing for the summary."""
        return {}

    def figures(self) -> dict[str, float]:
        """No counters."""
        return {}


class Prices:
    """One rolling anchor per symbol, as in ingest (E2)."""

    def __init__(self, instruments: tuple[Instrument, ...], window_ns: int) -> None:
        self._windows = {i.symbol: DropWindow(window_ns) for i in instruments}
        self._instruments = {i.symbol: i for i in instruments}
        self._sequence = 0

    def quote(self, symbol: str, published: Published, now_ns: int) -> Quote | None:
        """The quote of a symbol now; None while a side of its book is empty."""
        bid, ask = published.bids.best(), published.asks.best()
        last = published.last_price
        if bid is None or ask is None or last is None:
            return None
        tick = self._instruments[symbol].tick_size
        mid = float(bid + ask) / 2
        window = self._windows[symbol]
        drop_pct = window.update(now_ns, mid)
        anchor = window.anchor() or mid
        near = float(bid) * 0.995
        depth = 0.0
        for level, quantity in published.bids.levels(20):
            price = float(level)
            if price < near:
                break
            depth += price * float(quantity)
        self._sequence += 1
        return Quote(
            symbol=symbol,
            sequence=self._sequence,
            recv_ns=now_ns,
            publish_ns=now_ns,
            bid_ticks=to_ticks(bid, tick),
            bid_lots=1,
            ask_ticks=to_ticks(ask, tick),
            ask_lots=1,
            last_ticks=to_ticks(last, tick),
            anchor_ticks=int(anchor / float(tick)),
            drop_pct=drop_pct,
            spread_bps=float((ask - bid) / bid) * 1e4,
            bid_depth_quote=depth,
            ask_depth_quote=depth,
            volume_quote_24h=DAY_VOLUME,
            flags=CROSSED_FLAGS if bid >= ask else FLAGS,
        )
