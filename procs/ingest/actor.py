"""Ingest's judgement: whose a frame is, when a quote is said, what must be asked again.

Pure. Control messages and the rare answers of the venue come through `on`, as in every actor;
frames come through `on_frame`, and quotes and questions leave through `quotes` and `fetches`, lists
that the shell empties after each call: thousands of frames a second do not pay for a turn. There is
no journal: all that ingest knows it can ask again, and its sequence numbers rise with the clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from core_ext.codes import Dialect
from core_ext.scan import symbol_of
from procs.ingest.heard import (
    CandlesFetched,
    FeedDown,
    FeedUp,
    Fetch,
    FetchCandles,
    FetchDepth,
    FetchFailed,
    FetchPaced,
    FrameReceived,
    InstrumentsFetched,
    SnapshotFetched,
    VolumesFetched,
)
from procs.ingest.market import NS_PER_MINUTE, Heard, Market, MarketLimits
from procs.ingest.universe import in_windows
from shared.domain.effects import Effect, Note, SetTimer, TimerFired
from shared.domain.instrument import Instrument
from shared.domain.policy import Policy
from shared.messages.base import Message
from shared.units import NS_PER_MS, NS_PER_S

WATCH: Final = "watch"
WATCH_EVERY_NS: Final = 500 * NS_PER_MS
"""Every symbol is said at least so often, so that readers can tell quiet from dead."""
CONFLATE_NS: Final = 20 * NS_PER_MS
"""A symbol is said at most so often; what changes meanwhile is said together."""
READY_WITHIN_NS: Final = 5 * NS_PER_S
"""So long readiness waits for the whole universe; then one synced book is enough."""
ANCHOR_BARS_MIN: Final = 16
"""At least the bars of the ATR and the growing one."""
SNAPSHOT_WITHIN_NS: Final = 5 * NS_PER_S
"""A stream that brings snapshots is asked again for one that did not come within so long."""
NOTES_WAITING_MAX: Final = 1000
"""Log records that may wait for the next turn; turns come twice a second at least."""
NOTE_EVERY_NS: Final = NS_PER_S
"""Refused frames are counted all, logged at most so often."""


def limits_of(policy: Policy) -> MarketLimits:
    """The configured behaviour as limits of a market."""
    return MarketLimits(
        window_ns=policy.drop.anchor_window_s * NS_PER_S,
        warm_after_ns=policy.drop.anchor_min_age_s * NS_PER_S,
        buy_quote=float(policy.risk.position_quote),
    )


class IngestActor:
    """The only writer of books, anchors and staleness. Implements `procs.turn.Actor`."""

    role = "ingest"

    def __init__(
        self,
        policy: Policy,
        limits: MarketLimits | None = None,
        priority: tuple[str, ...] = (),
        frames: Dialect = Dialect.BINANCE_SPOT,
    ) -> None:
        """`frames` is the language of the venue's frames."""
        self._policy = policy
        self._frames = frames
        self._fall_pct = -policy.drop.trigger_pct
        self._priority = priority
        self._limits = limits_of(policy) if limits is None else limits
        self._bars_wanted = max(ANCHOR_BARS_MIN, policy.drop.anchor_window_s // 60 + 1)
        self._dirty: list[Market] = []
        self._first_up_ns = 0
        self._ready = False
        self._noted_ns = -NOTE_EVERY_NS
        self._refused_noted = 0
        self._notes: list[Effect] = []
        self.latched = ""
        """Set by the runtime; ingest goes on whatever the trading state is."""
        self.markets: dict[str, Market] = {}
        self.quotes: list[bytes] = []
        """Packed quotes to publish, in order."""
        self.fetches: list[Fetch] = []
        """What to ask the venue."""
        self.published = 0
        self.unrouted = 0
        self.links_lost = 0
        self.resyncs = 0
        self.failed_fetches = 0

    # ---- procs.turn.Actor

    def recover(self, snapshot: bytes | None, events: Iterable[Message]) -> None:
        """Nothing: ingest has no journal."""

    def snapshot(self) -> bytes:
        """Empty: ingest has no journal."""
        return b""

    def start(self, now_ns: int) -> list[Effect]:
        """The first effects: the regular look at every market."""
        return [SetTimer(WATCH, now_ns + WATCH_EVERY_NS)]

    def on(self, message: Any, now_ns: int) -> list[Effect]:
        """What follows from a message; quotes and fetches are left in their lists."""
        effects: list[Effect] = []
        match message:
            case FrameReceived():
                self.on_frame(message.frame, message.recv_ns)
            case TimerFired(key=key) if key == WATCH:
                self._watch(now_ns)
                effects.append(SetTimer(WATCH, now_ns + WATCH_EVERY_NS))
            case SnapshotFetched():
                self._on_snapshot(message, now_ns)
            case CandlesFetched():
                market = self.markets.get(message.symbol)
                if market is not None and message.bars:
                    market.on_bars(message.bars, now_ns)
                    self._say(market, now_ns)
            case VolumesFetched():
                for symbol, market in self.markets.items():
                    market.volume_quote_24h = message.volumes.get(symbol, market.volume_quote_24h)
            case FetchFailed():
                self.failed_fetches += 1
                self._note(
                    "fetch_failed",
                    what=message.what,
                    text=message.text,
                    retry_s=message.retry_s,
                )
            case FetchPaced(wait_s=wait_s):
                self._note("rate_limited", wait_s=round(wait_s, 1))
            case FeedUp() | FeedDown():
                self.on_link(message, now_ns)
            case InstrumentsFetched():
                self._on_instruments(message.instruments, now_ns)
        effects += self._notes
        self._notes.clear()
        return effects

    @property
    def ready(self) -> bool:
        """Whether every book is in sync, or one is and the others had their time."""
        return self._ready

    def figures(self) -> dict[str, float]:
        """Current counters for the heartbeat."""
        markets = self.markets.values()
        return {
            "quotes": self.published,
            "symbols": len(self.markets),
            "frames": sum(market.frames for market in markets),
            "malformed": self.unrouted + sum(market.refused for market in markets),
            "gaps": sum(market.gaps for market in markets),
            "resyncs": self.resyncs,
            "reconnects": self.links_lost,
            "failed_fetches": self.failed_fetches,
            "synced": sum(not market.awaiting for market in markets),
            "stale": sum(market.stale for market in markets),
        }

    def report(self) -> dict[str, Any]:
        """Plain figures for the run summary."""
        return dict(self.figures())

    # ---- between turns

    def on_link(self, message: FeedUp | FeedDown, now_ns: int) -> None:
        """A stream is up or down, at once: frames that follow belong to what it says."""
        if isinstance(message, FeedUp):
            self._on_up(message, now_ns)
        else:
            self._on_down(message, now_ns)

    def on_frame(self, frame: bytes, now_ns: int) -> None:
        """A data frame: into its market, and out as a quote when it is time for one.

        What is worth a log record waits for the next `on`.
        """
        symbol = symbol_of(frame)
        market = self.markets.get(symbol) if symbol is not None else None
        if market is None:
            self.unrouted += 1
            self._note_refused("no symbol that is watched", now_ns)
            return
        heard = market.on_frame(frame, now_ns)
        if heard is Heard.CHANGED:
            # A fall beyond the trigger is what the engine lives on: it is never held back.
            falling = market.drop_pct <= self._fall_pct
            if falling or now_ns - market.published_ns >= CONFLATE_NS:
                self._say(market, now_ns)
            elif not market.dirty:
                market.dirty = True
                self._dirty.append(market)
        elif heard is Heard.REFUSED:
            self._note_refused(f"{market.symbol}: {market.refusal}", now_ns)
        elif heard is Heard.LOST:
            self._resync(market, now_ns)
            self._say(market, now_ns)
            self._note("book_gapped", symbol=market.symbol, gaps=market.gaps)

    @property
    def has_dirty(self) -> bool:
        """Whether `flush` has something to say."""
        return bool(self._dirty)

    def flush(self, now_ns: int) -> None:
        """Says what was held back to be said together; due CONFLATE_NS after it was."""
        for market in self._dirty:
            if market.dirty:
                self._say(market, now_ns)
        self._dirty.clear()

    def take_quotes(self) -> list[bytes]:
        """The quotes to publish; the list starts empty again."""
        quotes, self.quotes = self.quotes, []
        return quotes

    def take_fetches(self) -> list[Fetch]:
        """The questions to ask; the list starts empty again."""
        fetches, self.fetches = self.fetches, []
        return fetches

    def waits_for(self, fetch: FetchDepth) -> bool:
        """Whether the answer to a question is still wanted."""
        market = self.markets[fetch.symbol]
        return market.awaiting and market.generation == fetch.generation

    # ---- the rare things

    def _on_instruments(self, instruments: tuple[Instrument, ...], now_ns: int) -> None:
        seen = {instrument.symbol: instrument for instrument in instruments}
        if not self.markets:
            windows = in_windows(seen, self._priority)
            for symbol, instrument in seen.items():
                self.markets[symbol] = Market(instrument, self._limits, now_ns, self._frames)
                if symbol in windows:
                    self.markets[symbol].book.become("window")
            missing = sorted(set(self._priority) - windows)
            if missing:
                self._note("priority_not_watched", symbols=", ".join(missing))
            return
        for symbol, market in list(self.markets.items()):
            now_is = seen.get(symbol)
            halted = now_is is None or now_is.status != "TRADING"
            if now_is is not None and now_is.tick_size != market.instrument.tick_size:
                # Prices are counted in ticks: nothing of the old market can be carried over.
                renewed = Market(now_is, self._limits, now_ns, self._frames)
                renewed.volume_quote_24h = market.volume_quote_24h
                renewed.sequence = max(renewed.sequence, market.sequence)
                renewed.generation = market.generation
                renewed.book.become(market.book.kind)
                market.dirty = False
                self.markets[symbol] = renewed
                if market.connected:
                    renewed.on_link(True)
                    self._resync(renewed, now_ns)
                self._note("tick_size_changed", symbol=symbol, tick_size=now_is.tick_size)
            elif halted != market.halted:
                market.halted = halted
                self._say(market, now_ns)
                self._note("market_status_changed", symbol=symbol, halted=halted)

    def _on_up(self, message: FeedUp, now_ns: int) -> None:
        self._first_up_ns = self._first_up_ns or now_ns
        for symbol in message.symbols:
            market = self.markets.get(symbol)
            if market is not None:
                market.on_link(True)
                if market.streamed:
                    self.resyncs += market.was_synced
                    market.snapshot_due_ns = now_ns + SNAPSHOT_WITHIN_NS
                else:
                    self._resync(market, now_ns)
                if self._policy.drop.seed_anchor and not market.window.seeded:
                    self._ask_bars(market, now_ns)
        self._note("feed_up", symbols=len(message.symbols))

    def _on_down(self, message: FeedDown, now_ns: int) -> None:
        self.links_lost += 1
        for symbol in message.symbols:
            market = self.markets.get(symbol)
            if market is not None:
                market.on_link(False)
                self._say(market, now_ns)
        self._note("feed_down", symbols=len(message.symbols), reason=message.reason)

    def _on_snapshot(self, message: SnapshotFetched, now_ns: int) -> None:
        market = self.markets.get(message.symbol)
        if market is None:
            return
        heard = market.on_snapshot(message.generation, message.body, now_ns)
        if heard is Heard.LOST:
            self._resync(market, now_ns)
            why = market.refusal or "older than its deltas"
            self._note("snapshot_not_joined", symbol=market.symbol, why=why)
        elif heard is Heard.CHANGED:
            self._say(market, now_ns)
            self._judge_ready(now_ns)

    def _watch(self, now_ns: int) -> None:
        for market in self.markets.values():
            was_stale = market.stale
            heard = market.watch(now_ns)
            if heard is Heard.LOST:
                self._resync(market, now_ns)
                self._note("book_crossed", symbol=market.symbol)
            elif market.lacks_snapshot(now_ns):
                self._resync(market, now_ns)
                self._note("snapshot_missing", symbol=market.symbol)
            if market.stale and not was_stale:
                self._note("symbol_stale", symbol=market.symbol)
            if self._policy.drop.seed_anchor and market.connected and market.needs_bars:
                self._ask_bars(market, now_ns)
            if heard is not Heard.NOTHING or now_ns - market.published_ns >= WATCH_EVERY_NS:
                self._say(market, now_ns)
        self._judge_ready(now_ns)

    def _judge_ready(self, now_ns: int) -> None:
        if self._ready or not self._first_up_ns:
            return
        synced = sum(not market.awaiting for market in self.markets.values())
        waited = now_ns - self._first_up_ns >= READY_WITHIN_NS
        self._ready = synced > 0 and (synced == len(self.markets) or waited)

    def _ask_bars(self, market: Market, now_ns: int) -> None:
        if now_ns - market.candles_asked_ns >= NS_PER_MINUTE:
            market.candles_asked_ns = now_ns
            self.fetches.append(FetchCandles(market.symbol, self._bars_wanted))

    def _resync(self, market: Market, now_ns: int) -> None:
        generation, delay_ms = market.next_fetch()
        market.snapshot_due_ns = now_ns + delay_ms * NS_PER_MS + SNAPSHOT_WITHIN_NS
        self.resyncs += market.was_synced
        self.fetches.append(FetchDepth(market.symbol, generation, delay_ms))

    def _say(self, market: Market, now_ns: int) -> None:
        self.published += 1
        self.quotes.append(market.quote(now_ns))

    def _note(self, event_type: str, **fields: Any) -> None:
        if len(self._notes) < NOTES_WAITING_MAX:
            self._notes.append(Note("events", event_type, fields))

    def _note_refused(self, text: str, now_ns: int) -> None:
        if now_ns - self._noted_ns < NOTE_EVERY_NS:
            return
        self._noted_ns = now_ns
        refused = self.unrouted + sum(market.refused for market in self.markets.values())
        since = refused - self._refused_noted
        self._refused_noted = refused
        self._note("frame_refused", text=text, since_last=since, total=refused)
