"""What happens to the machine's disk: full, faulty, without power, or with other files than before.

Full: nothing new is written, what is reserved may be. Faulty: one role's files give I/O errors. A
power cut takes back what nobody waited for. A lost journal is shorter than what others have seen of
it, and, where its mark is lost too, does not know that itself (L11, L12).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from procs.simulate.process import Process
from procs.simulate.restoring import forget
from shared.units import NS_PER_MS

if TYPE_CHECKING:
    from procs.simulate.node import Node
    from procs.simulate.world import World

LOOK_NS: Final = 500 * NS_PER_MS
BAD_MS: Final = (500, 15_000)
UNSYNCED_ROWS: Final = 20
FILES: Final = ("journal", "mark", "emergency", "reserve")
JOURNALS: Final = ("route", "decide", "protect")
AGAIN: Final = " again"
"""Of a write that is tried again after a fault: no occasion for a new one."""
WRITTEN: Final = ("journal", "mark")
"""Files whose writes are occasions for a new fault."""


class Damage:
    """The state of the disk, and what goes wrong with it while the world is ill."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._full_until_ns = 0
        self._broken: dict[str, tuple[int, tuple[str, ...]]] = {}
        """Role → until when which of its files give errors."""
        world.agenda.after(LOOK_NS, self._look)

    def works(self) -> bool:
        """Whether everything can be written now."""
        now_ns = self._world.agenda.now_ns
        return self._full_until_ns <= now_ns and all(
            until_ns <= now_ns for until_ns, _ in self._broken.values()
        )

    def heal(self) -> None:
        """There is room again, and the disk is a new one."""
        self._full_until_ns = 0
        self._broken.clear()

    def refusal(self, role: str, what: str) -> str:
        """Why a write to one of a role's files fails; empty when it does not."""
        dice, now_ns = self._world.dice, self._world.agenda.now_ns
        if what in WRITTEN:
            if dice.hits("disk_full", role):
                length_ms = dice.between("disk_full", *BAD_MS)
                self._full_until_ns = now_ns + length_ms * NS_PER_MS
            if dice.hits("disk_error", role):
                length_ms = dice.between("disk_error", *BAD_MS)
                others = tuple(f for f in FILES if f != what and dice.coin("disk_error", 0.5))
                self._broken[role] = (now_ns + length_ms * NS_PER_MS, (what, *others))
        if what == "journal" and now_ns < self._full_until_ns:
            return "database or disk is full"
        until_ns, files = self._broken.get(role, (0, ()))
        return "disk I/O error" if now_ns < until_ns and what.removesuffix(AGAIN) in files else ""

    def _look(self) -> None:
        world = self._world
        if world.healed:
            return
        world.agenda.after(LOOK_NS, self._look)
        dice = world.dice
        if world.machine.overseer.alive and dice.hits("power_cut", "machine"):
            world.machine.kill_all()
            world.channels.cut_power()
            for role, node in world.nodes.items():
                lost = dice.between("power_cut", 0, UNSYNCED_ROWS)
                if role in JOURNALS:
                    node.disk.cut_power(len(node.disk.rows) - lost)
            forget(world)

    def died(self, node: Process) -> None:
        """A process is gone: what only it knew is gone too, and its files may not be there."""
        world = self._world
        if node.role not in JOURNALS:
            return
        child: Node = world.nodes[node.role]
        if child.disk.unsaved:
            world.dice.count("rows_lost")
            child.disk.unsaved.clear()
            forget(world)
        if world.dice.hits("lost_journal", node.role):
            kept = world.dice.between("lost_journal", 0, len(child.disk.rows))
            child.disk.lose(kept, with_mark=world.dice.coin("lost_journal", 0.5))
            forget(world)
