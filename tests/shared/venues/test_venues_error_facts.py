"""What is known of four venues' errors, row by row, and that nothing else is ever believed (L2).

The table below was gathered by running clients against the venues' own words; it is written down
here independently of `error_rows.py`, which is what it judges.
"""

from __future__ import annotations

import asyncio
import json
from typing import NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.clock import EngineClock
from shared.messages.base import Reader
from shared.messages.venue import Meaning, Outcome
from shared.venues import binance_answers as answers
from shared.venues import binance_requests as requests
from shared.venues.credentials import Credentials
from shared.venues.error_rows import KNOWN_VENUES, ROWS
from shared.venues.errors import Heard, judge
from shared.venues.transport import Exchanged
from shared.venues.wire import Wire

M = Meaning
OK, REFUSED, THROTTLED, UNKNOWN = (
    Outcome.OK,
    Outcome.REFUSED,
    Outcome.THROTTLED,
    Outcome.UNKNOWN,
)


class Fact(NamedTuple):
    """One thing that a venue says, and what it means for an order that was sent."""

    venue: str
    status: int
    code: int | None
    text: str
    outcome: Outcome
    meaning: Meaning = M.NONE


def each(venue: str, status: int, codes: tuple[int, ...], text: str, *judged) -> list[Fact]:
    """The same fact of several codes."""
    return [Fact(venue, status, code, text, *judged) for code in codes]


