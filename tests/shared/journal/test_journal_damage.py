"""Damage: whatever happens to the files, rows are a prefix of the truth, or refused (L12)."""

from __future__ import annotations

import shutil
import sqlite3

import pytest

from shared.domain.effects import Journal as Entry
from shared.errors import JournalError
from shared.journal import emergency
from shared.journal.journal import DiskError, Journal, emergency_path
from shared.journal.mark import MarkFile, read_mark
from shared.journal.reader import JournalReader
from shared.journal.schema import connect
from shared.messages.decision import DecideEvent, RouteMarked

ROWS = 12


def entry(seq: int, durable: bool = True) -> Entry:
    return Entry(seq, RouteMarked(seq=seq * 10, at_ns=seq), durable)


TRUTH = [entry(seq).event for seq in range(1, ROWS + 1)]


@pytest.fixture(autouse=True)
def _small_reserve(monkeypatch):
    monkeypatch.setattr(emergency, "RESERVED_BYTES", 4096)


def written(folder, *, close: bool):
    """A journal with a snapshot; without a close its rows are still in the write-ahead log."""
    path = folder / "decide.db"
    journal = Journal.open(path, "decide", DecideEvent)
    for seq in range(1, ROWS + 1):
        journal.append([entry(seq)], 0)
        if seq == 5:
            journal.write_snapshot(b"5", 1000)
    if close:
        journal.close()
    return journal


def judge(path) -> str:
    """Opens a damaged journal and asserts that nothing wrong comes out of it."""
    try:
        journal = Journal.open(path, "decide", DecideEvent)
    except JournalError:
        return "refused"
    recovered = journal.recovered
    journal.close()
    base = 0 if recovered.snapshot is None else 5
    assert recovered.snapshot in (None, b"5")
    assert recovered.events == TRUTH[base : base + len(recovered.events)]
    if recovered.fault:
        return "fault"
    assert base + len(recovered.events) == ROWS
    return "whole"


