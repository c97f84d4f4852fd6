"""The calm market has the stylised facts of the recorded files, and flood floods."""

from __future__ import annotations

from itertools import pairwise

import pytest
from flow_client import meter_of, meters_of
from market_cost import Cost

from procs.localvenue.market.listings import LISTINGS
from procs.localvenue.market.profiles import build_market

START_MS = 1_750_000_012_345
SECONDS = 600

RANGES = {
    "one_tick_share": (0.88, 0.98),
    "one_tick_time_share": (0.88, 0.98),
    "excess_kurtosis": (3.0, 21.0),
    "sign_autocorrelation_1": (0.20, 0.56),
    "sign_autocorrelation_10": (0.09, 0.17),
    "trade_sign_autocorrelation_1": (0.20, 0.56),
    "arrival_cv": (1.5, 2.1),
    "trade_arrival_cv": (1.5, 2.1),
    "fano": (67.0, 261.0),
    "levels_per_trade": (15.0, 38.0),
    "imbalance_correlation": (0.20, 0.50),
}
"""The recorded files', see tests/shared/recordings/test_stylised.py. What has two definitions holds
by either: whether takers' orders or single trades are counted, messages or time."""


@pytest.mark.parametrize("seed", [1, 2])
def test_calm_has_the_facts_of_the_recorded_files(seed):
    market = build_market("calm", seed, START_MS, symbols=2)
    ticks = {one.symbol: one.tick_size for one in market.instruments}
    for symbol, meter in meters_of(market, ticks, START_MS, SECONDS).items():
        facts = meter.facts()
        assert facts.seconds >= SECONDS - 1
        for name, (low, high) in RANGES.items():
            assert low <= getattr(facts, name) <= high, (symbol, name, facts)
        messages = facts.depth_messages + facts.quote_messages + facts.trades
        assert 100 <= messages / facts.seconds <= 220


def test_flood_says_thousands_of_messages_a_second_and_costs_little():
    market = build_market("flood", 1, START_MS)
    assert market.instruments[0].symbol == "BTCUSDT"
    assert len(market.instruments) > 1
    meter = meter_of(market, "BTCUSDT", START_MS, 40)
    facts = meter.facts()
    messages = facts.depth_messages + facts.quote_messages + facts.trades
    assert 2_000 <= messages / facts.seconds <= 3_200
    market = build_market("flood", 2, START_MS)
    market.advance(START_MS)
    cost = Cost()
    events = [
        event
        for now_ms in range(START_MS + 250, START_MS + 10_001, 250)
        for event in cost.advance(market, now_ms)
    ]
    quiet = sum(event.symbol != "BTCUSDT" for event in events)
    assert quiet < 0.05 * len(events)
    assert cost.ratio() < 6


def test_small_symbols_are_quiet_but_never_silent():
    market = build_market("calm", 3, START_MS)
    said = {one.symbol: [START_MS] for one in LISTINGS if one.turnover_millions <= 60}
    for second in range(1, 61):
        for event in market.advance(START_MS + second * 1_000):
            if event.symbol in said:
                said[event.symbol].append(event.at_ms)
    for times in said.values():
        assert 120 < len(times) < 60 * 80
        assert max(later - time for time, later in pairwise(times)) <= 1_000
