"""The supervisor's process: sockets, children, signals and time around the pure `Supervisor`.

One thread, one loop: wait for whatever comes first (a message, a death, a signal, the next tick),
let the actor judge it, do what it wants. Signal handlers only enqueue (R1).
"""

from __future__ import annotations

import os
import select
import signal
from collections import deque
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any, Final

from procs.runtime.affinity import apply, available_cpus, placements
from procs.supervise.actor import Supervisor
from procs.supervise.children import VENUE_ROLE, Children, RunContext
from procs.supervise.effects import (
    ChildReady,
    Finish,
    LatchRead,
    RememberOperator,
    RemoveLatch,
    Reply,
    Signal,
    Spawn,
    StopSignal,
    StopWanted,
    Tick,
    WriteLatch,
)
from procs.supervise.listening import Listening
from procs.supervise.measuring import Meter
from procs.supervise.plan import LOCAL_VENUE, NoViewer, Outcome, RunPlan, Viewer
from procs.supervise.processes import ChildCommand, module_command
from procs.supervise.restoring import refuse_half_restored
from procs.supervise.roster import CHILD_SPECS
from procs.supervise.rundir import (
    RunFile,
    UserPaths,
    next_start_s,
    read_latch,
    read_operator,
    replace_text,
    take_engine_lock,
    write_latch,
    write_operator,
)
from procs.supervise.status import plain_status
from procs.supervise.summary import RunFacts, summary
from procs.supervise.venue_child import ReplayWatch
from shared.clock import EngineClock, iso
from shared.domain.effects import Note, Say
from shared.errors import SeawallError
from shared.ids import run_id
from shared.messages.base import encode
from shared.messages.control import TradingState
from shared.telemetry.log import EventLog, open_log
from shared.units import NS_PER_MS, NS_PER_S

TICK_MS: Final = 50
MEASURE_EVERY_NS: Final = NS_PER_S
SHOW_EVERY_NS: Final = 250 * NS_PER_MS
STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Farewell = Callable[[Outcome], None]


class Wakeup:
    """Signals as bytes in a pipe: the handlers themselves do nothing."""

    def __init__(self) -> None:
        self.reads, self.writes = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._before: dict[int, Any] = {}
        for number in STOP_SIGNALS:
            # nohup asked for SIGHUP to be ignored; that wish is respected.
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue
            self._before[number] = signal.signal(number, _enqueue)
        self._fd_before = signal.set_wakeup_fd(self.writes, warn_on_full_buffer=False)

    def read(self) -> list[str]:
        """The names of the signals that came; a zero byte only wakes."""
        try:
            numbers = os.read(self.reads, 4096)
        except BlockingIOError:
            return []
        return [signal.Signals(number).name for number in numbers if number in STOP_SIGNALS]

    def close(self) -> None:
        """Gives the signals back."""
        signal.set_wakeup_fd(self._fd_before)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self.reads)
        os.close(self.writes)


