"""The latency histogram: both alike, within 1.6 % of the exact percentile, mergeable as bytes."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core_ext import histogram as native
from core_ext import reference
from core_ext.errors import NumberRefused, RecordRefused

values = st.lists(
    st.one_of(st.integers(0, 200), st.integers(0, 10**9), st.integers(-5, 2**63 - 1)),
    min_size=1,
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(first=values, second=values, percent=st.floats(0, 100))
def test_percentiles_are_close_and_both_agree(first, second, percent):
    merged = []
    for module in (native, reference):
        one, two = module.Histogram(), module.Histogram()
        for value in first:
            one.record(value)
        for value in second:
            two.record(value)
        one.merge(module.Histogram.from_bytes(two.to_bytes()))
        merged.append(one)
    fast, plain = merged
    ordered = sorted(min(max(0, value), 2**53 - 1) for value in first + second)
    exact = ordered[max(0, math.ceil(percent * len(ordered) / 100.0) - 1)]
    assert fast.percentile(percent) == plain.percentile(percent)
    assert exact <= fast.percentile(percent) <= exact * (1 + 1 / 63) + 1
    assert fast.max() == plain.max() == ordered[-1]
    assert fast.count == plain.count == len(ordered)
    assert fast.to_bytes() == plain.to_bytes()


@pytest.mark.parametrize(
    "make", [native.Histogram, reference.Histogram], ids=["native", "reference"]
)
class TestHistogramContract:
    def test_empty(self, make):
        histogram = make()
        assert (histogram.count, histogram.max(), histogram.percentile(99)) == (0, 0, 0)
        assert histogram.mean() == 0.0
        assert make.from_bytes(histogram.to_bytes()).count == 0

    def test_small_values_are_exact(self, make):
        histogram = make()
        for value in range(1, 51):
            histogram.record(value)
        assert [histogram.percentile(p) for p in (0, 2, 50, 99, 100)] == [1, 1, 25, 50, 50]
        assert histogram.mean() == 25.5

    def test_times_and_clear(self, make):
        histogram = make()
        histogram.record(7, 3)
        histogram.record(9, 0)
        assert (histogram.count, histogram.total, histogram.max()) == (3, 21, 7)
        histogram.clear()
        assert (histogram.count, histogram.percentile(50)) == (0, 0)

    def test_percent_out_of_range_is_refused(self, make):
        for percent in (-1, 101, float("nan")):
            with pytest.raises(NumberRefused):
                make().percentile(percent)

    def test_damaged_bytes_are_refused(self, make):
        histogram = make()
        for value in (5, 5, 70_000):
            histogram.record(value)
        good = histogram.to_bytes()
        assert make.from_bytes(good).to_bytes() == good
        damaged = [good[:-1], good + b"x", b"XXXX" + good[4:], b"", good[:10]]
        damaged.append(good[:8] + b"\x09" + good[9:])
        damaged.append(good[:32] + good[42:52] + good[32:42])
        for data in damaged:
            with pytest.raises(RecordRefused):
                make.from_bytes(data)
