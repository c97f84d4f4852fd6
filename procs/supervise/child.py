"""The life of a child as a table, and how often it may be restarted (L14). Pure.

Every status meets every event: the next status, Ignored("why") or ILLEGAL. The judgement (whose
turn it is, when to kill) is in `roster.py`; here is only what may follow what.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

import msgspec

from shared.messages.control import ProcessPhase
from shared.units import NS_PER_MS, NS_PER_S


class ChildEvent(StrEnum):
    """What can happen to a child."""

    TURN_CAME = "turn_came"
    """The supervisor starts its process."""
    READY_SAID = "ready_said"
    DIED = "died"
    """Its process is confirmed dead and it may be restarted."""
    DIED_FOR_GOOD = "died_for_good"
    """Dead with a configuration error, or too often."""
    DIED_WHILE_STOPPING = "died_while_stopping"
    """Dead while the whole engine goes down, asked or not."""
    STOP_ASKED = "stop_asked"
    RESTARTS_ENDED = "restarts_ended"
    """The engine begins to stop: what does not run is not started again."""
    BACKOFF_OVER = "backoff_over"
    REVIVED = "revived"
    """A person wants a failed child tried again."""


class Ignored(msgspec.Struct, frozen=True):
    """The event changes nothing, for this reason."""

    why: str


class Illegal(msgspec.Struct, frozen=True):
    """The event cannot happen here; it is counted and alarmed, the status is kept."""


ILLEGAL: Final = Illegal()

_P = ProcessPhase
_E = ChildEvent
_DEAD: Final = Ignored("the last word of a process that is dead")
_NOT_WAITING: Final = Ignored("there is no pause to end")
_NOT_FAILED: Final = Ignored("it has not failed")
_RUNS: Final = Ignored("it runs and is stopped in its own phase")
_GONE: Final = Ignored("it does not run")

CHILD_LIFE: Final[dict[ProcessPhase, dict[ChildEvent, ProcessPhase | Ignored | Illegal]]] = {
    _P.WAITING: {
        _E.TURN_CAME: _P.STARTING,
        _E.READY_SAID: _DEAD,
        _E.DIED: ILLEGAL,
        _E.DIED_FOR_GOOD: ILLEGAL,
        _E.DIED_WHILE_STOPPING: ILLEGAL,
        _E.STOP_ASKED: _P.STOPPED,
        _E.RESTARTS_ENDED: _P.STOPPED,
        _E.BACKOFF_OVER: _NOT_WAITING,
        _E.REVIVED: _NOT_FAILED,
    },
    _P.STARTING: {
        _E.TURN_CAME: ILLEGAL,
        _E.READY_SAID: _P.READY,
        _E.DIED: _P.BACKOFF,
        _E.DIED_FOR_GOOD: _P.FAILED,
        _E.DIED_WHILE_STOPPING: _P.STOPPED,
        _E.STOP_ASKED: _P.STOPPING,
        _E.RESTARTS_ENDED: _RUNS,
        _E.BACKOFF_OVER: _NOT_WAITING,
        _E.REVIVED: _NOT_FAILED,
    },
    _P.READY: {
        _E.TURN_CAME: ILLEGAL,
        _E.READY_SAID: Ignored("said again"),
        _E.DIED: _P.BACKOFF,
        _E.DIED_FOR_GOOD: _P.FAILED,
        _E.DIED_WHILE_STOPPING: _P.STOPPED,
        _E.STOP_ASKED: _P.STOPPING,
        _E.RESTARTS_ENDED: _RUNS,
        _E.BACKOFF_OVER: _NOT_WAITING,
        _E.REVIVED: _NOT_FAILED,
    },
    _P.STOPPING: {
        _E.TURN_CAME: ILLEGAL,
        _E.READY_SAID: Ignored("it crossed the order to stop"),
        _E.DIED: _P.STOPPED,
        _E.DIED_FOR_GOOD: _P.STOPPED,
        _E.DIED_WHILE_STOPPING: _P.STOPPED,
        _E.STOP_ASKED: Ignored("asked again"),
        _E.RESTARTS_ENDED: _RUNS,
        _E.BACKOFF_OVER: _NOT_WAITING,
        _E.REVIVED: _NOT_FAILED,
    },
    _P.BACKOFF: {
        _E.TURN_CAME: ILLEGAL,
        _E.READY_SAID: _DEAD,
        _E.DIED: ILLEGAL,
        _E.DIED_FOR_GOOD: ILLEGAL,
        _E.DIED_WHILE_STOPPING: ILLEGAL,
        _E.STOP_ASKED: _P.STOPPED,
        _E.RESTARTS_ENDED: _P.STOPPED,
        _E.BACKOFF_OVER: _P.WAITING,
        _E.REVIVED: _P.WAITING,
    },
    _P.STOPPED: {
        _E.TURN_CAME: ILLEGAL,
        _E.READY_SAID: _DEAD,
        _E.DIED: ILLEGAL,
        _E.DIED_FOR_GOOD: ILLEGAL,
        _E.DIED_WHILE_STOPPING: ILLEGAL,
        _E.STOP_ASKED: _GONE,
        _E.RESTARTS_ENDED: _GONE,
        _E.BACKOFF_OVER: _NOT_WAITING,
        _E.REVIVED: Ignored("the engine stops"),
    },
    _P.FAILED: {
        _E.TURN_CAME: ILLEGAL,
        _E.READY_SAID: _DEAD,
        _E.DIED: ILLEGAL,
        _E.DIED_FOR_GOOD: ILLEGAL,
        _E.DIED_WHILE_STOPPING: ILLEGAL,
        _E.STOP_ASKED: _GONE,
        _E.RESTARTS_ENDED: _GONE,
        _E.BACKOFF_OVER: _NOT_WAITING,
        _E.REVIVED: _P.WAITING,
    },
}

RUNNING: Final = frozenset({_P.STARTING, _P.READY, _P.STOPPING})
"""Phases in which a process exists."""

BACKOFF_FIRST_NS: Final = 100 * NS_PER_MS
BACKOFF_MAX_NS: Final = 5 * NS_PER_S
RESTARTS_MAX: Final = 5
ENDED_BY_TERM: Final = -15
"""The exit code of a process that SIGTERM ended before it had a handler for it."""
RESTART_WINDOW_NS: Final = 60 * NS_PER_S


RESCUE_AFTER: Final = 3
RESCUE_WINDOW_NS: Final = 10 * NS_PER_S
"""After so many failed starts within so long the rescue mode is tried (L14)."""


class ChildSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What kind of child a role is."""

    role: str
    beats: bool = True
    """It sends heartbeats and hears the control channel; the local venue does neither."""
    needed: bool = True
    """Without it the engine is REDUCING (L9); only observe may be missing."""
    essential: bool = False
    """If it fails before it was ever ready there is nothing to run."""
    rescuable: bool = False
    """It has a mode that needs less and only reduces risk."""
    self_reliant: bool = False
    """Its start needs nothing from outside: an error of the first one would only come again, and
    once it has failed there is no market to trade on or to protect from."""


