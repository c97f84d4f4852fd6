"""The supervisor's children: who starts next, who hangs, who died and what that means. Pure.

The roster moves children through `CHILD_LIFE` and says what must be done to their processes; what
it means for trading, and the way down, is `actor.py`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from procs.supervise.child import (
    CHILD_LIFE,
    RESCUE_AFTER,
    RESCUE_WINDOW_NS,
    Child,
    ChildEvent,
    ChildSpec,
    Illegal,
    backoff_ns,
    recent_deaths,
    too_often,
)
from procs.supervise.effects import (
    ChildDied,
    ChildReady,
    Force,
    Measured,
    Signal,
    Spawn,
    SuperviseEffect,
)
from shared.domain.effects import Note
from shared.errors import ExitCode
from shared.messages.control import (
    Heartbeat,
    ProcessPhase,
    ProcessReady,
    ProcessStatus,
    ProcessStopped,
)
from shared.units import NS_PER_MS, NS_PER_S

SILENT_NS: Final = 10 * NS_PER_S
"""A child that beat before and is silent for this long hangs (R2)."""
FIRST_BEAT_NS: Final = 30 * NS_PER_S
"""Importing and recovering comes before the first heartbeat."""
DUMP_TO_KILL_NS: Final = 500 * NS_PER_MS
"""Time for a hung process to write its stacks."""
AWAY_NS: Final = 2 * NS_PER_S
"""A gap between ticks as long as this means that the supervisor itself was stopped or starved."""

CHILD_SPECS: Final = (
    ChildSpec(role="localvenue", beats=False, essential=True, self_reliant=True),
    ChildSpec(role="route", essential=True, rescuable=True),
    ChildSpec(role="protect"),
    ChildSpec(role="ingest"),
    ChildSpec(role="decide"),
    ChildSpec(role="observe", needed=False),
)
"""In start order (L14)."""

RaiseAlarm = Callable[[str, str], None]
"""Raises an alarm of the supervisor's own: kind, text."""


class FatalFailure(msgspec.Struct, frozen=True, kw_only=True):
    """A child without which there is nothing to run: it never came up, or is the market itself."""

    role: str
    text: str
    exit_code: ExitCode


