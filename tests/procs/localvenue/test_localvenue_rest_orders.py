"""Orders through REST: every type, answer form, condition and refusal that a client can meet."""

from __future__ import annotations

import pytest
from rest_venue import rest_venue

S = {"symbol": "BTCUSDT"}


@pytest.fixture(scope="module")
def started():
    with rest_venue(unlimited=True) as venue:
        yield venue


@pytest.fixture
def venue(started):
    yield started
    started.cancel_everything()


def at(venue, factor):
    return f"{venue.price() * factor:.2f}"


def limit(venue, factor, side="BUY", **more):
    return {
        **S,
        "side": side,
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "0.001",
        "price": at(venue, factor),
        **more,
    }


def test_the_answer_has_the_form_that_was_asked_for(venue):
    market = {**S, "side": "BUY", "type": "MARKET", "quantity": "0.001"}
    ack = venue.call("POST", "order", **market, newOrderRespType="ACK").body
    assert set(ack) == {"symbol", "orderId", "orderListId", "clientOrderId", "transactTime"}
    result = venue.call("POST", "order", **market, newOrderRespType="RESULT").body
    assert set(result) - set(ack) >= {"status", "executedQty", "workingTime"}
    assert "fills" not in result
    assert venue.call("POST", "order", **market).body["fills"]
    resting = venue.call("POST", "order", **limit(venue, 0.9)).body
    assert (resting["status"], resting["fills"]) == ("NEW", [])
    maker = limit(venue, 0.9, type="LIMIT_MAKER")
    del maker["timeInForce"]
    assert set(venue.call("POST", "order", **maker).body) == set(ack)
    bad = venue.call("POST", "order", **market, newOrderRespType="MORE")
    assert bad.outcome == (400, -1130)


def test_every_type_can_be_placed(venue):
    stop = {**S, "side": "SELL", "quantity": "0.001", "newOrderRespType": "RESULT"}
    for more in (
        {"type": "STOP_LOSS", "stopPrice": at(venue, 0.9)},
        {"type": "TAKE_PROFIT", "stopPrice": at(venue, 1.1)},
        {"type": "STOP_LOSS", "trailingDelta": 200},
        {
            "type": "STOP_LOSS_LIMIT",
            "stopPrice": at(venue, 0.9),
            "price": at(venue, 0.89),
            "timeInForce": "GTC",
        },
        {
            "type": "TAKE_PROFIT_LIMIT",
            "stopPrice": at(venue, 1.1),
            "price": at(venue, 1.09),
            "timeInForce": "GTC",
            "trailingDelta": 100,
        },
    ):
        reply = venue.call("POST", "order", **stop, **more)
        assert reply.status == 200, (more, reply.body)
        body = reply.body
        assert (body["status"], body["workingTime"]) == ("NEW", -1)
        assert "stopPrice" in body
        assert ("trailingDelta" in body) == ("trailingDelta" in more)
        assert ("trailingTime" in body) == ("trailingDelta" in more)
        found = venue.call("GET", "order", **S, orderId=body["orderId"]).body
        assert found["isWorking"] is False
        venue.call("DELETE", "order", **S, orderId=body["orderId"])
    for time_in_force, price, status in (
        ("IOC", 0.9, "EXPIRED"),
        ("FOK", 0.9, "EXPIRED"),
        ("IOC", 1.01, "FILLED"),
        ("FOK", 1.01, "FILLED"),
    ):
        body = venue.call("POST", "order", **limit(venue, price, timeInForce=time_in_force)).body
        assert body["status"] == status, (time_in_force, body)
    spent = venue.call("POST", "order", **S, side="BUY", type="MARKET", quoteOrderQty="100").body
    assert spent["origQuoteOrderQty"] == "100.00000000"
    assert 99 < float(spent["cummulativeQuoteQty"]) <= 100


