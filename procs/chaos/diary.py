"""What was done to the engine and when, as lines that the auditor reads; written at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO, Any

from shared.clock import wall_ms

NAME = "blows.jsonl"


class Diary:
    """One file of one campaign."""

    def __init__(self, folder: Path) -> None:
        self._file: IO[str] = (folder / NAME).open("x", buffering=1)
        self.entries: list[dict[str, Any]] = []

    def note(self, what: str, role: str = "", **more: Any) -> dict[str, Any]:
        """Writes down that something happened just now."""
        entry = {"at_ms": wall_ms(), "what": what, "role": role, **more}
        self.entries.append(entry)
        self._file.write(json.dumps(entry) + "\n")
        return entry

    def close(self) -> None:
        """Nothing follows."""
        self._file.close()
