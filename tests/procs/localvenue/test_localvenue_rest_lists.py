"""Order lists through REST: OCO in both forms, OTO and OTOCO, queried and canceled."""

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


def oco(venue, **more):
    return {
        **S,
        "side": "SELL",
        "quantity": "0.001",
        "aboveType": "LIMIT_MAKER",
        "abovePrice": at(venue, 1.05),
        "belowType": "STOP_LOSS",
        "belowStopPrice": at(venue, 0.95),
        **more,
    }


def working(venue, **more):
    return {
        **S,
        "workingType": "LIMIT",
        "workingSide": "BUY",
        "workingTimeInForce": "GTC",
        "workingPrice": at(venue, 0.95),
        "workingQuantity": "0.001",
        **more,
    }


def oto(venue, **more):
    return {
        **working(venue),
        "pendingType": "MARKET",
        "pendingSide": "SELL",
        "pendingQuantity": "0.001",
        **more,
    }


def otoco(venue, **more):
    return {
        **working(venue),
        "pendingSide": "SELL",
        "pendingQuantity": "0.001",
        "pendingAboveType": "LIMIT_MAKER",
        "pendingAbovePrice": at(venue, 1.1),
        "pendingBelowType": "STOP_LOSS_LIMIT",
        "pendingBelowStopPrice": at(venue, 0.8),
        "pendingBelowPrice": at(venue, 0.79),
        "pendingBelowTimeInForce": "GTC",
        **more,
    }


def changed(order, change):
    return {name: value for name, value in {**order, **change}.items() if value is not None}


def test_an_oco_is_placed_found_and_canceled_as_one(venue):
    names = {"listClientOrderId": "both", "aboveClientOrderId": "up", "belowClientOrderId": "down"}
    made = venue.call("POST", "orderList/oco", **oco(venue, **names)).body
    assert (made["contingencyType"], made["listStatusType"]) == ("OCO", "EXEC_STARTED")
    assert {row["clientOrderId"] for row in made["orders"]} == {"up", "down"}
    reports = {row["clientOrderId"]: row for row in made["orderReports"]}
    assert (reports["down"]["type"], reports["down"]["workingTime"]) == ("STOP_LOSS", -1)
    assert reports["up"]["workingTime"] > 0
    list_id = made["orderListId"]
    for ids in ({"orderListId": list_id}, {"origClientOrderId": "both"}):
        assert venue.call("GET", "orderList", **ids).body["orderListId"] == list_id
    assert venue.call("GET", "orderList").code == -1102
    assert venue.call("GET", "orderList", orderListId=10**9).outcome == (400, -2013)
    assert [row["orderListId"] for row in venue.call("GET", "openOrderList").body] == [list_id]
    assert len(venue.call("GET", "openOrders", **S).body) == 2
    done = venue.call(
        "DELETE", "orderList", **S, listClientOrderId="both", newClientOrderId="bye"
    ).body
    assert (done["listStatusType"], done["listOrderStatus"]) == ("ALL_DONE", "ALL_DONE")
    assert {row["status"] for row in done["orderReports"]} == {"CANCELED"}
    assert {row["clientOrderId"] for row in done["orderReports"]} == {"bye"}
    assert venue.call("GET", "openOrderList").body == []
    assert venue.call("GET", "allOrderList", fromId=list_id).body[0]["orderListId"] == list_id
    assert venue.call("GET", "allOrderList", fromId=1, startTime=1).code == -1128
    assert venue.call("DELETE", "orderList", **S, orderListId=list_id).outcome == (400, -2011)