def test_fields_that_appear_only_when_they_were_sent(venue):
    more = {"icebergQty": "0.0005", "strategyId": 7, "strategyType": 1_000_001}
    fields = {"icebergQty", "strategyId", "strategyType"}
    plain = venue.call("POST", "order", **limit(venue, 0.9)).body
    assert not fields & set(plain)
    rich = venue.call("POST", "order", **limit(venue, 0.9, **more)).body
    assert fields <= set(rich)
    assert (rich["strategyId"], rich["strategyType"]) == (7, 1_000_001)
    gone = venue.call("DELETE", "order", **S, orderId=rich["orderId"]).body
    assert fields <= set(gone)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"type": "STOP"}, -1116),
        ({"side": "HOLD"}, -1117),
        ({"timeInForce": "GTX"}, -1115),
        ({"timeInForce": None}, -1102),
        ({"quantity": None}, -1102),
        ({"price": None}, -1102),
        ({"price": "0"}, -1013),
        ({"quantity": "0"}, -1013),
        ({"quantity": "0.0000001"}, -1013),
        ({"price": "50000.001"}, -1013),
        ({"price": "1"}, -1013),
        ({"price": "1.123456789"}, -1111),
        ({"price": "1e3"}, -1100),
        ({"price": ""}, -1105),
        ({"quantity": "9" * 25}, -1100),
        ({"quoteOrderQty": "10"}, -1106),
        ({"stopPrice": "10"}, -1106),
        ({"strategyType": 999_999}, -1134),
        ({"strategyId": "9" * 20}, -1108),
        ({"newClientOrderId": "with space"}, -1100),
        ({"newClientOrderId": "x" * 37}, -1100),
        ({"selfTradePreventionMode": "MAYBE"}, -1130),
        ({"pegPriceType": "PRIMARY_PEG"}, -2010),
        ({"timeinforce": "GTC"}, -1104),
        ({"symbol": "NOTHERE"}, -1121),
        ({"quantity": "100"}, -2010),
    ],
)
def test_refusals_of_new_orders(venue, change, code):
    order = {
        name: value for name, value in {**limit(venue, 0.9), **change}.items() if value is not None
    }
    reply = venue.call("POST", "order", **order)
    assert reply.outcome == (400, code), reply.body
    dry = venue.call("POST", "order/test", **order)
    assert dry.outcome == (
        (200, None)
        if code == -2010 and "price" not in change and change.get("quantity") == "100"
        else (400, code)
    )
    assert venue.call("GET", "openOrders", **S).body == []


def test_an_order_is_found_by_either_id_and_both_must_agree(venue):
    placed = venue.call("POST", "order", **limit(venue, 0.9, newClientOrderId="mine")).body
    order_id = placed["orderId"]
    for method in ("GET", "DELETE"):
        assert venue.call(method, "order", **S).code == -1102
        wrong = venue.call(method, "order", **S, orderId=order_id, origClientOrderId="yours")
        assert wrong.outcome == (400, -2039)
    for ids in (
        {"orderId": order_id},
        {"origClientOrderId": "mine"},
        {"orderId": order_id, "origClientOrderId": "mine"},
    ):
        assert venue.call("GET", "order", **S, **ids).body["orderId"] == order_id
    assert venue.call("GET", "order", **S, orderId=10**15).outcome == (400, -2013)
    assert venue.call("DELETE", "order", **S, orderId=10**15).outcome == (400, -2011)
    assert venue.call("GET", "order", **S, orderId=order_id, account=1).code == -2013
    again = venue.call("POST", "order", **limit(venue, 0.9, newClientOrderId="mine"))
    assert again.outcome == (400, -2010)


def test_cancel_restrictions(venue):
    placed = venue.call("POST", "order", **limit(venue, 0.9)).body
    target = {**S, "orderId": placed["orderId"]}
    bad = venue.call("DELETE", "order", **target, cancelRestrictions="ONLY_OLD")
    assert (bad.code, bad.body["msg"]) == (-1145, "Invalid cancelRestrictions")
    refused = venue.call("DELETE", "order", **target, cancelRestrictions="ONLY_PARTIALLY_FILLED")
    assert refused.code == -2011
    assert refused.body["msg"] == "Order was not canceled due to cancel restrictions."
    done = venue.call(
        "DELETE", "order", **target, cancelRestrictions="ONLY_NEW", newClientOrderId="bye"
    ).body
    assert (done["status"], done["clientOrderId"]) == ("CANCELED", "bye")


def replace(venue, target, **more):
    order = {**limit(venue, 0.89), "cancelReplaceMode": "STOP_ON_FAILURE", **target, **more}
    return venue.call(
        "POST", "order/cancelReplace", **{n: v for n, v in order.items() if v is not None}
    )


