"""A simulated child: a real actor under the rules of the live loop: journal, timers, calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from procs.runtime.keeping import Keeping, raises_risk
from procs.runtime.readiness import is_unheard
from procs.simulate.agenda import Agenda
from procs.simulate.disks import Disk, MemoryJournal, RowReader
from procs.simulate.process import LEFT, Around, Process
from procs.turn import Batch, gather, take_turn
from shared.domain.effects import CallVenue, CancelTimer, Say, SetTimer, TimerFired
from shared.messages.account import EventSaid, Welcomed
from shared.messages.control import (
    EngineStatus,
    Heartbeat,
    ProcessReady,
    ProcessStopped,
    StopProcess,
    Tripped,
)
from shared.messages.venue import Outcome, VenueAnswered, VenueRequest
from shared.units import NS_PER_MS

STALE_TURN_NS = 250 * NS_PER_MS
"""A call of an older turn is not made (L7); `procs.runtime.calls` has the same bound."""
LEAVES_WITHIN_NS = STALE_TURN_NS
"""A request leaves at the latest so long after its turn began."""
RESCUE = "route runs in rescue mode"
KEEP_ROWS = 100_000
ACCOUNT = (EventSaid, Welcomed)
OF_THE_LOOP = (VenueAnswered, EngineStatus, StopProcess)
"""Messages that concern more than the actor."""
LAST_LOOK_NS = 20 * NS_PER_MS


class Surroundings(Around, Protocol):
    """What a node's effects reach."""

    def call(self, node: Node, call: CallVenue) -> None:
        """Carry a request to the venue."""

    def heard(self, node: Node, messages: list[Any]) -> None:
        """What a living process takes in one turn."""

    def refusal(self, node: Node, what: str) -> str:
        """Why the disk refuses a write of this node; empty when it does not."""

    def latch(self, node: Node) -> str:
        """The text of the latch file."""

    def tripped(self, node: Node, reason: str) -> None:
        """The node may only reduce from now on: the latch is set (L9)."""

    def latches(self, node: Node, reason: str) -> None:
        """The node sets the latch, unless it is set: its actor says that it tripped (L9)."""


