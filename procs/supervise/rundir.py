"""What lies in the user folder for the engine as a whole: lock, run file, latch, a person's pause.

Everything here is written so that a kill -9 at any instant leaves something that the next start
takes for what it is: files are replaced in one step, and the lock dies with its holder.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

import msgspec

from shared.bus.locks import Lock, LockedError, prepare_run_dir, take_lock
from shared.errors import ConfigError, SeawallError
from shared.messages.base import NOT_JSON
from shared.messages.control import TradingState
from shared.small_files import read_small

PRIVATE_MODE: Final = 0o700

LATCH_TEXT_MAX: Final = 1000
"""Characters of the latch file that are read: whoever made it may have put anything there."""

RUN_START_MAX_S: Final = 36**6 - 1
"""December 2038. From then on run ids have seven digits and would sort before those of today: such
a number in a file today is damage, and must not become part of an id."""


class RunFile(msgspec.Struct, frozen=True, kw_only=True):
    """`run/engine.json`: which engine owns this run directory."""

    run_id: str
    pid: int
    started: str
    """UTC."""
    started_s: int


class UserPaths(msgspec.Struct, frozen=True):
    """Where things lie below a user folder."""

    userdir: Path

    @property
    def run_dir(self) -> Path:
        """Sockets, locks, launch files."""
        return self.userdir / "run"

    @property
    def data_dir(self) -> Path:
        """Journals of the ordinary runs."""
        return self.userdir / "data"

    @property
    def logs_dir(self) -> Path:
        """Logs, and what children write to stderr."""
        return self.userdir / "logs"

    @property
    def lock(self) -> Path:
        """Held for as long as an engine runs."""
        return self.run_dir / "engine.lock"

    @property
    def run_file(self) -> Path:
        """Names the engine that runs, or that was killed here."""
        return self.run_dir / "engine.json"

    @property
    def latch(self) -> Path:
        """The kill switch (L9)."""
        return self.data_dir / "KILL"

    @property
    def operator(self) -> Path:
        """A person's pause or halt, kept over crashes."""
        return self.data_dir / "operator"

    @property
    def venue_port(self) -> Path:
        """The local venue's port, so that it comes back where its clients expect it."""
        return self.data_dir / "venue.port"

    @property
    def last_run(self) -> Path:
        """The newest run's start in seconds: run ids must never repeat (O2)."""
        return self.data_dir / "last_run"

    def make(self) -> None:
        """Makes the folders, for this user alone (L13). Raises ConfigError.

        A log or report folder that a person has opened to others stays open; journals never."""
        try:
            for folder in (self.data_dir, self.logs_dir, self.userdir / "reports"):
                folder.mkdir(mode=PRIVATE_MODE, parents=True, exist_ok=True)
            found = self.userdir.stat()
            if stat.S_IMODE(self.data_dir.stat().st_mode) & 0o077:
                self.data_dir.chmod(PRIVATE_MODE)
        except OSError as error:
            raise ConfigError(f"{self.userdir}: cannot be used: {error}") from error
        if found.st_mode & stat.S_IWOTH:
            raise ConfigError(
                f"user folder {self.userdir} has mode {stat.S_IMODE(found.st_mode):04o}: everybody "
                "could exchange what is in it; allowed is 0755 or less"
            )
        prepare_run_dir(self.run_dir)


def replace_text(path: Path, text: str, mode: int = 0o644) -> None:
    """Writes a small file in one step: a reader sees the old or the new one, never half."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    os.replace(unfinished, path)


def read_text(path: Path) -> str:
    """The stripped text of a small file; empty when there is none, or nothing that can be read."""
    try:
        return read_small(path)[:LATCH_TEXT_MAX].decode("utf-8", "replace").strip("\0 \t\r\n")
    except OSError:
        return ""


def read_run_file(path: Path) -> RunFile | None:
    """The run file; None when there is none or it is not ours to understand."""
    try:
        return msgspec.json.decode(read_small(path), type=RunFile)
    except (OSError, *NOT_JSON):
        return None


def take_engine_lock(paths: UserPaths) -> Lock:
    """Takes the run directory (R3). Raises SeawallError naming the engine that has it."""
    try:
        return take_lock(paths.lock, "supervise")
    except LockedError as error:
        other = read_run_file(paths.run_file)
        who = f"pid {other.pid}, run {other.run_id}" if other else "it is just starting"
        raise SeawallError(
            f"an engine already runs in {paths.run_dir} ({who}); `seawall stop` ends it"
        ) from error


def next_start_s(paths: UserPaths, now_s: int) -> int:
    """This run's start in seconds, later than any before it even if the wall clock was set back.

    Run ids start client order ids: the same one twice could mean the same order twice (O2)."""
    start_s = max(now_s, read_last_run(paths.last_run) + 1)
    replace_text(paths.last_run, f"{start_s}\n")
    return start_s


def read_last_run(path: Path) -> int:
    """The start of the newest run; 0 when the file is missing or damaged."""
    text = read_text(path)
    last = int(text) if text.isascii() and text.isdigit() else 0
    return last if last < RUN_START_MAX_S else 0


def write_latch(path: Path, text: str) -> None:
    """Latches the kill switch unless it is already, whose reason is then kept (L9)."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(f"{text}\n")
        file.flush()
        os.fsync(file.fileno())


def read_latch(path: Path) -> str:
    """The reason in the latch file; empty when it is open. An empty file latches too, and so does
    anything else of that name: whoever put it there meant it."""
    return read_text(path) or ("no reason given" if os.path.lexists(path) else "")


def read_operator(path: Path) -> TradingState:
    """A person's pause or halt from before a crash; one that cannot be read pauses."""
    if not os.path.lexists(path):
        return TradingState.ACTIVE
    return TradingState.__members__.get(read_text(path), TradingState.REDUCING)


def write_operator(path: Path, state: TradingState) -> None:
    """Keeps a person's pause or halt; ACTIVE forgets it."""
    if state is TradingState.ACTIVE:
        path.unlink(missing_ok=True)
    else:
        replace_text(path, f"{state.name}\n")


def is_gone(pid: int) -> bool:
    """Whether a process no longer runs; one that only waits for its parent to notice is gone."""
    try:
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state in (b"Z", b"X")
