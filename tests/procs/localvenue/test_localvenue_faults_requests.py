"""Faults of requests and inside the matching, as a genuine ccxt client meets them."""

from __future__ import annotations

import contextlib
import json
import time
from decimal import Decimal

import ccxt
import pytest
from rest_venue import rest_venue

BUY = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.001"}


@pytest.fixture(scope="module")
def venue():
    with rest_venue(unlimited=True) as started:
        yield started


@pytest.fixture(scope="module")
def client(venue):
    rest = f"http://127.0.0.1:{venue.port}"
    api = {"public": f"{rest}/api/v3", "private": f"{rest}/api/v3", "sapi": f"{rest}/sapi/v1"}
    key, secret = venue.keys[0]
    made = ccxt.binance(
        {
            "apiKey": key,
            "secret": secret,
            "enableRateLimit": False,
            "timeout": 700,
            "options": {
                "defaultType": "spot",
                "fetchCurrencies": False,
                "fetchMargins": False,
                "fetchMarkets": {"types": ["spot"]},
                "maxRetriesOnFailure": 0,
            },
            "urls": {"api": api},
        }
    )
    made.load_markets()
    yield made
    made.close()


class Faults:
    """The doors under /seawall/faults."""

    def __init__(self, venue):
        self.venue = venue

    def ask(self, method, path="faults", body=None):
        data = None if body is None else json.dumps(body).encode()
        return self.venue.raw(method, f"/seawall/{path}", data)

    def set(self, *faults, seed=7):
        reply = self.ask("POST", body={"seed": seed, "fault": list(faults)})
        assert reply.status == 200, reply.body
        return reply.body

    def lines(self, kind):
        return [one for one in self.ask("GET").body["recent"] if one["kind"] == kind]


@pytest.fixture
def faults(venue):
    made = Faults(venue)
    yield made
    made.set()
    venue.look(lambda one: one.exchange.verify())
    venue.cancel_everything()


def until(holds, what):
    ends = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < ends, what
        time.sleep(0.02)


def held(venue):
    account = venue.keys[0][0]
    return venue.look(lambda one: one.exchange.balances(account)["BTC"].free)


def buy(client):
    return client.create_order("BTC/USDT", "market", "buy", 0.001)


ORDER = {"operation": "order.place", "nth": 1}


@pytest.mark.parametrize(
    ("fault", "error", "is_done"),
    [
        ({"kind": "drop"}, ccxt.NetworkError, False),
        ({"kind": "timeout_before"}, ccxt.RequestTimeout, False),
        ({"kind": "timeout_after"}, ccxt.RequestTimeout, True),
        ({"kind": "timeout_after", "hang_s": 0}, ccxt.NetworkError, True),
        ({"kind": "error_5xx"}, ccxt.OperationFailed, False),
        ({"kind": "error_5xx", "accepted": True}, ccxt.OperationFailed, True),
        ({"kind": "error_5xx", "status": 502}, ccxt.ExchangeNotAvailable, False),
        ({"kind": "error_5xx", "status": 504}, ccxt.OperationFailed, False),
        ({"kind": "rate_limited"}, ccxt.DDoSProtection, False),
        ({"kind": "banned", "retry_after_s": 0}, ccxt.DDoSProtection, False),
        ({"kind": "delay", "delay_ms": 2_000}, ccxt.RequestTimeout, True),
        ({"kind": "delay", "delay_ms": 2_000, "accepted": True}, ccxt.RequestTimeout, True),
    ],
    ids=str,
)
def test_a_client_meets_a_broken_exchange(venue, client, faults, fault, error, is_done):
    before = held(venue)
    faults.set({**ORDER, **fault})
    with pytest.raises(error):
        buy(client)
    if fault["kind"] == "delay":
        time.sleep(2.2)
    if is_done:
        until(lambda: held(venue) > before, "it was carried out")
    assert (held(venue) > before) == is_done, "it was carried out, or it was not"
    assert buy(client)["filled"] == 0.001, "only the first order was struck"
    (line,) = faults.lines(fault["kind"])[-1:]
    assert (line["fault"], line["operation"], line["symbol"]) == (1, "order.place", "BTCUSDT")


