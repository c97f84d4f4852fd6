"""The journal's ordinary life: order, recovery, snapshots, retention, refusals, reading."""

from __future__ import annotations

import sqlite3

import pytest

from shared.domain.effects import Journal as Entry
from shared.errors import JournalError, NotFoundError
from shared.journal.journal import DiskError, Journal, fold_wal, mark_path
from shared.journal.mark import read_mark
from shared.journal.reader import JournalReader
from shared.messages.account import AccountEvent, Alarmed
from shared.messages.decision import DecideEvent, RouteMarked


def entry(seq: int, durable: bool = False) -> Entry:
    return Entry(seq, RouteMarked(seq=seq * 10, at_ns=seq), durable)


def opened(path, mark=0):
    return Journal.open(path, "decide", DecideEvent, mark)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data" / "decide.db"


def test_a_fresh_journal_is_empty_and_sound(path):
    journal = opened(path)
    assert journal.recovered.snapshot is None
    assert journal.recovered.events == []
    assert journal.recovered.fault == ""
    assert journal.seq == 0


def test_rows_come_back_in_order(path):
    journal = opened(path)
    journal.append([entry(1), entry(2)], 0)
    journal.append([entry(3, durable=True)], 0)
    journal.close()
    again = opened(path)
    assert again.recovered.events == [entry(n).event for n in (1, 2, 3)]
    assert again.seq == 3
    again.append([entry(4)], 0)


def test_rows_are_visible_without_a_close(path):
    """What kill -9 leaves behind: nothing is flushed at exit."""
    journal = opened(path)
    journal.append([entry(1)], 0)
    with JournalReader(path, "decide") as reader:
        assert [row.seq for row in reader.rows()] == [1]


@pytest.mark.parametrize("wrong", [0, 2, 5, -1])
def test_a_hole_in_the_sequence_is_refused_and_nothing_is_written(path, wrong):
    journal = opened(path)
    with pytest.raises(JournalError, match="after row 0"):
        journal.append([entry(wrong)], 0)
    journal.append([entry(1)], 0)
    with pytest.raises(JournalError, match="row 3 after row 1"):
        journal.append([entry(3)], 0)
    journal.close()
    assert opened(path).seq == 1


def test_recovery_is_the_newest_snapshot_and_the_rows_after_it(path):
    journal = opened(path)
    for seq in range(1, 6):
        journal.append([entry(seq)], 0)
        if seq in (2, 4):
            journal.write_snapshot(f"state {seq}".encode(), 1000)
    journal.close()
    recovered = opened(path).recovered
    assert recovered.snapshot == b"state 4"
    assert recovered.events == [entry(5).event]
    assert recovered.seq == 5


def test_a_damaged_snapshot_is_reported_and_the_older_one_used(path):
    journal = opened(path)
    for seq in range(1, 6):
        journal.append([entry(seq)], 0)
        if seq in (2, 4):
            journal.write_snapshot(f"state {seq}".encode(), 1000)
    journal.close()
    with sqlite3.connect(path) as database:
        database.execute("UPDATE snapshots SET body=x'00' WHERE seq=4")
    recovered = opened(path).recovered
    assert recovered.fault == "snapshot 4 is damaged"
    assert recovered.snapshot == b"state 2"
    assert recovered.events == [entry(n).event for n in (3, 4, 5)]


def test_retention_keeps_rows_behind_the_older_snapshot(path):
    journal = opened(path)
    for seq in range(1, 101):
        journal.append([entry(seq)], 0)
    journal.write_snapshot(b"100", 10)
    journal.append([entry(101)], 0)
    journal.write_snapshot(b"101", 10)
    with JournalReader(path) as reader:
        kept = [row.seq for row in reader.rows()]
    assert kept == list(range(90, 102))
    journal.close()
    recovered = opened(path).recovered
    assert (recovered.snapshot, recovered.seq, recovered.fault) == (b"101", 101, "")


def test_a_journal_that_ends_before_a_peers_mark_says_so(path):
    journal = opened(path)
    journal.append([entry(1), entry(2)], 0)
    journal.close()
    assert opened(path, mark=2).recovered.fault == ""
    assert opened(path, mark=3).recovered.fault == "ends at row 2, but row 3 was seen"


def test_only_durable_commits_move_the_own_mark(path):
    journal = opened(path)
    journal.append([entry(1, durable=True)], 0)
    journal.append([entry(2)], 0)
    assert read_mark(mark_path(path)) == 1


def test_a_deleted_journal_is_noticed(path):
    journal = opened(path)
    journal.append([entry(1, durable=True)], 0)
    journal.close()
    path.unlink()
    assert "row 1 was seen" in opened(path).recovered.fault


