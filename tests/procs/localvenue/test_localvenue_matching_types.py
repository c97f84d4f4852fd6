"""Stops, trailing stops, icebergs, self-trade prevention, amendments: as the documentation says."""

from __future__ import annotations

from decimal import Decimal as D

import pytest
from test_localvenue_matching import World

from procs.localvenue.matching import filters, refusals
from procs.localvenue.matching.model import (
    Amended,
    Balance,
    BalanceMoved,
    Canceled,
    ListChanged,
    OrderUpdated,
    Placed,
    Refusal,
)
from procs.localvenue.matching.requests import PlaceOrder


class Market(World):
    """The same world, with another account that has enough, and shorter words."""

    def order_of(self, placed, account="me"):
        return self.exchange.order(account, "BTCUSDT", placed.order.id)

    def trades(self, *prices):
        for price in prices:
            self.print(price, "0.001")


def test_a_stop_loss_sells_at_the_market_when_it_triggers():
    world = Market()
    placed = world.place("SELL", "STOP_LOSS", quantity="3", stop_price="99.50")
    assert not placed.order.is_working
    assert world.balance("BTC").locked == 3
    world.trades("99.50")
    order = world.order_of(placed)
    assert (order.status, order.executed) == ("FILLED", D(3))
    fills = world.exchange.fills_of(order.id)
    assert [(f.price, f.quantity, f.is_maker) for f in fills] == [
        (D("100.00"), D(2), False),
        (D("99.99"), D(1), False),
    ]


def test_a_buy_stop_pays_more_than_it_held_from_free_funds_and_no_more_than_there_is():
    world = Market()
    placed = world.place("BUY", "STOP_LOSS", quantity="3", stop_price="100.02")
    assert world.balance("USDT").locked == D("300.06")
    world.book(asks=(("100.01", "0"), ("100.02", "0"), ("100.03", "0"), ("5000", "10")))
    world.trades("100.02")
    order = world.order_of(placed)
    assert (order.status, order.executed) == ("EXPIRED", D(2)), "three cost more than it has"
    assert world.balance("USDT") == Balance(D(0), D(0))


def test_a_take_profit_buys_when_the_price_falls():
    world = Market()
    placed = world.place("BUY", "TAKE_PROFIT", quantity="1", stop_price="99")
    world.trades("99.01")
    assert world.order_of(placed).status == "NEW"
    world.trades("98.99")
    assert world.order_of(placed).status == "FILLED"


@pytest.mark.parametrize(
    ("side", "kind", "stop", "bps", "prices", "turn"),
    [
        ("BUY", "STOP_LOSS_LIMIT", "110", 500, ("92.5", "110", "112.5", "115", "105"), "110.25"),
        ("SELL", "STOP_LOSS_LIMIT", "97.5", 1000, ("103", "97.5", "92.5", "102.5"), "92.25"),
        ("BUY", "TAKE_PROFIT_LIMIT", "95", 850, ("105", "95", "92.5", "97.5", "95"), "100.37"),
        ("SELL", "TAKE_PROFIT_LIMIT", "105", 750, ("97", "105", "112.5", "110", "116"), "107.30"),
        ("SELL", "STOP_LOSS_LIMIT", None, 700, ("105", "98.75", "113.75"), "105.78"),
    ],
)
def test_trailing_stops_follow_the_documented_scenarios(side, kind, stop, bps, prices, turn):
    world = Market()
    fields = {} if stop is None else {"stop_price": stop}
    placed = world.place(
        side,
        kind,
        quantity="0.1",
        price="100",
        time_in_force="GTC",
        trailing_delta_bps=bps,
        **fields,
    )
    assert isinstance(placed, Placed), placed
    assert (placed.order.trailing_ms is None) == (stop is not None)
    for price in prices:
        world.trades(price)
        assert not world.order_of(placed).is_working, f"triggered at {price}"
    assert world.order_of(placed).trailing_ms is not None
    sign = 1 if side == "SELL" else -1
    world.trades(str(D(turn) + sign * D("0.02")))
    assert not world.order_of(placed).is_working
    world.trades(turn)
    assert world.order_of(placed).is_working


