"""Recorded Binance traffic on the feed path: books as the checkpoints, drops as the reference."""

from __future__ import annotations

import csv
import lzma
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from core_ext.reference.drop import DropWindow
from procs.ingest.actor import IngestActor
from procs.ingest.heard import FeedUp, InstrumentsFetched, SnapshotFetched
from shared.domain.policy import DropPolicy, Policy
from shared.units import NS_PER_S

sys.path.insert(0, str(Path(__file__).parent))
from ingest_scene import instrument

DATA = Path(__file__).parents[3].parent / "shared" / "data"
WINDOW_S = 60

pytestmark = [
    pytest.mark.skipif(not DATA.is_dir(), reason=f"no recorded market data: {DATA} is absent"),
    pytest.mark.slow,
]


def lines(symbol: str) -> Iterator[tuple[int, bytes]]:
    for day in ("20240808", "20240809"):
        path = DATA / "book" / f"binance_spot-{symbol.lower()}_{day}.jsonl.xz"
        with lzma.open(path, "rb") as file:
            for line in file:
                recv_ns, _, frame = line.rstrip(b"\n").partition(b" ")
                yield int(recv_ns), frame


def checkpoints(symbol: str) -> dict[int, dict[str, str]]:
    name = f"book/binance_spot-{symbol.lower()}_20240808+20240809"
    with lzma.open(DATA / "reference" / "book_checkpoints.csv.xz", "rt") as file:
        return {int(row["u"]): row for row in csv.DictReader(file) if row["file"] == name}


@pytest.mark.parametrize(("symbol", "deltas"), [("BTCUSDT", 6493), ("ETHUSDT", 6468)])
def test_recorded_traffic_gives_the_books_and_drops_of_the_reference(symbol: str, deltas: int):
    policy = Policy(drop=DropPolicy(anchor_window_s=WINDOW_S, seed_anchor=False))
    actor = IngestActor(policy)
    actor.on(InstrumentsFetched((instrument(symbol),)), 0)
    expected = checkpoints(symbol)
    assert len(expected) > 50
    market = actor.markets[symbol]
    reference = DropWindow(WINDOW_S * NS_PER_S)
    met = mids = 0
    last_id = 0
    top: tuple[int, int, int, int] | None = None
    for recv_ns, frame in lines(symbol):
        if not market.connected:
            actor.on(FeedUp((symbol,)), recv_ns)
        if frame.startswith(b'{"lastUpdateId"'):
            actor.on(SnapshotFetched(symbol, market.generation, frame), recv_ns)
        else:
            actor.on_frame(frame, recv_ns)
        now_top = market._top
        if now_top != top:
            top = now_top
            bid, _, ask, _ = now_top
            if 0 < bid < ask:
                mids += 1
                drop = reference.update(recv_ns, (bid + ask) / 2)
                assert market.drop_pct == drop
                assert market.window.anchor() == reference.anchor()
        book = market.book
        if market.awaiting or book.last_update_id == last_id:
            continue
        last_id = book.last_update_id
        row = expected.get(last_id)
        if row is not None:
            met += 1
            bid_price, bid_quantity, ask_price, ask_quantity = book.best()
            assert bid_price == Decimal(row["best_bid"])
            assert bid_quantity == Decimal(row["bid_qty"])
            assert ask_price == Decimal(row["best_ask"])
            assert ask_quantity == Decimal(row["ask_qty"])
            assert book.counts() == (int(row["bid_levels"]), int(row["ask_levels"]))
            for band in (10, 50, 100):
                bid_depth, ask_depth = book.depth_bps(band)
                assert bid_depth == pytest.approx(float(row[f"bid_ntl_{band}bp"]), rel=1e-12)
                assert ask_depth == pytest.approx(float(row[f"ask_ntl_{band}bp"]), rel=1e-12)
    assert met == len(expected)
    assert mids > deltas / 2
    figures = actor.figures()
    assert (figures["malformed"], figures["gaps"], figures["synced"]) == (0, 0, 1)
