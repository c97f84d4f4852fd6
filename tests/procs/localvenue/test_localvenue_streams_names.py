"""Stream names and requests about streams, whatever they say."""

from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from procs.localvenue.protocols.binance_spot.candles import INTERVALS_MS
from procs.localvenue.protocols.binance_spot.stream_names import parse_stream
from procs.localvenue.protocols.binance_spot.stream_requests import (
    METHODS,
    BadStreamRequestError,
    read_stream_request,
)

SYMBOLS = frozenset({"BTCUSDT", "ETHUSDT", "1000SATSUSDT"})
ALL_INTERVALS = [
    *("1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h"),
    *("4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M"),
]
OF_ONE_SYMBOL = {
    **{"trade": 0, "aggTrade": 0, "bookTicker": 0},
    **{"depth": 1_000, "depth@100ms": 100, "depth@1000ms": 1_000},
    **{f"depth{levels}": 1_000 for levels in (5, 10, 20)},
    **{f"depth{levels}@100ms": 100 for levels in (5, 10, 20)},
    **{"miniTicker": 1_000, "ticker": 1_000, "avgPrice": 1_000},
    **{f"ticker_{window}": 1_000 for window in ("1h", "4h", "1d")},
    **{f"kline_{one}": 1_000 if one == "1s" else 2_000 for one in ALL_INTERVALS},
    **{f"kline_{one}@+08:00": 1_000 if one == "1s" else 2_000 for one in ALL_INTERVALS},
}
OF_ALL_SYMBOLS = (
    "!miniTicker@arr",
    "!ticker@arr",
    *(f"!ticker_{w}@arr" for w in ("1h", "4h", "1d")),
)


@pytest.mark.parametrize("rest", OF_ONE_SYMBOL)
def test_every_documented_stream_of_a_symbol(rest):
    stream = parse_stream(f"1000satsusdt@{rest}", SYMBOLS)
    assert stream is not None
    assert (stream.symbol, stream.every_ms) == ("1000SATSUSDT", OF_ONE_SYMBOL[rest])
    assert stream.offset_ms == (8 * 3_600_000 if rest.endswith("+08:00") else 0)


@pytest.mark.parametrize("name", OF_ALL_SYMBOLS)
def test_every_documented_stream_of_all_symbols(name):
    stream = parse_stream(name, SYMBOLS)
    assert stream is not None
    assert (stream.symbol, stream.every_ms) == ("", 1_000)


def test_streams_and_rest_know_the_same_intervals():
    assert set(INTERVALS_MS) == set(ALL_INTERVALS)


@pytest.mark.parametrize(
    "name",
    [
        *("", "@", "!", "btcusdt", "btcusdt@", "@trade", "BTCUSDT@trade", "btcUSDT@trade"),
        *("nopeusdt@trade", "btcusdt@Trade", "btcusdt@trade ", " btcusdt@trade"),
        *("btcusdt@depth7", "btcusdt@depth5@250ms", "btcusdt@depth@", "btcusdt@depth@10ms@100ms"),
        *("btcusdt@kline_", "btcusdt@kline_7m", "btcusdt@kline_1M@+09:00", "btcusdt@kline_1d@"),
        *("btcusdt@ticker_2h", "btcusdt@ticker_", "!ticker", "!trade@arr", "!ticker_2h@arr"),
        *("!bookTicker", "!miniTicker@arr@3000ms", "btcusdt@trade@100ms", "ıcusdt@trade"),
    ],
)
def test_names_that_mean_nothing(name):
    assert parse_stream(name, SYMBOLS) is None


REST = st.sampled_from([*OF_ONE_SYMBOL, *OF_ALL_SYMBOLS, "@", "100ms", "depth", "+08:00", "K", "!"])


@given(st.text(max_size=40) | st.lists(REST, max_size=4).map("@".join).map("btcusdt@".__add__))
@example("btcusdt@depth05")
def test_a_name_is_known_exactly_when_it_is_documented(name):
    stream = parse_stream(name, SYMBOLS)
    symbol, _, rest = name.partition("@")
    is_documented = name in OF_ALL_SYMBOLS or (
        symbol in {one.lower() for one in SYMBOLS} and rest in OF_ONE_SYMBOL
    )
    assert (stream is not None) == is_documented
    assert stream is None or stream.name == name


def refusal(text):
    with pytest.raises(BadStreamRequestError) as caught:
        read_stream_request(text)
    return caught.value.answer


