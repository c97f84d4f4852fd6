"""The disks of a simulated machine, and journals in memory that behave as the real ones do on them.

A commit stays or never was: SQLite leaves no half of one. What is modelled is what can be told from
outside: a disk that refuses, the emergency file, the mark beside a journal, rows that a power cut
takes back because nobody waited for them (L1, L11, L12).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from shared.domain.effects import Journal as JournalEffect
from shared.journal.journal import DiskError, Recovered
from shared.messages.base import Message, Reader, encode

RESERVED_ROWS: Final = 10_000
"""What the emergency file holds."""

Refusal = Callable[[str], str]
"""Asked before a write to `journal`, `mark`, `emergency` or `reserve`: why not, or empty. `mark
again` is a mark for rows that the disk has refused: no occasion for a new fault."""


class RowReader:
    """Reads rows of a journal; one that was read before is the same frozen event again.

    Each death and each start reads the whole journal, and most of it has been read already."""

    def __init__(self, kind: Any) -> None:
        self._reader = Reader(kind)
        self._known: dict[bytes, Message] = {}

    def read(self, row: bytes) -> Message:
        """The event in a row. Raises MessageError."""
        event = self._known.get(row)
        if event is None:
            event = self._known[row] = self._reader.read(row)
        return event


class Disk:
    """One role's files; they outlive its processes."""

    def __init__(self) -> None:
        self.rows: list[bytes] = []
        """Committed rows: each survives kill -9."""
        self.emergency: list[bytes] = []
        """Rows behind the last committed one."""
        self.continued = 0
        """The committed row that the emergency file stands behind."""
        self.stranded = 0
        """The row behind which rows of the emergency file stand that follow on nothing; 0 for none.
        They stay there until a salvage puts the file aside."""
        self.synced = 0
        """Rows whose commit waited for the disk."""
        self.mark = 0
        """The highest row that was promised to survive a power cut."""
        self.unsaved: list[bytes] = []
        """Rows that only the process holds: even the emergency file refused them (L11)."""

    @property
    def known(self) -> list[bytes]:
        """Every row that the living process goes by."""
        if not self.emergency and not self.unsaved:
            return self.rows
        return [*self.rows, *self.emergency, *self.unsaved]

    def cut_power(self, keep_rows: int) -> None:
        """Rows that nobody waited for may be gone; what the mark names is not.

        What is left is on the disk: the next cut does not take it."""
        del self.rows[max(keep_rows, self.mark, self.synced, 0) :]
        self.synced = len(self.rows)

    def lose(self, keep_rows: int, *, with_mark: bool) -> None:
        """Only a part of the journal is there; its mark tells, unless that is gone too."""
        del self.rows[keep_rows:]
        self.synced = min(self.synced, keep_rows)
        self._lose_emergency()
        if with_mark:
            self.mark = min(self.mark, keep_rows)

    def cut_back(self, keep_rows: int) -> None:
        """Other files stand in place of these, as after a restore: the mark is theirs."""
        del self.rows[keep_rows:]
        self.synced = min(self.synced, keep_rows)
        self._lose_emergency()
        self.mark = min(self.mark, len(self.rows))

    def strand(self) -> None:
        """The chain of checksums shows whether rows are missing between the two files."""
        if self.emergency and len(self.rows) < self.continued:
            self.emergency.clear()
            self.stranded = self.continued

    def _lose_emergency(self) -> None:
        self.emergency.clear()
        self.stranded = 0


class MemoryJournal:
    """A journal on a `Disk`; see `shared.journal.journal.Journal`, whose contract this is."""

    def __init__(self, disk: Disk, reader: RowReader, refusal: Refusal) -> None:
        self.failed = ""
        self.unsaved_rows = 0
        self.damaged = False
        self._unmarked = False
        self._disk = disk
        self._refusal = refusal
        disk.strand()
        kept = [*disk.rows, *disk.emergency]
        self.seq = len(kept)
        events: list[Message] = [reader.read(row) for row in kept]
        self.recovered = Recovered(None, events, self.seq, self._take_over())

    def salvage(self) -> None:
        """What can be trusted goes into a new journal. Raises DiskError."""
        self._may("journal")
        disk = self._disk
        disk.rows += disk.emergency
        disk.emergency.clear()
        disk.stranded = 0
        disk.synced = self.seq
        self._set_mark()
        self.damaged = False

    def append(self, entries: Sequence[JournalEffect], now_ns: int) -> None:
        """One commit. Raises DiskError."""
        if self.failed:
            raise DiskError(self.failed)
        rows = self._written(entries)
        self._may("journal")
        self._disk.rows += rows
        self.seq += len(rows)
        if any(entry.durable for entry in entries):
            self._disk.synced = self.seq
            self._set_mark()

    def append_emergency(self, entries: Sequence[JournalEffect], now_ns: int) -> bool:
        """Keeps rows in the reserve, or in this process."""
        rows = self._written(entries)
        self.seq += len(rows)
        disk = self._disk
        full = len(disk.emergency) + len(rows) > RESERVED_ROWS
        kept = self.unsaved_rows == 0 and not full and not self._refusal("emergency")
        if kept:
            if not disk.emergency:
                disk.continued = len(disk.rows)
            disk.emergency += rows
        else:
            self.unsaved_rows += len(rows)
            disk.unsaved += rows
        self._unmarked = True
        if not kept or self.damaged or not self._refusal("mark"):
            self.mark_unsaved()
        return kept

    def mark_unsaved(self) -> None:
        """The mark names the last row, wherever that is."""
        if self._unmarked and not self.damaged and not self._refusal("mark again"):
            self._disk.mark = self.seq
            self._unmarked = False

    def write_snapshot(self, body: bytes, keep_rows: int) -> None:
        """Stores nothing: a start folds all rows. Raises DiskError."""
        if self.failed:
            raise DiskError(self.failed)
        self._may("journal")
        self._set_mark()

    def _take_over(self) -> str:
        """Rows of the emergency file join the journal; returns what is wrong."""
        disk = self._disk
        if self.seq < disk.mark:
            self.damaged = True
            return f"ends at row {self.seq}, but row {disk.mark} was seen"
        if disk.stranded:
            self.damaged = True
            return f"ends at row {self.seq}, the emergency file begins behind row {disk.stranded}"
        if disk.emergency:
            refused = self._refusal("journal")
            if refused:
                self.failed = refused
                return f"disk: {refused}"
            disk.rows += disk.emergency
            disk.emergency.clear()
            disk.synced = self.seq
            refused = self._refusal("mark")
            if refused:
                self.failed = refused
                return f"disk: {refused}"
            disk.mark = self.seq
        refused = self._refusal("reserve")
        return f"no room for the emergency file: {refused}" if refused else ""

    def _written(self, entries: Sequence[JournalEffect]) -> list[bytes]:
        for place, entry in enumerate(entries, self.seq + 1):
            assert entry.seq == place, f"row {entry.seq} in place {place}"
        return [encode(entry.event) for entry in entries]

    def _may(self, what: str) -> None:
        refused = self._refusal(what)
        if refused:
            self.failed = refused
            raise DiskError(refused)

    def _set_mark(self) -> None:
        self._may("mark")
        self._disk.mark = self.seq
