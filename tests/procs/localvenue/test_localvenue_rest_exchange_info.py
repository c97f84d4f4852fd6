"""exchangeInfo: which symbols, which rules; what it says is what is enforced."""

from __future__ import annotations

import json

import pytest
from rest_venue import rest_venue


@pytest.fixture(scope="module")
def venue():
    with rest_venue(unlimited=True) as started:
        yield started


def symbols(reply):
    return [row["symbol"] for row in reply.body["symbols"]]


def test_symbols_are_chosen_by_name_status_and_permission(venue):
    every = symbols(venue.get("exchangeInfo"))
    assert len(every) > 1
    assert symbols(venue.get("exchangeInfo", symbol="ETHUSDT")) == ["ETHUSDT"]
    two = ["ETHUSDT", "BTCUSDT"]
    assert symbols(venue.get("exchangeInfo", symbols=json.dumps(two))) == two
    assert symbols(venue.get("exchangeInfo", symbolStatus="TRADING")) == every
    assert symbols(venue.get("exchangeInfo", symbolStatus="HALT")) == []
    assert symbols(venue.get("exchangeInfo", permissions="SPOT")) == every
    assert symbols(venue.get("exchangeInfo", permissions='["MARGIN","SPOT"]')) == every
    assert symbols(venue.get("exchangeInfo", permissions="LEVERAGED")) == []
    plain = venue.get("exchangeInfo", symbol="ETHUSDT", showPermissionSets="false")
    assert plain.body["symbols"][0]["permissionSets"] == []


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"symbol": "NOTHING"}, -1121),
        ({"symbols": '["BTCUSDT","NOTHING"]'}, -1121),
        ({"symbols": '["BTCUSDT","BTCUSDT"]'}, -1151),
        ({"symbols": "BTCUSDT"}, -1100),
        ({"symbols": '{"a":1}'}, -1100),
        ({"symbols": "[1]"}, -1100),
        ({"symbol": "BTCUSDT", "symbols": '["ETHUSDT"]'}, -1128),
        ({"symbol": "BTCUSDT", "permissions": "SPOT"}, -1128),
        ({"symbol": "BTCUSDT", "symbolStatus": "TRADING"}, -1128),
        ({"symbolStatus": "OPEN"}, -1122),
        ({"permissions": "[1]"}, -1130),
        ({"permissions": "[oops"}, -1130),
        ({"permissions": "spot"}, -1100),
        ({"showPermissionSets": "maybe"}, -1130),
        ({"surprise": "1"}, -1104),
    ],
)
def test_refusals(venue, params, code):
    assert venue.get("exchangeInfo", **params).outcome == (400, code)


def test_a_symbol_says_what_it_takes(venue):
    (row,) = venue.get("exchangeInfo", symbol="BTCUSDT").body["symbols"]
    assert len(row["orderTypes"]) == 7
    for name in ("iceberg", "oco", "oto", "cancelReplace", "amend"):
        assert row[f"{name}Allowed"] is True
    assert row["allowTrailingStop"] is True
    assert "TRANSFER" in row["allowedSelfTradePreventionModes"]
    found = {one["filterType"]: one for one in row["filters"]}
    delta = found["TRAILING_DELTA"]
    base = {"symbol": "BTCUSDT", "side": "SELL", "type": "STOP_LOSS", "quantity": "0.001"}
    for value, code in (
        (delta["minTrailingBelowDelta"], None),
        (delta["minTrailingBelowDelta"] - 1, -1013),
        (delta["maxTrailingBelowDelta"] + 1, -1013),
    ):
        assert venue.call("POST", "order/test", **base, trailingDelta=value).code == code
    lot = found["LOT_SIZE"]
    price = f"{venue.price() * 0.9:.2f}"
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
    step = float(lot["stepSize"])
    off = f"{0.001 + step / 2:.8f}"
    refused = venue.call("POST", "order/test", **order, price=price, quantity=off)
    assert refused.body["msg"] == "Filter failure: LOT_SIZE"
    parts = found["ICEBERG_PARTS"]["limit"]
    for quantity, fault in ((f"{parts * step:.8f}", None), (f"{(parts + 1) * step:.8f}", -1013)):
        reply = venue.call(
            "POST",
            "order/test",
            **{**order, "price": price, "icebergQty": lot["stepSize"], "quantity": quantity},
        )
        assert reply.code == fault, reply.body
