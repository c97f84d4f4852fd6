"""The kill latch: a file whose existence means REDUCING, and whose text says why (L9).

Anyone may create it; only `rearm` removes it. A latch that is already set keeps its first reason.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from shared.small_files import read_small

NO_REASON: Final = "latched without a reason"
TEXT_LIMIT: Final = 500


class Latch:
    """Reads the latch for one `stat` a look, and the text only when the file changed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, int] | None = None
        self._text = ""

    def text(self) -> str:
        """Why the latch is set; empty when it is open. What cannot be looked at counts as set."""
        try:
            found = os.stat(self.path)
            seen = (found.st_mtime_ns, found.st_size)
            if seen != self._seen:
                text = read_small(self.path).decode("utf-8", "replace")
                self._text = text.strip()[:TEXT_LIMIT] or NO_REASON
                self._seen = seen
        except FileNotFoundError:
            self._seen = None
            self._text = ""
        except OSError as error:
            self._seen = None
            self._text = f"{self.path}: {error.strerror}"
        return self._text

    def set(self, reason: str) -> bool:
        """Creates the latch and makes it last; False when it was set already. Raises OSError."""
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return False
        try:
            os.write(descriptor, f"{reason}\n".encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return True
