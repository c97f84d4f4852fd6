"""Recorded futures and Bybit traffic through scanner and join: the committed exact answers.

The files stand beside the checkout; the answers were made by a plain Decimal program.
"""

from __future__ import annotations

import csv
import json
import lzma
import re
import zipfile
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import pytest

from core_ext.book import Book
from core_ext.codes import Dialect, Kind, Outcome
from core_ext.join import DepthJoin
from core_ext.scan import BinanceScanner, BybitScanner, kind_of, symbol_of

DATA = Path(__file__).parents[3] / "shared/data"
ANSWERS = DATA / "reference/book_checkpoints.csv.xz"
PRICE = re.compile(rb'\["[0-9]+\.?([0-9]*)","')
"""The places of a level's price."""

pytestmark = pytest.mark.skipif(not ANSWERS.exists(), reason="../shared/data is not at hand")


def answers(file):
    """{symbol: {update id: row}} of one file's checkpoints."""
    found = defaultdict(dict)
    with lzma.open(ANSWERS, "rt") as lines:
        for row in csv.DictReader(lines):
            if row["file"] == file:
                found[row["symbol"]][int(row["u"])] = row
    assert found
    return found


def usdm_lines():
    with lzma.open(DATA / "book/binance_usdm-btcusdt_20240808.jsonl.xz", "rb") as lines:
        for line in lines:
            frame = line.rstrip(b"\n").partition(b" ")[2]
            yield "BTCUSDT", frame, b'"lastUpdateId"' in frame[:40]


def archive_lines():
    with zipfile.ZipFile(next((DATA / "book").glob("bybit*.zip"))) as packed:
        for line in packed.read(packed.namelist()[0]).splitlines():
            yield "XRPUSDT", line, False


def captured_lines(venue):
    with lzma.open(DATA / f"capture/{venue}.jsonl.xz", "rb") as lines:
        for line in lines:
            record = json.loads(line)
            if record["t"] == "http":
                asked = re.search(r"/depth\?.*?symbol=([A-Z0-9_]+)", record["url"])
                if asked:
                    yield asked[1], record["data"].encode(), True
            elif record["t"] == "recv":
                frame = record["data"].encode()
                symbol = symbol_of(frame)
                if symbol is not None:
                    # Linear and spot of Bybit share topic names: the connection tells them apart.
                    spot = venue == "BYBIT" and record["conn"].endswith("3")
                    yield ("spot:" if spot else "") + symbol, frame, False


FILES = {
    "book/binance_usdm-btcusdt_20240808": (Dialect.BINANCE_FUTURES, usdm_lines),
    "book/bybit_linear-xrpusdt_ob500": (Dialect.BYBIT, archive_lines),
    "capture/BINANCE": (Dialect.BINANCE_SPOT, lambda: captured_lines("BINANCE")),
    "capture/BINANCE_FUTURES": (
        Dialect.BINANCE_FUTURES,
        lambda: captured_lines("BINANCE_FUTURES"),
    ),
    "capture/BYBIT": (Dialect.BYBIT, lambda: captured_lines("BYBIT")),
}


def new_join(dialect, tick, kind):
    scanner = BybitScanner() if dialect == Dialect.BYBIT else BinanceScanner(dialect)
    return DepthJoin(Book(tick, kind=kind), scanner)


def ticks_of(lines):
    """The finest tick of each symbol's prices: with a finer one a window would hold nothing."""
    places = defaultdict(int)
    for symbol, frame, _ in lines:
        for price in PRICE.findall(frame):
            places[symbol] = max(places[symbol], len(price.rstrip(b"0")))
    return {symbol: f"1E-{count}" for symbol, count in places.items()}


def check(book, row):
    """One look at the book against its row."""
    bid, bid_quantity, ask, ask_quantity = book.best()
    for name, value in (
        ("best_bid", bid),
        ("bid_qty", bid_quantity),
        ("best_ask", ask),
        ("ask_qty", ask_quantity),
        ("mid", book.mid()),
    ):
        assert Decimal(row[name]) == value, name
    assert book.counts() == (int(row["bid_levels"]), int(row["ask_levels"]))
    depths = book.depth_bps(50)
    assert depths[0] == pytest.approx(float(row["bid_ntl_50bp"]), rel=1e-12)
    assert depths[1] == pytest.approx(float(row["ask_ntl_50bp"]), rel=1e-12)


LARGE = "book/binance_usdm-btcusdt_20240808"


@pytest.mark.parametrize("kind", ["compact", "window"])
@pytest.mark.parametrize("file", FILES)
def test_a_recording_gives_the_exact_answers(file, kind):
    dialect, lines = FILES[file]
    expected = answers(file)
    ticks = {"BTCUSDT": "0.1"} if file == LARGE else ticks_of(lines())
    joins = {symbol: new_join(dialect, tick, kind) for symbol, tick in ticks.items()}
    checked = 0
    kinds = defaultdict(int)

    def hear(symbol, frame):
        nonlocal checked
        join = joins[symbol]
        result = join.feed(frame)
        if result is None:
            return
        kinds[result.kind] += 1
        assert result.outcome != Outcome.GAP
        if result.outcome == Outcome.APPLIED:
            assert not join.book.crossed()
            row = expected.get(symbol, {}).get(join.book.last_update_id)
            if row is not None:
                check(join.book, row)
                checked += 1

    for symbol, frame, is_snapshot in lines():
        if is_snapshot:
            for kept, _ in joins[symbol].snapshot(frame):
                hear(symbol, kept)
        else:
            hear(symbol, frame)
    assert checked == sum(map(len, expected.values()))
    assert all(join.gaps == 0 for join in joins.values())
    assert kinds[Kind.DEPTH] > 40


def test_the_kinds_of_a_recording_are_told_apart():
    seen = defaultdict(int)
    scanner, book = BinanceScanner(Dialect.BINANCE_FUTURES), Book("0.1")
    for _, frame, is_snapshot in usdm_lines():
        if is_snapshot:
            scanner.load_snapshot(book, frame)
            continue
        kind = kind_of(frame)
        if kind != Kind.DEPTH:
            result = scanner.feed(book, frame)
            assert result.kind == kind
        seen[kind] += 1
    assert seen == {Kind.DEPTH: 6_551, Kind.TICKER: 66_089, Kind.TRADE: 21_313}
