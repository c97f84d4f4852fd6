"""How REST reads a request: names, values, encodings, signatures, times, and in which order."""

from __future__ import annotations

import time
from urllib.parse import urlencode

import pytest
from rest_venue import rest_venue

from procs.localvenue.protocols.binance_spot import auth
from procs.localvenue.protocols.binance_spot.params import Params, RefusedError

DOCUMENTED_SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
BUY = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.001"}


@pytest.fixture(scope="module")
def venue():
    with rest_venue(unlimited=True) as started:
        yield started


def now_ms():
    return time.time_ns() // 1_000_000


def signed(venue, form, body=b"", account=0):
    signature = venue.sign(form.encode() + body, account)
    return f"{form}&signature={signature}"


@pytest.mark.parametrize(
    ("payload", "signature"),
    [
        (
            "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1"
            "&recvWindow=5000&timestamp=1499827319559",
            "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71",
        ),
        (
            "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTCquantity=1&price=0.1"
            "&recvWindow=5000&timestamp=1499827319559",
            "0fd168b8ddb4876a0358a8d14d0c9f3da0e9b20c5d52b2a00fcf7d1c602f9a77",
        ),
        (
            "symbol=%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96&side=BUY&type=LIMIT"
            "&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559",
            "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3",
        ),
    ],
)
def test_the_documentations_own_examples_are_signed_as_it_says(payload, signature):
    assert auth.signature_of(DOCUMENTED_SECRET, payload.encode()) == signature


def test_a_mixed_request_is_signed_without_a_separator(venue):
    query = urlencode({"symbol": "BTCUSDT", "side": "BUY", "timestamp": now_ms()})
    body = b"type=MARKET&quantity=0.001"
    reply = venue.raw(
        "POST",
        f"/api/v3/order?{signed(venue, query, body)}",
        body,
        X_MBX_APIKEY=venue.keys[0][0],
        Content_Type="application/x-www-form-urlencoded; charset=UTF-8",
    )
    assert (reply.status, reply.body["status"]) == (200, "FILLED")


def test_the_query_counts_when_both_parts_have_a_name(venue):
    query = urlencode({**BUY, "timestamp": now_ms()})
    body = b"quantity=0.002&newClientOrderId=from-body"
    reply = venue.raw(
        "POST",
        f"/api/v3/order?{signed(venue, query, body)}",
        body,
        X_MBX_APIKEY=venue.keys[0][0],
        Content_Type="application/x-www-form-urlencoded",
    )
    assert reply.body["origQty"] == "0.00100000"
    assert reply.body["clientOrderId"] == "from-body"


def test_the_signature_may_be_in_capitals_anywhere_among_the_parameters(venue):
    form = urlencode({"timestamp": now_ms(), "omitZeroBalances": "true"})
    signature = venue.sign(form.encode()).upper()
    first, _, rest = form.partition("&")
    target = f"/api/v3/account?{first}&signature={signature}&{rest}"
    assert venue.raw("GET", target, X_MBX_APIKEY=venue.keys[0][0]).status == 200


def test_what_was_signed_is_what_arrived(venue):
    stamp = now_ms()
    encoded = f"symbol=BTC%55SDT&timestamp={stamp}"
    key = venue.keys[0][0]
    good = signed(venue, encoded)
    assert venue.raw("GET", f"/api/v3/openOrders?{good}", X_MBX_APIKEY=key).status == 200
    plain = venue.sign(f"symbol=BTCUSDT&timestamp={stamp}".encode())
    bad = f"/api/v3/openOrders?{encoded}&signature={plain}"
    assert venue.raw("GET", bad, X_MBX_APIKEY=key).outcome == (400, -1022)


def test_a_body_of_another_kind_has_no_parameters(venue):
    body = venue.payload(BUY).encode()
    for kind in ("application/json", "text/plain", "multipart/form-data; boundary=x"):
        reply = venue.raw(
            "POST", "/api/v3/order", body, X_MBX_APIKEY=venue.keys[0][0], Content_Type=kind
        )
        assert reply.outcome == (400, -1102), kind
        assert "'timestamp'" in reply.body["msg"]


def test_a_get_has_its_parameters_in_the_query(venue):
    body = venue.payload({}).encode()
    reply = venue.raw(
        "GET",
        "/api/v3/account",
        body,
        X_MBX_APIKEY=venue.keys[0][0],
        Content_Type="application/x-www-form-urlencoded",
    )
    assert reply.outcome == (400, -1102)


def test_key_time_and_signature_are_looked_at_in_this_order(venue):
    key, unknown = venue.keys[0][0], "k" * 64
    old = f"timestamp={now_ms() - 6_000}"
    fresh = f"timestamp={now_ms()}"
    good = signed(venue, f"{fresh}&surprise=1")
    for api_key, query, outcome in (
        (None, "", (401, -2014)),
        ("§", fresh, (401, -2014)),
        ("short", fresh, (401, -2014)),
        (unknown, "", (401, -2015)),
        (unknown, f"{fresh}&signature={'0' * 64}", (401, -2015)),
        (key, "", (400, -1102)),
        (key, "timestamp=", (400, -1105)),
        (key, "timestamp=soon", (400, -1100)),
        (key, "timestamp=99999999999999999999", (400, -1108)),
        (key, "timestamp=9223372036854775807", (400, -1021)),
        (key, old, (400, -1021)),
        (key, f"{old}&signature={'0' * 64}", (400, -1021)),
        (key, fresh, (400, -1102)),
        (key, f"{fresh}&signature=", (400, -1102)),
        (key, f"{fresh}&signature=abc", (400, -1100)),
        (key, f"{fresh}&signature=%C3%A9", (400, -1100)),
        (key, f"{fresh}&signature={'0' * 64}", (400, -1022)),
        (key, good, (400, -1104)),
    ):
        headers = {} if api_key is None else {"X_MBX_APIKEY": api_key}
        reply = venue.raw("GET", f"/api/v3/account?{query}", **headers)
        assert reply.outcome == outcome, (api_key, query, reply.body)


