"""Restoring: the old data are kept, run ids never repeat, the engine starts latched, and a kill on
the way refuses a start until the restore is repeated."""

from __future__ import annotations

import os

import pytest

from procs.supervise import restoring
from procs.supervise.restoring import refuse_half_restored, restore
from procs.supervise.rundir import UserPaths, read_latch, take_engine_lock
from shared.domain.effects import Journal as Entry
from shared.errors import JournalError, NotFoundError, SeawallError
from shared.journal.archive import write_archive
from shared.journal.journal import Journal
from shared.messages.decision import DecideEvent, RouteMarked


def write(userdir, rows):
    journal = Journal.open(userdir / "data" / "decide.db", "decide", DecideEvent)
    for seq in range(journal.seq + 1, rows + 1):
        journal.append([Entry(seq, RouteMarked(seq=seq, at_ns=seq), True)], 0)
    journal.close()


def rows_of(userdir):
    journal = Journal.open(userdir / "data" / "decide.db", "decide", DecideEvent)
    journal.close()
    assert journal.recovered.fault == ""
    return journal.seq


@pytest.fixture
def paths(tmp_path):
    paths = UserPaths(tmp_path / "user")
    paths.make()
    write(paths.userdir, 3)
    paths.last_run.write_text("100\n")
    (paths.userdir / "seawall.toml").write_text("# then\n")
    return paths


@pytest.fixture
def archive(paths, tmp_path):
    target = tmp_path / "backup.tar.gz"
    write_archive(paths.userdir, target, 0, "0")
    return target


def test_the_backup_comes_back_and_the_old_data_are_kept(paths, archive):
    write(paths.userdir, 7)
    paths.last_run.write_text("900\n")
    (paths.userdir / "seawall.toml").write_text("# now\n")
    done = restore(paths, archive)
    assert rows_of(paths.userdir) == 3
    assert paths.last_run.read_text() == "900\n"
    assert "restored from backup.tar.gz" in read_latch(paths.latch)
    assert (done.kept / "decide.db").exists()
    assert done.settings == paths.userdir / "seawall.toml.restored"
    assert (paths.userdir / "seawall.toml").read_text() == "# now\n"
    refuse_half_restored(paths)


def test_it_comes_back_into_an_empty_folder_too(archive, tmp_path):
    paths = UserPaths(tmp_path / "new")
    done = restore(paths, archive)
    assert (done.kept, rows_of(paths.userdir)) == (None, 3)
    assert (paths.userdir / "seawall.toml").read_text() == "# then\n"


def test_a_running_engine_is_left_alone(paths, archive):
    lock = take_engine_lock(paths)
    try:
        with pytest.raises(SeawallError, match="already runs"):
            restore(paths, archive)
    finally:
        lock.release()
    assert rows_of(paths.userdir) == 3
    assert read_latch(paths.latch) == ""


def test_a_bad_archive_touches_nothing(paths, archive, tmp_path):
    archive.write_bytes(archive.read_bytes()[:-40])
    with pytest.raises(JournalError):
        restore(paths, archive)
    with pytest.raises(NotFoundError):
        restore(paths, tmp_path / "nowhere")
    assert rows_of(paths.userdir) == 3
    assert sorted(path.name for path in paths.userdir.iterdir()) == [
        "data",
        "logs",
        "reports",
        "run",
        "seawall.toml",
    ]


class Killed(BaseException):
    """Stands for kill -9: nothing after it runs."""


@pytest.mark.parametrize("at", range(1, 7))
def test_a_kill_on_the_way_refuses_a_start_or_left_one_of_the_two(paths, archive, at, monkeypatch):
    """The steps that change names or sync are counted, and the N-th one does not happen."""
    write(paths.userdir, 7)
    calls = 0
    replace = os.replace
    fsync = restoring._sync

    def step(real):
        def counted(*arguments):
            nonlocal calls
            calls += 1
            if calls == at:
                raise Killed
            real(*arguments)

        return counted

    monkeypatch.setattr(restoring.os, "replace", step(replace))
    monkeypatch.setattr(restoring, "_sync", step(fsync))
    with pytest.raises(Killed):
        restore(paths, archive)
    monkeypatch.undo()
    if not (paths.userdir / restoring.MARK).exists():
        assert rows_of(paths.userdir) == 7
        return
    with pytest.raises(SeawallError, match="repeat `seawall restore`"):
        refuse_half_restored(paths)
    restore(paths, archive)
    assert rows_of(paths.userdir) == 3
    refuse_half_restored(paths)
