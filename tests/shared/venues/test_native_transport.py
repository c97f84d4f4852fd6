"""Requests without an exchange library: the same bytes as ccxt's, one answer for one request."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from venue_stub import KEY, SECRET, Canned, access, running_stub

from shared.clock import EngineClock
from shared.messages.venue import (
    CancelOrder,
    OrderKind,
    Outcome,
    PlaceOco,
    PlaceOrder,
    QueryOrder,
    Side,
    TakeSnapshot,
    TimeInForce,
)
from shared.units import decimal_from_text
from shared.venues import binance_requests as requests
from shared.venues.ccxt_transport import CcxtTransport
from shared.venues.native.connections import Connections
from shared.venues.native.requests import ENDPOINTS
from shared.venues.native.signing import Signer
from shared.venues.native.spot import NativeSpot
from shared.venues.native.transport import NativeTransport
from shared.venues.redirect import open_exchange, open_session

D = decimal_from_text
SYMBOL = "BTCUSDT"


def order(kind, **changes):
    values = {
        "symbol": SYMBOL,
        "client_id": "sw-a-1-e1",
        "side": Side.BUY,
        "kind": kind,
        "quantity": D("0.001"),
        "price": None if kind is OrderKind.MARKET else D("50000.1"),
        "stop_price": D("51000") if kind is OrderKind.STOP_LIMIT else None,
        "time_in_force": TimeInForce.IOC,
    }
    return PlaceOrder(**{**values, **changes})


CALLS = [
    requests.TIME,
    requests.MARKETS,
    requests.ACCOUNT,
    requests.OPEN_ORDERS,
    requests.KEY_RESTRICTIONS,
    *(requests.place_order(order(kind)) for kind in OrderKind),
    requests.place_oco(
        PlaceOco(
            symbol=SYMBOL,
            quantity=D("0.001"),
            list_id="sw-a-1-g1",
            take_profit_id="sw-a-1-t1",
            take_profit_price=D("60000"),
            stop_id="sw-a-1-s1",
            stop_price=D("40000"),
            stop_limit_price=D("39000.5"),
        )
    ),
    requests.cancel_order(CancelOrder(symbol=SYMBOL, client_id="sw-a-1-e1")),
    requests.query_order(QueryOrder(symbol=SYMBOL, client_id="sw-a-1-e1")),
    requests.trades_of_order(SYMBOL, "7"),
    requests.trades_page(SYMBOL, (5, 10), None),
    requests.trades_page(SYMBOL, None, 3),
    requests.orders_page(SYMBOL, (5, 10), None),
]


def unsigned(raw: str) -> str:
    """The request without what no two of them share."""
    return re.sub(r"timestamp=\d{13}|signature=[0-9a-f]{64}", "", raw)


def test_every_operation_that_the_engine_asks_for_is_built_here():
    assert {call.method for call in CALLS} == set(ENDPOINTS)


def test_requests_equal_those_of_ccxt_byte_for_byte():
    async def run():
        async with running_stub() as stub:
            session = open_session(venue_is_local=True)
            exchange = open_exchange(access(stub.port), session)
            native = NativeTransport(access(stub.port))
            for transport in (CcxtTransport(exchange), native):
                for call in CALLS:
                    stub.script.append(Canned(body="{}"))
                    await transport.exchange(call, 5.0)
                await transport.close()
            await session.close()
            return list(stub.asked)

    asked = asyncio.run(run())
    ccxt, native = asked[: len(CALLS)], asked[len(CALLS) :]
    for call, theirs, ours in zip(CALLS, ccxt, native, strict=True):
        assert (ours.method, ours.path) == (theirs.method, theirs.path), call
        assert unsigned(ours.raw) == unsigned(theirs.raw), call
        if ENDPOINTS[call.method].signed:
            payload, _, signature = ours.raw.rpartition("&signature=")
            wanted = hmac.new(SECRET.encode(), payload.encode(), hashlib.sha256).hexdigest()
            assert signature == wanted
            assert ours.headers["X-MBX-APIKEY"] == KEY


@given(st.text(min_size=1, max_size=200), st.binary(max_size=300))
def test_a_signature_is_hmac_sha256(secret, text):
    signer = Signer(secret)
    wanted = hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()
    assert signer.sign(text) == wanted
    assert signer.sign(text) == wanted, "a pad is used again and again"
    assert secret not in repr(signer) or len(secret) < 8


@pytest.mark.parametrize(
    ("canned", "outcome"),
    [
        (Canned(status=503, body="overloaded"), Outcome.UNKNOWN),
        (Canned(cut="before"), Outcome.UNKNOWN),
        (Canned(cut="middle"), Outcome.UNKNOWN),
        (Canned(body=""), Outcome.UNKNOWN),
        (Canned(body='{"code":-2010,"msg":"Duplicate order sent."}', status=400), Outcome.REFUSED),
        (Canned(body="{}", delay_s=3.0), Outcome.UNKNOWN),
    ],
)
def test_what_a_venue_does_ends_as_an_outcome(canned, outcome):
    async def run():
        async with running_stub() as stub:
            way = msgspec.structs.replace(access(stub.port), timeout_ms=300)
            venue = NativeSpot(way, EngineClock())
            await venue.connect()
            stub.script.append(canned)
            answered = await venue.call(order(OrderKind.LIMIT))
            # Whatever became of that connection, the next request is heard.
            stub.script.append(
                Canned(body='{"code":-2013,"msg":"Order does not exist."}', status=400)
            )
            asked = await venue.call(QueryOrder(symbol=SYMBOL, client_id="sw-a-1-e1"))
            await venue.close()
            return answered, asked

    answered, asked = asyncio.run(run())
    assert answered.outcome is outcome, answered
    assert asked.outcome is Outcome.OK, asked


def test_a_venue_that_is_not_there_was_sent_nothing():
    async def run():
        async with running_stub() as stub:
            venue = NativeSpot(access(stub.port), EngineClock())
            await venue.connect()
        await asyncio.sleep(0.05)  # The goodbye of the kept connection arrives.
        answered = await venue.call(order(OrderKind.LIMIT))
        await venue.close()
        return answered

    assert asyncio.run(run()).outcome is Outcome.NOT_SENT


def test_connections_are_kept_and_a_snapshot_is_read_over_them():
    async def run():
        async with running_stub() as stub:
            venue = NativeSpot(access(stub.port), EngineClock())
            listed = await venue.connect()
            stub.by_path["/api/v3/openOrders"] = Canned(body="[]")
            stub.by_path["/api/v3/myTrades"] = Canned(body="[]")
            request = TakeSnapshot(
                symbol="", symbols=(SYMBOL, "ETHUSDT"), trades_since_ms=0, asked_ns=1
            )
            for _ in range(20):
                assert (await venue.call(request)).outcome is Outcome.OK
            opened = venue._transport._connections.opened
            await venue.close()
            return listed, opened

    listed, opened = asyncio.run(run())
    assert [one.symbol for one in listed] == ["BTCUSDT", "ETHUSDT"]
    assert opened <= 6, "as many as are asked at the same time"


@pytest.mark.parametrize("address", ["ftp://x", "127.0.0.1:80", "http://"])
def test_an_address_that_is_none_is_named(address):
    with pytest.raises(ValueError, match="not an http address"):
        Connections(address)


def test_an_answer_is_never_taken_for_that_of_another_request():
    """A connection whose answer was not awaited to the end is closed, not kept."""

    async def run():
        async with running_stub() as stub:
            transport = NativeTransport(access(stub.port))
            stub.script.append(Canned(body='{"late": 1}', delay_s=0.3))
            record, fault = await transport.exchange(CALLS[-1], 0.1)
            assert (record.status, fault) == (0, "no answer within 0.1 s")
            await asyncio.sleep(0.3)
            stub.script.append(Canned(body='{"mine": 1}'))
            record, _ = await transport.exchange(CALLS[-1], 1.0)
            await transport.close()
            return json.loads(record.body)

    assert asyncio.run(run()) == {"mine": 1}