def test_the_window_has_decimals_and_the_time_microseconds(venue):
    micros = time.time_ns() // 1_000
    assert venue.call("GET", "account", timestamp=micros, recvWindow="5000.123").status == 200
    assert venue.call("GET", "account", recvWindow="60000").status == 200
    for window, code in (("60000.001", -1102), ("1.2345", -1100), ("-1", -1100), ("", -1105)):
        assert venue.call("GET", "account", recvWindow=window).code == code, window
    assert venue.call("GET", "account", timestamp=now_ms() - 300, recvWindow="100").code == -1021
    assert venue.call("GET", "account", timestamp=micros - 300_000, recvWindow=100).code == -1021
    assert venue.call("GET", "account", timestamp=now_ms() + 1_500).code == -1021
    assert venue.call("GET", "account", timestamp=now_ms() + 500).status == 200


def test_times_are_shown_in_microseconds_to_those_who_ask(venue):
    placed = venue.call("POST", "order", unit="MICROSECOND", **BUY).body
    assert placed["transactTime"] > 10**15
    found = venue.call("GET", "order", symbol="BTCUSDT", orderId=placed["orderId"]).body
    assert found["time"] * 1000 == placed["workingTime"]
    assert venue.raw("GET", "/api/v3/time", X_MBX_TIME_UNIT="microsecond").body["serverTime"] > 1e15
    for path in ("time", "account"):
        reply = venue.call("GET", path, unit="NANOSECOND")
        assert reply.outcome == (400, -1194)
    since = venue.call("GET", "allOrders", symbol="BTCUSDT", startTime=placed["transactTime"]).body
    assert [order["orderId"] for order in since] == [placed["orderId"]]


@pytest.mark.parametrize(
    ("target", "outcome"),
    [
        ("ping?x=1", (400, -1101)),
        ("ping?", (200, None)),
        ("klines?fromId=1", (400, -1102)),
        ("klines?fromId=1&symbol=BTCUSDT&interval=1h", (400, -1104)),
        ("ticker/24hr?limit=1&limit=2", (400, -1101)),
        ("depth?symbol=BTCUSDT&symbol=BTCUSDT", (400, -1101)),
        ("depth?symbol=btcusdt", (400, -1100)),
        ("depth?symbol=NOTHING", (400, -1121)),
        ("depth?symbol=", (400, -1102)),
        ("depth?symbol=BTCUSDT&limit=-1", (400, -1100)),
        ("depth?symbol=BTCUSDT&limit=0", (400, -1130)),
        ("depth?symbol=BTCUSDT&limit=", (400, -1105)),
        ("depth?&symbol=BTCUSDT&&", (200, None)),
        ("depth?symbol=%ZZ", (400, -1100)),
        ("depth?symbol=%EF%BC%91%EF%BC%92", (400, -1121)),
        (f"depth?symbol={'A' * 51}", (400, -1100)),
        ("depth?symbol=%00", (400, -1100)),
        ("depth?symbol=BTCUSDT&" + "&".join(f"a{n}=1" for n in range(300)), (400, -1101)),
        ("nothing", (404, -1020)),
        ("", (404, -1020)),
        ("../v3/ping", (404, -1020)),
    ],
)
def test_public_parameters(venue, target, outcome):
    reply = venue.raw("GET", f"/api/v3/{target}")
    assert reply.outcome == outcome, reply.body


@pytest.mark.parametrize("method", ["DELETE", "PUT", "PATCH", "OPTIONS", "TRACE"])
def test_a_method_that_a_path_does_not_have(venue, method):
    reply = venue.raw(method, "/api/v3/ping")
    assert reply.outcome == (405, -1020)
    assert reply.headers["allow"] == "GET"


def test_head_is_a_get_without_its_body(venue):
    reply = venue.raw("HEAD", "/api/v3/time")
    assert (reply.status, reply.body) == (200, b"")
    assert int(reply.headers["content-length"]) > 10


def test_exchange_info_is_compressed_for_those_who_take_it(venue):
    wide = venue.raw("GET", "/api/v3/exchangeInfo", Accept_Encoding="identity")
    assert "content-encoding" not in wide.headers
    assert len(wide.body["symbols"]) > 10, "a short answer is not worth it"
    packed = venue.raw("GET", "/api/v3/exchangeInfo", Accept_Encoding="gzip, deflate")
    assert packed.headers["content-encoding"] in ("gzip", "deflate")
    small = venue.raw("GET", "/api/v3/time", Accept_Encoding="gzip")
    assert "content-encoding" not in small.headers


def test_numbers_are_read_as_they_are_written():
    params = Params({"a": "007.50", "b": "1" * 20, "c": "0", "d": "1e5", "e": "１", "f": "1.0 "})
    assert str(params.number("a")) == "7.50"
    assert str(params.number("c")) == "0"
    assert params.number("absent") is None
    for name, code in (("b", -1108), ("d", -1100), ("e", -1100), ("f", -1100)):
        with pytest.raises(RefusedError) as refused:
            params.number(name)
        assert refused.value.refusal.code == code