def trial(source, folder, name, data) -> str:
    """A copy of the journal's files in which one has other bytes."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder)
    (folder / name).write_bytes(data)
    return judge(folder / "decide.db")


@pytest.mark.parametrize(("close", "name"), [(True, "decide.db"), (False, "decide.db-wal")])
def test_every_sampled_bit_flip(tmp_path, close, name):
    source = tmp_path / "source"
    source.mkdir()
    journal = written(source, close=close)
    copy = tmp_path / "copy"
    shutil.copytree(source, copy)
    data = (copy / name).read_bytes()
    outcomes = {"whole": 0, "fault": 0, "refused": 0}
    step = max(1, len(data) // 700)
    for place in range(0, len(data), step):
        flipped = bytearray(data)
        flipped[place] ^= 1 << (place // step) % 8
        outcomes[trial(copy, tmp_path / "trial", name, bytes(flipped))] += 1
    journal.close()
    assert outcomes["fault"] > 0
    # Every byte of the log carries rows; a database also has unused ones.
    assert (outcomes["whole"] > 0) == (name == "decide.db"), outcomes
    assert outcomes["refused"] < sum(outcomes.values()) / 10, outcomes


@pytest.mark.parametrize(("close", "name"), [(True, "decide.db"), (False, "decide.db-wal")])
def test_truncations(tmp_path, close, name):
    source = tmp_path / "source"
    source.mkdir()
    journal = written(source, close=close)
    copy = tmp_path / "copy"
    shutil.copytree(source, copy)
    data = (copy / name).read_bytes()
    outcomes = set()
    for length in range(0, len(data), max(1, len(data) // 200)):
        outcomes.add(trial(copy, tmp_path / "trial", name, data[:length]))
    journal.close()
    assert "fault" in outcomes
    assert "whole" not in outcomes


@pytest.mark.parametrize("column", ["seq", "type", "at_ns", "body", "crc"])
@pytest.mark.parametrize("row", [6, 9, ROWS])
def test_every_changed_column_is_seen(tmp_path, column, row):
    written(tmp_path, close=True)
    change = {
        "seq": "seq = seq + 100",
        "type": "type = 'plan_dropped'",
        "at_ns": "at_ns = at_ns + 1",
        "body": "body = replace(body, '0', '1')",
        "crc": "crc = crc + 1",
    }[column]
    with sqlite3.connect(tmp_path / "decide.db") as database:
        database.execute(f"UPDATE events SET {change} WHERE seq = {row}")
    journal = Journal.open(tmp_path / "decide.db", "decide", DecideEvent)
    assert journal.recovered.fault
    assert journal.recovered.events == TRUTH[5 : row - 1]


def test_rubbish_is_an_empty_faulty_journal_that_can_be_salvaged(tmp_path):
    path = tmp_path / "decide.db"
    path.write_bytes(b"rubbish" * 4000)
    journal = Journal.open(path, "decide", DecideEvent)
    assert "cannot be read" in journal.recovered.fault
    journal.salvage()
    journal.append([entry(1)], 0)
    journal.close()
    assert Journal.open(path, "decide", DecideEvent).seq == 1
    assert (tmp_path / "decide.db.damaged-1").read_bytes().startswith(b"rubbish")


class _FullDisk:
    """A connection whose disk is full from some moment on."""

    def __init__(self, connection):
        self._connection = connection
        self.attempts = 0

    def execute(self, statement, values=()):
        if statement == "COMMIT":
            self.attempts += 1
            self._connection.execute("ROLLBACK")
            raise sqlite3.OperationalError("database or disk is full")
        return self._connection.execute(statement, values)

    def close(self):
        self._connection.close()


def fail_disk(journal) -> _FullDisk:
    disk = _FullDisk(journal._connection)
    journal._connection = disk
    return disk


def test_a_full_disk_is_said_once_and_never_tried_again(tmp_path):
    journal = written(tmp_path, close=False)
    disk = fail_disk(journal)
    with pytest.raises(DiskError, match="disk is full"):
        journal.append([entry(ROWS + 1)], 0)
    with pytest.raises(DiskError, match="disk is full"):
        journal.append([entry(ROWS + 1)], 0)
    with pytest.raises(DiskError):
        journal.write_snapshot(b"later", 1000)
    assert disk.attempts == 1


def test_rows_of_the_emergency_file_come_back(tmp_path):
    journal = written(tmp_path, close=False)
    fail_disk(journal)
    with pytest.raises(DiskError):
        journal.append([entry(13)], 0)
    assert journal.append_emergency([entry(13), entry(14)], 0)
    assert journal.append_emergency([entry(15)], 0)
    journal.close()
    again = Journal.open(tmp_path / "decide.db", "decide", DecideEvent)
    assert again.recovered.fault == ""
    assert again.recovered.events == [entry(n).event for n in range(6, 16)]
    again.append([entry(16)], 0)
    again.close()
    assert Journal.open(tmp_path / "decide.db", "decide", DecideEvent).seq == 16


def test_a_start_while_the_disk_is_still_full_goes_on_in_the_emergency_file(tmp_path, monkeypatch):
    path = tmp_path / "decide.db"
    journal = written(tmp_path, close=False)
    fail_disk(journal)
    assert journal.append_emergency([entry(13)], 0)
    from shared.journal import journal as module

    with monkeypatch.context() as patch:
        patch.setattr(module, "connect", lambda path: _FullDisk(connect(path)))
        second = Journal.open(path, "decide", DecideEvent)
    assert "disk is full" in second.recovered.fault
    assert second.recovered.events == [entry(n).event for n in range(6, 14)]
    assert not second.damaged
    assert second.append_emergency([entry(14)], 0)
    second.close()
    third = Journal.open(path, "decide", DecideEvent)
    assert third.recovered.events == [entry(n).event for n in range(6, 15)]
    assert third.recovered.fault == ""
    assert third.seq == 14


def test_no_room_for_the_reserve_is_a_fault_but_rows_still_go_to_the_journal(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(emergency.os, "posix_fallocate", full)
    journal = Journal.open(tmp_path / "decide.db", "decide", DecideEvent)
    assert journal.recovered.fault == "no room for decide.emergency: No space left on device"
    journal.append([entry(1)], 0)


def test_a_torn_last_line_of_the_emergency_file_does_not_count(tmp_path):
    journal = written(tmp_path, close=False)
    fail_disk(journal)
    assert journal.append_emergency([entry(13)], 0)
    assert journal.append_emergency([entry(14)], 0)
    journal.close()
    path = emergency_path(tmp_path / "decide.db")
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"\0") - 3])
    assert Journal.open(tmp_path / "decide.db", "decide", DecideEvent).seq == 13


def test_an_emergency_file_that_does_not_continue_the_journal_is_a_fault(tmp_path):
    journal = written(tmp_path, close=False)
    fail_disk(journal)
    assert journal.append_emergency([entry(13), entry(14)], 0)
    journal.close()
    path = emergency_path(tmp_path / "decide.db")
    path.write_bytes(path.read_bytes().replace(b'"at_ns":13', b'"at_ns":31'))
    again = Journal.open(tmp_path / "decide.db", "decide", DecideEvent)
    assert "emergency file" in again.recovered.fault
    assert again.seq == ROWS


def test_a_used_up_reserve_keeps_rows_in_memory_and_counts_them(tmp_path):
    journal = written(tmp_path, close=False)
    fail_disk(journal)
    seq = ROWS
    while journal.append_emergency([entry(seq + 1)], 0):
        seq += 1
    assert seq > ROWS
    assert journal.unsaved_rows == 1
    assert not journal.append_emergency([entry(seq + 2), entry(seq + 3)], 0)
    assert journal.unsaved_rows == 3


def refuse(*_):
    raise OSError(5, "Input/output error")


def next_start(tmp_path):
    again = Journal.open(tmp_path / "decide.db", "decide", DecideEvent)
    again.close()
    return again.seq, again.recovered.fault


@pytest.mark.parametrize("kept", [0, 2])
def test_rows_that_only_the_process_held_are_missed_by_the_next_start(tmp_path, monkeypatch, kept):
    """L12: nobody else may live on who knows of them."""
    journal = written(tmp_path, close=False)
    fail_disk(journal)
    for seq in range(13, 13 + kept):
        assert journal.append_emergency([entry(seq)], 0)
    monkeypatch.setattr(emergency.EmergencyFile, "write", refuse)
    assert not journal.append_emergency([entry(13 + kept), entry(14 + kept)], 0)
    assert not journal.append_emergency([entry(15 + kept)], 0)
    journal.close()
    left = ROWS + kept
    assert next_start(tmp_path) == (left, f"ends at row {left}, but row {left + 3} was seen")


def test_a_mark_that_the_disk_refused_for_such_rows_is_set_later(tmp_path, monkeypatch):
    journal = written(tmp_path, close=False)
    fail_disk(journal)
    monkeypatch.setattr(emergency.EmergencyFile, "write", refuse)
    with monkeypatch.context() as worse:
        worse.setattr(MarkFile, "set", refuse)
        assert not journal.append_emergency([entry(13)], 0)
        journal.mark_unsaved()
        assert next_start(tmp_path) == (ROWS, ""), "a disk that takes nothing tells nothing"
    journal.mark_unsaved()
    assert next_start(tmp_path) == (ROWS, "ends at row 12, but row 13 was seen")
    journal.close()


def test_the_mark_of_rows_in_the_reserve_is_set_later_too_and_nothing_is_missed(
    tmp_path, monkeypatch
):
    journal = written(tmp_path, close=False)
    fail_disk(journal)
    with monkeypatch.context() as worse:
        worse.setattr(MarkFile, "set", refuse)
        assert journal.append_emergency([entry(13)], 0)
    assert read_mark(tmp_path / "decide.mark") < 13
    journal.mark_unsaved()
    assert read_mark(tmp_path / "decide.mark") == 13
    journal.close()
    assert next_start(tmp_path) == (13, "")


def test_a_mark_that_shows_a_loss_is_not_lowered_by_rows_without_a_disk(tmp_path, monkeypatch):
    written(tmp_path, close=True)
    MarkFile(tmp_path / "decide.mark").set(20)
    journal = Journal.open(tmp_path / "decide.db", "decide", DecideEvent)
    monkeypatch.setattr(emergency.EmergencyFile, "write", refuse)
    assert not journal.append_emergency([entry(13)], 0)
    journal.mark_unsaved()
    journal.close()
    assert read_mark(tmp_path / "decide.mark") == 20


@pytest.mark.parametrize("data", [b"x", bytes(12), b"\x0c" + bytes(11), bytes(13)])
def test_a_damaged_mark_is_a_fault_because_nobody_knows_what_is_missing(tmp_path, data):
    written(tmp_path, close=True)
    (tmp_path / "decide.mark").write_bytes(data)
    journal = Journal.open(tmp_path / "decide.db", "decide", DecideEvent)
    assert journal.recovered.fault == "decide.mark is damaged"
    assert journal.seq == ROWS
    journal.salvage()
    journal.append([entry(ROWS + 1)], 0)
    journal.close()
    again = Journal.open(tmp_path / "decide.db", "decide", DecideEvent)
    assert (again.recovered.fault, again.seq) == ("", ROWS + 1)


def emergency_of(tmp_path, *turns):
    journal = written(tmp_path, close=False)
    fail_disk(journal)
    for turn in turns:
        assert journal.append_emergency([entry(seq) for seq in turn], 0)
    journal.close()
    return emergency_path(tmp_path / "decide.db")


def test_rows_that_are_lost_inside_the_emergency_file_are_a_fault(tmp_path):
    path = emergency_of(tmp_path, (13,), (14,), (15,))
    path.write_bytes(path.read_bytes().replace(b'{"seq":14', b'\0"seq":14'))
    (tmp_path / "decide.mark").unlink()
    journal = Journal.open(tmp_path / "decide.db", "decide", DecideEvent)
    assert journal.recovered.fault == "the emergency file is damaged behind row 13"
    assert journal.recovered.events == [entry(n).event for n in range(6, 14)]
    journal.salvage()
    journal.append([entry(14)], 0)
    journal.close()
    again = Journal.open(tmp_path / "decide.db", "decide", DecideEvent)
    assert again.recovered.events == [entry(n).event for n in range(6, 15)]
    assert again.recovered.fault == ""


def test_rows_that_are_lost_at_the_end_of_the_emergency_file_are_a_fault(tmp_path):
    path = emergency_of(tmp_path, (13,), (14,))
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"\n") + 1])
    journal = Journal.open(tmp_path / "decide.db", "decide", DecideEvent)
    assert journal.recovered.fault == "ends at row 13, but row 14 was seen"
    assert journal.recovered.events[-1] == entry(13).event


class _Malformed(_FullDisk):
    """A file whose damage only a writer meets."""

    def execute(self, statement, values=()):
        if statement == "COMMIT":
            self._connection.execute("ROLLBACK")
            raise sqlite3.DatabaseError("database disk image is malformed")
        return self._connection.execute(statement, values)


def test_a_file_that_can_be_read_but_not_written_is_mended_at_the_next_start(tmp_path, monkeypatch):
    from shared.journal import journal as module

    emergency_of(tmp_path, (13,))
    with monkeypatch.context() as patch:
        patch.setattr(module, "connect", lambda path: _Malformed(connect(path)))
        second = Journal.open(tmp_path / "decide.db", "decide", DecideEvent)
    assert second.damaged
    assert "malformed" in second.recovered.fault
    assert second.recovered.events == [entry(n).event for n in range(6, 14)]
    second.salvage()
    second.append([entry(14)], 0)
    second.close()
    third = Journal.open(tmp_path / "decide.db", "decide", DecideEvent)
    assert third.recovered.events == [entry(n).event for n in range(6, 15)]
    assert third.recovered.fault == ""


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM about",
        "UPDATE about SET value = 5 WHERE name = 'role'",
        "DROP TABLE events",
        "DROP TABLE about",
        "ALTER TABLE events RENAME COLUMN body TO bogy",
    ],
)
def test_damaged_tables_are_a_fault_and_not_a_full_disk(tmp_path, damage):
    path = tmp_path / "decide.db"
    written(tmp_path, close=True)
    with sqlite3.connect(path) as database:
        if "value = 5" in damage:
            # Only a flipped bit gets past the column's type.
            database.execute("PRAGMA writable_schema=1")
            database.execute(
                "UPDATE sqlite_master SET sql=replace(sql, 'value TEXT', 'value BLOB')"
            )
    with sqlite3.connect(path) as database:
        database.execute(damage)
    with pytest.raises(JournalError), JournalReader(path, "decide") as reader:
        list(reader.rows())
    journal = Journal.open(path, "decide", DecideEvent)
    assert journal.recovered.fault
    journal.salvage()
    last = journal.seq
    journal.append([entry(last + 1)], 0)
    journal.close()
    again = Journal.open(path, "decide", DecideEvent)
    assert (again.recovered.fault, again.seq) == ("", last + 1)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE events SET crc = -1 WHERE seq = 3",
        "UPDATE events SET crc = 1 << 40 WHERE seq = 3",
        "UPDATE events SET crc = 'x' WHERE seq = 3",
        "UPDATE events SET at_ns = 'x' WHERE seq = 3",
        "UPDATE events SET body = 5.5 WHERE seq = 3",
    ],
)
def test_a_reader_says_what_is_damaged_in_the_first_row_too(tmp_path, damage):
    path = tmp_path / "decide.db"
    written(tmp_path, close=True)
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA writable_schema=1")
        database.execute("UPDATE sqlite_master SET sql=replace(sql, 'body TEXT', 'body ANY')")
    with sqlite3.connect(path) as database:
        database.execute("DELETE FROM events WHERE seq < 3")
        database.execute(damage)
    with JournalReader(path, "decide") as reader, pytest.raises(JournalError):
        list(reader.rows())


@pytest.mark.parametrize("damage", ["mark", "snapshot"])
def test_damage_elsewhere_does_not_lose_the_rows_of_the_emergency_file(tmp_path, damage):
    emergency_of(tmp_path, (13,), (14,))
    path = tmp_path / "decide.db"
    if damage == "mark":
        (tmp_path / "decide.mark").write_bytes(b"x")
    else:
        with sqlite3.connect(path) as database:
            database.execute("UPDATE snapshots SET body = x'00'")
    journal = Journal.open(path, "decide", DecideEvent)
    assert damage in journal.recovered.fault
    assert journal.recovered.events[-2:] == [entry(13).event, entry(14).event]
    journal.salvage()
    journal.append([entry(15)], 0)
    journal.close()
    again = Journal.open(path, "decide", DecideEvent)
    assert (again.recovered.fault, again.seq) == ("", 15)
    assert again.recovered.events[-3:] == [entry(n).event for n in (13, 14, 15)]


def with_a_page_of_rows_marked_as_free(path):
    """The freelist's head in the header points at the root page of the rows."""
    with sqlite3.connect(path) as database:
        (root,) = database.execute(
            "SELECT rootpage FROM sqlite_master WHERE name='events'"
        ).fetchone()
    data = bytearray(path.read_bytes())
    data[32:36] = root.to_bytes(4, "big")
    data[36:40] = (1).to_bytes(4, "big")
    path.write_bytes(data)


def test_a_structure_that_the_next_write_would_destroy_is_a_fault(tmp_path):
    path = tmp_path / "decide.db"
    written(tmp_path, close=True)
    with_a_page_of_rows_marked_as_free(path)
    journal = Journal.open(path, "decide", DecideEvent)
    assert "contradict each other" in journal.recovered.fault
    assert journal.seq == ROWS
    journal.salvage()
    journal.append([entry(ROWS + 1)], 0)
    journal.close()
    again = Journal.open(path, "decide", DecideEvent)
    assert (again.recovered.fault, again.seq) == ("", ROWS + 1)


def test_the_structure_of_a_large_file_is_not_looked_through_at_a_start(tmp_path, monkeypatch):
    from shared.journal import schema

    monkeypatch.setattr(schema, "STRUCTURE_CHECKED_BYTES", 4096)
    path = tmp_path / "decide.db"
    written(tmp_path, close=True)
    with_a_page_of_rows_marked_as_free(path)
    assert Journal.open(path, "decide", DecideEvent).recovered.fault == ""
