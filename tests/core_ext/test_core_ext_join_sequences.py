"""A stream that loses, doubles and reorders frames: no wrong book is ever believed, none for long.

A small venue keeps the truth at every update id. Whenever the join says that its book is in sync,
the book is the truth at the book's own id; when the faults end, it is the newest truth.
"""

from __future__ import annotations

import random
from collections import defaultdict, deque

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core_ext.book import Book
from core_ext.codes import Dialect, Kind, Outcome
from core_ext.join import DepthJoin, Remedy, Resync
from core_ext.scan import BinanceScanner, BybitScanner

SYMBOL = "BTCUSDT"
DIALECTS = list(Dialect)


def join_of(dialect, **more):
    scanner = BybitScanner() if dialect == Dialect.BYBIT else BinanceScanner(dialect)
    return DepthJoin(Book("1", "1"), scanner, **more)


def texts(levels):
    return [[str(ticks), str(lots)] for ticks, lots in levels]


class Venue:
    """The truth, change by change, and the frames that tell it."""

    def __init__(self, dialect, rng):
        self.dialect, self.rng = dialect, rng
        self.sides = ({}, {})
        self.id = rng.randrange(1_000, 10**9)
        self.cross_sequence = rng.randrange(1, 1000)
        self.told_id = self.id
        self.pending = []
        self.known = defaultdict(set)
        self.note()

    def state(self):
        return tuple(tuple(sorted(side.items())) for side in self.sides)

    def note(self):
        self.known[self.id].add(self.state())
        self.noted = self.state()

    def change(self):
        """One level changes, at the next update id (Bybit: the next frame's)."""
        side, ticks = self.rng.randrange(2), self.rng.randrange(1, 7)
        lots = self.rng.choice((0, 0, 1, 2, 3, 4))
        self.sides[side][ticks] = lots
        if not lots:
            del self.sides[side][ticks]
        self.pending.append((side, ticks, lots))
        if self.dialect == Dialect.BYBIT:
            return
        self.id += 1 if self.dialect == Dialect.BINANCE_SPOT else self.rng.randrange(1, 9)
        self.note()

    def levels(self, side):
        """The changes of a side; one price may be there twice, the later one counts."""
        return texts((ticks, lots) for at, ticks, lots in self.pending if at == side)

    def delta(self):
        """The frame of all changes since the last one."""
        bids, asks = self.levels(0), self.levels(1)
        self.pending = []
        if self.dialect == Dialect.BYBIT:
            self.id += 1
            self.cross_sequence += self.rng.randrange(1, 5)
            self.note()
            return self.bybit("delta", bids, asks)
        first = self.told_id + 1
        event = {"e": "depthUpdate", "E": 1, "s": SYMBOL, "b": bids, "a": asks, "u": self.id}
        if self.dialect == Dialect.BINANCE_FUTURES:
            # Ids of futures jump: only pu ties a delta to the one before.
            event |= {"pu": self.told_id, "T": 1}
            first = self.rng.randrange(first, self.id + 1)
        event["U"] = first
        self.told_id = self.id
        return orjson.dumps(event)

    def bybit(self, kind, bids, asks):
        data = {"s": SYMBOL, "b": bids, "a": asks, "u": self.id, "seq": self.cross_sequence}
        frame = {"topic": f"orderbook.50.{SYMBOL}", "type": kind, "ts": 1, "data": data}
        return orjson.dumps(frame)

    def snapshot(self):
        """The whole book at the newest id: a REST body, or Bybit's frame."""
        bids, asks = map(texts, self.noted)
        if self.dialect == Dialect.BYBIT:
            return self.bybit("snapshot", bids, asks)
        return orjson.dumps({"lastUpdateId": self.id, "bids": bids, "asks": asks})

    def restart(self):
        """Bybit's service begins anew: ids start at 1, with the whole book, said as any frame."""
        for _ in range(self.rng.randrange(4)):
            self.change()
        self.pending = []
        self.id = 1
        self.cross_sequence += 1
        self.note()
        return self.bybit(self.rng.choice(("snapshot", "delta")), *map(texts, self.noted))


class Line:
    """A connection that treats frames badly while it is told to."""

    def __init__(self, rng, loss, doubling, delay):
        self.rng, self.loss, self.doubling, self.delay = rng, loss, doubling, delay
        self.held = deque()

    def carry(self, frame):
        """The frames that arrive now."""
        if self.rng.random() < self.loss:
            return []
        arrived = [frame] * (2 if self.rng.random() < self.doubling else 1)
        if self.rng.random() < self.delay:
            self.held.extend(arrived)
            return []
        while self.held and self.rng.random() < 0.5:
            arrived.append(self.held.popleft())
        return arrived

    def heal(self):
        self.loss = self.doubling = self.delay = 0.0


class Reader:
    """Feeds a join as an engine would, and holds it to the truth after every frame."""

    def __init__(self, venue, join):
        self.venue, self.join = venue, join
        self.fetching = None
        self.believed = 0
        self.resyncs = 0

    def check(self):
        if self.join.needs_snapshot:
            return
        book = self.join.book
        held = (
            tuple(sorted(book.levels_ticks("bid"))),
            tuple(sorted(book.levels_ticks("ask"))),
        )
        assert held in self.venue.known[book.last_update_id], "a wrong book is believed"
        self.believed += 1

    def hear(self, frame):
        synced = not self.join.needs_snapshot
        result = self.join.feed(frame)
        if synced and self.join.needs_snapshot:
            assert result.outcome == Outcome.GAP
            assert self.join.resync.last_id == result.last_id
            self.resyncs += 1
        self.check()

    def recover(self, line):
        """Fetches or subscribes while a snapshot is needed; either takes a while."""
        if not self.join.needs_snapshot:
            self.fetching = None
        elif self.fetching is None:
            # Taken now, arriving later: deltas go on in the meantime.
            self.fetching = (self.venue.rng.randrange(4), self.venue.snapshot())
        elif self.fetching[0]:
            self.fetching = (self.fetching[0] - 1, self.fetching[1])
        elif self.join.remedy == Remedy.FETCH:
            kept = self.join.snapshot(self.fetching[1])
            self.fetching = None
            self.check()
            for frame, _ in kept:
                self.hear(frame)
        else:
            self.fetching = None
            line.held.clear()
            for frame in line.carry(self.venue.snapshot()):
                self.hear(frame)


