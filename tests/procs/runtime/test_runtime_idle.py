"""Idle time: dry runs and polls happen only when wanted, and a dry run changes nothing at all."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise

import pytest
from runtime_rig import Rig

from procs.runtime import idle as idle_module
from procs.runtime.affinity import SPIN_CORES_MIN, placements
from procs.runtime.idle import Idle
from shared.config.schema import Engine, Settings, Storage
from shared.errors import ConfigError, VenueError

WARM = Engine(warm=True)


def lived(script, rehearse=None, poll=None, seconds=0.05, enough=lambda: True):
    """An Idle's life on a loop: begun, what the script does with it, ended after so many seconds
    and when there was enough; and what it said."""
    said = []

    async def live():
        idle = Idle(asyncio.get_running_loop(), lambda **fields: said.append(fields["text"]))
        idle.begin(rehearse, poll)
        await script(idle)
        await asyncio.sleep(seconds)
        async with asyncio.timeout(60):
            while not enough():
                await asyncio.sleep(0.01)
        idle.end()
        count = idle.rehearsals
        await asyncio.sleep(3 * idle_module.WARM_EVERY_S)
        assert idle.rehearsals == count
        return idle

    return asyncio.run(live()), said


async def nothing(idle):
    pass


def test_a_quiet_process_rehearses_until_it_ends():
    calls = []
    idle, said = lived(nothing, rehearse=lambda: calls.append(1), enough=lambda: len(calls) >= 5)
    assert idle.rehearsals == len(calls) >= 5
    assert said == []


def test_who_takes_turns_does_not_rehearse():
    calls = []

    async def busy(idle):
        for _ in range(40):
            idle.turned()
            calls.clear()
            await asyncio.sleep(0)
        idle.turned()

    idle, _ = lived(busy, rehearse=lambda: calls.append(1), seconds=0)
    assert idle.rehearsals == 0


def test_nothing_is_done_that_is_not_wanted():
    idle, _ = lived(nothing)
    assert idle.rehearsals == 0


def test_polls_never_sleep():
    polls = []
    polls_before = []

    async def several_turns(idle):
        for _ in range(60):
            polls_before.append(len(polls))
            await asyncio.sleep(0)

    _, _ = lived(several_turns, poll=lambda: polls.append(1), seconds=0)
    # In every turn of the loop, however long that takes.
    assert all(later > sooner for sooner, later in pairwise(polls_before[1:]))
    count = len(polls)
    time.sleep(0.01)
    assert len(polls) == count


@pytest.mark.parametrize("fault", [VenueError("gone"), ZeroDivisionError("0"), KeyError("a")])
def test_a_dry_run_that_fails_ends_dry_runs_alone(fault):
    calls = []

    def rehearse():
        calls.append(1)
        raise fault

    idle, said = lived(nothing, rehearse=rehearse)
    assert (idle.rehearsals, len(calls)) == (0, 1)
    assert len(said) == 1
    assert said[0].startswith(type(fault).__name__)


def test_both_are_off_by_default():
    assert (Settings().engine.warm, Settings().engine.spin) == (False, False)


def test_spinning_is_refused_without_cores_for_it():
    settings = Settings(engine=Engine(spin=True))
    for count in range(1, SPIN_CORES_MIN):
        with pytest.raises(ConfigError, match=f"engine.spin = true: .* here are {count};"):
            placements(settings, tuple(range(count)), automatic=True)
    places = placements(settings, tuple(range(SPIN_CORES_MIN)), automatic=True)
    assert places["decide"][0] != places["route"][0]
    placements(Settings(engine=WARM), (0,), automatic=True)


@pytest.mark.e2e
def test_a_child_that_rehearses_journals_and_says_nothing_by_it(tmp_path):
    rig = Rig(tmp_path)
    try:
        rig.settings = Settings(engine=WARM, storage=Storage(checkpoint_s=5))
        rig.start()
        rig.rows(3)
        rig.until(lambda: (rig.figure("rehearsals") or 0) > 20)
        first = rig.beats()[-1].figures
        acks = len(rig.acks)
        rig.until(lambda: (rig.figure("rehearsals") or 0) > first["rehearsals"] + 100)
        last = rig.beats()[-1].figures
        assert last["journal_seq"] == first["journal_seq"] == 3
        assert len(rig.acks) == acks
        beats_between = len(rig.beats())
        assert last["bus_sent"] - first["bus_sent"] <= beats_between
        assert last["heard"] == first["heard"]
        assert rig.stop().report["seq"] == 3
    finally:
        rig.close()


@pytest.mark.e2e
def test_a_child_rehearses_only_when_told(tmp_path):
    rig = Rig(tmp_path)
    try:
        rig.start()
        rig.rows(1)
        rig.until(lambda: len(rig.beats()) >= 4)
        assert rig.figure("rehearsals") == 0
        rig.stop()
    finally:
        rig.close()
