"""The event log of a process: JSON lines, split by stream, written by a thread of its own (M1).

`write` never waits for a disk: it puts the record into a bounded queue. When the queue is full the
record is dropped and counted, and the log says how many were; the journals, not the log, are what
must be complete. A clean stop (`close`) loses none.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.errors import ConfigError, DeadlineError
from shared.telemetry.record import STREAMS, Level, encode_record, record_of
from shared.telemetry.rotation import BYTES_PER_MB, RotatingFile, enter_run

MAX_QUEUED = 65_536
MAX_PER_WRITE = 1_024
CLOSE_WITHIN_S = 10.0


class EventLog:
    """The log of one role in one run; made by `open_log`."""

    def __init__(
        self, folder: Path, role: str, run_id: str, rotate_bytes: int, keep_files: int, level: Level
    ) -> None:
        self.folder = folder
        self.role = role
        self.run_id = run_id
        self._level = level
        self._rotate_bytes = rotate_bytes
        self._keep_files = keep_files
        self._files: dict[str, RotatingFile] = {}
        self._queue: queue.Queue[tuple[Any, ...] | threading.Event] = queue.Queue(MAX_QUEUED)
        self._dropped = 0
        self._dropped_said = 0
        self._failed = 0
        self._last_at_ns = 0
        self.last_failure = ""
        self._closed = False
        # A log that cannot be written fails the start, not the first incident.
        self._file("system")
        self._thread = threading.Thread(target=self._work, name="event-log", daemon=True)
        self._thread.start()

    def write(
        self,
        stream: str,
        event_type: str,
        fields: Mapping[str, Any],
        at_ns: int,
        level: Level = Level.INFO,
    ) -> None:
        """Queues one record; at_ns is engine time. The caller must not change fields afterwards.

        A stream that does not exist is a mistake of the program: ValueError.
        """
        if stream not in STREAMS:
            raise ValueError(f"no log stream {stream!r}, there are {', '.join(STREAMS)}")
        if stream == "errors":
            level = Level.ERROR
        if self._closed or not self._thread.is_alive():
            raise RuntimeError(f"the log of {self.role} is closed: {event_type} came too late")
        if level.rank < self._level.rank:
            return
        try:
            self._queue.put_nowait((stream, event_type, fields, at_ns, level))
        except queue.Full:
            self._dropped += 1

    def figures(self) -> dict[str, float]:
        """Counters for the heartbeat: records dropped, refused by the disk, waiting."""
        return {
            "log_dropped": self._dropped,
            "log_failed": self._failed,
            "log_queued": self._queue.qsize(),
        }

    def flush(self, within_s: float = CLOSE_WITHIN_S) -> None:
        """Waits until everything queued so far is handed to the system. Raises DeadlineError."""
        written = threading.Event()
        try:
            self._queue.put(written, timeout=within_s)
        except queue.Full:
            raise DeadlineError(f"the log of {self.role} takes nothing any more") from None
        if not written.wait(within_s):
            raise DeadlineError(f"the log of {self.role} was not written within {within_s} s")

    def close(self) -> None:
        """Writes what is queued and closes the files; may be called again. Raises DeadlineError."""
        if self._closed:
            return
        self.flush()
        self._closed = True
        # The second flag is behind the last record: the thread sees `_closed` and leaves.
        self._queue.put(threading.Event())
        self._thread.join(CLOSE_WITHIN_S)
        for file in self._files.values():
            file.close()

    def _file(self, stream: str) -> RotatingFile:
        file = self._files.get(stream)
        if file is None:
            path = self.folder / f"{self.role}.{stream}.jsonl"
            file = RotatingFile(path, self._rotate_bytes, self._keep_files)
            self._files[stream] = file
        return file

    def _work(self) -> None:
        leaving = False
        while not leaving:
            entries = [self._queue.get()]
            while len(entries) < MAX_PER_WRITE and not self._queue.empty():
                entries.append(self._queue.get_nowait())
            self._write_all([entry for entry in entries if isinstance(entry, tuple)])
            for entry in entries:
                if isinstance(entry, threading.Event):
                    leaving = self._closed
                    entry.set()

    def _write_all(self, entries: list[tuple[Any, ...]]) -> None:
        by_stream: dict[str, list[bytes]] = {}
        for stream, event_type, fields, at_ns, level in entries:
            record = record_of(stream, event_type, fields, at_ns, self.role, self.run_id, level)
            by_stream.setdefault(stream, []).append(encode_record(record))
            self._last_at_ns = at_ns
        newly_dropped = self._dropped - self._dropped_said
        if newly_dropped:
            self._dropped_said += newly_dropped
            lost = {"dropped": newly_dropped, "limit": MAX_QUEUED}
            record = record_of(
                "errors",
                "log_overflow",
                lost,
                self._last_at_ns,
                self.role,
                self.run_id,
                Level.ERROR,
            )
            by_stream.setdefault("errors", []).append(encode_record(record))
        for stream, lines in by_stream.items():
            try:
                self._file(stream).append(b"\n".join(lines) + b"\n")
            except OSError as error:
                # A full disk must not end the process that trades: counted, shown in heartbeats,
                # and the next lines are tried again.
                self._failed += len(lines)
                self.last_failure = str(error)


def open_log(
    logs_dir: Path,
    role: str,
    run_id: str,
    rotate_mb: int,
    keep_files: int,
    level: str = "info",
) -> EventLog:
    """The log of a role: files `<logs_dir>/<run_id>/<role>.<stream>.jsonl`, `latest` names the run.

    A file is rotated at rotate_mb megabytes, keep_files of each are kept; past runs are kept up to
    rotate_mb * keep_files megabytes in all. Raises ConfigError when it cannot be written.
    """
    rotate_bytes = rotate_mb * BYTES_PER_MB
    try:
        folder = enter_run(logs_dir, run_id, rotate_bytes * keep_files)
        return EventLog(folder, role, run_id, rotate_bytes, keep_files, Level(level))
    except OSError as error:
        raise ConfigError(f"the log in {logs_dir} cannot be written: {error}") from error