def test_a_trailing_stop_in_a_pair_ends_the_other_order():
    world = Market()
    below = PlaceOrder(
        symbol="BTCUSDT", side="SELL", type="STOP_LOSS", quantity=D(1), trailing_delta_bps=100
    )
    above = PlaceOrder(
        symbol="BTCUSDT", side="SELL", type="LIMIT_MAKER", quantity=D(1), price=D(110)
    )
    placed = world.list("OCO", below, above)
    world.trades("105", "103.95")
    stop, profit = world.exchange.legs(placed.order_list)
    assert (stop.status, profit.status) == ("FILLED", "EXPIRED")
    assert world.balance("BTC").locked == 0


def test_an_iceberg_shows_slices_and_each_new_one_stands_behind_the_queue():
    world = Market()
    placed = world.limit("BUY", "1", "99.50", iceberg_quantity=D("0.4"))
    later = world.limit("BUY", "1", "99.50")
    assert world.order_of(placed).shown == D("0.4")
    world.print("99.50", "0.5")
    assert world.order_of(placed).executed == D("0.4")
    assert world.order_of(later).executed == D("0.1"), "the later order comes before a new slice"
    world.book(bids=(("99.50", "3"),))
    world.print("99.50", "1.2")
    assert world.order_of(later).executed == D(1)
    assert world.order_of(placed).executed == D("0.7")
    world.print("99.50", "0.2")
    order = world.order_of(placed)
    assert order.executed == D("0.8")
    # The level stands before the new slice, less what this print took of it.
    assert (order.shown, order.queue_ahead) == (D("0.2"), D("2.9"))
    world.print("99.50", "3")
    assert world.order_of(placed).executed == D("0.9")
    world.print("99.50", "1")
    assert world.order_of(placed).status == "FILLED"


def test_a_taker_goes_through_slices_after_what_the_level_shows():
    world = Market()
    world.exchange.move_balance("other", "BTC", D(50), world.now)
    placed = world.limit("BUY", "1", "100.00", iceberg_quantity=D("0.3"))
    world.exchange.drain()
    taker = world.place("SELL", "MARKET", account="other", quantity="2.5")
    assert [(f.quantity, f.evidence.kind) for f in taker.fills] == [
        (D(2), "level"),
        (D("0.3"), "order"),
        (D("0.2"), "order"),
    ]
    assert world.order_of(placed).executed == D("0.5")
    assert world.order_of(placed).shown == D("0.1")


@pytest.mark.parametrize(
    ("kind", "fields", "answer"),
    [
        ("LIMIT", {"iceberg_quantity": D(2)}, refusals.ICEBERG_TOO_LARGE),
        ("LIMIT", {"iceberg_quantity": D("0.009")}, refusals.filter_failure("ICEBERG_PARTS")),
        ("LIMIT", {"iceberg_quantity": D("0.0101")}, refusals.filter_failure("LOT_SIZE")),
        ("LIMIT", {"iceberg_quantity": D(0)}, refusals.INVALID_QUANTITY),
        (
            "LIMIT",
            {"iceberg_quantity": D("0.5"), "time_in_force": "IOC"},
            refusals.UNSUPPORTED_COMBINATION,
        ),
        ("LIMIT", {"trailing_delta_bps": 100}, refusals.not_required("trailingDelta")),
        ("STOP_LOSS_LIMIT", {"trailing_delta_bps": 9}, refusals.filter_failure("TRAILING_DELTA")),
        (
            "STOP_LOSS_LIMIT",
            {"trailing_delta_bps": 2001},
            refusals.filter_failure("TRAILING_DELTA"),
        ),
        ("STOP_LOSS_LIMIT", {}, refusals.missing("stopPrice")),
    ],
)
def test_icebergs_and_deltas_have_filters(kind, fields, answer):
    values = {"quantity": "1", "price": "99", "time_in_force": "GTC", **fields}
    assert Market().place("SELL" if kind != "LIMIT" else "BUY", kind, **values) == answer


