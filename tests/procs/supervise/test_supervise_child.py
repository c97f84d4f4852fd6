"""The life of a child: the table is total, and restarts are bounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procs.supervise.child import (
    BACKOFF_FIRST_NS,
    BACKOFF_MAX_NS,
    CHILD_LIFE,
    RUNNING,
    ChildEvent,
    Ignored,
    Illegal,
    backoff_ns,
    recent_deaths,
    too_often,
)
from shared.messages.control import ProcessPhase
from shared.units import NS_PER_S

DEATHS = (ChildEvent.DIED, ChildEvent.DIED_FOR_GOOD, ChildEvent.DIED_WHILE_STOPPING)


def test_every_status_meets_every_event():
    assert set(CHILD_LIFE) == set(ProcessPhase)
    for phase, row in CHILD_LIFE.items():
        assert set(row) == set(ChildEvent), phase


def test_what_is_ignored_says_why():
    for row in CHILD_LIFE.values():
        for outcome in row.values():
            assert isinstance(outcome, ProcessPhase | Ignored | Illegal)
            if isinstance(outcome, Ignored):
                assert len(outcome.why) > 5


def test_only_a_running_process_can_die_and_a_dead_one_runs_no_more():
    for phase, row in CHILD_LIFE.items():
        for death in DEATHS:
            if phase in RUNNING:
                assert row[death] not in RUNNING
                assert isinstance(row[death], ProcessPhase)
            else:
                assert isinstance(row[death], Illegal)


def test_a_process_starts_only_where_none_exists():
    """L7: no successor before the confirmed death of its predecessor."""
    for phase, row in CHILD_LIFE.items():
        if row[ChildEvent.TURN_CAME] is ProcessPhase.STARTING:
            assert phase not in RUNNING
        else:
            assert isinstance(row[ChildEvent.TURN_CAME], Illegal)


def test_after_the_end_of_restarts_nothing_starts():
    for phase in ProcessPhase:
        outcome = CHILD_LIFE[phase][ChildEvent.RESTARTS_ENDED]
        after = outcome if isinstance(outcome, ProcessPhase) else phase
        assert after not in (ProcessPhase.WAITING, ProcessPhase.BACKOFF)


@given(st.lists(st.sampled_from(ChildEvent), max_size=40))
def test_any_history_ends_in_a_known_phase_and_stopped_is_final(events):
    phase = ProcessPhase.WAITING
    stopped = False
    for event in events:
        outcome = CHILD_LIFE[phase][event]
        if isinstance(outcome, ProcessPhase):
            assert not stopped
            phase = outcome
        stopped = stopped or phase is ProcessPhase.STOPPED
    assert phase in ProcessPhase


@pytest.mark.parametrize(
    ("deaths", "pause_s"), [(1, 0.1), (2, 0.2), (3, 0.4), (4, 0.8), (5, 1.6), (7, 5.0), (99, 5.0)]
)
def test_pauses_double_up_to_five_seconds(deaths, pause_s):
    assert backoff_ns(deaths) == round(pause_s * NS_PER_S)


@given(st.integers(1, 10_000))
def test_pauses_stay_in_bounds(deaths):
    assert BACKOFF_FIRST_NS <= backoff_ns(deaths) <= BACKOFF_MAX_NS


def test_five_restarts_a_minute_are_the_most():
    now_ns = 1000 * NS_PER_S
    deaths = tuple(now_ns - second * NS_PER_S for second in (59, 40, 20, 10, 1))
    assert not too_often(len(recent_deaths(deaths, now_ns)))
    assert too_often(len(recent_deaths((*deaths, now_ns), now_ns)))
    later_ns = now_ns + 2 * NS_PER_S
    assert not too_often(len(recent_deaths((*deaths, now_ns), later_ns)))
