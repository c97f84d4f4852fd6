"""A backup comes back (L12): it is taken, the engine goes on, everything dies, and the old journals
stand in place of the new ones, latched, until a person has looked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.units import NS_PER_MS

if TYPE_CHECKING:
    from procs.simulate.world import World


def plan_restore(world: World) -> None:
    """Sets when the backup is taken and when it comes back."""
    kept: dict[str, int] = {}

    def back_up() -> None:
        kept.update({role: len(node.rows) for role, node in world.nodes.items()})

    def restore() -> None:
        world.dice.count("restored")
        machine = world.machine
        machine.kill_all()
        for role, node in world.nodes.items():
            node.disk.cut_back(kept[role])
        forget(world)
        # The supervisor's next run: its ids are new, its latch is set.
        machine.latch = "restored"

    taken_ms = world.random.randint(4_000, 12_000)
    world.agenda.after(taken_ms * NS_PER_MS, back_up)
    world.agenda.after((taken_ms + world.random.randint(500, 10_000)) * NS_PER_MS, restore)


def forget(world: World) -> None:
    """The journals know less than was: what they have never seen is nobody's decision any more."""
    disk = world.nodes["route"].disk
    known = b"".join((*disk.rows, *disk.emergency))
    world.forgotten = {d for d in world.intents if f'"{d}"'.encode() not in known}
    world.checkers.restored()