def test_counts_have_filters_of_their_own(monkeypatch):
    monkeypatch.setattr(filters, "MAX_NUM_ICEBERG_ORDERS", 1)
    monkeypatch.setattr(filters, "MAX_NUM_ORDER_LISTS", 1)
    world = Market(max_stop_orders=50)
    world.limit("BUY", "1", "99", iceberg_quantity=D("0.5"))
    again = world.limit("BUY", "1", "99", iceberg_quantity=D("0.5"))
    assert again == refusals.filter_failure("MAX_NUM_ICEBERG_ORDERS")
    placed = world.oco()
    assert world.oco() == refusals.filter_failure("MAX_NUM_ORDER_LISTS")
    world.exchange.cancel_list("me", "BTCUSDT", world.now, list_id=placed.order_list.id)
    assert not isinstance(world.oco(), Refusal)


def test_an_order_may_be_worth_too_much():
    world = Market()
    world.exchange.move_balance("me", "BTC", D(100_000), world.now)
    answer = world.limit("SELL", "9000", "499")
    assert isinstance(answer, Placed)
    world.print("10000", "9000")
    answer = world.limit("SELL", "9000", "10000")
    assert answer == refusals.filter_failure("NOTIONAL")


def two_sides(mode, maker="1", taker="3", price="99.50"):
    """A resting buy of ours and a sell of the same account that would meet it."""
    world = Market()
    world.book(bids=tuple((p, "0") for p in ("100.00", "99.99", "99.98")))
    made = world.limit("BUY", maker, price)
    world.exchange.drain()
    taken = world.limit("SELL", taker, price, prevention=mode)
    return world, made, taken


@pytest.mark.parametrize(
    ("mode", "made_is", "taken_is", "prevented"),
    [
        ("NONE", "FILLED", "PARTIALLY_FILLED", ()),
        ("EXPIRE_MAKER", "EXPIRED_IN_MATCH", "NEW", ((D(0), D(1)),)),
        ("EXPIRE_TAKER", "NEW", "EXPIRED_IN_MATCH", ((D(3), D(0)),)),
        ("EXPIRE_BOTH", "EXPIRED_IN_MATCH", "EXPIRED_IN_MATCH", ((D(3), D(1)),)),
        ("DECREMENT", "EXPIRED_IN_MATCH", "NEW", ((D(1), D(1)),)),
        ("TRANSFER", "EXPIRED_IN_MATCH", "NEW", ((D(1), D(1)),)),
    ],
)
def test_self_trade_prevention_ends_whom_it_should(mode, made_is, taken_is, prevented):
    world, made, taken = two_sides(mode)
    assert world.order_of(made).status == made_is
    assert taken.order.status == world.order_of(taken).status == taken_is
    assert tuple((p.taker_prevented, p.maker_prevented) for p in taken.preventions) == prevented
    assert world.exchange.preventions("me", "BTCUSDT") == list(taken.preventions)
    said = [e for e in world.exchange.drain() if getattr(e, "execution", "") == "TRADE_PREVENTION"]
    assert all(e.prevention == taken.preventions[0] for e in said)
    assert len(said) == sum(1 for pair in prevented for one in pair if one)
    world.balance("USDT")


def test_a_decremented_order_keeps_its_place_with_less():
    world, made, taken = two_sides("DECREMENT", maker="6", taker="2")
    assert taken.order.status == "EXPIRED_IN_MATCH"
    order = world.order_of(made)
    assert (order.status, order.prevented, order.remaining) == ("NEW", D(2), D(4))
    assert order.prevented_match_id == taken.order.prevented_match_id
    assert world.balance("USDT").locked == D("398.00")
    world.print("99.40", "9")
    assert world.order_of(made).status == "FILLED"
    assert world.order_of(made).executed == D(4)


def test_a_market_order_that_expires_its_makers_finds_nothing_left():
    world = Market()
    world.book(bids=tuple((p, "0") for p in ("100.00", "99.99", "99.98")))
    made = world.limit("BUY", "1", "99.50")
    taken = world.place("SELL", "MARKET", quantity="1", prevention="EXPIRE_MAKER")
    assert taken.order.status == "EXPIRED"
    assert world.order_of(made).status == "EXPIRED_IN_MATCH"


