"""What a nemesis sees of the engine: whole, hit, and room for one more death."""

import itertools

import pytest

from procs.chaos.blows import Blow
from procs.chaos.engine import ROLES
from procs.chaos.nemesis import DEATHS_MAX, Nemesis, _is_hit, _whole
from procs.chaos.patience import now_s


def rows(**changed):
    pids = itertools.count(1)
    found = {
        role: {"status": "ready", "heartbeat_age_ms": 10, "pid": next(pids), "incarnation": 1}
        for role in ROLES
    }
    for role, row in changed.items():
        found[role] = {**found[role], **row}
    return found


@pytest.mark.parametrize(
    ("changed", "whole"),
    [
        ({}, True),
        ({"route": {"status": "starting"}}, False),
        ({"protect": {"heartbeat_age_ms": 1000}}, False),
    ],
)
def test_whole_is_ready_and_heard(changed, whole):
    assert _whole(rows(**changed), {}) is whole


def test_a_process_missing_or_just_killed_is_not_whole():
    found = rows()
    assert not _whole(found, {found["route"]["pid"]: now_s()})
    assert _whole(found, {found["route"]["pid"]: now_s() - 60})
    del found["observe"]
    assert not _whole(found, {})
    assert not _whole({}, {})


@pytest.mark.parametrize(
    ("incarnation", "status", "hit"),
    [
        (3, "backoff", False),
        (4, "starting", False),
        (4, "ready", False),
        (4, "backoff", True),
        (5, "starting", True),
    ],
)
def test_an_aim_is_hit_when_the_successor_has_died(incarnation, status, hit):
    assert _is_hit({"incarnation": incarnation, "status": status}, 3) is hit


def test_a_child_dies_no_oftener_than_the_supervisor_bears():
    nemesis = Nemesis(engine=None, diary=None, seed=1)
    kill = Blow(1, "kill", "route")
    aim = Blow(1, "aim", "route", point="commit:1")
    nemesis._deaths["route"].extend([now_s() - 70] * 3 + [now_s()] * (DEATHS_MAX - 1))
    assert nemesis._has_room(kill)
    assert not nemesis._has_room(aim)
    nemesis._deaths["route"].append(now_s())
    assert not nemesis._has_room(kill)
    assert nemesis._has_room(Blow(1, "kill", "protect"))
    assert nemesis._has_room(Blow(1, "kill", "supervise"))
