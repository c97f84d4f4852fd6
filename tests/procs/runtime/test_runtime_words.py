"""What an actor says goes out in its order, and a trip of its own is latched before it does."""

from types import SimpleNamespace

import pytest

from procs.runtime.keeping import Keeping
from procs.runtime.latch import Latch
from procs.runtime.words import Words
from shared.domain.effects import Say
from shared.messages.account import Acknowledge
from shared.messages.control import Tripped

WELCOME = Say("decide", Acknowledge(role="route", seq=1))


def trip(reason: str) -> Say:
    return Say("supervise", Tripped(role="route", reason=reason, at_ns=1))


class Links:
    """Remembers what was said, and what stood in the latch at that moment."""

    def __init__(self, latch: Latch) -> None:
        self.said, self._latch = [], latch

    def say(self, to, message):
        self.said.append((to, type(message).__name__, self._latch.text()))
        return True


@pytest.fixture
def scene(tmp_path):
    latch, notes = Latch(tmp_path / "KILL"), []
    links = Links(latch)
    log = SimpleNamespace(write=lambda stream, kind, fields, at_ns: notes.append((kind, fields)))
    words = Words(SimpleNamespace(role="route"), links, log, ((), 0))
    return SimpleNamespace(words=words, latch=latch, links=links, notes=notes)


def test_a_trip_is_latched_before_it_is_said_and_before_what_follows_it(scene):
    """L12: a reader that is welcomed forgets that it has seen more."""
    scene.words.say_all([WELCOME, trip("rows are lost"), WELCOME], scene.latch, 1)
    assert scene.links.said == [
        ("decide", "Acknowledge", ""),
        ("supervise", "Tripped", "route: rows are lost"),
        ("decide", "Acknowledge", "route: rows are lost"),
    ]
    assert scene.notes == [("process_tripped", {"reason": "rows are lost"})]


def test_a_latch_keeps_its_first_reason_and_the_trip_is_said_again(scene):
    scene.latch.set("a person")
    scene.words.say_all([trip("first"), trip("second")], scene.latch, 1)
    assert [text for _, _, text in scene.links.said] == ["a person", "a person"]
    assert scene.notes == []


def test_a_trip_after_a_rearm_is_latched_again(scene):
    scene.words.say_all([trip("first")], scene.latch, 1)
    scene.latch.path.unlink()
    scene.words.say_all([trip("second")], scene.latch, 2)
    assert scene.latch.text() == "route: second"


def test_a_trip_of_its_own_counts_the_latch_as_seen_once_it_stands(tmp_path, scene):
    """L9: a person may open it before this process looks for the first time."""
    keeping = Keeping("route", None, 1000)
    keeping.trip_reason = "disk: full"
    scene.words.trip(Latch(tmp_path / "none" / "KILL"), keeping, 1)
    assert not keeping.rearmed(""), "there was none to open"
    scene.words.rearmed()
    scene.words.trip(scene.latch, keeping, 1)
    assert scene.latch.text() == "route: disk: full"
    assert keeping.rearmed("")


def test_where_no_latch_can_be_written_the_supervisor_still_hears_of_it(tmp_path, scene):
    latch = Latch(tmp_path / "none" / "KILL")
    scene.words.say_all([trip("rows are lost")], latch, 1)
    assert [kind for _, kind, _ in scene.links.said] == ["Tripped"]
    ((kind, fields),) = scene.notes
    assert kind == "process_tripped"
    assert "No such file" in fields["latch_error"]