class Child(msgspec.Struct, kw_only=True):
    """What the supervisor knows of one child; changed by `Supervisor` alone."""

    spec: ChildSpec
    phase: ProcessPhase = ProcessPhase.WAITING
    incarnation: int = 0
    pid: int = 0
    restarts: int = 0
    was_ready: bool = False
    spawned_at_ns: int = 0
    heard_at_ns: int = 0
    """The last sign of life, by the supervisor's own clock; 0 before the first."""
    retry_at_ns: int = 0
    dumped_at_ns: int = 0
    """When it was asked for a stack dump because it hung; 0 while it is not suspected."""
    deaths_ns: tuple[int, ...] = ()
    failed_starts_ns: tuple[int, ...] = ()
    """Deaths before READY within the last RESCUE_WINDOW_NS."""
    rescue: bool = False
    """Started in its rescue mode from now on: something that it needs is broken (L14)."""
    exit_code: int | None = None
    report: dict[str, Any] | None = None
    figures: dict[str, float] = {}
    disk_error: str = ""
    """Why its journal takes no rows any more; a new process tries again (L11)."""
    cpus: tuple[int, ...] = ()
    nice: int = 0
    cpu_pct: float = 0.0
    rss_mb: float = 0.0

    @property
    def running(self) -> bool:
        """Whether a process exists."""
        return self.phase in RUNNING

    @property
    def disk_trouble(self) -> str:
        """What a person has to be told of its disk; empty while it works."""
        if not self.running or not self.disk_error:
            return ""
        return f"{self.spec.role} cannot write its journal: {self.disk_error}"

    @property
    def left_well(self) -> bool:
        """Whether it is gone and nothing was lost: it left by itself, or was asked so early that it
        could not hear the request yet and had begun nothing."""
        unheard = not self.was_ready and self.exit_code == ENDED_BY_TERM
        return self.phase is ProcessPhase.STOPPED and (self.exit_code in (0, None) or unheard)


def recent_deaths(deaths_ns: tuple[int, ...], now_ns: int) -> tuple[int, ...]:
    """The deaths that count for the intensity of restarts."""
    return tuple(at_ns for at_ns in deaths_ns if now_ns - at_ns < RESTART_WINDOW_NS)


def backoff_ns(deaths: int) -> int:
    """The pause before a restart after so many recent deaths (1 or more): 0.1 s doubling to 5 s."""
    return min(BACKOFF_FIRST_NS << min(deaths - 1, 16), BACKOFF_MAX_NS)


def too_often(deaths: int) -> bool:
    """Whether so many recent deaths are more than restarts can cure (at most 5 in 60 s)."""
    return deaths > RESTARTS_MAX
