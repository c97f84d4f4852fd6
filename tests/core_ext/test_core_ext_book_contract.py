"""One contract for both books: the native one and the reference, alone and step by step."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest
from book_kinds import KINDS, SPAN, each_kind
from hypothesis import given, settings
from hypothesis import strategies as st

from core_ext import book as native
from core_ext import reference
from core_ext.codes import MAX_LOTS, MAX_TICKS, BookStats, Outcome
from core_ext.errors import NumberRefused

SIDES = ("bid", "ask")


def filled(book: Any) -> Any:
    for side, price, quantity in (
        ("bid", "99.99", "2"),
        ("bid", "100.00", "1.5"),
        ("bid", "99.50", "10"),
        ("ask", "100.02", "1"),
        ("ask", "100.50", "4"),
        ("ask", "101.01", "100"),
    ):
        book.apply(side, price, quantity)
    return book


@each_kind
class TestBookContract:
    def test_empty_book_has_no_best_price(self, make):
        book = make("0.01")
        assert book.best() == (None, None, None, None)
        assert book.best_ticks() == (0, 0, 0, 0)
        assert book.mid() is None
        assert book.spread_bps() is None
        assert book.crossed() is False
        assert book.depth_bps(50) == (0.0, 0.0)
        assert book.depth_levels(10) == (0.0, 0.0)
        assert book.imbalance() == 0.0
        assert book.sweep("buy", 1) is None
        assert book.stats() == BookStats(0, 0, 0, 0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0, 0)

    def test_best_spread_and_mid_are_exact(self, make):
        book = filled(make("0.01"))
        assert book.best() == (Decimal("100"), Decimal("1.5"), Decimal("100.02"), Decimal("1"))
        assert book.mid() == Decimal("100.01")
        assert book.spread_bps() == pytest.approx(0.02 / 100.01 * 1e4, rel=1e-12)
        assert book.counts() == (3, 3)

    def test_depth_includes_the_bounds_of_the_band(self, make):
        book = make("0.5")
        for side, price in (("bid", "995"), ("bid", "999"), ("ask", "1001"), ("ask", "1005")):
            book.apply(side, price, "1")
        book.apply("bid", "994.5", "7")
        book.apply("ask", "1005.5", "7")
        assert book.depth_bps(50) == (1994.0, 2006.0)
        assert book.depth_bps(49.999) == (999.0, 1001.0)
        assert book.depth_bps(10) == (999.0, 1001.0)
        assert book.depth_bps(0) == (0.0, 0.0)

    def test_depth_of_levels_and_imbalance(self, make):
        book = filled(make("0.01"))
        assert book.depth_levels(1) == (pytest.approx(150.0), pytest.approx(100.02))
        assert book.imbalance(1) == pytest.approx((1.5 - 1) / 2.5)
        assert book.imbalance(2) == pytest.approx((3.5 - 5) / 8.5)

    def test_sweep_pays_each_level_and_refuses_a_thin_side(self, make):
        book = filled(make("0.01"))
        assert book.sweep("buy", 50) == pytest.approx(100.02)
        spent_on_second = 200 - 100.02
        base = 1 + spent_on_second / 100.5
        assert book.sweep("ask", 200) == pytest.approx(200 / base, rel=1e-12)
        assert book.sweep("sell", Decimal("150")) == pytest.approx(100.0)
        assert book.sweep("bid", 1_000_000) is None

    def test_zero_deletes_and_absent_deletes_do_nothing(self, make):
        book = filled(make("0.01"))
        book.apply("bid", "100.00", "0")
        book.apply("bid", "98.00", Decimal(0))
        assert book.best_ticks()[0] == 9999
        assert book.levels("bid") == [
            (Decimal("99.99"), Decimal(2)),
            (Decimal("99.50"), Decimal(10)),
        ]
        assert book.levels_ticks("ask", 1) == [(10002, 100_000_000)]

    def test_crossed_book_says_so(self, make):
        book = filled(make("0.01"))
        book.apply("bid", "100.02", "1")
        assert book.crossed() is True
        assert book.spread_bps() == 0.0

    @pytest.mark.parametrize(
        ("price", "quantity", "place"),
        [
            ("100.005", "1", "bid price"),
            ("0", "1", "bid price"),
            ("-1", "1", "bid price"),
            ("NaN", "1", "bid price"),
            ("1e3", "1", "bid price"),
            ("1_000", "1", "bid price"),
            ("٣", "1", "bid price"),
            ("", "1", "bid price"),
            (".5", "1", "bid price"),
            ("5.", "1", "bid price"),
            ("007", "1", "bid price"),
            (Decimal("Infinity"), "1", "bid price"),
            (100.0, "1", "bid price"),
            (None, "1", "bid price"),
            (str(MAX_TICKS), "1", "bid price"),
            ("9" * 40, "1", "bid price"),
            ("1", "0.000000001", "bid quantity"),
            ("1", "-1", "bid quantity"),
            ("1", "90000000001", "bid quantity"),
            ("1", "9" * 19, "bid quantity"),
            ("1", "0." + "0" * 80, "bid quantity"),
        ],
    )
    def test_a_refused_number_names_its_place_and_changes_nothing(
        self, make, price, quantity, place
    ):
        book = filled(make("0.01"))
        before = book.state_hash()
        with pytest.raises(NumberRefused) as refused:
            book.apply("bid", price, quantity)
        assert refused.value.place == place
        assert isinstance(refused.value, ValueError)
        assert book.state_hash() == before

    def test_largest_numbers_are_held_exactly(self, make):
        book = make("1", "1")
        book.apply("bid", str(MAX_TICKS - 1), str(MAX_LOTS))
        book.apply("ask", str(MAX_TICKS), str(MAX_LOTS))
        assert book.best() == (MAX_TICKS - 1, MAX_LOTS, MAX_TICKS, MAX_LOTS)
        assert book.depth_levels(5)[1] == float(MAX_TICKS * MAX_LOTS)
        assert book.depth_bps(50)[0] == float((MAX_TICKS - 1) * MAX_LOTS)

    @pytest.mark.parametrize("tick", ["0", "-1", "x", "NaN", "1e-19", 0.01])
    def test_unusable_steps_are_refused(self, make, tick):
        with pytest.raises(NumberRefused):
            make(tick)

    def test_ticks_that_are_no_power_of_ten(self, make):
        book = make("0.25", "10")
        book.apply("ask", "7.75", "30")
        assert book.best_ticks() == (0, 0, 31, 3)
        with pytest.raises(NumberRefused):
            book.apply("ask", "7.80", "30")
        with pytest.raises(NumberRefused):
            book.apply("ask", "8", "15")

    def test_unknown_side_is_refused(self, make):
        with pytest.raises(NumberRefused, match="'bid' or 'ask'"):
            make("0.01").apply("buy", "1", "1")

    def test_whole_ticks_are_checked(self, make):
        book = make("0.01")
        for ticks, lots in ((0, 1), (-1, 1), (MAX_TICKS + 1, 1), (1, -1), (1, MAX_LOTS + 1)):
            with pytest.raises(NumberRefused):
                book.apply_ticks(True, ticks, lots)
        assert book.counts() == (0, 0)

    def test_snapshot_and_deltas_join_the_documented_way(self, make):
        book = make("0.01")
        book.load_snapshot(100, [("1.00", "1")], [("1.01", "2")])
        assert book.last_update_id == 100
        assert book.admit(95, 100) == Outcome.STALE
        assert book.admit(99, 103) == Outcome.APPLIED
        assert book.admit(104, 104) == Outcome.APPLIED
        assert book.admit(103, 104) == Outcome.STALE
        assert book.admit(104, 106) == Outcome.GAP
        assert book.gapped
        assert book.admit(105, 105) == Outcome.GAP
        assert book.last_update_id == 104
        book.load_snapshot(110, [], [])
        assert not book.gapped
        assert book.admit(112, 113) == Outcome.GAP

    def test_first_delta_after_a_snapshot_may_start_right_behind_it(self, make):
        book = make("0.01")
        book.load_snapshot(100, [], [])
        assert book.admit(101, 101) == Outcome.APPLIED

    def test_a_book_without_snapshot_takes_any_first_delta_then_insists(self, make):
        book = make("0.01")
        assert book.admit(7, 9) == Outcome.APPLIED
        assert book.admit(11, 12) == Outcome.GAP
        book.clear()
        assert book.last_update_id == -1
        assert not book.gapped

    def test_a_refused_snapshot_leaves_the_book(self, make):
        book = filled(make("0.01"))
        before = book.state_hash()
        with pytest.raises(NumberRefused):
            book.load_snapshot(5, [("1.00", "1")], [("1.001", "1")])
        assert book.state_hash() == before
        assert book.last_update_id == -1

    def test_bad_arguments_of_looks_are_refused(self, make):
        book = filled(make("0.01"))
        for look in (
            lambda: book.depth_bps(-1),
            lambda: book.depth_bps(float("nan")),
            lambda: book.depth_levels(-1),
            lambda: book.imbalance(-1),
            lambda: book.levels("bid", -1),
            lambda: book.sweep("buy", 0),
            lambda: book.sweep("buy", float("inf")),
            lambda: book.admit(5, 4),
        ):
            with pytest.raises(NumberRefused):
                look()


near = st.integers(999_990, 1_000_010)
edges = st.integers(-2, 2).flatmap(
    lambda away: st.sampled_from(
        [1_000_000 + away + side * part for side in (-1, 1) for part in (SPAN // 4, SPAN, 196_608)]
    )
)
far = st.one_of(st.integers(1, 5_000_000), st.integers(1, MAX_TICKS))
change = st.tuples(
    st.booleans(),
    st.one_of(near, near, edges, far),
    st.one_of(st.just(0), st.integers(1, 10**12), st.integers(1, MAX_LOTS)),
)


def assert_alike(books, plain, band, quote):
    """Every book says what the reference says, to the bit."""
    for book in books:
        assert book.stats() == plain.stats()
        assert book.state_hash() == plain.state_hash()
        assert book.depth_bps(band) == plain.depth_bps(band)
        assert book.depth_levels(3) == plain.depth_levels(3)
        assert book.imbalance(2) == plain.imbalance(2)
        assert book.best_ticks() == plain.best_ticks()
        assert book.crossed() == plain.crossed()
        assert book.counts() == plain.counts()
        for side in SIDES:
            assert book.sweep(side, quote) == plain.sweep(side, quote)
        book.validate()


@settings(max_examples=120, deadline=None)
@given(changes=st.lists(change, max_size=80), band=st.floats(0, 10_000), quote=st.floats(1e-3, 1e9))
def test_all_books_are_equal_after_every_change(changes, band, quote):
    books = [KINDS["compact"]("0.01"), KINDS["window"]("0.01")]
    plain = reference.Book("0.01")
    for one in changes:
        for book in (*books, plain):
            book.apply_ticks(*one)
        assert_alike(books, plain, band, quote)
    for book in books:
        for side in SIDES:
            assert book.levels(side) == plain.levels(side)
            assert book.levels_ticks(side, 3) == plain.levels_ticks(side, 3)
        assert book.best() == plain.best()
        assert book.mid() == plain.mid()


def stream(rng, count):
    """A market that walks, jumps and is thin or full by turns, with levels far outside."""
    middle = 2_000_000
    for i in range(count):
        if rng.random() < 0.003:
            jump = rng.choice((70_000, 150_000, 900_000))
            middle = max(400_000, middle + rng.choice((-jump, jump)))
        middle += rng.choice((-3, -1, 0, 1, 3))
        side_is_bid = rng.random() < 0.5
        away = int(rng.expovariate(1 / rng.choice((5, 300, 80_000)))) - 2
        ticks = max(1, middle - away if side_is_bid else middle + away)
        filling = 0.35 + (i // 400) % 3 * 0.2
        yield side_is_bid, ticks, rng.randrange(1, 10**11) if rng.random() < filling else 0


@pytest.mark.parametrize("seed", range(4))
def test_a_walking_market_is_alike_in_all_books(seed):
    rng = random.Random(seed)
    books = [KINDS["compact"]("0.01"), KINDS["window"]("0.01")]
    plain = reference.Book("0.01")
    turning = KINDS["window"]("0.01")
    for at, one in enumerate(stream(rng, 2_500)):
        for book in (*books, plain, turning):
            book.apply_ticks(*one)
        if at % 97 == 0:
            turning.become("compact" if turning.kind == "window" else "window")
        if at % 5 == 0:
            assert_alike([*books, turning], plain, rng.choice((10, 50, 500, 9_999)), 5e6)


number_text = st.one_of(
    st.from_regex(r"(0|[1-9][0-9]{0,21})(\.[0-9]{1,12})?", fullmatch=True),
    st.text("0123456789.eE-+ _", max_size=12),
    st.decimals(allow_nan=True, allow_infinity=True).map(str),
)


@settings(max_examples=400, deadline=None)
@given(
    price=number_text,
    quantity=number_text,
    tick=st.sampled_from(["0.01", "1", "0.25", "10", "0.00000001", "0.0005"]),
)
def test_both_books_accept_and_refuse_the_same_numbers(price, quantity, tick):
    fast, plain = native.Book(tick), reference.Book(tick)
    outcomes = []
    for book in (fast, plain):
        try:
            book.apply("ask", price, quantity)
        except NumberRefused as refused:
            outcomes.append((refused.place, refused.allowed))
        else:
            outcomes.append(book.levels("ask"))
    assert outcomes[0] == outcomes[1]
    assert fast.state_hash() == plain.state_hash()
