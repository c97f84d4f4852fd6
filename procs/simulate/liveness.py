"""Liveness: what is owed when the world heals is settled within a bound, each thing for itself.

A market that goes on brings new orders all the time, so a world is never quiet as a whole. What can
be asked of it is that everything that was open at the healing comes to an end: unknown outcomes are
resolved, executions owed are booked, reservations fall or are backed by a live intent, positions
are protected or gone, dead processes live.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.domain.order import OrderStatus
from shared.messages.account import ProtectionStatus
from shared.units import NS_PER_S

if TYPE_CHECKING:
    from procs.simulate.world import World

LOOK_EVERY_NS = NS_PER_S // 2
SETTLED_WITHIN_NS = 26 * NS_PER_S
"""A request on its way for 10 s, the venue's fence of 18 s behind it, and a few questions."""
SAFE = (ProtectionStatus.PROTECTED, ProtectionStatus.LOCAL_GUARD)


class Debts:
    """Everything unsettled at the healing; `look` strikes off what has been settled since."""

    def __init__(self, world: World) -> None:
        self.settled_s = 0.0
        """How long after the healing the last debt was paid."""
        self._world = world
        self._healed_ns = world.agenda.now_ns
        self._looked_ns = 0
        self._open = dict.fromkeys(self._owed())

    def look(self) -> None:
        """Strikes off what is settled; what is not by the bound breaks a law."""
        now_ns = self._world.agenda.now_ns
        if not self._open or now_ns - self._looked_ns < LOOK_EVERY_NS:
            return
        self._looked_ns = now_ns
        owed = set(self._owed())
        self._open = {debt: None for debt in self._open if debt in owed}
        # Rows that were lost after the healing are a fault that came later.
        since_ns = now_ns - max(self._healed_ns, self._world.losses.last_ns)
        if not self._open:
            self.settled_s = since_ns / NS_PER_S
        elif since_ns > SETTLED_WITHIN_NS:
            for law, text in self._open:
                self._world.checkers.say(law, f"{text} {since_ns / NS_PER_S:.0f} s after healing")

    def _owed(self) -> list[tuple[str, str]]:
        """Law and thing, for all that is unsettled now."""
        nodes = self._world.nodes
        owed = [("L14", f"{role} is dead") for role, node in nodes.items() if not node.alive]
        if nodes["route"].actor is None or nodes["decide"].actor is None:
            return owed
        account = nodes["route"].actor.account
        for order in account.orders.values():
            if order.status in (OrderStatus.UNKNOWN, OrderStatus.SUBMITTED):
                owed.append(("L2", f"{order.client_id} is unresolved"))
            if order.status is OrderStatus.CANCELING:
                owed.append(("L2", f"{order.client_id} is still being cancelled"))
            if order.owed:
                owed.append(("L3", f"{order.client_id} owes executions"))
        for position in account.open_positions():
            if position.exiting is not None:
                owed.append(("L5", f"{position.position_id} is still on its way out"))
            elif position.protection not in SAFE:
                owed.append(("L5", f"{position.position_id} is not protected"))
        reserved = nodes["decide"].actor.state.reservations
        # A resting entry order keeps its reservation as long as its rung lasts.
        idle = [name for name in reserved if name not in account.intents]
        return owed + [("L15", f"the reservation of {name} stands") for name in idle]
