"""Every row of the error table, over real HTTP, through every way to the venue (O4, L2)."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from venue_stub import (
    Canned,
    access,
    connected_venue,
    order_body,
    refusal,
)

from shared.clock import EngineClock
from shared.messages.venue import (
    CancelOrder,
    Meaning,
    OrderKind,
    Outcome,
    PlaceOrder,
    QueryOrder,
    Side,
    TakeSnapshot,
)
from shared.venues.ccxt_spot import CcxtSpot
from shared.venues.error_rows import ROWS
from shared.venues.errors import Heard, judge, unreadable
from shared.venues.native.live_spot import LiveSpot
from shared.venues.native.spot import NativeSpot

PLACE = PlaceOrder(
    symbol="BTCUSDT",
    client_id="sw-a-1-e1",
    side=Side.BUY,
    kind=OrderKind.LIMIT,
    quantity=Decimal("0.0002"),
    price=Decimal("50000.01"),
)
M = Meaning
REFUSED, THROTTLED, UNKNOWN = Outcome.REFUSED, Outcome.THROTTLED, Outcome.UNKNOWN

# (canned answer, outcome, meaning, code)
OVER_HTTP = [
    (
        refusal(-2010, "Account has insufficient balance for requested action."),
        REFUSED,
        M.INSUFFICIENT,
        "-2010",
    ),
    (refusal(-2010, "Order would immediately match and take."), REFUSED, M.WOULD_MATCH, "-2010"),
    (refusal(-2010, "Stop price would trigger immediately."), REFUSED, M.WOULD_TRIGGER, "-2010"),
    (refusal(-2010, "Order would trigger immediately."), REFUSED, M.WOULD_TRIGGER, "-2010"),
    (
        refusal(-2010, "The relationship of the prices for the orders is not correct."),
        REFUSED,
        M.WOULD_TRIGGER,
        "-2010",
    ),
    (refusal(-2010, "Duplicate order sent."), REFUSED, M.DUPLICATE_ID, "-2010"),
    (refusal(-2010, "This symbol is restricted for this account."), REFUSED, M.REGION, "-2010"),
    (
        refusal(-2010, "This account may not place or cancel orders."),
        REFUSED,
        M.PERMISSION,
        "-2010",
    ),
    (refusal(-2010, "Something nobody has heard of."), REFUSED, M.OTHER, "-2010"),
    (refusal(-2011, "Unknown order sent."), REFUSED, M.UNKNOWN_ORDER, "-2011"),
    (refusal(-2013, "Order does not exist."), REFUSED, M.UNKNOWN_ORDER, "-2013"),
    (refusal(-1013, "Filter failure: LOT_SIZE"), REFUSED, M.FILTER, "-1013"),
    (refusal(-1013, "Filter failure: PRICE_FILTER"), REFUSED, M.FILTER, "-1013"),
    (refusal(-1013, "Filter failure: PERCENT_PRICE_BY_SIDE"), REFUSED, M.FILTER, "-1013"),
    (refusal(-1013, "Filter failure: NOTIONAL"), REFUSED, M.FILTER, "-1013"),
    (refusal(-1013, "Market is closed."), REFUSED, M.OTHER, "-1013"),
    (refusal(-1111, "Parameter 'quantity' has too much precision."), REFUSED, M.FILTER, "-1111"),
    (refusal(-1102, "Mandatory parameter 'price' was not sent."), REFUSED, M.BROKEN, "-1102"),
    (refusal(-1121, "Invalid symbol."), REFUSED, M.BROKEN, "-1121"),
    (refusal(-1022, "Signature for this request is not valid."), REFUSED, M.PERMISSION, "-1022"),
    (refusal(-2014, "API-key format invalid.", 401), REFUSED, M.PERMISSION, "-2014"),
    (
        refusal(-2015, "Invalid API-key, IP, or permissions for action.", 401),
        REFUSED,
        M.PERMISSION,
        "-2015",
    ),
    (Canned(status=451, body=""), REFUSED, M.REGION, "451"),
    (Canned(status=451, body='{"code":0,"msg":"restricted location"}'), REFUSED, M.REGION, "451"),
    (
        refusal(-1021, "Timestamp for this request is outside of the recvWindow."),
        THROTTLED,
        M.CLOCK,
        "-1021",
    ),
    (refusal(-1003, "Too many requests.", 429), THROTTLED, M.RATE, "-1003"),
    (refusal(-1003, "Too much request weight used."), THROTTLED, M.RATE, "-1003"),
    (refusal(-1015, "Too many new orders.", 429), THROTTLED, M.RATE, "-1015"),
    (Canned(status=429, body=""), THROTTLED, M.RATE, "429"),
    (Canned(status=403, body="<html>forbidden</html>"), THROTTLED, M.RATE, "403"),
    (Canned(status=418, body=""), THROTTLED, M.BANNED, "418"),
    (
        refusal(-1003, "Way too much request weight used; IP banned until 1999999999999.", 418),
        THROTTLED,
        M.BANNED,
        "-1003",
    ),
    (refusal(-1003, "IP banned until 1999999999999.", 429), THROTTLED, M.BANNED, "-1003"),
    (refusal(-1000, "An unknown error occurred."), UNKNOWN, M.NONE, "-1000"),
    (refusal(-1001, "Internal error; unable to process your request."), UNKNOWN, M.NONE, "-1001"),
    (
        refusal(-1006, "An unexpected response was received from the message bus."),
        UNKNOWN,
        M.NONE,
        "-1006",
    ),
    (
        refusal(-1007, "Timeout waiting for response from backend server.", 408),
        UNKNOWN,
        M.NONE,
        "-1007",
    ),
    (refusal(-1007, "Timeout waiting for response from backend server."), UNKNOWN, M.NONE, "-1007"),
    (
        refusal(-1008, "Server is currently overloaded with other requests.", 503),
        UNKNOWN,
        M.NONE,
        "-1008",
    ),
    (refusal(-1016, "This service is no longer available."), UNKNOWN, M.NONE, "-1016"),
    (refusal(-1099, "Something new."), UNKNOWN, M.NONE, "-1099"),
    (Canned(status=500, body=""), UNKNOWN, M.NONE, "500"),
    (Canned(status=502, body="<html>bad gateway</html>"), UNKNOWN, M.NONE, "502"),
    (Canned(status=503, body="Service Unavailable."), UNKNOWN, M.NONE, "503"),
    (Canned(status=504, body=""), UNKNOWN, M.NONE, "504"),
    (Canned(status=400, body="bad request"), UNKNOWN, M.NONE, ""),
    (Canned(status=404, body=""), UNKNOWN, M.NONE, ""),
    (Canned(status=409, body=""), UNKNOWN, M.NONE, "409"),
    (Canned(status=200, body=""), UNKNOWN, M.NONE, ""),
    (Canned(status=200, body="OK"), UNKNOWN, M.NONE, ""),
    (Canned(status=200, body="{}"), UNKNOWN, M.NONE, ""),
    (Canned(status=200, body="[]"), UNKNOWN, M.NONE, ""),
    (Canned(status=200, body='{"code":"abc"}'), UNKNOWN, M.NONE, ""),
    (Canned(status=200, body="[1, 2]"), UNKNOWN, M.NONE, ""),
    (Canned(status=200, body=order_body(orderId="28")), UNKNOWN, M.NONE, ""),
    (Canned(status=200, body=order_body(executedQty="NaN")), UNKNOWN, M.NONE, ""),
    (Canned(status=200, body=order_body(executedQty=0.1)), UNKNOWN, M.NONE, ""),
    (Canned(status=200, body=order_body(status="MAYBE")), UNKNOWN, M.NONE, ""),
    (Canned(status=200, body=order_body(clientOrderId="someone-else")), UNKNOWN, M.NONE, ""),
    (Canned(status=200, body=order_body(symbol="ETHUSDT")), UNKNOWN, M.NONE, ""),
    (Canned(cut="before"), UNKNOWN, M.NONE, ""),
    (Canned(cut="middle"), UNKNOWN, M.NONE, ""),
    (Canned(delay_s=1.3), UNKNOWN, M.NONE, ""),
    (Canned(status=200, body=order_body()), Outcome.OK, M.NONE, ""),
]


@pytest.mark.parametrize("open_venue", [CcxtSpot, LiveSpot, NativeSpot])
def test_every_row_over_real_http(open_venue) -> None:
    """Through genuine ccxt, our own session, and the rescue's."""

    async def run() -> list[str]:
        wrong = []
        async with connected_venue(open_venue) as (venue, stub):
            for canned, outcome, meaning, code in OVER_HTTP:
                venue.budget.paused_until_ns = venue.budget.banned_until_ns = 0
                stub.script.append(canned)
                asked = len([one for one in stub.asked if one.method == "POST"])
                answered = await venue.call(PLACE)
                posts = len([one for one in stub.asked if one.method == "POST"]) - asked
                seen = (answered.outcome, answered.meaning, answered.code, posts)
                if seen != (outcome, meaning, code, 1) or answered.sent_ns == 0:
                    wrong.append(f"{canned}: {seen}, {answered.text}")
                stub.script.clear()
        return wrong

    assert asyncio.run(run()) == []


