"""Instruments of a recording: shipped, from a file, or derived from the data."""

from __future__ import annotations

from decimal import Decimal

import pytest

from shared.errors import NotFoundError, RecordingError
from shared.recordings.instruments import (
    SHIPPED,
    derive_instrument,
    instruments_for,
    load_instruments,
    split_symbol,
)

T0 = 1_723_161_253_937_085_768
RECORDED = "\n".join(
    f"{T0 + i} {frame}"
    for i, frame in enumerate(
        (
            '{"e":"depthUpdate","E":1,"s":"NKNUSDT","U":1,"u":1,'
            '"b":[["0.35130000","6195.12300000"],["0.35120000","0.00000000"]],"a":[]}',
            '{"e":"trade","E":2,"s":"NKNUSDT","t":1,"p":"0.35130000","q":"12.50000000",'
            '"T":1,"m":false}',
            '{"lastUpdateId":1,"bids":[["0.3512","1"]],"asks":[["0.36000000","1.00000000"]]}',
        )
    )
)


def test_the_shipped_table_is_consistent():
    assert len(SHIPPED) >= 20
    for symbol, instrument in SHIPPED.items():
        assert symbol == instrument.symbol == instrument.base + instrument.quote
        assert instrument.max_price > instrument.tick_size == instrument.min_price > 0
        assert instrument.max_quantity >= instrument.market_max_quantity > instrument.step_size > 0
    assert SHIPPED["BTCUSDT"].tick_size == Decimal("0.01")
    assert SHIPPED["BTCUSDT"].step_size == Decimal("0.00001")


def test_derived_steps_are_the_decimals_of_prices_and_trades(tmp_path):
    path = tmp_path / "nkn"
    path.write_text(RECORDED)
    derived = derive_instrument("NKNUSDT", [path])
    assert derived.tick_size == Decimal("0.0001")
    assert derived.step_size == Decimal("0.1")
    assert (derived.base, derived.quote) == ("NKN", "USDT")


def test_each_symbol_says_where_its_instrument_comes_from(tmp_path):
    path, override = tmp_path / "nkn", tmp_path / "override.json"
    path.write_text(RECORDED)
    override.write_text('{"ETHUSDT": {"tick_size": "0.1"}}')
    chosen = instruments_for({"BTCUSDT": [], "ETHUSDT": [], "NKNUSDT": [path]}, override)
    assert {symbol: found.source for symbol, found in chosen.items()} == {
        "BTCUSDT": "shipped",
        "ETHUSDT": "file",
        "NKNUSDT": "derived",
    }
    assert chosen["ETHUSDT"].instrument.tick_size == Decimal("0.1")
    assert chosen["ETHUSDT"].instrument.step_size == SHIPPED["ETHUSDT"].step_size


def test_a_file_may_name_a_symbol_nobody_knows(tmp_path):
    path = tmp_path / "x.json"
    path.write_text(
        '[{"symbol": "FOOBAR", "base": "FOO", "quote": "BAR", "tick_size": "0.5",'
        ' "step_size": "1", "min_notional": "10"}]'
    )
    found = load_instruments(path)["FOOBAR"]
    assert (found.base, found.quote, found.min_quantity) == ("FOO", "BAR", Decimal(1))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "unreadable JSON"),
        ("5", "expected an object"),
        ("[1]", "expected an object"),
        ('[{"tick_size": "1"}]', "without 'symbol'"),
        ('{"BTCUSDT": {"tick": "1"}}', "unknown keys"),
        ('{"BTCUSDT": {"tick_size": "NaN"}}', "not a plain decimal"),
        ('{"BTCUSDT": {"tick_size": "0"}}', "above 0"),
        ('{"FOOUSDT": {"tick_size": "1"}}', "FOOUSDT"),
        ('{"FOOBAR": {"tick_size": "1", "step_size": "1", "min_notional": "1"}}', "not known"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path, content, says):
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(RecordingError, match=says):
        load_instruments(path)


def test_a_missing_file_is_not_found(tmp_path):
    with pytest.raises(NotFoundError):
        load_instruments(tmp_path / "none.json")


def test_symbols_are_split_at_a_known_quote():
    assert split_symbol("ETHBTC") == ("ETH", "BTC")
    assert split_symbol("BTCFDUSD") == ("BTC", "FDUSD")
    with pytest.raises(RecordingError, match="FOOBAR"):
        split_symbol("FOOBAR")
