"""The machinery of the simulation: time, death between two effects, and a disk that keeps rows."""

from random import Random

import pytest

from procs.simulate.agenda import Agenda
from procs.simulate.faults import NONE, draw, swarm
from procs.simulate.node import Node
from shared.domain.effects import (
    CallVenue,
    CancelTimer,
    Journal,
    Say,
    SetTimer,
    TimerFired,
)
from shared.errors import ConfigError
from shared.messages.account import AccountEvent, RunBegan
from shared.messages.control import Drained
from shared.messages.venue import QueryOrder


class Surroundings:
    """Writes down what reaches the world; dies where it is told to."""

    def __init__(self):
        self.log = []
        self.exits = []
        self.death = None
        self.held = None
        self.latch_text = ""
        self.refused = {}

    def say(self, node, say):
        self.log.append("say")

    def call(self, node, call):
        self.log.append("call")

    def heard(self, node, messages):
        pass

    def dies_at(self, node, doing, steps):
        return self.death

    def held_at(self, node, doing, steps):
        return self.held

    def latch(self, node):
        return self.latch_text

    def refusal(self, node, what):
        return self.refused.get(what, "")

    def tripped(self, node, reason):
        self.log.append(f"tripped {reason}")

    def exited(self, node, exit_code):
        self.exits.append(exit_code)

    def turned(self, node):
        self.log.append("turned")


class Toy:
    """Journals one event per message, says it and asks the venue."""

    role = "toy"
    ready = False

    def __init__(self):
        self.recovered = []
        self.fired = []
        self.seq = 0

    def recover(self, snapshot, events):
        self.recovered = list(events)
        self.seq = len(self.recovered)

    def start(self, now_ns):
        return []

    def on(self, message, now_ns):
        if isinstance(message, TimerFired):
            self.fired.append((message.key, now_ns))
            return []
        if isinstance(message, list):
            return message
        self.seq += 1
        query = QueryOrder(symbol="X", client_id="c")
        return [
            CallVenue(query),
            Say("peer", Drained(role="toy")),
            Journal(self.seq, RunBegan(at_ns=now_ns, run_id=str(message))),
        ]


@pytest.fixture
def scene():
    agenda, around = Agenda(1_000), Surroundings()
    node = Node("toy", lambda incarnation: Toy(), AccountEvent, agenda, around)
    node.start()
    around.log.clear()
    return agenda, around, node


def test_equal_instants_keep_their_order():
    agenda, seen = Agenda(100), []
    agenda.at(200, lambda: seen.append("b"))
    agenda.at(200, lambda: seen.append("c"))
    agenda.at(50, lambda: seen.append("a"))
    agenda.after(101, lambda: seen.append("d"))
    times = []
    while agenda.step():
        times.append(agenda.now_ns)
    assert seen == ["a", "b", "c", "d"]
    assert times == [100, 200, 200, 201], "what is late happens now: time never runs back"
    assert agenda.next_ns() is None


@pytest.mark.parametrize(
    ("death", "rows", "log"),
    [
        (None, 1, ["say", "call", "turned"]),
        (0, 0, []),
        (1, 1, []),
        (2, 1, ["say"]),
        (3, 1, ["say", "call"]),
    ],
)
def test_a_death_between_any_two_effects(scene, death, rows, log):
    """Journal, says, calls: what was done before the death stays, nothing after it happens."""
    _, around, node = scene
    around.death = death
    node.take("first")
    assert (len(node.rows), around.log) == (rows, log)
    assert node.alive == (death is None)
    around.death = None
    node.take("not heard by the dead")
    assert len(node.rows) == rows + (death is None)


def test_a_restart_reads_back_what_was_committed(scene):
    _, around, node = scene
    node.take("first")
    around.death = 0
    node.take("lost")
    around.death = None
    node.start()
    assert [event.run_id for event in node.actor.recovered] == ["first"]
    assert node.incarnation == 2


def test_answers_to_the_dead_do_not_reach_the_living(scene):
    _, _, node = scene
    node.die()
    node.start()
    node.take("for the first", life=1)
    assert node.rows == []
    node.take("for the second", life=2)
    assert len(node.rows) == 1


def test_timers_replace_each_other_and_die_with_their_process(scene):
    agenda, _, node = scene
    node.take([SetTimer("a", 2_000), SetTimer("a", 3_000), SetTimer("b", 2_500)])
    node.take([CancelTimer("b")])
    while agenda.step():
        pass
    assert node.actor.fired == [("a", 3_000)]
    node.take([SetTimer("a", 4_000)])
    node.die()
    node.start()
    while agenda.step():
        pass
    assert node.actor.fired == []


def test_faults_are_those_of_the_seed():
    assert draw("swarm", Random(1)) == swarm(Random(1))
    assert draw("swarm", Random(1)) != draw("swarm", Random(2))
    assert draw("none", Random(1)) == NONE
    drawn = [draw("swarm", Random(seed)) for seed in range(200)]
    rare = {"restored", "wrong_clock", "foreign_trade", "silent_protect"}
    for name in set(NONE.__struct_fields__) - rare:
        off = sum(getattr(faults, name) == 0.0 for faults in drawn)
        assert 60 < off < 140, f"{name} is off in about half of the seeds, here in {off} of 200"
    with pytest.raises(ConfigError):
        draw("", Random(1))


def test_in_a_world_of_disks_all_their_troubles_may_come():
    troubles = ("crash", "disk_full", "disk_error", "power_cut", "lost_journal")
    drawn = [draw("disks", Random(seed)) for seed in range(50)]
    assert all(getattr(faults, name) > 0.0 for faults in drawn for name in troubles)
    assert any(faults.lost_answer for faults in drawn), "and those of the swarm"