def test_two_accounts_trade_with_each_other_behind_what_stood_before():
    world = Market()
    world.exchange.move_balance("other", "BTC", D(50), world.now)
    first = world.limit("BUY", "1", "100.00")
    world.book(bids=(("100.00", "5"),))
    taker = world.limit("SELL", "4", "100.00", account="other")
    assert [(f.quantity, f.evidence.kind, f.is_maker) for f in taker.fills] == [
        (D(2), "level", False),
        (D(1), "order", False),
        (D(1), "level", False),
    ], "two stood before the order, the rest of the level came after it"
    (made,) = world.exchange.fills_of(first.order.id)
    assert (made.is_maker, made.trade_id) == (True, taker.fills[1].trade_id)
    assert made.evidence.source == taker.order.id
    published = world.exchange.published["BTCUSDT"]
    assert published.bids.levels(1) == [(D("100.00"), D(5))], "the published book is as it was"
    assert world.order_of(first).status == "FILLED"


def test_a_post_only_order_does_not_meet_our_own_either():
    world = Market()
    world.limit("BUY", "1", "100.00")
    world.book(bids=tuple((p, "0") for p in ("100.00", "99.99", "99.98")))
    answer = world.place("SELL", "LIMIT_MAKER", quantity="1", price="100.00")
    assert answer == refusals.WOULD_MATCH


def test_every_fill_says_why_it_is_honest():
    world = Market()
    taken = world.place("BUY", "MARKET", quantity="0.5")
    again = world.place("BUY", "MARKET", quantity="0.5")
    lines = {f.evidence.source for f in (*taken.fills, *again.fills)}
    assert lines == {1}
    assert [f.evidence.taken for f in (*taken.fills, *again.fills)] == [D(0), D("0.5")]
    resting, behind = world.limit("BUY", "1", "99.99"), world.limit("BUY", "1", "99.99")
    world.print("99.99", "3.5")
    (first,) = world.exchange.fills_of(resting.order.id)
    (second,) = world.exchange.fills_of(behind.order.id)
    assert (first.evidence.quantity, first.evidence.queue_ahead) == (D("3.5"), D(2))
    assert (second.quantity, second.evidence.taken) == (D("0.5"), D(1))
    assert first.evidence.trade_id == world.trade
    passed = world.limit("BUY", "5", "99.00")
    world.print("98.00", "2")
    (through,) = world.exchange.fills_of(passed.order.id)
    assert (through.quantity, through.evidence.kind) == (D("1.5"), "trade")
    assert through.evidence.taken == D("0.5"), "the older order at the better price came first"


def test_an_amended_order_is_smaller_and_keeps_its_place():
    world = Market()
    first, second = world.limit("BUY", "2", "99.50"), world.limit("BUY", "1", "99.50")
    world.exchange.drain()
    answer = world.exchange.amend(
        "me", "BTCUSDT", 7, order_id=first.order.id, quantity=D(1), new_client_id="smaller"
    )
    assert isinstance(answer, Amended)
    assert (answer.order.quantity, answer.order.client_id) == (D(1), "smaller")
    assert answer.amendment.old_quantity == 2
    assert world.exchange.amendments(first.order.id) == [answer.amendment]
    (said,) = [e for e in world.exchange.drain() if isinstance(e, OrderUpdated)]
    assert (said.execution, said.cancel_id) == ("REPLACED", first.order.client_id)
    assert world.balance("USDT").locked == D("199.00")
    assert world.exchange.find("me", "BTCUSDT", None, first.order.client_id) is None
    world.print("99.50", "1.5")
    assert world.order_of(first).status == "FILLED"
    assert world.order_of(second).executed == D("0.5")


@pytest.mark.parametrize(
    ("quantity", "answer"),
    [
        ("2", refusals.AMEND_NOTHING),
        ("3", refusals.AMEND_UPWARDS),
        ("0.5", refusals.AMEND_EXECUTED),
        ("1.0005", refusals.filter_failure("LOT_SIZE")),
        ("0", refusals.INVALID_QUANTITY),
    ],
)
def test_amendments_that_cannot_be(quantity, answer):
    world = Market()
    placed = world.limit("BUY", "2", "99.50")
    world.print("99.50", "0.6")
    given = world.exchange.amend("me", "BTCUSDT", 1, order_id=placed.order.id, quantity=D(quantity))
    assert given == answer
    assert world.order_of(placed).quantity == 2


