"""The journal in memory does what the one on disk does, under the same refusals (L11, L12)."""

import os
import sqlite3

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from procs.runtime.keeping import Keeping
from procs.simulate.damage import AGAIN
from procs.simulate.disks import Disk, MemoryJournal, RowReader
from procs.turn import gather
from shared.domain.effects import Journal as Entry
from shared.journal import emergency, mark, salvage
from shared.journal.journal import Journal
from shared.messages.decision import DecideEvent, RouteMarked

READER = RowReader(DecideEvent)


def refuses(what, files):
    return what.removesuffix(AGAIN) in files


class Folding:
    """Remembers what it was given."""

    latched = ""

    def recover(self, snapshot, events):
        self.events = [event.seq for event in events]


class InMemory:
    """Processes over one simulated disk."""

    def __init__(self):
        self.disk = Disk()
        self.refused = set()

    def open(self):
        return MemoryJournal(self.disk, READER, lambda what: "full" * refuses(what, self.refused))

    def close(self, store):
        self.disk.unsaved.clear()

    def lose(self, count):
        """Returns the last row that is left."""
        self.disk.cut_power(len(self.disk.rows) - count)
        return len(self.disk.rows)


class OnDisk:
    """Processes over real files, whose writes fail when the test says so."""

    def __init__(self, folder, patch):
        self.path = folder / "decide.db"
        self.refused = set()
        commit, write, set_mark = Journal._commit, emergency.EmergencyFile.write, mark.MarkFile.set
        rebuild = salvage.rebuild

        def committing(journal, statements, *, durable):
            if "journal" in self.refused:
                raise journal._shut("full")
            commit(journal, statements, durable=durable)

        def rebuilding(path, role, found):
            self._may("journal")
            rebuild(path, role, found)

        def writing(file, rows):
            self._may("emergency")
            write(file, rows)

        def marking(file, seq):
            self._may("mark")
            set_mark(file, seq)

        patch.setattr(Journal, "_commit", committing)
        patch.setattr(salvage, "rebuild", rebuilding)
        patch.setattr(emergency.EmergencyFile, "write", writing)
        patch.setattr(mark.MarkFile, "set", marking)

    def _may(self, what):
        if what in self.refused:
            raise OSError(28, "full")

    def open(self):
        return Journal.open(self.path, "decide", DecideEvent)

    def close(self, store):
        store.close()

    def lose(self, behind):
        database = sqlite3.connect(self.path)
        database.execute("DELETE FROM events WHERE seq > ?", (behind,))
        database.commit()
        database.close()


class Life:
    """One process after another, on one kind of disk."""

    def __init__(self, kind):
        self.kind = kind
        self.seq = 0
        self.start()

    def start(self):
        self.store = self.kind.open()
        self.keeping = Keeping("decide", self.store, 1000)
        actor = Folding()
        fault = self.keeping.recover(actor)
        if fault:
            self.keeping.salvage()
        self.seq = len(actor.events)
        return actor.events, bool(fault)

    def commit(self, count, durable):
        entries = []
        for _ in range(count):
            self.seq += 1
            event = RouteMarked(seq=self.seq, at_ns=0)
            entries.append(Entry(self.seq, event, durable))
        return self.keeping.commit(gather(entries), 0), self.keeping.degraded

    def end(self):
        self.kind.close(self.store)


FILES = st.sets(st.sampled_from(["journal", "mark", "emergency"]))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("commit"), st.integers(1, 3), st.booleans()),
        st.tuples(st.just("refuse"), FILES),
        st.tuples(st.just("beat")),
        st.tuples(st.just("restart"), st.integers(0, 3)),
    ),
    max_size=14,
)


REFUSED_SALVAGE = [
    ("commit", 2, True),
    ("commit", 2, False),
    ("refuse", {"journal"}),
    ("commit", 1, False),
    ("restart", 2),
    ("commit", 3, False),
    ("restart", 0),
    ("commit", 1, False),
    ("refuse", set()),
    ("restart", 0),
    ("commit", 1, True),
    ("restart", 0),
]
"""The reserve follows on rows that a power cut took, and the disk refuses the salvage too."""
REFUSED_MARK = [
    ("commit", 1, False),
    ("refuse", {"journal", "mark"}),
    ("commit", 1, False),
    ("refuse", {"mark"}),
    ("restart", 1),
    ("commit", 1, False),
    ("restart", 0),
    ("refuse", set()),
    ("restart", 0),
    ("commit", 1, True),
]
"""The salvage goes well but for its last write."""


