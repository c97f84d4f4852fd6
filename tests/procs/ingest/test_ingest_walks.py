"""Random lives of a feed: lost, repeated and broken deltas, late snapshots, cuts, time that passes.

The venue's true book is known at every update id. Whatever happens, a book that is not GAPPED
equals the true one at the id it claims, and crossed prices are never said without the flag.
"""

from __future__ import annotations

import json
import sys
from collections import deque
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from core_ext.book import Book
from core_ext.codes import QuoteFlag
from core_ext.quote import unpack
from procs.ingest.heard import FeedDown, FeedUp, FetchDepth, SnapshotFetched

sys.path.insert(0, str(Path(__file__).parent))
from ingest_scene import Scene, depth, snapshot, ticker, trade

LEVELS = st.lists(
    st.tuples(st.integers(9_900, 10_100), st.integers(0, 5)), min_size=0, max_size=4, unique=True
)


def price(ticks: int) -> str:
    return f"{ticks // 100}.{ticks % 100:02d}"


class FeedLife(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.scene = Scene(synced=False)
        self.true = Book("0.01")
        for ticks in (9_990, 9_995):
            self.true.apply_ticks(True, ticks, 3 * 10**8)
            self.true.apply_ticks(False, 20_000 - ticks, 3 * 10**8)
        self.last_id = 500
        self.hashes = {self.last_id: self.true.state_hash()}
        self.history: deque[bytes] = deque(maxlen=20)
        self.bodies: deque[bytes] = deque([self.true_snapshot()], maxlen=20)
        self.up = True
        self.trades = 0

    def true_snapshot(self) -> bytes:
        sides = [
            [[price(ticks), str(lots // 10**8)] for ticks, lots in self.true.levels_ticks(side)]
            for side in ("bid", "ask")
        ]
        return snapshot(self.last_id, *sides)

    def move(self, bids: list[tuple[int, int]], asks: list[tuple[int, int]], span: int) -> bytes:
        """The venue's book changes; returns the delta that says so."""
        first = self.last_id + 1
        self.last_id += span
        wire: list[list[list[str]]] = [[], []]
        for is_bid, levels in ((True, bids), (False, asks)):
            for ticks, quantity in dict(levels).items():
                self.true.apply_ticks(is_bid, ticks, quantity * 10**8)
                wire[0 if is_bid else 1].append([price(ticks), str(quantity)])
        for update_id in range(first, self.last_id + 1):
            self.hashes[update_id] = self.true.state_hash()
        frame = depth(first, self.last_id, wire[0], wire[1])
        self.history.append(frame)
        self.bodies.append(self.true_snapshot())
        return frame

    @rule(bids=LEVELS, asks=LEVELS, span=st.integers(1, 3), after_ms=st.integers(0, 200))
    def delta_arrives(self, bids, asks, span, after_ms) -> None:
        frame = self.move(bids, asks, span)
        if self.up:
            self.scene.frame(frame, after_ms)

    @rule(bids=LEVELS, asks=LEVELS)
    def delta_is_lost(self, bids, asks) -> None:
        self.move(bids, asks, 1)

    @rule(bids=LEVELS, cut=st.integers(1, 60))
    def delta_arrives_broken(self, bids, cut) -> None:
        frame = self.move(bids, [], 1)
        if self.up:
            self.scene.frame(frame[:-cut])

    @rule(data=st.data())
    def delta_comes_again(self, data) -> None:
        if self.up and self.history:
            self.scene.frame(data.draw(st.sampled_from(list(self.history))))

    @rule(bid=st.integers(9_900, 10_050), spread=st.integers(-5, 20), ahead=st.integers(0, 3))
    def ticker_arrives(self, bid, spread, ahead) -> None:
        if self.up:
            self.scene.frame(ticker(self.last_id + ahead, price(bid), price(bid + spread)))

    @rule(ticks=st.integers(9_900, 10_100), new=st.booleans())
    def trade_arrives(self, ticks, new) -> None:
        self.trades += new
        if self.up:
            self.scene.frame(trade(self.trades, price(ticks)))

    @rule(answer=st.sampled_from(["newest", "late", "any", "broken"]), data=st.data())
    def snapshot_arrives(self, answer, data) -> None:
        questions = [f for f in self.scene.actor.fetches if isinstance(f, FetchDepth)]
        question = questions[-1] if answer != "any" else data.draw(st.sampled_from(questions))
        body = self.bodies[-1]
        if answer == "broken":
            body = body[: len(body) // 2]
        elif answer != "newest":
            body = data.draw(st.sampled_from(list(self.bodies)))
        self.scene.tell(SnapshotFetched("AAAUSDT", question.generation, body))

    @rule()
    def stream_is_cut_or_back(self) -> None:
        self.up = not self.up
        told = FeedUp(("AAAUSDT",)) if self.up else FeedDown(("AAAUSDT",), "cut")
        self.scene.tell(told)

    @rule(seconds=st.sampled_from([0.5, 3, 70]))
    def time_passes(self, seconds) -> None:
        self.scene.wait(seconds)

    @rule()
    def held_back_is_said(self) -> None:
        self.scene.actor.flush(self.scene.now_ns)

    @invariant()
    def trusted_books_are_true(self) -> None:
        if not hasattr(self, "scene"):
            return
        market = self.scene.market
        market.book.validate()
        if not market.awaiting:
            assert market.book.state_hash() == self.hashes[market.book.last_update_id]
            assert market.connected

    @invariant()
    def quotes_say_what_is_wrong(self) -> None:
        if not hasattr(self, "scene"):
            return
        market = self.scene.market
        for data in self.scene.actor.take_quotes():
            quote = unpack(data)
            if quote.bid_ticks >= quote.ask_ticks > 0:
                assert quote.flags & QuoteFlag.CROSSED
            assert quote.drop_pct <= 0
            if quote.flags & QuoteFlag.STALE:
                assert not quote.flags & QuoteFlag.WARM
        newest = unpack(market.quote(self.scene.now_ns))
        assert bool(newest.flags & QuoteFlag.GAPPED) == market.awaiting
        assert newest.recv_ns <= newest.publish_ns

    @invariant()
    def it_never_stops_asking(self) -> None:
        """A book without its place has a question under way, or no stream to ask for."""
        if hasattr(self, "scene") and self.scene.market.awaiting and self.scene.market.connected:
            assert self.scene.asked().generation == self.scene.market.generation

    def teardown(self) -> None:
        """Whatever happened, a stream and a true snapshot bring the market back."""
        if not hasattr(self, "scene"):
            return
        if not self.up:
            self.stream_is_cut_or_back()
        for _ in range(2):
            body = self.true_snapshot()
            if self.scene.market.awaiting:
                question = self.scene.asked()
                self.scene.tell(SnapshotFetched("AAAUSDT", question.generation, body))
            self.scene.frame(self.move([], [], 1))
        if self.scene.market.awaiting:
            question = self.scene.asked()
            self.scene.tell(SnapshotFetched("AAAUSDT", question.generation, self.true_snapshot()))
        assert not self.scene.market.awaiting
        assert self.scene.market.book.state_hash() == self.true.state_hash()


TestFeedLife = FeedLife.TestCase
TestFeedLife.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_the_frames_of_the_walk_are_what_they_seem():
    """The generator itself: a broken delta must be one that cannot be read."""
    whole = depth(1, 1, [["1.00", "1"]])
    assert json.loads(whole)["data"]["U"] == 1
    scene = Scene()
    scene.frame(whole[:-1])
    assert scene.actor.figures()["malformed"] == 1
