"""From a fall to an intent (E2, E4, E6): one crossing, one decision; prices that pass filters."""

import pytest
from domain_scene import BTC, ID, D, ns, quote
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from shared.domain.health import WEIGHTS, Vitals, score
from shared.domain.intent import build_intent, ladder
from shared.domain.mark import Mark, mark_of
from shared.domain.policy import DropPolicy, EntryPolicy, ProtectionPolicy
from shared.domain.signal import DropSignal
from shared.domain.trips import RATE_MAX, SAME_MAX, Trips
from shared.messages.venue import TimeInForce

POLICY = DropPolicy()


def crossings(falls, policy=POLICY, bids=None, spend=True):
    """Times (in steps of 2 s) at which a series of falls asks for a decision."""
    signal, found = DropSignal(), []
    for step, fall in enumerate(falls):
        seen = quote(drop_pct=-fall, bid=bids[step] if bids else 10_000)
        if signal.crosses(seen, policy, ns(step * 2)):
            found.append(step)
            signal.spent = spend
    return found


@pytest.mark.parametrize(
    ("falls", "asked"),
    [
        ([2.99], []),
        ([3.0], [0]),
        ([3.0, 3.5, 9.0], [0]),
        ([3.0, 2.8, 3.1], [0]),
        ([3.0, 2.71, 3.1], [0]),
        ([3.0, 2.69, 3.1], [0, 2]),
        ([3.0, 0.0, 2.9, 3.0], [0, 3]),
    ],
)
def test_one_crossing_asks_once(falls, asked):
    """It is over when the fall is smaller than 90 % of the trigger."""
    assert crossings(falls) == asked


def test_a_refused_crossing_is_looked_at_again():
    assert crossings([3.0, 3.1, 3.2], spend=False) == [0, 1, 2]


def test_it_is_not_looked_at_more_than_once_a_second():
    signal = DropSignal()
    asked = [t for t in range(0, 3000, 100) if signal.crosses(quote(), POLICY, ns(t / 1000))]
    assert asked == [0, 1000, 2000]


@pytest.mark.parametrize(("ticks", "asked"), [(0, [0]), (1, [1]), (3, [3]), (9, [])])
def test_confirmation_by_quotes(ticks, asked):
    assert crossings([3.0] * 5, replace(POLICY, confirm_ticks=ticks)) == asked


def test_confirmation_starts_anew_with_each_crossing():
    confirmed = replace(POLICY, confirm_ticks=2)
    assert crossings([3.0, 3.0, 0.0, 3.0, 3.0, 3.0], confirmed) == [5]


@pytest.mark.parametrize(
    ("bids", "asked"),
    [([10_000, 9_990, 9_999], []), ([10_000, 9_990, 10_000], [2]), ([10_000] * 3, [])],
)
def test_confirmation_by_a_rebound_from_the_low(bids, asked):
    """10 bps above the lowest bid of this crossing."""
    assert crossings([3.0] * 3, replace(POLICY, rebound_bps=10.0), bids) == asked


def test_the_low_belongs_to_its_crossing():
    rebound = replace(POLICY, rebound_bps=10.0)
    assert crossings([3.0, 0.0, 3.0, 3.0], rebound, [5_000, 9_000, 10_000, 10_005]) == []


# ── the intent ──────────────────────────────────────────────────────────────────────────────────


def test_the_ladder_of_the_defaults():
    rungs = ladder(D("100.01"), BTC, EntryPolicy())
    assert [(r.time_in_force, r.price, r.deadline_ms) for r in rungs] == [
        (TimeInForce.IOC, D("100.01"), 2_000),
        (TimeInForce.IOC, D("100.32"), 2_000),
        (TimeInForce.GTC, D("100.01"), 30_000),
    ]


@given(st.integers(1, 10**8), st.decimals("5", "10000", places=2), st.integers(0, 1000))
def test_an_intent_never_costs_more_than_it_reserves(ask, size, slippage):
    """E4: the reservation covers the worst rung and its fee; the size is not exceeded."""
    entry, fee = EntryPolicy(slippage_bps=float(slippage)), D("0.1")
    seen = quote(ask_ticks=ask)
    made = build_intent(ID, seen, BTC, size, entry, ProtectionPolicy(), fee, ns(5))
    assert made.quantity * made.ladder[0].price <= size
    for rung in made.ladder:
        assert made.quantity * rung.price * D("1.001") <= made.reserved_quote
        assert rung.price % BTC.tick_size == 0
    assert made.quantity % BTC.step_size == 0
    assert (made.intent_id, made.created_ns, made.deadline_ns) == (ID, ns(5), ns(6))
    assert made.quote_recv_ns == seen.recv_ns


def test_an_intent_carries_its_first_protection():
    """L5: route places it without asking anybody."""
    made = build_intent(ID, quote(), BTC, D(50), EntryPolicy(), ProtectionPolicy(), D(0), 0)
    first = made.protection
    assert (first.take_profit_pct, first.stop_loss_pct) == (3, 3)
    assert (first.stop_limit_offset_pct, first.time_to_live_s) == (D("0.5"), 86_400)


