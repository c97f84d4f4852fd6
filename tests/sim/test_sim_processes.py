"""Simulated processes: stopped between turns and within one, late, and without their disk."""

from decimal import Decimal
from types import SimpleNamespace

import pytest

from procs.simulate.agenda import Agenda
from procs.simulate.node import Node
from procs.simulate.process import Held
from shared.domain.effects import CallVenue, Journal, Say, SetTimer, TimerFired
from shared.messages.account import AccountEvent, RunBegan
from shared.messages.control import (
    Drained,
    EngineStatus,
    ProcessPhase,
    ProcessReady,
    ProcessStatus,
    ProcessStopped,
    StopProcess,
    TradingState,
    Tripped,
)
from shared.messages.venue import (
    OrderKind,
    Outcome,
    PlaceOrder,
    QueryOrder,
    Side,
    TimeInForce,
    VenueAnswered,
)
from shared.units import NS_PER_MS

QUERY = QueryOrder(symbol="X", client_id="c")
BUY = PlaceOrder(
    symbol="X",
    client_id="c",
    side=Side.BUY,
    kind=OrderKind.LIMIT,
    quantity=Decimal(1),
    price=Decimal(1),
    time_in_force=TimeInForce.IOC,
)


class Around:
    """What the node reaches: a log, and what the test wants to happen."""

    def __init__(self):
        self.said, self.called, self.exits, self.trips = [], [], [], []
        self.held = None
        self.latch_text = ""
        self.refused = set()

    def say(self, node, say):
        self.said.append((say.to, say.message))

    def call(self, node, call):
        self.called.append(call.request)

    def dies_at(self, node, doing, steps):
        return None

    def held_at(self, node, doing, steps):
        held, self.held = self.held, None
        return held

    def latch(self, node):
        return self.latch_text

    def heard(self, node, messages):
        pass

    def refusal(self, node, what):
        return "disk is full" if what in self.refused else ""

    def tripped(self, node, reason):
        self.trips.append(reason)
        self.latch_text = self.latch_text or reason

    def latches(self, node, reason):
        assert self.said == []
        self.latch_text = self.latch_text or reason

    def turned(self, node):
        pass

    def exited(self, node, exit_code):
        self.exits.append(exit_code)


class Toy:
    """Does what a list of effects says, and remembers what it heard."""

    role = "toy"
    ready = False

    def __init__(self):
        self.heard, self.seq, self.latched = [], 0, ""

    def recover(self, snapshot, events):
        self.seq = len(list(events))

    def snapshot(self):
        return b""

    def report(self):
        return {"turns": len(self.heard)}

    def start(self, now_ns):
        return []

    def on(self, message, now_ns):
        self.heard.append(message)
        return message if isinstance(message, list) else []

    def row(self, durable=False):
        self.seq += 1
        return Journal(self.seq, RunBegan(at_ns=0, run_id=str(self.seq)), durable)


@pytest.fixture
def scene():
    agenda, around = Agenda(1_000), Around()
    node = Node("toy", lambda incarnation: Toy(), AccountEvent, agenda, around)
    node.start()
    return SimpleNamespace(agenda=agenda, around=around, node=node)


def run(agenda, until_ns):
    while (at_ns := agenda.next_ns()) is not None and at_ns <= until_ns:
        agenda.step()


def test_what_arrives_while_it_is_stopped_is_one_turn_afterwards(scene):
    node, agenda = scene.node, scene.agenda
    node.take([SetTimer("t", 2_000)])
    node.hold(5_000)
    node.take("a")
    node.take("b")
    run(agenda, 4_999)
    assert node.actor.heard[1:] == []
    run(agenda, 5_000)
    assert node.actor.heard[1:] == [TimerFired("t"), "a", "b"]
    assert node.turns == 2


def test_a_turn_stopped_within_is_finished_but_its_calls_are_too_old(scene):
    """L7: what was committed stays, what was to be said is said, nothing stale is sent."""
    node, agenda, around = scene.node, scene.agenda, scene.around
    around.held = Held(1, 300 * NS_PER_MS)
    node.take([node.actor.row(), Say("peer", Drained(role="toy")), CallVenue(QUERY)])
    assert (len(node.rows), around.said, around.called) == (1, [], [])
    run(agenda, 10**9)
    assert [to for to, _ in around.said] == ["peer"]
    assert around.called == []
    answer = node.actor.heard[-1]
    assert (answer.outcome, answer.code) == (Outcome.NOT_SENT, "stale_turn")


def test_a_short_stop_within_a_turn_loses_nothing(scene):
    scene.around.held = Held(1, 200 * NS_PER_MS)
    scene.node.take([scene.node.actor.row(), CallVenue(QUERY)])
    run(scene.agenda, 10**9)
    assert scene.around.called == [QUERY]


def test_a_starved_process_is_late_but_not_stale(scene):
    node, agenda = scene.node, scene.agenda
    node.busy_ns, node.busy_until_ns = 300 * NS_PER_MS, agenda.now_ns + 10**9
    node.take([CallVenue(QUERY)])
    assert node.actor.heard == []
    run(agenda, agenda.now_ns + 300 * NS_PER_MS)
    assert scene.around.called == [QUERY]


