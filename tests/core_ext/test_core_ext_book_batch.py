"""Many changes in one call: the same book and the same statistics as one by one, in every kind."""

from __future__ import annotations

import gc
import random
import struct
import sys
from array import array

import pytest
from book_kinds import KINDS, SPAN, each_kind, each_native_kind, flat, stats_written
from hypothesis import given, settings
from hypothesis import strategies as st

from core_ext.codes import MAX_BATCH, MAX_LOTS, MAX_TICKS
from core_ext.errors import NumberRefused

ROW = 104


def some_changes(seed, count, middle=500_000, width=400):
    rng = random.Random(seed)
    for _ in range(count):
        side_is_bid = rng.random() < 0.5
        away = int(rng.expovariate(1 / width)) + 1
        ticks = middle - away if side_is_bid else middle + away
        yield side_is_bid, ticks, rng.choice((0, rng.randrange(1, 10**10)))


@each_kind
class TestBatchContract:
    def test_a_batch_is_its_changes(self, make):
        changes = list(some_changes(1, 300))
        together, alone = make("0.01"), make("0.01")
        together.apply_many(flat(changes))
        for change in changes:
            alone.apply_ticks(*change)
        assert together.state_hash() == alone.state_hash()
        together.validate()

    def test_statistics_after_each_change(self, make):
        changes = list(some_changes(2, 200))
        together, alone = make("0.01"), make("0.01")
        written = bytearray(ROW * len(changes))
        together.apply_many_stats(flat(changes), written)
        assert stats_written(written) == [alone.apply_ticks_stats(*change) for change in changes]

    def test_the_depth_of_a_band_after_each_change(self, make):
        changes = list(some_changes(3, 200))
        together, alone = make("0.01"), make("0.01")
        written = array("d", bytes(16 * len(changes)))
        together.apply_many_depths(flat(changes), 12.5, written)
        expected = []
        for change in changes:
            alone.apply_ticks(*change)
            expected.append(alone.depth_bps(12.5))
        assert list(struct.iter_unpack("2d", written)) == expected

    def test_bytes_and_views_are_changes_too(self, make):
        changes = list(some_changes(4, 20))
        books = [make("0.01") for _ in range(3)]
        for book, given_as in zip(books, (bytes, memoryview, bytearray), strict=True):
            book.apply_many(given_as(flat(changes)))
        assert len({book.state_hash() for book in books}) == 1

    @pytest.mark.parametrize(
        "bad",
        [
            (2, 5, 1),
            (-1, 5, 1),
            (1, 0, 1),
            (0, -7, 1),
            (0, MAX_TICKS + 1, 1),
            (1, 2**62 + 1, 1),
            (1, 5, -1),
            (1, 5, MAX_LOTS + 1),
            (0, 5, 2**63 - 1),
        ],
    )
    def test_a_refused_change_names_its_place_and_nothing_is_applied(self, make, bad):
        book = make("0.01")
        book.apply_ticks(True, 100, 7)
        before = book.state_hash()
        batch = flat([(1, 99, 5), bad, (0, 101, 5)])
        for apply in (
            book.apply_many,
            lambda batch: book.apply_many_stats(batch, bytearray(3 * ROW)),
            lambda batch: book.apply_many_depths(batch, 50, bytearray(48)),
        ):
            with pytest.raises(NumberRefused) as refused:
                apply(batch)
            assert refused.value.place == "change 1"
            assert refused.value.value == bad
            assert book.state_hash() == before

    def test_shapes_that_fit_nothing_are_refused(self, make):
        book = make("0.01")
        one = flat([(1, 5, 5)])
        for act in (
            lambda: book.apply_many(array("q", [1, 5])),
            lambda: book.apply_many(array("d", [1.0, 5.0, 5.0])),
            lambda: book.apply_many(array("i", [1, 5, 5, 1, 5, 5])),
            lambda: book.apply_many(bytes(24 * (MAX_BATCH + 1))),
            lambda: book.apply_many_stats(one, bytearray(ROW - 1)),
            lambda: book.apply_many_depths(one, 50, bytearray(ROW)),
            lambda: book.apply_many_depths(one, float("nan"), bytearray(16)),
            lambda: book.apply_many_depths(one, -1, bytearray(16)),
        ):
            with pytest.raises(NumberRefused):
                act()
        with pytest.raises(BufferError):
            book.apply_many_stats(one, bytes(ROW))
        assert book.counts() == (0, 0)

    def test_an_empty_batch_does_nothing(self, make):
        book = make("0.01")
        book.apply_many(b"")
        book.apply_many_stats(b"", bytearray())
        assert book.counts() == (0, 0)


