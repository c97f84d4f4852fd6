"""Quotes of the simulated market: what ingest would say of the published books, without frames."""

from __future__ import annotations

from core_ext.codes import QuoteFlag
from core_ext.drop import DropWindow
from core_ext.quote import Quote
from procs.localvenue.matching.published import Published
from shared.domain.instrument import Instrument
from shared.units import to_ticks

DAY_VOLUME = 5e8


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
        depth = sum(float(p) * float(q) for p, q in published.bids.levels(20) if float(p) >= near)
        self._sequence += 1
        crossed = QuoteFlag.CROSSED if bid >= ask else 0
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
            flags=QuoteFlag.WARM | QuoteFlag.SEEDED | crossed,
        )
