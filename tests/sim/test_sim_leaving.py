"""The engine's stop in the simulation: in order and clean at the end, hurried in the middle."""

import pytest

from procs.simulate.leaving import ORDER
from procs.simulate.world import World
from procs.supervise.effects import StopSignal
from shared.units import NS_PER_S


def go_on(world, seconds):
    until_ns = world.agenda.now_ns + int(seconds * NS_PER_S)
    while world.agenda.next_ns() <= until_ns:
        world.step()
    assert world.checkers.violations == []


def booted(seed=1):
    world = World(seed, "none")
    world.machine.boot()
    world._market_step()
    go_on(world, 8)
    return world


@pytest.mark.parametrize(("flatten", "name"), [(False, "stopped_well"), (True, "stopped_flat")])
def test_a_world_may_end_with_an_orderly_stop(flatten, name):
    """R1, L14: entries first, then decide, ingest, protect, route, observe; nothing can buy."""
    world = World(3, "none")
    world.ends, world.machine.flatten = True, flatten
    outcome = world.play()
    assert outcome.violations == []
    assert outcome.faults == {name: 1}
    assert tuple(world.machine.exits) == ORDER
    assert world.machine.finish.clean
    if flatten:
        assert not list(world.nodes["route"].actor.account.open_positions())


def test_a_second_signal_skips_the_waits_and_a_new_run_finds_everything():
    world = booted()
    boss, first = world.machine.overseer, world.machine.run
    boss.take(StopSignal("SIGTERM"))
    boss.take(StopSignal("SIGTERM"))
    go_on(world, 0.5)
    assert not any(node.alive for node in world.nodes.values())
    assert not world.machine.finish.clean
    go_on(world, 8)
    assert world.machine.run > first
    assert all(node.alive for node in world.nodes.values())


def test_a_third_signal_kills():
    world = booted()
    boss = world.machine.overseer
    for _ in range(3):
        boss.take(StopSignal("SIGTERM"))
    assert not any(node.alive for node in world.nodes.values())
    assert "killed by a third signal" in boss.actor.stopping.failures


def test_an_unclean_end_is_a_broken_law(monkeypatch):
    """The check itself: a protect that does not leave is killed, and that is said."""
    world = World(3, "none")
    world.ends = True
    monkeypatch.setattr(world.nodes["protect"], "leave", lambda deadline_ms: None)
    found = world.play().violations
    assert [one.law for one in found] == ["L14"]
    assert "protect still there" in found[0].text
