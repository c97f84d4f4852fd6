"""Market events as the exchange writes them on its streams; prices and quantities are texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from procs.localvenue.protocols.binance_spot.candles import Bar
from procs.localvenue.protocols.binance_spot.candles import row as candle_row
from procs.localvenue.protocols.binance_spot.render import eight
from procs.localvenue.protocols.binance_spot.stream_names import Stream
from procs.localvenue.tape import Aggregate

_MINI: Final = (
    ("c", "lastPrice"),
    ("o", "openPrice"),
    ("h", "highPrice"),
    ("l", "lowPrice"),
    ("v", "volume"),
    ("q", "quoteVolume"),
)
_WINDOW: Final = (
    ("p", "priceChange"),
    ("P", "priceChangePercent"),
    ("o", "openPrice"),
    ("h", "highPrice"),
    ("l", "lowPrice"),
    ("c", "lastPrice"),
    ("w", "weightedAvgPrice"),
    ("v", "volume"),
    ("q", "quoteVolume"),
    ("O", "openTime"),
    ("C", "closeTime"),
    ("F", "firstId"),
    ("L", "lastId"),
    ("n", "count"),
)
_FULL: Final = (
    *_WINDOW,
    ("x", "prevClosePrice"),
    ("Q", "lastQty"),
    ("b", "bidPrice"),
    ("B", "bidQty"),
    ("a", "askPrice"),
    ("A", "askQty"),
)

_TIMES: Final = {
    "depthUpdate": ("E",),
    "trade": ("E", "T"),
    "aggTrade": ("E", "T"),
    "kline": ("E",),
    "avgPrice": ("E", "T"),
    "24hrTicker": ("E", "O", "C"),
    "24hrMiniTicker": ("E",),
    "1hTicker": ("E", "O", "C"),
    "4hTicker": ("E", "O", "C"),
    "1dTicker": ("E", "O", "C"),
    "serverShutdown": ("E",),
}
"""Which letters of an event hold times."""


def aggregate_trade(symbol: str, one: Aggregate, now_ms: int, skew_ms: int) -> dict[str, Any]:
    """aggTrade."""
    return {
        "e": "aggTrade",
        "E": now_ms,
        "s": symbol,
        "a": one.id,
        "p": eight(one.price),
        "q": eight(one.quantity),
        "f": one.first_id,
        "l": one.last_id,
        "T": one.at_ms + skew_ms,
        "m": one.buyer_is_maker,
        "M": True,
    }


def mini_ticker(figures: Mapping[str, Any], now_ms: int) -> dict[str, Any]:
    """24hrMiniTicker."""
    return _ticker("24hrMiniTicker", _MINI, figures, now_ms, 0)


def full_ticker(figures: Mapping[str, Any], now_ms: int, skew_ms: int) -> dict[str, Any]:
    """24hrTicker."""
    return _ticker("24hrTicker", _FULL, figures, now_ms, skew_ms)


def window_ticker(
    window: str, figures: Mapping[str, Any], now_ms: int, skew_ms: int
) -> dict[str, Any]:
    """1hTicker, 4hTicker, 1dTicker."""
    return _ticker(f"{window}Ticker", _WINDOW, figures, now_ms, skew_ms)


def _ticker(
    event: str,
    letters: tuple[tuple[str, str], ...],
    figures: Mapping[str, Any],
    now_ms: int,
    skew_ms: int,
) -> dict[str, Any]:
    found: dict[str, Any] = {"e": event, "E": now_ms, "s": figures["symbol"]}
    for letter, name in letters:
        value = figures[name]
        found[letter] = value + skew_ms if letter in ("O", "C") else value
    return found


def candle(stream: Stream, bar: Bar, is_closed: bool, now_ms: int, skew_ms: int) -> dict[str, Any]:
    """kline."""
    cells = candle_row(bar)
    return {
        "e": "kline",
        "E": now_ms,
        "s": stream.symbol,
        "k": {
            "t": cells[0] + skew_ms,
            "T": cells[6] + skew_ms,
            "s": stream.symbol,
            "i": stream.interval,
            "f": bar.flow.first_id,
            "L": bar.flow.last_id,
            "o": cells[1],
            "c": cells[4],
            "h": cells[2],
            "l": cells[3],
            "v": cells[5],
            "n": cells[8],
            "x": is_closed,
            "q": cells[7],
            "V": cells[9],
            "Q": cells[10],
            "B": "0",
        },
    }


def book_ticker(symbol: str, update_id: int, bid: Any, ask: Any) -> dict[str, Any]:
    """bookTicker; bid and ask as (price, quantity) texts."""
    return {"u": update_id, "s": symbol, "b": bid[0], "B": bid[1], "a": ask[0], "A": ask[1]}


def in_microseconds(message: Any) -> Any:
    """The same with its times in microseconds."""
    if isinstance(message, list):
        return [in_microseconds(one) for one in message]
    finer = dict(message)
    for letter in _TIMES.get(finer.get("e", ""), ()):
        finer[letter] *= 1_000
    if finer.get("e") == "kline":
        inner = finer["k"]
        finer["k"] = {**inner, "t": inner["t"] * 1_000, "T": inner["T"] * 1_000}
    return finer
