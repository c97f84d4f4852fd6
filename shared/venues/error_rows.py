"""The error table's rows: data only; `errors.judge` takes the first row that fits.

A row without a status fits every status, one without codes every code, one without text every text.
HTTP rows stand first because a ban or a 5xx says more than the code beside it. Codes are named one
by one, never as a family: a code that nobody has explained is UNKNOWN (L2).
"""

from __future__ import annotations

from collections.abc import Container
from typing import Final

import msgspec

from shared.messages.venue import Meaning, Outcome

REFUSED: Final = Outcome.REFUSED
THROTTLED: Final = Outcome.THROTTLED
UNKNOWN: Final = Outcome.UNKNOWN

UNCODED: Final = (None,)
"""The codes of a row that fits only an answer without any."""


class Row(msgspec.Struct, frozen=True):
    """One line of the table; an empty venue is every venue, text is part of the message."""

    venue: str
    codes: Container[int | None] | None
    status: int
    text: str
    outcome: Outcome
    meaning: Meaning = Meaning.NONE


def _http(status: int, outcome: Outcome, meaning: Meaning = Meaning.NONE) -> Row:
    return Row("", None, status, "", outcome, meaning)


def _coded(
    venue: str,
    codes: Container[int | None],
    text: str,
    outcome: Outcome,
    meaning: Meaning = Meaning.NONE,
) -> Row:
    return Row(venue, codes, 0, text, outcome, meaning)


HTTP_ROWS: Final = (
    _http(418, THROTTLED, Meaning.BANNED),
    Row("", None, 429, "banned until", THROTTLED, Meaning.BANNED),
    _http(429, THROTTLED, Meaning.RATE),
    _http(451, REFUSED, Meaning.REGION),
    *(_http(status, UNKNOWN) for status in range(500, 600)),
    _http(408, UNKNOWN),
    _http(409, UNKNOWN),
)

SPOT_REQUEST_ISSUES: Final = (
    *(-1100, -1101, -1102, -1103, -1104, -1105, -1106, -1108, -1112, -1114, -1115, -1116, -1117),
    *(-1118, -1119, -1120, -1121, -1122, -1125, -1127, -1128, -1130, -1134, -1135, -1139, -1145),
    *(-1151, -1152, -1153, -1155, -1158, -1160, -1161, -1165, -1166, -1168, -1191, -1194, -1196),
    *(-1197, -1198, -1199, -1210, -1211),
)
"""What the exchange documents as faults of the request's own text: it never got to an engine."""

BINANCE_SPOT_ROWS: Final = (
    # Internal errors and time-outs: the matching engine may have taken the order.
    _coded("binance", (-1000, -1001, -1006, -1007, -1008, -1016), "", UNKNOWN),
    _coded("binance", (-1002,), "", REFUSED, Meaning.PERMISSION),
    _coded("binance", (-1003,), "banned until", THROTTLED, Meaning.BANNED),
    _coded("binance", (-1003, -1015), "", THROTTLED, Meaning.RATE),
    _coded("binance", (-1021,), "", THROTTLED, Meaning.CLOCK),
    _coded("binance", (-1022,), "", REFUSED, Meaning.PERMISSION),
    _coded("binance", (-1013,), "Market is closed", REFUSED, Meaning.OTHER),
    _coded("binance", (-1013, -1111), "", REFUSED, Meaning.FILTER),
    _coded("binance", (-1014, -1020), "", REFUSED, Meaning.BROKEN),
    _coded("binance", SPOT_REQUEST_ISSUES, "", REFUSED, Meaning.BROKEN),
    _coded("binance", (-2010,), "insufficient balance", REFUSED, Meaning.INSUFFICIENT),
    _coded("binance", (-2010,), "immediately match", REFUSED, Meaning.WOULD_MATCH),
    _coded("binance", (-2010,), "trigger immediately", REFUSED, Meaning.WOULD_TRIGGER),
    _coded("binance", (-2010,), "immediately trigger", REFUSED, Meaning.WOULD_TRIGGER),
    # Of an OCO: the market stands at or beyond one of its legs, so its stop cannot rest.
    _coded("binance", (-2010,), "relationship of the prices", REFUSED, Meaning.WOULD_TRIGGER),
    _coded("binance", (-2010,), "Duplicate order", REFUSED, Meaning.DUPLICATE_ID),
    _coded("binance", (-2010,), "Price * QTY is zero", REFUSED, Meaning.FILTER),
    _coded("binance", (-2010,), "Filter failure", REFUSED, Meaning.FILTER),
    _coded("binance", (-2010,), "symbol is restricted", REFUSED, Meaning.REGION),
    _coded("binance", (-2010,), "not permitted for this account", REFUSED, Meaning.REGION),
    _coded("binance", (-2010,), "action is disabled", REFUSED, Meaning.PERMISSION),
    _coded("binance", (-2010,), "may not place or cancel", REFUSED, Meaning.PERMISSION),
    _coded("binance", (-2010,), "trading is not enabled", REFUSED, Meaning.PERMISSION),
    _coded("binance", (-2010,), "not supported", REFUSED, Meaning.BROKEN),
    _coded("binance", (-2010,), "Unsupported order combination", REFUSED, Meaning.BROKEN),
    _coded("binance", (-2010,), "", REFUSED, Meaning.OTHER),
    _coded("binance", (-2011,), "may not place or cancel", REFUSED, Meaning.PERMISSION),
    _coded("binance", (-2011,), "cancel restrictions", REFUSED, Meaning.OTHER),
    # Only these words deny the order; another refused cancel says nothing about it.
    _coded("binance", (-2011,), "Unknown order", REFUSED, Meaning.UNKNOWN_ORDER),
    _coded("binance", (-2011,), "", REFUSED, Meaning.OTHER),
    _coded("binance", (-2013, -2026), "", REFUSED, Meaning.UNKNOWN_ORDER),
    _coded("binance", (-2014, -2015), "", REFUSED, Meaning.PERMISSION),
    _coded("binance", (-2021, -2022), "", UNKNOWN),
    _coded("binance", (-2016, -2035, -2036, -2038, -2039), "", REFUSED, Meaning.OTHER),
    # The firewall answers 403 without a code; the request never reached the exchange.
    Row("binance", UNCODED, 403, "", THROTTLED, Meaning.RATE),
)

