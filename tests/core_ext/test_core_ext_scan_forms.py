"""Levels written in ever other ways, one behind the other: what was learnt of one never bends the
next, wherever in a frame it stands and however close to its end."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core_ext import book as native_book
from core_ext import reference
from core_ext import scan as native
from core_ext.errors import FrameRefused

STEPS = ["0.01", "0.1", "0.5", "1", "0.00000001", "0.25", "0.000000001"]


def written(value, places, dotted):
    """A number of hundredths with some places, as the venues write them, or nearly."""
    text = f"{value // 100}.{value % 100:02d}000000"[: len(str(value // 100)) + 1 + places]
    return text if dotted and places else text.partition(".")[0]


number = st.builds(
    written,
    st.one_of(st.integers(0, 99_999), st.integers(0, 10**9 - 1)),
    st.integers(0, 8),
    st.booleans(),
)
odd = st.sampled_from(["7.", ".5", "07.5", "1e5", "-1", "", "123456789.5", "1.123456789", "٣"])
level = st.tuples(number, number)
levels = st.lists(level, max_size=12)


def frame_of(first, bids, asks, behind):
    sides = [
        ",".join(f'["{price}","{quantity}"]' for price, quantity in side) for side in (bids, asks)
    ]
    return (
        f'{{"e":"depthUpdate","E":1,"s":"X","U":{first},"u":{first},"b":[{sides[0]}],'
        f'"a":[{sides[1]}]}}{" " * behind}'
    ).encode()


def judged_alike(pairs, frame):
    answers = []
    for scanner, book in pairs:
        try:
            scanner.feed(book, frame)
        except FrameRefused:
            answers.append(("refused", book.state_hash()))
        else:
            answers.append(("taken", book.state_hash()))
    assert answers[0] == answers[1], frame
    return answers[0][0] == "taken"


def pairs_of(tick, lot):
    return (
        (native.BinanceScanner(), native_book.Book(tick, lot)),
        (reference.BinanceScanner(), reference.Book(tick, lot)),
    )


@settings(max_examples=150, deadline=None)
@given(
    frames=st.lists(st.tuples(levels, levels, st.integers(0, 60)), min_size=1, max_size=4),
    tick=st.sampled_from(STEPS),
    lot=st.sampled_from(STEPS),
    strange=st.none() | odd,
    data=st.data(),
)
def test_forms_that_change_are_read_exactly(frames, tick, lot, strange, data):
    pairs = pairs_of(tick, lot)
    for at, (bids, asks, behind) in enumerate(frames):
        if strange is not None and asks:
            spoiled = data.draw(st.integers(0, len(asks) - 1))
            price, quantity = asks[spoiled]
            pair = (strange, quantity) if data.draw(st.booleans()) else (price, strange)
            asks = [*asks[:spoiled], pair, *asks[spoiled + 1 :]]
        # A refused frame is behind the book's id for neither of both.
        judged_alike(pairs, frame_of(at + 1, bids, asks, behind))
        for _, book in pairs:
            book.clear()


@pytest.mark.parametrize("seed", range(3))
def test_long_sides_of_mixed_forms(seed):
    """Most levels are alike, as on a venue; the others break the run at every place."""
    rng = random.Random(seed)
    taken = 0
    for places in ((2, 3), (8, 8), (1, 0), (4, 2)):
        pairs = pairs_of("0.01", "0.00000001")
        for first in range(1, 40):
            sides = []
            for _ in range(2):
                side = []
                for _ in range(rng.randrange(60)):
                    wanted = places if rng.random() < 0.9 else (rng.randrange(9), rng.randrange(9))
                    price = rng.choice((6_183_764, 6_183_800, 99, 10_000_000)) + rng.randrange(90)
                    lots = rng.choice((0, rng.randrange(100), rng.randrange(10**6), 10**8))
                    side.append(
                        (
                            written(price, wanted[0], True),
                            written(lots, wanted[1], rng.random() < 0.7),
                        )
                    )
                sides.append(side)
            taken += judged_alike(pairs, frame_of(first, *sides, rng.randrange(50)))
    assert taken > 100