INSUFFICIENT = [
    Fact("binance", 400, -2010, "Account has insufficient balance for requested action.", REFUSED),
    *each("binanceusdm", 400, (-2018, -2019), "Margin is insufficient.", REFUSED),
    *each("bybit", 200, (110004, 110007, 110012, 170131), "not enough", REFUSED),
    *each("mexc", 400, (30004, 30005, 10101), "Oversold", REFUSED),
]
WOULD_MATCH = [
    Fact("binance", 400, -2010, "Order would immediately match and take.", REFUSED),
    Fact("binanceusdm", 400, -5022, "Due to the order could not be executed as maker", REFUSED),
]
WOULD_TRIGGER = [
    Fact("binance", 400, -2010, "Stop price would trigger immediately.", REFUSED),
    Fact("binanceusdm", 400, -2021, "Order would immediately trigger.", REFUSED),
]
UNKNOWN_ORDER = [
    Fact("binance", 400, -2011, "Unknown order sent.", REFUSED),
    Fact("binance", 400, -2013, "Order does not exist.", REFUSED),
    *each("binanceusdm", 400, (-2011, -2013), "Order does not exist.", REFUSED),
    *each("bybit", 200, (110001, 170213), "order not exists", REFUSED),
    *each("mexc", 400, (-2011, -2013), "Unknown order", REFUSED),
]
DUPLICATE_ID = [
    Fact("binance", 400, -2010, "Duplicate order sent.", REFUSED),
    Fact("binanceusdm", 400, -4116, "ClientOrderId is duplicated.", REFUSED),
    *each("bybit", 200, (110072, 170141), "Duplicate clientOrderId.", REFUSED),
]
FILTER = [
    *(
        Fact("binance", 400, -1013, f"Filter failure: {name}", REFUSED)
        for name in ("LOT_SIZE", "PRICE_FILTER", "PERCENT_PRICE_BY_SIDE", "NOTIONAL")
    ),
    Fact("binance", 400, -1111, "Parameter 'price' has too much precision.", REFUSED),
    *each("binanceusdm", 400, (-4164, -4003, -4131), "Order's notional", REFUSED),
    *each("bybit", 200, (170134, 170136, 170137, 170140, 110017, 110094), "lower", REFUSED),
    *each("bybit", 200, (170193, 170194, 170130), "price band", REFUSED),
    *each("mexc", 400, (30002, 30003, 30010, 30087), "minimum", REFUSED),
    Fact("mexc", 400, 400, "amount scale is invalid", REFUSED),
]
REGION = [
    Fact("binance", 451, 0, "Service unavailable from a restricted location", REFUSED),
    Fact("binance", 451, None, "", REFUSED),
    Fact("bybit", 200, 170209, "Not available in your region", REFUSED),
]
PERMISSION = [
    Fact("bybit", 200, 10024, "compliance rules", REFUSED),
    Fact("mexc", 400, 700007, "No permission to access the endpoint", REFUSED),
    Fact("binance", 401, -2015, "Invalid API-key, IP, or permissions for action.", REFUSED),
]
CLOCK = [
    Fact("binance", 400, -1021, "Timestamp is outside of the recvWindow.", THROTTLED),
    Fact("bybit", 200, 10002, "invalid request, please check your server timestamp", THROTTLED),
    Fact("mexc", 400, 700003, "Timestamp for this request is outside", THROTTLED),
]
RATE = [
    Fact("binance", 429, -1003, "Too many requests.", THROTTLED),
    Fact("binance", 429, -1015, "Too many new orders.", THROTTLED),
    Fact("binance", 429, None, "", THROTTLED),
    *each("bybit", 200, (10006, 10018), "Too many visits!", THROTTLED),
    Fact("mexc", 429, None, "", THROTTLED),
]
BANNED = [
    Fact("binance", 418, -1003, "IP banned until 1999999999999.", THROTTLED),
    Fact("binance", 418, None, "", THROTTLED),
    Fact("bybit", 403, None, "access too frequent", THROTTLED),
]
NOTHING_KNOWN = [
    *each("binance", 400, (-1006, -1000, -1001), "An unknown error", UNKNOWN),
    Fact("binance", 408, -1007, "Timeout waiting for response from backend server.", UNKNOWN),
    Fact("binance", 400, -1007, "Timeout waiting for response from backend server.", UNKNOWN),
    # It says "overloaded", not "not executed".
    Fact("binance", 503, -1008, "Server is currently overloaded.", UNKNOWN),
    Fact("binance", 400, -1008, "Server is currently overloaded.", UNKNOWN),
    Fact("binanceusdm", 503, None, "Service Unavailable.", UNKNOWN),
    *each("binance", 409, (-2021, -2022), "Order cancel-replace partially failed.", UNKNOWN),
    *each("binance", 400, (-2021, -2022), "Order cancel-replace partially failed.", UNKNOWN),
    *(Fact("binance", status, None, "<html>", UNKNOWN) for status in (500, 502, 503, 504)),
    *each("bybit", 200, (170007, 10000, 10016), "Server Timeout", UNKNOWN),
    Fact("bybit", 200, 10014, "Invalid duplicate request", UNKNOWN),
    Fact("mexc", 504, None, "", UNKNOWN),
    Fact("mexc", 500, 500, "internal error", UNKNOWN),
    *(Fact("binance", status, None, "", UNKNOWN) for status in (400, 404, 409)),
    *(Fact(venue, 200, None, "", UNKNOWN) for venue in KNOWN_VENUES),
    *(Fact(venue, 200, None, "<html>ok</html>", UNKNOWN) for venue in KNOWN_VENUES),
]
FACTS = [
    *(fact._replace(meaning=M.INSUFFICIENT) for fact in INSUFFICIENT),
    *(fact._replace(meaning=M.WOULD_MATCH) for fact in WOULD_MATCH),
    *(fact._replace(meaning=M.WOULD_TRIGGER) for fact in WOULD_TRIGGER),
    *(fact._replace(meaning=M.UNKNOWN_ORDER) for fact in UNKNOWN_ORDER),
    *(fact._replace(meaning=M.DUPLICATE_ID) for fact in DUPLICATE_ID),
    *(fact._replace(meaning=M.FILTER) for fact in FILTER),
    *(fact._replace(meaning=M.REGION) for fact in REGION),
    *(fact._replace(meaning=M.PERMISSION) for fact in PERMISSION),
    *(fact._replace(meaning=M.CLOCK) for fact in CLOCK),
    *(fact._replace(meaning=M.RATE) for fact in RATE),
    *(fact._replace(meaning=M.BANNED) for fact in BANNED),
    *NOTHING_KNOWN,
    Fact("binanceusdm", 400, -2022, "ReduceOnly Order is rejected.", REFUSED, M.OTHER),
    # "Not modified": it already is as it was asked to be.
    Fact("bybit", 200, 110043, "Set leverage not modified", OK),
]


