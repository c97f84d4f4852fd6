"""What a venue, and whoever else uses the account, does by itself: stops vanish, orders fill in
parts, executions cross cancels, a person trades by hand (L3, L4, L5)."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from procs.localvenue.market.events import Traded
from procs.localvenue.matching import model, requests, words
from procs.simulate.agenda import Agenda
from procs.simulate.dice import Dice
from shared.messages.venue import CancelOrder
from shared.units import HUNDRED, NS_PER_MS, floor_to

if TYPE_CHECKING:
    from procs.simulate.venue import SimVenue

LOOK_NS: Final = 500 * NS_PER_MS
FOREIGN: Final = "web_"
FAR: Final = Decimal("0.3")
"""A foreign order at this distance is never reached."""
STRANGE_TRADES: Final = 10**9
"""Trade ids of prints that the market itself did not make."""


class Mischief:
    """Looks at the account now and then, while the world is ill."""

    def __init__(self, venue: SimVenue, account: str, agenda: Agenda, dice: Dice) -> None:
        self._venue = venue
        self._account = account
        self._agenda = agenda
        self._dice = dice
        self._prints = 0
        self._foreign: list[tuple[str, str]] = []
        """Symbol and client id of foreign orders."""
        faults = dice.faults
        if faults.part_filled:
            venue.exchange.fill_share = self._share
        if faults.vanished_stop or faults.foreign_order or faults.foreign_trade:
            agenda.after(LOOK_NS, self._look)

    def race(self, request: CancelOrder) -> None:
        """Just before a cancel takes effect the market reaches the order."""
        exchange = self._venue.exchange
        order = exchange.find(self._account, request.symbol, None, request.client_id)
        if order is None or not order.is_open:
            return
        price = order.price if order.is_working else order.stop_price
        if price is None:
            return
        step = exchange.instruments[order.symbol].step_size
        percent = self._dice.between("cancel_race", 10, 120)
        quantity = floor_to(order.remaining * percent / HUNDRED, step) + order.queue_ahead
        if quantity <= 0:
            return
        self._prints += 1
        self._venue.on_market(
            Traded(
                symbol=order.symbol,
                at_ms=self._agenda.now_ns // NS_PER_MS,
                trade_id=STRANGE_TRADES + self._prints,
                price=price,
                quantity=quantity,
                buyer_is_maker=order.side == "BUY",
            )
        )

    def _share(self, order: model.Order, could: Decimal) -> Decimal:
        if not self._dice.hits("part_filled", order.type):
            return could
        return could * self._dice.between("part_filled", 0, 95) / HUNDRED

    def _look(self) -> None:
        self._agenda.after(LOOK_NS, self._look)
        self._vanish()
        if self._dice.hits("foreign_order", "far"):
            self._order_by_hand()
        if self._dice.hits("foreign_trade", "market"):
            self._trade_by_hand()

    def _vanish(self) -> None:
        """A resting stop is gone: told, untold, or one leg of its pair alone."""
        venue, dice = self._venue, self._dice
        stops = [
            order
            for book in venue.books.of.values()
            for order in book.selling.values()
            if order.type in words.STOP_TYPES and not order.is_working
        ]
        for order in stops:
            if not dice.hits("vanished_stop", order.status):
                continue
            now_ms = self._agenda.now_ns // NS_PER_MS
            how = dice.between("vanished_stop", 0, 2)
            if how == 0:
                venue.exchange.vanish(order.id, now_ms)
                venue.push(silent=True)
                gone = venue.exchange.find(self._account, order.symbol, order.id, None)
                if gone is not None:
                    venue.vanished(gone)
                continue
            venue.exchange.cancel(self._account, order.symbol, now_ms, order_id=order.id)
            venue.push(silent=how == 1)

    def _order_by_hand(self) -> None:
        """Somebody places an order that rests, or takes one of theirs back."""
        exchange, now_ms = self._venue.exchange, self._agenda.now_ns // NS_PER_MS
        if self._foreign and self._dice.coin("foreign_order", 0.4):
            symbol, client_id = self._foreign.pop()
            exchange.cancel(self._account, symbol, now_ms, client_id=client_id)
            self._venue.push()
            return
        symbol = self._symbol("foreign_order")
        instrument, published = exchange.instruments[symbol], exchange.published[symbol]
        sells = self._dice.coin("foreign_order", 0.5)
        best = (published.asks if sells else published.bids).best()
        if best is None:
            return
        price = instrument.price_down(best * (1 + FAR if sells else 1 - FAR))
        self._place(symbol, "SELL" if sells else "BUY", "LIMIT", price)

    def _trade_by_hand(self) -> None:
        """Somebody buys or sells at once."""
        symbol = self._symbol("foreign_trade")
        side: words.Side = "SELL" if self._dice.coin("foreign_trade", 0.5) else "BUY"
        self._place(symbol, side, "MARKET", None)

    def _symbol(self, kind: str) -> str:
        symbols = list(self._venue.exchange.instruments)
        return symbols[self._dice.between(kind, 0, len(symbols) - 1)]

    def _place(
        self, symbol: str, side: words.Side, kind: words.OrderType, price: Decimal | None
    ) -> None:
        exchange = self._venue.exchange
        instrument = exchange.instruments[symbol]
        best = exchange.published[symbol].asks.best()
        if best is None:
            return
        quantity = instrument.quantity_down(2 * instrument.min_notional / (price or best))
        client_id = f"{FOREIGN}{self._agenda.now_ns // NS_PER_MS}"
        exchange.place(
            self._account,
            requests.PlaceOrder(
                symbol=symbol,
                side=side,
                type=kind,
                quantity=quantity,
                price=price,
                time_in_force="GTC" if price is not None else None,
                client_id=client_id,
            ),
            self._agenda.now_ns // NS_PER_MS,
        )
        if price is not None:
            self._foreign.append((symbol, client_id))
        self._venue.push()
