"""A journal on disk under the rules of `keeping.py`, with the lock that makes it one process's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from procs.runtime.keeping import Keeping
from shared.bus.locks import Lock, take_lock
from shared.journal.journal import Journal


class Keeper(Keeping):
    """Owns the journal of a role, or none for a role without one."""

    def __init__(self, path: Path, role: str, events: Any, keep_rows: int) -> None:
        """Takes the role's lock (`<role>.lock` beside the journal) and opens the journal.

        Raises LockedError when another process has it (L7), JournalError, DiskError."""
        self._lock: Lock | None = None
        self._journal: Journal | None = None
        if events is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = take_lock(path.with_suffix(".lock"), role)
            self._journal = Journal.open(path, role, events)
        super().__init__(path.name, self._journal, keep_rows)

    def close(self) -> None:
        """Closes the journal, then lets a successor in."""
        if self._journal is not None:
            self._journal.close()
        if self._lock is not None:
            self._lock.release()
