"""The supervisor's process in the simulation: the real actor on a simulated machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from procs.simulate.agenda import Agenda
from procs.simulate.process import Around, Process
from procs.supervise.actor import Supervisor
from procs.supervise.effects import (
    Finish,
    LatchRead,
    RememberOperator,
    RemoveLatch,
    Signal,
    Spawn,
    Tick,
    WriteLatch,
)
from procs.supervise.roster import CHILD_SPECS
from shared.domain.effects import Note, Say
from shared.messages.control import TradingState
from shared.units import NS_PER_MS

TICK_NS = 200 * NS_PER_MS
SAYING = "supervise says"
"""A turn that only tells everybody how things stand."""
WORDS = (Say, Note)
"""Steps that do nothing but tell."""
SPECS = tuple(spec for spec in CHILD_SPECS if spec.role != "localvenue")


class System(Around, Protocol):
    """What the supervisor's effects reach: the operating system of the simulated machine."""

    latch: str
    operator: TradingState

    def spawn(self, wanted: Spawn) -> None:
        """Starts a child."""

    def signal(self, wanted: Signal) -> None:
        """Signals a child."""

    def finished(self, finish: Finish) -> None:
        """The run is over."""


class Overseer(Process):
    """One supervisor after another; each is a run of its own."""

    actor: Supervisor

    def __init__(self, agenda: Agenda, system: System) -> None:
        super().__init__("supervise", agenda, system)
        self._system = system
        self._latch_said = ""

    def start(self, run: str, *, flatten: bool) -> None:
        """A new run of the engine."""
        self.begin(self.incarnation + 1)
        if self.witness is not None:
            self.witness.started(self)
        system = self._system
        self._latch_said = system.latch
        self.actor = Supervisor(run, SPECS, flatten_on_stop=flatten, operator=system.operator)
        self.actor.latch = system.latch
        self.perform(self.actor.start(self._agenda.now_ns))
        self._tick(self.life)

    def _tick(self, life: int) -> None:
        if not self.alive or life != self.life:
            return
        self._agenda.after(TICK_NS, lambda: self._tick(life))
        latch = self._system.latch
        if latch == self._latch_said:
            self.take(Tick())
            return
        if not self.held:
            self._latch_said = latch
        self.take_all([LatchRead(latch), Tick()])

    def _judge(self, messages: list[Any], now_ns: int) -> Sequence[Any]:
        effects: list[Any] = []
        for message in messages:
            effects += self.actor.on(message, now_ns)
        return effects

    def _doing(self, steps: Sequence[Any]) -> str:
        for step in steps:
            if not isinstance(step, WORDS):
                return f"supervise {type(step).__name__}"
        return SAYING if len(steps) > 1 else ""

    def _do(self, step: Any, began_ns: int) -> None:
        system = self._system
        match step:
            case Say():
                if self.witness is not None:
                    self.witness.did(self, step)
                system.say(self, step)
            case Spawn():
                system.spawn(step)
            case Signal():
                system.signal(step)
            case WriteLatch(text=text):
                self._latch_said = system.latch = system.latch or text
            case RemoveLatch():
                self._latch_said = system.latch = ""
            case RememberOperator(state=state):
                system.operator = state
            case Finish():
                system.finished(step)