def test_connection_refused_is_not_sent() -> None:
    async def run() -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            venue = CcxtSpot(access(unused.getsockname()[1]), EngineClock())
            try:
                answered = await venue.call(PLACE)
            finally:
                await venue.close()
        assert (answered.outcome, answered.sent_ns) == (Outcome.NOT_SENT, 0)
        assert "ClientConnectorError" in answered.text

    asyncio.run(run())


def test_a_reused_connection_that_was_closed_is_unknown_not_unsent() -> None:
    """The bytes went into a dead socket: the venue may have read them before it died."""

    async def run() -> None:
        async with connected_venue() as (venue, stub):
            stub.script.extend([Canned(cut="before"), Canned(cut="before")])
            answered = await venue.call(CancelOrder(symbol="BTCUSDT", client_id="sw-a-1-e1"))
            assert answered.outcome is Outcome.UNKNOWN
            assert answered.sent_ns > 0

    asyncio.run(run())


def test_unknown_order_answers_a_query_with_proof_of_absence() -> None:
    async def run() -> None:
        async with connected_venue() as (venue, stub):
            stub.script.append(refusal(-2013, "Order does not exist."))
            answered = await venue.call(QueryOrder(symbol="BTCUSDT", client_id="sw-a-1-e1"))
            assert (answered.outcome, answered.orders) == (Outcome.OK, ())
            stub.script.append(Canned(status=502, body=""))
            answered = await venue.call(QueryOrder(symbol="BTCUSDT", client_id="sw-a-1-e1"))
            assert answered.outcome is Outcome.UNKNOWN

    asyncio.run(run())


