"""Names of market streams and what they mean: `btcusdt@depth@100ms` and its relatives."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from procs.localvenue.protocols.binance_spot.candles import HOUR_MS, INTERVALS_MS

StreamKind = Literal[
    "depth",
    "partial",
    "trade",
    "aggTrade",
    "bookTicker",
    "avgPrice",
    "kline",
    "miniTicker",
    "ticker",
    "window",
    "allMini",
    "all",
    "allWindow",
]

FAST_MS: Final = 100
SLOW_MS: Final = 1_000
CANDLE_MS: Final = 2_000
WINDOWS_MS: Final = {"1h": HOUR_MS, "4h": 4 * HOUR_MS, "1d": 24 * HOUR_MS}
ZONE: Final = "@+08:00"
ZONE_MS: Final = 8 * HOUR_MS


class Stream(msgspec.Struct, frozen=True):
    """A stream that exists; `every_ms` is its pace, 0 for as it happens."""

    name: str
    symbol: str
    """Empty for a stream of all symbols."""
    kind: StreamKind
    every_ms: int = 0
    levels: int = 0
    interval: str = ""
    """Of candles; of windows 1h, 4h or 1d."""
    offset_ms: int = 0


_AS_IT_HAPPENS: Final[dict[str, StreamKind]] = {
    "trade": "trade",
    "aggTrade": "aggTrade",
    "bookTicker": "bookTicker",
}
_EACH_SECOND: Final[dict[str, StreamKind]] = {
    "avgPrice": "avgPrice",
    "miniTicker": "miniTicker",
    "ticker": "ticker",
}
_OF_ALL: Final[dict[str, StreamKind]] = {"miniTicker": "allMini", "ticker": "all"}


def parse_stream(name: str, symbols: frozenset[str]) -> Stream | None:
    """The stream of that name, or None when there is none; the exchange accepts such silently."""
    if name.startswith("!"):
        return _of_all(name)
    symbol_text, _, rest = name.partition("@")
    symbol = symbol_text.upper()
    if symbol not in symbols or symbol_text != symbol_text.lower():
        return None
    if rest in _AS_IT_HAPPENS:
        return Stream(name, symbol, _AS_IT_HAPPENS[rest])
    if rest in _EACH_SECOND:
        return Stream(name, symbol, _EACH_SECOND[rest], SLOW_MS)
    if rest.startswith("ticker_") and rest[7:] in WINDOWS_MS:
        return Stream(name, symbol, "window", SLOW_MS, interval=rest[7:])
    if rest.startswith("kline_"):
        return _candles(name, symbol, rest[6:])
    return _depth(name, symbol, rest)


def _of_all(name: str) -> Stream | None:
    what, _, form = name[1:].partition("@")
    if form != "arr":
        return None
    if what in _OF_ALL:
        return Stream(name, "", _OF_ALL[what], SLOW_MS)
    if what.startswith("ticker_") and what[7:] in WINDOWS_MS:
        return Stream(name, "", "allWindow", SLOW_MS, interval=what[7:])
    return None


def _candles(name: str, symbol: str, rest: str) -> Stream | None:
    interval = rest.removesuffix(ZONE)
    if interval not in INTERVALS_MS:
        return None
    every_ms = SLOW_MS if interval == "1s" else CANDLE_MS
    offset_ms = ZONE_MS if interval != rest else 0
    return Stream(name, symbol, "kline", every_ms, interval=interval, offset_ms=offset_ms)


def _depth(name: str, symbol: str, rest: str) -> Stream | None:
    depth, at, pace = rest.partition("@")
    if at and pace not in ("100ms", "1000ms"):
        return None
    every_ms = FAST_MS if pace == "100ms" else SLOW_MS
    if depth == "depth":
        return Stream(name, symbol, "depth", every_ms)
    if depth in ("depth5", "depth10", "depth20"):
        return Stream(name, symbol, "partial", every_ms, levels=int(depth[5:]))
    return None
