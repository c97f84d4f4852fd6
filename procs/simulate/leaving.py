"""The engine stops: in the middle of its troubles, and, in some worlds, at the end.

In the middle somebody asks for a stop, perhaps two or three times, and the engine is started
again afterwards: whatever was under way must be found. At the end nothing disturbs the stop: it
must be clean, in order, and leave no order that can still buy (R1, L14).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from procs.simulate.venue import ACCOUNT
from procs.supervise.effects import StopSignal, StopWanted
from shared.ids import decision_of
from shared.units import NS_PER_MS, NS_PER_S

if TYPE_CHECKING:
    from procs.simulate.world import World

LOOK_NS: Final = 500 * NS_PER_MS
SIGNALS_APART_MS: Final = (50, 3_000)
DOWN_WITHIN_NS: Final = 60 * NS_PER_S
"""Draining, or closing positions, and five processes that leave."""
ORDER: Final = ("decide", "ingest", "protect", "route", "observe", "supervise")


class Stops:
    """Stops the engine now and then while the world is ill."""

    def __init__(self, world: World) -> None:
        self._world = world
        world.agenda.after(LOOK_NS, self._look)

    def _look(self) -> None:
        world = self._world
        if world.healed:
            return
        world.agenda.after(LOOK_NS, self._look)
        boss = world.machine.overseer
        if not boss.alive or boss.actor.stopping is not None:
            return
        if not world.dice.hits("stopped", boss.actor.state.name):
            return
        boss.take(StopSignal("SIGTERM"))
        apart_ms = world.dice.between("stopped", *SIGNALS_APART_MS)
        again = world.dice.coin("stopped", 0.5)
        life = boss.life
        for number in (1, 2) if again else ():
            if number == 2 and not world.dice.coin("stopped", 0.3):
                return
            world.dice.count(f"signal_{number + 1}")
            world.agenda.after(
                number * apart_ms * NS_PER_MS,
                lambda: boss.take(StopSignal("SIGTERM"), life),
            )


def stop_at_the_end(world: World) -> None:
    """Stops a healthy engine and looks at how it left."""
    machine, agenda, checkers = world.machine, world.agenda, world.checkers
    flatten = machine.flatten
    machine.stays_down = True
    world.market_goes_on()
    machine.exits.clear()
    machine.overseer.take(StopWanted("the world ends"))
    until_ns = agenda.now_ns + DOWN_WITHIN_NS
    while machine.overseer.alive and not checkers.violations:
        next_ns = agenda.next_ns()
        assert next_ns is not None, "the market goes on"
        if next_ns > until_ns:
            checkers.say("L14", "the engine does not come to its end")
            return
        world.step()
    if checkers.violations:
        return
    world.dice.count("stopped_flat" if flatten else "stopped_well")
    finish = machine.finish
    if finish is None or not finish.clean:
        checkers.say("L14", f"not clean: {finish.error if finish else 'no finish'}")
    if tuple(machine.exits) != ORDER:
        checkers.say("L14", f"left in the order {', '.join(machine.exits)}")
    exchange = world.venue.exchange
    for order in exchange.open_orders(ACCOUNT):
        if order.side == "BUY" and decision_of(order.client_id):
            checkers.say("L14", f"{order.client_id} can still buy after a clean stop")
    if flatten:
        for position in world.nodes["route"].actor.account.open_positions():
            checkers.say("L14", f"{position.position_id} is open after a stop that closes all")