BINANCE_FUTURES_ROWS: Final = (
    _coded("binanceusdm", (-1000, -1001, -1006, -1007, -1008), "", UNKNOWN),
    _coded("binanceusdm", (-1003, -1015), "", THROTTLED, Meaning.RATE),
    _coded("binanceusdm", (-1021,), "", THROTTLED, Meaning.CLOCK),
    _coded("binanceusdm", (-2018, -2019), "", REFUSED, Meaning.INSUFFICIENT),
    _coded("binanceusdm", (-5022,), "", REFUSED, Meaning.WOULD_MATCH),
    _coded("binanceusdm", (-2021,), "", REFUSED, Meaning.WOULD_TRIGGER),
    _coded("binanceusdm", (-2011, -2013), "", REFUSED, Meaning.UNKNOWN_ORDER),
    _coded("binanceusdm", (-4116,), "", REFUSED, Meaning.DUPLICATE_ID),
    _coded("binanceusdm", (-1013, -1111, -4003, -4131, -4164), "", REFUSED, Meaning.FILTER),
    _coded("binanceusdm", (-2014, -2015), "", REFUSED, Meaning.PERMISSION),
    _coded("binanceusdm", (-2022,), "", REFUSED, Meaning.OTHER),
    # Conditional orders have an endpoint of their own; the classic one turns them away.
    _coded("binanceusdm", (-4120,), "", REFUSED, Meaning.BROKEN),
)

BYBIT_ROWS: Final = (
    # 10014 is "invalid duplicate request": what the first one did is not said.
    _coded("bybit", (10000, 10014, 10016, 170007, 170146, 170147), "", UNKNOWN),
    _coded("bybit", (10002,), "", THROTTLED, Meaning.CLOCK),
    _coded("bybit", (10006, 10018), "", THROTTLED, Meaning.RATE),
    Row("bybit", None, 403, "too frequent", THROTTLED, Meaning.BANNED),
    _coded("bybit", (110004, 110007, 110012, 170131), "", REFUSED, Meaning.INSUFFICIENT),
    _coded("bybit", (110001, 170213), "", REFUSED, Meaning.UNKNOWN_ORDER),
    _coded("bybit", (110072, 170141), "", REFUSED, Meaning.DUPLICATE_ID),
    _coded("bybit", (110017, 110094), "", REFUSED, Meaning.FILTER),
    _coded("bybit", (170130, 170134, 170136, 170137, 170140), "", REFUSED, Meaning.FILTER),
    _coded("bybit", (170193, 170194), "", REFUSED, Meaning.FILTER),
    _coded("bybit", (170209,), "", REFUSED, Meaning.REGION),
    _coded("bybit", (10003, 10004, 10005, 10024), "", REFUSED, Meaning.PERMISSION),
    # "Order not modified": it already is as asked for.
    _coded("bybit", (110043,), "", Outcome.OK),
)

MEXC_ROWS: Final = (
    _coded("mexc", (700003,), "", THROTTLED, Meaning.CLOCK),
    _coded("mexc", (10101, 30004, 30005), "", REFUSED, Meaning.INSUFFICIENT),
    _coded("mexc", (-2011, -2013), "", REFUSED, Meaning.UNKNOWN_ORDER),
    _coded("mexc", (30002, 30003, 30010, 30087), "", REFUSED, Meaning.FILTER),
    _coded("mexc", (400,), "amount scale", REFUSED, Meaning.FILTER),
    _coded("mexc", (700007,), "", REFUSED, Meaning.PERMISSION),
)

KNOWN_VENUES: Final = ("binance", "binanceusdm", "bybit", "mexc")
"""Whose way of saying yes and no is known; of any other venue nothing is believed."""

ROWS: Final = (
    *HTTP_ROWS,
    *BINANCE_SPOT_ROWS,
    *BINANCE_FUTURES_ROWS,
    *BYBIT_ROWS,
    *MEXC_ROWS,
)
