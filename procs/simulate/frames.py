"""The venue's public side as ingest meets it: frames of a stream, answers to questions, silence.

Frames are bytes as the exchange writes them, one step of the market at a time: best prices, the
depth of the whole step, its last trade. Snapshots are the published books of the matching core.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from procs.ingest.heard import (
    Bar,
    CandlesFetched,
    FeedDown,
    FeedUp,
    Fetch,
    FetchDepth,
    FetchFailed,
    InstrumentsFetched,
    SnapshotFetched,
    VolumesFetched,
)
from procs.localvenue.market.events import BookChanged, MarketEvent, Traded
from procs.simulate.feed import FramesArrived, IngestNode
from procs.simulate.prices import DAY_VOLUME
from shared.units import NS_PER_MS, NS_PER_S, to_ticks

if TYPE_CHECKING:
    from procs.simulate.world import World

TRAVEL_MS: Final = (1, 10)
ANSWER_MS: Final = (5, 80)
CONNECT_MS: Final = (50, 400)
RETRY_MIN_NS: Final = 500 * NS_PER_MS
STALL_NS: Final = 15 * NS_PER_S
"""Silence after which a stream is taken for dead (`shared.venues.feed.stream`)."""
LOOK_NS: Final = 500 * NS_PER_MS
CUT_MS: Final = (100, 5_000)
SILENT_MS: Final = (1_000, 15_000)
MINUTE_MS: Final = 60_000
BARS: Final = 16


class _Step:
    """What the market did to one symbol since the last frames."""

    def __init__(self) -> None:
        self.first_id = 0
        self.last_id = 0
        self.bids: dict[Decimal, Decimal] = {}
        self.asks: dict[Decimal, Decimal] = {}
        self.trade: Traded | None = None

    def take(self, event: MarketEvent) -> None:
        if isinstance(event, BookChanged):
            self.first_id = self.first_id or event.first_id
            self.last_id = event.last_id
            self.bids.update(event.bids)
            self.asks.update(event.asks)
        elif isinstance(event, Traded):
            self.trade = event


class Frames:
    """One stream of all symbols, and the questions beside it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._up = False
        self._silent_until_ns = 0
        self._heard_ns = 0
        self._steps: dict[str, _Step] = {}
        self._stale: dict[str, bytes] = {}
        """A snapshot of a while ago, as a cache in the venue may still hold it."""
        self._highs: dict[str, float] = {}
        self._symbols = tuple(i.symbol for i in world.market.instruments)
        world.agenda.after(LOOK_NS, self._look)

    # ── the stream ──────────────────────────────────────────────────────────────────────────────

    def started(self, node: IngestNode) -> None:
        """Ingest's process asks what there is, and connects."""
        self._up = False
        asked_ms = self._between(ANSWER_MS)
        self._later(asked_ms, node, InstrumentsFetched(self._world.market.instruments))
        self._later(asked_ms, node, VolumesFetched(dict.fromkeys(self._symbols, DAY_VOLUME)))
        self._connect(node, asked_ms)

    def on_event(self, event: MarketEvent) -> None:
        """The market moves."""
        step = self._steps.get(event.symbol)
        if step is None:
            step = self._steps[event.symbol] = _Step()
        step.take(event)

    def send(self) -> None:
        """What the market did since the last time leaves as frames."""
        steps, self._steps = self._steps, {}
        frames: list[bytes] = []
        for symbol, step in steps.items():
            self._note_high(symbol)
            frames += self._written(symbol, step)
        world = self._world
        now_ns = world.agenda.now_ns
        if not self._up or now_ns < self._silent_until_ns or not frames:
            return
        self._heard_ns = now_ns
        self._deliver(self._disturbed(frames))

    def _deliver(self, frames: list[bytes]) -> None:
        node = self._node()
        life = node.life
        arrived = FramesArrived(tuple(frames))
        self._world.agenda.after(
            self._between(TRAVEL_MS) * NS_PER_MS,
            lambda: node.take(arrived, life) if self._up else None,
        )

    def _disturbed(self, frames: list[bytes]) -> list[bytes]:
        """The frames with what the seed does to them."""
        dice = self._world.dice
        arriving: list[bytes] = []
        for frame in frames:
            kind = kind_of(frame)
            if dice.hits("lost_frame", kind):
                continue
            if dice.hits("late_frame", kind):
                late_ns = dice.between("late_frame", 20, 2_000) * NS_PER_MS
                self._world.agenda.after(late_ns, partial(self._deliver, [frame]))
                continue
            if dice.hits("malformed_frame", kind):
                end = dice.between("malformed_frame", 1, len(frame) - 1)
                frame = frame[:end]
            arriving.append(frame)
            if dice.hits("doubled_frame", kind):
                arriving.append(frame)
        return arriving

    def _look(self) -> None:
        world = self._world
        world.agenda.after(LOOK_NS, self._look)
        node, dice, now_ns = self._node(), world.dice, world.agenda.now_ns
        if not self._up or not node.alive:
            return
        if dice.hits("cut_feed", "up"):
            self._lose(node, "connection cut", dice.between("cut_feed", *CUT_MS))
        elif dice.hits("silent_feed", "up"):
            silent_ms = dice.between("silent_feed", *SILENT_MS)
            self._silent_until_ns = now_ns + silent_ms * NS_PER_MS
        elif now_ns - self._heard_ns > STALL_NS:
            self._lose(node, "nothing was heard", 200)

    def _lose(self, node: IngestNode, reason: str, again_ms: int) -> None:
        self._up = False
        self._later(0, node, FeedDown(self._symbols, reason))
        self._connect(node, again_ms)

    def _connect(self, node: IngestNode, after_ms: int) -> None:
        life = node.life

        def up() -> None:
            if node.alive and node.life == life:
                self._up = True
                self._silent_until_ns = 0
                self._heard_ns = self._world.agenda.now_ns
                node.take(FeedUp(self._symbols), life)

        self._world.agenda.after((after_ms + self._between(CONNECT_MS)) * NS_PER_MS, up)

    def at_rest(self) -> None:
        """After healing, with the market still: ingest's books are the venue's."""
        checkers = self._world.checkers
        for symbol, market in self._node().actor.markets.items():
            published = self._world.venue.exchange.published[symbol]
            bid, ask = published.bids.first, published.asks.first
            if market.awaiting:
                checkers.say("E1", f"{symbol}: its book never came back")
            elif bid is not None and ask is not None:
                tick = market.instrument.tick_size
                theirs = (to_ticks(bid, tick), to_ticks(ask, tick))
                best = market.book.best_ticks()
                if (best[0], best[2]) != theirs:
                    checkers.say("E1", f"{symbol}: best {best[0]}, {best[2]}, venue {theirs}")

    # ── questions ───────────────────────────────────────────────────────────────────────────────

    def ask(self, node: IngestNode, fetch: Fetch, pause_ns: int = RETRY_MIN_NS) -> None:
        """A question leaves; it is asked again until it is answered or out of date."""
        delay_ms = fetch.delay_ms if isinstance(fetch, FetchDepth) else 0
        life = node.life

        def answer() -> None:
            if not node.alive or node.life != life:
                return
            if isinstance(fetch, FetchDepth):
                self._answer_depth(node, fetch, pause_ns)
            else:
                node.take(CandlesFetched(fetch.symbol, self._bars(fetch.symbol)), life)

        wait_ms = delay_ms + self._between(ANSWER_MS)
        self._world.agenda.after(wait_ms * NS_PER_MS, answer)

    def _answer_depth(self, node: IngestNode, fetch: FetchDepth, pause_ns: int) -> None:
        dice, symbol = self._world.dice, fetch.symbol
        if node.actor.markets[symbol].generation != fetch.generation:
            return
        if dice.hits("failed_snapshot", "depth"):
            failed = FetchFailed(f"depth {symbol}", "status 503", pause_ns / NS_PER_S)
            node.take(failed, node.life)
            again = FetchDepth(symbol, fetch.generation, pause_ns // NS_PER_MS)
            self.ask(node, again, pause_ns * 2)
            return
        body = self._snapshot(symbol)
        if dice.hits("stale_snapshot", "depth"):
            body = self._stale.get(symbol, body)
        else:
            self._stale[symbol] = body
        node.take(SnapshotFetched(symbol, fetch.generation, body), node.life)

    def _snapshot(self, symbol: str) -> bytes:
        published = self._world.venue.exchange.published[symbol]
        bids = _levels(published.bids.levels(1_000))
        asks = _levels(published.asks.levels(1_000))
        text = f'{{"lastUpdateId":{published.last_update_id},"bids":[{bids}],"asks":[{asks}]}}'
        return text.encode()

    def _bars(self, symbol: str) -> tuple[Bar, ...]:
        """Quiet minutes, and the one that grows with its high."""
        published = self._world.venue.exchange.published[symbol]
        last = float(published.reference_price() or 0)
        high = max(self._highs.get(symbol, last), last)
        open_ms = self._world.agenda.now_ns // NS_PER_MS // MINUTE_MS * MINUTE_MS
        starts = range(open_ms - (BARS - 1) * MINUTE_MS, open_ms + 1, MINUTE_MS)
        return tuple(Bar(start_ms, high, last, last) for start_ms in starts)

    # ── words ───────────────────────────────────────────────────────────────────────────────────

    def _written(self, symbol: str, step: _Step) -> list[bytes]:
        """Best prices first: they are said before the depth that holds them."""
        now_ms = self._world.agenda.now_ns // NS_PER_MS
        stream = symbol.lower()
        published = self._world.venue.exchange.published[symbol]
        frames: list[str] = []
        bid, ask = published.bids.first, published.asks.first
        if step.last_id and bid is not None and ask is not None:
            bid_quantity = published.bids.quantities[bid]
            ask_quantity = published.asks.quantities[ask]
            frames.append(
                f'{{"stream":"{stream}@bookTicker","data":{{"u":{step.last_id},"s":"{symbol}",'
                f'"b":"{bid:f}","B":"{bid_quantity:f}","a":"{ask:f}","A":"{ask_quantity:f}"}}}}'
            )
        if step.last_id:
            bids = _levels(sorted(step.bids.items(), reverse=True))
            asks = _levels(sorted(step.asks.items()))
            frames.append(
                f'{{"stream":"{stream}@depth@100ms","data":{{"e":"depthUpdate","E":{now_ms},'
                f'"s":"{symbol}","U":{step.first_id},"u":{step.last_id},'
                f'"b":[{bids}],"a":[{asks}]}}}}'
            )
        if step.trade is not None:
            one = step.trade
            maker = "true" if one.buyer_is_maker else "false"
            frames.append(
                f'{{"stream":"{stream}@trade","data":{{"e":"trade","E":{now_ms},"s":"{symbol}",'
                f'"t":{one.trade_id},"p":"{one.price:f}","q":"{one.quantity:f}",'
                f'"T":{one.at_ms},"m":{maker},"M":true}}}}'
            )
        return [frame.encode() for frame in frames]

    def _note_high(self, symbol: str) -> None:
        published = self._world.venue.exchange.published[symbol]
        bid, ask = published.bids.first, published.asks.first
        if bid is not None and ask is not None:
            mid = float(bid + ask) / 2
            self._highs[symbol] = max(self._highs.get(symbol, mid), mid)

    def _later(self, delay_ms: int, node: IngestNode, message: Any) -> None:
        life = node.life
        self._world.agenda.after(delay_ms * NS_PER_MS, lambda: node.take(message, life))

    def _between(self, bounds_ms: tuple[int, int]) -> int:
        return self._world.channels.random.randint(*bounds_ms)

    def _node(self) -> IngestNode:
        node = self._world.nodes["ingest"]
        assert isinstance(node, IngestNode)
        return node


def kind_of(frame: bytes) -> str:
    """Which stream a frame is of, for words."""
    return frame[: frame.index(b'",')].split(b"@")[1].decode()


def _levels(levels: Iterable[tuple[Decimal, Decimal]]) -> str:
    return ",".join(f'["{price:f}","{quantity:f}"]' for price, quantity in levels)
