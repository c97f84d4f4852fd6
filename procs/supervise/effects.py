"""What the supervisor hears besides control messages, and wants done besides talking. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from shared.domain.effects import Note, Say
from shared.messages.control import Steer, Steered, TradingState


class Tick(msgspec.Struct, frozen=True):
    """Time went on; said every 50 ms or so."""


class ChildSpawned(msgspec.Struct, frozen=True, kw_only=True):
    """A process exists."""

    role: str
    incarnation: int
    pid: int


class ChildReady(msgspec.Struct, frozen=True, kw_only=True):
    """A child that does not speak the control channel (the local venue) is ready."""

    role: str
    incarnation: int


class ChildDied(msgspec.Struct, frozen=True, kw_only=True):
    """A process is confirmed dead (pidfd), or could not be started at all."""

    role: str
    incarnation: int
    exit_code: int
    """Negative for a signal, as subprocess says it."""
    last_words: str = ""
    """The last line of its stderr."""


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What the operating system says of a child's process."""

    role: str
    cpus: tuple[int, ...]
    nice: int
    cpu_pct: float
    rss_mb: float


class LatchRead(msgspec.Struct, frozen=True):
    """The text of the latch file; empty when there is none."""

    text: str


class StopSignal(msgspec.Struct, frozen=True):
    """SIGINT, SIGTERM or SIGHUP: first stop in order, then skip the waits, then kill."""

    name: str


class StopWanted(msgspec.Struct, frozen=True):
    """The run is over by itself: its time is up, the recording ended."""

    reason: str


class SteerAsked(msgspec.Struct, frozen=True):
    """A person's command; `peer` is where the answer goes."""

    peer: str
    steer: Steer


class Spawn(msgspec.Struct, frozen=True, kw_only=True):
    """Start a process; answered by ChildSpawned, or ChildDied when it cannot be started."""

    role: str
    incarnation: int
    rescue: bool = False
    """In the mode that needs less and only reduces risk (L14)."""


class Force(StrEnum):
    """How a process is made to do something."""

    TERMINATE = "terminate"
    DUMP = "dump"
    """Every thread's stack to stderr."""
    KILL = "kill"


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """Send a signal to this incarnation's process, never to a successor."""

    role: str
    incarnation: int
    force: Force


class WriteLatch(msgspec.Struct, frozen=True):
    """Create the latch file unless there is one."""

    text: str


class RemoveLatch(msgspec.Struct, frozen=True):
    """Remove the latch file: only ever because a person said rearm."""


class RememberOperator(msgspec.Struct, frozen=True):
    """Keep a person's pause or halt so that it survives a crash of the engine."""

    state: TradingState


class Reply(msgspec.Struct, frozen=True):
    """Answer a Steer."""

    peer: str
    answer: Steered


class Finish(msgspec.Struct, frozen=True, kw_only=True):
    """Everything is stopped: leave."""

    exit_code: int
    error: str
    """One line for a person; empty when all went well."""
    clean: bool


SuperviseEffect = (
    Spawn | Signal | WriteLatch | RemoveLatch | RememberOperator | Reply | Finish | Say | Note
)
SuperviseInput = Any
"""The structs above, and those of `shared.messages.control` that children say."""
