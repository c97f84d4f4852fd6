"""Names of market streams and what they mean: `btcusdt@depth@100ms` and its relatives."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from procs.localvenue.protocols.binance_spot.market_data import INTERVALS_MS

StreamKind = Literal[
    "depth", "partial", "trade", "aggTrade", "bookTicker", "ticker", "miniTicker", "kline"
]

FAST_MS: Final = 100
SLOW_MS: Final = 1_000


class Stream(msgspec.Struct, frozen=True):
    """A stream that exists; `every_ms` is its pace, 0 for as it happens."""

    name: str
    symbol: str
    kind: StreamKind
    every_ms: int = 0
    levels: int = 0
    interval: str = ""


def parse_stream(name: str, symbols: frozenset[str]) -> Stream | None:
    """The stream of that name, or None when there is none; the exchange accepts such silently."""
    symbol_text, _, rest = name.partition("@")
    symbol = symbol_text.upper()
    if symbol not in symbols or symbol_text != symbol_text.lower():
        return None
    if rest == "trade":
        return Stream(name, symbol, "trade")
    if rest == "aggTrade":
        return Stream(name, symbol, "aggTrade")
    if rest == "bookTicker":
        return Stream(name, symbol, "bookTicker")
    if rest == "ticker":
        return Stream(name, symbol, "ticker", SLOW_MS)
    if rest == "miniTicker":
        return Stream(name, symbol, "miniTicker", SLOW_MS)
    if rest.startswith("kline_") and rest[6:] in INTERVALS_MS:
        return Stream(name, symbol, "kline", SLOW_MS, interval=rest[6:])
    depth, _, pace = rest.partition("@")
    if pace not in ("", "100ms", "1000ms"):
        return None
    every_ms = FAST_MS if pace == "100ms" else SLOW_MS
    if depth == "depth":
        return Stream(name, symbol, "depth", every_ms)
    if depth in ("depth5", "depth10", "depth20"):
        return Stream(name, symbol, "partial", every_ms, levels=int(depth[5:]))
    return None
