"""The position (P1): a total table, exact quantities, and what its numbers mean."""

import pytest
from domain_scene import BTC, ID, PROTECTION, D
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.position import TABLE, Position, PositionFact, PositionStatus
from shared.units import decimal_from_text

P, F = PositionStatus, PositionFact


def a_position(**changes):
    values = {
        "position_id": ID,
        "symbol": BTC.symbol,
        "opened_ns": 1,
        "first_protection": PROTECTION,
    }
    return Position(**{**values, **changes})


@pytest.mark.parametrize("status", list(P))
@pytest.mark.parametrize("fact", list(F))
def test_every_pair_has_an_answer(status, fact):
    following = TABLE[status][fact]
    assert isinstance(following, PositionStatus) or len(following) > 5


def test_only_a_late_buy_leaves_closed():
    """It must be protected again (L2)."""
    moves = {f: to for f, to in TABLE[P.CLOSED].items() if isinstance(to, P)}
    assert moves == {F.BOUGHT: P.OPENING}


def test_a_position_on_its_way_out_never_turns_back():
    moves = {to for to in TABLE[P.CLOSING].values() if isinstance(to, P)}
    assert moves == {P.CLOSING, P.CLOSED}


def test_flat_is_closed_from_everywhere():
    assert {TABLE[status][F.FLAT] for status in set(P) - {P.CLOSED}} == {P.CLOSED}


@given(st.lists(st.sampled_from(list(F)), max_size=25))
def test_random_walks_stay_on_the_table(facts):
    position = a_position()
    for fact in facts:
        before = position.status
        position.advance(fact)
        following = TABLE[before][fact]
        assert position.status is (following if isinstance(following, P) else before)
        if position.status is P.NEW:
            assert before is P.NEW


def test_a_life():
    position = a_position()
    seen = []
    for fact in (F.BOUGHT, F.ENTRY_ENDED, F.PROTECTION_SENT, F.PROTECTION_LOST):
        position.advance(fact)
        seen.append(position.status)
    for fact in (F.PROTECTION_SENT, F.EXIT_STARTED, F.PROTECTION_LOST, F.SOLD, F.FLAT):
        position.advance(fact)
        seen.append(position.status)
    assert seen == [
        P.OPENING, P.OPEN, P.PROTECTING, P.OPEN,
        P.PROTECTING, P.CLOSING, P.CLOSING, P.CLOSING, P.CLOSED,
    ]  # fmt: skip


def test_its_numbers():
    position = a_position(
        bought=D(2),
        sold=D("0.5"),
        base_fees=D("0.002"),
        spent=D(200),
        received=D(60),
        quote_fees=D("0.06"),
    )
    assert position.quantity == D("1.498")
    assert position.entry_price == 100
    assert position.cost == D("149.8")
    assert position.pnl_quote == D("-140.06")


def test_nothing_bought_costs_nothing():
    empty = a_position()
    assert (empty.quantity, empty.cost, empty.entry_price) == (0, 0, 0)


@pytest.mark.parametrize(
    ("past_s", "since_s", "now_s", "seconds"),
    [(0, 0, 9, 0), (2, 0, 9, 2), (0, 4, 9, 5), (2, 4, 9, 7)],
)
def test_unprotected_time_runs_while_bare(past_s, since_s, now_s, seconds):
    """L5: the spells that are over and the one that runs."""
    second = 10**9
    position = a_position(unprotected_ns=past_s * second, bare_since_ns=since_s * second)
    assert position.unprotected_s(now_s * second) == seconds


def test_dust_that_is_kept_is_no_loss():
    position = a_position(
        bought=D("0.00082"),
        base_fees=D("0.00000082"),
        sold=D("0.00081"),
        spent=D("49.20"),
        received=D("48.60"),
        quote_fees=D("0.0486"),
    )
    fees = D("0.00000082") * D(60_000) + D("0.0486")
    assert round(position.realized_quote + fees, 6) == 0


def test_what_was_realized_can_be_read_back():
    position = a_position(
        bought=D("0.03"), sold=D("0.02"), spent=D("0.00007"), received=D("0.00004")
    )
    text = str(position.realized_quote)
    assert decimal_from_text(text) == position.realized_quote
