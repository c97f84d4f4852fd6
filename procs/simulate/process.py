"""What every simulated process has: turns, messages that wait while it is held up, sudden death.

A turn is a list of steps. Between any two of them the process may die, or stop for a while, as
SIGSTOP or a starved processor stop it: what it has done stays done, the rest comes later or never.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Protocol

from core_ext.quote import Quote
from procs.localvenue.matching.model import Order as VenueSideOrder
from procs.simulate.agenda import Agenda
from procs.simulate.dice import Hit
from procs.turn import MAX_MESSAGES_PER_TURN
from shared.domain.effects import CallVenue, Journal, Say

KILLED: Final = -9
LEFT: Final = 0


class Witness(Protocol):
    """Somebody who looks on and changes nothing: a trace."""

    def started(self, node: Process) -> None:
        """A process begins to live."""

    def died(self, node: Process) -> None:
        """A process is gone."""

    def took(self, node: Process, message: Any) -> None:
        """A living process takes a message."""

    def did(self, node: Process, effect: Journal | Say | CallVenue) -> None:
        """An effect was performed."""

    def hit(self, hit: Hit, state: str) -> None:
        """A fault happens."""

    def ordered(self, order: VenueSideOrder) -> None:
        """An order changed at the venue."""

    def healed(self) -> None:
        """From now on no fault happens."""


class Held(NamedTuple):
    """Before which step a turn stops for a while, and for how long."""

    step: int
    length_ns: int


class Around(Protocol):
    """What a process's turns reach."""

    def say(self, node: Process, say: Say) -> None:
        """Carry a message to another process."""

    def dies_at(self, node: Process, doing: str, steps: int) -> int | None:
        """Before which of so many steps the process dies; None when it lives on."""

    def held_at(self, node: Process, doing: str, steps: int) -> Held | None:
        """Before which of so many steps the process is stopped; None when it is not."""

    def turned(self, node: Process) -> None:
        """A turn is over: invariants are looked at."""

    def exited(self, node: Process, exit_code: int) -> None:
        """The process is gone."""


class _Turn(NamedTuple):
    steps: Sequence[Any]
    began_ns: int
    death: int | None


class Process(ABC):
    """One role's place on the machine: at most one process of it lives at a time (L7)."""

    def __init__(self, role: str, agenda: Agenda, around: Around) -> None:
        self.role = role
        self.alive = False
        self.leaving = False
        """It reads no sockets any more."""
        self.life = 0
        """Counts the processes of this role: what was meant for one does not reach the next."""
        self.incarnation = 0
        self.turns = 0
        self.actor: Any = None
        self.witness: Witness | None = None
        self.busy_until_ns = 0
        """Until then its turns begin late by `busy_ns`: others use the processor."""
        self.busy_ns = 0
        self._agenda = agenda
        self._around = around
        self._inbox: list[Any] = []
        self._held_until_ns = 0
        self._rest: tuple[_Turn, int] | None = None

    @property
    def rows(self) -> list[bytes]:
        """What is in its journal, if it keeps one."""
        return []

    # ── life ────────────────────────────────────────────────────────────────────────────────────

    def begin(self, incarnation: int) -> None:
        """A new process of this role begins."""
        self.life += 1
        self.incarnation = incarnation
        self.alive = True
        self.leaving = False
        self._inbox = []
        self._held_until_ns = self.busy_until_ns = 0
        self._rest = None

    def die(self, exit_code: int = KILLED) -> None:
        """It is gone; what it held in memory too."""
        self.alive = False
        self._inbox = []
        self._rest = None
        if self.witness is not None:
            self.witness.died(self)
        self._around.exited(self, exit_code)

    # ── messages and time ───────────────────────────────────────────────────────────────────────

    @property
    def held(self) -> bool:
        """Whether it is stopped, or waits for the processor."""
        return self._held_until_ns > self._agenda.now_ns

    def take(self, message: Any, life: int | None = None) -> None:
        """One turn with one message, if the process it was meant for still lives."""
        self.take_all([message], life)

    def take_all(self, messages: list[Any], life: int | None = None) -> None:
        """One turn with several messages that arrived together."""
        if not self.alive or (self.leaving if life is None else life != self.life):
            return
        now_ns = self._agenda.now_ns
        if self._held_until_ns <= now_ns:
            if self.busy_until_ns <= now_ns:
                self.turn(messages)
                return
            self.hold(now_ns + self.busy_ns)
        self._inbox += messages

    def hold(self, until_ns: int) -> None:
        """Stops it; what arrives meanwhile waits."""
        if not self.alive or until_ns <= self._held_until_ns:
            return
        self._held_until_ns = until_ns
        life = self.life

        def wake() -> None:
            if self.alive and self.life == life and self._held_until_ns == until_ns:
                self._wake()

        self._agenda.at(until_ns, wake)

    def release(self) -> None:
        """Lets it go on now."""
        self.busy_until_ns = 0
        if self.alive and self.held:
            self._wake()

    def _wake(self) -> None:
        self._held_until_ns = 0
        if self._rest is not None:
            (turn, step), self._rest = self._rest, None
            self._go_on(turn, step)
        while self.alive and not self._held_until_ns:
            waiting = self._waiting()
            if not waiting:
                return
            self.turn(waiting)

    def _waiting(self) -> list[Any]:
        """The next turn's messages: oldest first, of each symbol only the newest quote."""
        inbox = self._inbox
        self._inbox = inbox[MAX_MESSAGES_PER_TURN:]
        inbox = inbox[:MAX_MESSAGES_PER_TURN]
        quotes = {m.symbol: m for m in inbox if isinstance(m, Quote)}
        return [*(m for m in inbox if not isinstance(m, Quote)), *quotes.values()]

    # ── a turn ──────────────────────────────────────────────────────────────────────────────────

    def turn(self, messages: list[Any]) -> None:
        """Judges messages and performs what follows."""
        self.turns += 1
        if self.witness is not None:
            for message in messages:
                self.witness.took(self, message)
        self.perform(self._judge(messages, self._agenda.now_ns))

    def perform(self, steps: Sequence[Any]) -> None:
        """Step by step, with a death or a stop between any two."""
        doing = self._doing(steps) if steps else ""
        death = held = None
        if doing:
            death = self._around.dies_at(self, doing, len(steps))
            held = self._around.held_at(self, doing, len(steps))
        began_ns = self._agenda.now_ns
        if death is not None or held is not None:
            self._go_on(_Turn(steps, began_ns, death), 0, held)
            return
        for step in steps:
            self._do(step, began_ns)
            if not self.alive:
                return
        self._ended()
        self._around.turned(self)

    def _go_on(self, turn: _Turn, first: int, held: Held | None = None) -> None:
        steps, began_ns, death = turn
        for place in range(first, len(steps)):
            if death == place:
                self.die()
                return
            if held is not None and held.step == place:
                self._rest = (turn, place)
                self.hold(self._agenda.now_ns + held.length_ns)
                return
            self._do(steps[place], began_ns)
            if not self.alive:
                return
        if death is not None:
            self.die()
            return
        self._ended()
        self._around.turned(self)

    @abstractmethod
    def _judge(self, messages: list[Any], now_ns: int) -> Sequence[Any]:
        """What follows from messages, in the order in which it is done."""

    @abstractmethod
    def _doing(self, steps: Sequence[Any]) -> str:
        """What a turn is about; empty for one in which a death would change nothing."""

    @abstractmethod
    def _do(self, step: Any, began_ns: int) -> None:
        """Performs one step."""

    def _ended(self) -> None:  # noqa: B027 - a hook that most roles leave empty
        """All steps are done."""
