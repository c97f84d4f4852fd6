"""The quote's layout: native and reference write the same bytes and refuse the same ones."""

from __future__ import annotations

import pickle
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core_ext import quote as native
from core_ext import reference
from core_ext.book import Book
from core_ext.codes import QuoteFlag
from core_ext.errors import NumberRefused, RecordRefused

counts = st.integers(0, 2**63 - 1)
stamps = st.integers(-(2**63), 2**63 - 1)
amounts = st.floats(0, 1e18)
FIELDS = st.fixed_dictionaries(
    {"symbol": st.from_regex(r"[A-Z0-9]{1,20}", fullmatch=True)},
    optional={
        "sequence": st.integers(0, 2**64 - 1),
        "recv_ns": stamps,
        "publish_ns": stamps,
        "event_ms": stamps,
        "bid_ticks": counts,
        "bid_lots": counts,
        "ask_ticks": counts,
        "ask_lots": counts,
        "last_ticks": counts,
        "anchor_ticks": counts,
        "drop_pct": st.floats(-100, 0),
        "spread_bps": st.floats(-1e6, 1e6),
        "bid_depth_quote": amounts,
        "ask_depth_quote": amounts,
        "imbalance": st.floats(-1, 1),
        "volume_quote_24h": amounts,
        "atr_pct": amounts,
        "buy_price": amounts,
        "flags": st.integers(0, 63),
    },
)


@settings(max_examples=200, deadline=None)
@given(fields=FIELDS)
def test_both_write_the_same_bytes_and_read_them_back(fields):
    data = native.pack(**fields)
    assert len(data) == native.QUOTE_SIZE == 176
    assert data == reference.pack(**fields) == native.Quote(**fields).pack()
    fast, plain = native.unpack(data), reference.unpack(data)
    for name in native.FIELDS:
        assert getattr(fast, name) == getattr(plain, name)
        assert getattr(fast, name) == fields.get(name, 0)
    assert fast == native.Quote(**fields)
    assert data.startswith(native.topic(fields["symbol"]))
    assert pickle.loads(pickle.dumps(fast)) == fast


@settings(max_examples=200, deadline=None)
@given(data=st.binary(min_size=170, max_size=180), keep=st.integers(0, 176))
def test_both_refuse_the_same_bytes(data, keep):
    good = native.pack(symbol="BTCUSDT", bid_ticks=5, drop_pct=-1.5)
    data = good[:keep] + data[keep:]
    answers = []
    for unpack in (native.unpack, reference.unpack):
        try:
            answers.append(unpack(data).symbol)
        except RecordRefused:
            answers.append(None)
    assert answers[0] == answers[1]


@pytest.mark.parametrize("module", [native, reference], ids=["native", "reference"])
class TestQuoteContract:
    def test_the_padded_symbol_stands_first_so_that_one_is_no_prefix_of_another(self, module):
        assert module.topic("BTCUSDT") == b"BTCUSDT" + bytes(13)
        assert not module.pack(symbol="BTCUSDTX").startswith(module.topic("BTCUSDT"))

    @pytest.mark.parametrize("symbol", ["", "B" * 21, "BTC USDT", "币安USDT", "A\n", None])
    def test_symbols_that_do_not_fit_are_refused(self, module, symbol):
        with pytest.raises(RecordRefused):
            module.topic(symbol)

    @pytest.mark.parametrize(
        "fields",
        [
            {"drop_pct": 0.1},
            {"drop_pct": float("nan")},
            {"atr_pct": float("inf")},
            {"volume_quote_24h": -1.0},
            {"bid_ticks": -1},
            {"anchor_ticks": -5},
            {"buy_price": -0.5},
            {"flags": 64},
        ],
    )
    def test_numbers_a_guard_could_misread_are_refused(self, module, fields):
        with pytest.raises(RecordRefused):
            module.pack(symbol="BTCUSDT", **fields)

    @pytest.mark.parametrize("size", [0, 175, 177])
    def test_another_length_is_refused(self, module, size):
        with pytest.raises(ValueError, match="176"):
            module.unpack(bytes(size))

    def test_another_version_is_refused(self, module):
        data = bytearray(module.pack(symbol="BTCUSDT"))
        data[20] = 2
        with pytest.raises(ValueError, match="version"):
            module.unpack(bytes(data))

    def test_a_foreign_nan_is_refused(self, module):
        data = bytearray(module.pack(symbol="BTCUSDT"))
        data[168:176] = struct.pack("<d", float("nan"))
        with pytest.raises(RecordRefused):
            module.unpack(bytes(data))


def both_books():
    for book in (Book("0.01"), reference.Book("0.01")):
        book.apply("bid", "99.99", "3")
        book.apply("ask", "100.01", "1")
        book.apply("ask", "100.02", "1")
        yield book


def test_pack_book_reads_the_book_and_flags_it():
    fast, plain = both_books()
    given_fields = {
        "sequence": 9,
        "recv_ns": 1,
        "publish_ns": 2,
        "drop_pct": -3.5,
        "buy_quote": 150.0,
        "flags": int(QuoteFlag.WARM),
    }
    data = native.pack_book(fast, "BTCUSDT", **given_fields)
    assert data == reference.pack_book(plain, "BTCUSDT", **given_fields)
    quote = native.unpack(data)
    assert (quote.bid_ticks, quote.ask_lots) == (9999, 100_000_000)
    assert quote.buy_price == fast.sweep("buy", 150.0)
    assert quote.bid_depth_quote == fast.depth_bps(50)[0]
    assert quote.flags == QuoteFlag.WARM
    for book in (fast, plain):
        book.apply("bid", "100.01", "1")
        assert book.admit(1, 2) == 1
        assert book.admit(9, 9) == 3
    data = native.pack_book(fast, "BTCUSDT", sequence=1, recv_ns=1, publish_ns=1, buy_quote=1e9)
    assert data == reference.pack_book(
        plain, "BTCUSDT", sequence=1, recv_ns=1, publish_ns=1, buy_quote=1e9
    )
    quote = native.unpack(data)
    assert quote.flags == QuoteFlag.CROSSED | QuoteFlag.GAPPED
    assert quote.buy_price == 0.0


@pytest.mark.parametrize("amount", [-1.0, float("nan"), float("inf")])
def test_pack_book_refuses_absurd_amounts(amount):
    for module, book in zip((native, reference), both_books(), strict=True):
        with pytest.raises(NumberRefused):
            module.pack_book(book, "X", sequence=1, recv_ns=1, publish_ns=1, buy_quote=amount)
