"""The matching core: what fills, what rests, what it costs, what is refused."""

from __future__ import annotations

from decimal import Decimal as D

import pytest

from procs.localvenue.market.events import BookChanged, Traded
from procs.localvenue.matching import refusals
from procs.localvenue.matching.exchange import Exchange
from procs.localvenue.matching.model import (
    Balance,
    Canceled,
    ListChanged,
    OrderUpdated,
    Placed,
    PlacedList,
    Refusal,
)
from procs.localvenue.matching.requests import PlaceOrder, PlaceOrderList
from shared.domain.instrument import Instrument

BTC = Instrument(
    symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    tick_size=D("0.01"),
    step_size=D("0.001"),
    min_quantity=D("0.001"),
    max_quantity=D(9000),
    min_price=D("0.01"),
    max_price=D(1_000_000),
    min_notional=D(5),
    market_max_quantity=D(100),
)


class World:
    """One account on one symbol, with a book of 2.0 at each of three levels a side."""

    def __init__(self, **limits):
        self.exchange = Exchange(
            [BTC], {"me": {"USDT": D(10_000), "BTC": D(10)}, "other": {"USDT": D(500)}}, **limits
        )
        self.now = 1_000
        self.update = 0
        self.trade = 0
        self.book(
            bids=(("100.00", "2"), ("99.99", "2"), ("99.98", "2")),
            asks=(("100.01", "2"), ("100.02", "2"), ("100.03", "2")),
        )
        self.print("100.00", "0.5")

    def book(self, bids=(), asks=()):
        self.update += 1
        self.exchange.on_market(
            BookChanged(
                symbol="BTCUSDT",
                at_ms=self.now,
                first_id=self.update,
                last_id=self.update,
                bids=tuple((D(p), D(q)) for p, q in bids),
                asks=tuple((D(p), D(q)) for p, q in asks),
            ),
            self.now,
        )

    def print(self, price, quantity, seller_takes=True):
        self.trade += 1
        self.exchange.on_market(
            Traded(
                symbol="BTCUSDT",
                at_ms=self.now,
                trade_id=self.trade,
                price=D(price),
                quantity=D(quantity),
                buyer_is_maker=seller_takes,
            ),
            self.now,
        )

    def place(self, side, kind, account="me", **fields):
        numbers = ("quantity", "quote_quantity", "price", "stop_price")
        values = {name: D(v) if name in numbers else v for name, v in fields.items()}
        request = PlaceOrder(symbol="BTCUSDT", side=side, type=kind, **values)
        return self.exchange.place(account, request, self.now)

    def limit(self, side, quantity, price, tif="GTC", **more):
        return self.place(side, "LIMIT", quantity=quantity, price=price, time_in_force=tif, **more)

    def oco(self, high="103", stop="97", low="96.50", quantity="1", **more):
        size = D(quantity)
        below = PlaceOrder(
            symbol="BTCUSDT",
            side="SELL",
            type="STOP_LOSS_LIMIT",
            quantity=size,
            price=D(low),
            stop_price=D(stop),
            time_in_force="GTC",
            client_id=more.get("below_id"),
        )
        above = PlaceOrder(
            symbol="BTCUSDT",
            side="SELL",
            type="LIMIT_MAKER",
            quantity=size,
            price=D(high),
            client_id=more.get("above_id"),
        )
        return self.list("OCO", below, above)

    def list(self, kind, *orders, account="me", **fields):
        request = PlaceOrderList(symbol="BTCUSDT", kind=kind, orders=orders, **fields)
        return self.exchange.place_list(account, request, self.now)

    def order(self, placed):
        return self.exchange.order("me", "BTCUSDT", placed.order.id)

    def balance(self, asset):
        self.exchange.verify()
        return self.exchange.balances("me")[asset]


def test_a_market_buy_walks_the_levels_and_pays_its_fee_in_base():
    world = World()
    placed = world.place("BUY", "MARKET", quantity="3")
    assert isinstance(placed, Placed)
    assert [(f.price, f.quantity, f.fee) for f in placed.fills] == [
        (D("100.01"), D(2), D("0.002")),
        (D("100.02"), D(1), D("0.001")),
    ]
    assert placed.order.status == "FILLED"
    assert world.balance("USDT") == Balance(D(10_000) - D("300.04"), D(0))
    assert world.balance("BTC") == Balance(D(10) + D(3) - D("0.003"), D(0))


