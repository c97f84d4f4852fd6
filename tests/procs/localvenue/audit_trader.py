"""A client that trades all the time in every way, and a venue under it on virtual time."""

from __future__ import annotations

import random
from decimal import Decimal as D

from procs.localvenue.audit import FillAudit
from procs.localvenue.journal import VenueJournal
from procs.localvenue.matching.model import PlaceOrder, PlaceOrderList
from procs.localvenue.shell import Venue

START_MS = 1_750_000_000_000
RICH = {"USDT": D(50_000_000), "BTC": D(500), "ETH": D(5_000)}
OPEN_MAX = 12
"""Open orders of one account on one symbol, above which the oldest are canceled."""


class VirtualVenue:
    """A venue whose clock is moved by its owner; the ledgers are verified at every event."""

    def __init__(self, market, name, audit_path=None, recordings=(), accounts=2, start_ms=START_MS):
        self.ms = start_ms
        self.venue = Venue(
            market, name, VenueJournal(None), RICH, lambda: self.ms, accounts=accounts
        )
        self.accounts = list(self.venue.secrets)
        self.verified = 0
        if audit_path is not None:
            self.venue.keep_audit(FillAudit(audit_path, market.instruments, recordings))
        exchange = self.venue.exchange
        on_market = exchange.on_market

        def verified(event, now_ms):
            on_market(event, now_ms)
            exchange.verify()
            self.verified += 1

        exchange.on_market = verified

    def run(self, trader, until_ms=None, step_ms=20, pump_ms=100):
        """Lets the trader act each step until the market ends, or for so long."""
        end_ms = None if until_ms is None else self.ms + until_ms
        while not self.venue.market.ended() and (end_ms is None or self.ms < end_ms):
            self.ms += step_ms
            self.venue.pump()
            trader.act(self)
        self.venue.exchange.verify()
        return self


