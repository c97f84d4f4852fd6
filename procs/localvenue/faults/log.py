"""The log of faults that happened: one JSON line each, counted, the newest kept to be shown."""

from __future__ import annotations

import sys
from collections import Counter, deque
from pathlib import Path
from typing import Any, BinaryIO, Final

import orjson

from shared.errors import ConfigError

RECENT: Final = 200


class FaultLog:
    """Writes to a file, or to stderr when none is named."""

    def __init__(self, path: Path | None = None) -> None:
        """Raises ConfigError when the file cannot be opened."""
        self.counts: Counter[str] = Counter()
        self.recent: deque[dict[str, Any]] = deque(maxlen=RECENT)
        self._file: BinaryIO | None = None
        if path is not None:
            try:
                self._file = path.open("ab")
            except OSError as error:
                raise ConfigError(f"--fault-log {path}: {error.strerror or error}") from error

    def write(self, at_ms: int, fault: int, kind: str, **detail: Any) -> None:
        """One fault: when, its number in the plan, its kind; `detail` holds the operation, the
        stream or the order that it struck, and how."""
        line: dict[str, Any] = {"at_ms": at_ms, "fault": fault, "kind": kind, **detail}
        self.counts[kind] += 1
        self.recent.append(line)
        file = sys.stderr.buffer if self._file is None else self._file
        file.write(orjson.dumps(line) + b"\n")
        file.flush()

    def close(self) -> None:
        """Closes the file; stderr stays."""
        if self._file is not None:
            self._file.close()
