"""What is special about a window: it follows the best price, keeps aside what it cannot hold,
costs as promised; and numbers nobody should send, which every kind refuses alike."""

from __future__ import annotations

import random
import time
from decimal import Decimal
from statistics import median

import orjson
import pytest
from book_kinds import KINDS, SPAN, each_kind, each_native_kind, flat

from core_ext import reference, scan
from core_ext.codes import MAX_LOTS, Outcome
from core_ext.errors import FrameRefused, NumberRefused

MIDDLE = 5_000_000


def books():
    return KINDS["window"]("0.01"), reference.Book("0.01")


def assert_alike(window, plain):
    window.validate()
    assert window.stats() == plain.stats()
    assert window.state_hash() == plain.state_hash()
    for side in ("bid", "ask"):
        assert window.levels_ticks(side) == plain.levels_ticks(side)


def test_levels_outside_are_kept_aside_and_come_back():
    window, plain = books()
    for book in (window, plain):
        for away in range(1, 40):
            book.apply_ticks(True, MIDDLE - away * SPAN // 8, away)
            book.apply_ticks(False, MIDDLE + away * SPAN // 8, away)
    assert_alike(window, plain)
    for step in range(-30, 31):
        # The market walks over everything that was left behind, and returns.
        for book in (window, plain):
            for ticks in range(MIDDLE + step * SPAN // 8 - 3, MIDDLE + step * SPAN // 8):
                book.apply_ticks(True, ticks, 9)
            for ticks, _ in book.levels_ticks("bid"):
                if ticks > MIDDLE + step * SPAN // 8:
                    book.apply_ticks(True, ticks, 0)
        assert_alike(window, plain)


def test_a_stray_best_price_is_the_best_at_once_and_gone_at_once():
    window, plain = books()
    for book in (window, plain):
        for away in range(1, 500):
            book.apply_ticks(True, MIDDLE - away, away)
    for _ in range(3):
        for lots in (7, 0):
            for book in (window, plain):
                book.apply_ticks(True, MIDDLE + 10 * SPAN, lots)
            assert_alike(window, plain)
    assert window.best_ticks()[0] == MIDDLE - 1


@pytest.mark.parametrize("side_is_bid", [True, False])
def test_a_price_that_jumps_to_and_fro_cannot_make_changes_slow(side_is_bid):
    """Laying the window moves all levels; it may not happen more than once for so many changes."""
    book = KINDS["window"]("0.01")
    levels = [(side_is_bid, MIDDLE + away, 5) for away in range(60_000)]
    book.apply_many(flat(levels))
    far = MIDDLE + 8 * SPAN if side_is_bid else MIDDLE - 8 * SPAN
    near = MIDDLE + 60_000 if side_is_bid else MIDDLE - 1
    spent_ns = {near: [], far: []}
    for _ in range(7):
        for price, spent in spent_ns.items():
            flips = flat([(side_is_bid, price, lots) for lots in (7, 0)] * 10_000)
            started_ns = time.thread_time_ns()
            book.apply_many(flips)
            spent.append(time.thread_time_ns() - started_ns)
    usual, jumping = median(spent_ns[near]), median(spent_ns[far])
    assert jumping < 50 * usual, "a change costs as much as moving the book"
    assert book.counts() == (60_000, 0) or book.counts() == (0, 60_000)
    book.validate()


def test_changing_the_kind_of_a_living_book_loses_nothing():
    rng = random.Random(7)
    book, plain = KINDS["compact"]("0.01"), reference.Book("0.01")
    for each in (book, plain):
        each.load_snapshot_ticks(50, [(MIDDLE - 5, 1)], [(MIDDLE + 5, 2)])
    assert book.admit(40, 51) == plain.admit(40, 51) == Outcome.APPLIED
    for at in range(600):
        side_is_bid = rng.random() < 0.5
        ticks = MIDDLE + rng.choice((1, 100, SPAN)) * rng.randrange(-9, 9)
        lots = rng.choice((0, 5, 10**15))
        for each in (book, plain):
            each.apply_ticks(side_is_bid, ticks, lots)
        if at % 7 == 0:
            book.become(rng.choice(("compact", "window")))
        assert_alike(book, plain)
    assert (book.last_update_id, book.gapped) == (51, False)
    assert book.admit(60, 61) == Outcome.GAP
    book.become("window")
    book.become("compact")
    assert book.gapped
    assert book.admit(52, 52) == Outcome.GAP


def test_a_compact_book_is_small_and_a_window_is_bounded():
    for kind, most in (("compact", 65_536), ("window", 65_536 + 2 * 2_200_000)):
        book = KINDS[kind]("0.01")
        for away in range(1, 2_000):
            book.apply_ticks(True, MIDDLE - away * 3, 5)
            book.apply_ticks(False, MIDDLE + away * 3, 5)
        assert book.memory_bytes() <= most
        book.become("compact")
        assert book.memory_bytes() <= 65_536


def test_a_cleared_window_starts_anywhere():
    window, plain = books()
    for middle in (MIDDLE, 100, MIDDLE * 1_000):
        for book in (window, plain):
            book.clear()
            assert book.best_ticks() == (0, 0, 0, 0)
            book.apply_ticks(True, middle, 5)
            book.apply_ticks(False, middle + 9, 5)
        assert_alike(window, plain)


@each_kind
def test_unknown_kinds_are_refused(make):
    with pytest.raises(NumberRefused, match="'compact' or 'window'"):
        make("0.01").become("flat")
    with pytest.raises(NumberRefused):
        KINDS["reference"]("0.01", kind="")


@each_kind
@pytest.mark.parametrize("huge", [2**62 + 1, 2**63 - 1, 2**63, 2**70, -(2**70), 10**400])
def test_huge_numbers_are_refused_everywhere(make, huge):
    book = make("0.01")
    book.apply_ticks(True, 100, 5)
    before = book.state_hash()
    for act in (
        lambda: book.apply_ticks(True, huge, 5),
        lambda: book.apply_ticks_stats(True, huge, 5),
        lambda: book.apply_ticks(False, 5, huge if huge > MAX_LOTS or huge < 0 else -1),
        lambda: book.apply("bid", str(huge), "1"),
        lambda: book.apply("bid", Decimal(huge), "1"),
        lambda: book.load_snapshot_ticks(1, [(huge, 1)], []),
        lambda: book.load_snapshot(1, [], [("1", str(huge))]),
    ):
        with pytest.raises(NumberRefused):
            act()
        assert book.state_hash() == before


@each_kind
@pytest.mark.parametrize("text", ["1e3", "NaN", "-0", "+1", "1\0", "\0", "1,5", " 1", "1.0.0"])
def test_texts_that_are_no_plain_numbers_are_refused(make, text):
    book = make("0.01")
    book.apply("ask", "5", "5")
    before = book.state_hash()
    for level in ((text, "1"), ("1", text)):
        with pytest.raises(NumberRefused):
            book.apply("ask", *level)
        with pytest.raises(NumberRefused):
            book.load_snapshot(9, [level], [])
        assert book.state_hash() == before


def frame(first, bids, asks):
    event = {"e": "depthUpdate", "E": 1, "s": "BTCUSDT", "U": first, "u": first}
    return orjson.dumps(event | {"b": bids, "a": asks})


def fed(make, frames):
    book = make("0.01")
    scanner = reference.BinanceScanner() if make is reference.Book else scan.BinanceScanner()
    for one in frames:
        try:
            scanner.feed(book, one)
        except FrameRefused:
            continue
    return book


def test_frames_of_5000_levels_leave_the_same_book_in_every_kind():
    rng = random.Random(3)
    frames = []
    for first in range(1, 6):
        bids = [[f"{600 - i * 0.01 * first:.2f}", str(rng.randrange(3))] for i in range(5_000)]
        asks = [[f"{601 + i * 0.01 * first:.2f}", str(rng.randrange(3))] for i in range(5_000)]
        if first == 4:
            rng.shuffle(bids)
        frames.append(frame(first, bids, asks))
    compact, window, plain = (fed(make, frames) for make in KINDS.values())
    assert compact.stats() == window.stats() == plain.stats()
    assert compact.state_hash() == window.state_hash() == plain.state_hash()
    window.validate()


def test_malformed_crossed_and_doubled_frames_leave_the_same_book_in_every_kind():
    frames = [
        frame(1, [["5.00", "1"], ["5.00", "2"]], [["4.00", "3"]]),
        frame(2, [["5.001", "1"]], []),
        frame(2, [["5.01", "1"]], [["-1", "1"]]),
        frame(2, [], [["4.00", "0"], ["4.00", "0"], ["4.00", "9"]]),
        frame(3, [["5.00", "0"]], [["1" * 30, "1"]])[:-3] + b"\0]]}",
        frame(3, [["5.00", "1e1"]], []),
        frame(3, [["1000.00", "1"], ["9000.00", "1"]], []),
    ]
    compact, window, plain = (fed(make, frames) for make in KINDS.values())
    assert plain.crossed()
    assert plain.last_update_id == 3
    assert compact.stats() == window.stats() == plain.stats()
    assert compact.state_hash() == window.state_hash() == plain.state_hash()


@each_native_kind
def test_a_side_takes_as_many_levels_as_it_says_and_no_more(make):
    book = make("1", "1")
    for start in range(1, 131_073, 32_768):
        book.apply_many(flat([(1, ticks, 1) for ticks in range(start, start + 32_768)]))
    before = book.state_hash()
    with pytest.raises(NumberRefused, match="at most 131072"):
        book.apply_ticks(True, 200_000, 1)
    assert book.counts() == (131_072, 0)
    assert book.state_hash() == before
