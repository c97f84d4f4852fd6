"""Whole frames at once and usual numbers at once: the fast ways agree with the plain reference."""

from __future__ import annotations

import random

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core_ext import book as native_book
from core_ext import reference
from core_ext import scan as native
from core_ext.errors import FrameRefused

MID = 100_000


def price_text(ticks):
    return f"{ticks // 100}.{ticks % 100:02d}000000"


def depth_frame(first, bids, asks):
    sides = {
        name: [[price_text(ticks), f"{lots / 1e8:.8f}"] for ticks, lots in side]
        for name, side in (("b", bids), ("a", asks))
    }
    return orjson.dumps(
        {"e": "depthUpdate", "E": 1, "s": "BTCUSDT", "U": first, "u": first} | sides
    )


def both():
    return (
        (native.BinanceScanner(), native_book.Book("0.01")),
        (reference.BinanceScanner(), reference.Book("0.01")),
    )


def feed_alike(pairs, frame):
    (fast_scanner, fast), (plain_scanner, plain) = pairs
    assert fast_scanner.feed(fast, frame).outcome == plain_scanner.feed(plain, frame).outcome
    fast.validate()
    assert fast.counts() == plain.counts()
    assert fast.state_hash() == plain.state_hash()
    assert fast.stats() == plain.stats()


def a_side(rng, sign, order):
    """Changes of one side in the order asked for; deep or near, mostly adding or mostly taking."""
    width = rng.choice((5, 40, 400, 3_000))
    zero = rng.choice((0.1, 0.5, 0.9))
    deep = rng.choice((0, 0, 0, 2_500))
    count = rng.choice((0, 1, 2, 10, 60, 300))
    ticks = {MID - sign * (deep + rng.randrange(width)) for _ in range(count)}
    side = [(t, 0 if rng.random() < zero else rng.randrange(1, 10**10)) for t in ticks]
    if order == "any":
        rng.shuffle(side)
        return side + side[:3]
    return sorted(side, reverse=(sign > 0) == (order == "best first"))


@pytest.mark.parametrize("order", ["best first", "worst first", "any"])
@pytest.mark.parametrize("seed", range(3))
def test_frames_of_any_size_and_depth_leave_the_same_book(order, seed):
    rng = random.Random(seed)
    pairs = both()
    for first in range(1, 120):
        feed_alike(pairs, depth_frame(first, a_side(rng, 1, order), a_side(rng, -1, order)))
    assert min(pairs[0][1].counts()) > 100, "the frames no longer meet a filled book"


changes = st.dictionaries(st.integers(1, 12), st.sampled_from([0, 1, 7]), max_size=12)


@settings(max_examples=300, deadline=None)
@given(frames=st.lists(st.tuples(changes, changes), min_size=1, max_size=6))
def test_every_mixture_of_neighbouring_changes(frames):
    pairs = both()
    for first, (bids, asks) in enumerate(frames, 1):
        feed_alike(
            pairs,
            depth_frame(
                first,
                sorted(((MID - away, lots) for away, lots in bids.items()), reverse=True),
                sorted((MID + away, lots) for away, lots in asks.items()),
            ),
        )


def test_a_frame_may_empty_a_side_and_fill_it_again():
    pairs = both()
    levels = [(MID - away, 5) for away in range(1, 301)]
    gone = [(ticks, 0) for ticks, _ in levels]
    for first, side in enumerate((levels, gone, levels, gone[::2], gone[1::2]), 1):
        feed_alike(pairs, depth_frame(first, side, []))
    assert pairs[0][1].counts() == (0, 0)


number_texts = st.builds(
    lambda whole, places, tail: whole + places + tail,
    st.text("0123456789", max_size=9),
    st.one_of(st.just(""), st.text("0123456789", max_size=10).map(".".__add__)),
    st.sampled_from(["", "", "", "", "0" * 8, "-", " ", ".", "e1", "\u0663", "/", ":"]),
)
STEPS = ["1", "10", "0.1", "0.01", "0.25", "0.00001", "0.00000001", "0.000000001"]


@settings(max_examples=600, deadline=None)
@given(
    price=number_texts,
    quantity=number_texts,
    tick=st.sampled_from(STEPS),
    lot=st.sampled_from(STEPS),
    padding=st.sampled_from([b"", b" " * 12]),
)
def test_numbers_of_every_form_are_judged_alike(price, quantity, tick, lot, padding):
    frame = (
        f'{{"e":"depthUpdate","E":1,"s":"X","U":1,"u":1,"a":[],"b":[["{price}","{quantity}"]]}}'
    ).encode() + padding
    answers = []
    for scanner, book in (
        (native.BinanceScanner(), native_book.Book(tick, lot)),
        (reference.BinanceScanner(), reference.Book(tick, lot)),
    ):
        try:
            scanner.feed(book, frame)
        except FrameRefused:
            answers.append("refused")
        else:
            answers.append(book.levels_ticks("bid"))
    assert answers[0] == answers[1]


@pytest.mark.parametrize("scale", range(10))
def test_every_length_of_a_number_is_read_exactly(scale):
    step = "1" if scale == 0 else f"0.{'0' * (scale - 1)}1"
    for whole in ("0", "7", "12", "987", "6543", "10000", "999999", "7654321", "12345678"):
        for places in range(scale + 1):
            digits = "9753102468"[:places]
            shown = f"{whole}.{digits}" if digits else whole
            expected = int(whole + digits.ljust(scale, "0"))
            for zeros in ("", "0", "0" * (8 - places) if places < 8 else ""):
                text = shown + (zeros if "." in shown or not zeros else "." + zeros)
                book = native_book.Book("1", step)
                frame = (
                    '{"e":"depthUpdate","E":1,"s":"X","U":1,"u":1,"a":[],'
                    f'"b":[["5.0","{text}"],["4.0","1.0"]]}}'
                )
                native.BinanceScanner().feed(book, frame.encode())
                held = dict(book.levels_ticks("bid"))
                assert held.get(5, 0) == expected
                assert held[4] == 10**scale


@pytest.mark.parametrize("pair", both(), ids=["native", "reference"])
@pytest.mark.parametrize(
    "text",
    [
        "07.50000000",
        "00.50000000",
        "0000007.5",
        ".50000000",
        "7.",
        "7.5000000x",
        "7/50000000",
        "-7.5",
    ],
)
@pytest.mark.parametrize("place", [0, 1])
def test_almost_usual_numbers_are_refused(pair, text, place):
    scanner, book = pair
    level = ["1.00000000", "1.00000000"]
    level[place] = text
    event = {"e": "depthUpdate", "E": 1, "s": "X", "U": 1, "u": 1, "b": [level], "a": []}
    with pytest.raises(FrameRefused):
        scanner.feed(book, orjson.dumps(event))
    assert book.counts() == (0, 0)