def test_canceling_one_order_or_all_ends_whole_lists(venue):
    made = venue.call("POST", "orderList/oco", **oco(venue)).body
    one = venue.call("DELETE", "order", **S, orderId=made["orders"][0]["orderId"]).body
    assert (one["orderListId"], len(one["orderReports"])) == (made["orderListId"], 2)
    venue.call("POST", "orderList/oco", **oco(venue))
    venue.call("POST", "orderList/otoco", **otoco(venue))
    single = {**S, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.001"}
    venue.call("POST", "order", **single, price=at(venue, 0.9))
    gone = venue.call("DELETE", "openOrders", **S).body
    assert sorted(len(row.get("orderReports", [0])) for row in gone) == [1, 2, 3]
    assert venue.call("DELETE", "openOrders", **S).outcome == (400, -2011)


def test_the_older_oco_stands_its_orders_by_side(venue):
    sell = {
        **S,
        "side": "SELL",
        "quantity": "0.001",
        "price": at(venue, 1.05),
        "stopPrice": at(venue, 0.95),
    }
    plain = venue.call("POST", "order/oco", **sell, stopClientOrderId="old-stop").body
    kinds = {row["type"]: row for row in plain["orderReports"]}
    assert set(kinds) == {"STOP_LOSS", "LIMIT_MAKER"}
    assert kinds["STOP_LOSS"]["clientOrderId"] == "old-stop"
    half = venue.call("POST", "order/oco", **sell, stopLimitPrice=at(venue, 0.94))
    assert half.code == -1128
    assert "stopLimitTimeInForce" in half.body["msg"]
    whole = venue.call(
        "POST",
        "order/oco",
        **sell,
        stopLimitPrice=at(venue, 0.94),
        stopLimitTimeInForce="GTC",
        limitStrategyId=4,
    ).body
    assert {row["type"] for row in whole["orderReports"]} == {"STOP_LOSS_LIMIT", "LIMIT_MAKER"}
    buy = {
        **sell,
        "side": "BUY",
        "price": at(venue, 0.95),
        "stopPrice": at(venue, 1.05),
    }
    assert venue.call("POST", "order/oco", **buy).status == 200


def test_an_oto_and_an_otoco_wait_for_their_working_order(venue):
    made = venue.call("POST", "orderList/oto", **oto(venue)).body
    assert made["contingencyType"] == "OTO"
    assert [row["status"] for row in made["orderReports"]] == ["NEW", "PENDING_NEW"]
    three = venue.call("POST", "orderList/otoco", **otoco(venue)).body
    assert [row["status"] for row in three["orderReports"]] == ["NEW", *["PENDING_NEW"] * 2]
    now = working(venue, workingPrice=at(venue, 1.01))
    taken = venue.call(
        "POST",
        "orderList/otoco",
        **{**otoco(venue), **now},
        newOrderRespType="FULL",
    ).body
    first, *pending = taken["orderReports"]
    assert (first["status"], bool(first["fills"])) == ("FILLED", True)
    assert {row["status"] for row in pending} == {"PENDING_NEW"}, "their own turn comes after"
    found = [
        venue.call("GET", "order", **S, orderId=row["orderId"]).body["status"] for row in pending
    ]
    assert found == ["NEW", "NEW"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"aboveType": "LIMIT"}, -1158),
        ({"aboveType": "NOTHING"}, -1116),
        ({"aboveType": None}, -1102),
        ({"belowType": "LIMIT_MAKER", "belowStopPrice": None, "belowPrice": "1"}, None),
        ({"abovePrice": None}, -1102),
        ({"belowStopPrice": None}, -1102),
        ({"belowTimeInForce": "GTC"}, -1106),
        ({"quantity": None}, -1102),
        ({"side": "HOLD"}, -1117),
        ({"aboveStrategyType": 5}, -1134),
        ({"abovePegPriceType": "PRIMARY_PEG"}, -2010),
        ({"aboveprice": "1"}, -1104),
        (
            {
                "belowType": "STOP_LOSS_LIMIT",
                "belowPrice": "1",
                "belowTimeInForce": "IOC",
                "belowIcebergQty": "0.0005",
            },
            -1160,
        ),
        ({"abovePrice": "1.00"}, None),
    ],
)
def test_refusals_of_an_oco(venue, change, code):
    reply = venue.call("POST", "orderList/oco", **changed(oco(venue), change))
    assert reply.status == 400
    assert code in (None, reply.code), reply.body
    assert venue.call("GET", "openOrderList").body == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"workingType": "MARKET"}, -1116),
        ({"workingPrice": None}, -1102),
        ({"workingTimeInForce": None}, -1102),
        ({"pendingType": "LIMIT"}, -1102),
        ({"pendingSide": None}, -1102),
        ({"pendingQuantity": "0"}, -1013),
        ({"pendingQuoteOrderQty": "10"}, -1104),
    ],
)
def test_refusals_of_an_oto(venue, change, code):
    reply = venue.call("POST", "orderList/oto", **changed(oto(venue), change))
    assert reply.outcome == (400, code), reply.body
    assert venue.call("GET", "openOrderList").body == []


def test_what_no_symbol_takes(venue):
    for path in ("orderList/opo", "orderList/opoco"):
        reply = venue.call("POST", path, **oto(venue))
        assert reply.outcome == (400, -2010)
        assert reply.body["msg"] == "OPO orders are not supported for this symbol."
