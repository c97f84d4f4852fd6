"""Files of log lines: append whole lines, rotate by size, forget the oldest runs.

A file has one writer, the process of its role, so nothing is locked: several processes write at the
same time into several files, `<logs>/<run_id>/<role>.<stream>.jsonl`. `<logs>/latest` names the
newest run's folder.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

BYTES_PER_MB = 1_000_000
MAX_RUNS = 200
"""Folders of past runs kept at most, however small they are."""


class RotatingFile:
    """Whole lines appended to a file that is renamed to `.1`, `.2`, … when it is full."""

    def __init__(self, path: Path, rotate_bytes: int, keep_files: int) -> None:
        """keep_files counts the one being written. Raises OSError."""
        self.path = path
        self._rotate_bytes = rotate_bytes
        self._keep_files = keep_files
        self._descriptor = self._open()

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(self.path, flags, 0o640)
        self._size = os.fstat(descriptor).st_size
        if self._size and not _ends_with_line_break(self.path, self._size):
            # The role's last incarnation was killed within a write; its torn line ends here.
            self._size += os.write(descriptor, b"\n")
        return descriptor

    def append(self, lines: bytes) -> None:
        """Writes whole lines, to a fresh file when this one is full. Raises OSError."""
        if self._size and self._size + len(lines) > self._rotate_bytes:
            self._rotate()
        rest = memoryview(lines)
        while rest:
            written = os.write(self._descriptor, rest)
            self._size += written
            rest = rest[written:]

    def _rotate(self) -> None:
        os.close(self._descriptor)
        for number in range(self._keep_files - 1, 0, -1):
            newer = self.path if number == 1 else _numbered(self.path, number - 1)
            if newer.exists():
                newer.replace(_numbered(self.path, number))
        if self._keep_files == 1:
            self.path.unlink()
        self._descriptor = self._open()

    def close(self) -> None:
        """Closes the file; nothing is appended any more."""
        os.close(self._descriptor)


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def _ends_with_line_break(path: Path, size: int) -> bool:
    with path.open("rb") as file:
        file.seek(size - 1)
        return file.read(1) == b"\n"


def enter_run(logs_dir: Path, run_id: str, keep_bytes: int) -> Path:
    """The run's folder, made if need be, with `latest` naming it and the oldest runs removed.

    Raises OSError when the folder cannot be made.
    """
    folder = logs_dir / run_id
    fresh = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    _name_latest(logs_dir, run_id)
    if fresh:
        _forget_oldest(logs_dir, run_id, keep_bytes)
    return folder


def _name_latest(logs_dir: Path, run_id: str) -> None:
    """Replaces the alias in one step; every process of the run does, with the same result."""
    passing = logs_dir / f".latest-{os.getpid()}"
    passing.unlink(missing_ok=True)
    passing.symlink_to(run_id, target_is_directory=True)
    passing.replace(logs_dir / "latest")


def _forget_oldest(logs_dir: Path, run_id: str, keep_bytes: int) -> None:
    """Removes whole runs, oldest first, until the rest is small and few enough."""
    runs = sorted(
        (
            entry
            for entry in logs_dir.iterdir()
            if entry.is_dir() and not entry.is_symlink() and entry.name != run_id
        ),
        key=lambda entry: entry.stat().st_mtime,
        reverse=True,
    )
    total = 0
    for number, run in enumerate(runs, start=1):
        total += sum(file.stat().st_size for file in run.iterdir() if file.is_file())
        if total > keep_bytes or number >= MAX_RUNS:
            shutil.rmtree(run, ignore_errors=True)
