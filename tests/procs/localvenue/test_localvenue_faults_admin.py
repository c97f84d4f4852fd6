"""The doors under /seawall/: money in and out, sums, health, errors, and pages kept out."""

from __future__ import annotations

import json

import pytest
from rest_venue import rest_venue


@pytest.fixture(scope="module")
def venue():
    with rest_venue(unlimited=True) as started:
        yield started


def ask(venue, method, path, body=None, **headers):
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    return venue.raw(method, f"/seawall/{path}", data, **headers)


def test_money_comes_and_goes_and_the_sums_agree(venue):
    key = venue.keys[0][0]
    before = ask(venue, "GET", "accounts").body
    body = {"api_key": key, "asset": "USDT", "amount": "250.5"}
    assert ask(venue, "POST", "deposit", body).body["free"] == "100250.5"
    assert ask(venue, "POST", "deposit", {**body, "amount": -50.5}).body["free"] == "100200"
    venue.call("POST", "order", symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.01")
    after = ask(venue, "GET", "accounts").body
    assert float(after["totals"]["USDT"]) - float(before["totals"]["USDT"]) == 200
    assert after["ledger"]["put_in"] == after["totals"]
    assert float(after["ledger"]["market"]["BTC"]) == -0.01
    assert after["accounts"][key]["BTC"]["free"] == "2.00999"
    refused = ask(venue, "POST", "deposit", {**body, "amount": "-999999"})
    assert refused.status == 400
    assert "insufficient balance" in refused.body["error"]


@pytest.mark.parametrize(
    ("change", "status", "says"),
    [
        ({"amount": "nan"}, 400, "amount = 'nan'"),
        ({"amount": 0}, 400, "amount = 0"),
        ({"amount": "0.000000001"}, 400, "8 decimals"),
        ({"amount": True}, 400, "amount = True"),
        ({"asset": "GOLD"}, 400, "asset = 'GOLD', allowed: AAVE"),
        ({"asset": ["USDT"]}, 400, "asset"),
        ({"api_key": "nobody"}, 404, "api_key"),
        ({"more": 1}, 400, "exactly api_key, asset, amount"),
    ],
    ids=str,
)
def test_a_deposit_that_cannot_be(venue, change, status, says):
    body = {"api_key": venue.keys[0][0], "asset": "USDT", "amount": "1", **change}
    reply = ask(venue, "POST", "deposit", body)
    assert reply.status == status
    assert says in reply.body["error"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "says"),
    [
        ("POST", "faults", b"{", 400, "no JSON"),
        ("POST", "faults", b"", 400, "no JSON"),
        ("POST", "faults", b"[" * 300_000, 400, "larger than"),
        ("POST", "faults", [1], 400, "allowed: seed, fault"),
        ("POST", "faults", {"kind": "dealy"}, 400, "POST /seawall/faults: fault 1: kind = 'dealy'"),
        ("DELETE", "faults/3", None, 404, "fault 3 is not there, allowed: there is none"),
        ("DELETE", "faults/x", None, 400, "fault 'x'"),
        ("GET", "nothing", None, 404, "GET /seawall/nothing is not there"),
        ("PUT", "faults", b"{}", 404, "PUT /seawall/faults is not there"),
    ],
)
def test_a_mistake_is_one_clear_error(venue, method, path, body, status, says):
    reply = ask(venue, method, path, body)
    assert reply.status == status
    assert says in reply.body["error"]
    assert ask(venue, "GET", "faults").body["fault"] == []


@pytest.mark.parametrize("headers", [{"Origin": "http://127.0.0.1"}, {"Host": "evil.example:80"}])
def test_web_pages_are_kept_out(venue, headers):
    reply = ask(venue, "POST", "faults", {"kind": "drop"}, **headers)
    assert reply.status == 403
    assert ask(venue, "GET", "faults").body["fault"] == []


def test_numbers_are_kept_when_others_are_healed(venue):
    for kind in ("drop", "cut", "gap"):
        fault = {"kind": kind, "nth": 999}
        assert ask(venue, "POST", "faults", fault).body["fault"][-1]["kind"] == kind
    assert [one["number"] for one in ask(venue, "DELETE", "faults/2").body["fault"]] == [1, 3]
    assert ask(venue, "POST", "faults", {"kind": "cut"}).body["fault"][-1]["number"] == 4
    assert ask(venue, "DELETE", "faults").body["fault"] == []


def test_health_and_the_notice(venue):
    first, second = (ask(venue, "GET", "health").body for _ in range(2))
    assert second["turns"] >= first["turns"] > 0
    assert first["market_events"] > 0
    assert 10_000_000 < first["rss_bytes"] < 2_000_000_000
    assert first["connections"] >= 1
    assert ask(venue, "POST", "shutdown-notice").body == {"told": 0}
    assert ask(venue, "GET", "market").body["kind"] == "generated"
