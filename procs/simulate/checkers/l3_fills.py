"""L3: fills are a set, the venue's, each booked once; the position is what they come to."""

from __future__ import annotations

from itertools import islice
from typing import Any

from procs.simulate.checkers.base import Checker

INFERRED = ":inferred:"


class Fills(Checker):
    """What is booked exists, and in the end everything that exists is booked."""

    law = "L3"
    roles = ("route",)

    def __init__(self, checkers: Any) -> None:
        super().__init__(checkers)
        self._account: Any = None
        self._booked = 0

    def turned(self, node: Any) -> None:
        """Nothing is booked that the venue does not know."""
        if not node.alive:
            return
        account = node.actor.account
        if account is not self._account:
            self._account, self._booked = account, 0
        fresh = len(account.fills) - self._booked
        if not fresh:
            return
        self._booked += fresh
        for key in islice(reversed(account.fills), max(fresh, 0)):
            if INFERRED not in key and self.books.fill_of(key) is None:
                self.say(f"booked {key}, which the venue does not know")

    def at_rest(self) -> None:
        """Nothing is owed, and positions are what the venue's own fills come to."""
        account = self.world.nodes["route"].actor.account
        for order in account.orders.values():
            if order.owed:
                self.say(f"{order.client_id} still owes {order.owed}")
        published = self.world.venue.exchange.published
        for decision, book in self.books.of.items():
            position = account.positions.get(decision)
            if position is not None:
                if position.quantity != book.held:
                    self.say(f"{decision}: engine {position.quantity}, venue {book.held}")
                continue
            best = published[book.symbol].bids.best()
            if best is not None and not book.may_be_dust(best):
                self.say(f"{decision}: {book.held} at the venue, no position in the engine")
