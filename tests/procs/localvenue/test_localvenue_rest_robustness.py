"""Whatever is sent, the venue answers with a documented code or closes, and its books add up."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import string
import time
from urllib.parse import quote_from_bytes, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_venue import rest_venue

from procs.localvenue import connections
from procs.localvenue.connections import Connections

BOUNDED = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

DOCUMENTED = frozenset(
    {-1013, -1014, -1020, -1021, -1022, -1100, -1101, -1102, -1104, -1105, -1106, -1108, -1111}
    | {-1115, -1116, -1117, -1120, -1121, -1122, -1127, -1128, -1130, -1134, -1135, -1139, -1145}
    | {-1158, -1160, -1165, -1166, -1168, -1194, -1196, -1197, -1198, -1199, -1220, -2010, -2011}
    | {-2013, -2014, -2015, -2021, -2022, -2038, -2039}
)

REQUESTS = {
    "order": (
        "POST",
        {
            "symbol": "BTCUSDT",
            "side": "BUY",
            "type": "LIMIT",
            "timeInForce": "GTC",
            "quantity": "0.001",
            "price": "PRICE",
            "newClientOrderId": "mutant",
            "recvWindow": "5000",
        },
    ),
    "order/cancelReplace": (
        "POST",
        {
            "symbol": "BTCUSDT",
            "side": "BUY",
            "type": "LIMIT_MAKER",
            "quantity": "0.001",
            "price": "PRICE",
            "cancelReplaceMode": "ALLOW_FAILURE",
            "cancelOrderId": "1",
        },
    ),
    "orderList/oco": (
        "POST",
        {
            "symbol": "BTCUSDT",
            "side": "SELL",
            "quantity": "0.001",
            "aboveType": "LIMIT_MAKER",
            "abovePrice": "HIGH",
            "belowType": "STOP_LOSS_LIMIT",
            "belowStopPrice": "PRICE",
            "belowPrice": "PRICE",
            "belowTimeInForce": "GTC",
        },
    ),
    "orderList/otoco": (
        "POST",
        {
            "symbol": "BTCUSDT",
            "workingType": "LIMIT",
            "workingSide": "BUY",
            "workingPrice": "PRICE",
            "workingQuantity": "0.001",
            "workingTimeInForce": "GTC",
            "pendingSide": "SELL",
            "pendingQuantity": "0.001",
            "pendingAboveType": "LIMIT_MAKER",
            "pendingAbovePrice": "HIGH",
            "pendingBelowType": "STOP_LOSS",
            "pendingBelowTrailingDelta": "100",
        },
    ),
    "order/amend/keepPriority": (
        "PUT",
        {"symbol": "BTCUSDT", "origClientOrderId": "mutant", "newQty": "0.0005"},
    ),
    "openOrders": ("DELETE", {"symbol": "BTCUSDT"}),
    "allOrders": ("GET", {"symbol": "BTCUSDT", "startTime": "1", "limit": "10"}),
    "myTrades": ("GET", {"symbol": "BTCUSDT", "fromId": "1", "limit": "10"}),
}

WILD = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        [
            "",
            "0",
            "-1",
            "NaN",
            "1e400",
            "9" * 21,
            "9" * 19,
            "0.1",
            "null",
            "true",
            "[]",
            "١",
            "%",
            "\0",
        ]
    ),
    st.text(alphabet=string.digits + ".", max_size=24),
)


@pytest.fixture(scope="module")
def venue():
    with rest_venue(unlimited=True) as started:
        yield started


def owned(venue):
    """What every account has, however much of it is held."""
    return venue.look(
        lambda one: {
            account: {
                asset: balance.free + balance.locked
                for asset, balance in one.exchange.balances(account).items()
            }
            for account in one.secrets
        }
    )


def exchange_bytes(venue, data, patience_s):
    """What the venue says to these bytes, until it closes or says nothing for so long."""
    with socket.create_connection(("127.0.0.1", venue.port), timeout=patience_s) as client:
        said = b""
        with contextlib.suppress(ConnectionError, TimeoutError):
            client.sendall(data)
            while chunk := client.recv(65536):
                said += chunk
        return said


def statuses(said):
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3}) ", said)]


@BOUNDED
@given(
    query=st.binary(max_size=200),
    body=st.binary(max_size=200),
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
)
def test_any_bytes_as_query_and_body(venue, query, body, method):
    before = owned(venue)
    for path in ("order", "depth", "account", "orderList/oco"):
        target = f"/api/v3/{path}?{quote_from_bytes(query, safe='=&%+')}"
        reply = venue.raw(
            method,
            target,
            body,
            X_MBX_APIKEY=venue.keys[0][0],
            Content_Type="application/x-www-form-urlencoded",
        )
        assert reply.status < 500, (target, reply)
        assert reply.status == 200 or reply.code in DOCUMENTED, reply
    assert owned(venue) == before


@BOUNDED
@given(values=st.dictionaries(st.text(max_size=12), st.text(max_size=20), max_size=6))
def test_any_parameters_that_are_signed_well(venue, values):
    form = urlencode({**values, "timestamp": str(time.time_ns() // 1_000_000)}, errors="replace")
    form += f"&signature={venue.sign(form.encode())}"
    reply = venue.raw("GET", f"/api/v3/openOrders?{form}", X_MBX_APIKEY=venue.keys[0][0])
    assert reply.status == 200 or reply.code in DOCUMENTED, reply


@BOUNDED
@given(path=st.binary(max_size=60))
def test_any_bytes_as_path(venue, path):
    for prefix in (b"/api/", b"/sapi/", b"/"):
        request = b"GET " + prefix + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        said = exchange_bytes(venue, request, 0.5)
        assert statuses(said), path
        assert all(status < 500 for status in statuses(said)), said[:300]


@BOUNDED
@given(data=st.binary(max_size=400))
def test_any_bytes_at_all(venue, data):
    said = exchange_bytes(venue, data, 0.02)
    assert all(status < 500 for status in statuses(said)), said[:300]
    assert venue.get("ping").status == 200


@st.composite
def mutations(draw):
    path = draw(st.sampled_from(sorted(REQUESTS)))
    method, values = REQUESTS[path]
    pairs = list(values.items())
    place = draw(st.integers(0, len(pairs) - 1))
    name, value = pairs[place]
    how = draw(st.sampled_from(["drop", "twice", "change", "cut", "rename", "grow"]))
    if how == "drop":
        del pairs[place]
    elif how == "twice":
        pairs.append((name, draw(WILD)))
    elif how == "change":
        pairs[place] = (name, draw(WILD))
    elif how == "cut":
        pairs[place] = (name, value[: draw(st.integers(0, len(value)))])
    elif how == "rename":
        pairs[place] = (draw(st.text(min_size=1, max_size=10)), value)
    else:
        pairs[place] = (name, value * draw(st.integers(2, 40)))
    return method, path, pairs


@settings(BOUNDED, max_examples=250)
@given(mutation=mutations())
def test_valid_requests_with_one_thing_changed(venue, mutation):
    method, path, pairs = mutation
    last = venue.price()
    words = {"PRICE": f"{last * 0.9:.2f}", "HIGH": f"{last * 1.1:.2f}"}
    sent = [(name, words.get(value, value)) for name, value in pairs]
    sent.append(("timestamp", str(time.time_ns() // 1_000_000)))
    form = urlencode(sent, errors="replace")
    form += f"&signature={venue.sign(form.encode())}"
    headers = {"X_MBX_APIKEY": venue.keys[0][0]}
    if method in ("POST", "PUT"):
        headers["Content_Type"] = "application/x-www-form-urlencoded"
        reply = venue.raw(method, f"/api/v3/{path}", form.encode(), **headers)
    else:
        reply = venue.raw(method, f"/api/v3/{path}?{form}", None, **headers)
    assert reply.status in (200, 400, 409), (sent, reply)
    assert reply.status == 200 or reply.code in DOCUMENTED, (sent, reply)
    venue.look(lambda one: one.exchange.verify())


@pytest.mark.parametrize(
    ("head", "body", "status"),
    [
        (b"Content-Length: 1000000\r\n", b"", 413),
        (b"Content-Length: 70000\r\n", b"x" * 70_000, 413),
        (b"Transfer-Encoding: chunked\r\n", b"11170\r\n" + b"x" * 70_000 + b"\r\n0\r\n\r\n", 413),
        (b"Transfer-Encoding: chunked\r\n", b"zz\r\nbroken\r\n", 400),
        (b"Content-Encoding: gzip\r\nContent-Length: 5\r\n", b"12345", 400),
        (b"Content-Length: 5\r\nContent-Length: 6\r\n", b"12345", 400),
        (b"Content-Length: minus\r\n", b"", 400),
        (b"X-Long: " + b"x" * 20_000 + b"\r\n", b"", 400),
        (b"".join(b"X-%d: 1\r\n" % number for number in range(500)), b"", 400),
        (b"Content-Type: application/x-www-form-urlencoded; charset=klingon\r\n", b"", 401),
        (b"Content-Type: multipart/form-data; boundary=\xff\r\n", b"", 401),
        (b"Expect: 100-continue\r\nContent-Length: 3\r\n", b"a=1", 401),
    ],
)
def test_broken_and_oversized_requests_are_answered_and_closed(venue, head, body, status):
    data = b"POST /api/v3/order HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + head
    said = exchange_bytes(venue, data + b"\r\n" + body, 3.0)
    assert statuses(said)[-1] == status, said[:300]
    assert venue.get("ping").status == 200


def test_a_long_list_of_symbols_fits_into_the_request_line(venue):
    symbols = json.dumps(["BTCUSDT"] + [f"NO{number}USDT" for number in range(500)])
    assert venue.get("exchangeInfo", symbols=symbols).code in (-1121, -1101)


def test_a_body_that_does_not_come_is_not_waited_for(venue, monkeypatch):
    from procs.localvenue.protocols.binance_spot import rest

    monkeypatch.setattr(rest, "BODY_S", 0.2)
    head = b"POST /api/v3/order HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc"
    with socket.create_connection(("127.0.0.1", venue.port), timeout=5) as client:
        client.sendall(head)
        said = b""
        while chunk := client.recv(65536):
            said += chunk
    assert statuses(said) == [408]


def test_clients_that_hang_up_or_speak_no_http_do_not_fill_the_log(venue, caplog):
    half = b"POST /api/v3/order HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc"
    for data in (b"\x16\x03\x01 not http", half, b"GET / HTTP/1.1\r\nbroken\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", venue.port)) as client:
            client.sendall(data)
            time.sleep(0.05)
        assert venue.get("ping").status == 200
    venue.server.venue.interference = _Cut()
    try:
        with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
            venue.get("ping")
    finally:
        venue.server.venue.interference = None
    assert venue.get("ping").status == 200
    assert [record.getMessage() for record in caplog.records] == []


class _Cut:
    def clock_skew_ms(self):
        return 0

    async def around(self, asked, answer):
        return None


def test_connections_that_ask_nothing_are_closed_and_the_others_stay(venue, monkeypatch):
    sweeping = venue.server._connections
    silent = [socket.create_connection(("127.0.0.1", venue.port)) for _ in range(300)]
    try:
        for client in silent[:100]:
            client.sendall(b"GET /api/v3/ping HTTP/1.1\r\nHo")
        asking = silent.pop()
        asking.sendall(b"GET /api/v3/ping HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 200 " in asking.recv(65536)
        monkeypatch.setattr(connections, "FIRST_REQUEST_S", 0.0)

        async def sweep(now_s):
            return sweeping.sweep(venue.server._runner.server, now_s)

        venue.run(sweep(0.0))
        assert venue.run(sweep(1e9)) >= 299
        asking.sendall(b"GET /api/v3/ping HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 200 " in asking.recv(65536)
        asking.close()
        for client in silent:
            client.settimeout(2)
            with contextlib.suppress(ConnectionError):
                assert client.recv(1) == b""
    finally:
        for client in silent:
            client.close()
    assert venue.get("ping").status == 200


def test_no_server_no_sweep():
    assert Connections().sweep(None, 0.0) == 0