@pytest.mark.parametrize(
    ("pragma", "match"),
    [("user_version=2", "schema version 2"), ("application_id=7", "not a journal")],
)
def test_another_schema_or_program_is_refused(path, pragma, match):
    opened(path).close()
    with sqlite3.connect(path) as database:
        database.execute(f"PRAGMA {pragma}")
    with pytest.raises(JournalError, match=match):
        opened(path)
    with pytest.raises(JournalError, match=match):
        JournalReader(path)


def test_the_journal_of_another_role_is_refused(path):
    opened(path).close()
    with pytest.raises(JournalError, match="journal of decide, not of route"):
        Journal.open(path, "route", AccountEvent)


def test_a_whole_row_of_an_unknown_type_is_refused(path):
    journal = Journal.open(path, "decide", AccountEvent)
    journal.append([Entry(1, Alarmed(at_ns=1, kind="k", symbol="", text=""))], 0)
    journal.close()
    with pytest.raises(JournalError, match="row 1 is whole, but of no known type"):
        opened(path)


def test_a_fault_stops_the_writer_until_it_is_salvaged(path):
    journal = opened(path)
    for seq in range(1, 6):
        journal.append([entry(seq, durable=True)], 0)
    journal.close()
    with sqlite3.connect(path) as database:
        database.execute("DELETE FROM events WHERE seq=4")
    journal = opened(path)
    assert journal.recovered.fault == "row 4 is missing, 5 follows"
    assert journal.seq == 3
    with pytest.raises(JournalError, match="not salvaged"):
        journal.append([entry(4)], 0)
    journal.salvage()
    journal.append([entry(4)], 0)
    journal.close()
    again = opened(path)
    assert again.recovered.fault == ""
    assert [event.at_ns for event in again.recovered.events] == [1, 2, 3, 4]
    assert path.with_name("decide.db.damaged-1").exists()


def test_salvage_over_a_snapshot_recovers_clean(path):
    journal = opened(path)
    for seq in range(1, 6):
        journal.append([entry(seq, durable=True)], 0)
        if seq == 3:
            journal.write_snapshot(b"three", 1000)
    journal.close()
    with sqlite3.connect(path) as database:
        database.execute("UPDATE events SET crc=1 WHERE seq=3")
    journal = opened(path)
    assert "not the one its snapshot stands on" in journal.recovered.fault
    journal.salvage()
    journal.append([entry(6)], 0)
    journal.close()
    recovered = opened(path).recovered
    assert (recovered.snapshot, recovered.seq, recovered.fault) == (b"three", 6, "")


@pytest.mark.parametrize("renamed", [0, 1])
def test_a_salvage_that_was_killed_is_finished_by_the_next_start(path, renamed):
    journal = opened(path)
    journal.append([entry(1), entry(2)], 0)
    journal.close()
    good = path.read_bytes()
    path.with_suffix(".salvaged").write_bytes(good)
    if renamed:
        path.rename(f"{path}.damaged-1")
    else:
        path.write_bytes(b"rubbish")
    assert opened(path).seq == 2


def test_folding_the_log_loses_nothing(path):
    journal = opened(path)
    for seq in range(1, 50):
        journal.append([entry(seq)], 0)
    fold_wal(path)
    journal.append([entry(50)], 0)
    with JournalReader(path) as reader:
        assert reader.last_seq() == 50


def test_a_log_that_could_not_be_folded_is_not_folded_by_closing(path, monkeypatch):
    """L11: a sync that succeeds after one that failed has lost what lay between."""

    class Refusing:
        closed = False

        def execute(self, statement):
            raise sqlite3.OperationalError("disk I/O error")

        def close(self):
            Refusing.closed = True

    monkeypatch.setattr("shared.journal.journal.connect", lambda path: Refusing())
    with pytest.raises(DiskError, match="disk I/O error"):
        fold_wal(path)
    assert not Refusing.closed


def test_a_reader_beside_the_writer_pages_and_finds(path):
    journal = opened(path)
    for seq in range(1, 1203):
        journal.append([entry(seq)], 0)
    with JournalReader(path) as reader:
        rows = reader.rows()
        first = next(rows)
        journal.append([entry(1203)], 0)
        assert [first.seq, *(row.seq for row in rows)] == list(range(1, 1204))
        assert [row.seq for row in reader.rows(after=1200)] == [1201, 1202, 1203]
        assert [row.seq for row in reader.containing('"seq":7770,')] == [777]
        assert reader.containing("%") == []
        assert [row.seq for row in reader.of_type("route_marked", limit=2)] == [1202, 1203]


def test_a_reader_notices_a_broken_chain(path):
    journal = opened(path)
    for seq in range(1, 4):
        journal.append([entry(seq)], 0)
    journal.close()
    with sqlite3.connect(path) as database:
        database.execute("UPDATE events SET at_ns=99 WHERE seq=2")
    with JournalReader(path) as reader, pytest.raises(JournalError, match="row 2 does not"):
        list(reader.rows())


def test_no_journal_is_not_found(tmp_path):
    with pytest.raises(NotFoundError):
        JournalReader(tmp_path / "none.db")
