"""Order lists: what is placed when, what it holds, what takes what along."""

from __future__ import annotations

from decimal import Decimal as D

import pytest
from test_localvenue_matching import World

from procs.localvenue.matching import refusals
from procs.localvenue.matching.model import (
    Balance,
    Canceled,
    ListChanged,
    OrderUpdated,
    PlacedList,
    Refusal,
)
from procs.localvenue.matching.requests import PlaceOrder


def order(side, kind, **fields):
    numbers = ("quantity", "quote_quantity", "price", "stop_price")
    values = {name: D(v) if name in numbers else v for name, v in fields.items()}
    values.setdefault("quantity", D(1))
    if kind in ("LIMIT", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"):
        values.setdefault("time_in_force", "GTC")
    return PlaceOrder(symbol="BTCUSDT", side=side, type=kind, **values)


def entry(price="99.50", **fields):
    return order("BUY", "LIMIT", price=price, **fields)


def stop(price="96.50", at="97", **fields):
    return order("SELL", "STOP_LOSS_LIMIT", price=price, stop_price=at, **fields)


def profit(price="103", **fields):
    return order("SELL", "LIMIT_MAKER", price=price, **fields)


def statuses(world, placed):
    return [one.status for one in world.exchange.legs(placed.order_list)]


def test_a_pending_order_is_placed_when_the_working_one_is_filled_whole():
    world = World()
    placed = world.list("OTO", entry(), stop())
    assert isinstance(placed, PlacedList)
    assert [one.status for one in placed.orders] == ["NEW", "PENDING_NEW"]
    assert placed.orders[1].working_ms == -1
    assert world.balance("USDT") == Balance(D("9900.50"), D("99.50"))
    assert world.balance("BTC") == Balance(D(10), D(0))
    world.print("99.50", "0.4")
    assert statuses(world, placed) == ["PARTIALLY_FILLED", "PENDING_NEW"]
    assert world.balance("BTC").locked == 0
    world.exchange.drain()
    world.print("99.50", "0.6")
    assert statuses(world, placed) == ["FILLED", "NEW"]
    assert world.balance("BTC").locked == 1
    said = [e.execution for e in world.exchange.drain() if isinstance(e, OrderUpdated)]
    assert said == ["TRADE", "NEW"]
    world.print("96.9", "5")
    assert statuses(world, placed) == ["FILLED", "FILLED"]
    assert world.exchange.find_list("me", placed.order_list.id, None).status == "ALL_DONE"


def test_an_otoco_becomes_a_pair_that_shares_one_hold():
    world = World()
    placed = world.list("OTOCO", entry(), stop(), profit())
    world.print("99.49", "5")
    assert statuses(world, placed) == ["FILLED", "NEW", "NEW"]
    assert world.balance("BTC").locked == 1
    world.print("103", "5", seller_takes=False)
    assert statuses(world, placed) == ["FILLED", "EXPIRED", "FILLED"]
    assert world.balance("BTC").locked == 0


def test_a_working_order_that_fills_at_once_says_the_pending_ones_are_pending():
    world = World()
    placed = world.list("OTO", entry("100.01"), stop())
    assert [one.status for one in placed.orders] == ["FILLED", "PENDING_NEW"]
    assert statuses(world, placed) == ["FILLED", "NEW"]
    assert len(placed.fills) == 1


def test_canceling_either_order_of_an_oto_cancels_both():
    for chosen in (0, 1):
        world = World()
        placed = world.list("OTO", entry(), stop())
        answer = world.exchange.cancel(
            "me", "BTCUSDT", world.now, order_id=placed.orders[chosen].id
        )
        assert isinstance(answer, Canceled)
        assert statuses(world, placed) == ["CANCELED", "CANCELED"]
        assert world.balance("USDT") == Balance(D(10_000), D(0))


def test_a_working_order_that_expires_takes_the_pending_one_along():
    world = World()
    placed = world.list("OTO", entry("100.01", quantity="3", time_in_force="IOC"), stop())
    assert statuses(world, placed) == ["EXPIRED", "EXPIRED"]
    done = [e for e in world.exchange.drain() if isinstance(e, ListChanged)]
    assert [e.order_list.status for e in done] == ["EXEC_STARTED", "ALL_DONE"]


@pytest.mark.parametrize(
    ("pending", "reason"),
    [
        (stop(quantity="12"), "INSUFFICIENT_BALANCES"),
        (stop(at="99.60"), "STOP_PRICE_WOULD_TRIGGER_IMMEDIATELY"),
        (profit("90"), "WOULD_MATCH_IMMEDIATELY"),
    ],
)
def test_a_pending_order_that_cannot_be_placed_is_rejected(pending, reason):
    world = World()
    placed = world.list("OTO", entry(), pending)
    world.exchange.drain()
    world.print("99.50", "1")
    assert statuses(world, placed) == ["FILLED", "REJECTED"]
    rejected = [
        e
        for e in world.exchange.drain()
        if isinstance(e, OrderUpdated) and e.execution == "REJECTED"
    ]
    assert [e.reject_reason for e in rejected] == [reason]
    assert world.exchange.find_list("me", placed.order_list.id, None).status == "ALL_DONE"
    assert world.balance("BTC").locked == 0


@pytest.mark.parametrize(
    ("kind", "orders", "answer"),
    [
        ("OCO", (profit("90"), profit()), refusals.OCO_BOTH_LIMIT),
        ("OCO", (profit("90"), stop(at="104")), refusals.SELL_LIMIT_BELOW),
        ("OCO", (entry(), profit()), refusals.OCO_TYPE),
        ("OCO", (stop(), profit(quantity="2")), refusals.BAD_COMBINATION),
        ("OTO", (stop(), entry()), refusals.INVALID_TYPE),
        ("OTO", (entry(), order("SELL", "LIMIT", price="103", time_in_force=None)), -1102),
        ("OTO", (order("BUY", "LIMIT_MAKER", price="100.01"), stop()), refusals.WOULD_MATCH),
        ("OTOCO", (entry(), stop(), stop()), refusals.SELL_STOP_ABOVE),
    ],
)
def test_lists_that_cannot_be_are_refused_whole(kind, orders, answer):
    world = World()
    given = world.list(kind, *orders)
    assert isinstance(given, Refusal)
    assert answer in (given, given.code)
    assert world.exchange.open_orders("me") == []
    if answer == -1102:
        assert "'pendingTimeInForce'" in given.message