def test_what_we_took_is_gone_until_the_market_says_the_level_anew():
    world = World()
    world.place("BUY", "MARKET", quantity="2")
    placed = world.place("BUY", "MARKET", quantity="1")
    assert [f.price for f in placed.fills] == [D("100.02")]
    assert world.exchange.published["BTCUSDT"].asks.levels(1) == [(D("100.01"), D(2))]
    world.book(asks=(("100.01", "0.3"),))
    placed = world.place("BUY", "MARKET", quantity="0.5")
    assert [(f.price, f.quantity) for f in placed.fills] == [
        (D("100.01"), D("0.3")),
        (D("100.02"), D("0.2")),
    ]


def test_a_market_order_beyond_the_book_expires_with_the_rest():
    world = World()
    placed = world.place("SELL", "MARKET", quantity="7")
    assert (placed.order.status, placed.order.executed) == ("EXPIRED", D(6))
    assert world.balance("BTC") == Balance(D(4), D(0))


def test_a_quote_amount_buys_whole_steps_at_most():
    world = World()
    placed = world.place("BUY", "MARKET", quote_quantity="150")
    assert placed.order.executed == D("1.499")
    assert placed.order.executed_quote <= 150
    assert world.place("BUY", "MARKET", quote_quantity="99999") == refusals.INSUFFICIENT_BALANCE


@pytest.mark.parametrize(
    ("tif", "status", "executed"), [("IOC", "EXPIRED", "2"), ("FOK", "EXPIRED", "0")]
)
def test_immediate_orders_leave_nothing_on_the_book(tif, status, executed):
    world = World()
    placed = world.limit("BUY", "3", "100.01", tif)
    assert (placed.order.status, placed.order.executed) == (status, D(executed))
    assert world.exchange.open_orders("me") == []
    assert world.balance("USDT").locked == 0


def test_a_fok_order_that_fits_fills_whole():
    placed = World().limit("BUY", "4", "100.02", "FOK")
    assert placed.order.status == "FILLED"


def test_a_limit_order_takes_what_crosses_and_rests_with_the_rest():
    world = World()
    placed = world.limit("BUY", "3", "100.01")
    assert (placed.order.status, placed.order.executed) == ("PARTIALLY_FILLED", D(2))
    assert world.balance("USDT").locked == D("100.01")
    world.print("100.00", "0.4")
    assert world.order(placed).executed == D("2.4"), "a print gives no more than it is"
    world.print("100.00", "0.6")
    assert world.order(placed).status == "FILLED"
    assert world.balance("USDT").locked == 0


def test_prints_at_the_price_first_eat_the_queue_ahead():
    world = World()
    placed = world.limit("BUY", "1", "99.99")
    world.print("99.99", "1.5")
    assert world.order(placed).executed == 0
    world.print("99.99", "0.7")
    assert world.order(placed).executed == D("0.2")
    world.print("99.99", "0.3", seller_takes=False)
    assert world.order(placed).executed == D("0.2")
    world.print("99.99", "0.3")
    assert world.order(placed).executed == D("0.5")
    world.print("99.98", "0.001")
    assert world.order(placed).executed == D("0.501")
    world.print("99.98", "0.6")
    assert world.order(placed).status == "FILLED"


def test_one_print_is_not_sold_twice_to_orders_at_one_price():
    world = World()
    first, second = world.limit("BUY", "1", "99.50"), world.limit("BUY", "1", "99.50")
    world.print("99.50", "1.4")
    assert world.order(first).executed == D(1)
    assert world.order(second).executed == D("0.4")


def test_an_opposite_best_that_comes_to_a_resting_order_fills_it_as_maker():
    world = World()
    placed = world.limit("BUY", "3", "99.97")
    world.book(
        bids=(("100.00", "0"), ("99.99", "0"), ("99.98", "0"), ("99.90", "5")),
        asks=(("99.95", "1"),),
    )
    order = world.order(placed)
    assert order.executed == D(1)
    (fill,) = world.exchange.fills_of(order.id)
    assert (fill.price, fill.is_maker) == (D("99.97"), True)
    world.book(asks=(("99.95", "9"),))
    assert world.order(placed).status == "FILLED"


def test_a_post_only_order_that_would_take_is_refused():
    world = World()
    answer = world.place("BUY", "LIMIT_MAKER", quantity="1", price="100.01")
    assert answer == refusals.WOULD_MATCH
    assert isinstance(world.place("BUY", "LIMIT_MAKER", quantity="1", price="100.00"), Placed)


