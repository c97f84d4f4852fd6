"""Whatever clients and markets do, money adds up and nobody trades what was not there (L15)."""

from __future__ import annotations

from decimal import Decimal as D

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from procs.localvenue.market.events import BookChanged, Traded
from procs.localvenue.matching.exchange import Exchange
from procs.localvenue.matching.model import (
    BalancesChanged,
    ListChanged,
    OrderUpdated,
)
from procs.localvenue.matching.requests import PlaceOrder, PlaceOrderList
from shared.domain.instrument import Instrument

COIN = Instrument(
    symbol="AAABBB",
    base="AAA",
    quote="BBB",
    tick_size=D("0.0001"),
    step_size=D("0.00001"),
    min_quantity=D("0.00001"),
    max_quantity=D(900),
    min_price=D("0.0001"),
    max_price=D(1_000),
    min_notional=D("0.0001"),
    market_max_quantity=D(50),
)
OPENING = {"AAA": D(20), "BBB": D(100)}

PRICES = st.integers(9_900, 10_100).map(lambda ticks: D(ticks) * COIN.tick_size)
SIZES = st.integers(1, 300_000).map(lambda steps: D(steps) * COIN.step_size)
SIDES = st.sampled_from(["BUY", "SELL"])
ACCOUNTS = st.sampled_from(["one", "two"])
TIMES = st.sampled_from(["GTC", "IOC", "FOK"])


