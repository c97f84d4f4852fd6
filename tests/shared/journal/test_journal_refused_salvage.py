"""A journal that is damaged on a disk that refuses: rows are kept in the reserve (L11, L12)."""

from __future__ import annotations

import os
import sqlite3

import pytest

from shared.domain.effects import Journal as Entry
from shared.journal import emergency, salvage
from shared.journal.journal import DiskError, Journal, emergency_path
from shared.messages.decision import DecideEvent, RouteMarked


def entry(seq: int, at_ns: int = 0, *, durable: bool = True) -> Entry:
    return Entry(seq, RouteMarked(seq=seq, at_ns=at_ns or seq), durable)


def opened(path) -> Journal:
    return Journal.open(path, "decide", DecideEvent)


def told(journal) -> list[int]:
    return [event.at_ns for event in journal.recovered.events]


@pytest.fixture(autouse=True)
def _small_reserve(monkeypatch):
    monkeypatch.setattr(emergency, "RESERVED_BYTES", 4096)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "decide.db"


@pytest.fixture
def refusing():
    """Salvages fail while this is entered."""

    def rebuild(*_):
        raise OSError(5, "Input/output error")

    patch = pytest.MonkeyPatch()

    class Refusing:
        def __enter__(self):
            patch.setattr(salvage, "rebuild", rebuild)

        def __exit__(self, *_):
            patch.undo()

    return Refusing()


def in_reserve(path, *, rows: int, reserved: int) -> None:
    """A journal of some rows, and more of them in the reserve because its disk refused."""
    journal = opened(path)
    for seq in range(1, rows + 1):
        journal.append([entry(seq)], 0)
    journal.failed = "disk I/O error"
    for seq in range(rows + 1, rows + reserved + 1):
        assert journal.append_emergency([entry(seq)], 0)
    journal.close()


def lose(path, behind: int) -> None:
    """What a power cut does to rows that nobody waited for."""
    with sqlite3.connect(path) as database:
        database.execute("DELETE FROM events WHERE seq > ?", (behind,))


def salvage_is_refused(journal) -> None:
    with pytest.raises(DiskError, match="Input/output error"):
        journal.salvage()


def test_rows_behind_a_refused_salvage_survive_the_process(path, refusing):
    """L11: found by a simulated route that forgot all that it did after such a start."""
    in_reserve(path, rows=6, reserved=3)
    lose(path, behind=4)
    with refusing:
        for first in (5, 7, 9):
            journal = opened(path)
            assert "row 7 of the emergency file does not continue" in journal.recovered.fault
            assert told(journal) == [1, 2, 3, 4, *range(50, first * 10, 10)]
            salvage_is_refused(journal)
            assert journal.append_emergency([entry(first, first * 10)], 0)
            assert journal.append_emergency([entry(first + 1, first * 10 + 10)], 0)
            assert journal.unsaved_rows == 0
            journal.close()
    journal = opened(path)
    everything = [1, 2, 3, 4, 50, 60, 70, 80, 90, 100]
    assert told(journal) == everything
    assert journal.damaged
    journal.salvage()
    journal.append([entry(11, 110)], 0)
    journal.close()
    again = opened(path)
    assert (told(again), again.recovered.fault) == ([*everything, 110], "")
    evidence = path.with_name("decide.db.damaged-1.emergency").read_bytes()
    assert b'"at_ns":7,' in evidence
    again.close()


def test_rows_that_follow_stay_when_the_salvage_is_refused(path, refusing):
    """Damage elsewhere: the rows of the reserve are good, and more come behind them."""
    in_reserve(path, rows=4, reserved=2)
    path.with_suffix(".mark").write_bytes(b"x")
    with refusing:
        journal = opened(path)
        salvage_is_refused(journal)
        assert journal.append_emergency([entry(7)], 0)
        journal.close()
    again = opened(path)
    assert told(again) == [1, 2, 3, 4, 5, 6, 7]
    assert again.recovered.fault == "decide.mark is damaged"
    again.close()


def test_a_fault_is_told_again_until_a_salvage_went_well(path, refusing):
    """L12: rows that are written meanwhile do not hide what the mark shows to be lost."""
    in_reserve(path, rows=6, reserved=0)
    lose(path, behind=3)
    with refusing:
        journal = opened(path)
        assert journal.recovered.fault == "ends at row 3, but row 6 was seen"
        salvage_is_refused(journal)
        assert journal.append_emergency([entry(4, 40)], 0)
        journal.close()
    again = opened(path)
    assert (told(again), again.recovered.fault) == (
        [1, 2, 3, 40],
        "ends at row 4, but row 6 was seen",
    )
    again.close()


def test_a_reserve_that_is_gone_is_begun_anew(path, refusing):
    in_reserve(path, rows=6, reserved=0)
    lose(path, behind=3)
    emergency_path(path).unlink()
    with refusing:
        journal = opened(path)
        salvage_is_refused(journal)
        assert journal.append_emergency([entry(4, 40)], 0)
        journal.close()
    again = opened(path)
    assert told(again) == [1, 2, 3, 40]
    again.close()


@pytest.mark.parametrize("renames", range(1, 5))
def test_a_salvage_that_is_refused_half_way_loses_no_later_row(path, monkeypatch, renames):
    """A disk that refuses one of the renames: the next start goes on from where they ended."""
    in_reserve(path, rows=6, reserved=3)
    lose(path, behind=4)
    replace, done = os.replace, []

    def replacing(source, target):
        done.append(target)
        if len(done) >= renames:
            raise OSError(5, "Input/output error")
        replace(source, target)

    journal = opened(path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replacing)
        salvage_is_refused(journal)
    assert len(done) == renames
    assert journal.append_emergency([entry(5, 50), entry(6, 60)], 0)
    journal.close()
    again = opened(path)
    assert told(again) == [1, 2, 3, 4, 50, 60]
    assert "row 7 of the emergency file does not continue" in again.recovered.fault
    again.salvage()
    again.append([entry(7, 70)], 0)
    again.close()
    last = opened(path)
    assert (told(last), last.recovered.fault) == ([1, 2, 3, 4, 50, 60, 70], "")
    last.close()


def test_without_any_reserve_rows_stay_in_the_process_and_are_counted(path, refusing, monkeypatch):
    in_reserve(path, rows=6, reserved=3)
    lose(path, behind=4)

    def resume(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(emergency.EmergencyFile, "resume", resume)
    with refusing:
        journal = opened(path)
        salvage_is_refused(journal)
    assert not journal.append_emergency([entry(5, 50)], 0)
    assert journal.unsaved_rows == 1
    journal.close()
