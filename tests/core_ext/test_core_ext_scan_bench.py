"""The scanner's benchmark measures what it says: frames of all dialects that follow each other."""

from __future__ import annotations

import orjson
import pytest

from bench.micro import scan
from core_ext.codes import Dialect, Outcome

ALL = [
    scan.binance(20),
    scan.binance(20, Dialect.BINANCE_FUTURES),
    scan.bybit(20),
]


@pytest.mark.parametrize("frames", ALL, ids=lambda frames: Dialect(frames.dialect).name)
@pytest.mark.parametrize("kind", ["compact", "window"])
def test_all_frames_are_applied(frames, kind):
    scanner, book = scan.started(frames, kind)
    for frame in frames.frames:
        result = scanner.feed_stats(book, frame)
        assert (result.outcome, result.levels) == (Outcome.APPLIED, 20)
        assert result.mid > 0
    assert result.mid == book.stats().mid


def test_frames_look_like_the_venues():
    spot, futures, bybit = (orjson.loads(frames.frames[0]) for frames in ALL)
    assert spot["data"]["b"][0][0].endswith("000000")
    assert futures["data"]["pu"] == futures["data"]["U"] - 1
    assert bybit["topic"] == "orderbook.200.BTCUSDT"
    assert any(b'"0"]' in frame for frame in ALL[2].frames[:5])
    for event in (spot["data"], bybit["data"]):
        prices = [float(price) for price, _ in event["b"]]
        assert prices == sorted(prices, reverse=True)


@pytest.mark.slow
def test_the_wanted_ratios():
    rows = {row["name"]: row for row in scan.rows()}
    # On a busy machine a little less than what the README's run must show.
    for row in rows.values():
        for peer, times in row["wanted"].items():
            assert row["ratio_to"][peer] >= times * 0.7, row
