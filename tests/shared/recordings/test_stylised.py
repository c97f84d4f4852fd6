"""The measuring of stylised facts: small cases by hand, and the recorded files in their ranges."""

from __future__ import annotations

from math import isnan
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import RecordingError
from shared.recordings.lines import raw_lines
from shared.recordings.stylised import (
    Facts,
    FactsMeter,
    autocorrelation,
    correlation,
    excess_kurtosis,
    measure,
)

BOOK = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "book"
SECOND_NS = 1_000_000_000
MS_NS = 1_000_000

RECORDED_RANGES = {
    "one_tick_share": (0.88, 0.98),
    "excess_kurtosis": (3.0, 21.0),
    "sign_autocorrelation_1": (0.20, 0.56),
    "sign_autocorrelation_10": (0.09, 0.17),
    "arrival_cv": (1.5, 2.1),
    "fano": (67.0, 261.0),
    "levels_per_trade": (15.0, 38.0),
    "imbalance_correlation": (0.20, 0.50),
}
DIGITS = {"arrival_cv": 1, "fano": 0, "excess_kurtosis": 0, "levels_per_trade": 0}
"""The ranges are said with so many digits; two where nothing else stands here."""


@pytest.mark.skipif(not BOOK.is_dir(), reason=f"recorded files are not there: {BOOK}")
@pytest.mark.parametrize(
    ("pattern", "tick_size"),
    [
        ("binance_spot-btcusdt_*", 0.01),
        ("binance_spot-ethusdt_*", 0.01),
        ("binance_usdm-btcusdt_*", 0.1),
    ],
)
def test_the_recorded_files_lie_in_the_ranges_that_the_generated_market_is_held_to(
    pattern, tick_size
):
    paths = sorted(BOOK.glob(pattern))
    assert paths
    lines = ((at_ns, frame) for path in paths for at_ns, frame, _ in raw_lines(path))
    facts = measure(lines, tick_size)
    for name, (low, high) in RECORDED_RANGES.items():
        value = round(getattr(facts, name), DIGITS.get(name, 2))
        assert low <= value <= high, (name, getattr(facts, name))
    assert facts.one_tick_time_share > facts.one_tick_share


def test_the_facts_of_a_recording_are_those_measured_when_the_definitions_were_found():
    paths = sorted(BOOK.glob("binance_spot-btcusdt_*"))
    if not paths:
        pytest.skip(f"recorded files are not there: {BOOK}")
    lines = ((at_ns, frame) for path in paths for at_ns, frame, _ in raw_lines(path))
    facts = measure(lines, 0.01)
    assert (facts.depth_messages, facts.quote_messages, facts.trades) == (6_495, 73_174, 19_904)
    assert (facts.seconds, facts.taker_orders) == (650, 7_135)
    assert facts.one_tick_share == pytest.approx(0.893, abs=0.001)
    assert facts.excess_kurtosis == pytest.approx(11.9, abs=0.1)
    assert facts.fano == pytest.approx(132, abs=1)


def quoted(*rows: tuple[float, float, float, float, float]) -> Facts:
    """Facts of (second, bid, bid quantity, ask, ask quantity)."""
    meter = FactsMeter(0.5)
    for second, bid, bid_quantity, ask, ask_quantity in rows:
        meter.quote(int(second * SECOND_NS), bid, bid_quantity, ask, ask_quantity)
    return meter.facts()


def test_the_spread_is_counted_by_messages_and_by_time():
    facts = quoted((0, 10, 1, 10.5, 1), (3, 10, 1, 11, 1), (4, 10, 1, 10.5, 1), (5, 9, 1, 11, 1))
    assert facts.one_tick_share == 0.5
    assert facts.one_tick_time_share == 0.8


def test_mids_are_taken_at_whole_seconds_from_the_first_message_on():
    meter = FactsMeter(0.5)
    meter.depth(0, 3)
    for ms, bid in ((500, 9.5), (900, 99.5), (1_001, 199.5), (1_999, 109.5), (4_100, 1.0)):
        meter.quote(ms * MS_NS, bid, 3, bid + 1, 1)
    # 100 before the first second's quote, 110 at seconds 2, 3 and 4.
    moves = [0.1, 0.0, 0.0]
    mean = sum(moves) / 3
    assert meter.facts().move_bps == pytest.approx(
        (sum((one - mean) ** 2 for one in moves) / 3) ** 0.5 * 1e4
    )


