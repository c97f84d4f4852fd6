"""L2: one attempt at a time, none twice, none beyond what was wanted; late ones are found again."""

from __future__ import annotations

from typing import Any

from procs.localvenue.matching.model import Order as VenueSideOrder
from procs.simulate.books import Book
from procs.simulate.checkers.base import Checker
from shared.domain.order import OrderStatus
from shared.ids import decision_of
from shared.messages.entry import EntryIntent
from shared.messages.venue import PlaceOrder, Side, VenueRequest, placed_ids


class Outcomes(Checker):
    """Attempts of an entry, their reservation, and what became of all orders."""

    law = "L2"
    words = (EntryIntent,)

    def called(self, node: Any, request: VenueRequest) -> None:
        """No order twice; no further entry order while route was not told the end of the last."""
        for client_id in placed_ids(request):
            if client_id in self.questions.sent:
                self.say(f"{client_id} is sent a second time")
        if isinstance(request, PlaceOrder) and request.side is Side.BUY:
            decision = decision_of(request.client_id) or ""
            for sent in self.questions.of(decision, Side.BUY):
                self.say(f"{request.client_id} is sent, {sent.client_id} may still buy")

    def said(self, node: Any, message: Any) -> None:
        """What may still buy and has lost its reservation with all rows that told of it lets
        nothing else have that budget: nothing is granted beside it (L2, L15)."""
        if node.role != "decide" or not self.world.forgotten:
            return
        now_ns = self.world.agenda.now_ns
        for decision in sorted(self.world.forgotten):
            if decision in node.actor.state.reservations:
                continue
            book = self.books.of.get(decision)
            live = book.buying.values() if book is not None else ()
            for order in (*self.questions.lost_buys(decision, now_ns), *live):
                granted, may_buy = message.intent_id, order.client_id
                self.say(f"{granted} is granted, {may_buy} may still buy and has no reservation")

    def changed(self, order: VenueSideOrder) -> None:
        """E4: what can still buy holds its reservation."""
        if order.side != "BUY":
            return
        decide = self.world.nodes["decide"]
        decision = decision_of(order.client_id)
        if decision is None or not decide.alive or decision in self.world.forgotten:
            return  # Its reservation is lost with the journals: nothing is granted then (`said`).
        if not decide.actor.replica.welcomed:
            return  # What its journal lost it learns from route, and decides nothing before.
        if decision not in decide.actor.state.reservations:
            self.say(f"{decision} still buys, its reservation is gone")

    def acted(self, books: list[Book]) -> None:
        """One live entry order per intent, and never more than it wanted."""
        for book in books:
            if len(book.buying) > 1:
                self.say(f"{book.decision} has {len(book.buying)} live entry orders at the venue")
            intent = self.world.intents.get(book.decision)
            buying = book.may_buy()
            if intent is not None and book.bought + buying > intent.quantity:
                bought = f"{book.bought} + {buying}"
                self.say(f"{book.decision} buys {bought}, wanted {intent.quantity}")

    def at_rest(self) -> None:
        """Nothing is unknown any more, and what lives at the venue is known to live."""
        account = self.world.nodes["route"].actor.account
        for order in account.orders.values():
            if order.status is OrderStatus.UNKNOWN:
                self.say(f"{order.client_id} is still unknown after healing")
        for book in self.books.of.values():
            for live in (*book.buying.values(), *book.selling.values()):
                if live.client_id not in account.orders:
                    self.say(f"{live.client_id} lives at the venue, and route does not know")
