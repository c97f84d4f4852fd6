"""The rate budget and the exact filters (O9, L10, L15)."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from venue_stub import EXCHANGE_INFO, listing

from shared.messages.venue import Meaning
from shared.units import MAX_MAGNITUDE, NS_PER_S
from shared.venues.binance_instruments import EXCHANGE_INFO as READER
from shared.venues.binance_instruments import instruments_of
from shared.venues.budget import EXIT_SPACING_NS, RateBudget

START_NS = 1_800_000_000 * NS_PER_S


def test_a_share_of_each_window_is_kept_for_exits() -> None:
    budget = RateBudget(weight_per_minute=100, orders_per_10s=10)
    assert [budget.admit(10, 1, False, START_NS) for _ in range(7)] == [None] * 7
    refused = budget.admit(10, 1, False, START_NS)
    assert (refused.meaning, refused.until_ns) == (Meaning.RATE, START_NS + 60 * NS_PER_S)
    assert [budget.admit(10, 1, True, START_NS) for _ in range(3)] == [None] * 3
    assert budget.admit(10, 1, True, START_NS) is not None
    # A refused request is not booked, and a new window starts empty.
    assert (budget.weight.used, budget.orders.used) == (100, 10)
    assert budget.admit(10, 1, False, START_NS + 60 * NS_PER_S) is None


def test_orders_have_their_own_window() -> None:
    budget = RateBudget(weight_per_minute=6000, orders_per_10s=10)
    for _ in range(7):
        assert budget.admit(1, 1, False, START_NS) is None
    assert budget.admit(1, 1, False, START_NS).until_ns == START_NS + 10 * NS_PER_S
    assert budget.admit(1, 0, False, START_NS) is None, "a query is no order"
    assert budget.admit(1, 1, False, START_NS + 10 * NS_PER_S) is None


def test_the_venues_count_wins_when_it_is_higher() -> None:
    budget = RateBudget(weight_per_minute=100)
    budget.admit(10, 0, False, START_NS)
    budget.heard({"x-mbx-used-weight-1m": "65"}, START_NS, START_NS + NS_PER_S)
    assert budget.weight.used == 65
    assert budget.admit(10, 0, False, START_NS + NS_PER_S) is not None
    budget.heard({"x-mbx-used-weight-1m": "3"}, START_NS, START_NS + NS_PER_S)
    assert budget.weight.used == 65
    # An answer that crosses into the next minute speaks of the last one.
    budget.heard({"x-mbx-used-weight-1m": "99"}, START_NS, START_NS + 60 * NS_PER_S)
    assert budget.admit(10, 0, False, START_NS + 60 * NS_PER_S) is None


@given(text=st.text(max_size=30))
def test_a_strange_header_changes_nothing_absurd(text: str) -> None:
    budget = RateBudget()
    budget.heard({"x-mbx-used-weight-1m": text}, START_NS, START_NS)
    assert 0 <= budget.weight.used <= 999_999_999


def test_a_pause_stops_entries_and_spaces_exits() -> None:
    budget = RateBudget()
    budget.refused(Meaning.RATE, START_NS + 5 * NS_PER_S)
    assert budget.admit(1, 1, False, START_NS).until_ns == START_NS + 5 * NS_PER_S
    assert budget.admit(1, 1, True, START_NS) is None
    spaced = budget.admit(1, 1, True, START_NS + 1)
    assert spaced.until_ns == START_NS + EXIT_SPACING_NS
    assert budget.admit(1, 1, True, START_NS + EXIT_SPACING_NS) is None
    assert budget.admit(1, 1, False, START_NS + 5 * NS_PER_S) is None


def test_a_ban_silences_exits_too_and_a_shorter_one_does_not_shorten_it() -> None:
    budget = RateBudget()
    budget.refused(Meaning.BANNED, START_NS + 100 * NS_PER_S)
    budget.refused(Meaning.BANNED, START_NS + 10 * NS_PER_S)
    for now_s, is_silent in ((0, True), (99, True), (100, False)):
        silence = budget.admit(1, 1, True, START_NS + now_s * NS_PER_S)
        assert (silence is not None) is is_silent
    assert budget.figures(START_NS + 40 * NS_PER_S)["venue_banned_s"] == 60


def read(symbol: dict):
    return instruments_of(READER.read(json.dumps({**EXCHANGE_INFO, "symbols": [symbol]})).symbols)


def with_filter(name: str, **fields) -> dict:
    symbol = listing()
    symbol["filters"] = [
        {**one, **fields} if one["filterType"] == name else one for one in symbol["filters"]
    ]
    return symbol


def test_a_filter_that_is_switched_off_limits_nothing() -> None:
    ((instrument,), _) = read(with_filter("PRICE_FILTER", maxPrice="0.00000000", minPrice="0.0"))
    assert (instrument.max_price, instrument.min_price) == (MAX_MAGNITUDE, 0)
    ((instrument,), _) = read(with_filter("MARKET_LOT_SIZE", maxQty="0.00000000"))
    assert instrument.market_max_quantity == Decimal(9000)
    symbol = listing()
    symbol["filters"] = symbol["filters"][:2]
    ((instrument,), _) = read(symbol)
    assert (instrument.min_notional, instrument.price_band_down) == (0, 0)
    assert instrument.price_band_up == MAX_MAGNITUDE


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("PRICE_FILTER", "tickSize", "0.00000000"),
        ("PRICE_FILTER", "tickSize", 0.01),
        ("PRICE_FILTER", "tickSize", "NaN"),
        ("LOT_SIZE", "stepSize", "-0.1"),
        ("LOT_SIZE", "stepSize", None),
        ("LOT_SIZE", "minQty", "1_0"),
        ("NOTIONAL", "minNotional", "Infinity"),
    ],
)
def test_an_odd_filter_makes_only_its_market_unusable(name, field, value) -> None:
    instruments, unusable = read(with_filter(name, **{field: value}))
    assert instruments == ()
    assert list(unusable) == ["BTCUSDT"]


def test_margin_only_markets_are_left_out() -> None:
    assert read(listing(isSpotTradingAllowed=False)) == ((), {})
