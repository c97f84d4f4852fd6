"""Whatever clients and markets do, money adds up, nobody trades what was not there, and a restart
changes nothing (L15)."""

from __future__ import annotations

import json
import tempfile
from decimal import Decimal as D
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from procs.localvenue.journal import VenueJournal
from procs.localvenue.market.events import BookChanged, Traded
from procs.localvenue.matching.exchange import Exchange
from procs.localvenue.matching.model import (
    Amended,
    BalanceMoved,
    BalancesChanged,
    ListChanged,
    Order,
    OrderUpdated,
    Placed,
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

PRICES = st.integers(9_960, 10_040).map(lambda ticks: D(ticks) * COIN.tick_size)
SIZES = st.integers(1, 300_000).map(lambda steps: D(steps) * COIN.step_size)
SIDES = st.sampled_from(["BUY", "SELL"])
ACCOUNTS = st.sampled_from(["one", "two"])
TIMES = st.sampled_from(["GTC", "GTC", "IOC", "FOK"])
MODES = st.sampled_from(
    ["NONE", "NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT", "TRANSFER"]
)
STOPS = st.sampled_from(["STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"])
DELTAS = st.none() | st.integers(10, 60)

NEXT = {
    None: {"NEW", "PENDING_NEW"},
    "PENDING_NEW": {"PENDING_NEW", "NEW", "CANCELED", "EXPIRED", "REJECTED"},
    "NEW": {"NEW", "PARTIALLY_FILLED", "FILLED", "CANCELED", "EXPIRED", "EXPIRED_IN_MATCH"},
    "PARTIALLY_FILLED": {
        "PARTIALLY_FILLED",
        "FILLED",
        "CANCELED",
        "EXPIRED",
        "EXPIRED_IN_MATCH",
    },
}
"""Which status may follow which; ended orders are never touched again."""
EXECUTIONS = {
    "FILLED": {"TRADE"},
    "PARTIALLY_FILLED": {"TRADE", "REPLACED", "TRADE_PREVENTION"},
    "CANCELED": {"CANCELED"},
    "EXPIRED": {"EXPIRED"},
    "EXPIRED_IN_MATCH": {"TRADE_PREVENTION"},
    "REJECTED": {"REJECTED"},
    "PENDING_NEW": {"NEW", "REPLACED"},
    "NEW": {"NEW", "REPLACED", "TRADE_PREVENTION"},
}


class Venue(RuleBasedStateMachine):
    """Random requests and a random market against one exchange, with books kept beside it."""

    def __init__(self):
        super().__init__()
        self.exchange = Exchange([COIN], {"one": OPENING, "two": OPENING}, max_stop_orders=50)
        self.folder = tempfile.TemporaryDirectory()
        self.journal = VenueJournal(Path(self.folder.name))
        self.journal.open_accounts(
            {name: self.exchange.balances(name) for name in ("one", "two")},
            self.exchange.counters,
            self.exchange.ledger,
        )
        self.now = 0
        self.line = 0
        self.told = {}
        self.statuses = {}
        self.flows = {"one": dict(OPENING), "two": dict(OPENING)}
        self.bids, self.asks = {}, {}
        self.levels, self.prints = {}, {}
        self.used = {}
        self.matches = {}
        self.move(D("0.9995"), [D(5)] * 3, [D(5)] * 3)
        self.hear()

    def teardown(self):
        self.journal.close()
        self.folder.cleanup()

    def move(self, middle, bid_sizes, ask_sizes):
        bids = {middle - COIN.tick_size * i: size for i, size in enumerate(bid_sizes)}
        asks = {middle + COIN.tick_size * (i + 1): size for i, size in enumerate(ask_sizes)}
        said = [
            {**dict.fromkeys(old, D(0)), **new}
            for old, new in ((self.bids, bids), (self.asks, asks))
        ]
        self.bids, self.asks = bids, asks
        self.say(*said)

    def say(self, bids, asks):
        self.line += 1
        for is_ask, side in enumerate((bids, asks)):
            for price, quantity in side.items():
                self.levels[self.line, bool(is_ask), price] = quantity
        self.exchange.on_market(
            BookChanged(
                symbol=COIN.symbol,
                at_ms=self.now,
                first_id=self.line,
                last_id=self.line,
                bids=tuple(bids.items()),
                asks=tuple(asks.items()),
                line=self.line,
            ),
            self.now,
        )

    def hear(self):
        """Folds the events; each must fit what was told before."""
        events = self.exchange.drain()
        silent = self.exchange.drain_silent()
        self.journal.write(events, self.exchange.counters, self.exchange.ledger, silent)
        for event in events:
            if isinstance(event, OrderUpdated):
                self.hear_order(event)
            elif isinstance(event, BalancesChanged):
                for asset, balance in event.balances.items():
                    self.told[event.account, asset] = balance
            elif isinstance(event, BalanceMoved):
                self.flows[event.account][event.asset] += event.amount
            elif isinstance(event, ListChanged) and event.order_list.status == "ALL_DONE":
                assert not any(order.is_open for order in event.orders)
        for order in (one for one in silent if isinstance(one, Order)):
            assert order.status in {self.statuses[order.id], "CANCELED"}
            self.statuses[order.id] = order.status
        assert all(len(fills) == 2 for fills in self.matches.values()), "a match of one side"
        self.matches.clear()

    def hear_order(self, event):
        order, fill = event.order, event.fill
        before = self.statuses.get(order.id)
        assert order.status in NEXT.get(before, ()), f"{before} became {order.status}"
        assert event.execution in EXECUTIONS[order.status]
        self.statuses[order.id] = order.status
        assert order.executed >= 0
        assert order.prevented >= 0
        assert order.remaining >= 0
        assert (order.status == "FILLED") == (order.remaining == 0 and event.execution == "TRADE")
        assert (event.execution == "TRADE") == (fill is not None)
        assert (event.execution == "TRADE_PREVENTION") == (event.prevention is not None)
        assert (event.execution == "REPLACED") == (event.amendment is not None)
        if fill is not None:
            self.hear_fill(order, fill)

    def hear_fill(self, order, fill):
        if order.price is not None:
            better = fill.price <= order.price if order.side == "BUY" else fill.price >= order.price
            assert better, "filled at a worse price than its limit"
        flows = self.flows[fill.account]
        sign = 1 if fill.is_buyer else -1
        flows["AAA"] += sign * fill.quantity
        flows["BBB"] -= sign * fill.quote_quantity
        flows[fill.fee_asset] -= fill.fee
        evidence = fill.evidence
        if evidence.kind == "order":
            self.matches.setdefault(fill.trade_id, []).append(fill)
            first = self.matches[fill.trade_id][0]
            assert (first.price, first.quantity) == (fill.price, fill.quantity)
            assert fill.quantity <= evidence.quantity
            return
        if evidence.kind == "level":
            key = evidence.source, fill.is_buyer, evidence.price
            there = self.levels[key]
        else:
            assert fill.is_maker
            key = evidence.source
            price, there, trade_id = self.prints[key]
            assert (evidence.price, evidence.trade_id) == (price, trade_id)
        assert evidence.quantity == there
        assert evidence.taken == self.used.get(key, D(0))
        self.used[key] = evidence.taken + fill.quantity
        assert evidence.taken + evidence.queue_ahead + fill.quantity <= there

    @rule(
        account=ACCOUNTS,
        side=SIDES,
        price=PRICES,
        size=SIZES,
        tif=TIMES,
        mode=MODES,
        parts=st.integers(0, 8),
    )
    def limit(self, account, side, price, size, tif, mode, parts):
        iceberg = None
        if tif == "GTC" and parts > 1:
            iceberg = max(COIN.step_size, (size / parts).quantize(COIN.step_size))
        self.place(
            account,
            side,
            "LIMIT",
            price=price,
            quantity=size,
            time_in_force=tif,
            prevention=mode,
            iceberg_quantity=iceberg,
        )

    @rule(account=ACCOUNTS, side=SIDES, price=PRICES, size=SIZES)
    def post_only(self, account, side, price, size):
        placed = self.place(account, side, "LIMIT_MAKER", price=price, quantity=size)
        assert not getattr(placed, "fills", ()), "a maker took"

    @rule(account=ACCOUNTS, side=SIDES, size=SIZES, by_quote=st.booleans(), mode=MODES)
    def market(self, account, side, size, by_quote, mode):
        field = "quote_quantity" if by_quote else "quantity"
        placed = self.place(account, side, "MARKET", **{field: size}, prevention=mode)
        if isinstance(placed, Placed):
            assert not placed.order.is_open
            if by_quote:
                assert placed.order.executed_quote <= size

    @rule(
        account=ACCOUNTS, side=SIDES, kind=STOPS, stop=PRICES, price=PRICES, size=SIZES, bps=DELTAS
    )
    def stop(self, account, side, kind, stop, price, size, bps):
        limited = kind.endswith("LIMIT")
        self.place(
            account,
            side,
            kind,
            price=price if limited else None,
            stop_price=stop if bps is None or bps % 2 else None,
            quantity=size,
            time_in_force="GTC" if limited else None,
            trailing_delta_bps=bps,
        )

    @rule(account=ACCOUNTS, side=SIDES, one=PRICES, two=PRICES, size=SIZES, limited=st.booleans())
    def oco(self, account, side, one, two, size, limited):
        self.place_list(account, "OCO", *pair(side, one, two, size, limited))

    @rule(
        account=ACCOUNTS,
        sides=st.tuples(SIDES, SIDES),
        prices=st.tuples(PRICES, PRICES, PRICES),
        sizes=st.tuples(SIZES, SIZES),
        tif=TIMES,
        kind=st.sampled_from(["LIMIT", "MARKET", "STOP_LOSS", "PAIR"]),
    )
    def triggered(self, account, sides, prices, sizes, tif, kind):
        working = PlaceOrder(
            symbol=COIN.symbol,
            side=sides[0],
            type="LIMIT",
            quantity=sizes[0],
            price=prices[0],
            time_in_force=tif,
        )
        if kind == "PAIR":
            orders = pair(sides[1], prices[1], prices[2], sizes[1], True)
            self.place_list(account, "OTOCO", working, *orders)
            return
        pending = PlaceOrder(
            symbol=COIN.symbol,
            side=sides[1],
            type=kind,
            quantity=sizes[1],
            price=prices[1] if kind == "LIMIT" else None,
            stop_price=prices[1] if kind == "STOP_LOSS" else None,
            time_in_force="GTC" if kind == "LIMIT" else None,
        )
        self.place_list(account, "OTO", working, pending)

    @rule(account=ACCOUNTS, pick=st.integers(0, 50))
    def cancel(self, account, pick):
        orders = self.exchange.open_orders(account)
        if orders:
            chosen = orders[pick % len(orders)]
            self.exchange.cancel(account, COIN.symbol, self.now, order_id=chosen.id)
            self.hear()
            assert not self.exchange.order(account, COIN.symbol, chosen.id).is_open

    @rule(account=ACCOUNTS, pick=st.integers(0, 50), part=st.integers(1, 99))
    def amend(self, account, pick, part):
        orders = self.exchange.open_orders(account)
        if not orders:
            return
        chosen = orders[pick % len(orders)]
        quantity = (chosen.quantity * part / 100).quantize(COIN.step_size)
        before = self.queue_of(chosen)
        answer = self.exchange.amend(
            account, COIN.symbol, self.now, order_id=chosen.id, quantity=quantity
        )
        self.hear()
        if isinstance(answer, Amended):
            assert answer.order.quantity == quantity
            assert self.exchange.amendments(chosen.id)[-1] == answer.amendment
            assert self.queue_of(chosen) == before, "an amended order lost its place"

    @rule(account=ACCOUNTS, pick=st.integers(0, 50))
    def vanish(self, account, pick):
        orders = self.exchange.open_orders(account)
        if orders:
            self.exchange.vanish(orders[pick % len(orders)].id, self.now)
            self.hear()

    @rule(account=ACCOUNTS, asset=st.sampled_from(["AAA", "BBB", "CCC"]), units=st.integers(-9, 9))
    def move_balance(self, account, asset, units):
        self.flows[account].setdefault(asset, D(0))
        self.exchange.move_balance(account, asset, D(units) / 4, self.now)
        self.hear()

    @rule(part=st.integers(0, 140))
    def fill_share(self, part):
        share = D(part) / 100
        self.exchange.fill_share = None if part >= 100 else lambda order, could: could * share

    @rule(price=PRICES, sizes=st.lists(SIZES, min_size=2, max_size=6))
    def book(self, price, sizes):
        self.now += 100
        half = len(sizes) // 2
        self.move(price, sizes[:half], sizes[half:])
        self.hear()

    @rule(price=PRICES, size=SIZES, seller_takes=st.booleans())
    def trade(self, price, size, seller_takes):
        self.now += 10
        self.line += 1
        self.prints[self.line] = (price, size, self.now)
        self.exchange.on_market(
            Traded(
                symbol=COIN.symbol,
                at_ms=self.now,
                trade_id=self.now,
                price=price,
                quantity=size,
                buyer_is_maker=seller_takes,
                line=self.line,
            ),
            self.now,
        )
        self.hear()
        if self.used.get(self.line, D(0)) < size:
            for name in self.flows:
                for order in self.exchange.open_orders(name):
                    # A stop that this very print triggered came into the book after it.
                    if order.is_working and order.working_ms < self.now:
                        buys = order.side == "BUY"
                        passed = price < order.price if buys else price > order.price
                        assert not passed, "a print through its price left an order unfilled"

    @rule(from_journal=st.booleans())
    def restart(self, from_journal):
        saved, queues = self.exchange.save(), self.queues()
        fresh = Exchange([COIN], {}, max_stop_orders=50)
        if from_journal:
            state = self.journal.state()
            state.last_prices = self.exchange.last_prices()
            fresh.restore(state)
        else:
            fresh.load(saved)
        assert json.loads(fresh.save()) == json.loads(saved)
        self.exchange = fresh
        assert self.queues() == queues
        self.say(self.bids, self.asks)
        self.hear()

    def queues(self):
        desk = self.exchange.desks[COIN.symbol]
        sides = (desk.bids, desk.asks, desk.waits_for_fall, desk.waits_for_rise)
        return [
            [(price, [order.id for order in side.at(price)]) for price in side.prices()]
            for side in sides
        ] + [sorted(desk.trailing)]

    def queue_of(self, order):
        if order.price is None:
            return None
        desk = self.exchange.desks[COIN.symbol]
        return [one.id for one in desk.own(order.side).at(order.price)]

    def place(self, account, side, kind, **fields):
        request = PlaceOrder(symbol=COIN.symbol, side=side, type=kind, **fields)
        placed = self.exchange.place(account, request, self.now)
        self.hear()
        if isinstance(placed, Placed):
            order, now = placed.order, self.exchange.order(account, COIN.symbol, placed.order.id)
            assert order.executed == sum(fill.quantity for fill in placed.fills)
            # A pending order that this one set off may have met its rest since.
            assert order.executed <= now.executed
            assert order.status == now.status or order.is_open
        return placed

    def place_list(self, account, kind, *orders):
        request = PlaceOrderList(symbol=COIN.symbol, kind=kind, orders=orders)
        self.exchange.place_list(account, request, self.now)
        self.hear()

    @invariant()
    def money_adds_up(self):
        put_in = self.exchange.verify()
        for name, flows in self.flows.items():
            for asset, balance in self.exchange.balances(name).items():
                assert balance.free >= 0
                assert balance.locked >= 0
                assert balance.free + balance.locked == flows[asset]
                told = self.told.get((name, asset))
                assert told is None or told == balance, "a change of balance was not told"
        assert put_in["AAA"] + put_in["BBB"] > 0

    @invariant()
    def lists_have_at_most_one_order_that_acted(self):
        for name in self.flows:
            for order_list in self.exchange.lists(name):
                legs = self.exchange.legs(order_list)
                assert (order_list.status == "ALL_DONE") == (not any(leg.is_open for leg in legs))
                pair = legs if order_list.kind == "OCO" else legs[1:]
                assert sum(1 for leg in pair if leg.executed > 0) <= 1
                if any(leg.executed > 0 for leg in pair):
                    assert sum(1 for leg in pair if leg.is_open) <= 1
                if order_list.kind != "OCO" and legs[0].status != "FILLED":
                    assert not any(leg.status in ("NEW", "FILLED") for leg in pair)

    @invariant()
    def icebergs_show_a_slice(self):
        for name in self.flows:
            for order in self.exchange.open_orders(name):
                if order.iceberg_quantity is not None and order.is_working:
                    assert 0 < order.shown <= min(order.iceberg_quantity, order.remaining)
                else:
                    assert order.shown == 0


def pair(side, one, two, size, limited):
    high, low = max(one, two), min(one, two)
    common = {"symbol": COIN.symbol, "side": side, "quantity": size}
    maker = PlaceOrder(**common, type="LIMIT_MAKER", price=high if side == "SELL" else low)
    at = low if side == "SELL" else high
    stop = PlaceOrder(
        **common,
        type="STOP_LOSS_LIMIT" if limited else "STOP_LOSS",
        price=at if limited else None,
        stop_price=at,
        time_in_force="GTC" if limited else None,
    )
    return (stop, maker) if side == "SELL" else (maker, stop)


TestVenue = Venue.TestCase
TestVenue.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
