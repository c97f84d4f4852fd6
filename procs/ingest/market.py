"""One symbol as ingest knows it: book, anchor, volatility, trust, and the quote that says so.

Pure, and the hot path: a frame goes from bytes into the book without an object per level, and a
quote is packed straight from the book. A hole in the update ids makes the book GAPPED until a new
snapshot has joined. Binance's are fetched, and deltas are kept while one is on its way; Bybit's
come in the stream, before the deltas that belong to them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from enum import IntEnum
from typing import Final

import msgspec

from core_ext.book import Book
from core_ext.codes import Dialect, Kind, Outcome, QuoteFlag
from core_ext.drop import DropWindow
from core_ext.errors import FrameRefused, NumberRefused
from core_ext.quote import pack, pack_book
from core_ext.scan import BinanceScanner, BybitScanner, ScanResult, kind_of
from procs.ingest.bars import MinuteBars
from procs.ingest.heard import Bar
from shared.domain.instrument import Instrument
from shared.units import NS_PER_MS, NS_PER_S

NS_PER_MINUTE: Final = 60 * NS_PER_S
HELD_DELTAS_MAX: Final = 2048
"""Deltas kept for a join: more than three minutes of the fastest stream."""

_DEPTH: Final = int(Kind.DEPTH)
_TRADES: Final = (int(Kind.TRADE), int(Kind.AGG_TRADE))
_TICKER: Final = int(Kind.TICKER)
_APPLIED: Final = int(Outcome.APPLIED)
_GAP: Final = int(Outcome.GAP)
_CROSSED: Final = int(QuoteFlag.CROSSED)
_GAPPED: Final = int(QuoteFlag.GAPPED)
_STALE: Final = int(QuoteFlag.STALE)
_WARM: Final = int(QuoteFlag.WARM)
_SEEDED: Final = int(QuoteFlag.SEEDED)
_HALTED: Final = int(QuoteFlag.HALTED)


class MarketLimits(msgspec.Struct, frozen=True, kw_only=True):
    """When a market's data are to be trusted; times in nanoseconds of engine time."""

    window_ns: int = 3600 * NS_PER_S
    warm_after_ns: int = 600 * NS_PER_S
    buy_quote: float = 50.0
    """The amount whose expected fill price a quote carries (E1), in quote units."""
    stale_down_ns: int = 2 * NS_PER_S
    """Without a stream, data older than this are stale."""
    stale_quiet_ns: int = 60 * NS_PER_S
    """With a stream that is alive, a symbol may be silent for so long; age guards are stricter."""
    crossed_ns: int = 1 * NS_PER_S
    """A book crossed for longer has missed something and is fetched again."""
    settled_ns: int = 10 * NS_PER_S
    """A book in sync for so long has recovered; the next resync is immediate again."""
    resync_max_ms: int = 30_000


class Heard(IntEnum):
    """What a frame did to a market."""

    NOTHING = 0
    CHANGED = 1
    """Something that a quote says is new."""
    LOST = 2
    """The book lost its place: it is GAPPED and needs a snapshot."""
    REFUSED = 3
    """The frame was malformed; nothing changed."""


