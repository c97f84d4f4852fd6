"""Limits: weight, requests and orders in windows of the clock, bans that grow, fills that count."""

from __future__ import annotations

from decimal import Decimal

import pytest
from rest_venue import rest_venue

from procs.localvenue.matching.model import Fill, Order, OrderUpdated
from procs.localvenue.protocols.binance_spot import limits
from procs.localvenue.protocols.binance_spot.limits import Budget, RateLimits, rate_limits
from procs.localvenue.protocols.binance_spot.params import RefusedError

MINUTE = 60_000
NOW = 1_700_000_040_000
"""The beginning of a minute."""

LIMIT = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.001",
}


def refusal_of(work):
    with pytest.raises(RefusedError) as refused:
        work()
    return refused.value


def exhausted(now_ms=NOW, **values):
    budget = Budget(RateLimits(weight_per_minute=10, **values))
    budget.spend(10, now_ms)
    return budget


def test_weight_is_counted_by_the_minute_and_by_address():
    budget = exhausted()
    error = refusal_of(lambda: budget.spend(1, NOW + 1_000))
    assert (error.refusal.code, error.refusal.http_status) == (-1003, 429)
    assert "current limit is 10 request weight per 1 MINUTE" in error.refusal.message
    assert error.retry_after_s == 60
    budget.spend(1, NOW + 1_000, "10.0.0.2")
    budget.spend(10, NOW + MINUTE)
    assert budget.headers(None, NOW + MINUTE)["X-MBX-USED-WEIGHT-1M"] == "10"
    budget.refund(4, NOW + MINUTE)
    assert budget.weight_row(NOW + MINUTE)["count"] == 6


