"""Market streams: who has subscribed to what, and what leaves when.

Depth changes are collected per stream and leave at most once per pace, with the first and last id
of what they hold; they join on to the REST snapshot by these ids.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import orjson

from procs.localvenue.interference import Passage
from procs.localvenue.market.events import BookChanged, MarketEvent, Ticked, Traded
from procs.localvenue.protocols.binance_spot.market_data import (
    INTERVALS_MS,
    MarketData,
    candle_row,
)
from procs.localvenue.protocols.binance_spot.render import eight
from procs.localvenue.protocols.binance_spot.sockets import ClientSocket
from procs.localvenue.protocols.binance_spot.stream_names import Stream, parse_stream
from procs.localvenue.shell import Venue


class Subscriber:
    """One connection: its socket, whether messages are wrapped, its streams."""

    def __init__(self, socket: ClientSocket, wrapped: bool) -> None:
        self.socket = socket
        self.wrapped = wrapped
        self.names: dict[str, None] = {}

    def send(self, name: str, data: bytes) -> None:
        """Sends an event, as `{"stream": …, "data": …}` where that was asked for."""
        if self.wrapped:
            data = b'{"stream":"' + name.encode() + b'","data":' + data + b"}"
        self.socket.send(data)


class _Pending:
    """Depth changes of one stream that have not left yet."""

    def __init__(self) -> None:
        self.first_id = 0
        self.last_id = 0
        self.bids: dict[Decimal, Decimal] = {}
        self.asks: dict[Decimal, Decimal] = {}

    def add(self, event: BookChanged) -> None:
        if not self.last_id:
            self.first_id = event.first_id
        self.last_id = event.last_id
        self.bids.update(event.bids)
        self.asks.update(event.asks)


class StreamHub:
    """Hears the market, writes each event once, hands it to everybody who wants it."""

    def __init__(self, venue: Venue, market_data: MarketData) -> None:
        self._venue = venue
        self._market_data = market_data
        self.on_first_subscription: Callable[[int], None] | None = None
        """Told the time when the first stream that exists is asked for."""
        self._symbols = frozenset(venue.exchange.instruments)
        self._streams: dict[str, Stream] = {}
        self._subscribers: dict[str, set[Subscriber]] = {}
        self._by_symbol: dict[str, dict[str, list[Stream]]] = {}
        self._paced: list[Stream] = []
        self._pending: dict[str, _Pending] = {}
        self._left_ms: dict[str, int] = {}
        self._tops: dict[str, tuple[Any, ...]] = {}
        self._bars: dict[str, int] = {}
        self._tickers: set[str] = set()
        self._paced_writers: dict[str, Callable[[Stream, int], list[dict[str, Any]]]] = {
            "depth": self._depth,
            "partial": self._partial,
            "ticker": self._ticker,
            "miniTicker": self._mini_ticker,
            "kline": self._kline,
        }

    def subscribe(self, subscriber: Subscriber, name: str) -> None:
        """Adds a stream; names that mean nothing are remembered and stay silent."""
        subscriber.names[name] = None
        stream = parse_stream(name, self._symbols)
        if stream is None:
            return
        if name not in self._streams:
            self._streams[name] = stream
            self._index()
            if stream.kind == "depth":
                self._pending[name] = _Pending()
        self._subscribers.setdefault(name, set()).add(subscriber)
        first, self.on_first_subscription = self.on_first_subscription, None
        if first is not None:
            first(self._venue.now_ms())

    def unsubscribe(self, subscriber: Subscriber, name: str) -> None:
        """Takes a stream away; the last one to leave ends it."""
        subscriber.names.pop(name, None)
        subscribers = self._subscribers.get(name)
        if subscribers is None:
            return
        subscribers.discard(subscriber)
        if not subscribers:
            del self._subscribers[name], self._streams[name]
            for state in (self._pending, self._left_ms, self._bars):
                state.pop(name, None)
            self._index()

    def leave(self, subscriber: Subscriber) -> None:
        """The connection is over."""
        for name in list(subscriber.names):
            self.unsubscribe(subscriber, name)

    def on_market(self, events: list[MarketEvent], now_ms: int) -> None:
        """Passes on what happened, then what is due at its pace."""
        for event in events:
            kinds = self._by_symbol.get(event.symbol)
            if kinds is None:
                continue
            if isinstance(event, Traded):
                self._on_trade(event, kinds, now_ms)
            elif isinstance(event, BookChanged):
                for stream in kinds.get("depth", ()):
                    self._pending[stream.name].add(event)
                if event.symbol not in self._tickers:
                    self._on_top(event.symbol, event.last_id, kinds)
            elif isinstance(event, Ticked):
                self._tickers.add(event.symbol)
                self._on_ticked(event, kinds)
        for stream in self._paced:
            if now_ms - self._left_ms.get(stream.name, 0) >= stream.every_ms:
                for message in self._paced_writers[stream.kind](stream, now_ms):
                    self._left_ms[stream.name] = now_ms
                    self._send(stream, message)

    def _on_trade(self, event: Traded, kinds: dict[str, list[Stream]], now_ms: int) -> None:
        base = {
            "E": now_ms,
            "s": event.symbol,
            "p": eight(event.price),
            "q": eight(event.quantity),
            "T": event.at_ms,
            "m": event.buyer_is_maker,
            "M": True,
        }
        one = event.trade_id
        for stream in kinds.get("trade", ()):
            self._send(stream, {"e": "trade", **base, "t": one})
        for stream in kinds.get("aggTrade", ()):
            self._send(stream, {"e": "aggTrade", **base, "a": one, "f": one, "l": one})

    def _on_top(self, symbol: str, update_id: int, kinds: dict[str, list[Stream]]) -> None:
        streams = kinds.get("bookTicker")
        if not streams:
            return
        published = self._venue.exchange.published[symbol]
        bids, asks = published.bids.levels(1), published.asks.levels(1)
        if not bids or not asks or self._tops.get(symbol) == (bids[0], asks[0]):
            return
        self._tops[symbol] = (bids[0], asks[0])
        for stream in streams:
            self._send(stream, _book_ticker(symbol, update_id, *bids[0], *asks[0]))

    def _on_ticked(self, event: Ticked, kinds: dict[str, list[Stream]]) -> None:
        message = _book_ticker(
            event.symbol,
            event.update_id,
            event.bid,
            event.bid_quantity,
            event.ask,
            event.ask_quantity,
        )
        for stream in kinds.get("bookTicker", ()):
            self._send(stream, message)

    def _depth(self, stream: Stream, now_ms: int) -> list[dict[str, Any]]:
        pending = self._pending[stream.name]
        if not pending.last_id:
            return []
        self._pending[stream.name] = _Pending()
        return [
            {
                "e": "depthUpdate",
                "E": now_ms,
                "s": stream.symbol,
                "U": pending.first_id,
                "u": pending.last_id,
                # Best first, as the exchange sends them.
                "b": [[eight(p), eight(q)] for p, q in sorted(pending.bids.items(), reverse=True)],
                "a": [[eight(p), eight(q)] for p, q in sorted(pending.asks.items())],
            }
        ]

    def _partial(self, stream: Stream, now_ms: int) -> list[dict[str, Any]]:
        published = self._venue.exchange.published[stream.symbol]
        if self._bars.get(stream.name) == published.last_update_id:
            return []
        self._bars[stream.name] = published.last_update_id
        return [
            {
                "lastUpdateId": published.last_update_id,
                "bids": [[eight(p), eight(q)] for p, q in published.bids.levels(stream.levels)],
                "asks": [[eight(p), eight(q)] for p, q in published.asks.levels(stream.levels)],
            }
        ]

    def _ticker(self, stream: Stream, now_ms: int) -> list[dict[str, Any]]:
        full = self._market_data.day_full(stream.symbol)
        names = {letter: full[name] for letter, name in _TICKER_LETTERS}
        return [{"e": "24hrTicker", "E": now_ms, "s": stream.symbol, **names}]

    def _mini_ticker(self, stream: Stream, now_ms: int) -> list[dict[str, Any]]:
        mini = self._market_data.day_mini(stream.symbol)
        names = {letter: mini[name] for letter, name in _MINI_LETTERS}
        return [{"e": "24hrMiniTicker", "E": now_ms, "s": stream.symbol, **names}]

    def _kline(self, stream: Stream, now_ms: int) -> list[dict[str, Any]]:
        """The bar that runs; after its end once more, closed."""
        interval_ms = INTERVALS_MS[stream.interval]
        bars = self._venue.tape.candles(stream.symbol, interval_ms, 2, now_ms)
        if not bars:
            return []
        rows = [candle_row(bar, interval_ms) for bar in bars]
        known, self._bars[stream.name] = self._bars.get(stream.name), rows[-1][0]
        messages = [_kline_message(stream, rows[-1], False, now_ms)]
        if len(rows) == 2 and known == rows[0][0]:
            messages.insert(0, _kline_message(stream, rows[0], True, now_ms))
        return messages

    def _send(self, stream: Stream, message: dict[str, Any]) -> None:
        data = orjson.dumps(message)
        interference = self._venue.interference
        if interference is not None:
            passages = interference.outgoing("market", stream.name, data)
            if passages is not None:
                for passage in passages:
                    self._pass(stream.name, passage)
                return
        for subscriber in self._subscribers[stream.name]:
            subscriber.send(stream.name, data)

    def _pass(self, name: str, passage: Passage) -> None:
        """What a fault made of a message: now, later, or the end of the connections."""
        if passage.after_ms:
            later = Passage(passage.data, cut=passage.cut)
            asyncio.get_running_loop().call_later(passage.after_ms / 1_000, self._pass, name, later)
            return
        for subscriber in tuple(self._subscribers.get(name, ())):
            if passage.cut:
                subscriber.socket.drop()
            else:
                subscriber.send(name, passage.data)

    def _index(self) -> None:
        """Streams by symbol and kind, and those with a pace; made anew when streams come or go."""
        self._by_symbol = {}
        for stream in self._streams.values():
            kinds = self._by_symbol.setdefault(stream.symbol, {})
            kinds.setdefault(stream.kind, []).append(stream)
        self._paced = [stream for stream in self._streams.values() if stream.every_ms]


_TICKER_LETTERS = (
    ("p", "priceChange"),
    ("P", "priceChangePercent"),
    ("w", "weightedAvgPrice"),
    ("x", "prevClosePrice"),
    ("c", "lastPrice"),
    ("Q", "lastQty"),
    ("b", "bidPrice"),
    ("B", "bidQty"),
    ("a", "askPrice"),
    ("A", "askQty"),
    ("o", "openPrice"),
    ("h", "highPrice"),
    ("l", "lowPrice"),
    ("v", "volume"),
    ("q", "quoteVolume"),
    ("O", "openTime"),
    ("C", "closeTime"),
    ("F", "firstId"),
    ("L", "lastId"),
    ("n", "count"),
)

_MINI_LETTERS = (
    ("c", "lastPrice"),
    ("o", "openPrice"),
    ("h", "highPrice"),
    ("l", "lowPrice"),
    ("v", "volume"),
    ("q", "quoteVolume"),
)


def _book_ticker(
    symbol: str,
    update_id: int,
    bid: Decimal,
    bid_quantity: Decimal,
    ask: Decimal,
    ask_quantity: Decimal,
) -> dict[str, Any]:
    return {
        "u": update_id,
        "s": symbol,
        "b": eight(bid),
        "B": eight(bid_quantity),
        "a": eight(ask),
        "A": eight(ask_quantity),
    }


def _kline_message(stream: Stream, row: list[Any], closed: bool, now_ms: int) -> dict[str, Any]:
    return {
        "e": "kline",
        "E": now_ms,
        "s": stream.symbol,
        "k": {
            "t": row[0],
            "T": row[6],
            "s": stream.symbol,
            "i": stream.interval,
            "f": -1,
            "L": -1,
            "o": row[1],
            "c": row[4],
            "h": row[2],
            "l": row[3],
            "v": row[5],
            "n": row[8],
            "x": closed,
            "q": row[7],
            "V": row[9],
            "Q": row[10],
            "B": "0",
        },
    }
