"""The journal of one writing process: one commit per turn, rows that are true or refused (L1, L12).

Life: `Journal.open` → `recovered` → `salvage()` when `recovered.fault` → `append` for each turn and
`write_snapshot` now and then → `close`. After a DiskError nothing touches the database again; rows
go to the emergency file by `append_emergency` (L11).
"""

from __future__ import annotations

import contextlib
import sqlite3
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from shared.domain.effects import Journal as JournalEffect
from shared.errors import JournalError, MessageError
from shared.journal import salvage as repair
from shared.journal.emergency import EmergencyFile, Left, continues, read_emergency
from shared.journal.mark import MarkFile, read_mark
from shared.journal.rows import Row, Survey, survey
from shared.journal.schema import (
    CHAIN_START,
    UNREADABLE,
    check_schema,
    connect,
    create,
    is_empty,
    leave_open,
    row_crc,
    snapshot_crc,
    structure_damage,
)
from shared.messages.base import Message, Reader, encode

KEPT_SNAPSHOTS: Final = 2
"""The newest, and one to fall back to when it turns out damaged."""

RETENTION_CHUNK_ROWS: Final = 20_000
"""Old rows dropped with one snapshot at most, so that it never holds up a turn for long."""

WAL_LIMIT_PAGES: Final = 10_000
"""40 MB; `fold_wal` keeps it far below, this is the net under it."""

_INSERT: Final = "INSERT INTO events(seq, type, at_ns, body, crc) VALUES(?, ?, ?, ?, ?)"


class DiskError(JournalError):
    """The disk refused a write. The journal is shut; nothing is tried again (L11)."""


class Recovered(msgspec.Struct, frozen=True):
    """What an actor starts from."""

    snapshot: bytes | None
    events: list[Message]
    seq: int
    """The last row's place; the next one is seq + 1."""
    fault: str
    """What is wrong, empty when nothing is. With a fault, only what is here can be trusted."""