@each_native_kind
def test_what_is_written_may_not_become_changes(make):
    book = make("0.01")
    memory = bytearray(flat([(1, 5, 5)])) + bytearray(ROW)
    with pytest.raises(NumberRefused, match="others than the changes"):
        book.apply_many_stats(memoryview(memory)[:24], memoryview(memory)[8 : 8 + ROW])
    book.apply_many_stats(memoryview(memory)[:24], memoryview(memory)[24:])
    assert book.counts() == (1, 0)


@each_native_kind
def test_a_batch_allocates_nothing(make):
    changes = flat(list(some_changes(5, 2_000)))
    book = make("0.01")
    written = bytearray(ROW * 2_000)
    for _ in range(3):
        book.apply_many_stats(changes, written)
    gc.collect()
    gc.disable()
    try:
        before, memory = sys.getallocatedblocks(), book.memory_bytes()
        for _ in range(20):
            book.apply_many_stats(changes, written)
        assert abs(sys.getallocatedblocks() - before) <= 2
        assert book.memory_bytes() == memory
    finally:
        gc.enable()


near = st.integers(-30, 30)
beyond = st.sampled_from([SPAN // 4, SPAN - 3, SPAN, 2 * SPAN, 5 * SPAN])
one_change = st.tuples(
    st.integers(0, 1),
    st.one_of(near, near, st.builds(lambda a, b: a + b, near, beyond)).map(lambda t: t + 2_000_000),
    st.one_of(st.just(0), st.integers(1, 10**9), st.integers(1, MAX_LOTS)),
)


@settings(max_examples=100, deadline=None)
@given(batches=st.lists(st.lists(one_change, max_size=25), max_size=8), turns=st.integers(0, 255))
def test_batches_of_any_kind_keep_all_books_alike(batches, turns):
    compact, window, plain = (KINDS[name]("0.01") for name in KINDS)
    for at, changes in enumerate(batches):
        rows = [bytearray(ROW * len(changes)) for _ in range(3)]
        for book, row in zip((compact, window, plain), rows, strict=True):
            book.apply_many_stats(flat(changes), row)
        assert rows[0] == rows[1] == rows[2]
        if turns >> at & 1:
            window.become("compact" if window.kind == "window" else "window")
        for book in (compact, window):
            book.validate()
            assert book.state_hash() == plain.state_hash()


@settings(max_examples=60, deadline=None)
@given(
    frames=st.lists(
        st.tuples(
            st.lists(st.tuples(near, st.integers(0, 3)), max_size=30),
            st.lists(st.tuples(near, st.integers(0, 3)), max_size=30),
            st.sampled_from(["best first", "worst first", "as it comes"]),
        ),
        max_size=8,
    )
)
def test_snapshots_in_any_order_with_levels_twice(frames):
    compact, window, plain = (KINDS[name]("0.01") for name in KINDS)
    for last_id, (bids, asks, order) in enumerate(frames, 1):
        sides = [[(2_000_000 + away * 9_001, lots) for away, lots in side] for side in (bids, asks)]
        if order != "as it comes":
            sides[0].sort(reverse=order == "best first")
            sides[1].sort(reverse=order != "best first")
        for book in (compact, window, plain):
            book.load_snapshot_ticks(last_id, *sides)
            book.validate()
        assert compact.stats() == window.stats() == plain.stats()
        assert compact.state_hash() == window.state_hash() == plain.state_hash()