def test_a_stop_waits_for_the_last_price_then_works_as_a_limit_order():
    world = World()
    placed = world.place(
        "SELL",
        "STOP_LOSS_LIMIT",
        quantity="1",
        price="98",
        stop_price="99",
        time_in_force="GTC",
    )
    assert not placed.order.is_working
    world.exchange.drain()
    world.book(bids=(("100.00", "0"), ("99.99", "0"), ("99.98", "0"), ("98.50", "0.4")))
    assert world.order(placed).executed == 0
    world.print("98.90", "0.1")
    order = world.order(placed)
    assert order.is_working
    assert order.executed == D("0.4")
    steps = [
        (e.execution, e.order.status, e.order.is_working)
        for e in world.exchange.drain()
        if isinstance(e, OrderUpdated)
    ]
    assert steps == [("NEW", "NEW", True), ("TRADE", "PARTIALLY_FILLED", True)]


@pytest.mark.parametrize(
    ("side", "kind", "stop"),
    [
        ("SELL", "STOP_LOSS_LIMIT", "100.00"),
        ("BUY", "STOP_LOSS_LIMIT", "100.00"),
        ("SELL", "TAKE_PROFIT_LIMIT", "99"),
        ("BUY", "TAKE_PROFIT_LIMIT", "101"),
    ],
)
def test_a_stop_that_would_trigger_now_is_refused(side, kind, stop):
    answer = World().place(
        side, kind, quantity="1", price="100", stop_price=stop, time_in_force="GTC"
    )
    assert answer == refusals.WOULD_TRIGGER


def test_the_stop_of_an_oco_ends_its_take_profit():
    world = World()
    placed = world.oco()
    assert isinstance(placed, PlacedList)
    assert world.balance("BTC") == Balance(D(9), D(1))
    world.exchange.drain()
    world.print("97", "0.1")
    stop, take_profit = world.exchange.legs(placed.order_list)
    assert (stop.status, take_profit.status) == ("FILLED", "EXPIRED")
    events = world.exchange.drain()
    done = [e for e in events if isinstance(e, ListChanged)]
    assert [e.order_list.status for e in done] == ["ALL_DONE"]
    assert [e.execution for e in events if isinstance(e, OrderUpdated)][:2] == ["EXPIRED", "NEW"]
    assert world.balance("BTC") == Balance(D(9), D(0))


def test_a_partial_take_profit_ends_the_stop_and_keeps_the_rest_working():
    world = World()
    placed = world.oco()
    world.print("103", "0.4", seller_takes=False)
    stop, take_profit = world.exchange.legs(placed.order_list)
    assert (stop.status, take_profit.status) == ("EXPIRED", "PARTIALLY_FILLED")
    assert world.balance("BTC") == Balance(D(9), D("0.6"))
    answer = world.exchange.cancel("me", "BTCUSDT", world.now, order_id=take_profit.id)
    assert isinstance(answer, Canceled)
    assert world.balance("BTC") == Balance(D("9.6"), D(0))
    assert world.exchange.find_list("me", placed.order_list.id, None).status == "ALL_DONE"


def test_canceling_one_leg_cancels_the_list():
    world = World()
    placed = world.oco()
    answer = world.exchange.cancel(
        "me", "BTCUSDT", world.now, order_id=placed.orders[1].id, cancel_id="stop-it"
    )
    assert isinstance(answer, Canceled)
    assert answer.order_list.status == "ALL_DONE"
    assert {order.status for order in answer.orders} == {"CANCELED"}
    assert world.balance("BTC") == Balance(D(10), D(0))


def test_an_oco_holds_the_greater_leg_of_a_buy():
    world = World()
    common = {"symbol": "BTCUSDT", "side": "BUY", "quantity": D(1)}
    above = PlaceOrder(
        **common, type="STOP_LOSS_LIMIT", price=D(106), stop_price=D(105), time_in_force="GTC"
    )
    below = PlaceOrder(**common, type="LIMIT_MAKER", price=D(95))
    assert isinstance(world.list("OCO", below, above), PlacedList)
    assert world.balance("USDT").locked == 106
    world.print("94.99", "1")
    assert world.balance("USDT") == Balance(D(9_905), D(0))


