"""Protect's own eyes: while quotes of a held symbol have dried up, it asks the venue (P13)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from procs.protect.actor import Actor
from shared.messages.protection import PricePolled
from shared.units import NS_PER_MS, NS_PER_S

if TYPE_CHECKING:
    from procs.simulate.world import World

POLL_NS: Final = NS_PER_S
ANSWER_NS: Final = 30 * NS_PER_MS


class Eyes:
    """What protect's shell does beside its actor."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._asked_ns = 0

    def look(self) -> None:
        """Asks, when something is held and nothing is seen; called a few times a second."""
        world = self._world
        node, now_ns = world.nodes["protect"], world.agenda.now_ns
        if not node.alive or node.held or now_ns - self._asked_ns < POLL_NS:
            return
        assert isinstance(node.actor, Actor)
        blind = node.actor.blind_symbols(now_ns)
        if not blind:
            return
        self._asked_ns = now_ns
        if world.dice.hits("lost_poll", "blind"):
            return
        world.dice.count("polled")
        life = node.life
        world.agenda.after(ANSWER_NS, lambda: self._answer(blind, now_ns, life))

    def _answer(self, symbols: tuple[str, ...], asked_ns: int, life: int) -> None:
        world = self._world
        for symbol in symbols:
            published = world.venue.exchange.published[symbol]
            bid, ask = published.bids.best(), published.asks.best()
            if bid is not None and ask is not None:
                price = PricePolled(symbol=symbol, bid=bid, ask=ask, recv_ns=asked_ns)
                world.nodes["protect"].take(price, life)
