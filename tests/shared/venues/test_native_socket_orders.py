"""Orders over the WebSocket API: ccxt's frames byte for byte, HTTP's outcomes (L2)."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

import msgspec
import pytest
from ccxt.async_support.base.ws.client import json_dumps
from hypothesis import given
from hypothesis import strategies as st
from raw_venue import on_uvloop
from test_native_connections import CANCEL, ORDER
from test_native_transport import CALLS
from venue_stub import Canned, access, connected_venue, order_body, refusal, until

from shared.errors import MessageError
from shared.messages.base import Reader
from shared.messages.venue import Meaning, Outcome
from shared.venues.native import socket_link, socket_transport
from shared.venues.native.socket_requests import ENVELOPE, METHODS, SUBSCRIBE, FrameBuilder, fill
from shared.venues.redirect import open_exchange, open_session
from shared.venues.transport import Exchanged

NOW_MS = 1_700_000_000_123


@asynccontextmanager
async def trading(**changes):
    """A session whose orders go over a socket that is up, and its stub."""
    async with connected_venue("ws", **changes) as (venue, stub):
        streaming = asyncio.create_task(venue.stream(lambda _: None))
        try:
            await until(lambda: venue.figures()["venue_sessions"] == 1)
            yield venue, stub
        finally:
            streaming.cancel()
            await asyncio.gather(streaming, return_exceptions=True)


def by_socket(stub):
    return [one for one in stub.asked if one.path == "/ws-api/v3"]


def test_frames_equal_those_of_ccxt_byte_for_byte():
    way = access(1)

    async def run():
        session = open_session(venue_is_local=True)
        exchange = open_exchange(way, session)
        exchange.nonce = lambda: NOW_MS
        builder = FrameBuilder(way)
        wanted = [(METHODS[one.method], one.params) for one in CALLS if one.method in METHODS]
        for method, params in [*wanted, (SUBSCRIBE, {})]:
            message = {"id": "7", "method": method, "params": exchange.sign_params(dict(params))}
            theirs = json_dumps(message)
            ours = builder.build(method, params, "7", NOW_MS)
            assert ours == (theirs if isinstance(theirs, bytes) else theirs.encode())
        await exchange.close()
        await session.close()
        return len(wanted)

    assert on_uvloop(run()) >= 6


@pytest.mark.parametrize(
    ("canned", "outcome", "meaning"),
    [
        (Canned(body=order_body()), Outcome.OK, Meaning.NONE),
        (refusal(-2010, "Duplicate order sent."), Outcome.REFUSED, Meaning.DUPLICATE_ID),
        (refusal(-1021, "Timestamp is outside."), Outcome.THROTTLED, Meaning.CLOCK),
        (refusal(-1007, "Timeout waiting for response.", 504), Outcome.UNKNOWN, Meaning.NONE),
        (refusal(-1000, "An unknown error occurred.", 500), Outcome.UNKNOWN, Meaning.NONE),
        (Canned(body=""), Outcome.UNKNOWN, Meaning.NONE),
        (Canned(body="null"), Outcome.UNKNOWN, Meaning.NONE),
        (Canned(body=order_body(symbol="ETHUSDT")), Outcome.UNKNOWN, Meaning.NONE),
        (Canned(status=503, body=""), Outcome.UNKNOWN, Meaning.NONE),
        (Canned(body="{"), Outcome.UNKNOWN, Meaning.NONE),
        (Canned(cut="before"), Outcome.UNKNOWN, Meaning.NONE),
        (Canned(body=order_body(), delay_s=2.0), Outcome.UNKNOWN, Meaning.NONE),
    ],
)
def test_an_answer_means_what_it_means_over_http(canned, outcome, meaning):
    async def run():
        async with trading(timeout_ms=-200) as (venue, stub):
            stub.script.append(canned)
            answered = await venue.call(ORDER)
            assert (answered.outcome, answered.meaning) == (outcome, meaning), answered
            assert answered.sent_ns > 0
            assert [one.method for one in by_socket(stub)] == ["order.place"]
            # Whatever became of that session, the next is heard.
            stub.script.clear()
            stub.script.append(refusal(-2011, "Unknown order sent."))
            cancelled = await venue.call(CANCEL)
            assert (cancelled.outcome, cancelled.meaning) == (
                Outcome.REFUSED,
                Meaning.UNKNOWN_ORDER,
            )

    on_uvloop(run())


def test_a_session_that_is_down_is_no_reason_to_wait():
    async def run():
        async with connected_venue("ws") as (venue, stub):
            stub.script.append(Canned(body=order_body()))
            assert (await venue.call(ORDER)).outcome is Outcome.OK
            assert by_socket(stub) == []
            assert (stub.last().method, stub.last().path) == ("POST", "/api/v3/order")
            assert venue.figures()["venue_orders_by_http"] == 1

    on_uvloop(run())


def test_answers_find_their_requests_in_any_order():
    async def run():
        async with trading() as (venue, stub):
            stub.script.append(Canned(body=order_body(), delay_s=0.2))
            first = asyncio.create_task(venue.call(ORDER))
            await until(lambda: len(by_socket(stub)) == 1)
            link = venue._session._link
            other = asyncio.get_running_loop().create_future()
            link._answers["late"] = other
            for spoilt in ('{"id":"nobody","status":200,"result":{}}', "[]", "{", '{"id":1}'):
                link._take(spoilt.encode())
            link._take(b'{"id":"late","status":200,"result":{"a":1}}')
            assert bytes((await other).result) == b'{"a":1}'
            assert (await first).orders[0].client_id == ORDER.client_id
            assert venue.figures()["venue_session_malformed"] == 2

    on_uvloop(run())


def test_counters_and_pauses_of_a_session_feed_the_same_budget():
    rows = (
        ("ORDERS", "SECOND", 10, 12),
        ("ORDERS", "DAY", 1, 4),
        ("REQUEST_WEIGHT", "MINUTE", 1, 321),
        ("CONNECTIONS", "MINUTE", 5, 7),
    )
    names = ("rateLimitType", "interval", "intervalNum", "count")
    counters = json.dumps([{**dict(zip(names, row, strict=True)), "limit": 9} for row in rows])

    async def run():
        async with trading() as (venue, stub):
            stub.script.append(Canned(body=order_body(), headers={"rateLimits": counters}))
            assert (await venue.call(ORDER)).outcome is Outcome.OK
            assert venue.budget.weight.used >= 321
            assert venue.budget.orders.used >= 12
            times = {"serverTime": NOW_MS, "retryAfter": NOW_MS + 6_500}
            body = {"code": -1003, "msg": "Too much request weight used.", "data": times}
            stub.script.append(Canned(status=429, body=json.dumps(body)))
            answered = await venue.call(ORDER)
            assert (answered.outcome, answered.meaning) == (Outcome.THROTTLED, Meaning.RATE)
            pause_s = (answered.retry_at_ns - venue._clock.now_ns()) / 1e9
            assert 6 < pause_s <= 7
            held = await venue.call(ORDER)
            assert (held.outcome, held.sent_ns) == (Outcome.THROTTLED, 0)

    on_uvloop(run())


def test_a_session_is_followed_before_it_is_cut(monkeypatch):
    """Make before break: what waits in the old session still gets its answer."""
    monkeypatch.setattr(socket_transport, "LOOK_S", 0.02)

    async def run():
        async with trading() as (venue, stub):
            session = venue._session
            old = session._link
            stub.script.append(Canned(body=order_body(), delay_s=0.3))
            waiting = asyncio.create_task(venue.call(ORDER))
            await until(lambda: len(by_socket(stub)) == 1)
            if session.sessions == 1:
                old._take(b'{"event":{"e":"serverShutdown","E":1}}')
            await until(lambda: session.sessions == 2)
            assert session._link is not old
            assert not old.closed.done()
            assert (await waiting).outcome is Outcome.OK
            monkeypatch.setattr(socket_transport, "LAST_ANSWERS_S", 0.05)
            monkeypatch.setattr(socket_transport, "ROTATE_S", 0.1)
            await until(lambda: session.sessions >= 4)
            monkeypatch.setattr(socket_transport, "ROTATE_S", 1000.0)
            stub.script.append(Canned(body=order_body()))
            assert (await venue.call(ORDER)).outcome is Outcome.OK
            assert len(by_socket(stub)) == 2

    on_uvloop(run())


def test_a_silent_session_is_replaced(monkeypatch):
    monkeypatch.setattr(socket_transport, "SILENT_S", 0.2)
    monkeypatch.setattr(socket_transport, "LOOK_S", 0.05)

    async def run():
        async with trading() as (venue, _):
            await until(lambda: venue.figures()["venue_sessions"] >= 2)

    on_uvloop(run())


def test_pings_keep_a_session_that_says_nothing(monkeypatch):
    monkeypatch.setattr(socket_transport, "SILENT_S", 1.0)
    monkeypatch.setattr(socket_transport, "LOOK_S", 0.05)
    monkeypatch.setattr(socket_link, "PING_S", 0.05)

    async def run():
        async with trading() as (venue, _):
            await asyncio.sleep(2.2)
            assert venue.figures()["venue_sessions"] == 1

    on_uvloop(run())


def test_the_last_check_holds_a_frame_back():
    async def run():
        async with trading() as (venue, stub):
            answered = await venue.call(ORDER, last_check=lambda: "too old")
            assert (answered.outcome, answered.code) == (Outcome.NOT_SENT, "stale_turn")
            assert by_socket(stub) == []

    on_uvloop(run())


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["id", "status", "result", "error", "rateLimits"]), VALUES))
def test_any_frame_is_an_answer_or_an_error(frame):
    try:
        envelope = ENVELOPE.read(msgspec.json.encode(frame))
        record = Exchanged(sent=True)
        fill(record, envelope)
    except MessageError:
        return
    assert record.status == (envelope.status or 0)
    if record.status == 200 and record.body:
        assert Reader(object).read(record.body) == Reader(object).read(bytes(envelope.result))
