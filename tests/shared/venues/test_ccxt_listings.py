"""Instruments, candles and volumes from ccxt's unified answers; and who pays for ccxt."""

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from shared.errors import VenueError
from shared.venues.feed.ccxt_listings import (
    DECIMAL_PLACES,
    TICK_SIZE,
    candles_of,
    find_market,
    instrument_of,
    instruments_of,
    places_of,
    volumes_of,
)
from shared.venues.feed.port import RestError

REPO = Path(__file__).resolve().parents[3]


def market(**changes):
    return {
        "id": "BTC_USDT", "symbol": "BTC/USDT", "base": "BTC", "quote": "USDT", "spot": True,
        "type": "spot", "active": True, "info": {},
        "precision": {"price": 0.01, "amount": 1e-06},
        "limits": {
            "amount": {"min": 0.0001, "max": 9000.0}, "price": {"min": None, "max": None},
            "cost": {"min": 5.0, "max": None}, "market": {"min": 0.0, "max": 120.5},
        },
    } | changes  # fmt: skip


def test_steps_and_limits_are_exact():
    found = instrument_of(market(), TICK_SIZE)
    assert (found.tick_size, found.step_size) == (Decimal("0.01"), Decimal("0.000001"))
    assert (found.min_quantity, found.max_quantity) == (Decimal("0.0001"), Decimal(9000))
    assert (found.min_price, found.min_notional) == (Decimal("0.01"), Decimal(5))
    assert (found.market_max_quantity, found.status) == (Decimal("120.5"), "TRADING")
    places = instrument_of(market(precision={"price": 2, "amount": 8}), DECIMAL_PLACES)
    assert (places.tick_size, places.step_size) == (Decimal("0.01"), Decimal("1E-8"))
    bare = instrument_of(market(limits={}, active=False), TICK_SIZE)
    assert (bare.min_quantity, bare.min_notional, bare.status) == (bare.step_size, 0, "BREAK")


@pytest.mark.parametrize(
    ("changes", "mode", "text"),
    [
        ({"spot": False, "type": "swap"}, TICK_SIZE, "a swap market, allowed are spot markets"),
        ({"symbol": "LONGLONGLONGLONG/USDT"}, TICK_SIZE, "names of up to 20 ASCII characters"),
        ({"precision": {"price": None, "amount": 1}}, TICK_SIZE, "ccxt knows no price step"),
        ({"precision": {"price": 5, "amount": 5}}, 3, "in significant digits"),
        ({"precision": {"price": 0.1, "amount": 1e-9}}, TICK_SIZE, "quantity step 0.000000001"),
        ({"precision": {"price": 0.0, "amount": 1}}, TICK_SIZE, "price step 0, allowed above 0"),
        ({"precision": {"price": float("nan"), "amount": 1}}, TICK_SIZE, "not a plain decimal"),
    ],
)
def test_a_market_that_cannot_be_watched_says_why(changes, mode, text):
    with pytest.raises(VenueError, match=text):
        instrument_of(market(**changes), mode)


def test_one_odd_listing_does_not_hide_the_others():
    markets = {
        "BTC/USDT": market(),
        "ODD/USDT": market(symbol="ODD/USDT", precision={}),
        "BTC/EUR": market(symbol="BTC/EUR", quote="EUR"),
    }
    assert [one.symbol for one in instruments_of(markets, TICK_SIZE, "USDT")] == ["BTC/USDT"]
    with pytest.raises(VenueError, match=r"no spot market against 'JPY' can be watched$"):
        instruments_of(markets, TICK_SIZE, "JPY")
    with pytest.raises(VenueError, match="ccxt knows no price step"):
        instruments_of({"ODD/USDT": markets["ODD/USDT"]}, TICK_SIZE, "USDT")


def test_markets_are_found_by_both_names():
    markets = {"BTC/USDT": market(), "BTC/USDT:USDT": market(symbol="BTC/USDT:USDT", spot=False)}
    assert find_market(markets, "BTC/USDT") is markets["BTC/USDT"]
    assert find_market(markets, "BTC_USDT") is markets["BTC/USDT"]
    assert find_market(markets, "ETH_USDT") is None


def test_krakens_checksum_has_its_own_decimals():
    info = {"pair_decimals": "1", "lot_decimals": "8"}
    args = (Decimal("0.001"), Decimal("0.5"))
    assert places_of(market(info=info), "kraken", *args) == (1, 8)
    assert places_of(market(), "kraken", *args) == (1, 3)
    assert places_of(market(info=info), "okx", Decimal(1), Decimal(10)) == (0, 0)


def test_candles_are_sorted_and_checked():
    rows = [[60_000, 2, 3, 1, 2, 5], [0, 1, 2, 1, 2, 5]]
    assert [candle.open_ms for candle in candles_of(rows, "BTC/USDT")] == [0, 60_000]
    for bad in ([[0, 1, 2, None, 2, 5]], [[0, 1]], [["x"]], [[0, 1, 1, 2, 1, 5]], [5]):
        with pytest.raises(RestError, match="candles of BTC/USDT cannot be read"):
            candles_of(bad, "BTC/USDT")


def test_volumes_are_in_quote_units():
    tickers = {
        "A/B": {"quoteVolume": 5.5},
        "C/B": {"quoteVolume": None, "baseVolume": 2.0, "last": 3.0},
        "D/B": {"quoteVolume": None},
        "E/B": {"quoteVolume": float("nan")},
        "F/B": None,
    }
    assert volumes_of(tickers, ()) == {"A/B": 5.5, "C/B": 6.0}
    assert volumes_of(tickers, ("C/B", "X/B")) == {"C/B": 6.0}


@pytest.mark.parametrize(("venue", "paid"), [("binance", False), ("bybit", False), ("okx", True)])
def test_only_a_venue_without_a_native_feed_imports_ccxt(venue, paid):
    program = (
        "import sys, procs.ingest.shell\n"
        "from shared.clock import EngineClock\n"
        "from shared.venues.feed.choose import open_feed\n"
        "from shared.venues.feed.port import FeedStart\n"
        f"open_feed(FeedStart(venue={venue!r}, clock=EngineClock()))\n"
        "print('ccxt' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program],
        env={**os.environ, "PYTHONPATH": str(REPO)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == str(paid)
    assert done.stderr == ""