def test_cancel_replace_in_both_modes(venue):
    placed = venue.call("POST", "order", **limit(venue, 0.9)).body
    old = {"cancelOrderId": placed["orderId"]}
    reply = replace(venue, old, cancelNewClientOrderId="gone")
    assert (reply.body["cancelResult"], reply.body["newOrderResult"]) == ("SUCCESS", "SUCCESS")
    assert reply.body["cancelResponse"]["clientOrderId"] == "gone"
    assert reply.body["newOrderResponse"]["status"] == "NEW"
    stopped = replace(venue, old)
    assert stopped.outcome == (400, -2022)
    assert stopped.body["data"] == {
        "cancelResult": "FAILURE",
        "newOrderResult": "NOT_ATTEMPTED",
        "cancelResponse": {"code": -2011, "msg": "Unknown order sent."},
        "newOrderResponse": None,
    }
    allowed = replace(venue, old, cancelReplaceMode="ALLOW_FAILURE")
    assert allowed.outcome == (409, -2021)
    assert allowed.body["data"]["newOrderResult"] == "SUCCESS"
    new = {"cancelOrderId": allowed.body["data"]["newOrderResponse"]["orderId"]}
    crossing = {"type": "LIMIT_MAKER", "timeInForce": None, "price": at(venue, 1.01)}
    partly = replace(venue, new, **crossing)
    assert partly.outcome == (409, -2021)
    assert partly.body["data"]["cancelResult"] == "SUCCESS"
    assert partly.body["data"]["newOrderResponse"]["code"] == -2010
    both = replace(venue, new, cancelReplaceMode="ALLOW_FAILURE", **crossing)
    assert both.outcome == (400, -2022)
    assert both.body["data"]["newOrderResult"] == "FAILURE"


def test_cancel_replace_is_checked_before_anything_is_canceled(venue):
    placed = venue.call("POST", "order", **limit(venue, 0.9, newClientOrderId="keep")).body
    old = {"cancelOrderId": placed["orderId"]}
    for change, code in (
        ({"cancelReplaceMode": "PERHAPS"}, -1130),
        ({"cancelReplaceMode": None}, -1102),
        ({"cancelOrderId": None}, -1102),
        ({"quantity": "0.0000001"}, -1013),
        ({"cancelRestrictions": "NEVER"}, -1145),
        ({"orderRateLimitExceededMode": "MAYBE"}, -1130),
    ):
        assert replace(venue, {**old, **change}).outcome == (400, code), change
    mismatch = replace(venue, {**old, "cancelOrigClientOrderId": "other"})
    assert mismatch.outcome == (400, -2022)
    assert mismatch.body["data"]["cancelResponse"]["code"] == -2039
    restricted = replace(venue, {**old, "cancelRestrictions": "ONLY_PARTIALLY_FILLED"})
    assert restricted.body["data"]["cancelResponse"]["code"] == -2011
    assert [one["clientOrderId"] for one in venue.call("GET", "openOrders", **S).body] == ["keep"]
    same = replace(venue, {"cancelOrigClientOrderId": "keep", "newClientOrderId": "keep"})
    assert same.status == 200, "the id is free when its order is canceled"


def test_amend_keeps_the_order_and_makes_it_smaller(venue):
    order = limit(venue, 0.9, quantity="0.003", newClientOrderId="big")
    placed = venue.call("POST", "order", **order).body
    target = {**S, "orderId": placed["orderId"]}
    path = "order/amend/keepPriority"
    amended = venue.call("PUT", path, **target, newQty="0.002", newClientOrderId="less").body
    shown = amended["amendedOrder"]
    assert (shown["qty"], shown["origClientOrderId"], shown["clientOrderId"]) == (
        "0.00200000",
        "big",
        "less",
    )
    assert "listStatus" not in amended
    for quantity, code in (("0.002", -2038), ("0.009", -2038), ("0", -1102)):
        reply = venue.call("PUT", path, **target, newQty=quantity)
        assert reply.status == 400
        assert reply.code in (code, -1013), (quantity, reply.body)
    rows = venue.call("GET", "order/amendments", **target).body
    assert [(row["origQty"], row["newQty"]) for row in rows] == [("0.00300000", "0.00200000")]
    later = venue.call(
        "GET", "order/amendments", **target, fromExecutionId=rows[0]["executionId"] + 1
    )
    assert later.body == []
    assert venue.call("PUT", path, **S, orderId=10**15, newQty="1").status == 400


