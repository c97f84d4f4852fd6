"""The drop window: one contract for both, and a plain maximum as the judge."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core_ext import drop as native
from core_ext import reference
from core_ext.errors import NumberRefused

MINUTE = 60_000_000_000


@pytest.mark.parametrize(
    "make", [native.DropWindow, reference.DropWindow], ids=["native", "reference"]
)
class TestDropContract:
    def test_empty_window(self, make):
        window = make(60 * MINUTE)
        assert window.anchor() is None
        assert window.age_ns(5) == 0
        assert len(window) == 0
        assert not window.seeded

    def test_drop_from_the_highest_of_the_window(self, make):
        window = make(60 * MINUTE)
        assert window.update(0, 100.0) == 0.0
        assert window.update(MINUTE, 97.0) == pytest.approx(-3.0)
        assert window.update(2 * MINUTE, 110.0) == 0.0
        assert window.update(3 * MINUTE, 99.0) == pytest.approx(-10.0)
        assert window.anchor() == 110.0

    def test_a_peak_lives_as_long_as_the_window(self, make):
        window = make(60 * MINUTE)
        window.update(0, 100.0)
        window.update(MINUTE, 90.0)
        assert window.update(60 * MINUTE, 90.0) == pytest.approx(-10.0)
        assert window.update(60 * MINUTE + 1, 90.0) == 0.0
        assert window.anchor() == 90.0

    def test_age_counts_from_the_first_update(self, make):
        window = make(60 * MINUTE)
        window.update(5 * MINUTE, 100.0)
        window.update(6 * MINUTE, 100.0)
        assert window.age_ns(15 * MINUTE) == 10 * MINUTE
        assert window.age_ns(0) == 0

    def test_seed_gives_an_anchor_but_no_age(self, make):
        window = make(60 * MINUTE)
        window.seed(0, 120.0)
        assert window.seeded
        assert window.age_ns(MINUTE) == 0
        assert window.update(MINUTE, 108.0) == pytest.approx(-10.0)

    def test_seeds_after_updates_count_for_their_own_time(self, make):
        window = make(60 * MINUTE)
        window.update(50 * MINUTE, 100.0)
        window.update(55 * MINUTE, 99.0)
        window.seed(10 * MINUTE, 99.0)
        assert window.anchor() == 100.0
        window.seed(20 * MINUTE, 125.0)
        assert window.update(56 * MINUTE, 100.0) == pytest.approx(-20.0)
        window.seed(-20 * MINUTE, 500.0)
        assert window.anchor() == 125.0

    def test_void_forgets_everything(self, make):
        window = make(60 * MINUTE)
        window.seed(0, 120.0)
        window.update(MINUTE, 100.0)
        window.void()
        assert window.anchor() is None
        assert not window.seeded
        assert window.update(2 * MINUTE, 50.0) == 0.0
        assert window.age_ns(3 * MINUTE) == MINUTE

    def test_time_never_runs_back(self, make):
        window = make(10)
        window.update(100, 50.0)
        assert window.update(80, 40.0) == pytest.approx(-20.0)
        assert window.update(111, 40.0) == 0.0

    @pytest.mark.parametrize("price", [0.0, -1.0, float("nan"), float("inf")])
    def test_absurd_prices_are_refused_and_change_nothing(self, make, price):
        window = make(10)
        window.update(0, 5.0)
        with pytest.raises(NumberRefused):
            window.update(1, price)
        with pytest.raises(NumberRefused):
            window.seed(1, price)
        assert window.anchor() == 5.0
        assert not window.seeded

    def test_limits_are_refused(self, make):
        for bad in ((0,), (-1,), (10, 0), (10, 10**9)):
            with pytest.raises(NumberRefused):
                make(*bad)

    def test_memory_is_bounded_and_the_anchor_stays_right(self, make):
        window = make(10_000_000, 16)
        for ts in range(1_000):
            drop = window.update(ts, 2_000.0 - ts)
            assert drop == pytest.approx((2_000.0 - ts) / 2_000.0 * 100 - 100)
        assert len(window) == 16


step = st.tuples(
    st.sampled_from(["update", "update", "update", "seed", "void"]),
    st.integers(0, 40),
    st.integers(1, 30),
)


@settings(max_examples=200, deadline=None)
@given(steps=st.lists(step, max_size=60), window_ns=st.integers(1, 100))
def test_both_windows_equal_the_plain_maximum(steps, window_ns):
    fast, plain = native.DropWindow(window_ns), reference.DropWindow(window_ns)
    seen: list[tuple[int, float]] = []
    now = 100
    last_update: int | None = None
    for action, span, price in steps:
        if action == "void":
            fast.void()
            plain.void()
            seen = []
            last_update = None
        elif action == "seed":
            for window in (fast, plain):
                window.seed(now - span, price)
            seen.append((now - span, float(price)))
        else:
            now += span % 12
            last_update = now
            seen.append((now, float(price)))
            drop = fast.update(now, price)
            assert drop == plain.update(now, price)
            highest = max(peak for at, peak in seen if at >= now - window_ns)
            assert fast.anchor() == highest
            assert drop == min(0.0, (price / highest - 1.0) * 100.0)
        assert fast.anchor() == plain.anchor()
        assert len(fast) == len(plain)
        assert fast.age_ns(now) == plain.age_ns(now)
        assert fast.seeded == plain.seeded
        assert last_update is None or fast.anchor() is not None


@settings(max_examples=50, deadline=None)
@given(prices=st.lists(st.tuples(st.booleans(), st.integers(1, 9)), max_size=120))
def test_both_windows_merge_alike_at_their_limit(prices):
    fast, plain = native.DropWindow(300, 16), reference.DropWindow(300, 16)
    price = 10_000
    for at, (seeds, change) in enumerate(prices):
        price += change if change == 9 else -change
        if seeds and change > 6:
            for window in (fast, plain):
                window.seed(at * 3 - change * 5, price + change)
        assert fast.update(at * 3, price) == plain.update(at * 3, price)
        assert (fast.anchor(), len(fast)) == (plain.anchor(), len(plain))
        assert len(fast) <= 16