@pytest.mark.parametrize("request_id", [0, 1, 2**63 - 1, -1, "", "a-b_c", "x" * 36, None])
@pytest.mark.parametrize("method", METHODS)
def test_ids_and_methods_that_are_taken(request_id, method):
    params = {"SET_PROPERTY": ["combined", True], "GET_PROPERTY": ["combined"]}
    params.update(SUBSCRIBE=["a", "b"], UNSUBSCRIBE=[], LIST_SUBSCRIPTIONS=[])
    request = read_stream_request(
        json.dumps({"method": method, "params": params[method], "id": request_id})
    )
    assert (request.id, request.method) == (request_id, method)
    assert request.names == (("a", "b") if method == "SUBSCRIBE" else ())
    assert request.value == (method == "SET_PROPERTY")


VARIANTS = ", ".join(f"`{method}`" for method in METHODS)
NO_ID = "request ID must be an unsigned integer"
NO_NAME = "property name must be a string"


@pytest.mark.parametrize(
    ("text", "code", "message", "request_id"),
    [
        ('{"method":"SET_PROPERTY","params":["volume",true],"id":3}', 0, "Unknown property", 3),
        ('{"method":"GET_PROPERTY","params":["volume"],"id":3}', 0, "Unknown property", 3),
        (
            '{"method":"SET_PROPERTY","params":["combined",1],"id":3}',
            *(1, "Invalid value type: expected Boolean", 3),
        ),
        (
            '{"method":"SET_PROPERTY","params":["combined"],"id":3}',
            *(1, "Invalid value type: expected Boolean", 3),
        ),
        ('{"method":"SET_PROPERTY","params":[],"id":3}', 2, NO_NAME, 3),
        ('{"method":"GET_PROPERTY","params":[7],"id":3}', 2, NO_NAME, 3),
        ('{"method":"GET_PROPERTY","id":3}', 2, NO_NAME, 3),
        ('{"method":"GET_PROPERTY","params":["combined",1],"id":3}', 2, "too many parameters", 3),
        (
            '{"method":"SET_PROPERTY","params":["combined",true,1],"id":3}',
            *(2, "too many parameters", 3),
        ),
        ('{"method":"LIST_SUBSCRIPTIONS","params":["a"],"id":3}', 2, "too many parameters", 3),
        ('{"method":"SUBSCRIBE","params":["a"]}', 2, NO_ID, None),
        ('{"method":"SUBSCRIBE","params":["a"],"id":1.5}', 2, NO_ID, None),
        ('{"method":"SUBSCRIBE","params":["a"],"id":true}', 2, NO_ID, None),
        ('{"method":"SUBSCRIBE","params":["a"],"id":[1]}', 2, NO_ID, None),
        ('{"method":"SUBSCRIBE","params":["a"],"id":9223372036854775808}', 2, NO_ID, None),
        (f'{{"method":"SUBSCRIBE","params":["a"],"id":"{"x" * 37}"}}', 2, NO_ID, None),
        ('{"method":"SUBSCRIBE","params":"a","id":3}', 2, "params must be an array", 3),
        ('{"method":"SUBSCRIBE","params":[1],"id":3}', 2, "stream names must be strings", 3),
        ('{"id":3}', 2, "missing field `method` at line 1 column 8", 3),
        (
            '{"id":3,\n"method":"SUBSRIBE"}',
            *(2, f"unknown variant `SUBSRIBE`, expected one of {VARIANTS} at line 2 column 19", 3),
        ),
        ('{"id":3,"method":7}', 2, f"unknown variant 7, expected one of {VARIANTS}", 3),
        ("[]", 2, "expected an object at line 1 column 2", None),
        ("{'id':3}", 3, "Invalid JSON: expected value at line 1 column 2", None),
        ("", 3, "Invalid JSON: expected value at line 1 column 1", None),
    ],
)
def test_documented_refusals(text, code, message, request_id):
    answer = refusal(text)
    assert answer.keys() == {"error", "id"}
    assert answer["error"]["code"] == code
    prefix = "Invalid request: " if code == 2 else ""
    assert answer["error"]["msg"].startswith(prefix + message)
    assert answer["id"] == request_id


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64), 2**64) | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=6,
)
FIELDS = {
    "method": st.sampled_from(METHODS) | JSON,
    "params": st.lists(st.sampled_from(["combined", "btcusdt@trade", True]), max_size=3) | JSON,
    "id": st.integers(0, 9) | JSON,
}


@given(
    st.text() | JSON.map(json.dumps) | st.fixed_dictionaries({}, optional=FIELDS).map(json.dumps)
)
@example("[" * 100_000)
@example('{"method":"\\ud800","id":1}')
@example('{"id":1,"method":NaN}')
def test_any_text_is_a_request_or_refused_with_its_id(text):
    try:
        request = read_stream_request(text)
    except BadStreamRequestError as error:
        answer = error.answer
    else:
        answer = {"error": {"code": 0}, "id": request.id}
    assert answer["error"]["code"] in (0, 1, 2, 3)
    assert orjson.loads(orjson.dumps(answer)) == answer
    assert answer["id"] is None or answer["id"] == orjson.loads(text)["id"]