def test_it_goes_on_at_once_when_it_is_released(scene):
    scene.node.hold(10**12)
    scene.node.take("a")
    scene.node.release()
    assert scene.node.actor.heard == ["a"]


def test_a_death_forgets_the_rest_of_a_turn(scene):
    scene.around.held = Held(1, 10**9)
    scene.node.take([scene.node.actor.row(), CallVenue(QUERY)])
    scene.node.die()
    scene.node.start()
    run(scene.agenda, 10**10)
    assert scene.around.called == []
    assert scene.around.exits == [-9]


def test_nothing_raises_risk_behind_a_latch(scene):
    scene.around.latch_text = "a person"
    scene.node.take([CallVenue(BUY), CallVenue(QUERY), CallVenue(BUY, exit_priority=True)])
    run(scene.agenda, 10**9)
    assert scene.around.called == [QUERY, BUY]
    assert scene.node.actor.heard[-1].code == "latched"
    assert scene.node.actor.latched == "a person"


def test_a_trip_of_the_actor_is_latched_before_it_is_said(scene):
    """L12: the supervisor may die before it has written the latch."""
    tripped = Tripped(role="toy", reason="rows are lost", at_ns=0)
    scene.node.take([CallVenue(BUY), Say("supervise", tripped)])
    run(scene.agenda, 10**9)
    assert scene.around.latch_text == "rows are lost"
    assert scene.around.said == [("supervise", tripped)]
    assert scene.around.called == []


def test_without_a_disk_exits_go_on_and_a_new_process_has_the_rows(scene):
    """L11: the emergency file takes what the journal does not."""
    node, around = scene.node, scene.around
    around.refused = {"journal"}
    node.take([node.actor.row(), CallVenue(BUY), CallVenue(BUY, exit_priority=True)])
    run(scene.agenda, 10**9)
    assert around.called == [BUY]
    assert node.actor.heard[-1].code == "disk"
    assert around.trips == ["disk: disk is full"]
    assert (len(node.disk.rows), len(node.disk.emergency)) == (0, 1)
    node.die()
    around.refused = set()
    node.start()
    assert node.actor.seq == 1
    assert (len(node.disk.rows), len(node.disk.emergency)) == (1, 0)


def test_a_disk_that_refused_trips_again_behind_each_rearm(scene):
    """L9, L11: as in the live loop, in the next turn or at the next beat."""
    node, around = scene.node, scene.around
    around.refused = {"journal"}
    node.take([node.actor.row()])
    around.refused = set()
    for again in (lambda: node.take("a"), node.beat, node.beat):
        around.latch_text = ""
        again()
        assert around.latch_text == "disk: disk is full"
    assert around.trips == ["disk: disk is full"] * 4
    assert around.said[-1][1].disk_error == "disk is full"


def test_a_trip_of_a_healthy_disk_ends_with_the_latch(scene):
    node, around = scene.node, scene.around
    node.keeping.trip_reason = "rows are lost"
    node.beat()
    around.latch_text = ""
    node.beat()
    node.take("a")
    assert (node.keeping.trip_reason, around.latch_text) == ("", "")
    assert around.trips == ["rows are lost"]


def test_readiness_is_said_until_it_was_heard(scene):
    node = scene.node
    node.actor.ready = True

    def status(phase):
        row = ProcessStatus(pid=1, status=phase, incarnation=1, heartbeat_age_ms=0, restarts=0)
        return EngineStatus(
            run_id="r", state=TradingState.ACTIVE, at_ns=0, uptime_s=0.0, stopping=False,
            reasons=(), processes={"toy": row},
        )  # fmt: skip

    def said():
        return sum(isinstance(message, ProcessReady) for _, message in scene.around.said)

    node.take("a")
    node.take(status(ProcessPhase.STARTING))
    assert said() == 2
    node.take(status(ProcessPhase.READY))
    assert said() == 2


def test_leaving_waits_for_answers_and_reads_nothing_else(scene):
    """R1: what is in flight is answered or given up, then comes the last word."""
    node, agenda, around = scene.node, scene.agenda, scene.around
    node.take([CallVenue(QUERY)])
    node.take(StopProcess(deadline_ms=1_000))
    run(agenda, agenda.now_ns + 100 * NS_PER_MS)
    assert node.alive
    node.take("too late")
    node.take(VenueAnswered(request=QUERY, outcome=Outcome.OK), node.life)
    run(agenda, agenda.now_ns + 100 * NS_PER_MS)
    assert not node.alive
    assert around.exits == [0]
    assert "too late" not in node.actor.heard
    assert isinstance(around.said[-1][1], ProcessStopped)


def test_leaving_gives_up_what_is_never_answered(scene):
    node, agenda = scene.node, scene.agenda
    node.take([CallVenue(QUERY)])
    node.take(StopProcess(deadline_ms=1_000))
    run(agenda, agenda.now_ns + 2 * 10**9)
    assert not node.alive
    assert node.actor.heard[-1].outcome is Outcome.UNKNOWN
