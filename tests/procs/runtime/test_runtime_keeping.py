"""The journal's rules: a disk that takes rows but not the mark beside them has the rows once."""

import pytest

from procs.runtime.keeper import Keeper
from procs.turn import gather
from shared.domain.effects import Journal as Entry
from shared.journal.emergency import EmergencyFile
from shared.journal.mark import MarkFile, read_mark
from shared.messages.decision import DecideEvent, RouteMarked


class Folding:
    def recover(self, snapshot, events):
        self.events = list(events)

    def snapshot(self):
        return b"{}"


class Missing(Folding):
    """An actor to whom a loss matters."""

    missed = ""

    def miss_rows(self, reason, mended):
        self.missed, self.mended = reason, mended


def turn(*numbers, durable=False):
    return gather([Entry(seq, RouteMarked(seq=seq, at_ns=seq), durable) for seq in numbers])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "decide.db"


def folded(path):
    keeper, actor = Keeper(path, "decide", DecideEvent, 1000), Folding()
    fault = keeper.recover(actor)
    keeper.close()
    return [event.seq for event in actor.events], fault


def test_rows_whose_mark_is_refused_are_in_and_the_process_only_reduces(path, monkeypatch):
    keeper = Keeper(path, "decide", DecideEvent, 1000)
    keeper.recover(Folding())

    def refuse(self, seq):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(MarkFile, "set", refuse)
    assert not keeper.commit(turn(1, 2, durable=True), 0)
    assert keeper.trip_reason.startswith("disk: ")
    assert keeper.degraded
    assert not keeper.commit(turn(3), 0), "the next turn goes to the emergency file"
    keeper.close()
    monkeypatch.undo()
    assert folded(path) == ([1, 2, 3], "")


def test_a_latch_that_was_seen_and_is_gone_ends_the_own_trip(path):
    keeper = Keeper(path, "decide", DecideEvent, 1000)
    keeper.trip_reason = "something"
    assert not keeper.rearmed("")
    assert not keeper.rearmed("latched")
    assert keeper.trip_reason == "something"
    assert keeper.rearmed("")
    assert keeper.trip_reason == ""
    keeper.close()


@pytest.fixture
def broken(path, monkeypatch):
    """A process whose disk refused a sync."""
    keeper = Keeper(path, "decide", DecideEvent, 1000)
    keeper.recover(Folding())

    def refuse(self, seq):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(MarkFile, "set", refuse)
    assert not keeper.commit(turn(1, durable=True), 0)
    monkeypatch.undo()
    yield keeper
    keeper.close()


def test_a_disk_that_refused_outlasts_the_latch_and_is_to_be_said_again(broken):
    """L9, L11: also to whoever opens the latch more than once."""
    reason = broken.trip_reason
    assert reason == f"disk: {broken.disk_error}"
    for _ in range(2):
        assert not broken.rearmed("latched")
        assert broken.rearmed(""), "a trip that stands is said again"
        assert broken.trip_reason == reason
        assert not broken.rearmed("")


def test_after_a_rearm_the_disk_is_the_reason_whatever_was_first(path, broken):
    broken.trip_reason = "journal decide.db: row 4 does not continue the chain"
    broken.rearmed("latched")
    assert broken.rearmed("")
    assert broken.trip_reason == f"disk: {broken.disk_error}"


def test_a_latch_that_is_opened_before_the_next_look_was_there(broken):
    broken.latch_set()
    assert broken.rearmed("")


@pytest.mark.parametrize("beats", [0, 1])
def test_rows_that_only_this_process_held_are_missed_after_a_beat(path, monkeypatch, broken, beats):
    """L12: the disk took neither them nor the mark; the mark it takes as soon as it can."""

    def refuse(*_):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as worse:
        worse.setattr(EmergencyFile, "write", refuse)
        worse.setattr(MarkFile, "set", refuse)
        assert not broken.commit(turn(2, 3), 0)
        broken.remember()
    for _ in range(beats):
        broken.remember()
    broken.close()
    keeper, actor = Keeper(path, "decide", DecideEvent, 1000), Missing()
    keeper.recover(actor)
    keeper.salvage()
    keeper.close()
    assert actor.missed == ("ends at row 1, but row 3 was seen" if beats else "")


def test_a_disk_that_never_refused_is_not_marked_at_a_beat(path, monkeypatch):
    keeper = Keeper(path, "decide", DecideEvent, 1000)
    keeper.recover(Folding())
    assert keeper.commit(turn(1, durable=True), 0)
    assert keeper.commit(turn(2), 0)
    keeper.remember()
    keeper.close()
    assert read_mark(path.with_suffix(".mark")) == 1, "a power cut may take row 2"


def test_an_actor_to_whom_it_matters_is_told_of_lost_rows_before_it_starts(path):
    """L12: after the salvage the journal is whole again, and says nothing of it."""
    keeper = Keeper(path, "decide", DecideEvent, 1000)
    keeper.recover(Folding())
    assert keeper.commit(turn(1, 2, 3, durable=True), 0)
    keeper.close()
    path.unlink()
    shorter, actor = Keeper(path, "decide", DecideEvent, 1000), Missing()
    fault = shorter.recover(actor)
    shorter.salvage()
    assert actor.missed
    assert fault.endswith(actor.missed)
    assert actor.mended
    shorter.close()
    again, actor = Keeper(path, "decide", DecideEvent, 1000), Missing()
    assert (again.recover(actor), actor.missed) == ("", "")
    again.close()


def test_a_disk_that_refuses_has_lost_no_rows(path, monkeypatch, broken):
    """Its rows are in the reserve, and the next start has them."""
    broken.commit(turn(2), 0)
    broken.close()

    def refuse(self, seq):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(MarkFile, "set", refuse)
    keeper, actor = Keeper(path, "decide", DecideEvent, 1000), Missing()
    assert "Input/output error" in keeper.recover(actor)
    keeper.salvage()
    assert actor.missed == ""
    keeper.close()
