"""Requests of the WebSocket API as text: whatever is sent is read, or refused in one way."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procs.localvenue.protocols.binance_spot.auth import signature_of
from procs.localvenue.protocols.binance_spot.socket_requests import (
    BadEnvelopeError,
    read_request,
)

SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"

leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
anything = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
ids = (
    st.none() | st.integers(-(2**53), 2**53) | st.from_regex(r"[A-Za-z0-9_-]{1,36}", fullmatch=True)
)


def _payload(params):
    request = {"id": 1, "method": "order.place", "params": params}
    return read_request(json.dumps(request)).signed_text


@pytest.mark.parametrize(
    ("params", "signature"),
    [
        (
            {
                "symbol": "BTCUSDT",
                "side": "SELL",
                "type": "LIMIT",
                "timeInForce": "GTC",
                "quantity": "0.01000000",
                "price": "52000.00",
                "recvWindow": 100,
                "timestamp": 1645423376532,
            },
            "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24",
        ),
        (
            {
                "symbol": "\uff11\uff12\uff13\uff14\uff15\uff16",
                "side": "BUY",
                "type": "LIMIT",
                "timeInForce": "GTC",
                "quantity": "1.00000000",
                "price": "0.10000000",
                "recvWindow": 5000,
                "timestamp": 1645423376532,
            },
            "b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd",
        ),
    ],
)
def test_the_documentations_own_examples_are_signed_as_it_says(params, signature):
    assert signature_of(SECRET, _payload({**params, "apiKey": KEY})) == signature


@given(st.text() | st.binary())
def test_any_bytes_are_refused_in_one_way(data):
    with pytest.raises(BadEnvelopeError) as caught:
        read_request(data)
    assert caught.value.refusal.code in (-1135, -1102)


@given(ids, anything, anything)
def test_any_json_is_a_request_or_refused_with_its_id(request_id, method, params):
    text = json.dumps({"id": request_id, "method": method, "params": params})
    try:
        request = read_request(text)
    except BadEnvelopeError as error:
        refused = error
    else:
        assert request.id == request_id
        assert isinstance(method, str)
        assert all(isinstance(value, str) for value in request.given.values())
        return
    assert refused.refusal.http_status == 400
    assert refused.request_id in (None, request_id)


@given(
    st.dictionaries(
        st.from_regex(r"[a-z][A-Za-z]{0,9}", fullmatch=True),
        st.decimals(
            allow_nan=False, allow_infinity=False, places=8, min_value=-(10**9), max_value=10**9
        ),
        max_size=6,
    )
)
def test_numbers_are_signed_as_they_were_written(numbers):
    body = ",".join(f'"{name}":{value:f}' for name, value in numbers.items())
    request = read_request(f'{{"id":1,"method":"x","params":{{{body}}}}}')
    expected = "&".join(
        f"{name}={value:f}" for name, value in sorted(numbers.items()) if name != "signature"
    )
    assert request.signed_text == expected
    mine = hmac.new(b"s", expected.encode(), hashlib.sha256).hexdigest()
    assert signature_of("s", request.signed_text) == mine


def test_names_without_a_value_are_not_sent():
    text = '{"id":1,"method":"v3/x","params":{"a":null,"b":true,"c":["X","Y"],"apiKey":"k"}}'
    request = read_request(text)
    assert request.method == "x"
    assert request.given == {"b": "true", "c": '["X","Y"]', "apiKey": "k"}
    assert request.params.values == {"b": "true", "c": '["X","Y"]'}
