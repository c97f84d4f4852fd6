"""One owner for each file and socket: flock, which the kernel frees however its holder dies.

ZeroMQ lets a second process bind the same ipc path and silently steals it, so a lock is taken
before each bind (R3). The text in a lock file only names the holder; a file that a dead process
left behind is no obstacle.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import time
from pathlib import Path

from shared.errors import ConfigError, SeawallError

RUN_DIR_MODE = 0o700
"""Sockets inside take their protection from the directory: their own mode follows the umask."""

TRIES = 6
BETWEEN_TRIES_S = 0.01


class LockedError(SeawallError):
    """Somebody else holds the lock: a second instance, or a predecessor that is not dead yet."""


class Lock:
    """A held lock; keep it as long as the thing it guards is used. Not inherited by children."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    def release(self) -> None:
        """Lets go. The file stays: removing it would let two processes lock different files."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def take_lock(path: Path, holder: str) -> Lock:
    """The lock at path, or LockedError naming who holds it after a few moments of trying.

    `is_locked` holds a lock for an instant to find out; a start must not fail because somebody
    asked `seawall status` in that instant."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(f"lock {path}: {error.strerror}") from error
    try:
        _flock_soon(descriptor)
    except BlockingIOError as error:
        owner = os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "another process"
        os.close(descriptor)
        raise LockedError(f"{path} is held by {owner}; only one may run") from error
    with contextlib.suppress(OSError):
        # The name is for people: on a full disk the lock holds without one.
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{holder} (pid {os.getpid()})\n".encode(), 0)
    return Lock(path, descriptor)


def _flock_soon(descriptor: int) -> None:
    for _ in range(TRIES - 1):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(BETWEEN_TRIES_S)
        else:
            return
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_locked(path: Path) -> bool:
    """Whether somebody holds the lock at path right now."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def prepare_run_dir(run_dir: Path) -> None:
    """Makes the run directory, or checks that nobody else can enter it. Raises ConfigError."""
    try:
        run_dir.mkdir(mode=RUN_DIR_MODE, parents=True, exist_ok=True)
        found = run_dir.stat()
    except OSError as error:
        raise ConfigError(f"run directory {run_dir}: {error.strerror}") from error
    if found.st_uid != os.getuid():
        raise ConfigError(
            f"run directory {run_dir} belongs to user {found.st_uid}, not to this one"
        )
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise ConfigError(
            f"run directory {run_dir} has mode {stat.S_IMODE(found.st_mode):04o}, allowed 0700: "
            "others could inject orders"
        )


def clear_socket(path: Path) -> None:
    """Removes a socket file that a dead process left behind; the caller holds its lock.

    Raises ConfigError when something else than a socket is in the way."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ConfigError(f"{path} is in the way of a socket and is not one; remove it")
    path.unlink()