class Roster:
    """Every child in start order, and how they change."""

    def __init__(self, specs: Iterable[ChildSpec]) -> None:
        self.children = {spec.role: Child(spec=spec) for spec in specs}
        self.illegal_total = 0
        self._ticked_ns = 0

    def step(self, child: Child, event: ChildEvent) -> None:
        """Moves a child as its table says. An illegal event is counted and changes nothing."""
        outcome = CHILD_LIFE[child.phase][event]
        if isinstance(outcome, ProcessPhase):
            child.phase = outcome
        elif isinstance(outcome, Illegal):
            self.illegal_total += 1

    def runs(self, role: str) -> bool:
        """Whether a process of this role exists."""
        child = self.children.get(role)
        return child is not None and child.running

    def listeners(self) -> list[str]:
        """Roles that hear the control channel now."""
        return [role for role, child in self.children.items() if child.running and child.spec.beats]

    def start_next(self, now_ns: int) -> list[SuperviseEffect]:
        """In order, each ready before the next (L14).

        A child that was ready once, or failed, holds up nobody: restarts go on side by side."""
        effects: list[SuperviseEffect] = []
        for child in self.children.values():
            if child.phase is ProcessPhase.WAITING:
                self.step(child, ChildEvent.TURN_CAME)
                if child.incarnation:
                    child.restarts += 1
                child.incarnation += 1
                child.pid = 0
                child.spawned_at_ns = now_ns
                child.heard_at_ns = child.dumped_at_ns = 0
                child.figures, child.disk_error = {}, ""
                child.report = None
                effects.append(
                    Spawn(role=child.spec.role, incarnation=child.incarnation, rescue=child.rescue)
                )
            if not child.was_ready and child.phase is not ProcessPhase.FAILED:
                break
        return effects

    def on_beat(self, beat: Heartbeat, now_ns: int) -> None:
        """A sign of life with its counters."""
        child = self._current(beat.role, beat.incarnation)
        if child is not None and child.running:
            child.heard_at_ns = now_ns
            child.dumped_at_ns = 0
            child.figures, child.disk_error = beat.figures, beat.disk_error

    def on_ready(self, ready: ProcessReady | ChildReady, now_ns: int) -> list[SuperviseEffect]:
        """Recovered and reconciled: the next may start."""
        child = self._current(ready.role, ready.incarnation)
        if child is None:
            return []
        if isinstance(ready, ProcessReady) and child.pid and ready.pid != child.pid:
            # The late word of a child of an earlier supervisor, which counted the same (L14).
            return []
        was = child.phase
        self.step(child, ChildEvent.READY_SAID)
        if was is child.phase or child.phase is not ProcessPhase.READY:
            return []
        child.was_ready = True
        child.heard_at_ns = now_ns
        if isinstance(ready, ProcessReady):
            child.cpus, child.nice = ready.cpus, ready.nice
        took_ms = (now_ns - child.spawned_at_ns) // NS_PER_MS
        fields = {"role": ready.role, "pid": child.pid, "took_ms": took_ms}
        return [Note("system", "process_ready", fields)]

    def on_report(self, stopped: ProcessStopped) -> None:
        """A child's last word."""
        child = self._current(stopped.role, stopped.incarnation)
        if child is not None:
            child.report = stopped.report

    def on_measured(self, measured: Measured) -> None:
        """What the operating system says of a process (R5)."""
        child = self.children[measured.role]
        if child.running:
            child.cpus, child.nice = measured.cpus, measured.nice
            child.cpu_pct, child.rss_mb = measured.cpu_pct, measured.rss_mb

    def on_death(
        self, death: ChildDied, alarm: RaiseAlarm, now_ns: int, *, stopping: bool
    ) -> tuple[list[SuperviseEffect], FatalFailure | None]:
        """Backoff and a successor, or FAILED after too many or a configuration error (L14)."""
        child = self._current(death.role, death.incarnation)
        if child is None or not child.running:
            return [], None
        fields = {
            "role": death.role,
            "pid": child.pid,
            "exit_code": death.exit_code,
            "was": child.phase.value,
            "last_words": death.last_words,
        }
        child.exit_code = death.exit_code
        if child.phase is ProcessPhase.STARTING and not stopping:
            _count_failed_start(child, alarm, now_ns)
        child.deaths_ns = (*recent_deaths(child.deaths_ns, now_ns), now_ns)
        if stopping:
            self.step(child, ChildEvent.DIED_WHILE_STOPPING)
            return [Note("system", "process_stopped", fields)], None
        effects: list[SuperviseEffect] = [Note("errors", "process_died", fields)]
        words = f": {death.last_words}" if death.last_words else ""
        how = f"{_exit_text(death.exit_code)}{words}"
        configuration = death.exit_code == ExitCode.CONFIG
        hopeless = child.spec.self_reliant and not child.was_ready and death.exit_code > 0
        if not (configuration or hopeless or too_often(len(child.deaths_ns))):
            self.step(child, ChildEvent.DIED)
            child.retry_at_ns = now_ns + backoff_ns(len(child.deaths_ns))
            alarm("process_died", f"{death.role} died, restarting ({how})")
            return effects, None
        self.step(child, ChildEvent.DIED_FOR_GOOD)
        why = "its configuration is refused" if configuration else "it died too often"
        if hopeless and not configuration:
            why = "it cannot start"
        text = f"{death.role} failed, {why} ({how})"
        alarm("process_failed", text)
        ends_run = child.spec.self_reliant or (
            not child.was_ready and (configuration or child.spec.essential)
        )
        if not ends_run:
            return effects, None
        code = ExitCode.CONFIG if configuration else ExitCode.ERROR
        return effects, FatalFailure(role=death.role, text=text, exit_code=code)

    def on_tick(self, alarm: RaiseAlarm, now_ns: int) -> list[SuperviseEffect]:
        """Ends pauses before restarts, and looks for processes that hang (R2)."""
        effects: list[SuperviseEffect] = []
        away_ns = now_ns - self._ticked_ns if self._ticked_ns else 0
        self._ticked_ns = now_ns
        if away_ns >= AWAY_NS:
            effects.append(Note("errors", "supervisor_was_away", {"away_ms": away_ns // NS_PER_MS}))
        for child in self.children.values():
            if away_ns >= AWAY_NS:
                # Nobody could be heard meanwhile, so nobody is killed for having been silent.
                child.spawned_at_ns += away_ns
                child.heard_at_ns = now_ns if child.heard_at_ns else 0
            if child.phase is ProcessPhase.BACKOFF and now_ns >= child.retry_at_ns:
                self.step(child, ChildEvent.BACKOFF_OVER)
            elif child.running and child.spec.beats:
                effects.extend(_watch(child, alarm, now_ns))
        return effects

    def revive_failed(self) -> list[str]:
        """A person wants the failed ones tried again; returns their roles."""
        failed = [child for child in self.children.values() if child.phase is ProcessPhase.FAILED]
        for child in failed:
            child.deaths_ns = child.failed_starts_ns = ()
            child.rescue = False
            self.step(child, ChildEvent.REVIVED)
        return [child.spec.role for child in failed]

    def end_restarts(self) -> None:
        """The engine stops: what does not run now never will."""
        for child in self.children.values():
            self.step(child, ChildEvent.RESTARTS_ENDED)

    def rows(self, now_ns: int) -> dict[str, ProcessStatus]:
        """What `seawall status` shows of each child."""
        return {
            role: ProcessStatus(
                pid=child.pid if child.running else 0,
                status=child.phase,
                incarnation=child.incarnation,
                heartbeat_age_ms=_age_ms(child, now_ns),
                restarts=child.restarts,
                cpus=child.cpus,
                nice=child.nice,
                cpu_pct=child.cpu_pct if child.running else 0.0,
                rss_mb=child.rss_mb if child.running else 0.0,
            )
            for role, child in self.children.items()
        }

    def figure(self, role: str, name: str) -> float | None:
        """A counter of a child's last heartbeat; None before it said one."""
        child = self.children.get(role)
        return None if child is None else child.figures.get(name)

    def _current(self, role: str, incarnation: int) -> Child | None:
        """The child, unless the word comes from a process that was replaced since."""
        child = self.children.get(role)
        return child if child is not None and child.incarnation == incarnation else None


def _count_failed_start(child: Child, alarm: RaiseAlarm, now_ns: int) -> None:
    """L14: what fails three times in ten seconds will fail again; what needs less may not."""
    recent = (at_ns for at_ns in child.failed_starts_ns if now_ns - at_ns < RESCUE_WINDOW_NS)
    child.failed_starts_ns = (*recent, now_ns)
    if child.spec.rescuable and not child.rescue and len(child.failed_starts_ns) >= RESCUE_AFTER:
        child.rescue = True
        # The rescue mode gets all the tries of a process that never died.
        child.deaths_ns = ()
        text = f"{child.spec.role} could not start {RESCUE_AFTER} times: it goes on in rescue mode"
        alarm("rescue", text)


def _watch(child: Child, alarm: RaiseAlarm, now_ns: int) -> list[SuperviseEffect]:
    """R2: a silent process shows its stacks, then it is killed; its death starts a successor."""
    if child.dumped_at_ns:
        overdue = now_ns - child.dumped_at_ns >= DUMP_TO_KILL_NS
        return [_force(child, Force.KILL)] if overdue else []
    silent_ns = now_ns - (child.heard_at_ns or child.spawned_at_ns)
    if silent_ns < (SILENT_NS if child.heard_at_ns else FIRST_BEAT_NS):
        return []
    child.dumped_at_ns = now_ns
    text = f"{child.spec.role} has been silent for {silent_ns / NS_PER_S:.1f} s, killing it"
    alarm("process_hung", text)
    return [_force(child, Force.DUMP)]


def _force(child: Child, force: Force) -> Signal:
    return Signal(role=child.spec.role, incarnation=child.incarnation, force=force)


def _age_ms(child: Child, now_ns: int) -> int:
    """0 where nothing beats: a child that does not run, or the local venue."""
    if not child.running or not child.spec.beats:
        return 0
    return (now_ns - (child.heard_at_ns or child.spawned_at_ns)) // NS_PER_MS


def _exit_text(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
