"""Reads a run's log files as one story in order of time, and follows them while they grow."""

from __future__ import annotations

import heapq
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from shared.errors import NotFoundError
from shared.messages.base import NOT_JSON

Record = dict[str, Any]

_NAME = re.compile(r"(?P<role>[a-z]+)\.(?P<stream>[a-z]+)\.jsonl(?:\.(?P<number>[0-9]+))?")
_DECODE = msgspec.json.Decoder(dict[str, Any]).decode


class Selection(msgspec.Struct, frozen=True):
    """Which files: all streams or roles when a set is empty."""

    streams: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()

    def takes(self, role: str, stream: str) -> bool:
        """Whether a file of this role and stream is wanted."""
        return (not self.streams or stream in self.streams) and (
            not self.roles or role in self.roles
        )


def run_folder(logs_dir: Path, run_id: str = "latest") -> Path:
    """The folder of a run's logs, its alias resolved. Raises NotFoundError."""
    folder = logs_dir / run_id
    if not folder.is_dir():
        known = sorted(entry.name for entry in logs_dir.glob("*") if entry.is_dir())
        raise NotFoundError(
            f"no logs of run {run_id} in {logs_dir}"
            + (f", there are {', '.join(known[-10:])}" if known else "")
        )
    return folder.resolve()


def files_of(folder: Path, selection: Selection) -> dict[tuple[str, str], list[Path]]:
    """For each (role, stream) its files, oldest first."""
    numbered: dict[tuple[str, str], list[tuple[int, Path]]] = {}
    for path in folder.iterdir():
        match = _NAME.fullmatch(path.name)
        if match and selection.takes(match["role"], match["stream"]):
            place = numbered.setdefault((match["role"], match["stream"]), [])
            place.append((int(match["number"] or 0), path))
    return {
        which: [path for _, path in sorted(files, reverse=True)]
        for which, files in sorted(numbered.items())
    }


def record_in(line: bytes) -> Record | None:
    """The record of a line; None for a line that a killed process left unfinished."""
    try:
        record = _DECODE(line)
    except NOT_JSON:
        return None
    return record if isinstance(record.get("at_ns"), int) else None


def _records(paths: list[Path]) -> Iterator[Record]:
    for path in paths:
        try:
            file = path.open("rb")
        except FileNotFoundError:
            continue  # rotated away since it was listed
        with file:
            for line in file:
                record = record_in(line)
                if record is not None:
                    yield record


def read_merged(folder: Path, selection: Selection) -> Iterator[Record]:
    """All records of a run in order of time; each file is in its writer's order already."""
    stories = [_records(paths) for paths in files_of(folder, selection).values()]
    return heapq.merge(*stories, key=_time_of)


def _time_of(record: Record) -> int:
    at_ns: int = record["at_ns"]
    return at_ns


class Follower:
    """What is added to a run's logs from now on; call `poll` as often as you like."""

    def __init__(self, folder: Path, selection: Selection) -> None:
        self._folder = folder
        self._selection = selection
        self._open: dict[Path, tuple[BinaryIO, bytes]] = {}
        for path in self._current():
            file = path.open("rb")
            file.seek(0, 2)
            self._open[path] = (file, b"")

    def _current(self) -> Collection[Path]:
        """The files being written; one may be missing for the moment in which it is rotated."""
        newest = [paths[-1] for paths in files_of(self._folder, self._selection).values()]
        return [path for path in newest if path.suffix == ".jsonl"]

    def poll(self) -> list[Record]:
        """Records that were added since the last call, in order of time."""
        records: list[Record] = []
        for path in self._current():
            try:
                self._take(path, records)
            except FileNotFoundError:
                # It was renamed since it was listed; the next call finds its successor.
                continue
        records.sort(key=_time_of)
        return records

    def _take(self, path: Path, records: list[Record]) -> None:
        """Appends what was added to a file; what was read stays when the file is gone meanwhile."""
        if path not in self._open:
            self._open[path] = (path.open("rb"), b"")
        records += self._read(path)
        if self._was_rotated(path):
            # What was written just before the rename is read before the old file is let go.
            records += self._read(path)
            successor = path.open("rb")
            self._open.pop(path)[0].close()
            self._open[path] = (successor, b"")
            records += self._read(path)

    def _was_rotated(self, path: Path) -> bool:
        file, _ = self._open[path]
        old = Path(f"/proc/self/fd/{file.fileno()}").stat()
        new = path.stat()
        return old.st_ino != new.st_ino

    def _read(self, path: Path) -> list[Record]:
        file, begun = self._open[path]
        *lines, rest = (begun + file.read()).split(b"\n")
        self._open[path] = (file, rest)
        return [record for line in lines if line for record in [record_in(line)] if record]

    def close(self) -> None:
        """Closes the files."""
        for file, _ in self._open.values():
            file.close()
