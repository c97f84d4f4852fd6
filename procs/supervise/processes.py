"""Real child processes: started in sessions of their own, watched and signalled through pidfds.

A pidfd names one process for ever, so a signal never hits a successor and a death is confirmed, not
guessed (L7). Start them from the main thread only: a child that is set to die with its parent dies
with the *thread* that started it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

import procs
from procs.supervise.effects import Force

ChildCommand = Callable[[str, Path], list[str]]
"""The command line of a role, given its launch file."""

SIGNALS: Final[Mapping[Force, signal.Signals]] = {
    Force.TERMINATE: signal.SIGTERM,
    Force.DUMP: signal.SIGUSR1,
    Force.KILL: signal.SIGKILL,
}
"""The runtime registers faulthandler for SIGUSR1; before it does, the signal ends the process."""

LAST_WORDS_BYTES: Final = 4096
STDERR_KEPT_BYTES: Final = 10_000_000
"""A child's stderr file is started afresh at the next start once it is larger."""


def module_command(role: str, launch_file: Path) -> list[str]:
    """How children really start: -P keeps the working directory out of the import path."""
    return [sys.executable, "-P", "-m", f"procs.{role}", "--launch", str(launch_file)]


def child_environment() -> dict[str, str]:
    """This environment, with this very source tree first: parent and children run the same code."""
    root = str(Path(next(iter(procs.__path__))).resolve().parent)
    inherited = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([root, inherited]) if inherited else root
    return {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


class ChildProcess:
    """One incarnation of one role."""

    def __init__(
        self,
        role: str,
        incarnation: int,
        command: list[str],
        stderr_path: Path,
        *,
        stdout: int | None = None,
        pass_fds: Iterable[int] = (),
    ) -> None:
        """Starts it. Raises OSError when that is not possible."""
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("children are started from the main thread: they die with theirs")
        self.role = role
        self.incarnation = incarnation
        self._stderr_path = stderr_path
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_APPEND
        if stderr_path.exists() and stderr_path.stat().st_size > STDERR_KEPT_BYTES:
            flags |= os.O_TRUNC
        stderr = os.open(stderr_path, flags, 0o640)
        self._stderr_from = os.fstat(stderr).st_size
        try:
            self._popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stderr if stdout is None else stdout,
                stderr=stderr,
                start_new_session=True,
                pass_fds=tuple(pass_fds),
                env=child_environment(),
            )
        finally:
            os.close(stderr)
        self.pid = self._popen.pid
        self.pidfd = os.pidfd_open(self.pid)

    def force(self, force: Force) -> None:
        """Signals the process; one that has just died is left alone."""
        try:
            signal.pidfd_send_signal(self.pidfd, SIGNALS[force])
        except ProcessLookupError:
            return

    def reap(self) -> int | None:
        """The exit code once the process is dead (negative for a signal), else None."""
        return self._popen.poll()

    def last_words(self) -> str:
        """The last line this incarnation wrote to stderr, empty if none."""
        with self._stderr_path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(self._stderr_from, end - LAST_WORDS_BYTES))
            lines = file.read().decode("utf-8", "replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def close(self) -> None:
        """Lets go of a dead process."""
        os.close(self.pidfd)
