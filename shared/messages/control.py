"""What the supervisor and its children say to each other, and what a person steers with."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Any, Final

import msgspec

from shared.messages.base import Message

ASKED_BY_A_PERSON: Final = "asked by a person"
"""The reason of an exit that a person wants; HALTED sends only these (L9)."""
ENGINE_STOP: Final = "engine_stop"
"""The reason of the exits of a stop that is to leave nothing open (R1)."""
PERSONAL: Final = (ASKED_BY_A_PERSON, ENGINE_STOP)
"""Reasons of exits behind which a person stands, the weightier first."""


class TradingState(IntEnum):
    """Law L9; the strictest of all opinions holds."""

    ACTIVE = 0
    REDUCING = 1
    HALTED = 2


class ProcessPhase(StrEnum):
    """The life of a child as the supervisor sees it."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    BACKOFF = "backoff"
    STOPPED = "stopped"
    FAILED = "failed"


class ProcessReady(Message, frozen=True, kw_only=True, tag="process_ready"):
    """Recovered and reconciled, not merely started."""

    role: str
    incarnation: int
    pid: int
    cpus: tuple[int, ...]
    nice: int


class Heartbeat(Message, frozen=True, kw_only=True, tag="heartbeat"):
    """A child lives; `figures` are its current counters, flat names to numbers."""

    role: str
    incarnation: int
    at_ns: int
    figures: dict[str, float] = {}
    disk_error: str = ""
    """Why its journal takes no rows any more: until a new process, whatever a person says (L11)."""


class ProcessStopped(Message, frozen=True, kw_only=True, tag="process_stopped"):
    """A child's last word: its report for the run summary."""

    role: str
    incarnation: int
    report: dict[str, Any] = {}


class ProcessStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `seawall status`."""

    pid: int
    status: ProcessPhase
    incarnation: int
    heartbeat_age_ms: int
    restarts: int
    cpus: tuple[int, ...] = ()
    nice: int = 0
    cpu_pct: float = 0.0
    rss_mb: float = 0.0


class EngineStatus(Message, frozen=True, kw_only=True, tag="engine_status"):
    """Said by the supervisor every 250 ms and at each change."""

    run_id: str
    state: TradingState
    at_ns: int
    uptime_s: float
    stopping: bool
    reasons: tuple[str, ...]
    """Why the state is not ACTIVE."""
    processes: dict[str, ProcessStatus]
    latch: str = ""
    """The text of the kill latch, empty when it is open."""


class StopEntries(Message, frozen=True, kw_only=True, tag="stop_entries"):
    """No entry any more; cancel entry orders; with flatten also close positions (R1)."""

    flatten: bool


class StopProcess(Message, frozen=True, kw_only=True, tag="stop_process"):
    """Drain, flush, report, leave."""

    deadline_ms: int


class CloseAsked(Message, frozen=True, kw_only=True, tag="close_asked"):
    """A person wants a position closed; symbol or 'all'."""

    symbol: str
    reason: str


class AlarmRaised(Message, frozen=True, kw_only=True, tag="alarm_raised"):
    """An alarm of any process, for the supervisor's summary and notifications."""

    role: str
    kind: str
    symbol: str
    text: str
    at_ns: int


class Tripped(Message, frozen=True, kw_only=True, tag="tripped"):
    """A local trip latched REDUCING (L9). Who says it has tried to write the latch file before; the
    supervisor writes it where it is not there."""

    role: str
    reason: str
    at_ns: int


class Drained(Message, frozen=True, kw_only=True, tag="drained"):
    """A child's answer to StopEntries: no entry order of ours lives (and flat, if asked)."""

    role: str


class Steer(Message, frozen=True, kw_only=True, tag="steer"):
    """A person's command from the CLI."""

    verb: str
    """pause-entries | halt | resume | close | kill | rearm | status | stop"""
    argument: str = ""


class Steered(Message, frozen=True, kw_only=True, tag="steered"):
    """The answer to a Steer."""

    ok: bool
    text: str
    data: Any = None


class Ask(Message, frozen=True, kw_only=True, tag="ask"):
    """A question of the CLI to observe: positions | orders | fills | balance | closed | activity |
    alarms | summary."""

    what: str


class Told(Message, frozen=True, kw_only=True, tag="told"):
    """Observe's answer: a list of plain records, or one record."""

    data: Any
    stale_ms: int


ControlMessage = (
    ProcessReady
    | Heartbeat
    | ProcessStopped
    | EngineStatus
    | StopEntries
    | StopProcess
    | CloseAsked
    | AlarmRaised
    | Tripped
    | Drained
)
"""On the control channel between the supervisor and its children."""

SteerMessage = Steer | Steered
QueryMessage = Ask | Told
