"""The venue's truth about our decisions as running sums, kept as the exchange acts.

Checkers look here instead of at every order. `prove` works everything out again from the orders and
fills that the exchange holds: a sum that went wrong would hide a broken law.
"""

from __future__ import annotations

from decimal import Decimal

from procs.localvenue.matching.exchange import Exchange
from procs.localvenue.matching.model import Fill, Order, OrderUpdated
from procs.localvenue.matching.words import NO_LIST
from shared.domain.instrument import Instrument
from shared.ids import decision_of, leg_of
from shared.units import ZERO

DUST_MARGIN = Decimal("0.9")
"""What was closed as dust may be worth a little more later."""


class Book:
    """What one decision's orders did at the venue, and may still do."""

    __slots__ = ("base_fees", "bought", "buying", "decision", "instrument", "selling", "sold")

    def __init__(self, decision: str, instrument: Instrument) -> None:
        self.decision = decision
        self.instrument = instrument
        self.bought = ZERO
        self.sold = ZERO
        self.base_fees = ZERO
        self.buying: dict[int, Order] = {}
        """Live buys, as they last were."""
        self.selling: dict[int, Order] = {}

    @property
    def symbol(self) -> str:
        """Where it trades."""
        return self.instrument.symbol

    @property
    def held(self) -> Decimal:
        """Bought, less sold, less fees in base."""
        return self.bought - self.sold - self.base_fees

    def may_be_dust(self, best: Decimal) -> bool:
        """Whether what is held, at the best bid, is too little to sell or was so a moment ago."""
        return self.instrument.is_dust(self.held, best * DUST_MARGIN)

    def may_buy(self) -> Decimal:
        """What its live buys can still execute."""
        return sum((order.remaining for order in self.buying.values()), ZERO)

    def may_sell(self) -> Decimal:
        """What its live sells can still execute; the legs of one list count once."""
        ways: dict[int, Decimal] = {}
        for order in self.selling.values():
            way = order.list_id if order.list_id != NO_LIST else -order.id
            ways[way] = max(ways.get(way, ZERO), order.remaining)
        return sum(ways.values(), ZERO)

    def stopped(self) -> Decimal:
        """What live stops and exits would sell without anybody's help."""
        return sum(
            (o.remaining for o in self.selling.values() if leg_of(o.client_id) in ("s", "x")), ZERO
        )


class Books:
    """Everything the account's orders came to; `take` each event of the exchange once."""

    def __init__(self, exchange: Exchange, account: str) -> None:
        self.of: dict[str, Book] = {}
        self.held: dict[str, Book] = {}
        """Books with something bought and not sold, and such as sold too much."""
        self.fills: dict[str, Fill] = {}
        """By symbol, trade id and side: our own alone."""
        self.foreign: dict[str, Decimal] = {}
        """What trades that are not ours did to the account, by asset."""
        self.changed: dict[str, Book] = {}
        """What changed since the checkers last looked."""
        self._exchange = exchange
        self._account = account
        self._decisions: dict[int, str | None] = {}

    def take(self, event: OrderUpdated) -> Book | None:
        """Books what happened to an order; None when it is not ours."""
        order, fill = event.order, event.fill
        book = self._book_of(order)
        if fill is not None:
            self._fill(book, fill)
        if book is not None:
            self._live(book, order)
        return book

    def fill_of(self, key: str) -> Fill | None:
        """The fill that an account knows by this key, if there is one."""
        return self.fills.get(key) or next(
            (f for side in ("buy", "sell") if (f := self.fills.get(f"{key}:{side}"))), None
        )

    def vanished(self, order: Order) -> None:
        """An order ended without an event."""
        book = self._book_of(order)
        if book is not None:
            self._live(book, order)

    def moved(self, asset: str, amount: Decimal) -> None:
        """Money came or went by another way than a trade of ours."""
        self.foreign[asset] = self.foreign.get(asset, ZERO) + amount

    def effect(self, fill: Fill) -> dict[str, Decimal]:
        """What an execution does to each asset."""
        instrument = self._exchange.instruments[fill.symbol]
        sign = 1 if fill.is_buyer else -1
        moved = {
            instrument.base: sign * fill.quantity,
            instrument.quote: -sign * fill.quote_quantity,
        }
        moved[fill.fee_asset] = moved.get(fill.fee_asset, ZERO) - fill.fee
        return moved

    def prove(self) -> list[str]:
        """What differs between the running sums and the exchange's own orders and fills."""
        differing = []
        found: dict[str, list[Decimal]] = {}
        fills: dict[str, Fill] = {}
        live: dict[str, Decimal] = {}
        for symbol, instrument in self._exchange.instruments.items():
            for order in self._exchange.all_orders(self._account, symbol):
                decision = decision_of(order.client_id)
                if decision is None:
                    continue
                sums = found.setdefault(decision, [ZERO, ZERO, ZERO])
                sums[order.side == "SELL"] += order.executed
                for fill in self._exchange.fills_of(order.id):
                    fills[_key(fill)] = fill
                    if fill.fee_asset == instrument.base:
                        sums[2] += fill.fee
                if order.is_open:
                    live[decision] = live.get(decision, ZERO) + order.remaining
        for decision, book in self.of.items():
            kept = [book.bought, book.sold, book.base_fees]
            if found.pop(decision, [ZERO, ZERO, ZERO]) != kept:
                differing.append(f"{decision}: bought, sold, fees kept as {kept}")
            orders = (*book.buying.values(), *book.selling.values())
            if sum((o.remaining for o in orders), ZERO) != live.get(decision, ZERO):
                differing.append(f"{decision}: live orders kept as {orders}")
            if (book.held != ZERO) != (decision in self.held):
                differing.append(f"{decision}: held {book.held}")
        differing += [f"{decision} was never booked" for decision in found]
        if fills != self.fills:
            differing.append(f"{len(fills)} fills, {len(self.fills)} kept")
        return differing

    def _book_of(self, order: Order) -> Book | None:
        if order.id not in self._decisions:
            self._decisions[order.id] = decision_of(order.client_id)
        decision = self._decisions[order.id]
        if decision is None:
            return None
        book = self.of.get(decision)
        if book is None:
            instrument = self._exchange.instruments[order.symbol]
            book = self.of[decision] = Book(decision, instrument)
        self.changed[decision] = book
        return book

    def _fill(self, book: Book | None, fill: Fill) -> None:
        if book is None:
            for asset, amount in self.effect(fill).items():
                self.moved(asset, amount)
            return
        self.fills[_key(fill)] = fill
        if fill.is_buyer:
            book.bought += fill.quantity
        else:
            book.sold += fill.quantity
        if fill.fee_asset == book.instrument.base:
            book.base_fees += fill.fee
        if book.held:
            self.held[book.decision] = book
        else:
            self.held.pop(book.decision, None)

    def _live(self, book: Book, order: Order) -> None:
        orders = book.buying if order.side == "BUY" else book.selling
        if order.is_open:
            orders[order.id] = order
        else:
            orders.pop(order.id, None)


def _key(fill: Fill) -> str:
    return f"{fill.symbol}:{fill.trade_id}:{'buy' if fill.is_buyer else 'sell'}"
