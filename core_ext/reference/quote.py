"""The quote through `struct`."""

from __future__ import annotations

import math
import struct
from typing import Any, NamedTuple

from core_ext.codes import QuoteFlag
from core_ext.errors import NumberRefused, RecordRefused
from core_ext.reference.book import Book

_LAYOUT = struct.Struct("<20sB3xIIQ9q8d")
_VERSION = 1
_FLAGS_ALL = 63


class Quote(NamedTuple):
    """See core_ext.quote.Quote; unchecked until packed."""

    symbol: str
    sequence: int = 0
    recv_ns: int = 0
    publish_ns: int = 0
    event_ms: int = 0
    bid_ticks: int = 0
    bid_lots: int = 0
    ask_ticks: int = 0
    ask_lots: int = 0
    last_ticks: int = 0
    anchor_ticks: int = 0
    drop_pct: float = 0.0
    spread_bps: float = 0.0
    bid_depth_quote: float = 0.0
    ask_depth_quote: float = 0.0
    imbalance: float = 0.0
    volume_quote_24h: float = 0.0
    atr_pct: float = 0.0
    buy_price: float = 0.0
    flags: int = 0

    def pack(self) -> bytes:
        """The bytes of this quote; RecordRefused names the field that cannot be."""
        _check(self)
        *numbers, flags = self[1:]
        return _LAYOUT.pack(topic(self.symbol), _VERSION, flags, 0, *numbers)


def _check(quote: Quote) -> None:
    if not 0 <= quote.flags <= _FLAGS_ALL:
        raise RecordRefused("quote refused: flags")
    for name in ("bid_ticks", "bid_lots", "ask_ticks", "ask_lots", "last_ticks", "anchor_ticks"):
        if getattr(quote, name) < 0:
            raise RecordRefused(f"quote refused: {name}")
    for value in quote[11:19]:
        if not math.isfinite(value):
            raise RecordRefused("quote refused: a number is not finite")
    if quote.drop_pct > 0:
        raise RecordRefused("quote refused: drop_pct")
    for name in (
        "bid_depth_quote",
        "ask_depth_quote",
        "volume_quote_24h",
        "atr_pct",
        "buy_price",
    ):
        if getattr(quote, name) < 0:
            raise RecordRefused(f"quote refused: {name}")


def topic(symbol: str) -> bytes:
    """The ZeroMQ subscription that selects one symbol."""
    usable = isinstance(symbol, str) and symbol.isascii() and symbol.isprintable()
    if not usable or " " in symbol or not 1 <= len(symbol) <= 20:
        raise RecordRefused(f"symbol {symbol!r} refused: 1 to 20 printable ASCII characters")
    return symbol.encode("ascii").ljust(20, b"\0")


def pack(**fields: Any) -> bytes:
    """The bytes of a quote given by keyword."""
    return Quote(**fields).pack()


def unpack(data: bytes) -> Quote:
    """The Quote in exactly 176 bytes; RecordRefused otherwise."""
    data = bytes(data)
    if len(data) != _LAYOUT.size:
        raise RecordRefused(f"quote refused: {len(data)} bytes, a quote has {_LAYOUT.size}")
    padded, version, flags, reserved, *numbers = _LAYOUT.unpack(data)
    if version != _VERSION or reserved:
        raise RecordRefused(f"quote refused: version {version}")
    symbol = padded.rstrip(b"\0")
    if not symbol or not all(0x20 < byte < 0x7F for byte in symbol):
        raise RecordRefused("quote refused: the symbol is not padded ASCII")
    quote = Quote._make((symbol.decode("ascii"), *numbers, flags))
    _check(quote)
    return quote


def pack_book(
    book: Book, symbol: str, *, buy_quote: float = 0.0, flags: int = 0, **fields: Any
) -> bytes:
    """The bytes of a quote whose book numbers are read from the book."""
    if not math.isfinite(buy_quote) or buy_quote < 0:
        raise NumberRefused("buy_quote", buy_quote, "0 or a positive finite amount")
    stats = book.stats()
    if book.crossed():
        flags |= QuoteFlag.CROSSED
    if book.gapped:
        flags |= QuoteFlag.GAPPED
    return Quote(
        symbol=symbol,
        bid_ticks=stats.bid_ticks,
        bid_lots=stats.bid_lots,
        ask_ticks=stats.ask_ticks,
        ask_lots=stats.ask_lots,
        spread_bps=stats.spread_bps,
        bid_depth_quote=stats.bid_depth_50bps,
        ask_depth_quote=stats.ask_depth_50bps,
        imbalance=stats.imbalance,
        buy_price=(book.sweep("ask", buy_quote) or 0.0) if buy_quote else 0.0,
        flags=flags,
        **fields,
    ).pack()
