"""The person who runs the engine: looks now and then, and does what the engine leaves to people.

A child that was given up gets another chance, a latch is opened after a look, an engine whose disk
failed is started again once there is room. What a person must not be needed for, the engine does
alone. In some worlds the person also meddles: sells everything, pauses or halts the engine for a
while.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Final

from procs.supervise.effects import SteerAsked, StopWanted
from shared.messages.control import ProcessPhase, Steer, TradingState
from shared.units import NS_PER_MS

if TYPE_CHECKING:
    from procs.simulate.world import World

LOOK_NS: Final = 500 * NS_PER_MS
PATIENCE_MS: Final = (1_000, 4_000)


class Person:
    """Steers by the same words as the command line."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._random = Random(f"{world.seed} person")
        self._decided: dict[str, int] = {}
        """What has to be done, and when it was decided to."""
        world.agenda.after(LOOK_NS, self._look)

    def _look(self) -> None:
        world = self._world
        world.agenda.after(LOOK_NS, self._look)
        machine = world.machine
        boss = machine.overseer
        if not boss.alive or boss.held or boss.actor.stopping is not None:
            return
        self._meddle()
        children = boss.actor.roster.children.values()
        failed = any(child.phase is ProcessPhase.FAILED for child in children)
        if self._time_for("resume", failed):
            self._steer("resume")
        if self._time_for("rearm", bool(machine.latch)):
            world.venue.clocks.set_right()
            world.venue.clocks.measure()
            self._steer("rearm")
        degraded = machine.disks_work() and any(
            node.alive and node.keeping.degraded for node in world.nodes.values()
        )
        if self._time_for("restart", degraded):
            boss.take(StopWanted("a person made room on the disk"))

    def _meddle(self) -> None:
        """What nobody needed: a word that the engine has to obey all the same."""
        dice, machine = self._world.dice, self._world.machine
        state = machine.operator.name
        if self._time_for("go on", machine.operator is not TradingState.ACTIVE):
            self._steer("resume")
        if dice.hits("sold_by_hand", state):
            self._steer("close", "all")
        if machine.operator is TradingState.ACTIVE and dice.hits("held_by_hand", state):
            self._steer("halt" if dice.coin("held_by_hand", 0.5) else "pause-entries")

    def _steer(self, verb: str, argument: str = "") -> None:
        self._world.dice.count(f"person_{verb}")
        steer = Steer(verb=verb, argument=argument)
        self._world.machine.overseer.take(SteerAsked(peer="person", steer=steer))

    def _time_for(self, what: str, needed: bool) -> bool:
        """Whether something has been needed for as long as a person takes to see it."""
        if not needed:
            self._decided.pop(what, None)
            return False
        now_ns = self._world.agenda.now_ns
        due_ns = self._decided.get(what)
        if due_ns is None:
            self._decided[what] = now_ns + self._random.randint(*PATIENCE_MS) * NS_PER_MS
            return False
        if now_ns < due_ns:
            return False
        del self._decided[what]
        return True
