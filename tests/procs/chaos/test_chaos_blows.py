"""The same seed strikes the same blows, and every kind of them comes."""

from collections import Counter
from itertools import islice

import pytest

from procs.chaos.blows import CUTS, FAULT_PLANS, KILLED, KINDS, SUPERVISE, blow_of, blows
from procs.localvenue.faults.plan import parse_plan
from procs.runtime.fate import Fate

MANY = list(islice(blows(5), 3000))


def test_a_seed_is_a_sequence():
    assert MANY[:50] == list(islice(blows(5), 50))
    assert blow_of(5, 40) == MANY[39]
    assert MANY[:50] != list(islice(blows(6), 50))


def test_every_kind_and_every_role_comes():
    assert {blow.kind for blow in MANY} == set(KINDS)
    assert {blow.role for blow in MANY if blow.kind == "kill"} == set(KILLED)
    assert {blow.plan for blow in MANY if blow.plan} == {*FAULT_PLANS, *CUTS}
    points = Counter(blow.point.partition(":")[0] for blow in MANY if blow.kind == "aim")
    assert set(points) == {"commit", "call", "order", "answer"}


def test_some_come_in_pairs_which_can_both_be_felt():
    pairs = [blow for blow in MANY if blow.second is not None]
    assert 0.05 < len(pairs) / len(MANY) < 0.2
    for blow in pairs:
        assert SUPERVISE not in (blow.role, blow.second.role)
        assert blow.role != blow.second.role


def test_lengths():
    pauses = [blow.length_s for blow in MANY if blow.kind == "pause"]
    assert 0.1 <= min(pauses) < 0.3
    assert 4 < max(pauses) <= 8


@pytest.mark.parametrize("name", [*FAULT_PLANS, *CUTS])
def test_the_venue_understands_the_faults(name):
    faults = {**FAULT_PLANS, **CUTS}[name]
    plan = parse_plan({"seed": 1, "fault": faults}, "test")
    assert len(plan.faults) == len(faults)


def test_the_processes_understand_the_aims():
    for blow in MANY:
        Fate(blow.point)