def test_who_goes_on_is_banned_each_time_for_longer_up_to_three_days():
    budget, now_ms, lengths = exhausted(), NOW, []
    for _ in range(14):
        budget.spend(10, now_ms) if budget.weight_row(now_ms)["count"] == 0 else None
        for _ in range(limits.STRIKES):
            assert refusal_of(lambda at=now_ms: budget.spend(1, at)).refusal.http_status == 429
        error = refusal_of(lambda at=now_ms: budget.spend(1, at))
        assert error.refusal.http_status == 418
        assert f"IP banned until {now_ms + error.retry_after_s * 1000}" in error.refusal.message
        lengths.append(error.retry_after_s)
        still = refusal_of(lambda at=now_ms: budget.spend(0, at + 1_000))
        assert (still.refusal.http_status, still.retry_after_s) == (418, lengths[-1] - 1)
        assert budget.retry_after_s(now_ms + 1_000) == lengths[-1] - 1
        now_ms += -(-lengths[-1] * 1000 // MINUTE) * MINUTE
    assert lengths[:3] == [120, 240, 480]
    assert lengths[-1] == 3 * 86_400
    assert sorted(lengths) == lengths
    now_ms += limits.FORGIVEN_AFTER_MS + MINUTE
    budget.spend(10, now_ms)
    for _ in range(limits.STRIKES):
        refusal_of(lambda: budget.spend(1, now_ms))
    assert refusal_of(lambda: budget.spend(1, now_ms)).retry_after_s == 120


def test_requests_of_no_weight_are_counted_too():
    budget = Budget(RateLimits(requests_per_5min=3))
    for _ in range(3):
        budget.spend(0, NOW)
    error = refusal_of(lambda: budget.spend(0, NOW))
    assert "3 requests per 5 MINUTE" in error.refusal.message
    assert error.retry_after_s > 60


def test_as_many_addresses_as_there_are_take_bounded_memory(monkeypatch):
    monkeypatch.setattr(limits, "ADDRESSES_KEPT", 50)
    budget = exhausted()
    for number in range(500):
        budget.spend(1, NOW, f"10.0.{number // 256}.{number % 256}")
    assert len(budget._addresses) <= 50


def fill(executed, quantity, *, is_maker):
    values = {"symbol": "BTCUSDT", "account": "a", "price": Decimal(1)}
    order = Order(
        id=1,
        side="BUY",
        type="LIMIT",
        quantity=Decimal(9),
        client_id="c",
        created_ms=1,
        updated_ms=1,
        executed=Decimal(executed),
        **values,
    )
    made = Fill(
        trade_id=1,
        order_id=1,
        list_id=-1,
        quantity=Decimal(quantity),
        quote_quantity=Decimal(1),
        fee=Decimal(0),
        fee_asset="BTC",
        is_buyer=True,
        is_maker=is_maker,
        at_ms=1,
        **values,
    )
    return OrderUpdated(
        account="a", execution_id=1, execution="TRADE", order=order, at_ms=1, fill=made
    )


def count(budget, now_ms=NOW):
    return [row["count"] for row in budget.order_rows("a", now_ms)]


def test_unfilled_orders_are_counted_as_the_documentation_counts_them():
    budget = Budget(RateLimits())
    budget.count_orders("a", 1, NOW)
    budget.count_orders("a", 1, NOW)
    budget.on_user([fill(2, 2, is_maker=False)], NOW)
    assert count(budget) == [1, 1]
    budget.on_user([fill(5, 3, is_maker=False)], NOW)
    assert count(budget) == [1, 1], "only the first fill of an order counts"
    budget.count_orders("a", 4, NOW)
    budget.on_user([fill(1, 1, is_maker=True)], NOW)
    assert count(budget) == [0, 0], "a maker's first fill takes off five"
    budget.on_user([fill(1, 1, is_maker=True)], NOW)
    assert count(budget) == [0, 0], "there is no credit"
    budget.count_orders("a", 100, NOW)
    error = refusal_of(lambda: budget.count_orders("a", 1, NOW + 4_000))
    assert (error.refusal.code, error.refusal.http_status, error.retry_after_s) == (-1015, 429, 7)
    assert error.refusal.message == (
        "Too many new orders; current limit is 100 orders per 10 SECOND."
    )
    budget.count_orders("a", 1, NOW + 10_000)
    assert count(budget, NOW + 10_000) == [1, 101]


def test_exchange_info_lists_every_limit():
    kinds = [(row["rateLimitType"], row["limit"]) for row in rate_limits(RateLimits())]
    assert kinds == [
        ("REQUEST_WEIGHT", 6_000),
        ("ORDERS", 100),
        ("ORDERS", 200_000),
        ("RAW_REQUESTS", 300_000),
    ]


def test_orders_weigh_nothing_when_they_succeed_and_are_counted_until_they_fill():
    with rest_venue() as venue:
        price = f"{venue.price() * 0.9:.2f}"
        before = int(venue.get("ping").headers["x-mbx-used-weight-1m"])
        placed = venue.call("POST", "order", **LIMIT, price=price)
        assert int(placed.headers["x-mbx-used-weight-1m"]) == before
        assert placed.headers["x-mbx-order-count-10s"] == "1"
        refused = venue.call("POST", "order", **LIMIT, price="1")
        assert int(refused.headers["x-mbx-used-weight-1m"]) == before + 1
        assert "x-mbx-order-count-10s" not in venue.get("ping").headers
        market = {**LIMIT, "type": "MARKET"}
        del market["timeInForce"]
        filled = venue.call("POST", "order", **market)
        assert filled.headers["x-mbx-order-count-10s"] == "1", "what fills does not count"
        rows = venue.call("GET", "rateLimit/order").body
        assert [row["count"] for row in rows] == [1, 1]


def test_too_many_orders_wait_and_a_replacement_may_still_cancel():
    with rest_venue() as venue:
        budget = next(one for one in venue.server.venue.user_listeners if isinstance(one, Budget))
        price = f"{venue.price() * 0.9:.2f}"
        placed = venue.call("POST", "order", **LIMIT, price=price).body
        budget.limits = RateLimits(orders_per_day=1)
        replace = {
            **LIMIT,
            "price": price,
            "cancelOrderId": placed["orderId"],
            "cancelReplaceMode": "STOP_ON_FAILURE",
        }
        reply = venue.call("POST", "order/cancelReplace", **replace)
        assert reply.outcome == (429, -1015)
        assert int(reply.headers["retry-after"]) > 0
        reply = venue.call(
            "POST", "order/cancelReplace", **replace, orderRateLimitExceededMode="CANCEL_ONLY"
        )
        assert reply.outcome == (429, -2021)
        assert reply.body["data"]["cancelResult"] == "SUCCESS"
        assert reply.body["data"]["newOrderResponse"]["code"] == -1015
        allow = {**replace, "cancelReplaceMode": "ALLOW_FAILURE"}
        reply = venue.call(
            "POST", "order/cancelReplace", **allow, orderRateLimitExceededMode="CANCEL_ONLY"
        )
        assert reply.outcome == (400, -2022)


def test_a_client_that_does_not_stop_is_answered_418():
    with rest_venue() as venue:
        seen = []
        for _ in range(60):
            reply = venue.get("depth", symbol="BTCUSDT", limit=5000)
            seen.append(reply.status)
            if reply.status == 429:
                assert reply.code == -1003
                assert 1 <= int(reply.headers["retry-after"]) <= 61
            if reply.status == 418:
                assert 110 <= int(reply.headers["retry-after"]) <= 120
                break
        assert seen.count(429) == limits.STRIKES
        assert seen[-1] == 418
        assert venue.get("ping").status == 418
        assert venue.call("GET", "account").outcome == (418, -1003)
