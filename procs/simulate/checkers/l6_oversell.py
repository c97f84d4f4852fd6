"""L6: exits never oversell, counting what is on its way and what route was not told the end of."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from procs.simulate.books import Book
from procs.simulate.checkers.base import Checker
from shared.ids import decision_of
from shared.messages.venue import PlaceOco, PlaceOrder, Side, VenueRequest
from shared.units import ZERO


class Oversell(Checker):
    """Sales against what is held: at the venue, and as each one leaves."""

    law = "L6"

    def called(self, node: Any, request: VenueRequest) -> None:
        """A sale leaves only when all sales that may still happen fit into what is held."""
        if isinstance(request, PlaceOco):
            decision, quantity = decision_of(request.stop_id) or "", request.quantity
        elif isinstance(request, PlaceOrder) and request.side is Side.SELL:
            decision, quantity = decision_of(request.client_id) or "", request.quantity
        else:
            return
        book = self.books.of.get(decision)
        held = book.held if book is not None else ZERO
        others = self._open_sales(decision, book)
        if quantity + others > held:
            self.say(f"{decision}: {quantity} to sell and {others} on offer, of {held} held")

    def _open_sales(self, decision: str, book: Book | None) -> Decimal:
        """What earlier sales may still sell: as the venue has them, or all of one that may yet
        come there as far as route was told."""
        live = {o.client_id: o.remaining for o in book.selling.values()} if book is not None else {}
        ways: dict[str, Decimal] = {}
        for sent in self.questions.of(decision, Side.SELL):
            open_quantity = live.get(sent.client_id, ZERO) if sent.accepted else sent.quantity
            ways[sent.way] = max(ways.get(sent.way, ZERO), open_quantity)
        return sum(ways.values(), ZERO)

    def acted(self, books: list[Book]) -> None:
        """Live sells fit into what is held, and nothing was sold that was not."""
        for book in books:
            held, selling = book.held, book.may_sell()
            if selling > held and book.selling:
                self.say(f"{book.decision} sells {selling} of {held} held")
            elif held < ZERO:
                self.say(f"{book.decision} is oversold by {-held}")