class Journal:
    """The writer; one per file, made sure of by the lock its process holds."""

    def __init__(
        self,
        path: Path,
        role: str,
        connection: sqlite3.Connection,
        found: Survey,
        recovered: Recovered,
    ) -> None:
        self.path = path
        self.recovered = recovered
        self.seq = found.seq
        self.failed = ""
        """Why the disk is not written any more, empty while it is."""
        self.unsaved_rows = 0
        """Rows that not even the emergency file took; they live in this process only."""
        self._unmarked = False
        """Rows came after a DiskError, and the mark does not name the last of them yet."""
        self._role = role
        self._chain = found.chain
        self._found = found
        self._connection = connection
        self._synchronous = ""
        self._mark = MarkFile(mark_path(path))
        self._emergency = EmergencyFile(emergency_path(path))
        self._left_end = 0
        """Where the rows of the emergency file end that this process found."""

    @classmethod
    def open(cls, path: Path, role: str, events: Any, mark: int = 0) -> Journal:
        """Opens or creates the journal of a role and reads it.

        `events` is the union of event types; `mark` the highest sequence a peer has seen. Raises
        JournalError for a file of another program, version or role and for rows of unknown types,
        DiskError when the file cannot be opened for writing.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            repair.finish(path)
            _refuse_no_file(path)
            own_mark = read_mark(mark_path(path))
            left = read_emergency(emergency_path(path))
        except OSError as error:
            raise DiskError(f"{error.filename or path}: {error.strerror}") from error
        connection = connect(path)
        try:
            found = _read(connection, path, role)
        except sqlite3.OperationalError as error:
            connection.close()
            raise DiskError(f"{path}: cannot be written: {error}; is the disk full?") from error
        except JournalError:
            connection.close()
            raise
        reader = Reader(events)
        try:
            journal = cls(path, role, connection, found, _decoded(path, found, reader))
        except OSError as error:
            connection.close()
            raise DiskError(f"{path}: {error}; is the disk full?") from error
        except JournalError:
            connection.close()
            raise
        journal._take_over_emergency(reader, left, mark, own_mark)
        return journal

    @property
    def damaged(self) -> bool:
        """Whether `salvage` must come before anything is written."""
        return bool(self._found.fault)

    def salvage(self) -> None:
        """Puts the damaged file aside as `*.damaged-N` and goes on from what can be trusted.

        Call it only once the fault is latched where it outlives this process. Raises DiskError;
        then rows go to the emergency file, behind what is there, and the next start tries again.
        """
        self._connection.close()
        try:
            repair.rebuild(self.path, self._role, self._found)
            self._connection = connect(self.path)
            self._configure()
            self._mark.renew(self.seq)
        except (sqlite3.Error, OSError) as error:
            # Without even this file, rows are kept in the process: `append_emergency` says so.
            with contextlib.suppress(OSError):
                self._emergency.resume(self._left_end)
            raise self._shut(f"{self.path}: {error}") from error
        self._found = msgspec.structs.replace(self._found, fault="")
        self._reserve()

    def append(self, entries: Sequence[JournalEffect], now_ns: int) -> None:
        """Writes a turn's events in one commit, power-safe if one of them asks for it (L1).

        Raises DiskError once the disk refuses, JournalError when a sequence is not the next one.
        """
        if self.failed:
            raise DiskError(self.failed)
        if self._found.fault:
            raise JournalError(f"{self.path}: {self._found.fault}; not salvaged")
        rows = self._rows(entries, now_ns)
        durable = any(entry.durable for entry in entries)
        self._commit([(_INSERT, _columns(row)) for row in rows], durable=durable)
        self.seq, self._chain = rows[-1].seq, rows[-1].crc
        if durable:
            self._set_mark()

    def append_emergency(self, entries: Sequence[JournalEffect], now_ns: int) -> bool:
        """Keeps a turn's events after a DiskError: in the reserve, or, when that is used up too, in
        this process only (then False). Never raises for the disk."""
        rows = self._rows(entries, now_ns)
        self.seq, self._chain = rows[-1].seq, rows[-1].crc
        kept = self.unsaved_rows == 0
        if kept:
            try:
                self._emergency.write(rows)
            except OSError:
                kept = False
        if not kept:
            self.unsaved_rows += len(rows)
        self._unmarked = True
        self.mark_unsaved()
        return kept

    def mark_unsaved(self) -> None:
        """Marks the last row, also one that this process alone holds: the next start then finds
        that it is missing (L12). Does nothing once that is done; while the disk refuses even this,
        call it again from time to time. Never raises for the disk, and never waits for it."""
        # A mark that shows what was lost stands until a salvage has gone well.
        if not self._unmarked or self._found.fault:
            return
        with contextlib.suppress(OSError):
            self._mark.set(self.seq)
            self._unmarked = False

    def write_snapshot(self, body: bytes, keep_rows: int) -> None:
        """Stores the state after the last row, and drops rows that lie further back than keep_rows
        behind the older kept snapshot. Raises DiskError."""
        if self.failed or self._found.fault:
            raise DiskError(self.failed or f"{self.path}: {self._found.fault}; not salvaged")
        crc = snapshot_crc(self.seq, self._chain, body)
        self._commit(
            [
                (
                    "INSERT OR REPLACE INTO snapshots VALUES(?, ?, ?, ?)",
                    (self.seq, body, self._chain, crc),
                ),
                (
                    "DELETE FROM snapshots WHERE seq NOT IN "
                    f"(SELECT seq FROM snapshots ORDER BY seq DESC LIMIT {KEPT_SNAPSHOTS})",
                    (),
                ),
                (
                    "DELETE FROM events WHERE seq < (SELECT min(seq) FROM snapshots) - ? "
                    "AND seq < (SELECT min(seq) FROM events) + ?",
                    (keep_rows, RETENTION_CHUNK_ROWS),
                ),
            ],
            durable=True,
        )
        self._set_mark()

    def close(self) -> None:
        """Closes the file; everything appended is in it. One that failed is left to the kernel."""
        if self.failed:
            leave_open(self._connection)
        else:
            self._connection.close()
        self._mark.close()
        self._emergency.close()

    def _take_over_emergency(
        self, reader: Reader, left: Left, mark: int, own_mark: int | None
    ) -> None:
        """Appends what the emergency file holds beyond the last row, then reserves it anew.

        A row that is still missing then although it was marked is lost: by a peer, or by this
        journal itself (None for a mark that cannot be read). While the disk still takes nothing,
        the rows stay where they are and more may follow."""
        self._left_end = left.end
        extra, broken = self._continuing(left.rows)
        last = self.seq + len(extra)
        seen = max(mark, own_mark or 0)
        faults = (
            self._found.fault,
            broken,
            f"the emergency file is damaged behind row {last}" if left.damaged else "",
            f"ends at row {last}, but row {seen} was seen" if last < seen else "",
            f"{self._mark.path.name} is damaged" if own_mark is None else "",
        )
        fault = next(filter(None, faults), "")
        if fault:
            self._distrust(extra, fault, reader)
            return
        self._configure()
        if extra:
            events = [_event(self.path, reader, row) for row in extra]
            try:
                self._commit([(_INSERT, _columns(row)) for row in extra], durable=True)
                self.seq, self._chain = last, extra[-1].crc
                self._set_mark()
            except DiskError as error:
                cause = error.__cause__
                if isinstance(cause, sqlite3.Error) and _is_damage(cause):
                    self.failed = ""
                    self._distrust(extra, f"cannot be written: {cause}", reader)
                    return
                fault = f"disk: {error}"
                self.seq, self._chain = last, extra[-1].crc
            self.recovered = msgspec.structs.replace(
                self.recovered, events=[*self.recovered.events, *events], seq=last, fault=fault
            )
            if fault:
                self._emergency.resume(left.end)
                return
        self._reserve()

    def _continuing(self, rows: list[Row]) -> tuple[list[Row], str]:
        """The rows that follow on the last one, and what is wrong with the first that does not.

        Behind rows that do not, there may be some that do: those of a process that had found them
        there, and whose salvage the disk refused."""
        extra: list[Row] = []
        broken = ""
        for row in rows:
            if row.seq <= self.seq:
                continue
            previous = extra[-1].crc if extra else self._chain
            if row.seq == self.seq + len(extra) + 1 and continues(row, previous):
                extra.append(row)
            elif not broken:
                broken = f"row {row.seq} of the emergency file does not continue the journal"
        return extra, broken

    def _distrust(self, extra: list[Row], fault: str, reader: Reader) -> None:
        """Something is missing: what is here, with rows of the emergency file, is what remains."""
        found = self._found
        rows = [*found.rows, *extra]
        if extra:
            self.seq, self._chain = extra[-1].seq, extra[-1].crc
        self._found = msgspec.structs.replace(
            found, rows=rows, seq=self.seq, chain=self._chain, fault=fault
        )
        self.recovered = _decoded(self.path, self._found, reader)

    def _reserve(self) -> None:
        """A disk that cannot hold the reserve is full: a fault, but rows may still find room."""
        try:
            self._emergency.reserve()
        except OSError as error:
            fault = f"no room for {self._emergency.path.name}: {error.strerror}"
            self.recovered = msgspec.structs.replace(
                self.recovered, fault=self.recovered.fault or fault
            )

    def _configure(self) -> None:
        self._connection.execute(f"PRAGMA wal_autocheckpoint={WAL_LIMIT_PAGES}")

    def _rows(self, entries: Sequence[JournalEffect], now_ns: int) -> list[Row]:
        seq, chain = self.seq, self._chain
        rows: list[Row] = []
        for entry in entries:
            if entry.seq != seq + 1:
                raise JournalError(f"{self.path}: row {entry.seq} after row {seq}")
            event = entry.event
            kind = str(type(event).__struct_config__.tag)
            at_ns: int = getattr(event, "at_ns", now_ns)
            body = encode(event)
            seq, chain = entry.seq, row_crc(chain, entry.seq, kind.encode(), at_ns, body)
            rows.append(Row(seq, kind, at_ns, body, chain))
        if not rows:
            raise JournalError(f"{self.path}: nothing to append")
        return rows

    def _commit(self, statements: list[tuple[str, tuple[Any, ...]]], *, durable: bool) -> None:
        execute = self._connection.execute
        synchronous = "FULL" if durable else "NORMAL"
        try:
            if synchronous != self._synchronous:
                execute(f"PRAGMA synchronous={synchronous}")
                self._synchronous = synchronous
            execute("BEGIN IMMEDIATE")
            for statement, values in statements:
                execute(statement, values)
            execute("COMMIT")
        except sqlite3.Error as error:
            raise self._shut(f"{self.path}: {error}") from error

    def _set_mark(self) -> None:
        try:
            self._mark.set(self.seq)
        except OSError as error:
            raise self._shut(f"{mark_path(self.path)}: {error}") from error

    def _shut(self, reason: str) -> DiskError:
        self.failed = reason
        return DiskError(reason)


def _refuse_no_file(path: Path) -> None:
    """Raises JournalError for anything in a journal's place that is no file: SQLite would follow a
    link into a device, and wait at a pipe for ever."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        raise JournalError(f"{path}: not a regular file")