def test_a_rate_refusal_stops_entries_and_lets_exits_through() -> None:
    async def run() -> None:
        async with connected_venue() as (venue, stub):
            stub.script.append(refusal(-1003, "Too many requests.", 429, **{"Retry-After": "7"}))
            before_ns = EngineClock().now_ns()
            answered = await venue.call(PLACE)
            after_ns = EngineClock().now_ns()
            assert answered.outcome is Outcome.THROTTLED
            assert before_ns + 6.9e9 < answered.retry_at_ns < after_ns + 7.1e9
            entry = await venue.call(PLACE)
            assert (entry.outcome, entry.sent_ns) == (Outcome.THROTTLED, 0)
            assert entry.retry_at_ns == answered.retry_at_ns
            stub.script.append(Canned(body=order_body()))
            assert (await venue.call(PLACE, exit_priority=True)).outcome is Outcome.OK
            # A comparison waits, whatever its priority: its weight would turn this into a ban.
            asked = len(stub.asked)
            snapshot = TakeSnapshot(symbol="", symbols=(), trades_since_ms=0, asked_ns=1)
            compared = await venue.call(snapshot, exit_priority=True)
            assert (compared.outcome, compared.sent_ns) == (Outcome.THROTTLED, 0)
            assert len(stub.asked) == asked

    asyncio.run(run())


def test_a_ban_silences_everything_until_it_ends() -> None:
    async def run() -> None:
        async with connected_venue() as (venue, stub):
            until_ms = time.time_ns() // 1_000_000 + 200_000
            text = f"Way too much request weight used; IP banned until {until_ms}. Please use..."
            stub.script.append(refusal(-1003, text, 418, **{"Retry-After": "150"}))
            answered = await venue.call(PLACE)
            assert answered.meaning is Meaning.BANNED
            assert abs(answered.retry_at_ns / 1e6 - until_ms) < 1000
            sent = len(stub.asked)
            for exit_priority in (False, True):
                silent = await venue.call(PLACE, exit_priority=exit_priority)
                assert (silent.outcome, silent.meaning) == (Outcome.THROTTLED, Meaning.BANNED)
                assert (silent.sent_ns, silent.retry_at_ns) == (0, answered.retry_at_ns)
            assert len(stub.asked) == sent
            assert 190 < venue.silence_s() < 201

    asyncio.run(run())


def test_a_refusal_by_time_measures_the_clock_again() -> None:
    async def run() -> None:
        async with connected_venue() as (venue, stub):
            stub.clock_ahead_ms = 4000
            venue._clock_measured_ns = 0
            stub.script.append(refusal(-1021, "Timestamp for this request was 1000ms ahead."))
            began_ms = time.time_ns() / 1e6
            answered = await venue.call(PLACE)
            assert (answered.outcome, answered.meaning) == (Outcome.THROTTLED, Meaning.CLOCK)
            # A measurement is wrong by half of what it took, at most.
            before_ms = time.time_ns() / 1e6
            error_ms = venue.clock_error_ms()
            assert abs(error_ms + 4000) < 20 + (before_ms - began_ms) / 2
            stub.script.append(Canned(body=order_body()))
            assert (await venue.call(PLACE)).outcome is Outcome.OK
            after_ms = time.time_ns() / 1e6
            assert before_ms - 20 < int(stub.last().params["timestamp"]) + error_ms < after_ms + 20

    asyncio.run(run())