def body_of(fact: Fact) -> str:
    """The answer's body as that venue writes it; the bare text where it has no code."""
    if fact.code is None:
        return fact.text
    names = ("retCode", "retMsg") if fact.venue == "bybit" else ("code", "msg")
    return json.dumps(dict(zip(names, (fact.code, fact.text), strict=True)))


@pytest.mark.parametrize("fact", FACTS, ids=lambda f: f"{f.venue}:{f.status}:{f.code}:{f.meaning}")
def test_every_known_fact(fact: Fact) -> None:
    verdict = judge(fact.venue, Heard(status=fact.status, body=body_of(fact)))
    assert (verdict.outcome, verdict.meaning) == (fact.outcome, fact.meaning), verdict


REFUSED_CODES = {
    venue: {
        code
        for row in ROWS
        if row.venue == venue and row.codes is not None and row.outcome in (REFUSED, THROTTLED)
        for code in row.codes
        if code is not None
    }
    for venue in KNOWN_VENUES
}


@pytest.mark.parametrize("venue", KNOWN_VENUES)
@pytest.mark.parametrize("status", [200, 400, 401, 403, 404])
def test_every_code_that_is_not_in_the_table_is_unknown(venue: str, status: int) -> None:
    """All of them, not a sample: a new code of the venue's must never look like a refusal."""
    name = "retCode" if venue == "bybit" else "code"
    tens = range(0, 200_000, 10) if venue in ("bybit", "mexc") else ()
    believed = REFUSED_CODES[venue] | {0, 200, 110043, 400}
    wrong = [
        code
        for code in {*range(-6000, 0), *tens}
        if code not in believed
        and judge(venue, Heard(status=status, body=json.dumps({name: code}))).outcome is not UNKNOWN
    ]
    assert wrong == []


@pytest.mark.parametrize("venue", ["binance", "binanceusdm"])
@pytest.mark.parametrize("status", [200, 201, 204, 301, 302, 307, 500, 503, 599])
def test_a_refusal_beside_a_status_that_says_otherwise_is_unknown(venue: str, status: int) -> None:
    body = json.dumps({"code": -2010, "msg": "Account has insufficient balance"})
    assert judge(venue, Heard(status=status, body=body)).outcome is UNKNOWN


@pytest.mark.parametrize("body", ["{}", "[]", '{"orderId":1}', '{"code":-2010,"msg":"Duplicate"}'])
@pytest.mark.parametrize("status", [0, 200, 400, 403, 418, 429, 451, 500])
def test_a_venue_whose_words_are_not_known_proves_nothing(body: str, status: int) -> None:
    """Kraken says 200 and lists its errors in the body: without its rows that would be a yes."""
    assert judge("kraken", Heard(status=status, body=body)).outcome is UNKNOWN


@pytest.mark.parametrize(
    "body",
    [
        "",
        " ",
        "null",
        "true",
        "5",
        '"ok"',
        "{",
        '{"code":0',
        '{"code":"abc"}',
        '{"code":1.5}',
        '{"code":true}',
        '{"code":null}',
        '{"code":[0]}',
        '{"code":"0x1"}',
        '{"code":1180591620717411303424}',
        '{"code":NaN}',
        "\ufeff{}",
        "{} {}",
        "[1",
        "<html></html>",
    ],
)
@pytest.mark.parametrize("venue", KNOWN_VENUES)
def test_a_success_must_be_whole(venue: str, body: str) -> None:
    assert judge(venue, Heard(status=200, body=body)).outcome is UNKNOWN


def test_bybit_says_yes_only_in_its_envelope() -> None:
    assert judge("bybit", Heard(status=200, body="{}")).outcome is UNKNOWN
    assert judge("bybit", Heard(status=200, body='{"orderId":"1"}')).outcome is UNKNOWN
    assert judge("bybit", Heard(status=200, body='{"retCode":0,"result":{}}')).outcome is OK


