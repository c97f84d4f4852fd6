"""Whole seeded worlds: every law holds, every seed repeats itself, and every seed has a story."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from procs.simulate.campaign import campaign, command_of
from procs.simulate.faults import NONE
from procs.simulate.world import World, play
from shared.errors import ConfigError

ROOT = Path(__file__).parents[2]
RARE = {
    "foreign_trade",
    "power_cut",
    "lost_journal",
    "disk_error",
    "disk_full",
    "suspended",
    "silent_protect",
}
"""Faults that sixty seeds may do without; longer campaigns count them too."""
FAULTS = {name for name in NONE.__struct_fields__ if isinstance(getattr(NONE, name), float)} - RARE
DEATHS = {"crash_route", "crash_decide", "crash_protect"}
HASH_OF_A_SEED = "from procs.simulate.world import play; print(play(3).trace_hash)"


def run(seeds: range, profile: str):
    return campaign(seeds, profile, 1, lambda done, of: None)


def hash_under(hash_seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(
        [sys.executable, "-P", "-c", HASH_OF_A_SEED],
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.strip()


def test_sixty_seeds_break_no_law():
    """L1–L6, L15, L16 under lost, late, doubled, cut, refused and throttled words, and deaths."""
    report = run(range(60), "swarm")
    assert report.violations == []
    assert report.seeds == 60
    assert report.opened_share >= 0.9, "seeds in which nothing happens prove nothing"
    assert report.events_min >= 300
    assert set(report.faults) >= FAULTS | DEATHS, "a fault that never occurs is not covered"


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("profile", ["swarm", "refusing", "disks", "none"])
def test_many_more_seeds_break_no_law(profile):
    report = run(range(60, 120), profile)
    assert report.violations == []
    assert report.opened_share >= 0.9


def test_a_calm_world_sells_what_it_buys():
    """Without faults nothing is refused, doubted, adopted or alarmed, and positions come and go."""
    world = World(1, "none")
    outcome = world.play()
    totals = world.nodes["route"].actor.account.totals
    assert outcome.violations == []
    assert outcome.faults == {}
    assert outcome.closed >= 1
    assert {"alarms", "orders_adopted", "exits_failed"} & set(totals) == set()
    assert world.nodes["route"].actor.trips.tripped == ""


def test_a_seed_repeats_itself():
    first, again = play(7), play(7)
    assert first == again
    assert first.trace_hash != play(8).trace_hash


def test_a_seed_repeats_itself_under_every_hash_seed():
    hashes = {hash_under(seed) for seed in ("0", "1", "4711")}
    assert hashes == {play(3).trace_hash}


def test_an_unknown_profile_is_named():
    with pytest.raises(ConfigError, match=r"'wild'.*swarm"):
        play(0, "wild")


def test_a_violation_comes_with_its_command(monkeypatch):
    """Two seeds of an engine that forgets base fees: found, named, and shown how to repeat."""
    from planted_money import base_fees_forgotten

    base_fees_forgotten(monkeypatch)
    report = run(range(2), "none")
    assert {found.law for found in report.violations} <= {"L3", "L6", "L15"}
    first = report.violations[0]
    assert first.command == command_of(first.seed, "none")
    assert first.command == f"seawall simulate --seed {first.seed} --faults none --trace"


@pytest.mark.slow
def test_several_workers_find_what_one_finds():
    alone = run(range(10), "swarm")
    shared = campaign(range(10), "swarm", 2, lambda done, of: None)
    for report in (alone, shared):
        report.events_per_s = report.seeds_per_s = 0.0
    assert shared == alone
