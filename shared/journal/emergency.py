"""The emergency file: reserved while the disk is well, written when the journal cannot be (L11).

JSON lines over zeros: `{"seq", "type", "at_ns", "crc", "body"}`, chained like the journal's rows,
so that the next start can append them where they belong.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import msgspec

from shared.journal.rows import Row
from shared.journal.schema import row_crc
from shared.messages.base import NOT_JSON
from shared.small_files import read_small

RESERVED_BYTES: Final = 4 * 1024 * 1024
"""About 10,000 rows: hours of exits without entries."""


_Integer = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
"""What SQLite holds: a line with another number was not written by us."""


class _Line(msgspec.Struct):
    seq: _Integer
    type: str
    at_ns: _Integer
    crc: _Integer
    body: msgspec.Raw


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(_Line)


class EmergencyFile:
    """One role's reserve. All methods raise OSError when even this fails."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1
        self._end = 0

    def reserve(self) -> None:
        """Makes an empty reserve of RESERVED_BYTES; disk blocks are allocated now."""
        self.close()
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        os.posix_fallocate(self._descriptor, 0, RESERVED_BYTES)
        os.fsync(self._descriptor)
        self._end = 0

    def resume(self, end: int) -> None:
        """Goes on writing behind what an earlier process left, which is not in the journal yet;
        at the beginning of a new file when that was put aside."""
        self.close()
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        self._end = min(end, os.fstat(self._descriptor).st_size)

    def write(self, rows: list[Row]) -> None:
        """Appends rows and syncs once. Raises OSError also when the reserve is used up."""
        data = b"".join(
            _ENCODER.encode(_Line(row.seq, row.type, row.at_ns, row.crc, msgspec.Raw(row.body)))
            + b"\n"
            for row in rows
        )
        if self._descriptor < 0 or self._end + len(data) > RESERVED_BYTES:
            raise OSError(f"{self.path}: no reserve left")
        written = os.pwrite(self._descriptor, data, self._end)
        if written != len(data):
            raise OSError(f"{self.path}: wrote {written} of {len(data)} bytes")
        self._end += written
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Lets go of the file; its content stays for the next start."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Left(NamedTuple):
    """What an emergency file holds."""

    rows: list[Row]
    end: int
    """Where the rows end, in bytes; what follows may be overwritten."""
    damaged: bool
    """Whether rows can be read behind something that cannot: what lay between them is lost."""


def read_emergency(path: Path) -> Left:
    """Complete lines of the file; a torn last one was never acknowledged and does not count."""
    rows: list[Row] = []
    end = 0
    try:
        data = read_small(path, 2 * RESERVED_BYTES)
    except FileNotFoundError:
        data = b""
    *lines, _torn = data.split(b"\n")
    for number, text in enumerate(lines):
        row = _row(text)
        if row is None:
            return Left(rows, end, any(map(_row, lines[number + 1 :])))
        rows.append(row)
        end += len(text) + 1
    return Left(rows, end, damaged=False)


def _row(text: bytes) -> Row | None:
    try:
        line = _DECODER.decode(text)
    except NOT_JSON:
        return None
    return Row(line.seq, line.type, line.at_ns, bytes(line.body), line.crc)


def continues(row: Row, previous: int) -> bool:
    """Whether the row's checksum follows on the previous one."""
    return row.crc == row_crc(previous, row.seq, row.type.encode(), row.at_ns, row.body)
