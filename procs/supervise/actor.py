"""The supervisor's judgement: in which trading state the engine is, and how everything ends. Pure.

It hears its children, the operating system (through the shell) and a person; it answers with
effects. `roster.py` keeps the children alive, `stopping.py` is the way down, `trading.py` the
trading state, `status.py` what a person is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from procs.supervise.child import ChildSpec
from procs.supervise.effects import (
    ChildDied,
    ChildReady,
    ChildSpawned,
    Finish,
    LatchRead,
    Measured,
    RememberOperator,
    RemoveLatch,
    Reply,
    SteerAsked,
    StopSignal,
    StopWanted,
    SuperviseEffect,
    Tick,
    WriteLatch,
)
from procs.supervise.roster import Roster
from procs.supervise.status import plain_status
from procs.supervise.stopping import Stopping
from procs.supervise.trading import judge
from shared.domain.effects import Note, Say
from shared.errors import ExitCode
from shared.messages.control import (
    ASKED_BY_A_PERSON,
    AlarmRaised,
    CloseAsked,
    Drained,
    EngineStatus,
    Heartbeat,
    ProcessReady,
    ProcessStopped,
    Steered,
    TradingState,
    Tripped,
)
from shared.units import NS_PER_MS, NS_PER_S

STATUS_EVERY_NS: Final = 250 * NS_PER_MS
REMIND_EVERY_NS: Final = 500 * NS_PER_MS
ALARMS_KEPT: Final = 1000


class Supervisor:
    """The actor. `start` once, then `on` for each message; `Finish` is its last effect."""

    role = "supervise"

    def __init__(
        self,
        run_id: str,
        specs: Iterable[ChildSpec],
        *,
        flatten_on_stop: bool = False,
        operator: TradingState = TradingState.ACTIVE,
    ) -> None:
        self.run_id = run_id
        self.roster = Roster(specs)
        self.operator = operator
        self.latch = ""
        self._latch_alarmed = False
        self.alarms: list[AlarmRaised] = []
        """The newest ones; `alarms_total` counts all."""
        self.alarms_total = 0
        self.stopping: Stopping | None = None
        self.stop_reason = ""
        self.state = TradingState.REDUCING
        self.reasons: tuple[str, ...] = ()
        self._told: tuple[TradingState, tuple[str, ...]] = (self.state, self.reasons)
        self._flatten = flatten_on_stop
        self._started_ns = 0
        self._said_status_ns = 0
        self._reminded_ns = 0
        self._illegal_said = 0
        self._error = ""
        self._exit_code = ExitCode.OK
        self._finished = False

    @property
    def clean(self) -> bool:
        """Every phase of the stop succeeded and every child left by itself with exit code 0."""
        return (
            self.stopping is not None
            and self.stopping.done
            and not self.stopping.failures
            and all(child.left_well for child in self.roster.children.values())
        )

    def start(self, now_ns: int) -> list[SuperviseEffect]:
        """The first child's start."""
        self._started_ns = now_ns
        return self._after([], now_ns)

    def on(self, message: Any, now_ns: int) -> list[SuperviseEffect]:
        """What follows from a message of a child, the operating system or a person."""
        if self._finished:
            return []
        effects: list[SuperviseEffect] = []
        match message:
            case Tick():
                effects.extend(self.roster.on_tick(self._alarm_into(effects, now_ns), now_ns))
            case Heartbeat():
                self.roster.on_beat(message, now_ns)
            case ProcessReady() | ChildReady():
                effects.extend(self.roster.on_ready(message, now_ns))
            case ProcessStopped():
                self.roster.on_report(message)
            case Drained(role="route"):
                if self.stopping is not None:
                    self.stopping.drained = True
            case AlarmRaised():
                self._on_alarm(message, effects)
            case Tripped(role=role, reason=reason):
                self._latch(f"{role}: {reason}", effects, now_ns)
            case ChildSpawned(role=role, pid=pid):
                self.roster.children[role].pid = pid
            case ChildDied():
                self._on_death(message, effects, now_ns)
            case Measured():
                self.roster.on_measured(message)
            case LatchRead(text=text):
                self.latch = text
                self._latch_alarmed = self._latch_alarmed and bool(text)
            case StopSignal(name=name):
                self._on_signal(name, effects, now_ns)
            case StopWanted(reason=reason):
                self._begin_stop(reason, effects, now_ns)
            case SteerAsked():
                self._on_steer(message, effects, now_ns)
        return self._after(effects, now_ns)

    def status(self, now_ns: int) -> EngineStatus:
        """What everybody is told every 250 ms and at each change."""
        return EngineStatus(
            run_id=self.run_id,
            state=self.state,
            at_ns=now_ns,
            uptime_s=(now_ns - self._started_ns) / NS_PER_S,
            stopping=self.stopping is not None,
            reasons=self.reasons,
            processes=self.roster.rows(now_ns),
            latch=self.latch,
        )

    # -- what children and the operating system say -----------------------------------------

    def _on_alarm(self, alarm: AlarmRaised, effects: list[SuperviseEffect]) -> None:
        self.alarms_total += 1
        self.alarms.append(alarm)
        del self.alarms[:-ALARMS_KEPT]
        fields = {
            "from": alarm.role,
            "kind": alarm.kind,
            "symbol": alarm.symbol,
            "text": alarm.text,
        }
        effects.append(Note("errors", "alarm", fields))
        if alarm.role != "observe" and self.roster.runs("observe"):
            effects.append(Say("observe", alarm))

    def _alarm_into(
        self, effects: list[SuperviseEffect], now_ns: int
    ) -> Callable[[str, str], None]:
        def alarm(kind: str, text: str) -> None:
            raised = AlarmRaised(role=self.role, kind=kind, symbol="", text=text, at_ns=now_ns)
            self._on_alarm(raised, effects)

        return alarm

    def _on_death(self, death: ChildDied, effects: list[SuperviseEffect], now_ns: int) -> None:
        followed, failure = self.roster.on_death(
            death,
            self._alarm_into(effects, now_ns),
            now_ns,
            stopping=self.stopping is not None,
        )
        effects.extend(followed)
        if failure is not None:
            self._error, self._exit_code = failure.text, failure.exit_code
            self._begin_stop(f"{failure.role} failed", effects, now_ns)

    # -- what a person says -----------------------------------------------------------------

    def _on_signal(self, name: str, effects: list[SuperviseEffect], now_ns: int) -> None:
        """R1: the first stops in order, the second skips the waits, the third kills."""
        stopping = self.stopping
        if stopping is None:
            self._begin_stop(name, effects, now_ns)
        elif not stopping.hurried:
            stopping.hurry(now_ns)
        elif not stopping.killed:
            stopping.kill(now_ns)

    def _on_steer(self, asked: SteerAsked, effects: list[SuperviseEffect], now_ns: int) -> None:
        verb, argument = asked.steer.verb, asked.steer.argument
        answers: dict[str, Callable[[], Steered]] = {
            "status": lambda: Steered(ok=True, text=self.state.name),
            "pause-entries": lambda: self._operate(TradingState.REDUCING, effects),
            "halt": lambda: self._operate(TradingState.HALTED, effects),
            "resume": lambda: self._resume(effects),
            "close": lambda: self._close(argument, effects),
            "kill": lambda: self._kill_switch(argument, effects, now_ns),
            "rearm": lambda: self._rearm(effects),
            "stop": lambda: self._stop_asked(effects, now_ns),
        }
        answer = answers.get(verb)
        if answer is None:
            said = Steered(ok=False, text=f"unknown verb {verb!r}, known: {', '.join(answers)}")
        else:
            said = answer()
        if verb != "status":
            fields = {"verb": verb, "argument": argument, "ok": said.ok, "text": said.text}
            effects.append(Note("events", "steered", fields))
        self._judge(now_ns)
        data = plain_status(self.status(now_ns), self.roster, self.alarms_total)
        effects.append(Reply(asked.peer, Steered(ok=said.ok, text=said.text, data=data)))

    def _operate(self, state: TradingState, effects: list[SuperviseEffect]) -> Steered:
        self.operator = state
        effects.append(RememberOperator(state))
        text = "entries are paused" if state is TradingState.REDUCING else "halted"
        return Steered(ok=True, text=f"{text}; `seawall resume` ends it")

    def _resume(self, effects: list[SuperviseEffect]) -> Steered:
        """Ends pause and halt, never the latch (E7); failed children get another chance."""
        self.operator = TradingState.ACTIVE
        effects.append(RememberOperator(TradingState.ACTIVE))
        revived = [] if self.stopping is not None else self.roster.revive_failed()
        tried = f", starting {', '.join(revived)} again" if revived else ""
        latched = "; the kill switch stays latched, `seawall rearm` opens it" if self.latch else ""
        return Steered(ok=True, text=f"resumed{tried}{latched}")

    def _close(self, symbol: str, effects: list[SuperviseEffect]) -> Steered:
        if not symbol:
            return Steered(ok=False, text="close what? a symbol such as BTCUSDT, or all")
        if not self.roster.runs("protect"):
            return Steered(ok=False, text="protect does not run, it is the one that closes")
        wanted = "all" if symbol.lower() == "all" else symbol.upper()
        effects.append(Say("protect", CloseAsked(symbol=wanted, reason=ASKED_BY_A_PERSON)))
        return Steered(ok=True, text=f"closing {wanted}")

    def _kill_switch(self, reason: str, effects: list[SuperviseEffect], now_ns: int) -> Steered:
        self._latch(reason or "killed by a person", effects, now_ns)
        return Steered(ok=True, text="kill switch latched; `seawall rearm` opens it")

    def _rearm(self, effects: list[SuperviseEffect]) -> Steered:
        """Opens the latch, unless a disk has closed it for as long as a process lives (L11)."""
        troubles = [child.disk_trouble for child in self.roster.children.values()]
        if any(troubles):
            told = "; ".join(filter(None, troubles))
            way_out = "mend the disk or make room, `seawall stop`, start again, then rearm"
            return Steered(ok=False, text=f"not rearmed: {told}; {way_out}")
        was = self.latch
        self.latch = ""
        self._latch_alarmed = False
        effects.append(RemoveLatch())
        return Steered(ok=True, text="kill switch rearmed" if was else "it was not latched")

    def _stop_asked(self, effects: list[SuperviseEffect], now_ns: int) -> Steered:
        if self.stopping is not None:
            return Steered(ok=True, text="already stopping")
        self._begin_stop("asked by a person", effects, now_ns)
        return Steered(ok=True, text="stopping")

    # -- judgement --------------------------------------------------------------------------

    def _latch(self, text: str, effects: list[SuperviseEffect], now_ns: int) -> None:
        # Who trips has written the latch itself, and it may have been read before its word came.
        if not self._latch_alarmed:
            self._latch_alarmed = True
            self._alarm_into(effects, now_ns)("kill_switch", f"latched: {text}")
        self.latch = self.latch or text
        effects.append(WriteLatch(text))

    def _begin_stop(self, reason: str, effects: list[SuperviseEffect], now_ns: int) -> None:
        if self.stopping is not None:
            return
        self.stop_reason = reason
        effects.append(Note("system", "stop_began", {"reason": reason}))
        self.stopping = Stopping(self.roster.children, flatten=self._flatten, now_ns=now_ns)
        self.roster.end_restarts()
        self._reminded_ns = now_ns
        effects.extend(self.stopping.remind())

    def _after(self, effects: list[SuperviseEffect], now_ns: int) -> list[SuperviseEffect]:
        """What every event may bring about: the next start, the next phase, a new trading state."""
        if self.stopping is None:
            effects.extend(self.roster.start_next(now_ns))
        else:
            self._go_down(self.stopping, effects, now_ns)
        if self.roster.illegal_total > self._illegal_said:
            self._illegal_said = self.roster.illegal_total
            text = f"{self._illegal_said} events that cannot happen to a child, states kept"
            self._alarm_into(effects, now_ns)("illegal_event", text)
        self._judge(now_ns)
        told, self._told = self._told, (self.state, self.reasons)
        if told[0] is not self.state:
            fields = {"state": self.state.name, "reasons": list(self.reasons)}
            effects.append(Note("events", "trading_state", fields))
        if told != self._told or now_ns - self._said_status_ns >= STATUS_EVERY_NS:
            self._said_status_ns = now_ns
            status = self.status(now_ns)
            effects.extend(Say(role, status) for role in self.roster.listeners())
        if self.stopping is not None and self.stopping.done:
            effects.append(self._finish(self.stopping))
        return effects

    def _judge(self, now_ns: int) -> None:
        self.state, self.reasons = judge(
            self.roster.children.values(),
            operator=self.operator,
            latch=self.latch,
            stopping=self.stopping is not None,
            now_ns=now_ns,
        )

    def _go_down(self, stopping: Stopping, effects: list[SuperviseEffect], now_ns: int) -> None:
        effects.extend(stopping.advance(self.roster.step, now_ns))
        if not stopping.done and now_ns - self._reminded_ns >= REMIND_EVERY_NS:
            self._reminded_ns = now_ns
            effects.extend(stopping.remind())

    def _finish(self, stopping: Stopping) -> Finish:
        self._finished = True
        code = self._exit_code
        if code is ExitCode.OK and not self.clean:
            code = ExitCode.ERROR
        error = self._error or "; ".join(stopping.failures)
        return Finish(exit_code=code, error=error, clean=self.clean)