UNSAVED = [
    ("commit", 2, True),
    ("refuse", {"journal", "mark", "emergency"}),
    ("commit", 1, True),
    ("beat",),
    ("refuse", {"journal", "emergency"}),
    ("beat",),
    ("refuse", set()),
    ("restart", 0),
    ("commit", 1, True),
    ("restart", 0),
]
"""No file takes a row, and the mark of it only later."""


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS)
@example(steps=REFUSED_SALVAGE)
@example(steps=UNSAVED)
@example(steps=REFUSED_MARK)
def test_memory_and_disk_tell_the_same_story(steps, tmp_path_factory):
    folder = tmp_path_factory.mktemp("journal")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        kinds = InMemory(), OnDisk(folder, patch)
        lives = [Life(kind) for kind in kinds]
        for step in steps:
            match step:
                case ("commit", count, durable):
                    told = [life.commit(count, durable) for life in lives]
                case ("refuse", files):
                    for kind in kinds:
                        kind.refused = set(files)
                    continue
                case ("beat",):
                    for life in lives:
                        life.keeping.remember()
                    continue
                case (_, lost):
                    for life in lives:
                        life.end()
                    if lost:
                        kinds[1].lose(behind=kinds[0].lose(lost))
                    told = [life.start() for life in lives]
            assert told[0] == told[1], step
        lives[1].store.close()


def test_a_power_cut_takes_what_nobody_waited_for():
    disk = Disk()
    store = MemoryJournal(disk, READER, lambda what: "")
    for seq in range(1, 6):
        store.append([Entry(seq, RouteMarked(seq=seq, at_ns=0), durable=seq == 3)], 0)
    disk.cut_power(1)
    assert len(disk.rows) == 3
    again = MemoryJournal(disk, READER, lambda what: "")
    assert (again.seq, again.recovered.fault) == (3, "")


def test_what_one_power_cut_left_the_next_one_leaves_too():
    """It was read from the disk itself; only what was written since may be gone."""
    disk = Disk()
    store = open_refusing(disk)
    store.append([entry(1)], 0)
    store.append([entry(2)], 0)
    disk.cut_power(1)
    open_refusing(disk).append([entry(2)], 0)
    disk.cut_power(0)
    assert open_refusing(disk).seq == 1


def test_a_journal_shorter_than_its_mark_says_so():
    disk = Disk()
    store = MemoryJournal(disk, READER, lambda what: "")
    store.append([Entry(1, RouteMarked(seq=1, at_ns=0), durable=True)], 0)
    disk.lose(0, with_mark=False)
    again = MemoryJournal(disk, READER, lambda what: "")
    assert again.damaged
    assert again.recovered.fault == "ends at row 0, but row 1 was seen"
    again.salvage()
    assert not again.damaged
    disk.lose(0, with_mark=True)
    assert MemoryJournal(disk, READER, lambda what: "").recovered.fault == ""


def open_refusing(disk, *files):
    return MemoryJournal(disk, READER, lambda what: "gone" * refuses(what, files))


def entry(seq, durable=False):
    return Entry(seq, RouteMarked(seq=seq, at_ns=0), durable=durable)


def test_rows_that_a_start_took_over_survive_a_power_cut_without_their_mark():
    """The taking over waits for the disk, whether or not the mark beside it can be set."""
    disk = Disk()
    store = open_refusing(disk, "journal", "mark")
    store.append_emergency([entry(1), entry(2)], 0)
    open_refusing(disk, "mark").append_emergency([entry(3)], 0)
    disk.cut_power(0)
    again = open_refusing(disk)
    assert (again.seq, again.recovered.fault) == (3, "")


def test_an_emergency_file_behind_lost_rows_is_seen_and_left():
    disk = Disk()
    store = open_refusing(disk)
    store.append([entry(1)], 0)
    store.append([entry(2)], 0)
    open_refusing(disk, "journal", "mark").append_emergency([entry(3)], 0)
    disk.cut_power(1)
    again = open_refusing(disk)
    assert again.damaged
    assert again.recovered.fault == "ends at row 1, the emergency file begins behind row 2"
    assert again.seq == len(again.recovered.events) == 1
    again.salvage()
    again.append([entry(2)], 0)
    assert (open_refusing(disk).seq, open_refusing(disk).recovered.fault) == (2, "")


def test_what_is_marked_again_is_no_occasion_for_a_new_fault():
    """A process whose disk refused tries at each beat: it must not meet more faults for that."""
    asked = []

    def refusal(what):
        asked.append(what)
        return "gone" * (len(asked) < 6)

    disk = Disk()
    store = MemoryJournal(disk, READER, lambda what: "")
    store._refusal = refusal
    assert not store.append_emergency([entry(1)], 0)
    for _ in range(6):
        store.mark_unsaved()
    assert asked == ["emergency", *["mark again"] * 5]
    assert disk.mark == 1
