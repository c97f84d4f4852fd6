"""Recorded books of five venues through both kinds of book: committed answers, OKX's checksums.

The recordings stand beside the checkout, with their readers; the answers were made by a plain
Decimal program. What lies on the wire is the scanners' matter: here levels come one by one.
"""

from __future__ import annotations

import csv
import importlib.util
import json
import lzma
from collections import defaultdict
from decimal import Decimal
from itertools import zip_longest
from pathlib import Path
from zlib import crc32

import pytest
from book_kinds import KINDS, NATIVE

DATA = Path(__file__).parents[3] / "shared/data"
ANSWERS = DATA / "reference/book_checkpoints.csv.xz"
CHECKSUM_LEVELS = 25

pytestmark = pytest.mark.skipif(not ANSWERS.exists(), reason="../shared/data is not at hand")


def readers():
    spec = importlib.util.spec_from_file_location("recorded_data_readers", DATA / "readers.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def depth_events(file):
    """Snapshots and deltas of one file, symbol by symbol, as the readers tell them."""
    if file.startswith("capture"):
        events = readers().captured(str(DATA / f"{file}.jsonl.xz"))
    elif "bybit" in file:
        events = readers().bybit_history(str(next((DATA / "book").glob("bybit*.zip"))))
    else:
        head, _, second = file.partition("+")
        days = [head, head[: -len(second)] + second] if second else [head]
        events = (
            event for day in days for event in readers().binance_raw(str(DATA / f"{day}.jsonl.xz"))
        )
    by_symbol = defaultdict(list)
    for event in events:
        if event["k"] in ("snap", "delta"):
            by_symbol[event["s"]].append(event)
    return by_symbol


def step_of(events, place):
    """The finest step in which all prices (0) or quantities (1) of the events are whole."""
    places = (
        max(0, -Decimal(level[place]).normalize().as_tuple().exponent)
        for event in events
        for side in ("b", "a")
        for level in event[side]
    )
    return format(Decimal(1).scaleb(-max(places, default=0)), "f")


def joined(events):
    """The first snapshot, then every delta that it lacks, also those that came before it."""
    start = next(at for at, event in enumerate(events) if event["k"] == "snap")
    snapshot = events[start]
    last_id = snapshot.get("u")
    # A futures delta that ends at the snapshot's id belongs to it as much as the next one does.
    futures = any(event.get("pu") is not None for event in events)
    first_id = last_id if futures or last_id is None else last_id + 1
    yield snapshot
    for event in events[:start] + events[start + 1 :]:
        if event["k"] == "snap" or last_id is None or event["u"] >= first_id:
            yield event


def answers(file):
    """{(symbol, n): the answer after the n-th delta}."""
    with lzma.open(ANSWERS, "rt") as lines:
        return {
            (row["symbol"], int(row["n"])): row
            for row in csv.DictReader(lines)
            if row["file"] == file
        }


def assert_answer(book, row):
    best = tuple(row[name] for name in ("best_bid", "bid_qty", "best_ask", "ask_qty"))
    assert book.best() == tuple(map(Decimal, best))
    assert book.mid() == Decimal(row["mid"])
    assert book.counts() == (int(row["bid_levels"]), int(row["ask_levels"]))
    for bps in (10, 50, 100):
        expected = (float(row[f"bid_ntl_{bps}bp"]), float(row[f"ask_ntl_{bps}bp"]))
        assert book.depth_bps(bps) == pytest.approx(expected, rel=1e-12)


class Checksum:
    """OKX's checksum of a book: the venue's own texts, in the order in which our book has them."""

    def __init__(self):
        self.texts = {}

    def note(self, book, event):
        for side, key in (("bid", "b"), ("ask", "a")):
            for price, size in event[key]:
                self.texts[side, Decimal(price)] = (price, size)

    def of(self, book):
        sides = [
            [self.text(side, *level) for level in book.levels(side, CHECKSUM_LEVELS)]
            for side in ("bid", "ask")
        ]
        pairs = [text for pair in zip_longest(*sides) for text in pair if text is not None]
        unsigned = crc32(":".join(pairs).encode())
        return unsigned - 2**32 if unsigned >= 2**31 else unsigned

    def text(self, side, price, size):
        texts = self.texts[side, price]
        assert Decimal(texts[1]) == size
        return ":".join(texts)


FILES = [
    "capture/BINANCE",
    "capture/BINANCE_FUTURES",
    "capture/BYBIT",
    "capture/OKX",
    "book/bybit_linear-xrpusdt_ob500",
    pytest.param("capture/KUCOIN", marks=pytest.mark.slow),
    pytest.param("book/binance_spot-btcusdt_20240808+20240809", marks=pytest.mark.slow),
    pytest.param("book/binance_spot-ethusdt_20240808+20240809", marks=pytest.mark.slow),
    pytest.param("book/binance_usdm-btcusdt_20240808", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("file", FILES)
def test_recorded_books_are_as_they_were(file):
    expected = answers(file)
    met = checksums = 0
    for symbol, events in depth_events(file).items():
        tick, lot = step_of(events, 0), step_of(events, 1)
        books = [make(tick, lot) for make in NATIVE.values()]
        checksum, number = Checksum(), 0
        for event in joined(events):
            number = 0 if event["k"] == "snap" else number + 1
            for book in books:
                if event["k"] == "snap":
                    book.load_snapshot(1, event["b"], event["a"])
                else:
                    for side, key in (("bid", "b"), ("ask", "a")):
                        for price, size in event[key]:
                            book.apply(side, price, size)
            checksum.note(books[0], event)
            assert books[0].stats() == books[1].stats()
            if event.get("crc") is not None:
                assert checksum.of(books[0]) == checksum.of(books[1]) == event["crc"]
                checksums += 1
            if (symbol, number) in expected and event["k"] == "delta":
                for book in books:
                    assert_answer(book, expected[symbol, number])
                met += 1
        for book in books:
            book.validate()
        assert books[0].state_hash() == books[1].state_hash()
    assert met == len(expected)
    assert checksums > 250 or file != "capture/OKX"


def test_a_whole_book_of_coinbase_is_the_same_in_all_kinds():
    packed = next((DATA / "snapshot").glob("coinbase*.json.xz"))
    whole = json.loads(lzma.decompress(packed.read_bytes()))
    sides = [[level[:2] for level in whole[side]] for side in ("bids", "asks")]
    assert sum(map(len, sides)) > 20_000
    books = [make("0.01", "0.00000001") for make in KINDS.values()]
    for book in books:
        book.load_snapshot(1, *sides)
        book.validate()
    compact, window, plain = books
    assert compact.state_hash() == window.state_hash() == plain.state_hash()
    assert compact.stats() == window.stats() == plain.stats()
    for bps in (10, 500, 9_999):
        assert compact.depth_bps(bps) == window.depth_bps(bps) == plain.depth_bps(bps)
    for side in ("bid", "ask"):
        assert compact.levels(side) == window.levels(side) == plain.levels(side)
        assert window.sweep(side, 1e6) == plain.sweep(side, 1e6)
