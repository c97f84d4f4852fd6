"""A backup: consistent copies of all journals in one archive, each proven by its own chain (L12).

Journals are copied while their processes write, readers before what they read: decide and protect,
then route, then the local venue. So no copy of a reader knows more than the copy of its source.
Secrets are never part of it.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import sqlite3
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from shared.errors import JournalError, NotFoundError
from shared.journal.emergency import read_emergency
from shared.journal.reader import JournalReader
from shared.journal.schema import connect
from shared.messages.base import NOT_JSON

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
SETTINGS: Final = "seawall.toml"
JOURNALS: Final = {"decide.db": "decide", "protect.db": "protect", "route.db": "route"}
"""File → role, in the order in which they are copied."""
VENUE: Final = "venue.db"
TEXTS: Final = ("last_run", "operator", "KILL", "venue.port")
FILE_MAX: Final = 1 << 36
"""64 GiB: a manifest that says more is no backup of ours."""

_UNREADABLE: Final = (
    tarfile.TarError,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    OverflowError,  # a size that no file has
)


class Held(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file of an archive."""

    name: str
    bytes: int
    sha256: str
    role: str = ""
    """Whose journal it is; empty for other files."""
    seq: int = 0
    """The journal's last row."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an archive holds; its first member."""

    format: int
    made_at_s: int
    """UTC, seconds."""
    version: str
    files: tuple[Held, ...]

    def held(self, name: str) -> Held | None:
        """The entry of a file."""
        return next((one for one in self.files if one.name == name), None)


def write_archive(userdir: Path, target: Path, made_at_s: int, version: str) -> Manifest:
    """Copies the user folder's journals, notes and settings into target, in one step.

    Raises NotFoundError when there is no journal, JournalError for a damaged one or a target that
    exists or cannot be written."""
    data = userdir / "data"
    if not any((data / name).is_file() for name in JOURNALS):
        raise NotFoundError(f"{data}: no journal to back up")
    if os.path.lexists(target):
        raise JournalError(f"{target} exists; choose another name")
    partial = target.with_name(f".{target.name}.partial")
    try:
        with tempfile.TemporaryDirectory(dir=target.absolute().parent) as folder:
            manifest = Manifest(
                format=FORMAT,
                made_at_s=made_at_s,
                version=version,
                files=tuple(_gather(userdir, Path(folder))),
            )
            with (
                _replacing(partial, target) as file,
                tarfile.open(fileobj=file, mode="w:gz") as tar,
            ):
                _add(tar, MANIFEST, msgspec.json.encode(manifest))
                for held in manifest.files:
                    tar.add(Path(folder) / held.name, arcname=held.name, filter=_anonymous)
    except (OSError, sqlite3.Error) as error:
        raise JournalError(f"{target}: cannot be written: {error}") from error
    return manifest


def unpack_archive(source: Path, folder: Path) -> Manifest:
    """Unpacks source into an empty folder and proves every file of it.

    Raises NotFoundError when there is none, JournalError, naming the file, for anything that is not
    exactly what `write_archive` made."""
    if not source.is_file():
        raise NotFoundError(f"{source}: no such file")
    try:
        with tarfile.open(source, mode="r:gz") as tar:
            first = tar.next()
            if first is None or first.name != MANIFEST or first.size > 1 << 20:
                raise JournalError(f"{source}: not a backup of this program")
            manifest = _manifest(source, _content(tar, first))
            for held in manifest.files:
                member = tar.next()
                if member is None or member.name != held.name or not member.isreg():
                    raise JournalError(f"{source}: {held.name} is missing or out of place")
                _unpack(source, tar, member, held, folder / held.name)
            if tar.next() is not None:
                raise JournalError(f"{source}: more files than its manifest names")
    except _UNREADABLE as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise JournalError(f"{error.filename}: {error.strerror}") from error
        raise JournalError(f"{source}: damaged, or not a backup: {error}") from error
    for held in manifest.files:
        if held.role and prove_journal(folder / held.name, held.role) != held.seq:
            raise JournalError(f"{source}: {held.name} does not end at row {held.seq}")
    return manifest


