"""The launch file: everything a child needs to know to start, written by the supervisor, 0600.

It holds no secrets: route reads its keys itself from `credentials_path` (L13). Arguments would show
in the process list and an environment is inherited by grandchildren, so neither carries any of it.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from shared.bus.lane import LaneEnds
from shared.clock import EngineClock
from shared.config.schema import Settings
from shared.errors import ConfigError, MessageError
from shared.messages.base import Reader, encode
from shared.small_files import MIB, read_small

LAUNCH_MAX_BYTES = 16 * MIB
"""Thousands of symbols are a few hundred kilobytes."""

LAUNCH_MODE = 0o600
"""Only the owner may read or replace what a child is told."""


class Launch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One start of one child."""

    role: str
    run_id: str
    incarnation: int
    """Rises with every start of this role within a run; older ones are dropped (L8)."""
    clock_offset_ns: int
    """Makes the child's engine time the run's (`shared.clock.EngineClock`)."""
    userdir: str
    run_dir: str
    """Sockets, locks, launch files; 0700."""
    data_dir: str
    """Journals and the latch; `data/replay-<run_id>` in a replay."""
    config_hash: str
    settings: Settings
    supervisor_pid: int = 0
    """The parent that must still live once the child is set to die with it; 0 skips the check."""
    cpus: tuple[int, ...] = ()
    """Cores the child may use, already resolved (`affinity.layout`); empty is all."""
    nice: int = 0
    venue_rest: str = ""
    """Base address of the local venue, empty for a real one."""
    venue_ws: str = ""
    symbols: tuple[str, ...] = ()
    """What is watched, where the supervisor already knows it."""
    replay: bool = False
    rescue: bool = False
    """Only what reduces risk, with as few parts as possible (route; L14)."""
    lane: LaneEnds | None = None
    """Descriptors of the quotes' fast lane that this child has inherited."""
    dies_after: str = ""
    """Where it kills itself (`fate.py`); only `seawall chaos` ever says so."""
    credentials_path: str = ""
    """A 0600 TOML with `[<venue name>] api_key=…, api_secret=…`; see `credentials_file`."""

    @property
    def run_path(self) -> Path:
        """Where sockets and locks lie."""
        return Path(self.run_dir)

    @property
    def latch_path(self) -> Path:
        """The kill latch (L9); one for all runs of a user folder, replays included."""
        return Path(self.userdir) / "data" / "KILL"

    @property
    def logs_dir(self) -> Path:
        """Where the JSON lines go (M1)."""
        return Path(self.userdir) / "logs"

    @property
    def journal_path(self) -> Path:
        """This role's journal."""
        return Path(self.data_dir) / f"{self.role}.db"

    @property
    def credentials_file(self) -> Path:
        """The file with the venue's keys; only route may open it (L13)."""
        if self.credentials_path:
            return Path(self.credentials_path)
        return Path(self.userdir) / "credentials.toml"

    def clock(self) -> EngineClock:
        """The run's clock."""
        return EngineClock(self.clock_offset_ns)


_READER = Reader(Launch)


def launch_path(run_dir: Path, role: str) -> Path:
    """Where the launch file of a role lies."""
    return run_dir / f"launch-{role}.json"


def write_launch(launch: Launch) -> Path:
    """Writes the launch file in one step (a child never reads half of one) and returns its path."""
    path = launch_path(Path(launch.run_dir), launch.role)
    unfinished = path.with_suffix(f".{os.getpid()}.tmp")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, LAUNCH_MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(encode(launch))
    os.replace(unfinished, path)
    return path


def read_launch(path: Path) -> Launch:
    """The launch file at path. Raises ConfigError, which is never worth a restart (L14)."""
    try:
        data = read_small(path, LAUNCH_MAX_BYTES)
    except OSError as error:
        raise ConfigError(f"launch file {path}: {error.strerror}") from error
    try:
        launch: Launch = _READER.read(data)
    except MessageError as error:
        raise ConfigError(f"launch file {path}: {error}") from error
    return launch
