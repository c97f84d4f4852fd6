"""A backup comes back (L12): it is taken, the engine goes on, everything dies, and the old journals
stand in place of the new ones, latched, until a person has looked."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import TYPE_CHECKING, Final

from shared.units import NS_PER_MS

if TYPE_CHECKING:
    from procs.simulate.world import World

_ACCEPTED: Final = b'"intent_accepted"'
"""Tag of the row with which route takes an intent on."""


def plan_restore(world: World) -> None:
    """Sets when the backup is taken and when it comes back.

    It is taken while an entry is under way, of each journal at an instant of its own: what one of
    them knows the others may not."""
    random = Random(f"{world.seed} restoring")
    kept: dict[str, int] = {}
    entry = random.randint(1, 3)
    last_ms = random.randint(8_000, 16_000)

    def take(role: str) -> None:
        kept[role] = len(world.nodes[role].rows)

    def back_up() -> None:
        """Between two effects of the entry, or of what follows from it."""
        nonlocal entry
        entry -= 1
        if entry or kept:
            return
        most_us = random.choice((500, 5_000, 60_000, 400_000))
        for role in world.nodes:
            later_ns = random.randint(0, most_us) * 1_000
            kept[role] = len(world.nodes[role].rows)
            world.agenda.after(later_ns, partial(take, role))
        world.agenda.after(random.randint(500, 10_000) * NS_PER_MS, restore)

    def back_up_at_last() -> None:
        nonlocal entry
        if not kept:
            entry = 1
            back_up()

    def restore() -> None:
        world.dice.count("restored")
        machine = world.machine
        machine.kill_all()
        for role, node in world.nodes.items():
            node.disk.cut_back(kept[role])
        forget(world)
        # The supervisor's next run: its ids are new, its latch is set.
        machine.latch = "restored"

    world.on_entry = back_up
    world.agenda.after(last_ms * NS_PER_MS, back_up_at_last)


def forget(world: World) -> None:
    """The journals know less than was: what they have never seen is nobody's decision any more, and
    an intent that stands in none of them is nobody's reservation."""
    disk = world.nodes["route"].disk
    known = b"".join((*disk.rows, *disk.emergency))
    kept = _intents_kept(world)
    world.forgotten = {
        d for d in world.intents if f'"{d}"'.encode() not in known or named(d) not in kept
    }
    world.losses.look()
    world.checkers.restored()


def named(decision: str) -> bytes:
    """How a row names the intent of a decision."""
    return f'"intent_id":"{decision}"'.encode()


def _intents_kept(world: World) -> bytes:
    """Rows from which a reservation can be had: those of decide, and those with which route took
    intents on. An order that was found at the venue names its decision, and no intent."""
    accepted = (row for row in world.nodes["route"].rows if _ACCEPTED in row)
    return b"".join((*accepted, *world.nodes["decide"].rows))