def run(dialect, seed, loss, doubling, delay, steps=150, join=None):
    """A stream with faults, then one without; the reader that heard them."""
    rng = random.Random(seed)
    venue = Venue(dialect, rng)
    line = Line(rng, loss, doubling, delay)
    reader = Reader(venue, join or join_of(dialect))
    # One restart only: of two that are both lost, with all but one frame between them, nothing in
    # Bybit's protocol tells.
    restart_at = rng.randrange(steps) if dialect == Dialect.BYBIT else -1
    for step in range(steps + 40):
        if step == steps:
            line.heal()
            for frame in line.held:
                reader.hear(frame)
            line.held.clear()
        for _ in range(rng.randrange(1, 5)):
            venue.change()
            if rng.random() < 0.2:
                reader.recover(line)
        for frame in line.carry(venue.restart() if step == restart_at else venue.delta()):
            reader.hear(frame)
        reader.recover(line)
    assert not reader.join.needs_snapshot, "the book never came back"
    assert reader.join.book.last_update_id == venue.id
    reader.check()
    return reader


faults = st.sampled_from([0.0, 0.02, 0.1, 0.4])


@settings(max_examples=120, deadline=None)
@given(
    dialect=st.sampled_from(DIALECTS),
    seed=st.integers(0, 2**32),
    loss=faults,
    doubling=faults,
    delay=faults,
)
def test_no_wrong_book_is_believed_and_every_one_comes_back(dialect, seed, loss, doubling, delay):
    run(dialect, seed, loss, doubling, delay)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_clean_stream_never_loses_its_place(dialect):
    reader = run(dialect, 5, 0.0, 0.0, 0.0)
    assert reader.believed > 150
    assert reader.resyncs == reader.join.gaps


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_bad_stream_does_lose_its_place(dialect):
    assert sum(run(dialect, seed, 0.1, 0.1, 0.1).resyncs for seed in range(5)) > 10


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_join_that_forgives_gaps_would_be_found(dialect):
    class Forgiving(DepthJoin):
        def feed(self, frame, recv_ns=0):
            result = super().feed(frame, recv_ns)
            if result is not None and result.outcome == Outcome.GAP:
                held = self.book.levels_ticks("bid"), self.book.levels_ticks("ask")
                self.book.load_snapshot_ticks(result.last_id, *held)
                self.needs_snapshot = False
            return result

    def forgiving_runs():
        for seed in range(20):
            honest = join_of(dialect)
            run(dialect, seed, 0.2, 0.1, 0.1, join=Forgiving(honest.book, honest.scanner))

    with pytest.raises(AssertionError, match="a wrong book is believed"):
        forgiving_runs()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_gap_says_what_came_and_what_to_do(dialect):
    venue = Venue(dialect, random.Random(1))
    join = join_of(dialect)
    assert join.needs_snapshot
    assert join.resync is None
    if dialect == Dialect.BYBIT:
        assert join.feed(venue.snapshot()).is_snapshot
        with pytest.raises(TypeError):
            join.snapshot(b"{}")
    else:
        assert join.snapshot(venue.snapshot()) == []
    expected = join.book.last_update_id + 1
    venue.change()
    venue.delta()
    venue.change()
    result = join.feed(venue.delta())
    assert (result.kind, result.outcome) == (Kind.DEPTH, Outcome.GAP)
    remedy = Remedy.SUBSCRIBE if dialect == Dialect.BYBIT else Remedy.FETCH
    assert join.resync == Resync(expected, result.first_id, result.last_id, remedy)
    if dialect == Dialect.BYBIT:
        join.feed(venue.snapshot())
    else:
        assert len(join.snapshot(venue.snapshot())) == 1
    assert not join.needs_snapshot
    assert join.resync is None
    assert join.gaps == 1


def test_a_bybit_delta_before_its_snapshot_is_a_gap():
    venue = Venue(Dialect.BYBIT, random.Random(2))
    join = join_of(Dialect.BYBIT)
    venue.change()
    assert join.feed(venue.delta()).outcome == Outcome.GAP
    assert join.book.counts() == (0, 0)
    assert join.needs_snapshot
    assert join.feed(venue.snapshot()).outcome == Outcome.APPLIED
    assert not join.needs_snapshot


def test_a_lost_restart_of_bybit_is_noticed():
    venue = Venue(Dialect.BYBIT, random.Random(3))
    join = join_of(Dialect.BYBIT)
    join.feed(venue.snapshot())
    venue.restart()
    venue.change()
    # Its update id is far behind, its cross sequence is not: no old frame, but a new beginning.
    assert join.feed(venue.delta()).outcome == Outcome.GAP


def test_only_so_many_frames_wait_for_a_snapshot():
    venue = Venue(Dialect.BINANCE_SPOT, random.Random(4))
    join = join_of(Dialect.BINANCE_SPOT, waiting_max=3)
    frames = []
    for _ in range(5):
        venue.change()
        frames.append(venue.delta())
        assert join.feed(frames[-1]) is None
    assert [frame for frame, _ in join.snapshot(venue.snapshot())] == frames[-3:]
