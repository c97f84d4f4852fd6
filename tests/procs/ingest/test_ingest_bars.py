"""Minute bars, the universe, and what the process may not import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procs.ingest.bars import ATR_BARS, MinuteBars
from procs.ingest.universe import choose
from shared.errors import VenueError

sys.path.insert(0, str(Path(__file__).parent))
from ingest_scene import instrument

ROOT = Path(__file__).parents[3]

TRADES = st.lists(st.tuples(st.integers(0, 40), st.integers(50, 150)), min_size=1, max_size=80)


def plain_atr_pct(trades: list[tuple[int, int]], now: int) -> float:
    """The same by the book: bars with gaps filled, true ranges against the close before."""
    bars: dict[int, list[int]] = {}
    for minute, price in trades:
        bars.setdefault(minute, []).append(price)
    first = trades[0][0]
    close = trades[0][1]
    ranges: list[float] = []
    for minute in range(first, now):
        prices = bars.get(minute, [])
        high, low = max([close, *prices]), min([close, *prices])
        ranges.append(float(high - low))
        close = prices[-1] if prices else close
    newest = bars.get(now)
    close = newest[-1] if newest else close
    ranges = ranges[-ATR_BARS:]
    return sum(ranges) / len(ranges) / close * 100 if ranges else 0.0


@given(TRADES, st.integers(0, 30))
def test_volatility_is_that_of_plain_bars(trades: list[tuple[int, int]], later: int):
    trades = sorted(trades, key=lambda trade: trade[0])
    bars = MinuteBars()
    for minute, price in trades:
        bars.on_trade(price, minute)
    now = trades[-1][0] + later
    assert bars.atr_pct(now) == pytest.approx(plain_atr_pct(trades, now))


def test_nothing_is_known_before_the_first_closed_bar():
    bars = MinuteBars()
    assert bars.atr_pct(5) == 0.0
    bars.on_trade(100.0, 5)
    assert bars.atr_pct(5) == 0.0


def test_seeds_replace_the_past_and_keep_the_trades_of_the_present():
    bars = MinuteBars()
    bars.on_trade(130.0, 21)
    bars.seed((minute, 102.0, 98.0, 100.0) for minute in range(21))
    assert bars.atr_pct(21) == pytest.approx(4.0 / 130.0 * 100)
    assert bars.atr_pct(22) == pytest.approx((4.0 * 13 + 30.0) / 14 / 130.0 * 100)


def test_empty_seeds_keep_what_there_is():
    bars = MinuteBars()
    bars.on_trade(100.0, 3)
    bars.on_trade(110.0, 3)
    bars.seed([])
    assert bars.atr_pct(4) == pytest.approx(10.0 / 110.0 * 100)


def test_the_universe_is_what_is_named_or_the_most_traded():
    listed = [
        instrument("AAAUSDT"),
        instrument("BBBUSDT"),
        instrument("CCCUSDT", status="BREAK"),
        instrument("DDDUSDT"),
    ]
    volumes = {"AAAUSDT": 1.0, "BBBUSDT": 3.0, "CCCUSDT": 9.0}
    assert _names(choose(listed, (), "USDT", 2, volumes)) == ["BBBUSDT", "AAAUSDT"]
    assert _names(choose(listed, (), "USDT", 9, {})) == ["AAAUSDT", "BBBUSDT", "DDDUSDT"]
    named = ("DDDUSDT", "CCCUSDT", "DDDUSDT")
    assert _names(choose(listed, named, "USDT", 1, volumes)) == ["DDDUSDT", "CCCUSDT"]
    with pytest.raises(VenueError, match="'EUR'"):
        choose(listed, (), "EUR", 9, volumes)


def _names(instruments: tuple) -> list[str]:
    return [instrument.symbol for instrument in instruments]


def test_a_hot_process_imports_no_heavy_client():
    code = (
        "import sys, procs.ingest.shell; "
        "print(sorted({'ccxt', 'aiohttp', 'requests'} & set(sys.modules)))"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "venue", ["binance", "binanceusdm", "binancecoinm", "bybit", "bybitlinear"]
)
def test_a_native_feed_imports_no_exchange_library(venue: str):
    program = (
        "import sys; from shared.clock import EngineClock; "
        "from shared.venues.feed.choose import open_feed; "
        "from shared.venues.feed.port import FeedStart; "
        f"open_feed(FeedStart(venue={venue!r}, clock=EngineClock())); "
        "print(sorted({'ccxt', 'aiohttp', 'requests'} & set(sys.modules)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True
    )
    assert (found.returncode, found.stdout) == (0, "[]\n"), found.stderr