def test_a_mark_is_exact_and_ages():
    seen = mark_of(quote(at=1), BTC)
    assert seen == Mark(D("100.00"), D("100.01"), ns(1))
    assert seen.is_fresh(ns(3))
    assert not seen.is_fresh(ns(3) + 1)
    assert not Mark(D(0), D(1), ns(1)).is_fresh(ns(1))


# ── instruments ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("quantity", "price", "fault"),
    [
        ("1", "100", None),
        ("0.05", "100", None),
        ("0.04999", "100", "NOTIONAL"),
        ("0", "100", "not positive"),
        ("-1", "100", "not positive"),
        ("0.000001", "100", "LOT_SIZE"),
        ("9000.00001", "100", "LOT_SIZE"),
        ("1", "0.001", "PRICE_FILTER"),
        ("1", "1000000.01", "PRICE_FILTER"),
        ("1", "100.001", "PRICE_FILTER"),
    ],
)
def test_the_filters_of_the_venue(quantity, price, fault):
    found = BTC.order_fault(D(quantity), D(price))
    assert found is None if fault is None else fault in found


@given(st.decimals("0", "100", places=8), st.decimals("0.01", "1000000", places=2))
def test_dust_is_what_no_order_could_sell(quantity, price):
    """P12, at a price within the filter."""
    orderable = BTC.quantity_down(quantity)
    assert BTC.is_dust(quantity, price) == (BTC.order_fault(orderable, price) is not None)


@given(st.decimals("-5", "1000", places=8))
def test_prices_are_rounded_within_the_grid_and_never_to_zero(price):
    low, high = BTC.price_down(price), BTC.price_up(price)
    assert low >= BTC.tick_size
    assert high >= max(price, BTC.tick_size)
    assert low <= max(price, BTC.tick_size)


# ── health (P9) ─────────────────────────────────────────────────────────────────────────────────

GOOD = Vitals(pnl_pct=5, drawdown_pct=0, volatility_pct=0, age_s=0, depth_positions=10)
BAD = Vitals(pnl_pct=-5, drawdown_pct=5, volatility_pct=3, age_s=86_400, depth_positions=0)


def test_health_runs_from_nought_to_a_hundred():
    assert (score(GOOD), score(BAD)) == (100, 0)
    assert sum(WEIGHTS.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("field", "weight"),
    [
        ("pnl_pct", 30),
        ("drawdown_pct", 20),
        ("volatility_pct", 20),
        ("age_s", 15),
        ("depth_positions", 15),
    ],
)
def test_each_vital_weighs_what_it_should(field, weight):
    assert score(replace(GOOD, **{field: getattr(BAD, field)})) == 100 - weight


@given(st.floats(-50, 50), st.floats(-50, 50))
def test_more_profit_is_never_less_healthy(one, other):
    low, high = sorted((one, other))
    assert score(replace(BAD, pnl_pct=low)) <= score(replace(BAD, pnl_pct=high))


# ── trips (L9) ──────────────────────────────────────────────────────────────────────────────────


def test_too_many_orders_trip():
    trips = Trips()
    for number in range(RATE_MAX):
        trips.sent(f"d{number}", ns(0))
    assert trips.tripped == ""
    trips.sent("one more", ns(10))
    assert "order rate" in trips.tripped


def test_old_orders_are_forgotten():
    trips = Trips()
    for number in range(RATE_MAX * 3):
        trips.sent(f"d{number}", ns(number * 0.11))
    assert trips.tripped == ""


def test_one_decision_sent_over_and_over_trips():
    trips = Trips()
    for _ in range(SAME_MAX):
        trips.sent("same", ns(0))
    assert trips.tripped == ""
    trips.sent("same", ns(1))
    assert "repeated orders" in trips.tripped
    first = trips.tripped
    trips.raise_trip("another")
    assert trips.tripped == first, "the first reason stays"


def test_orders_that_never_left_are_not_counted():
    """The latest of that decision alone: those before them, and others, did leave."""
    trips = Trips()
    for _ in range(SAME_MAX):
        trips.sent("same", ns(0))
    trips.sent("other", ns(1))
    trips.unsent("same", 2)
    trips.sent("same", ns(2))
    trips.sent("same", ns(2))
    assert trips.tripped == ""
    trips.unsent("unheard of", 1)
    trips.sent("same", ns(2))
    assert "repeated orders" in trips.tripped


@pytest.mark.parametrize(("refused", "tripped"), [(15, False), (16, True)])
def test_a_row_of_refusals_trips(refused, tripped):
    trips = Trips()
    for number in range(20):
        trips.answered(number < refused)
    assert bool(trips.tripped) == tripped


def test_rearming_forgets_what_tripped():
    trips = Trips()
    for _ in range(SAME_MAX + 1):
        trips.sent("same", ns(0))
        trips.answered(True)
    trips.rearm()
    trips.sent("same", ns(0))
    trips.answered(True)
    assert trips.tripped == ""