def test_amendments_are_counted_and_need_an_open_order():
    world = Market()
    placed = world.limit("BUY", "2", "99.50")
    for times in range(filters.MAX_NUM_ORDER_AMENDS):
        quantity = D(2) - D(times + 1) / 100
        answer = world.exchange.amend(
            "me", "BTCUSDT", 1, order_id=placed.order.id, quantity=quantity
        )
        assert isinstance(answer, Amended)
    last = world.exchange.amend("me", "BTCUSDT", 1, order_id=placed.order.id, quantity=D(1))
    assert last == refusals.AMEND_TOO_OFTEN
    unknown = world.exchange.amend("me", "BTCUSDT", 1, order_id=99, quantity=D(1))
    assert unknown == refusals.AMEND_UNKNOWN


def test_amending_one_order_of_a_pair_amends_both():
    world = Market()
    placed = world.oco(quantity="2")
    world.exchange.drain()
    answer = world.exchange.amend(
        "me", "BTCUSDT", 1, order_id=placed.orders[0].id, quantity=D(1), new_client_id="new"
    )
    assert {order.quantity for order in answer.list_orders} == {D(1)}
    assert world.balance("BTC") == Balance(D(9), D(1))
    said = [e.order_list.status for e in world.exchange.drain() if isinstance(e, ListChanged)]
    assert said == ["UPDATED"]
    assert world.exchange.find_list("me", placed.order_list.id, None).status == "EXEC_STARTED"


def test_a_cancel_may_be_restricted_to_what_has_traded_or_not():
    world = Market()
    placed = world.limit("BUY", "2", "99.50")

    def cancel(restriction):
        return world.exchange.cancel(
            "me", "BTCUSDT", 1, order_id=placed.order.id, restriction=restriction
        )

    assert cancel("ONLY_PARTIALLY_FILLED") == refusals.CANCEL_RESTRICTED
    world.print("99.50", "1")
    assert cancel("ONLY_NEW") == refusals.CANCEL_RESTRICTED
    assert isinstance(cancel("ONLY_PARTIALLY_FILLED"), Canceled)


def test_money_comes_and_goes_and_is_told():
    world = Market()
    world.exchange.drain()
    assert world.exchange.move_balance("me", "ETH", D(2), 5) is None
    moved, changed = world.exchange.drain()
    assert moved == BalanceMoved(account="me", asset="ETH", amount=D(2), at_ms=5)
    assert changed.balances == {"ETH": Balance(D(2), D(0))}
    assert world.exchange.move_balance("me", "ETH", D(-3), 5) == refusals.INSUFFICIENT_BALANCE
    assert world.exchange.totals()["ETH"] == 2


def test_a_vanished_order_is_gone_without_a_word():
    world = Market()
    placed = world.place(
        "SELL", "STOP_LOSS_LIMIT", quantity="1", price="90", stop_price="95", time_in_force="GTC"
    )
    world.exchange.drain()
    world.exchange.drain_silent()
    world.exchange.vanish(placed.order.id, 9)
    assert not any(isinstance(e, OrderUpdated) for e in world.exchange.drain())
    assert world.order_of(placed).status == "CANCELED"
    assert [one.id for one in world.exchange.drain_silent()] == [placed.order.id]
    assert world.balance("BTC") == Balance(D(10), D(0))


def test_a_share_of_a_fill_leaves_the_rest_on_the_book_or_expired():
    world = Market()
    asked = []

    def half(order, could):
        asked.append((order.id, could))
        return could / 2

    world.exchange.fill_share = half
    placed = world.limit("BUY", "2", "100.01")
    assert (placed.order.executed, placed.order.status) == (D(1), "PARTIALLY_FILLED")
    market = world.place("SELL", "MARKET", quantity="3")
    assert (market.order.executed, market.order.status) == (D("1.5"), "EXPIRED")
    assert asked[0] == (placed.order.id, D(2))
    assert asked[1][1] == D(3)


def test_an_amount_of_quote_needs_somebody_to_trade_with():
    world = Market()
    world.book(asks=tuple((p, "0") for p in ("100.01", "100.02", "100.03")))
    assert world.place("BUY", "MARKET", quote_quantity="50") == refusals.NO_LIQUIDITY