class Market:
    """A symbol's state. Prices are ticks; `recv_ns` is the receive clock of its last frame."""

    def __init__(
        self,
        instrument: Instrument,
        limits: MarketLimits,
        now_ns: int,
        frames: Dialect = Dialect.BINANCE_SPOT,
    ) -> None:
        self.instrument = instrument
        self.symbol = instrument.symbol
        self.halted = instrument.status != "TRADING"
        self.limits = limits
        self.book = Book(instrument.tick_size)
        self.window = DropWindow(limits.window_ns)
        self.bars = MinuteBars()
        self.streamed = frames is Dialect.BYBIT
        """Whether snapshots come in the stream, and are not fetched."""
        self.scanner = BybitScanner() if self.streamed else BinanceScanner(frames)
        # Bybit's trades share numbers: one that has the last number may still be new.
        self._trades_share = int(self.streamed)
        self.connected = False
        self.awaiting = True
        """Whether the book waits for a snapshot: it is GAPPED until then."""
        self.generation = 0
        self.held: deque[bytes] = deque(maxlen=HELD_DELTAS_MAX)
        self.stale = True
        self.recv_ns = 0
        self.event_ms = 0
        self.last_ticks = 0
        self.last_trade_id = -1
        self.drop_pct = 0.0
        self.atr_pct = 0.0
        self.volume_quote_24h = 0.0
        self.dirty = False
        self.published_ns = 0
        # Milliseconds of the start: a later incarnation's sequence is higher than any before it.
        self.sequence = now_ns // NS_PER_MS
        self.frames = 0
        self.refused = 0
        self.gaps = 0
        self.refusal = ""
        self.candles_asked_ns = -NS_PER_MINUTE
        self.snapshot_due_ns = 0
        """When a snapshot that comes in the stream is missed; see `lacks_snapshot`."""
        self._attempts = 0
        self._synced_ns = 0
        self._crossed_ns = 0
        self._top = (0, 0, 0, 0)
        self._ticker_id = 0

    # ---- hearing

    def on_frame(self, frame: bytes, now_ns: int) -> Heard:
        """One data frame of this symbol: into the book, the anchor, the bars. O(bytes)."""
        if self.awaiting and not self.streamed and kind_of(frame) == _DEPTH:
            self._hear(now_ns)
            self.held.append(frame)
            return Heard.NOTHING
        try:
            result = self.scanner.feed(self.book, frame)
        except (FrameRefused, NumberRefused) as error:
            self.refused += 1
            self.refusal = str(error)
            return Heard.REFUSED
        # As `_hear`; a call costs as much as half of what follows.
        self.frames += 1
        self.recv_ns = now_ns
        self.stale = False
        kind = result.kind
        if kind == _DEPTH:
            outcome = result.outcome
            if outcome == _APPLIED:
                self.event_ms = result.event_ms
                if self.awaiting:
                    return self._joined(now_ns) if result.is_snapshot else Heard.NOTHING
                return self._look(now_ns)
            if outcome == _GAP and not self.awaiting:
                return self._lose(() if self.streamed else (frame,))
            return Heard.NOTHING
        if kind == _TICKER:
            update_id = result.last_id
            # Behind the book it says nothing new; behind another ticker it is an echo of the
            # connection that is being replaced.
            if update_id <= self._ticker_id or update_id <= self.book.last_update_id:
                return Heard.NOTHING
            self._ticker_id = update_id
            return self._settle(
                (result.bid_ticks, result.bid_lots, result.ask_ticks, result.ask_lots), now_ns
            )
        if kind in _TRADES and result.trade_id > self.last_trade_id:
            return self._on_trades(result, now_ns)
        return Heard.NOTHING

    def on_snapshot(self, generation: int, body: bytes, now_ns: int) -> Heard:
        """Joins a snapshot with the deltas held back. One that nobody waits for is ignored."""
        scanner = self.scanner
        if not self.awaiting or not self.connected or generation != self.generation:
            return Heard.NOTHING
        assert isinstance(scanner, BinanceScanner), "snapshots of a stream are not fetched"
        try:
            scanner.load_snapshot(self.book, body)
        except (FrameRefused, NumberRefused) as error:
            self.refused += 1
            self.refusal = str(error)
            return Heard.LOST
        while self.held:
            frame = self.held.popleft()
            try:
                result = scanner.feed(self.book, frame)
            except (FrameRefused, NumberRefused) as error:
                self.refused += 1
                self.refusal = str(error)
                continue
            if result.outcome == _GAP:
                self.held.appendleft(frame)
                self.gaps += 1
                return Heard.LOST
            if result.outcome == _APPLIED:
                self.event_ms = result.event_ms
        self.stale = False
        self.recv_ns = now_ns
        return self._joined(now_ns)

    def on_link(self, connected: bool) -> None:
        """The stream was subscribed anew, or was lost: either way deltas are missing.

        What went wrong on an old connection delays no snapshot of a new one: that has pauses of its
        own when connections do not last."""
        self.connected = connected
        self._attempts = 0
        self.awaiting = True
        self.generation += 1
        self.held.clear()
        self._ticker_id = 0
        self.last_trade_id = -1

    def on_bars(self, bars: Sequence[Bar], now_ns: int) -> None:
        """Seeds anchor and volatility from the venue's candles (E1, E2).

        A bar's high counts from the bar's start, so none outlives the anchor window. Candles of
        another time than ours (a replayed market) are moved to end now.
        """
        if not bars:
            return
        shift_ns = now_ns - bars[-1].open_ms * NS_PER_MS
        if 0 <= shift_ns < 2 * NS_PER_MINUTE:
            shift_ns = 0
        tick = float(self.instrument.tick_size)
        starts = [bar.open_ms * NS_PER_MS + shift_ns for bar in bars]
        for start_ns, bar in zip(starts, bars, strict=True):
            if now_ns - start_ns < self.limits.window_ns:
                self.window.seed(start_ns, bar.high / tick)
        self.bars.seed(
            (start_ns // NS_PER_MINUTE, bar.high / tick, bar.low / tick, bar.close / tick)
            for start_ns, bar in zip(starts, bars, strict=True)
        )
        self._measure(now_ns)

    # ---- watching

    def watch(self, now_ns: int) -> Heard:
        """The regular look at age and order: LOST when the book has to be fetched again."""
        silent_ns = now_ns - self.recv_ns
        allowed_ns = self.limits.stale_quiet_ns if self.connected else self.limits.stale_down_ns
        stale = silent_ns > allowed_ns
        changed = stale != self.stale
        self.stale = stale
        if stale and changed:
            # The anchor of a stale symbol is void until warm again (E2).
            self.window.void()
            self.drop_pct = 0.0
        self.atr_pct = self.bars.atr_pct(now_ns // NS_PER_MINUTE)
        if not stale:
            # An unchanged mid is still the mid: old highs leave the window all the same.
            self._measure(now_ns)
        if not self.awaiting:
            if self._crossed_ns and now_ns - self._crossed_ns > self.limits.crossed_ns:
                return self._lose(())
            if now_ns - self._synced_ns > self.limits.settled_ns:
                self._attempts = 0
        return Heard.CHANGED if changed else Heard.NOTHING

    def next_fetch(self) -> tuple[int, int]:
        """(generation, delay_ms) of the snapshot to ask for; the delay doubles while none holds."""
        delay_ms = 0
        if self._attempts:
            delay_ms = min(100 << min(self._attempts, 16), self.limits.resync_max_ms)
        self._attempts += 1
        self.generation += 1
        return self.generation, delay_ms

    @property
    def was_synced(self) -> bool:
        """Whether the book ever was in sync."""
        return self._synced_ns > 0

    def lacks_snapshot(self, now_ns: int) -> bool:
        """Whether the stream is up and its snapshot should have come by now."""
        return self.streamed and self.awaiting and self.connected and now_ns >= self.snapshot_due_ns

    @property
    def needs_bars(self) -> bool:
        """Whether the anchor lacks its past."""
        return not self.window.seeded and not self.stale

    # ---- telling

    def flags(self, now_ns: int) -> int:
        """The QuoteFlags of this instant."""
        flags = 0
        bid, _, ask, _ = self._top
        if self._crossed_ns or (bid >= ask > 0):
            flags |= _CROSSED
        if self.awaiting:
            flags |= _GAPPED
        if self.stale:
            flags |= _STALE
        if self.halted:
            flags |= _HALTED
        if not self.stale:
            if self.window.seeded:
                flags |= _SEEDED | _WARM
            elif len(self.window) and self.window.age_ns(now_ns) >= self.limits.warm_after_ns:
                flags |= _WARM
        return flags

    def quote(self, now_ns: int) -> bytes:
        """The packed quote of this instant, one sequence number further."""
        self.sequence += 1
        self.published_ns = now_ns
        self.dirty = False
        anchor = self.window.anchor()
        book = self.book
        if self._ticker_id <= book.last_update_id:
            return pack_book(
                book,
                self.symbol,
                sequence=self.sequence,
                recv_ns=self.recv_ns,
                publish_ns=now_ns,
                event_ms=self.event_ms,
                last_ticks=self.last_ticks,
                anchor_ticks=int(anchor) if anchor else 0,
                drop_pct=self.drop_pct,
                volume_quote_24h=self.volume_quote_24h,
                atr_pct=self.atr_pct,
                buy_quote=self.limits.buy_quote,
                flags=self.flags(now_ns),
            )
        # The best prices are newer than the book: depth is the book's, up to 100 ms older.
        bid_ticks, bid_lots, ask_ticks, ask_lots = self._top
        stats = book.stats()
        ask_price = ask_ticks * float(self.instrument.tick_size)
        return pack(
            symbol=self.symbol,
            sequence=self.sequence,
            recv_ns=self.recv_ns,
            publish_ns=now_ns,
            event_ms=self.event_ms,
            bid_ticks=bid_ticks,
            bid_lots=bid_lots,
            ask_ticks=ask_ticks,
            ask_lots=ask_lots,
            last_ticks=self.last_ticks,
            anchor_ticks=int(anchor) if anchor else 0,
            drop_pct=self.drop_pct,
            spread_bps=self._spread_bps(),
            bid_depth_quote=stats.bid_depth_50bps,
            ask_depth_quote=stats.ask_depth_50bps,
            imbalance=stats.imbalance,
            volume_quote_24h=self.volume_quote_24h,
            atr_pct=self.atr_pct,
            buy_price=max(ask_price, book.sweep("ask", self.limits.buy_quote) or 0.0),
            flags=self.flags(now_ns),
        )

    # ---- inside

    def _joined(self, now_ns: int) -> Heard:
        """The book has its snapshot, and what followed it."""
        self.awaiting = False
        self._synced_ns = now_ns
        self._crossed_ns = 0
        if self._ticker_id <= self.book.last_update_id:
            self._settle(self.book.best_ticks(), now_ns)
        return Heard.CHANGED

    def _on_trades(self, result: ScanResult, now_ns: int) -> Heard:
        """The trades of a frame that are new: into the bars, the last one is the last price."""
        self.last_trade_id = result.trade_id - self._trades_share
        self.event_ms = result.event_ms
        minute = now_ns // NS_PER_MINUTE
        if result.trades > 1:
            for one in self.scanner.trades():
                self.bars.on_trade(one.price_ticks, minute)
        else:
            self.bars.on_trade(result.price_ticks, minute)
        if result.price_ticks == self.last_ticks:
            return Heard.NOTHING
        self.last_ticks = result.price_ticks
        return Heard.CHANGED

    def _hear(self, now_ns: int) -> None:
        self.frames += 1
        self.recv_ns = now_ns
        self.stale = False

    def _look(self, now_ns: int) -> Heard:
        """Best prices after a delta; the ticker's stand while they are newer."""
        if self._ticker_id > self.book.last_update_id:
            self._note_crossed(self.book.crossed(), now_ns)
            return Heard.NOTHING
        return self._settle(self.book.best_ticks(), now_ns)

    def _settle(self, top: tuple[int, int, int, int], now_ns: int) -> Heard:
        """Takes new best prices; measures the drop on their mid unless they are crossed."""
        if top == self._top:
            return Heard.NOTHING
        self._top = top
        self._measure(now_ns)
        self._note_crossed(top[0] >= top[2] > 0 or self.book.crossed(), now_ns)
        return Heard.CHANGED

    def _measure(self, now_ns: int) -> None:
        bid, _, ask, _ = self._top
        if 0 < bid < ask:
            self.drop_pct = self.window.update(now_ns, (bid + ask) / 2)

    def _note_crossed(self, crossed: bool, now_ns: int) -> None:
        if not crossed:
            self._crossed_ns = 0
        elif not self._crossed_ns:
            self._crossed_ns = now_ns

    def _lose(self, held: tuple[bytes, ...]) -> Heard:
        """The book's place is lost: GAPPED, and deltas are held back from here on."""
        self.gaps += 1
        self.awaiting = True
        self._crossed_ns = 0
        self.held.clear()
        self.held.extend(held)
        return Heard.LOST

    def _spread_bps(self) -> float:
        bid, _, ask, _ = self._top
        return (ask - bid) * 20_000.0 / (bid + ask) if bid and ask else 0.0
