"""Backups: consistent while journals are written, proven when unpacked, refused when damaged."""

from __future__ import annotations

import io
import tarfile
import threading

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.effects import Journal as Entry
from shared.errors import JournalError, NotFoundError
from shared.journal.archive import MANIFEST, prove_journal, unpack_archive, write_archive
from shared.journal.journal import Journal
from shared.messages.decision import DecideEvent, RouteMarked


def entry(seq: int) -> Entry:
    return Entry(seq, RouteMarked(seq=seq * 10, at_ns=seq), True)


def journal_of(userdir, rows=5):
    journal = Journal.open(userdir / "data" / "decide.db", "decide", DecideEvent)
    for seq in range(1, rows + 1):
        journal.append([entry(seq)], 0)
    return journal


@pytest.fixture
def userdir(tmp_path):
    folder = tmp_path / "user"
    journal_of(folder).close()
    (folder / "seawall.toml").write_text("# mine\n")
    (folder / "credentials.toml").write_text("secret")
    (folder / "data" / "last_run").write_text("17\n")
    return folder


@pytest.fixture
def archive(userdir, tmp_path):
    target = tmp_path / "backup.tar.gz"
    write_archive(userdir, target, 1_700_000_000, "0.2.0")
    return target


def unpacked(archive, tmp_path):
    folder = tmp_path / "unpacked"
    folder.mkdir()
    return unpack_archive(archive, folder), folder


def test_what_is_unpacked_is_what_was_backed_up(archive, userdir, tmp_path):
    manifest, folder = unpacked(archive, tmp_path)
    held = manifest.held("decide.db")
    assert (held.role, held.seq, manifest.made_at_s) == ("decide", 5, 1_700_000_000)
    assert prove_journal(folder / "decide.db", "decide") == 5
    assert sorted(path.name for path in folder.iterdir()) == [
        "decide.db",
        "last_run",
        "seawall.toml",
    ]
    again = Journal.open(folder / "decide.db", "decide", DecideEvent)
    assert again.recovered.events == [entry(seq).event for seq in range(1, 6)]
    assert again.recovered.fault == ""


def test_no_secret_is_in_it(archive):
    with tarfile.open(archive) as tar:
        assert not [name for name in tar.getnames() if "credential" in name]


def test_a_journal_is_copied_whole_while_it_is_written(tmp_path):
    folder = tmp_path / "user"
    journal = journal_of(folder, rows=1)
    stop = threading.Event()
    ends = []

    def back_up():
        for number in range(8):
            manifest = write_archive(folder, tmp_path / f"{number}.tar.gz", 0, "0")
            ends.append(manifest.held("decide.db").seq)
        stop.set()

    thread = threading.Thread(target=back_up)
    thread.start()
    seq = 1
    while not stop.is_set():
        seq += 1
        journal.append([entry(seq)], 0)
    thread.join()
    assert len(ends) == 8
    assert ends == sorted(ends)
    assert 1 <= ends[0] <= ends[-1] <= seq
    manifest, _ = unpacked(tmp_path / "7.tar.gz", tmp_path)
    assert manifest.held("decide.db").seq == ends[-1]


def test_nothing_to_back_up_and_a_target_that_exists_are_refused(userdir, tmp_path):
    with pytest.raises(NotFoundError, match="no journal"):
        write_archive(tmp_path / "empty", tmp_path / "x", 0, "0")
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(JournalError, match="exists"):
        write_archive(userdir, tmp_path / "taken", 0, "0")
    assert (tmp_path / "taken").read_text() == "mine"


def test_a_damaged_journal_makes_no_backup(userdir, tmp_path):
    path = userdir / "data" / "decide.db"
    data = bytearray(path.read_bytes())
    at = data.rindex(b'"seq":30')
    data[at + 6] ^= 1
    path.write_bytes(data)
    with pytest.raises(JournalError, match="chain"):
        write_archive(userdir, tmp_path / "x.tar.gz", 0, "0")
    assert not list(tmp_path.glob("*x.tar.gz*"))


def rewritten(archive, tmp_path, change):
    """The archive with its members changed by `change(names to contents)`."""
    with tarfile.open(archive) as tar:
        files = {one.name: tar.extractfile(one).read() for one in tar.getmembers()}
    files = change(files) or files
    target = tmp_path / "changed.tar.gz"
    with tarfile.open(target, "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return target


def with_manifest(**changes):
    def change(files):
        manifest = msgspec.json.decode(files[MANIFEST])
        manifest.update(changes)
        files[MANIFEST] = msgspec.json.encode(manifest)

    return change


def without(name):
    return lambda files: {key: value for key, value in files.items() if key != name}


def naming(name):
    def change(files):
        manifest = msgspec.json.decode(files[MANIFEST])
        manifest["files"][0]["name"] = name
        files[MANIFEST] = msgspec.json.encode(manifest)

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (with_manifest(format=2), "format 2"),
        (with_manifest(surprise=1), "surprise"),
        (without(MANIFEST), "not a backup"),
        (without("last_run"), "last_run is missing"),
        (lambda files: {**files, "more": b"x"}, "more files"),
        (lambda files: {**files, "last_run": b"18\n"}, "not what was backed up"),
        (lambda files: {**files, "last_run": b"1800\n"}, "bytes"),
        (naming("../../etc/passwd"), "passwd"),
        (naming("route.db"), "route.db"),
    ],
)
def test_an_archive_that_was_changed_is_refused(archive, tmp_path, change, said):
    with pytest.raises(JournalError, match=said):
        unpacked(rewritten(archive, tmp_path, change), tmp_path)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1 << 20), st.integers(0, 7), st.booleans())
def test_no_damaged_byte_goes_unnoticed(tmp_path_factory, number, bit, cut):
    tmp_path = tmp_path_factory.mktemp("flip")
    folder = tmp_path / "user"
    journal_of(folder, rows=2).close()
    archive = tmp_path / "a.tar.gz"
    write_archive(folder, archive, 0, "0")
    content = bytearray(archive.read_bytes())
    # The ten bytes of gzip's own head (time, system) carry nothing that is unpacked.
    place = 10 + number % (len(content) - 10)
    content[place] ^= 1 << bit
    archive.write_bytes(content[:place] if cut else content)
    try:
        manifest, unpacked_folder = unpacked(archive, tmp_path)
    except (JournalError, NotFoundError):
        return
    assert manifest.held("decide.db").seq == 2
    assert prove_journal(unpacked_folder / "decide.db", "decide") == 2
