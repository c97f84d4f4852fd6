"""L5: no position without a stop or a sale at the venue, and without a live guard, for too long."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from procs.localvenue.matching.model import Order as VenueSideOrder
from procs.localvenue.matching.words import STOP_TYPES
from procs.simulate.books import Book
from procs.simulate.checkers.base import Checker
from procs.simulate.faults import NONE
from shared.ids import decision_of, leg_of
from shared.messages.venue import PlaceOrder, VenueRequest
from shared.units import NS_PER_MS, NS_PER_S, ZERO

BARE_BOUND_NS = 5 * NS_PER_S
"""Protected or under a live guard within this, under any single kill."""
STOPLESS_BOUND_NS = 45 * NS_PER_S
"""Even under a live guard a stop or a sale must rest by then: two fences of 18 s, and some.
Rows of route that are lost make its sales unknown anew (L2, L6): it is counted from there."""
CALM_STOPLESS_BOUND_NS = 3 * NS_PER_S
"""When every request is answered: L5's 2 s, and the resize of a position that fills bit by bit."""
RESOLVED_WITHIN_NS = 22 * NS_PER_S
"""After healing every unknown outcome is proved within a fence and a few questions."""
REARMED_AFTER_NS = 35 * NS_PER_S
"""An exit that failed is tried again 30 s after its last attempt, which a pause may follow (P7)."""
TRIGGERED_COVERS_MS = 2_000
"""A triggered stop-limit that nobody takes is a stop for this long."""


class Protection(Checker):
    """From the venue's side, at every step of the market: what rests there for what is held."""

    law = "L5"

    def __init__(self, checkers: Any) -> None:
        super().__init__(checkers)
        self._bare_since_ns: dict[str, int] = {}
        self._stopless_since_ns: dict[str, int] = {}
        self._tried_ns: dict[str, int] = {}
        faults = self.world.faults
        plain = faults == msgspec.structs.replace(
            NONE, refused=faults.refused, silent_protect=faults.silent_protect
        )
        self._calm_from_ns = 0 if plain else self.world.heal_at_ns + RESOLVED_WITHIN_NS

    def changed(self, order: VenueSideOrder) -> None:
        """A sale went well: what is left of the position may be sold at once."""
        if leg_of(order.client_id) == "x" and not order.is_open and not order.remaining:
            self._tried_ns.pop(decision_of(order.client_id) or "", None)

    def called(self, node: Any, request: VenueRequest) -> None:
        """A sale is tried: the venue may refuse it, or the market not take it."""
        if isinstance(request, PlaceOrder) and leg_of(request.client_id) == "x":
            self._tried_ns[decision_of(request.client_id) or ""] = self.world.agenda.now_ns

    def moved(self) -> None:
        """How long something has been without a stop, and how long bare."""
        world = self.world
        guarded = world.nodes["route"].alive and world.nodes["protect"].alive
        now_ns = world.agenda.now_ns
        lost_ns = world.losses.last_ns
        well_ns = max(self._calm_from_ns, lost_ns + RESOLVED_WITHIN_NS if lost_ns else 0)
        bare: dict[str, int] = {}
        stopless: dict[str, int] = {}
        for decision, book in self.books.held.items():
            if self._is_covered(book, now_ns):
                continue
            since_ns = stopless[decision] = self._stopless_since_ns.get(decision, now_ns)
            tried_ns = self._tried_ns.get(decision, -REARMED_AFTER_NS)
            calm_ns = now_ns - max(since_ns, well_ns, tried_ns + REARMED_AFTER_NS)
            stopless_ns = now_ns - max(since_ns, lost_ns)
            if stopless_ns > STOPLESS_BOUND_NS or calm_ns > CALM_STOPLESS_BOUND_NS:
                self.say(f"{decision}: no stop at the venue for {(now_ns - since_ns) / 1e9:.1f} s")
            if guarded:
                continue
            bare[decision] = self._bare_since_ns.get(decision, now_ns)
            # The bound is that of a single kill: it starts anew with each death on the way.
            if now_ns - max(bare[decision], world.died_ns) > BARE_BOUND_NS:
                self.say(f"{decision} bare for {(now_ns - bare[decision]) / 1e9:.1f} s")
        self._bare_since_ns = bare
        self._stopless_since_ns = stopless

    def _is_covered(self, book: Book, now_ns: int) -> bool:
        wanted = book.instrument.quantity_down(max(book.held, ZERO))
        covered = self._covered(book, now_ns // NS_PER_MS)
        if covered >= wanted:
            return True
        best = self.world.venue.exchange.published[book.symbol].bids.best() or ZERO
        return book.may_be_dust(best)

    def _covered(self, book: Book, now_ms: int) -> Decimal:
        covered = ZERO
        for order in book.selling.values():
            if leg_of(order.client_id) not in ("s", "x"):
                continue
            triggered = order.type in STOP_TYPES and order.is_working
            if triggered and now_ms - order.working_ms > TRIGGERED_COVERS_MS:
                continue  # Nobody took it: a limit order that the market has left behind.
            covered += order.remaining
        return covered

    def at_rest(self) -> None:
        """Flat or protected."""
        for position in self.world.nodes["route"].actor.account.open_positions():
            if position.bare_since_ns:
                bare_ns = self.world.agenda.now_ns - position.bare_since_ns
                if bare_ns > BARE_BOUND_NS:
                    text = f"{position.position_id} {position.protection} after healing"
                    self.say(text)
