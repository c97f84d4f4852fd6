"""A simulated process: a real actor, a disk that keeps only what was committed, sudden death."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from procs.localvenue.matching.model import Order as VenueSideOrder
from procs.simulate.agenda import Agenda
from procs.simulate.dice import Hit
from procs.turn import Actor, Batch, gather
from shared.domain.effects import CallVenue, CancelTimer, Journal, Say, SetTimer, TimerFired
from shared.messages.base import Message, Reader, encode


class Surroundings(Protocol):
    """What a node's effects reach."""

    def say(self, node: Node, say: Say) -> None:
        """Carry a message to another node."""

    def call(self, node: Node, call: CallVenue) -> None:
        """Carry a request to the venue."""

    def dies_at(self, node: Node, batch: Batch) -> int | None:
        """Before which of the batch's steps the node dies; None when it lives on."""

    def turned(self, node: Node) -> None:
        """A turn is over: invariants are looked at."""


class Witness(Protocol):
    """Somebody who looks on and changes nothing: a trace."""

    def started(self, node: Node) -> None:
        """A process begins to live."""

    def died(self, node: Node) -> None:
        """A process is gone."""

    def took(self, node: Node, message: Any) -> None:
        """A living process takes a message."""

    def did(self, node: Node, effect: Journal | Say | CallVenue) -> None:
        """An effect was performed."""

    def hit(self, hit: Hit, state: str) -> None:
        """A fault happens."""

    def ordered(self, order: VenueSideOrder) -> None:
        """An order changed at the venue."""

    def healed(self) -> None:
        """From now on no fault happens."""


class Node:
    """One process. Rows on its disk are bytes, read back as the real journal's are."""

    def __init__(
        self,
        role: str,
        build: Callable[[int], Actor],
        events: Any,
        agenda: Agenda,
        around: Surroundings,
    ) -> None:
        self.role = role
        self.rows: list[bytes] = []
        self.alive = False
        self.incarnation = 0
        self.turns = 0
        self.actor: Any = None
        self.witness: Witness | None = None
        self._build = build
        self._reader = Reader(events)
        self._agenda = agenda
        self._around = around
        self._timers: dict[str, int] = {}

    def start(self) -> None:
        """Starts, or starts again, from what is on disk."""
        self.incarnation += 1
        self.alive = True
        self._timers = {}
        if self.witness is not None:
            self.witness.started(self)
        self.actor = self._build(self.incarnation)
        rows: list[Message] = [self._reader.read(row) for row in self.rows]
        self.actor.recover(None, rows)
        self._perform(gather(self.actor.start(self._agenda.now_ns)))

    def die(self) -> None:
        """kill -9: everything but the disk is gone."""
        self.alive = False
        self._timers = {}
        if self.witness is not None:
            self.witness.died(self)

    def take(self, message: Any, incarnation: int | None = None) -> None:
        """One turn with one message, if the node it was meant for still lives."""
        if not self.alive or incarnation not in (None, self.incarnation):
            return
        self.turns += 1
        if self.witness is not None:
            self.witness.took(self, message)
        self._perform(gather(self.actor.on(message, self._agenda.now_ns)))

    def _perform(self, batch: Batch) -> None:
        """Journal, timers, says, calls: the live loop's order, with a death between any two."""
        death = self._around.dies_at(self, batch)
        step = 0
        if death == step:
            self.die()
            return
        for entry in batch.journal:
            assert entry.seq == len(self.rows) + 1, (self.role, entry.seq, len(self.rows))
            self.rows.append(encode(entry.event))
            if self.witness is not None:
                self.witness.did(self, entry)
        for timer in batch.timers:
            self._set(timer)
        outward: list[Say | CallVenue] = [*batch.says, *batch.calls]
        for effect in outward:
            step += 1
            if death == step:
                self.die()
                return
            if self.witness is not None:
                self.witness.did(self, effect)
            if isinstance(effect, Say):
                self._around.say(self, effect)
            else:
                self._around.call(self, effect)
        if death is not None:
            self.die()
            return
        self._around.turned(self)

    def _set(self, timer: SetTimer | CancelTimer) -> None:
        if isinstance(timer, CancelTimer):
            self._timers.pop(timer.key, None)
            return
        self._timers[timer.key] = timer.at_ns
        incarnation, key, at_ns = self.incarnation, timer.key, timer.at_ns

        def fire() -> None:
            if self._timers.get(key) == at_ns and self.incarnation == incarnation:
                del self._timers[key]
                self.take(TimerFired(key), incarnation)

        self._agenda.at(at_ns, fire)