class Shell:
    """One run of the engine, from the lock to the farewell."""

    def __init__(
        self,
        plan: RunPlan,
        *,
        command: ChildCommand = module_command,
        viewer: Viewer | None = None,
    ) -> None:
        self._plan = plan
        self._command = command
        self._viewer: Viewer = viewer or NoViewer()
        self._paths = UserPaths(plan.userdir)
        self._clock = EngineClock()
        self._inbox: deque[Any] = deque()
        self._finish: Finish | None = None
        self._latch_said = ""
        self._measured_ns = 0
        self._showed_ns = 0
        self._watch: ReplayWatch | None = None

    def run(self, farewell: Farewell) -> Outcome:
        """Runs until everything is stopped; `farewell` is called while the lock is still held.

        Raises SeawallError (nothing was started then): another engine runs here, or the user folder
        or the log cannot be used."""
        self._paths.make()
        lock = take_engine_lock(self._paths)
        try:
            refuse_half_restored(self._paths)
            self._listening = Listening(self._paths.run_dir)
            self._wakeup = Wakeup()
            try:
                try:
                    self._prepare()
                except OSError as error:
                    text = f"{self._paths.userdir}: {error}; is the disk full?"
                    raise SeawallError(text) from error
                self._loop()
                outcome = self._outcome()
                self._close_run()
                self._viewer.close()
                farewell(outcome)
                return outcome
            finally:
                self._viewer.close()
                self._wakeup.close()
                self._listening.close()
        finally:
            lock.release()

    def _prepare(self) -> None:
        plan, paths = self._plan, self._paths
        cpus = available_cpus()
        places = placements(plan.settings, cpus, automatic=plan.pin)
        start_s = next_start_s(paths, self._clock.now_ns() // NS_PER_S)
        self._run_id = run_id(start_s)
        data_dir = paths.data_dir / f"replay-{self._run_id}" if plan.replay else paths.data_dir
        data_dir.mkdir(exist_ok=True)
        log = plan.settings.log
        self._log: EventLog = open_log(
            paths.logs_dir, "supervise", self._run_id, log.rotate_mb, log.keep_files, log.level
        )
        run_file = RunFile(
            run_id=self._run_id,
            pid=os.getpid(),
            started=iso(self._clock.now_ns()),
            started_s=start_s,
        )
        replace_text(paths.run_file, encode(run_file).decode() + "\n")
        context = RunContext(
            plan, paths, self._run_id, self._clock.offset_ns, data_dir, cpus, places
        )
        self._children = Children(context, self._command)
        self._context = context
        self._self_meter = Meter("supervise", os.getpid())
        specs = [
            spec
            for spec in CHILD_SPECS
            if (plan.local_venue if spec.role == VENUE_ROLE else spec.role in plan.roles)
        ]
        self._actor = Supervisor(
            self._run_id,
            specs,
            flatten_on_stop=plan.settings.engine.on_stop == "flatten",
            operator=read_operator(paths.operator),
        )
        self._viewer.started(self._run_id, plan.settings.venue.name, paths.userdir)
        self._note("system", "engine_started", {"pid": os.getpid(), "mode": self._mode()})
        apply("supervise", *places["supervise"])

    def _loop(self) -> None:
        self._started_ns = self._clock.now_ns()
        try:
            self._read_latch()
            self._perform(self._actor.start(self._started_ns))
            self._work_off()
            while self._finish is None:
                self._wait()
                self._inbox.extend(self._listening.drain())
                self._inbox.extend(StopSignal(name) for name in self._wakeup.read())
                self._look_around()
                self._inbox.append(Tick())
                self._work_off()
        finally:
            self._children.kill_all()
            if self._watch is not None:
                self._watch.close()

    def _wait(self) -> None:
        poller = select.poll()
        for descriptor in (
            *self._listening.descriptors,
            self._wakeup.reads,
            *self._children.descriptors(),
        ):
            poller.register(descriptor, select.POLLIN)
        # ZeroMQ's descriptors are edge-triggered: what is readable already gives no edge.
        poller.poll(0 if self._listening.readable() else TICK_MS)

    def _look_around(self) -> None:
        """Deaths, the latch file, the clock, the recording: what nobody sends a message about."""
        now_ns = self._clock.now_ns()
        for seen in self._children.look(now_ns, self._awaits_report):
            if isinstance(seen, ChildReady):
                self._on_venue_ready()
            self._inbox.append(seen)
        self._read_latch()
        if now_ns - self._measured_ns >= MEASURE_EVERY_NS:
            self._measured_ns = now_ns
            self._self_meter.measure()
            self._inbox.extend(self._children.measure())
        for complaint in self._children.complaints:
            self._note("errors", "placement_refused", {"text": complaint})
        self._children.complaints.clear()
        run_for_s = self._plan.run_for_s
        if run_for_s is not None and now_ns - self._started_ns >= run_for_s * NS_PER_S:
            self._inbox.append(StopWanted(f"ran for {run_for_s:g} s"))
        if self._watch is not None and self._watch.ended.is_set():
            self._inbox.append(StopWanted("the recording ended"))
        if now_ns - self._showed_ns >= SHOW_EVERY_NS:
            self._show(now_ns)

    def _show(self, now_ns: int) -> None:
        self._showed_ns = now_ns
        actor = self._actor
        self._viewer.showed(plain_status(actor.status(now_ns), actor.roster, actor.alarms_total))

    def _work_off(self) -> None:
        while self._inbox:
            message = self._inbox.popleft()
            self._perform(self._actor.on(message, self._clock.now_ns()))

    def _perform(self, effects: list[Any]) -> None:
        for effect in effects:
            match effect:
                case Say(to=role, message=message):
                    self._listening.say(role, message)
                case Note(stream=stream, event_type=event_type, fields=fields):
                    self._note(stream, event_type, fields)
                case Spawn():
                    self._inbox.append(self._children.spawn(effect))
                case Signal():
                    self._children.force(effect)
                case Reply(peer=peer, answer=answer):
                    self._listening.answer(peer, answer)
                case WriteLatch(text=text):
                    self._keep("latch", partial(write_latch, self._paths.latch, text))
                    self._latch_said = read_latch(self._paths.latch)
                case RemoveLatch():
                    self._keep("latch", partial(self._paths.latch.unlink, missing_ok=True))
                    self._latch_said = ""
                case RememberOperator(state=state):
                    self._keep("operator", partial(write_operator, self._paths.operator, state))
                case Finish():
                    self._finish = effect

    def _keep(self, what: str, write: Callable[[], None]) -> None:
        """A full disk must not end the supervisor: the actor holds the state in memory (L11)."""
        try:
            write()
        except OSError as error:
            self._note("errors", "not_kept", {"what": what, "text": str(error)})

    def _read_latch(self) -> None:
        text = read_latch(self._paths.latch)
        if text != self._latch_said:
            self._latch_said = text
            self._inbox.append(LatchRead(text))

    def _on_venue_ready(self) -> None:
        venue = self._context.venue
        if venue is not None and self._plan.replay and self._watch is None:
            self._watch = ReplayWatch(venue.rest, self._wakeup.writes)

    def _awaits_report(self, role: str) -> bool:
        child = self._actor.roster.children[role]
        return self._actor.stopping is not None and child.spec.beats and child.report is None

    def _note(self, stream: str, event_type: str, fields: dict[str, Any]) -> None:
        now_ns = self._clock.now_ns()
        self._log.write(stream, event_type, fields, now_ns)
        self._viewer.noted(Note(stream, event_type, fields), now_ns)

    def _mode(self) -> str:
        settings = self._plan.settings
        local = settings.venue.name == LOCAL_VENUE
        return f"{settings.engine.mode} on {'the local venue' if local else settings.venue.name}"

    def _outcome(self) -> Outcome:
        finish = self._finish
        assert finish is not None, "the loop ends with Finish"
        self._self_meter.measure()
        self._self_meter.measure_shares()
        seen = self._children.reports()
        children = self._actor.roster.children
        reports = {
            role: {**seen.get(role, {}), **(child.report or {})} for role, child in children.items()
        }
        reports["supervise"] = self._self_meter.report()
        restarts = {role: child.restarts for role, child in children.items() if child.incarnation}
        facts = RunFacts(
            run_id=self._run_id,
            duration_s=(self._clock.now_ns() - self._started_ns) / NS_PER_S,
            clean_shutdown=finish.clean,
            restarts={"supervise": 0, **restarts},
            alarms=self._actor.alarms_total,
        )
        return Outcome(
            exit_code=finish.exit_code,
            error=finish.error,
            stop_reason=self._actor.stop_reason,
            summary=summary(facts, reports),
            alarms=[f"{alarm.role}: {alarm.text}" for alarm in self._actor.alarms],
        )

    def _close_run(self) -> None:
        self._note("system", "engine_stopped", {"reason": self._actor.stop_reason})
        self._show(self._clock.now_ns())
        if self._finish is not None and self._finish.clean:
            # A person's pause outlives crashes, not a stop that the same person asked for.
            write_operator(self._paths.operator, TradingState.ACTIVE)
        self._paths.run_file.unlink(missing_ok=True)
        self._context.credentials_path.unlink(missing_ok=True)
        self._log.close()


def _enqueue(number: int, frame: FrameType | None) -> None:
    """The signal's number is already in the wakeup pipe."""
