"""Time that a process, or the whole machine, does not have: SIGSTOP, suspend, a starved processor.

What arrives meanwhile waits. A turn that was stopped between its commit and its requests goes on
afterwards, and its requests are too old to be made (L7).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from procs.simulate.process import Held, Process
from shared.units import NS_PER_MS

if TYPE_CHECKING:
    from procs.simulate.world import World

LOOK_NS: Final = 500 * NS_PER_MS
PAUSE_MS: Final = (100, 8_000)
SILENT_MS: Final = (4_000, 12_000)
STARVED_MS: Final = (500, 5_000)
LATE_MS: Final = (50, 400)


class Pauses:
    """Stops processes while the world is ill."""

    def __init__(self, world: World) -> None:
        self._world = world
        world.agenda.after(LOOK_NS, self._look)

    def _look(self) -> None:
        world = self._world
        if world.healed:
            return
        world.agenda.after(LOOK_NS, self._look)
        dice, now_ns = world.dice, world.agenda.now_ns
        for process in self._everybody():
            if not process.alive:
                continue
            if dice.hits("paused", process.role):
                length_ms = dice.between("paused", *PAUSE_MS)
                process.hold(now_ns + length_ms * NS_PER_MS)
            if dice.hits("starved", process.role):
                process.busy_ns = dice.between("starved", *LATE_MS) * NS_PER_MS
                process.busy_until_ns = now_ns + STARVED_MS[1] * NS_PER_MS
        protect = world.nodes["protect"]
        if protect.alive and not protect.held and dice.hits("silent_protect", "protect"):
            length_ms = dice.between("silent_protect", *SILENT_MS)
            protect.hold(now_ns + length_ms * NS_PER_MS)
        if dice.hits("suspended", "machine"):
            length_ms = dice.between("suspended", *PAUSE_MS)
            for process in self._everybody():
                process.hold(now_ns + length_ms * NS_PER_MS)

    def within(self, process: Process, doing: str, steps: int) -> Held | None:
        """Before which of so many steps of a turn the process is stopped; None when it is not."""
        dice = self._world.dice
        if steps < 2 or not dice.hits("paused_turn", doing):
            return None
        length_ms = dice.between("paused_turn", *PAUSE_MS)
        return Held(1 + length_ms % (steps - 1), length_ms * NS_PER_MS)

    def end(self) -> None:
        """SIGCONT to everybody."""
        for process in self._everybody():
            process.release()

    def _everybody(self) -> list[Process]:
        return [self._world.machine.overseer, *self._world.nodes.values()]