OTHER_VENUES = [
    ("binanceusdm", 400, -2019, "Margin is insufficient.", REFUSED, Meaning.INSUFFICIENT),
    ("binanceusdm", 400, -5022, "Post only", REFUSED, Meaning.WOULD_MATCH),
    ("binanceusdm", 400, -2021, "Order would immediately trigger.", REFUSED, Meaning.WOULD_TRIGGER),
    ("binanceusdm", 400, -4116, "ClientOrderId is duplicated.", REFUSED, Meaning.DUPLICATE_ID),
    ("binanceusdm", 400, -4164, "Order's notional", REFUSED, Meaning.FILTER),
    ("bybit", 200, 10000, "Server Timeout", UNKNOWN, Meaning.NONE),
    ("bybit", 200, 10016, "Internal error", UNKNOWN, Meaning.NONE),
    ("bybit", 200, 170007, "Timeout waiting for response", UNKNOWN, Meaning.NONE),
    ("bybit", 200, 10002, "time exceeds", THROTTLED, Meaning.CLOCK),
    ("bybit", 200, 10006, "Too many visits", THROTTLED, Meaning.RATE),
    ("bybit", 200, 170209, "region", REFUSED, Meaning.REGION),
    ("bybit", 200, 170141, "Duplicate clientOrderId", REFUSED, Meaning.DUPLICATE_ID),
    ("bybit", 200, 110043, "not modified", Outcome.OK, Meaning.NONE),
    ("bybit", 200, 170193, "price band", REFUSED, Meaning.FILTER),
    ("mexc", 400, 30005, "Oversold", REFUSED, Meaning.INSUFFICIENT),
    ("mexc", 400, -2011, "Unknown order", REFUSED, Meaning.UNKNOWN_ORDER),
    ("mexc", 500, 0, "", UNKNOWN, Meaning.NONE),
    ("mexc", 400, 700007, "No permission", REFUSED, Meaning.PERMISSION),
]


@pytest.mark.parametrize(("venue", "status", "code", "text", "outcome", "meaning"), OTHER_VENUES)
def test_rows_of_other_venues(venue, status, code, text, outcome, meaning) -> None:
    names = ("retCode", "retMsg") if venue == "bybit" else ("code", "msg")
    body = json.dumps(dict(zip(names, (code, text), strict=True)))
    verdict = judge(venue, Heard(status=status, body=body))
    assert (verdict.outcome, verdict.meaning) == (outcome, meaning)


def test_a_row_of_one_venue_is_not_another_ones() -> None:
    body = '{"code":-2021,"msg":"Order cancel-replace partially failed."}'
    assert judge("binance", Heard(status=400, body=body)).outcome is UNKNOWN
    assert judge("binanceusdm", Heard(status=400, body=body)).meaning is Meaning.WOULD_TRIGGER


def test_no_row_is_hidden_by_an_earlier_one() -> None:
    """Each row must decide its own example: a row that never fires is a mistake in the order."""
    hidden = []
    for row in ROWS:
        codes = [None] if row.codes is None else list(row.codes)
        venue = row.venue or "binance"
        texts = row.text or "some text"
        bodies = [
            "" if code is None else json.dumps({"code": code, "msg": texts}) for code in codes
        ]
        if row.codes is None and row.text:
            bodies = [json.dumps({"msg": texts})]
        verdicts = [judge(venue, Heard(status=row.status or 400, body=body)) for body in bodies]
        if not any((v.outcome, v.meaning) == (row.outcome, row.meaning) for v in verdicts):
            hidden.append(row)
    assert hidden == []


@given(
    status=st.sampled_from([0, 200, 400, 401, 403, 418, 429, 500, 503]), body=st.text(max_size=80)
)
def test_any_answer_is_judged_without_an_error(status: int, body: str) -> None:
    verdict = judge("binance", Heard(status=status, body=body))
    assert isinstance(verdict.outcome, Outcome)
    if status >= 500 or status == 0:
        assert verdict.outcome is UNKNOWN


@given(code=st.integers(-9999, 9999), status=st.sampled_from([400, 401, 409, 500]))
def test_only_listed_codes_are_refusals(code: int, status: int) -> None:
    """L2: what nobody explained is UNKNOWN, never refused."""
    verdict = judge("binance", Heard(status=status, body=json.dumps({"code": code, "msg": "x"})))
    if verdict.outcome in (REFUSED, THROTTLED):
        assert code in {-1002, -1003, -1013, -1014, -1015, -1020, -1021, -1022} or (
            -2999 <= code <= -2000 or -1199 <= code <= -1100
        )
        assert status < 500
    else:
        assert verdict.outcome is UNKNOWN


def test_unreadable_keeps_its_reason_short() -> None:
    assert unreadable("x" * 1000).outcome is UNKNOWN
    assert len(unreadable("x" * 1000).text) <= 300
