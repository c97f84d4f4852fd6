"""Ids: one decision, one story; functions of what they name, never longer than a venue takes."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.ids import (
    LEGS,
    ORDER_PREFIX,
    attempt_of,
    base36,
    client_id,
    decision_id,
    decision_of,
    is_ours,
    leg_of,
    run_id,
)

RUNS = st.integers(0, 2**33).map(run_id)
DECISIONS = st.builds(decision_id, RUNS, st.integers(1, 10**6))
VENUE_SHAPE = re.compile(r"[A-Za-z0-9_-]{1,32}", re.ASCII)


@given(st.integers(0, 2**70))
def test_base36_is_pythons(number):
    assert int(base36(number), 36) == number
    assert not (number and base36(number).startswith("0"))


@given(DECISIONS, st.sampled_from(sorted(LEGS)), st.integers(1, 10**5))
def test_a_client_id_tells_what_it_was_made_of(decision, leg, attempt):
    name = client_id(decision, leg, attempt)
    assert VENUE_SHAPE.fullmatch(name)
    assert (decision_of(name), leg_of(name), attempt_of(name)) == (decision, leg, attempt)
    assert is_ours(name)


@given(
    st.tuples(DECISIONS, st.sampled_from(sorted(LEGS)), st.integers(1, 999)),
    st.tuples(DECISIONS, st.sampled_from(sorted(LEGS)), st.integers(1, 999)),
)
def test_different_orders_have_different_ids(one, other):
    """O2: an id is never used for two orders."""
    assert (client_id(*one) == client_id(*other)) == (one == other)


@given(st.integers(10**9, 2**33), st.integers(1, 10**6))
def test_later_runs_sort_later(started_s, later_s):
    """True for the runs of this century: they have as many digits."""
    assert run_id(started_s) < run_id(started_s + later_s) or len(run_id(started_s)) < len(
        run_id(started_s + later_s)
    )


@pytest.mark.parametrize(
    ("decision", "leg", "attempt"),
    [
        ("run1-1", "q", 1), ("run1-1", "", 1), ("run1-1", "ee", 1), ("run1-1", "e", -1),
        ("run1", "e", 1), ("Run1-1", "e", 1), ("run1-1-1", "e", 1), ("", "e", 1), ("r_1-1", "e", 1),
        ("run1-1 ", "e", 1), ("run1-1\n", "e", 1), ("ruň1-1", "e", 1), ("run1-١", "e", 1),
        ("r" * 27 + "-1", "e", 1),
    ],
)  # fmt: skip
def test_what_is_no_id_is_not_formed(decision, leg, attempt):
    with pytest.raises(ValueError, match="no client order id"):
        client_id(decision, leg, attempt)


@pytest.mark.parametrize(
    "foreign",
    ["", "x", "web_abc", "sw", "sw-", "sw-run1-1", "sw-run1-1-e", "sw-run1-1-q1", "SW-run1-1-e1",
     " sw-run1-1-e1", "sw-run1-1-e1 ", "sw-run1-1-e1x", "xsw-run1-1-e1", "sw-run1-1-e1\n",
     "sw-run1--e1"],
)  # fmt: skip
def test_a_foreign_id_has_no_story(foreign):
    """L4: orders of other people and bots are never taken for ours."""
    assert decision_of(foreign) is None
    assert leg_of(foreign) is None
    assert attempt_of(foreign) == 0


@given(st.text(max_size=40))
def test_any_text_is_ours_or_not(text):
    decision = decision_of(text)
    if decision is not None:
        assert client_id(decision, leg_of(text), attempt_of(text)).startswith(ORDER_PREFIX)
        assert is_ours(text)