@pytest.mark.parametrize(
    ("prices", "answer"),
    [
        ({"high": "99"}, refusals.PRICES_UNRELATED),
        ({"stop": "101", "low": "99"}, refusals.PRICES_UNRELATED),
        ({"quantity": "11"}, refusals.INSUFFICIENT_BALANCE),
        ({"low": "96.505"}, refusals.filter_failure("PRICE_FILTER")),
        ({"quantity": "0.0015"}, refusals.filter_failure("LOT_SIZE")),
        ({"above_id": "a", "below_id": "a"}, refusals.DUPLICATE_ORDER),
    ],
)
def test_an_oco_that_cannot_be_is_refused_whole(prices, answer):
    world = World()
    assert world.oco(**prices) == answer
    assert world.exchange.open_orders("me") == []
    assert world.balance("BTC") == Balance(D(10), D(0))


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"quantity": "0.0005", "price": "100"}, "LOT_SIZE"),
        ({"quantity": "1.0005", "price": "100"}, "LOT_SIZE"),
        ({"quantity": "9001", "price": "100"}, "LOT_SIZE"),
        ({"quantity": "1", "price": "100.001"}, "PRICE_FILTER"),
        ({"quantity": "1", "price": "0.001"}, "PRICE_FILTER"),
        ({"quantity": "1", "price": "19.99"}, "PERCENT_PRICE_BY_SIDE"),
        ({"quantity": "1", "price": "500.01"}, "PERCENT_PRICE_BY_SIDE"),
        ({"quantity": "0.049", "price": "100"}, "NOTIONAL"),
    ],
)
def test_the_filters_say_their_names(fields, name):
    answer = World().place("BUY", "LIMIT", time_in_force="GTC", **fields)
    assert answer == Refusal(-1013, f"Filter failure: {name}")


def test_the_largest_market_order_has_a_filter_of_its_own():
    answer = World().place("SELL", "MARKET", quantity="100.001")
    assert answer == refusals.filter_failure("MARKET_LOT_SIZE")


def test_open_orders_and_stops_are_counted():
    world = World(max_orders=2, max_stop_orders=1)
    world.oco()
    assert world.oco(high="104") == refusals.filter_failure("MAX_NUM_ORDERS")
    world = World(max_stop_orders=1)
    world.oco()
    assert world.oco(high="104") == refusals.filter_failure("MAX_NUM_ALGO_ORDERS")


@pytest.mark.parametrize(
    ("kind", "fields", "code"),
    [
        ("LIMIT", {"quantity": "1", "price": "100"}, -1102),
        ("LIMIT", {"quantity": "1", "time_in_force": "GTC"}, -1102),
        ("LIMIT_MAKER", {"quantity": "1"}, -1102),
        ("MARKET", {}, -1102),
        ("MARKET", {"quantity": "1", "price": "100"}, -1106),
        ("MARKET", {"quantity": "1", "time_in_force": "GTC"}, -1106),
        ("MARKET", {"quantity": "1", "quote_quantity": "100"}, -1128),
        ("STOP_LOSS_LIMIT", {"quantity": "1", "price": "9", "time_in_force": "GTC"}, -1102),
        ("LIMIT", {"quantity": "0", "price": "100", "time_in_force": "GTC"}, -1013),
        ("LIMIT", {"quantity": "1.000000001", "price": "100", "time_in_force": "GTC"}, -1111),
    ],
)
def test_parameters_that_do_not_fit_the_type_are_refused(kind, fields, code):
    answer = World().place("SELL", kind, **fields)
    assert isinstance(answer, Refusal)
    assert answer.code == code


def test_client_ids_are_unique_among_open_orders_only():
    world = World()
    first = world.limit("BUY", "1", "90", client_id="one")
    assert world.limit("BUY", "1", "90", client_id="one") == refusals.DUPLICATE_ORDER
    world.exchange.cancel("me", "BTCUSDT", 1, client_id="one")
    second = world.limit("BUY", "1", "90", client_id="one")
    assert world.exchange.order("me", "BTCUSDT", client_id="one").id == second.order.id
    assert world.order(first).status == "CANCELED"
    third = world.limit("BUY", "1", "90", client_id="one", account="other")
    assert isinstance(third, Placed)


def test_accounts_do_not_see_each_other():
    world = World()
    placed = world.limit("BUY", "1", "90")
    exchange = world.exchange
    assert exchange.order("other", "BTCUSDT", placed.order.id) == refusals.NO_SUCH_ORDER
    answer = exchange.cancel("other", "BTCUSDT", 1, order_id=placed.order.id)
    assert answer == refusals.CANCEL_UNKNOWN
    assert world.limit("BUY", "1", "90", account="nobody") == refusals.UNKNOWN_ACCOUNT


def test_a_save_resumes_orders_queues_ids_and_balances():
    world = World()
    resting = world.limit("BUY", "1", "99.99")
    world.oco()
    world.place("BUY", "MARKET", quantity="0.5")
    world.print("99.99", "1.5")
    saved = world.exchange.save()
    other = World()
    other.exchange = Exchange([BTC], {})
    other.exchange.load(saved)
    other.exchange.verify()
    assert other.exchange.save() == saved
    assert other.exchange.balances("me") == world.exchange.balances("me")
    other.print("99.99", "0.8")
    assert other.order(resting).executed == D("0.3")
    other.print("97", "1")
    assert other.balance("BTC").locked == 1, "without a book the triggered stop rests"
    other.print("97", "1")
    assert other.balance("BTC").locked == 0
