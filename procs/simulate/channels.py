"""What carries messages between processes: in order and quick, unless the seed wants it otherwise.

As ZeroMQ does it: route can only tell those who have spoken to this process of it, what is sent to
nobody is dropped, and what was under way when a connection broke comes late, twice or never.
Messages that leave together arrive together, as they do out of a socket's queue.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from core_ext.quote import Quote
from procs.simulate.agenda import Agenda
from procs.simulate.dice import Dice, drawn
from procs.simulate.process import Process
from shared.units import NS_PER_MS

PEERS = ("decide", "protect", "observe")
"""Readers of account events."""
PAIRS = (
    *(("route", peer) for peer in PEERS),
    *(("supervise", child) for child in ("route", "protect", "ingest", "decide", "observe")),
    *(("ingest", reader) for reader in ("route", "protect", "decide", "observe")),
)
"""Who talks to whom."""
CUT_MS = (200, 5_000)
LOOK_NS = 500 * NS_PER_MS
READERS = ("route", "protect", "decide", "observe")
"""Who hears quotes."""
LATENCY_NS = (20_000, 400_000)


class Lane:
    """One direction between two roles."""

    __slots__ = ("batch", "due_ns")

    def __init__(self) -> None:
        self.batch: list[Any] | None = None
        """Messages on their way that later ones may still join."""
        self.due_ns = 0


class Channels:
    """All channels of a world: account, control and quotes."""

    def __init__(
        self,
        agenda: Agenda,
        dice: Dice,
        seed: int,
        find: Callable[[str], Process],
    ) -> None:
        self._agenda = agenda
        self._dice = dice
        self.random = Random(f"{seed} channels")
        self._find = find
        self._lanes: dict[tuple[str, str], Lane] = {}
        self._cut: dict[tuple[str, str], tuple[int, bool]] = {}
        """Until when nothing passes, and whether it passes then."""
        agenda.after(LOOK_NS, self._look)
        self._known: dict[str, int] = {}
        """Roles that have spoken to a life of route."""
        self._boots = 0
        """What was sent in an earlier one is gone."""

    def say(self, sender: str, to: str, message: Any) -> None:
        """Sends a message to a role, or to every reader of account events."""
        if to != "peers":
            self._send(sender, to, message)
            return
        life = self._find("route").life
        for peer in PEERS:
            if self._known.get(peer) == life:
                self._send(sender, peer, message)

    def cut_power(self) -> None:
        """All ends are on one machine: what is under way is gone with its memory."""
        self._boots += 1
        self._lanes.clear()

    def publish(self, quotes: list[Quote]) -> None:
        """From ingest to every reader of quotes; what is lost is not missed for long."""
        for reader in READERS:
            for quote in quotes:
                if not self._dice.hits("lost_quote", reader):
                    self.carry("ingest", reader, quote)

    def _send(self, sender: str, target: str, message: Any) -> None:
        dice, state = self._dice, type(message).__name__
        if dice.hits("lost_say", state):
            return
        if target == "route" and sender != "supervise":
            self._known[sender] = self._find("route").life
        if dice.hits("late_say", state):
            late_ns = dice.between("late_say", 1, 3_000) * NS_PER_MS
            self._deliver(self._agenda.now_ns + late_ns, target, message)
            return
        if dice.hits("doubled_say", state):
            again_ns = dice.between("doubled_say", 1, 2_000) * NS_PER_MS
            self._deliver(self._agenda.now_ns + again_ns, target, message)
        self.carry(sender, target, message)

    def _deliver(self, at_ns: int, target: str, message: Any) -> None:
        """By itself, at its time, unless power fails before that."""
        boots = self._boots

        def arrive() -> None:
            if boots == self._boots:
                self._find(target).take(message)

        self._agenda.at(at_ns, arrive)

    def _look(self) -> None:
        """Cuts, while the world is ill: what is sent meanwhile waits for the end, or is lost."""
        self._agenda.after(LOOK_NS, self._look)
        for pair in PAIRS:
            if self._dice.hits("cut_channel", " and ".join(pair)):
                until_ns = (
                    self._agenda.now_ns + self._dice.between("cut_channel", *CUT_MS) * NS_PER_MS
                )
                keeps = self._dice.coin("cut_channel", 0.5)
                for ends in (pair, pair[::-1]):
                    self._cut[ends] = (until_ns, keeps)

    def carry(self, sender: str, target: str, message: Any) -> None:
        """On its way, behind what was sent before it."""
        # The supervisor reads all its children from one socket.
        key = ("children" if target == "supervise" else sender, target)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane()
        if self._cut and self._is_lost(sender, target, message):
            return
        if lane.batch is not None:
            lane.batch.append(message)
            return
        batch = lane.batch = [message]
        lane.due_ns = self._agenda.now_ns + drawn(self.random, *LATENCY_NS)

        boots = self._boots

        def arrive() -> None:
            if boots != self._boots:
                return
            lane.batch = None
            self._find(target).take_all(_conflated(batch) if len(batch) > 1 else batch)

        self._agenda.at(lane.due_ns, arrive)

    def _is_lost(self, sender: str, target: str, message: Any) -> bool:
        """Whether a cut keeps a message back, for a while or for ever."""
        until_ns, keeps = self._cut.get((sender, target), (0, False))
        now_ns = self._agenda.now_ns
        if until_ns <= now_ns:
            return False
        if keeps:
            self._deliver(until_ns, target, message)
        return True


def _conflated(messages: list[Any]) -> list[Any]:
    """What a reader takes in one turn: of each symbol only the newest quote."""
    quotes = {m.symbol: m for m in messages if isinstance(m, Quote)}
    if not quotes:
        return messages
    return [*(m for m in messages if not isinstance(m, Quote)), *quotes.values()]
