"""Channels between simulated processes: in order, and as lossy as the seed wants them."""

from types import SimpleNamespace

import pytest

from core_ext.quote import Quote
from procs.simulate.agenda import Agenda
from procs.simulate.channels import Channels
from shared.units import NS_PER_MS, NS_PER_S


class Chance:
    """Hits where the test says so."""

    def __init__(self):
        self.wanted = {}
        self.length = 0
        self.heads = True

    def hits(self, kind, state):
        return self.wanted.get(kind) in (state, "any")

    def between(self, kind, least, most):
        return self.length

    def coin(self, kind, chance):
        return self.heads


class End:
    """A process that only listens."""

    def __init__(self, role):
        self.role, self.life, self.turns = role, 1, []

    def take_all(self, messages):
        self.turns.append(messages)

    def take(self, message):
        self.take_all([message])

    @property
    def heard(self):
        return [message for turn in self.turns for message in turn]


@pytest.fixture
def scene():
    agenda, chance = Agenda(0), Chance()
    ends = {}

    def find(role):
        return ends.setdefault(role, End(role))

    channels = Channels(agenda, chance, 1, find)

    def run(until_ns=10 * NS_PER_MS):
        while agenda.next_ns() <= until_ns:
            agenda.step()

    return SimpleNamespace(say=channels.say, channels=channels, chance=chance, find=find, run=run)


def test_what_leaves_together_arrives_together_and_in_order(scene):
    for number in range(5):
        scene.say("decide", "route", number)
    scene.run()
    assert scene.find("route").turns == [[0, 1, 2, 3, 4]]


def test_route_can_tell_only_those_who_have_spoken_to_this_process_of_it(scene):
    scene.say("route", "peers", "lost")
    scene.say("protect", "route", "hello")
    scene.say("route", "peers", "heard")
    scene.find("route").life = 2
    scene.say("route", "peers", "lost again")
    scene.run()
    assert scene.find("protect").heard == ["heard"]
    assert scene.find("decide").heard == []


def test_late_words_are_overtaken_and_doubled_ones_come_twice(scene):
    scene.chance.wanted, scene.chance.length = {"late_say": "str"}, 100
    scene.say("decide", "route", "late")
    scene.chance.wanted = {"doubled_say": "str"}
    scene.say("decide", "route", "twice")
    scene.run(NS_PER_S)
    assert scene.find("route").heard == ["twice", "late", "twice"]


@pytest.mark.parametrize(("keeps", "heard"), [(True, ["kept", "after"]), (False, ["after"])])
def test_a_cut_keeps_words_back_or_loses_them(scene, keeps, heard):
    scene.chance.wanted, scene.chance.length = {"cut_channel": "route and decide"}, 1_000
    scene.chance.heads = keeps
    scene.run(500 * NS_PER_MS)
    scene.chance.wanted = {}
    scene.say("decide", "route", "kept")
    scene.say("protect", "route", "passes")
    scene.run(1_000 * NS_PER_MS)
    assert scene.find("route").heard == ["passes"]
    scene.run(1_600 * NS_PER_MS)
    scene.say("decide", "route", "after")
    scene.run(2_000 * NS_PER_MS)
    assert scene.find("route").heard == ["passes", *heard]


def test_quotes_are_conflated_at_their_reader_and_may_be_lost(scene):
    old, new, other = Quote(symbol="A"), Quote(symbol="A", sequence=2), Quote(symbol="B")
    scene.chance.wanted = {"lost_quote": "observe"}
    scene.channels.publish([old])
    scene.channels.publish([new, other])
    scene.run()
    assert scene.find("decide").turns == [[new, other]]
    assert scene.find("observe").turns == []


@pytest.mark.parametrize("way", ["at once", "late_say", "doubled_say", "cut_channel"])
def test_what_is_under_way_is_gone_when_power_fails(scene, way):
    """Sender, socket and receiver are on one machine."""
    scene.chance.wanted, scene.chance.length = {way: "any"}, 2_000
    at_ns = 0
    if way == "cut_channel":
        at_ns = 600 * NS_PER_MS
        scene.run(at_ns)
    scene.say("decide", "route", "gone")
    scene.channels.cut_power()
    scene.chance.wanted = {}
    scene.run(at_ns + 3 * NS_PER_S)
    assert scene.find("route").heard == []
    scene.say("decide", "route", "heard")
    scene.run(at_ns + 4 * NS_PER_S)
    assert scene.find("route").heard == ["heard"]
