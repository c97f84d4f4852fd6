"""The table of dialects: every row complete, and what is heard of control messages."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core_ext.codes import Dialect
from core_ext.join import Remedy
from shared.venues.feed.dialect import (
    BINANCE,
    BINANCE_COINM,
    BINANCE_USDM,
    BYBIT,
    BYBIT_LINEAR,
    NATIVE,
    Said,
)

ROWS = tuple(NATIVE.values())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_is_whole(row):
    assert row.rest.startswith("https://")
    assert row.testnet_rest.startswith("https://")
    assert row.ws.startswith("wss://")
    assert row.testnet_ws.startswith("wss://")
    assert not row.ws.endswith("/")
    assert row.ws_path.startswith("/")
    assert row.topics_per_message > 0
    # All topics of a connection are asked for within a few seconds, and it is not too many.
    topics = row.symbols_per_connection * len(row.topics)
    assert topics <= 1000
    assert topics / row.topics_per_message / row.messages_per_s <= 5
    assert row.book_topic("BTCUSDT") == row.topics_of("BTCUSDT")[0]
    assert (row.remedy is Remedy.SUBSCRIBE) == (row.frames is Dialect.BYBIT)
    assert bool(row.manners.ping) == (row.manners.ping_s > 0)


def test_topics_are_written_as_each_venue_wants_them():
    assert BINANCE.topics_of("BTCUSDT")[0] == "btcusdt@depth@100ms"
    assert BINANCE_COINM.topics_of("BTCUSD_PERP")[1] == "btcusd_perp@aggTrade"
    assert BINANCE_USDM.ws + BINANCE_USDM.ws_path == "wss://fstream.binance.com/public/stream"
    assert BYBIT.topics_of("BTCUSDT") == ["orderbook.200.BTCUSDT", "publicTrade.BTCUSDT"]
    assert BYBIT_LINEAR.topics == BYBIT.topics


def test_requests():
    asked = json.loads(BINANCE.manners.request(False, ["a"], 3))
    assert asked == {"method": "UNSUBSCRIBE", "params": ["a"], "id": 3}
    asked = json.loads(BYBIT.manners.request(True, ["a"], 3))
    assert asked == {"req_id": "3", "op": "subscribe", "args": ["a"]}


@pytest.mark.parametrize(
    ("row", "message", "heard"),
    [
        (BINANCE, {"result": None, "id": 4}, Said("answer", 4)),
        (BINANCE, {"error": {"code": 2}, "id": 4}, Said("answer", 4, {"code": 2})),
        (BINANCE, {"stream": "!x", "data": {"e": "serverShutdown"}}, Said("leaving")),
        (BINANCE, {"e": "serverShutdown"}, Said("leaving")),
        (BINANCE, {"data": {}, "stream": "a"}, Said("data")),
        (BINANCE, {"id": "4"}, Said("nothing")),
        (BYBIT, {"success": True, "ret_msg": "", "req_id": "4", "op": "subscribe"},
         Said("answer", 4)),
        (BYBIT, {"success": False, "ret_msg": "no", "req_id": "4", "op": "unsubscribe"},
         Said("answer", 4, "no")),
        (BYBIT, {"req_id": "4", "op": "subscribe"}, Said("answer", 4, "no reason given")),
        (BYBIT, {"success": True, "ret_msg": "pong", "op": "ping"}, Said("pong")),
        (BYBIT, {"op": "pong", "args": ["1"]}, Said("pong")),
        (BYBIT, {"type": "delta", "topic": "orderbook.200.X"}, Said("data")),
        (BYBIT, {"success": True, "req_id": "", "op": "subscribe"}, Said("nothing")),
        (BYBIT, {"success": True, "req_id": "9" * 30, "op": "subscribe"}, Said("nothing")),
        (BYBIT, {"success": True, "req_id": 4, "op": "subscribe"}, Said("nothing")),
    ],
)  # fmt: skip
def test_what_is_heard(row, message: dict[str, Any], heard: Said):
    assert row.manners.hear(message) == heard


KEYS = st.sampled_from(["op", "req_id", "success", "ret_msg", "id", "error", "data", "e", "topic"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6)
    | st.sampled_from(["subscribe", "pong", "serverShutdown", "1"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


@given(said=st.dictionaries(KEYS, VALUES, max_size=6))
def test_no_control_message_is_too_odd(said: dict[str, Any]):
    for row in (BINANCE, BYBIT):
        heard = row.manners.hear(said)
        assert heard.what in ("answer", "pong", "leaving", "data", "nothing")
