"""A 200 with what was promised is OK without the table, and only where the table says OK (L2)."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from venue_stub import order_body

from shared.messages.venue import Outcome
from shared.venues import binance_answers as answers
from shared.venues.transport import Exchanged
from shared.venues.wire import _judged, _plain_content

ORDER = json.loads(order_body())
CODES = st.sampled_from([0, 200, -1000, -1021, -2010, "x", "-2010", None, True, 1.5, [], {}])
EXTRAS = st.dictionaries(
    st.sampled_from(["code", "retCode", "msg", "c\\u006fde", "selfTrade", "symbol"]), CODES
)


@given(
    status=st.sampled_from([200, 200, 200, 201, 400, 429, 500, 503]),
    extras=EXTRAS,
    cut=st.integers(0, 40),
    escaped=st.booleans(),
)
def test_the_short_way_never_says_more_than_the_table(status, extras, cut, escaped):
    body = json.dumps({**ORDER, **extras}).replace("\\\\u006f", "\\u006f")
    if escaped:
        body = body.replace('"code"', '"\\u0063ode"')
    body = body[: len(body) - cut] if cut < 20 else body
    record = Exchanged(sent=True, status=status, body=body)
    content = _plain_content(record, answers.ORDER)
    verdict, judged = _judged(record, "", answers.ORDER)
    if content is not None:
        assert verdict.outcome is Outcome.OK
        assert judged == content


def test_an_ordinary_answer_goes_the_short_way():
    for body, reader in (
        (order_body(selfTradePreventionMode="EXPIRE_MAKER"), answers.ORDER),
        ('{"serverTime":1499827319559}', answers.SERVER_TIME),
        ("[]", answers.ORDERS),
    ):
        record = Exchanged(sent=True, status=200, body=body)
        assert _plain_content(record, reader) is not None