def test_a_request_that_did_not_leave_is_the_only_one_not_sent() -> None:
    for venue in KNOWN_VENUES:
        assert judge(venue, Heard(sent=False, fault="refused")).outcome is Outcome.NOT_SENT
        assert judge(venue, Heard(sent=True, fault="cut")).outcome is UNKNOWN


CODES = st.one_of(
    st.sampled_from(sorted({code for row in ROWS for code in row.codes or () if code})),
    st.integers(-10_000, 200_000),
    st.none(),
    st.booleans(),
    st.floats(),
    st.text(max_size=6),
)
TEXTS = st.one_of(
    st.sampled_from(sorted({row.text for row in ROWS} | {fact.text for fact in FACTS})),
    st.text(max_size=30),
)
BODIES = st.one_of(
    st.builds(
        lambda name, code, text, more: json.dumps({**more, name: code, "msg": text}),
        st.sampled_from(["code", "retCode"]),
        CODES,
        TEXTS,
        st.dictionaries(st.sampled_from(["orderId", "clientOrderId", "status"]), st.integers()),
    ),
    st.text(max_size=60),
    st.just(""),
)


@given(
    venue=st.sampled_from([*KNOWN_VENUES, "kraken", ""]),
    status=st.one_of(st.sampled_from([0, 200, 400, 418, 429, 451, 503]), st.integers(0, 999)),
    body=BODIES,
    cut=st.integers(0, 80),
    sent=st.booleans(),
)
@example(venue="binance", status=200, body="", cut=0, sent=True)
@example(venue="binance", status=503, body='{"code":-2010,"msg":"Duplicate"}', cut=0, sent=True)
def test_nothing_is_ever_believed_without_cause(venue, status, body, cut, sent) -> None:
    """OK and REFUSED need a complete answer, a status that goes with it, and words that are known;
    everything else may have happened."""
    body = body[: len(body) - cut] if cut < len(body) else body
    outcome = judge(venue, Heard(status=status, body=body, sent=sent)).outcome
    if status == 0:
        assert outcome is (UNKNOWN if sent else Outcome.NOT_SENT) or venue not in KNOWN_VENUES
        return
    assert outcome is not Outcome.NOT_SENT
    try:
        said = json.loads(body)
    except ValueError:
        said = None
    if outcome is OK:
        assert status == 200 or (venue == "bybit" and said["retCode"] == 110043)
        assert isinstance(said, dict | list)
    if outcome is REFUSED and status != 451:
        assert 400 <= status < 500 or (status == 200 and venue in ("bybit", "mexc"))
        code = said.get("code", said.get("retCode"))
        assert int(code) in REFUSED_CODES[venue]
    if status >= 500 or (status == 200 and not isinstance(said, dict | list)):
        assert outcome is UNKNOWN


class Scripted:
    """A transport that answers as told."""

    def __init__(self, status: int, body: str) -> None:
        self.record = Exchanged(sent=True, status=status, headers={}, body=body)

    async def exchange(self, call, deadline_s, last_check=None):
        return self.record, ""


READERS = [answers.ORDER, answers.ORDER_LIST, answers.CANCELED, answers.ORDERS, answers.ACCOUNT]


@given(
    status=st.one_of(st.sampled_from([200, 400]), st.integers(100, 599)),
    body=BODIES,
    reader=st.sampled_from(READERS),
)
def test_an_answer_is_ok_on_the_wire_only_with_its_content(
    status: int, body: str, reader: Reader
) -> None:
    credentials = Credentials(api_key="key", api_secret="secret")
    wire = Wire(Scripted(status, body), credentials, EngineClock(), 1000)
    answer = asyncio.run(wire.ask(requests.TIME, reader))
    if answer.is_ok:
        assert status == 200
        assert answer.content is not None
    if status >= 500 or not body:
        assert answer.verdict.outcome in (UNKNOWN, REFUSED if status == 451 else UNKNOWN, THROTTLED)
        assert answer.verdict.outcome is UNKNOWN or status in (403, 418, 429, 451)
