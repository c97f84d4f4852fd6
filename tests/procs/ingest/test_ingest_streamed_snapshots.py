"""A market whose snapshots come in its stream: joins, gaps, restarts, trades that share numbers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core_ext.codes import Dialect, QuoteFlag
from core_ext.quote import Quote, unpack
from core_ext.reference.book import Book
from core_ext.reference.bybit import BybitScanner
from procs.ingest.actor import SNAPSHOT_WITHIN_NS, IngestActor
from procs.ingest.heard import FeedDown, FeedUp, FetchDepth, InstrumentsFetched
from shared.domain.effects import TimerFired
from shared.domain.policy import DropPolicy, Policy
from shared.units import NS_PER_S

sys.path.insert(0, str(Path(__file__).parents[2] / "shared" / "venues"))
sys.path.insert(0, str(Path(__file__).parent))
from feed_server import bybit_book, bybit_trades
from ingest_scene import T0, instrument

NAME = "AAAUSDT"
UP = FeedUp((NAME,))
DOWN = FeedDown((NAME,), "cut")
BIDS, ASKS = [["99.99", "5"]], [["100.01", "5"]]


class Scene:
    """One Bybit symbol, connected unless said otherwise."""

    def __init__(self, up: bool = True) -> None:
        self.now_ns = T0
        policy = Policy(drop=DropPolicy(seed_anchor=False))
        self.actor = IngestActor(policy, frames=Dialect.BYBIT)
        self.actor.on(InstrumentsFetched((instrument(NAME),)), self.now_ns)
        if up:
            self.actor.on_link(UP, self.now_ns)

    @property
    def market(self) -> Any:
        return self.actor.markets[NAME]

    def hear(self, text: str, after_ms: int = 25) -> None:
        self.now_ns += after_ms * 1_000_000
        self.actor.on_frame(text.encode(), self.now_ns)

    def snapshot(self, number: int, sequence: int, bids: Any = BIDS, asks: Any = ASKS) -> None:
        self.hear(bybit_book(NAME, "snapshot", number, sequence, bids, asks))

    def delta(self, number: int, sequence: int, bids: Any = (), asks: Any = ()) -> None:
        self.hear(bybit_book(NAME, "delta", number, sequence, bids, asks))

    def wait(self, seconds: float) -> None:
        until_ns = self.now_ns + int(seconds * NS_PER_S)
        while self.now_ns < until_ns:
            self.now_ns = min(self.now_ns + NS_PER_S // 2, until_ns)
            self.actor.on(TimerFired("watch"), self.now_ns)

    def asked(self) -> list[FetchDepth]:
        return [fetch for fetch in self.actor.take_fetches() if isinstance(fetch, FetchDepth)]

    def last(self) -> Quote:
        return unpack(self.actor.take_quotes()[-1])


def test_the_snapshot_of_a_subscription_is_enough():
    scene = Scene()
    assert scene.market.awaiting
    scene.snapshot(10, 100)
    assert scene.last().flags & QuoteFlag.GAPPED == 0
    scene.delta(11, 101, [["99.98", "1"]])
    assert scene.market.book.counts() == (2, 1)
    assert scene.asked() == []
    assert scene.actor.figures()["gaps"] == 0


def test_a_gap_asks_the_stream_once_and_deltas_wait_for_the_snapshot():
    scene = Scene()
    scene.snapshot(10, 100)
    scene.delta(12, 102)
    (first,) = scene.asked()
    assert first.delay_ms == 0
    assert scene.last().flags & QuoteFlag.GAPPED
    for number in (13, 14):
        scene.delta(number, 90 + number)
    assert scene.asked() == []
    assert scene.actor.figures()["gaps"] == 1
    scene.snapshot(14, 104, [["99.90", "7"]])
    assert scene.last().flags & QuoteFlag.GAPPED == 0
    scene.delta(15, 105)
    assert scene.market.book.best_ticks()[0] == 9990
    assert scene.actor.figures()["gaps"] == 1
    assert scene.actor.figures()["resyncs"] == 1


def test_a_snapshot_that_does_not_come_is_asked_for_again_and_again():
    scene = Scene()
    scene.wait(SNAPSHOT_WITHIN_NS / NS_PER_S - 1)
    assert scene.asked() == []
    scene.wait(2)
    (first,) = scene.asked()
    scene.wait(SNAPSHOT_WITHIN_NS / NS_PER_S + 1)
    (second,) = scene.asked()
    assert second.generation > first.generation
    assert second.delay_ms > first.delay_ms
    scene.actor.on_link(DOWN, scene.now_ns)
    scene.wait(30)
    assert scene.asked() == []


def test_a_service_that_starts_anew_is_no_gap():
    scene = Scene()
    scene.snapshot(5000, 100)
    scene.snapshot(1, 101, [["99.50", "3"]])
    scene.delta(2, 102, [["99.51", "3"]])
    assert scene.market.book.best_ticks()[0] == 9951
    assert scene.asked() == []
    assert scene.actor.figures()["gaps"] == 0


def test_what_was_before_a_lost_connection_is_not_continued():
    scene = Scene()
    scene.snapshot(10, 100)
    scene.actor.on_link(DOWN, scene.now_ns)
    assert scene.last().flags & QuoteFlag.GAPPED
    scene.actor.on_link(UP, scene.now_ns)
    scene.delta(11, 101)
    assert scene.market.awaiting
    scene.snapshot(20, 110)
    assert not scene.market.awaiting
    assert scene.actor.figures()["resyncs"] == 1


def test_a_crossed_book_is_asked_for_again():
    scene = Scene()
    scene.snapshot(10, 100, [["100.05", "1"]], [["100.01", "1"]])
    scene.delta(11, 101, [["100.06", "1"]])
    scene.wait(2)
    assert len(scene.asked()) == 1
    assert scene.market.awaiting


def test_trades_share_numbers_and_all_of_a_frame_count():
    scene = Scene()
    scene.snapshot(10, 100)
    scene.hear(bybit_trades(NAME, (7, "100.00"), (7, "103.00"), (8, "101.00")))
    assert scene.market.last_ticks == 10_100
    assert (scene.market.bars._high, scene.market.bars._low) == (10_300, 10_000)
    scene.hear(bybit_trades(NAME, (8, "99.00")))
    assert scene.market.last_ticks == 9_900
    scene.hear(bybit_trades(NAME, (7, "105.00")))
    assert scene.market.last_ticks == 9_900


def test_futures_follow_their_predecessor_and_their_aggregates_are_trades():
    from ingest_scene import _wrapped, snapshot

    actor = IngestActor(Policy(drop=DropPolicy(seed_anchor=False)), frames=Dialect.BINANCE_FUTURES)
    actor.on(InstrumentsFetched((instrument(NAME),)), T0)
    actor.on_link(UP, T0)
    market = actor.markets[NAME]

    def delta(first: int, last: int, previous: int) -> None:
        said = {"e": "depthUpdate", "E": 1, "T": 1, "s": NAME, "U": first, "u": last}
        frame = _wrapped("x@depth@100ms", {**said, "pu": previous, "b": BIDS, "a": ASKS})
        actor.on_frame(frame, T0)

    delta(95, 98, 90)
    delta(99, 105, 98)
    (fetch,) = [one for one in actor.take_fetches() if isinstance(one, FetchDepth)]
    market.on_snapshot(fetch.generation, snapshot(100, BIDS, ASKS), T0)
    assert not market.awaiting
    delta(140, 150, 105)
    assert market.book.last_update_id == 150
    delta(151, 160, 149)
    assert market.awaiting
    said = {"e": "aggTrade", "E": 1, "s": NAME, "a": 5, "p": "100.02", "q": "1", "f": 1, "l": 2}
    actor.on_frame(_wrapped("x@aggTrade", {**said, "T": 1, "m": True}), T0)
    assert market.last_ticks == 10_002


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("delta"), st.integers(-3, 3), st.integers(0, 9)),
        st.tuples(st.just("lost"), st.integers(-3, 3), st.integers(0, 9)),
        st.tuples(st.just("odd"), st.just(0), st.just(0)),
        st.tuples(st.just("restart"), st.just(0), st.just(0)),
        st.tuples(st.just("cut"), st.just(0), st.just(0)),
    ),
    max_size=40,
)


@given(steps=STEPS)
@settings(max_examples=150, deadline=None)
def test_whatever_happens_the_book_in_sync_is_the_venues(steps: list[tuple[str, int, int]]):
    scene = Scene()
    truth, reader = Book("0.01"), BybitScanner()
    number, sequence = 50, 500

    def whole(kind: str = "snapshot") -> str:
        sides = [
            [[str(price), str(quantity)] for price, quantity in truth.levels(side)]
            for side in ("bid", "ask")
        ]
        return bybit_book(NAME, kind, number, sequence, *sides)

    first = bybit_book(NAME, "snapshot", number, sequence, BIDS, ASKS)
    reader.feed(truth, first.encode())
    scene.hear(first)
    for kind, price, quantity in steps:
        if kind in ("delta", "lost"):
            number, sequence = number + 1, sequence + 2
            side = {"bids": [[f"{99 + price / 100:.2f}", str(quantity)]]}
            frame = bybit_book(NAME, "delta", number, sequence, **side)
            reader.feed(truth, frame.encode())
            if kind == "delta":
                scene.hear(frame)
        elif kind == "odd":
            scene.hear(bybit_book(NAME, "delta", number + 1, sequence, [["1.001", "1"]]))
        elif kind == "restart":
            number, sequence = 1, sequence + 1
            frame = whole()
            reader.feed(truth, frame.encode())
            scene.hear(frame)
        else:
            scene.actor.on_link(DOWN, scene.now_ns)
            scene.actor.on_link(UP, scene.now_ns)
            scene.hear(whole())
        if scene.asked():
            scene.hear(whole())
        if not scene.market.awaiting and scene.market.book.last_update_id == number:
            for side in ("bid", "ask"):
                assert scene.market.book.levels(side) == truth.levels(side)
    number, sequence = number + 1, sequence + 1
    frame = bybit_book(NAME, "delta", number, sequence)
    reader.feed(truth, frame.encode())
    scene.hear(frame)
    if scene.asked():
        scene.hear(whole())
    assert not scene.market.awaiting
    assert scene.market.book.levels("bid") == truth.levels("bid")


@pytest.mark.parametrize("frames", [Dialect.BINANCE_SPOT, Dialect.BINANCE_FUTURES])
def test_fetched_snapshots_are_never_waited_for_in_the_stream(frames: Dialect):
    actor = IngestActor(Policy(drop=DropPolicy(seed_anchor=False)), frames=frames)
    actor.on(InstrumentsFetched((instrument(NAME),)), T0)
    actor.on_link(UP, T0)
    assert not actor.markets[NAME].lacks_snapshot(T0 + 3600 * NS_PER_S)
    assert len([one for one in actor.take_fetches() if isinstance(one, FetchDepth)]) == 1
