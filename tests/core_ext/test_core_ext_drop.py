"""The drop window: one contract for both, and a plain maximum as the judge."""

from __future__ import annotations

from array import array

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


@pytest.mark.parametrize(
    "make", [native.DropWindows, reference.DropWindows], ids=["native", "reference"]
)
class TestDropWindowsContract:
    def test_a_row_of_prices_gives_a_row_of_drops(self, make):
        windows = make(3, 60 * MINUTE)
        assert windows.update(0, array("d", [100.0, 10.0, 1.0])).tolist() == [0.0, 0.0, 0.0]
        drops = windows.update(MINUTE, array("d", [90.0, 11.0, 0.5]))
        assert drops.tolist() == pytest.approx([-10.0, 0.0, -50.0])
        assert drops is windows.drops
        assert [windows.anchor(i) for i in range(3)] == [100.0, 11.0, 1.0]
        assert len(windows) == 3

    def test_seed_and_void_are_of_one_symbol(self, make):
        windows = make(2, 60 * MINUTE)
        windows.seed(1, 0, 200.0)
        assert windows.update(MINUTE, array("d", [100.0, 100.0])).tolist() == [0.0, -50.0]
        windows.void(1)
        assert windows.anchor(0) == 100.0
        assert windows.anchor(1) is None

    @pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf")])
    def test_a_row_with_an_absurd_price_changes_nothing(self, make, bad):
        windows = make(2, 10)
        windows.update(0, array("d", [5.0, 6.0]))
        with pytest.raises(NumberRefused) as refused:
            windows.update(1, array("d", [9.0, bad]))
        assert refused.value.place == "price 1"
        assert [windows.anchor(0), windows.anchor(1)] == [5.0, 6.0]

    @pytest.mark.parametrize(
        "row", [array("d", [1.0]), array("q", [1, 1]), b"", array("f", [1] * 4)]
    )
    def test_other_rows_are_refused(self, make, row):
        with pytest.raises(NumberRefused):
            make(2, 10).update(0, row)

    @pytest.mark.parametrize("change", [array.pop, lambda drops: drops.append(0.0)])
    def test_an_array_of_drops_that_its_reader_resized_is_not_written(self, make, change):
        windows = make(2, 10)
        windows.update(0, array("d", [5.0, 6.0]))
        change(windows.drops)
        left = windows.drops.tolist()
        with pytest.raises(NumberRefused, match="drops"):
            windows.update(1, array("d", [9.0, 9.0]))
        assert windows.drops.tolist() == left
        assert [windows.anchor(0), windows.anchor(1)] == [5.0, 6.0]

    def test_unknown_symbols_and_limits_are_refused(self, make):
        windows = make(2, 10)
        for act in (
            lambda: windows.anchor(2),
            lambda: windows.void(-1),
            lambda: windows.seed(2, 0, 1.0),
            lambda: make(0, 10),
            lambda: make(1_000_001, 10),
            lambda: make(1, 0),
            lambda: make(1, 2**62),
            lambda: make(1, 10, 0),
        ):
            with pytest.raises(NumberRefused):
                act()


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(-3, 20), st.lists(st.integers(1, 12), min_size=4, max_size=4)),
        max_size=60,
    ),
    window_ns=st.integers(1, 60),
)
def test_windows_together_say_what_windows_alone_say(rows, window_ns):
    together = native.DropWindows(4, window_ns, 16)
    alone = [reference.DropWindow(window_ns, 16) for _ in range(4)]
    now = 0
    for span, prices in rows:
        now += span
        drops = together.update(now, array("d", map(float, prices)))
        assert drops.tolist() == [
            one.update(now, price) for one, price in zip(alone, prices, strict=True)
        ]
        assert [together.anchor(i) for i in range(4)] == [one.anchor() for one in alone]


def test_a_long_fall_grows_the_ring_and_a_rise_empties_it():
    windows = native.DropWindows(1, 10**12)
    highest = 0.0
    for ts, price in enumerate(map(float, [*range(5_000, 1, -1), *range(2, 6_000)])):
        highest = max(highest, price)
        assert windows.update(ts, array("d", [price]))[0] == (price / highest - 1.0) * 100.0
    assert windows.anchor(0) == 5_999.0
