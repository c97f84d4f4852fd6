"""The mark: the last row that was made power-safe, in 12 bytes beside the journal (L12).

SQLite drops the tail of a damaged write-ahead log without a word; a journal that ends before its
own mark has lost rows. Only durable commits move it: after a power cut rows of other commits may be
gone by design, and that must not look like damage. And rows that a disk refused: where no file took
them they end with their process, and the mark alone says that they were.
"""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from typing import Final

from shared.small_files import read_small

_MARK: Final = struct.Struct("<qI")


class MarkFile:
    """Writes the mark; without sync, because a mark that is too low is harmless."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)

    def set(self, seq: int) -> None:
        """Remembers seq. Raises OSError."""
        os.pwrite(self._descriptor, _MARK.pack(seq, zlib.crc32(str(seq).encode())), 0)

    def renew(self, seq: int) -> None:
        """Begins again at seq, whatever the file held. Raises OSError."""
        os.ftruncate(self._descriptor, 0)
        self.set(seq)

    def close(self) -> None:
        """Lets go of the file; may be called again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def read_mark(path: Path) -> int | None:
    """The mark beside a journal; 0 when nothing was marked yet, None when it is damaged: what else
    is missing then can no longer be told."""
    try:
        data = read_small(path)
    except FileNotFoundError:
        return 0
    if not data:
        return 0
    if len(data) != _MARK.size:
        return None
    seq, crc = _MARK.unpack(data)
    return int(seq) if crc == zlib.crc32(str(seq).encode()) else None