def test_trades_of_one_time_and_side_are_one_order():
    meter = FactsMeter(1)
    trades = [(5, True), (5, True), (5, False), (5, False), (8, False), (9, True), (9, True)]
    for at_ms, buys in trades:
        meter.trade(at_ms * MS_NS, at_ms, buys=buys)
    meter.depth(10 * MS_NS, 14)
    facts = meter.facts()
    assert (facts.trades, facts.taker_orders) == (7, 4)
    assert facts.levels_per_trade == 2.0
    # Gaps of the orders: 0, 3, 1; mean 4/3, variance 14/9.
    assert facts.arrival_cv == pytest.approx((14 / 9) ** 0.5 / (4 / 3))
    assert facts.sign_autocorrelation_1 == autocorrelation([1, -1, -1, 1], 1)
    assert facts.trade_sign_autocorrelation_1 == autocorrelation([1, 1, -1, -1, -1, 1, 1], 1)


def test_messages_are_counted_in_whole_seconds():
    meter = FactsMeter(1)
    for second, count in enumerate((1, 5, 0, 2, 99)):
        for number in range(count):
            meter.depth(second * SECOND_NS + number, 1)
    facts = meter.facts()
    assert facts.seconds == 4
    # 1, 5, 0, 2: mean 2, variance 3.5.
    assert facts.fano == pytest.approx(3.5 / 2)


def test_queues_that_tell_the_next_move_correlate_with_it():
    rows = []
    mid = 1000.0
    for second in range(60):
        up = second % 3 == 0
        rows.append((second, mid - 1, 9 if up else 1, mid + 1, 1 if up else 9))
        mid *= 1.01 if up else 0.99
    assert quoted(*rows).imbalance_correlation == pytest.approx(1.0, abs=0.01)


def test_too_little_is_no_number():
    facts = FactsMeter(0.01).facts()
    assert facts.seconds == facts.trades == 0
    assert isnan(facts.fano)
    assert isnan(facts.one_tick_share)
    assert isnan(facts.sign_autocorrelation_1)
    assert isnan(facts.imbalance_correlation)
    assert isnan(excess_kurtosis([1.0, 1.0, 1.0, 1.0]))
    assert isnan(autocorrelation([1.0], 1))
    assert isnan(correlation([1.0, 2.0], [1.0, 2.0]))


def test_known_values():
    assert excess_kurtosis([-1.0, 1.0] * 50) == pytest.approx(-2.0)
    assert autocorrelation([1.0, -1.0] * 500, 1) == pytest.approx(-1.0, abs=0.01)
    assert autocorrelation([1.0, -1.0] * 500, 2) == pytest.approx(1.0, abs=0.01)
    assert correlation([1, 2, 3, 4], [-2, -4, -6, -8]) == pytest.approx(-1.0)


@given(st.lists(st.floats(-1e6, 1e6, allow_nan=False), min_size=3), st.integers(1, 5))
def test_correlations_are_between_minus_one_and_one(values, lag):
    other = [value * value for value in values]
    for figure in (autocorrelation(values, lag), correlation(values, other)):
        assert isnan(figure) or -1.000001 <= figure <= 1.000001


def test_other_streams_and_snapshots_are_passed_over():
    lines = [
        (1, b'{"lastUpdateId":1,"bids":[],"asks":[]}'),
        (2, b'{"stream":"x@aggTrade","data":{"e":"aggTrade","s":"X"}}'),
        (3, b'{"result":null,"id":1}'),
        (4, b'{"e":"depthUpdate","b":[["1","2"]],"a":[["3","4"],["5","6"]]}'),
    ]
    facts = measure(lines, 0.01)
    assert (facts.depth_messages, facts.quote_messages, facts.trades) == (1, 0, 0)


@pytest.mark.parametrize(
    "frame", [b'{"e":"trade","T":1}', b"{", b"[]", b'{"u":1,"b":"x","B":"1","a":"2","A":"1"}']
)
def test_a_frame_that_is_no_message_is_named(frame):
    with pytest.raises(RecordingError, match="received at 7"):
        measure([(7, frame)], 0.01)