class Trader:
    """Takers, makers at the touch and inside, icebergs, stops, IOC and FOK, lists, amendments,
    cancels; two accounts that also meet each other."""

    def __init__(self, seed, symbols, busy=0.7):
        self.random = random.Random(seed)
        self.symbols = symbols
        self.busy = busy
        self.tried = {}
        self.accepted = {}

    def act(self, virtual):
        """Maybe one action."""
        if self.random.random() > self.busy:
            return
        symbol = self.random.choice(self.symbols)
        book = virtual.venue.exchange.published.get(symbol)
        if book is None or book.bids.best() is None or book.asks.best() is None:
            return
        account = self.random.choice(virtual.accounts)
        orders = virtual.venue.exchange.open_orders(account, symbol)
        if len(orders) > OPEN_MAX or (orders and self.random.random() < 0.1):
            order = self.random.choice(orders[:3])
            self.ask(virtual, "cancel", account, symbol, order_id=order.id)
            return
        kinds = (
            *("taker", "ioc", "fok", "touch", "touch", "touch", "inside", "cross", "cross"),
            *("iceberg", "stop", "stop_market", "trailing", "oco", "quote", "amend"),
        )
        getattr(self, self.random.choice(kinds))(virtual, account, symbol, book)

    def ask(self, virtual, name, account, *args, **more):
        """One request as a turn of the venue."""
        exchange = virtual.venue.exchange
        call = getattr(exchange, name)
        answer = virtual.venue.turn(lambda now: call(account, *args, now_ms=now, **more))
        exchange.verify()
        return answer

    def place(self, virtual, account, symbol, kind, side, type_, **more):
        """One order; counts what the venue took."""
        numbers = {name: D(str(value)) for name, value in more.items() if name in _NUMBERS}
        request = PlaceOrder(symbol=symbol, side=side, type=type_, **{**more, **numbers})
        answer = self.ask(virtual, "place", account, request)
        self.tried[kind] = self.tried.get(kind, 0) + 1
        if type(answer).__name__ == "Placed":
            self.accepted[kind] = self.accepted.get(kind, 0) + 1
        return answer

    def side(self):
        return self.random.choice(("BUY", "SELL"))

    def size(self, virtual, symbol, scale=1.0):
        """A quantity of up to some levels' worth, in whole steps."""
        step = virtual.venue.exchange.instruments[symbol].step_size
        price = virtual.venue.exchange.published[symbol].reference_price()
        quote = D(str(round(20 + self.random.paretovariate(0.7) * 40 * scale, 2)))
        return max(step, min(quote, D(400_000)) / price // step * step)

    def taker(self, virtual, account, symbol, book):
        quantity = self.size(virtual, symbol)
        self.place(virtual, account, symbol, "taker", self.side(), "MARKET", quantity=quantity)

    def quote(self, virtual, account, symbol, book):
        amount = D(str(self.random.randrange(20, 5_000)))
        self.place(virtual, account, symbol, "quote", self.side(), "MARKET", quote_quantity=amount)

    def ioc(self, virtual, account, symbol, book, tif="IOC"):
        side = self.side()
        tick = virtual.venue.exchange.instruments[symbol].tick_size
        far = tick * self.random.randrange(0, 300)
        price = book.asks.best() + far if side == "BUY" else book.bids.best() - far
        self.place(
            *(virtual, account, symbol, tif.lower(), side, "LIMIT"),
            quantity=self.size(virtual, symbol),
            price=price,
            time_in_force=tif,
        )

    def fok(self, virtual, account, symbol, book):
        self.ioc(virtual, account, symbol, book, "FOK")

    def touch(self, virtual, account, symbol, book, kind="touch", **more):
        side = self.side()
        tick = virtual.venue.exchange.instruments[symbol].tick_size
        behind = tick * self.random.choice((0, 0, 0, 1, 2, 10, 50))
        price = book.bids.best() - behind if side == "BUY" else book.asks.best() + behind
        quantity = more.pop("quantity", self.size(virtual, symbol))
        self.place(
            *(virtual, account, symbol, kind, side, "LIMIT"),
            quantity=quantity,
            price=price,
            time_in_force="GTC",
            **more,
        )

    def iceberg(self, virtual, account, symbol, book):
        quantity = self.size(virtual, symbol)
        step = virtual.venue.exchange.instruments[symbol].step_size
        shown = max(quantity / self.random.randrange(2, 8) // step * step, step)
        self.touch(
            virtual, account, symbol, book, "iceberg", quantity=quantity, iceberg_quantity=shown
        )

    def inside(self, virtual, account, symbol, book):
        side = self.side()
        tick = virtual.venue.exchange.instruments[symbol].tick_size
        price = book.asks.best() - tick if side == "BUY" else book.bids.best() + tick
        self.place(
            *(virtual, account, symbol, "inside", side, "LIMIT_MAKER"),
            quantity=self.size(virtual, symbol),
            price=price,
        )

    def cross(self, virtual, account, symbol, book):
        """Meets an order of the other account at its price, if there is one."""
        exchange = virtual.venue.exchange
        others = [
            order
            for name in virtual.accounts
            if name != account
            for order in exchange.open_orders(name, symbol)
            if order.is_working and order.price is not None
        ]
        if not others:
            return
        other = self.random.choice(others)
        self.place(
            *(virtual, account, symbol, "cross", "SELL" if other.side == "BUY" else "BUY"),
            "LIMIT",
            quantity=max(
                self.size(virtual, symbol), other.remaining / 2 // D("0.001") * D("0.001")
            ),
            price=other.price,
            time_in_force=self.random.choice(("GTC", "IOC")),
        )

    def stop(self, virtual, account, symbol, book, type_="STOP_LOSS_LIMIT"):
        side = self.side()
        sign = 1 if side == "BUY" else -1
        tick = virtual.venue.exchange.instruments[symbol].tick_size
        last = book.reference_price()
        stop = last + sign * tick * self.random.randrange(1, 200)
        more = {}
        if type_.endswith("LIMIT"):
            limit = stop + sign * tick * self.random.randrange(-50, 50)
            more = {"price": limit, "time_in_force": "GTC"}
        self.place(
            *(virtual, account, symbol, type_.lower(), side, type_),
            quantity=self.size(virtual, symbol),
            stop_price=stop,
            **more,
        )

    def stop_market(self, virtual, account, symbol, book):
        self.stop(virtual, account, symbol, book, "STOP_LOSS")

    def trailing(self, virtual, account, symbol, book):
        self.place(
            *(virtual, account, symbol, "trailing", self.side(), "STOP_LOSS"),
            quantity=self.size(virtual, symbol),
            trailing_delta_bps=self.random.randrange(10, 40),
        )

    def oco(self, virtual, account, symbol, book):
        tick = virtual.venue.exchange.instruments[symbol].tick_size
        last, far = book.reference_price(), tick * self.random.randrange(5, 300)
        quantity = self.size(virtual, symbol)
        legs = (
            PlaceOrder(
                symbol=symbol,
                side="SELL",
                type="STOP_LOSS_LIMIT",
                quantity=quantity,
                price=last - far - tick,
                stop_price=last - far,
                time_in_force="GTC",
            ),
            PlaceOrder(
                symbol=symbol,
                side="SELL",
                type="LIMIT_MAKER",
                quantity=quantity,
                price=book.asks.best() + far,
            ),
        )
        self.ask(
            virtual, "place_list", account, PlaceOrderList(symbol=symbol, kind="OCO", orders=legs)
        )

    def amend(self, virtual, account, symbol, book):
        exchange = virtual.venue.exchange
        orders = [one for one in exchange.open_orders(account, symbol) if one.is_working]
        step = exchange.instruments[symbol].step_size
        for order in orders[:1]:
            quantity = (order.executed + order.remaining / 2) // step * step
            self.ask(
                virtual,
                "amend",
                account,
                symbol,
                order_id=order.id,
                client_id=None,
                quantity=quantity,
                new_client_id=None,
            )


_NUMBERS = ("quantity", "price", "stop_price", "quote_quantity", "iceberg_quantity")