@pytest.mark.parametrize("kind", ["empty_200", "malformed_json"])
@pytest.mark.parametrize("accepted", [True, False])
def test_an_answer_without_sense(venue, client, faults, kind, accepted):
    before = held(venue)
    faults.set({"kind": kind, "operation": "order.place", "accepted": accepted, "count": 2})
    reply = venue.call("POST", "order", **BUY)
    assert reply.status == 200
    assert reply.body == b"" if kind == "empty_200" else isinstance(reply.body, bytes)
    # What ccxt makes of it is its own business: it never is an order.
    with contextlib.suppress(ccxt.BaseError, TypeError, AttributeError, KeyError):
        assert not (buy(client) or {}).get("id")
    assert (held(venue) - before == Decimal("0.002") * Decimal("0.999")) == accepted


def test_a_ban_holds_for_everything_until_it_is_over(venue, client, faults):
    faults.set({"kind": "banned", "operation": "ticker.price", "nth": 1, "retry_after_s": 4})
    banned_at = time.monotonic()
    reply = venue.get("ticker/price", symbol="BTCUSDT")
    assert (reply.outcome, reply.headers["retry-after"]) == ((418, -1003), "4")
    with pytest.raises(ccxt.DDoSProtection):
        client.fetch_time()
    assert venue.get("time").status == 418
    until(lambda: venue.get("time").status == 200, "over")
    assert time.monotonic() - banned_at > 3.9


def test_a_limit_says_when_to_come_back(venue, faults):
    faults.set({"kind": "rate_limited", "path": "/api/v3/d*", "retry_after_s": 9})
    reply = venue.get("depth", symbol="BTCUSDT")
    assert (reply.outcome, reply.headers["retry-after"]) == ((429, -1003), "9")
    assert venue.get("time").status == 200, "another path"


def test_where_a_fault_strikes(venue, faults):
    faults.set({"kind": "error_5xx", "writes": True, "symbol": "BTC*"})
    assert venue.call("GET", "openOrders", symbol="BTCUSDT").status == 200
    assert venue.call("POST", "order", **BUY).status == 503
    assert venue.call("POST", "order", **{**BUY, "symbol": "ETHUSDT"}).status != 503


def test_a_clock_that_is_wrong_is_met_by_every_signature(venue, client, faults):
    faults.set({"kind": "clock_skew", "skew_ms": 60_000})
    with pytest.raises(ccxt.InvalidNonce):
        client.fetch_balance()
    assert abs(client.fetch_time() - time.time() * 1_000 - 60_000) < 5_000
    faults.set({"kind": "clock_skew", "skew_ms": 0, "drift_ms_per_s": 1_000})
    asked = [time.monotonic()]
    first = venue.get("time").body["serverTime"]
    asked.append(time.monotonic())
    time.sleep(0.5)
    asked.append(time.monotonic())
    passed_ms = venue.get("time").body["serverTime"] - first
    asked.append(time.monotonic())
    least_ms, most_ms = 1_000 * (asked[2] - asked[1]), 1_000 * (asked[3] - asked[0])
    assert 2 * least_ms - 50 < passed_ms < 2 * most_ms + 50, "twice as fast"
    assert len(faults.lines("clock_skew")) >= 2


def stop(venue, client):
    trigger = float(f"{venue.price() * 0.95:.2f}")
    return client.create_order(
        "BTC/USDT", "limit", "sell", 0.001, trigger - 10, {"stopLossPrice": trigger}
    )