def mark_path(path: Path) -> Path:
    """The mark beside a journal."""
    return path.with_suffix(".mark")


def emergency_path(path: Path) -> Path:
    """The emergency file beside a journal."""
    return path.with_suffix(".emergency")


def fold_wal(path: Path) -> None:
    """Moves the write-ahead log into the database on a connection of its own, for a helper thread:
    the writer goes on meanwhile. Raises DiskError."""
    connection = connect(path)
    try:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    except sqlite3.Error as error:
        leave_open(connection)
        raise DiskError(f"{path}: {error}") from error
    connection.close()


def _read(connection: sqlite3.Connection, path: Path, role: str) -> Survey:
    """The survey of an open file; a file that SQLite cannot read at all is an empty, faulty one."""
    try:
        if is_empty(connection):
            create(connection, role)
        damage = check_schema(connection, path, role)
        found = survey(connection)
        fault = found.fault or damage or structure_damage(connection)
        return msgspec.structs.replace(found, fault=fault)
    except UNREADABLE as error:
        if isinstance(error, sqlite3.OperationalError) and not _is_damage(error):
            raise
        return Survey(None, [], 0, CHAIN_START, f"cannot be read: {error}")


def _is_damage(error: sqlite3.Error) -> bool:
    """Whether the file is at fault and not the disk: its pages, or the tables they describe."""
    if isinstance(error, sqlite3.OperationalError):
        return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR
    return True


def _columns(row: Row) -> tuple[int, str, int, str, int]:
    return (row.seq, row.type, row.at_ns, row.body.decode(), row.crc)


def _event(path: Path, reader: Reader, row: Row) -> Message:
    try:
        event: Message = reader.read(row.body)
    except MessageError as error:
        raise JournalError(
            f"{path}: row {row.seq} is whole, but of no known type: {error}"
        ) from error
    return event


def _decoded(path: Path, found: Survey, reader: Reader) -> Recovered:
    return Recovered(
        found.snapshot.body if found.snapshot else None,
        [_event(path, reader, row) for row in found.rows],
        found.seq,
        found.fault,
    )
