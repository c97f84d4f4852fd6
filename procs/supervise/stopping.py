"""The engine's way down: phase after phase, a failing one is recorded and the next runs (R1).

Pure. `Supervisor` owns one of these from the moment a stop begins.
"""

from __future__ import annotations

from collections.abc import Callable

from procs.supervise.child import Child, ChildEvent
from procs.supervise.effects import Force, Signal, SuperviseEffect
from procs.supervise.phases import (
    ENTRY_ROLES,
    KILL_GRACE_MS,
    StopPhase,
    hurried_phases,
    stop_phases,
)
from shared.domain.effects import Note, Say
from shared.messages.control import ProcessPhase, StopEntries, StopProcess
from shared.units import NS_PER_MS

Step = Callable[[Child, ChildEvent], None]
"""How a child's status is moved: `Supervisor` walks the table."""


class Stopping:
    """Where the stop stands. `advance` is called after each event until `done`."""

    def __init__(self, children: dict[str, Child], *, flatten: bool, now_ns: int) -> None:
        self.flatten = flatten
        self.failures: list[str] = []
        self.hurried = False
        self.killed = False
        self.done = False
        self.drained = False
        self._children = children
        self._enter(stop_phases(flatten=flatten), now_ns)

    @property
    def phase(self) -> StopPhase | None:
        """The step that is running; None when all are done."""
        return self._phases[self._place] if self._place < len(self._phases) else None

    def hurry(self, now_ns: int) -> None:
        """Second signal: the waits are skipped, everybody is asked to leave at once."""
        self.hurried = True
        self.failures.append("the waits were skipped by a second signal")
        self._enter(hurried_phases(), now_ns)

    def kill(self, now_ns: int) -> None:
        """Third signal: no more asking."""
        self.killed = True
        self.failures.append("killed by a third signal")
        roles = tuple(self._children)
        self._enter((StopPhase(name="kill", leaving=roles, deadline_ms=0),), now_ns)

    def advance(self, step: Step, now_ns: int) -> list[SuperviseEffect]:
        """Ends phases that are over, kills what outstays its deadline, starts what comes next."""
        effects: list[SuperviseEffect] = []
        while (phase := self.phase) is not None:
            if not self._over(phase, now_ns, effects):
                effects.extend(self._ask(phase, step))
                if not self._over(phase, now_ns, effects):
                    return effects
            took_ms = (now_ns - self._began_ns) // NS_PER_MS
            if self._asked or phase.drains:
                fields = {"phase": phase.name, "took_ms": took_ms}
                effects.append(Note("system", "stop_phase_ended", fields))
            self._place += 1
            self._began_phase(now_ns)
        self.done = True
        return effects

    def remind(self) -> list[SuperviseEffect]:
        """The running phase's orders again: one to a child that could not hear yet was lost."""
        phase = self.phase
        if phase is None:
            return []
        if phase.drains:
            return self._say_entries_end()
        return [
            effect
            for role in phase.leaving
            if (child := self._children.get(role)) is not None
            and child.phase is ProcessPhase.STOPPING
            for effect in self._leave(child, phase)
            if isinstance(effect, Say)
        ]

    def _enter(self, phases: tuple[StopPhase, ...], now_ns: int) -> None:
        known = self._children.keys()
        self._phases = tuple(
            phase for phase in phases if phase.drains or not known.isdisjoint(phase.leaving)
        )
        self._place = 0
        self._began_phase(now_ns)

    def _began_phase(self, now_ns: int) -> None:
        self._began_ns = now_ns
        self._killing_since_ns = 0
        self._asked = False

    def _ask(self, phase: StopPhase, step: Step) -> list[SuperviseEffect]:
        effects: list[SuperviseEffect] = []
        for role in phase.leaving:
            child = self._children.get(role)
            if child is None or child.phase is ProcessPhase.STOPPING:
                continue
            if child.running:
                self._asked = True
                effects.extend(self._leave(child, phase))
            step(child, ChildEvent.STOP_ASKED)
        return effects

    def _leave(self, child: Child, phase: StopPhase) -> list[SuperviseEffect]:
        if not child.spec.beats:
            return [
                Signal(role=child.spec.role, incarnation=child.incarnation, force=Force.TERMINATE)
            ]
        return [Say(child.spec.role, StopProcess(deadline_ms=phase.deadline_ms))]

    def _say_entries_end(self) -> list[SuperviseEffect]:
        return [
            Say(role, StopEntries(flatten=self.flatten))
            for role in ENTRY_ROLES
            if role in self._children and self._children[role].running
        ]

    def _over(self, phase: StopPhase, now_ns: int, effects: list[SuperviseEffect]) -> bool:
        if phase.drains:
            return self._drain_over(phase, now_ns)
        left = [
            child
            for role in phase.leaving
            if (child := self._children.get(role)) is not None and child.running
        ]
        if not left:
            return True
        if now_ns - self._began_ns < phase.deadline_ms * NS_PER_MS:
            return False
        if self._killing_since_ns == 0:
            self._killing_since_ns = now_ns
            if not self.killed:
                names = ", ".join(child.spec.role for child in left)
                self.failures.append(
                    f"{phase.name}: {names} still there after {phase.deadline_ms} ms, killed"
                )
            effects.extend(
                Signal(role=child.spec.role, incarnation=child.incarnation, force=Force.KILL)
                for child in left
            )
        if now_ns - self._killing_since_ns < KILL_GRACE_MS * NS_PER_MS:
            return False
        names = ", ".join(child.spec.role for child in left)
        self.failures.append(f"{phase.name}: {names} survived SIGKILL")
        return True

    def _drain_over(self, phase: StopPhase, now_ns: int) -> bool:
        if self.drained:
            return True
        route = self._children.get("route")
        if route is None or not route.was_ready:
            # Nothing was ever traded in this run, so there is nothing to drain.
            return True
        if not route.running:
            self.failures.append(f"{phase.name}: route is {route.phase.value}")
            return True
        if now_ns - self._began_ns >= phase.deadline_ms * NS_PER_MS:
            self.failures.append(f"{phase.name}: not drained after {phase.deadline_ms} ms")
            return True
        return False