def test_stops_are_refused(venue, client, faults):
    faults.set({"kind": "reject_stop", "symbol": "BTCUSDT", "count": 2})
    with pytest.raises(ccxt.InvalidOrder):
        stop(venue, client)
    price = venue.price()
    oco = {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "quantity": "0.001",
        "aboveType": "LIMIT_MAKER",
        "abovePrice": f"{price * 1.05:.2f}",
        "belowType": "STOP_LOSS",
        "belowStopPrice": f"{price * 0.95:.2f}",
    }
    assert venue.call("POST", "orderList/oco", **oco).outcome == (400, -2010)
    assert venue.call("POST", "orderList/oco", **oco).status == 200, "it was to strike twice"


def test_a_stop_vanishes_without_a_word(venue, client, faults):
    resting = stop(venue, client)
    faults.set({"kind": "vanish_stop", "delay_ms": 100})
    later = stop(venue, client)
    limit = client.create_order("BTC/USDT", "limit", "sell", 0.001, venue.price() * 1.1)
    until(
        lambda: [one["id"] for one in client.fetch_open_orders("BTC/USDT")] == [limit["id"]],
        "both are gone, and nothing else",
    )
    for gone in (resting, later):
        assert client.fetch_order(gone["id"], "BTC/USDT")["status"] == "canceled"
    assert {str(one["order_id"]) for one in faults.lines("vanish_stop")} >= {
        resting["id"],
        later["id"],
    }


def test_a_taker_gets_a_share(client, faults):
    faults.set({"kind": "partial_fill", "share": 0.4, "nth": 1})
    assert client.create_order("BTC/USDT", "market", "buy", 0.01)["filled"] == 0.004
    assert client.create_order("BTC/USDT", "market", "buy", 0.01)["filled"] == 0.01
    assert faults.lines("partial_fill")[-1]["detail"]["share"] == "0.4"


def test_answers_lag_behind(venue, client, faults):
    faults.set({"kind": "read_lag", "lag_ms": 3_000})
    before = client.fetch_balance()["BTC"]["total"]
    order = client.create_order("BTC/USDT", "limit", "sell", 0.001, venue.price() * 1.1)
    bought = buy(client)
    for _ in range(2):
        with pytest.raises(ccxt.OrderNotFound):
            client.fetch_order(order["id"], "BTC/USDT")
        assert client.fetch_open_orders("BTC/USDT") == []
        assert client.fetch_balance()["BTC"]["total"] == before
        trades = client.fetch_my_trades("BTC/USDT")
        assert bought["id"] not in {one["order"] for one in trades}
    until(
        lambda: [one["id"] for one in client.fetch_open_orders("BTC/USDT")] == [order["id"]],
        "it is seen in the end",
    )
    time.sleep(0.5)  # The purchase came after the order, and so it is seen after it.
    assert client.fetch_order(bought["id"], "BTC/USDT")["status"] == "closed"
    assert client.fetch_balance()["BTC"]["total"] > before
    client.cancel_order(order["id"], "BTC/USDT")
    assert client.fetch_order(order["id"], "BTC/USDT")["status"] == "open", "it lags again"
    faults.set()
    assert client.fetch_order(order["id"], "BTC/USDT")["status"] == "canceled"


def test_the_same_plan_strikes_the_same_requests(venue, faults):
    def outcomes():
        faults.set({"kind": "error_5xx", "operation": "time", "chance": 0.4}, seed=3)
        return [venue.get("time").status for _ in range(40)]

    first = outcomes()
    assert set(first) == {200, 503}
    assert outcomes() == first


def test_without_a_plan_the_venue_holds_nothing(venue, faults):
    faults.set({"kind": "drop", "operation": "nothing"})
    listeners = venue.look(lambda one: (len(one.user_listeners), len(one.market_listeners)))
    assert venue.look(lambda one: one.interference) is not None
    assert faults.ask("DELETE", "faults/1").body["fault"] == []
    assert venue.look(lambda one: one.interference) is None
    assert venue.look(lambda one: one.order_refusal or one.exchange.fill_share) is None
    after = venue.look(lambda one: (len(one.user_listeners), len(one.market_listeners)))
    assert after == (listeners[0] - 1, listeners[1] - 1)
