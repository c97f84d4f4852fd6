"""The simulated machine: order of starts, deaths and successors, runs, the latch, and a person."""

import pytest

from procs.simulate.world import World
from procs.supervise import roster
from procs.supervise.child import RESTARTS_MAX
from procs.supervise.effects import SteerAsked
from shared.journal.journal import DiskError
from shared.messages.control import ProcessPhase, Steer, TradingState
from shared.units import NS_PER_S

START_ORDER = ["route", "protect", "ingest", "decide", "observe"]


class Diary:
    """Writes down who began and who ended."""

    def __init__(self, world):
        self.began, self.ended = [], []
        world.watched_by(self)

    def started(self, node):
        self.began.append((node.role, node.incarnation))

    def died(self, node):
        self.ended.append(node.role)

    def took(self, node, message):
        pass

    def did(self, node, effect):
        pass

    def hit(self, hit, state):
        pass

    def ordered(self, order):
        pass

    def healed(self):
        pass


@pytest.fixture
def world():
    made = World(1, "none")
    made.diary = Diary(made)
    made.machine.boot()
    made._market_step()
    go_on(made, 3)
    return made


def go_on(world, seconds):
    until_ns = world.agenda.now_ns + int(seconds * NS_PER_S)
    while world.agenda.next_ns() <= until_ns:
        world.step()
    assert world.checkers.violations == []


def phase(world, role):
    return world.machine.overseer.actor.roster.children[role].phase


def test_each_is_ready_before_the_next_starts(world):
    """L14."""
    assert [role for role, _ in world.diary.began] == ["supervise", *START_ORDER]
    assert world.machine.overseer.actor.state is TradingState.ACTIVE
    assert all(phase(world, role) is ProcessPhase.READY for role in START_ORDER)


@pytest.mark.parametrize("role", START_ORDER)
def test_a_dead_child_has_a_successor(world, role):
    world.machine.kill(role)
    assert not world.nodes[role].alive
    go_on(world, 3)
    assert world.nodes[role].alive
    assert world.diary.began[-1] == (role, 2)
    assert phase(world, role) is ProcessPhase.READY


def test_without_observe_the_engine_trades_on(world):
    world.machine.kill("observe")
    go_on(world, 0.1)
    assert world.machine.overseer.actor.state is TradingState.ACTIVE
    world.machine.kill("decide")
    go_on(world, 0.1)
    assert world.machine.overseer.actor.state is TradingState.REDUCING


def test_children_die_with_their_supervisor_and_a_new_run_begins(world):
    first = world.machine.run
    world.machine.kill_all()
    assert world.diary.ended[0] == "supervise"
    assert sorted(world.diary.ended[1:]) == sorted(START_ORDER)
    go_on(world, 6)
    assert world.machine.run > first
    assert all(node.alive and node.incarnation == 1 for node in world.nodes.values())
    assert world.nodes["route"].actor.account.run_id == world.machine.run


def test_what_dies_too_often_is_given_up_until_a_person_resumes(world):
    for _ in range(RESTARTS_MAX + 1):
        world.machine.kill("decide")
        go_on(world, 6)
    assert world.dice.counts["person_resume"] == 1
    go_on(world, 6)
    assert world.nodes["decide"].alive


def test_three_failed_starts_bring_route_up_to_rescue(world):
    """L14: what it needs is broken; what reduces risk does not need it."""
    world.machine._doomed["route"] = 3
    world.machine.kill("route")
    go_on(world, 8)
    route = world.nodes["route"]
    assert route.alive
    assert route.rescue
    assert route.actor.latched == "route runs in rescue mode"
    assert "route runs in rescue mode" in world.machine.overseer.actor.reasons


def test_a_fourth_start_without_the_rescue_mode_is_seen(world, monkeypatch):
    """L14, by a supervisor that has forgotten it."""
    monkeypatch.setattr(roster, "RESCUE_AFTER", RESTARTS_MAX)
    world.machine._doomed["route"] = 3
    world.machine.kill("route")
    until_ns = world.agenda.now_ns + 8 * NS_PER_S
    while world.agenda.next_ns() <= until_ns and not world.checkers.violations:
        world.step()
    assert [broken.law for broken in world.checkers.violations] == ["L14"]


@pytest.mark.parametrize(
    ("role", "counts"), [("route", True), ("protect", True), ("decide", False)]
)
def test_a_guard_that_fails_while_it_starts_has_died_again(world, role, counts):
    """L5: "5 s under any single kill"; a death of who guards on the way is another one."""
    world.machine._doomed[role] = 1
    world.machine.kill(role)
    killed_ns = world.agenda.now_ns
    go_on(world, 3)
    assert world.machine.overseer.actor.roster.children[role].restarts == 2
    assert (world.died_ns > killed_ns) is counts


def test_a_guard_killed_while_it_starts_has_died_again(world):
    """L5."""
    world.machine.kill("route")
    killed_ns = world.agenda.now_ns
    while phase(world, "route") is not ProcessPhase.STARTING:
        world.step()
    world.machine.kill("route")
    assert world.died_ns == world.agenda.now_ns > killed_ns


def test_a_latch_stands_until_a_person_has_looked(world):
    world.machine.tripped("route", "something")
    go_on(world, 0.5)
    assert world.machine.overseer.actor.state is TradingState.REDUCING
    assert world.machine.overseer.actor.latch == "route: something"
    go_on(world, 6)
    assert world.machine.latch == ""
    assert world.dice.counts["person_rearm"] == 1


def test_a_latch_cannot_be_opened_over_a_disk_that_refused(world):
    """L9, L11: the state that all are told is the one that holds; a new process ends it."""
    boss, node = world.machine.overseer, world.nodes["protect"]
    world.machine.damage._broken["protect"] = (world.agenda.now_ns + NS_PER_S, ("journal",))
    node.keeping.refused(DiskError("disk I/O error"))
    go_on(world, 0.5)
    assert world.machine.latch == "protect: disk: disk I/O error"
    told = "protect cannot write its journal: disk I/O error"
    assert boss.actor.reasons == ("kill switch latched: protect: disk: disk I/O error", told)
    boss.take(SteerAsked(peer="person", steer=Steer(verb="rearm")))
    assert world.machine.latch
    for _ in range(2):
        world.machine.latch = ""
        go_on(world, 0.3)
        assert world.machine.latch == "protect: disk: disk I/O error"
        assert boss.actor.state is TradingState.REDUCING
    go_on(world, 20)
    assert world.machine.runs == 2, "a person started it again"
    assert world.machine.latch == ""
    assert boss.actor.reasons == ()
    assert not node.keeping.degraded


def test_a_wrong_clock_latches_and_is_set_right(world):
    """L9: beyond half a second."""
    clocks = world.venue.clocks
    clocks.wall_ns += 5 * NS_PER_S
    assert clocks.is_refused(clocks.stamp(), 5 * NS_PER_S), "stamped from the future"
    clocks.measure()
    assert not clocks.is_refused(clocks.stamp(), 5 * NS_PER_S)
    go_on(world, 0.5)
    assert "differs from the venue's" in world.machine.latch
    go_on(world, 6)
    assert world.machine.latch == ""
    assert clocks.error() == ""


def test_protect_asks_for_prices_while_ingest_is_gone(world):
    """P13."""
    protect = world.nodes["protect"].actor
    while not any(protect.replica.account.open_positions()):
        go_on(world, 0.5)
    world.machine.spawn = lambda wanted: None
    world.machine.kill("ingest")
    go_on(world, 4)
    if any(protect.replica.account.open_positions()):
        assert protect.prices_polled > 0