def test_lists_of_orders_and_trades_are_cut_as_asked(venue):
    first = venue.call("POST", "order", **limit(venue, 0.9)).body
    second = venue.call("POST", "order", **limit(venue, 0.91)).body
    one_id = {**S, "orderId": first["orderId"]}
    found = venue.call("GET", "allOrders", **one_id, limit=1).body
    assert [order["orderId"] for order in found] == [first["orderId"]]
    newest = venue.call("GET", "allOrders", **S, limit=1).body
    assert [order["orderId"] for order in newest] == [second["orderId"]]
    day = 86_400_000
    end = second["transactTime"]
    for start, status in ((end - day, 200), (end - day - 1, 400)):
        reply = venue.call("GET", "allOrders", **S, startTime=start, endTime=end)
        assert reply.status == status
        assert reply.code in (None, -1127)
    market = {**S, "side": "BUY", "type": "MARKET", "quantity": "0.001"}
    made = venue.call("POST", "order", **market).body
    trade = venue.call("GET", "myTrades", **S, orderId=made["orderId"]).body[-1]
    assert trade["id"] == made["fills"][-1]["tradeId"]
    for allowed in (
        {},
        {"fromId": trade["id"]},
        {"orderId": made["orderId"], "fromId": trade["id"]},
        {"startTime": trade["time"]},
        {"endTime": trade["time"]},
        {"startTime": trade["time"], "endTime": trade["time"]},
    ):
        assert venue.call("GET", "myTrades", **S, **allowed).body[-1] == trade, allowed
    for refused in (
        {"fromId": 1, "startTime": 1},
        {"orderId": 1, "startTime": 1},
        {"orderId": 1, "endTime": 1},
    ):
        assert venue.call("GET", "myTrades", **S, **refused).outcome == (400, -1128), refused


def test_the_account_and_what_belongs_to_it(venue):
    every = venue.call("GET", "account").body["balances"]
    venue.call("POST", "order", **limit(venue, 0.9))
    held = {row["asset"]: row for row in venue.call("GET", "account").body["balances"]}
    assert float(held["USDT"]["locked"]) > 0
    assert {row["asset"] for row in every} <= set(held)
    few = venue.call("GET", "account", omitZeroBalances="true").body["balances"]
    assert all(float(row["free"]) or float(row["locked"]) for row in few)
    assert venue.call("GET", "account", omitZeroBalances="perhaps").code == -1130
    assert venue.call("GET", "account/commission", **S).body["symbol"] == "BTCUSDT"
    with_rates = {**limit(venue, 0.9), "computeCommissionRates": "true"}
    rates = venue.call("POST", "order/test", **with_rates).body
    assert rates["standardCommissionForOrder"] == {"maker": "0.00100000", "taker": "0.00100000"}
    assert venue.call("POST", "order/test", **limit(venue, 0.9)).body == {}
    assert venue.call("GET", "myAllocations", **S).body == []
    assert venue.call("GET", "myPreventedMatches", **S, orderId=1).body == []
    assert venue.call("GET", "myPreventedMatches", **S).code == -1128
    names = {one["filterType"] for one in venue.call("GET", "myFilters", **S).body["symbolFilters"]}
    assert {"LOT_SIZE", "NOTIONAL", "TRAILING_DELTA", "MAX_NUM_ORDER_LISTS"} <= names


def test_wallet_calls_that_clients_make_while_they_load(venue):
    coins = venue.call("GET", "/sapi/v1/capital/config/getall").body
    assert {"BTC", "USDT"} <= {coin["coin"] for coin in coins}
    assert all(coin["networkList"] for coin in coins)
    rights = venue.call("GET", "/sapi/v1/account/apiRestrictions").body
    assert (rights["enableWithdrawals"], rights["enableSpotAndMarginTrading"]) == (False, True)
    fees = venue.call("GET", "/sapi/v1/asset/tradeFee", symbol="BTCUSDT").body
    assert fees == [{"symbol": "BTCUSDT", "makerCommission": "0.001", "takerCommission": "0.001"}]
    assert venue.call("GET", "/sapi/v1/asset/tradeFee", symbol="NOTHING").code == -1121
    assert venue.call("GET", "/sapi/v1/account/status").body == {"data": "Normal"}
    assert venue.call("GET", "/sapi/v1/account/apiTradingStatus").body["data"]["isLocked"] is False
    assets = venue.call("POST", "/sapi/v3/asset/getUserAsset").body
    assert {row["asset"] for row in assets} == {"BTC", "USDT"}
    assert venue.raw("GET", "/sapi/v1/system/status").body == {"status": 0, "msg": "normal"}
    for path in ("margin/allPairs", "margin/isolated/allPairs"):
        assert venue.call("GET", f"/sapi/v1/{path}").body == []
    assert venue.raw("GET", "/fapi/v1/exchangeInfo").body["symbols"] == []
    assert venue.raw("GET", "/sapi/v1/capital/config/getall").outcome == (401, -2014)
    for method in ("POST", "PUT", "DELETE"):
        assert venue.raw(method, "/api/v3/userDataStream").outcome == (410, -1016)