def prove_journal(path: Path, role: str) -> int:
    """The last row of a journal whose whole chain holds. Raises JournalError."""
    with JournalReader(path, role) as reader:
        for _ in reader.rows():
            pass
        snapshot = reader.snapshot()
        return max(reader.last_seq(), snapshot.seq if snapshot else 0)


def _gather(userdir: Path, folder: Path) -> Iterator[Held]:
    """Copies everything into folder and describes it."""
    data = userdir / "data"
    for name, role in JOURNALS.items():
        if (data / name).is_file():
            _copy_database(data / name, folder / name)
            seq = prove_journal(folder / name, role)
            left = read_emergency((data / name).with_suffix(".emergency")).rows
            if left and left[-1].seq > seq:
                raise JournalError(
                    f"{data / name}: rows {seq + 1} to {left[-1].seq} are still in the emergency "
                    "file; restart the engine on a healthy disk first"
                )
            yield _held(folder / name, role, seq)
    if (data / VENUE).is_file():
        _copy_database(data / VENUE, folder / VENUE)
        yield _held(folder / VENUE)
    for path in (*(data / name for name in TEXTS), userdir / SETTINGS):
        if path.is_file():
            (folder / path.name).write_bytes(path.read_bytes())
            yield _held(folder / path.name)


def _copy_database(source: Path, copy: Path) -> None:
    """One consistent moment of a database that may be written meanwhile."""
    reading = connect(source, read_only=True)
    try:
        writing = sqlite3.connect(copy)
        try:
            reading.backup(writing)
            # The copy is one file: it takes no log with it into the archive.
            writing.execute("PRAGMA journal_mode=DELETE")
        finally:
            writing.close()
    finally:
        reading.close()


def _held(path: Path, role: str = "", seq: int = 0) -> Held:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Held(name=path.name, bytes=path.stat().st_size, sha256=digest, role=role, seq=seq)


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    member.mode = 0o600
    tar.addfile(member, io.BytesIO(content))


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o600
    return member


@contextlib.contextmanager
def _replacing(partial: Path, target: Path) -> Iterator[io.BufferedWriter]:
    """A file that appears under its name only when it is complete and on the disk."""
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def _manifest(source: Path, content: bytes) -> Manifest:
    try:
        manifest = msgspec.json.decode(content, type=Manifest)
    except NOT_JSON as error:
        raise JournalError(f"{source}: {MANIFEST}: {error}") from error
    if manifest.format != FORMAT:
        raise JournalError(
            f"{source}: format {manifest.format}, this program reads {FORMAT}; "
            f"it was made by seawall {manifest.version}"
        )
    allowed = {*JOURNALS, VENUE, *TEXTS, SETTINGS}
    names = [held.name for held in manifest.files]
    wrong = [name for name in names if name not in allowed or names.count(name) > 1]
    if wrong:
        raise JournalError(f"{source}: {MANIFEST} names {wrong[0]!r}, which no backup holds so")
    for held in manifest.files:
        if held.role != JOURNALS.get(held.name, "") or not 0 <= held.bytes <= FILE_MAX:
            raise JournalError(f"{source}: {MANIFEST}: {held.name} cannot be {held}")
    return manifest


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    return b"" if file is None else file.read()


def _unpack(
    source: Path, tar: tarfile.TarFile, member: tarfile.TarInfo, held: Held, path: Path
) -> None:
    file = tar.extractfile(member)
    if file is None or member.size != held.bytes:
        raise JournalError(f"{source}: {held.name} has {member.size} bytes, not {held.bytes}")
    digest = hashlib.sha256()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
            out.write(chunk)
        out.flush()
        os.fsync(out.fileno())
    if digest.hexdigest() != held.sha256:
        raise JournalError(f"{source}: {held.name} is not what was backed up")
