"""Reading a journal from outside, while its process runs or not: for `why`, reports and tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from shared.errors import JournalError, NotFoundError
from shared.journal.rows import Row, Snapshot, SQLiteRow, newest_snapshot, walk
from shared.journal.schema import CHAIN_START, UNREADABLE, check_schema, connect

PAGE_ROWS = 500
"""Rows read in one short transaction: a long one would keep the writer's log from shrinking."""


class JournalReader:
    """A read-only view. It never blocks the writer and never writes."""

    def __init__(self, path: Path, role: str = "") -> None:
        """Opens the journal at path; with role, refuses another role's.

        Raises NotFoundError when there is none, JournalError when it is not one.
        """
        if not path.is_file():
            raise NotFoundError(f"{path}: no journal")
        self.path = path
        self._connection = connect(path, read_only=True)
        try:
            damage = check_schema(self._connection, path, role)
            if damage:
                raise JournalError(f"{path}: {damage}")
        except UNREADABLE as error:
            self._connection.close()
            raise JournalError(f"{path}: {error}") from error
        except JournalError:
            self._connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def rows(self, after: int = 0) -> Iterator[Row]:
        """Rows after a place, in order, each checked against the one before.

        The first row kept by retention has nothing to be checked against. Raises JournalError at
        the first wrong row.
        """
        first = self._number("SELECT min(seq) FROM events WHERE seq > ?", after)
        if first is None:
            return
        place = first - 1
        previous = self._number("SELECT crc FROM events WHERE seq=?", place)
        if previous is None and place > 0:
            row = self._row(first)
            yield row
            place, previous = row.seq, row.crc
        chain = CHAIN_START if previous is None else previous
        if not 0 <= chain < 1 << 32:
            raise JournalError(f"{self.path}: row {place} has a checksum that is none")
        while True:
            page = 0
            for item in walk(self._connection, place, chain):
                if isinstance(item, str):
                    raise JournalError(f"{self.path}: {item}")
                yield item
                place, chain = item.seq, item.crc
                page += 1
                if page == PAGE_ROWS:
                    break
            if page < PAGE_ROWS:
                return

    def containing(self, text: str, limit: int = 10_000) -> list[Row]:
        """Rows whose body contains text (an id), in order; unchecked, for people."""
        pattern = "%" + text.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_") + "%"
        return self._rows(
            "SELECT seq, type, at_ns, body, crc FROM events WHERE body LIKE ? ESCAPE '\\' "
            "ORDER BY seq LIMIT ?",
            (pattern, limit),
        )

    def of_type(self, kind: str, limit: int = 10_000) -> list[Row]:
        """The newest rows of one event type, in order; unchecked, for people."""
        newest = self._rows(
            "SELECT seq, type, at_ns, body, crc FROM events WHERE type=? ORDER BY seq DESC LIMIT ?",
            (kind, limit),
        )
        return newest[::-1]

    def snapshot(self) -> Snapshot | None:
        """The newest snapshot whose checksum holds."""
        return newest_snapshot(self._connection)[0]

    def last_seq(self) -> int:
        """The last row's place; 0 for an empty journal."""
        return self._number("SELECT max(seq) FROM events") or 0

    def close(self) -> None:
        """Lets go of the file."""
        self._connection.close()

    def _number(self, statement: str, *values: int) -> int | None:
        found = self._query(statement, values)
        number = found[0][0] if found else None
        if number is not None and not isinstance(number, int):
            raise JournalError(f"{self.path}: {number!r} where a number must be")
        return number

    def _row(self, seq: int) -> Row:
        found = self._rows("SELECT seq, type, at_ns, body, crc FROM events WHERE seq=?", (seq,))
        if not found:
            raise JournalError(f"{self.path}: row {seq} is there and is not")
        return found[0]

    def _rows(self, statement: str, values: tuple[object, ...]) -> list[Row]:
        rows = []
        for seq, kind, at_ns, body, crc in self._query(statement, values):
            types = (type(seq), type(kind), type(at_ns), type(body), type(crc))
            if types != (int, bytes, int, bytes, int):
                raise JournalError(f"{self.path}: row {seq} is damaged")
            rows.append(Row(seq, kind.decode(errors="replace"), at_ns, body, crc))
        return rows

    def _query(self, statement: str, values: tuple[object, ...]) -> list[SQLiteRow]:
        try:
            return self._connection.execute(statement, values).fetchall()
        except UNREADABLE as error:
            raise JournalError(f"{self.path}: {error}") from error