class Node(Process):
    """One child of the supervisor. Rows on its disk are bytes, read back as the journal's are."""

    def __init__(
        self,
        role: str,
        build: Callable[[int], Any],
        events: Any,
        agenda: Agenda,
        around: Surroundings,
    ) -> None:
        """`events` is the union of what it journals; None for a role without a journal."""
        super().__init__(role, agenda, around)
        self.disk = Disk()
        self.keeping = Keeping(role, None, KEEP_ROWS)
        self.pid = 0
        self.rescue = False
        """Started in the mode that only reduces risk (L14)."""
        self.ready_said = False
        self.calls: list[tuple[VenueRequest, int]] = []
        """Requests that are not answered yet, and when the turn of each began."""
        self._surroundings = around
        self._build = build
        self._reader = RowReader(events) if events is not None else None
        self._timers: dict[str, int] = {}
        self._overdue: dict[str, int] = {}
        self._trip_said = False
        self._leave_ns = 0

    @property
    def rows(self) -> list[bytes]:
        """What is in the journal, or kept in its place."""
        return self.disk.known

    # ── life ────────────────────────────────────────────────────────────────────────────────────

    def start(self, incarnation: int | None = None, *, pid: int = 0, rescue: bool = False) -> None:
        """Starts, or starts again, from what is on disk."""
        self.pid = pid
        self.begin(self.incarnation + 1 if incarnation is None else incarnation)
        self.rescue = rescue
        self.ready_said = self._trip_said = False
        self.calls = []
        self._timers, self._overdue = {}, {}
        if self.witness is not None:
            self.witness.started(self)
        store = None
        if self._reader is not None:
            store = MemoryJournal(self.disk, self._reader, self._refusal)
        self.keeping = Keeping(self.role, store, KEEP_ROWS)
        self.actor = self._build(self.incarnation)
        fault = self.keeping.recover(self.actor)
        if fault:
            self._trip()
            self.keeping.salvage()
        self.actor.latched = self.latched()
        self.perform(self._steps(gather(self.actor.start(self._agenda.now_ns))))

    def latched(self) -> str:
        """Why exits only; empty when entries may be."""
        text = self._surroundings.latch(self)
        if self.keeping.rearmed(text):
            self._trip_said = False
        return RESCUE if self.rescue else self.keeping.trip_reason or text

    def recovered(self) -> Any:
        """A fresh actor with what is on the disk, beside the living one."""
        actor = self._build(self.incarnation)
        if self._reader is not None:
            actor.recover(None, [self._reader.read(row) for row in self.rows])
        return actor

    def beat(self) -> None:
        """What the live loop does every 250 ms: says that it lives, and trips if it must."""
        if not self.alive or self.held:
            return
        now_ns = self._agenda.now_ns
        beat = Heartbeat(
            role=self.role,
            incarnation=self.incarnation,
            at_ns=now_ns,
            disk_error=self.keeping.disk_error,
        )
        self._around.say(self, Say("supervise", beat))
        self.keeping.remember()
        if self.keeping.trip_reason:
            self.latched()
        if self.keeping.trip_reason:
            self._trip()

    def leave(self, deadline_ms: int) -> None:
        """StopProcess: nothing is read any more; calls in flight are waited for."""
        now_ns = self._agenda.now_ns
        if not self.leaving:
            self.leaving = True
            self._leave_ns = now_ns + deadline_ms * NS_PER_MS
        else:
            self._leave_ns = now_ns
        self._depart_when_done(self.life)

    def _depart_when_done(self, life: int) -> None:
        if not self.alive or life != self.life:
            return
        now_ns = self._agenda.now_ns
        if self.held or (self.calls and now_ns < self._leave_ns):
            self._agenda.after(LAST_LOOK_NS, lambda: self._depart_when_done(life))
            return
        if self.calls:
            left, self.calls = self.calls, []
            self.turn([_abandoned(request, began_ns) for request, began_ns in left])
        if not self.alive:
            return
        self.keeping.snapshot(self.actor)
        report = ProcessStopped(
            role=self.role, incarnation=self.incarnation, report=self.actor.report()
        )
        self._around.say(self, Say("supervise", report))
        self.die(LEFT)

    def die(self, exit_code: int = -9) -> None:
        """Everything but the disk is gone."""
        self._timers, self._overdue = {}, {}
        super().die(exit_code)

    # ── turns ───────────────────────────────────────────────────────────────────────────────────

    def _waiting(self) -> list[Any]:
        now_ns = self._agenda.now_ns
        due = [key for key, at_ns in self._overdue.items() if self._timers.get(key) == at_ns]
        self._overdue = {}
        for key in due:
            assert self._timers.pop(key) <= now_ns
        return [*map(TimerFired, due), *super()._waiting()]

    def _judge(self, messages: list[Any], now_ns: int) -> Sequence[Any]:
        actor = self.actor
        actor.latched = self.latched()
        self._surroundings.heard(self, messages)
        for message in messages:
            if isinstance(message, OF_THE_LOOP):
                self._note(message)
        return self._steps(take_turn(actor, messages, now_ns))

    def _note(self, message: VenueAnswered | EngineStatus | StopProcess) -> None:
        """What the loop makes of a message besides its actor."""
        match message:
            case VenueAnswered(request=request):
                self.calls = [one for one in self.calls if one[0] is not request]
            case EngineStatus():
                if is_unheard(message, self.role, self.incarnation):
                    self.ready_said = False
            case StopProcess():
                self._agenda.after(0, partial(self._asked_to_leave, message, self.life))

    def _asked_to_leave(self, asked: StopProcess, life: int) -> None:
        if self.alive and life == self.life:
            self.leave(asked.deadline_ms)

    def _steps(self, batch: Batch) -> Sequence[Any]:
        if batch.is_empty and not self.keeping.degraded:
            return ()
        return steps_of(batch)

    def _doing(self, steps: Sequence[Any]) -> str:
        batch: Batch = steps[0]
        if batch.journal:
            return f"{self.role} {type(batch.journal[0].event).__name__}"
        return f"{self.role} {type(batch.calls[0].request).__name__}" if batch.calls else ""

    def _do(self, step: Any, began_ns: int) -> None:
        witness = self.witness
        if isinstance(step, Batch):
            if not self.keeping.commit(step, began_ns) and not self._trip_said:
                self._trip()
            if witness is not None:
                for entry in step.journal:
                    witness.did(self, entry)
            for timer in step.timers:
                self._set(timer)
            return
        if witness is not None:
            witness.did(self, step)
        if isinstance(step, Say):
            if isinstance(step.message, Tripped):
                self._surroundings.latches(self, step.message.reason)
            self._around.say(self, step)
        else:
            self._call(step, began_ns)

    def _ended(self) -> None:
        if not self.ready_said and self.actor.ready:
            self.ready_said = True
            ready = ProcessReady(
                role=self.role, incarnation=self.incarnation, pid=self.pid, cpus=(), nice=0
            )
            self._around.say(self, Say("supervise", ready))

    def _call(self, call: CallVenue, began_ns: int) -> None:
        """The last checks before a request leaves; what they forbid comes back as not sent."""
        code = ""
        if raises_risk(call):
            if self.keeping.degraded:
                code = "disk"
            elif self.latched():
                code = "latched"
        if self._agenda.now_ns - began_ns > STALE_TURN_NS:
            code = "stale_turn"
        if not code:
            self.calls.append((call.request, began_ns))
            self._surroundings.call(self, call)
            return
        answer = VenueAnswered(request=call.request, outcome=Outcome.NOT_SENT, code=code)
        life = self.life
        self._agenda.after(0, lambda: self.take(answer, life))

    def _trip(self) -> None:
        if not self._trip_said:
            self._trip_said = True
            self._surroundings.tripped(self, self.keeping.trip_reason)
            self.keeping.latch_set()

    def _refusal(self, what: str) -> str:
        return self._surroundings.refusal(self, what)

    def _set(self, timer: SetTimer | CancelTimer) -> None:
        if isinstance(timer, CancelTimer):
            self._timers.pop(timer.key, None)
            return
        self._timers[timer.key] = timer.at_ns
        life, key, at_ns = self.life, timer.key, timer.at_ns

        def fire() -> None:
            if self.life != life or self._timers.get(key) != at_ns:
                return
            if self.held:
                self._overdue[key] = at_ns
                return
            del self._timers[key]
            self.take(TimerFired(key), life)

        self._agenda.at(at_ns, fire)


class Onlooker(Node):
    """A node that owns nothing and says little: what its turns are about is what it hears."""

    _about = ""

    def _steps(self, batch: Batch) -> Sequence[Any]:
        return steps_of(batch)

    def _judge(self, messages: list[Any], now_ns: int) -> Sequence[Any]:
        self._about = ""
        for message in messages:
            if isinstance(message, ACCOUNT):
                self._about = type(message).__name__
                break
        return super()._judge(messages, now_ns)

    def _doing(self, steps: Sequence[Any]) -> str:
        return f"{self.role} {self._about}" if self._about else ""


def steps_of(batch: Batch) -> list[Any]:
    """A batch in steps between which a process may die: the commit, then one by one."""
    return [batch, *batch.says, *batch.calls]


def _abandoned(request: VenueRequest, began_ns: int) -> VenueAnswered:
    return VenueAnswered(
        request=request,
        outcome=Outcome.UNKNOWN,
        code="stopped",
        text="the process stopped before the answer came",
        sent_ns=began_ns + LEAVES_WITHIN_NS,
    )