class Venue(RuleBasedStateMachine):
    """Random requests and a random market against one exchange, with a ledger kept beside it."""

    def __init__(self):
        super().__init__()
        self.exchange = Exchange([COIN], {"one": OPENING, "two": OPENING}, max_stop_orders=50)
        self.now = 0
        self.update = 0
        self.told = {}
        self.statuses = {}
        self.flows = {"one": dict(OPENING), "two": dict(OPENING)}
        self.bids, self.asks = {}, {}
        self.move(D("0.9995"), [D(5)] * 3, [D(5)] * 3)
        self.hear()

    def move(self, middle, bid_sizes, ask_sizes):
        bids = {middle - COIN.tick_size * i: size for i, size in enumerate(bid_sizes)}
        asks = {middle + COIN.tick_size * (i + 1): size for i, size in enumerate(ask_sizes)}
        self.update += 1
        said = [
            tuple({**dict.fromkeys(old, D(0)), **new}.items())
            for old, new in ((self.bids, bids), (self.asks, asks))
        ]
        self.bids, self.asks = bids, asks
        self.exchange.on_market(
            BookChanged(
                symbol=COIN.symbol,
                at_ms=self.now,
                first_id=self.update,
                last_id=self.update,
                bids=said[0],
                asks=said[1],
            ),
            self.now,
        )

    def hear(self):
        """Folds the events; each must fit what was told before."""
        for event in self.exchange.drain():
            if isinstance(event, OrderUpdated):
                self.hear_order(event)
            elif isinstance(event, BalancesChanged):
                for asset, balance in event.balances.items():
                    self.told[event.account, asset] = balance
            elif isinstance(event, ListChanged) and event.order_list.status == "ALL_DONE":
                assert not any(order.is_open for order in event.orders)

    def hear_order(self, event):
        order, fill = event.order, event.fill
        before = self.statuses.get(order.id)
        assert before in (None, "NEW", "PARTIALLY_FILLED"), "an ended order was touched again"
        self.statuses[order.id] = order.status
        assert 0 <= order.executed <= order.quantity
        assert (order.status == "FILLED") == (
            order.executed == order.quantity and event.execution == "TRADE"
        )
        if fill is None:
            return
        assert event.execution == "TRADE"
        if order.price is not None:
            better = fill.price <= order.price if order.side == "BUY" else fill.price >= order.price
            assert better, "filled at a worse price than its limit"
        flows = self.flows[fill.account]
        sign = 1 if fill.is_buyer else -1
        flows["AAA"] += sign * fill.quantity
        flows["BBB"] -= sign * fill.quote_quantity
        flows[fill.fee_asset] -= fill.fee

    @rule(account=ACCOUNTS, side=SIDES, price=PRICES, size=SIZES, tif=TIMES)
    def limit(self, account, side, price, size, tif):
        self.place(account, side, "LIMIT", price=price, quantity=size, time_in_force=tif)

    @rule(account=ACCOUNTS, side=SIDES, price=PRICES, size=SIZES)
    def post_only(self, account, side, price, size):
        placed = self.place(account, side, "LIMIT_MAKER", price=price, quantity=size)
        assert not getattr(placed, "fills", ()), "a maker took"

    @rule(account=ACCOUNTS, side=SIDES, size=SIZES, by_quote=st.booleans())
    def market(self, account, side, size, by_quote):
        best = (self.asks if side == "BUY" else self.bids).copy()
        field = "quote_quantity" if by_quote else "quantity"
        placed = self.place(account, side, "MARKET", **{field: size})
        for fill in getattr(placed, "fills", ()):
            assert fill.quantity <= best[fill.price], "took more than was published"

    @rule(account=ACCOUNTS, side=SIDES, stop=PRICES, price=PRICES, size=SIZES, tif=TIMES)
    def stop(self, account, side, stop, price, size, tif):
        self.place(
            account,
            side,
            "STOP_LOSS_LIMIT",
            price=price,
            stop_price=stop,
            quantity=size,
            time_in_force=tif,
        )

    @rule(account=ACCOUNTS, side=SIDES, one=PRICES, two=PRICES, size=SIZES)
    def oco(self, account, side, one, two, size):
        high, low = max(one, two), min(one, two)
        common = {"symbol": COIN.symbol, "side": side, "quantity": size}
        maker = PlaceOrder(**common, type="LIMIT_MAKER", price=high if side == "SELL" else low)
        at = low if side == "SELL" else high
        stop = PlaceOrder(
            **common, type="STOP_LOSS_LIMIT", price=at, stop_price=at, time_in_force="GTC"
        )
        orders = (stop, maker) if side == "SELL" else (maker, stop)
        request = PlaceOrderList(symbol=COIN.symbol, kind="OCO", orders=orders)
        self.exchange.place_list(account, request, self.now)
        self.hear()

    @rule(account=ACCOUNTS, pick=st.integers(0, 50))
    def cancel(self, account, pick):
        orders = self.exchange.open_orders(account)
        if orders:
            chosen = orders[pick % len(orders)]
            self.exchange.cancel(account, COIN.symbol, self.now, order_id=chosen.id)
            self.hear()
            assert not self.exchange.order(account, COIN.symbol, chosen.id).is_open

    @rule(price=PRICES, sizes=st.lists(SIZES, min_size=2, max_size=6))
    def book(self, price, sizes):
        self.now += 100
        half = len(sizes) // 2
        self.move(price, sizes[:half], sizes[half:])
        self.hear()

    @rule(price=PRICES, size=SIZES, seller_takes=st.booleans())
    def trade(self, price, size, seller_takes):
        self.now += 10
        self.exchange.on_market(
            Traded(
                symbol=COIN.symbol,
                at_ms=self.now,
                trade_id=self.now,
                price=price,
                quantity=size,
                buyer_is_maker=seller_takes,
            ),
            self.now,
        )
        self.hear()
        for order in self.exchange.open_orders("one") + self.exchange.open_orders("two"):
            # A stop that this very print triggered came into the book after it.
            if order.is_working and order.working_ms < self.now:
                passed = price < order.price if order.side == "BUY" else price > order.price
                assert not passed, "a print through its price left an order unfilled"

    @rule()
    def restart(self):
        saved = self.exchange.save()
        fresh = Exchange([COIN], {}, max_stop_orders=50)
        fresh.load(saved)
        assert fresh.save() == saved
        self.exchange = fresh
        bids, asks, self.bids, self.asks = self.bids, self.asks, {}, {}
        self.update += 1
        self.exchange.on_market(
            BookChanged(
                symbol=COIN.symbol,
                at_ms=self.now,
                first_id=self.update,
                last_id=self.update,
                bids=tuple(bids.items()),
                asks=tuple(asks.items()),
            ),
            self.now,
        )
        self.bids, self.asks = bids, asks
        self.hear()

    def place(self, account, side, kind, **fields):
        request = PlaceOrder(symbol=COIN.symbol, side=side, type=kind, **fields)
        placed = self.exchange.place(account, request, self.now)
        self.hear()
        return placed

    @invariant()
    def money_adds_up(self):
        self.exchange.verify()
        for name, flows in self.flows.items():
            for asset, balance in self.exchange.balances(name).items():
                assert balance.free >= 0
                assert balance.locked >= 0
                assert balance.free + balance.locked == flows[asset]
                told = self.told.get((name, asset))
                assert told is None or told == balance, "a change of balance was not told"

    @invariant()
    def lists_have_at_most_one_leg_that_acted(self):
        for name in self.flows:
            for order_list in self.exchange.lists(name):
                legs = self.exchange.legs(order_list)
                assert sum(1 for leg in legs if leg.executed > 0) <= 1
                assert (order_list.status == "ALL_DONE") == (not any(leg.is_open for leg in legs))
                if any(leg.executed > 0 for leg in legs):
                    assert sum(1 for leg in legs if leg.is_open) <= 1


TestVenue = Venue.TestCase
TestVenue.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
