"""The order machine (O1): total, closed, and deaf to everything but late fills after the end."""

import pytest
from domain_scene import BTC, ID, D
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.order import (
    END_STATUS,
    FINAL,
    ILLEGAL,
    TABLE,
    Ignore,
    Order,
    OrderFact,
    OrderStatus,
    step,
)
from shared.messages.account import OrderEnd, Purpose
from shared.messages.venue import OrderKind, Side, TimeInForce

S, F = OrderStatus, OrderFact
WAYS_OUT_OF_THE_END = {
    (S.CANCELED, F.COMPLETED): S.FILLED,
    (S.CANCELED, F.ENDED_FILLED): S.FILLED,
    (S.EXPIRED, F.COMPLETED): S.FILLED,
    (S.EXPIRED, F.ENDED_FILLED): S.FILLED,
}
"""A cancel and a fill may cross on the wire: the fill was first, and is the truth."""


@pytest.mark.parametrize("status", list(S))
@pytest.mark.parametrize("fact", list(F))
def test_every_pair_has_an_answer(status, fact):
    following = step(status, fact)
    assert following is ILLEGAL or isinstance(following, OrderStatus | Ignore)
    if isinstance(following, Ignore):
        assert len(following.why) > 5


def test_nothing_leaves_an_end_but_a_late_fill():
    found = {
        (status, fact): following
        for status in FINAL
        for fact, following in TABLE[status].items()
        if isinstance(following, OrderStatus) and following is not status
    }
    assert found == WAYS_OUT_OF_THE_END


def test_nothing_becomes_new_or_submitted_again():
    """An id is used once (O2)."""
    for status in S:
        for fact, following in TABLE[status].items():
            assert following is not S.NEW
            assert (following is S.SUBMITTED) == ((status, fact) == (S.NEW, F.SUBMITTED))


def test_only_a_doubt_makes_an_unknown_and_only_of_a_submission():
    """L2: once the venue has acknowledged an order, an answer that is lost changes nothing."""
    doubts = {s for s in S for f, to in TABLE[s].items() if to is S.UNKNOWN and s is not S.UNKNOWN}
    assert doubts == {S.SUBMITTED}
    assert TABLE[S.SUBMITTED][F.DOUBTED] is S.UNKNOWN


def test_a_live_order_always_ends_when_the_venue_says_so():
    for status in set(S) - FINAL - {S.NEW}:
        for fact in (F.ENDED_FILLED, F.ENDED_CANCELED, F.ENDED_EXPIRED, F.COMPLETED):
            assert TABLE[status][fact] in FINAL


def test_every_status_can_be_reached():
    reached = {S.NEW}
    for _ in S:
        reached |= {to for s in reached for to in TABLE[s].values() if isinstance(to, S)}
    assert reached == set(S)


def test_every_end_has_its_fact():
    assert set(END_STATUS) == set(OrderEnd)
    assert {TABLE[S.OPEN][END_STATUS[end]] for end in OrderEnd if end is not OrderEnd.REJECTED} == {
        S.FILLED,
        S.CANCELED,
        S.EXPIRED,
    }


@given(st.lists(st.sampled_from(list(F)), max_size=30))
def test_random_walks_stay_on_the_table_and_ends_are_ends(facts):
    status, has_ended = S.NEW, False
    for fact in facts:
        following = step(status, fact)
        if isinstance(following, OrderStatus):
            status = following
        has_ended = has_ended or status in FINAL
        assert has_ended == (status in FINAL)


def an_order(**changes):
    values = {
        "client_id": f"sw-{ID}-e1",
        "decision_id": ID,
        "symbol": BTC.symbol,
        "side": Side.BUY,
        "kind": OrderKind.LIMIT,
        "purpose": Purpose.ENTRY,
        "quantity": D(1),
        "time_in_force": TimeInForce.IOC,
        "price": D(100),
        "stop_price": D(0),
        "list_id": "",
        "expires_ns": 0,
        "submitted_ns": 1,
    }
    return Order(**{**values, **changes})


@pytest.mark.parametrize(
    ("status", "filled", "ended_filled", "live", "owed", "settled"),
    [
        (S.SUBMITTED, 0, 0, True, 0, False),
        (S.UNKNOWN, 0, 0, True, 0, False),
        (S.CANCELING, "0.5", 0, True, 0, False),
        (S.CANCELED, "0.5", "0.5", False, 0, True),
        (S.CANCELED, "0.2", "0.5", False, "0.3", False),
        (S.FILLED, "0.2", 1, False, "0.8", False),
        (S.FILLED, 1, 0, False, 0, True),
        (S.REJECTED, 0, 0, False, 0, True),
    ],
)
def test_what_an_order_owes(status, filled, ended_filled, live, owed, settled):
    """L3: an ended order stays until every execution the venue counted is booked."""
    order = an_order(status=status, filled=D(filled), ended_filled=D(ended_filled))
    assert (order.is_live, order.owed, order.is_settled) == (live, D(owed), settled)
    assert order.in_doubt == (status is S.UNKNOWN)


@pytest.mark.parametrize(("filled", "remaining"), [(0, 1), ("0.4", "0.6"), (1, 0), (2, 0)])
def test_what_an_order_can_still_trade(filled, remaining):
    assert an_order(filled=D(filled)).remaining == D(remaining)
