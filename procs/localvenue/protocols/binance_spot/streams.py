"""Market streams: who has subscribed to what, and what leaves when.

Depth changes are collected per stream and leave at most once per pace, with the first and last id
of what they hold; they join on to the REST snapshot by these ids. Each event is written once, and
each way to frame it once, however many listen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

import orjson

from procs.localvenue.interference import Passage
from procs.localvenue.market.events import BookChanged, MarketEvent, Ticked, Traded
from procs.localvenue.protocols.binance_spot import stream_events as events
from procs.localvenue.protocols.binance_spot.candles import INTERVALS_MS
from procs.localvenue.protocols.binance_spot.market_data import MarketData
from procs.localvenue.protocols.binance_spot.render import eight
from procs.localvenue.protocols.binance_spot.sockets import ClientSocket, text_frame
from procs.localvenue.protocols.binance_spot.stream_names import (
    WINDOWS_MS,
    Stream,
    StreamKind,
    parse_stream,
)
from procs.localvenue.shell import Venue
from procs.localvenue.tape import TRADES_KEPT_MAX

text = lru_cache(maxsize=1 << 16)(eight)
"""Prices and sizes repeat: most texts are known already."""

WORK_A_TURN: Final = 16
"""How much of what has a pace is written in one turn: about three milliseconds."""
_WORK: Final[dict[StreamKind, int]] = {
    "kline": 1,
    "ticker": 1,
    "miniTicker": 1,
    "window": 1,
    "all": 12,
    "allMini": 12,
    "allWindow": 12,
}

LATE_BARS_MAX: Final = 4
"""So many ended bars more than one are said at once when a turn comes late."""


class Subscriber:
    """One connection: its socket, whether messages are wrapped, its unit of time, its streams."""

    def __init__(self, socket: ClientSocket, wrapped: bool, finer: bool = False) -> None:
        self.socket = socket
        self.wrapped = wrapped
        self.finer = finer
        """Times in microseconds."""
        self.names: dict[str, None] = {}


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


Writer = Callable[[Stream, int], Iterable[Any]]


class StreamHub:
    """Hears the market, writes each event once, hands it to everybody who wants it."""

    def __init__(self, venue: Venue, market_data: MarketData) -> None:
        self._venue = venue
        self._tickers = market_data.tickers
        self._candles = market_data.candles
        self.on_first_subscription: Callable[[int], None] | None = None
        """Told the time when the first stream that exists is asked for."""
        self._symbols = frozenset(venue.exchange.instruments)
        self._streams: dict[str, Stream] = {}
        self._subscribers: dict[str, set[Subscriber]] = {}
        self._by_symbol: dict[str, dict[StreamKind, list[Stream]]] = {}
        self._paced: list[Stream] = []
        self._pending: dict[str, _Pending] = {}
        self._left_ms: dict[str, int] = {}
        self._tops: dict[str, tuple[Any, ...]] = {}
        self._said: dict[str, Any] = {}
        """Per stream what was said last, where the same is not said twice."""
        self._aggregating: dict[str, int] = {}
        """Symbols that traded in this turn, and the first aggregate of it."""
        self._ticked: set[str] = set()
        """Symbols whose best prices the market says apart from depth."""
        self._writers: dict[StreamKind, Writer] = {
            "depth": self._depth,
            "partial": self._partial,
            "avgPrice": self._average,
            "kline": self._kline,
            "ticker": lambda stream, now_ms: [self._full(stream.symbol, now_ms)],
            "miniTicker": lambda stream, now_ms: [self._mini(stream.symbol, now_ms)],
            "window": lambda stream, now_ms: [self._window(stream.symbol, stream.interval, now_ms)],
            "all": self._all,
            "allMini": self._all,
            "allWindow": self._all,
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
            for state in (self._pending, self._left_ms, self._said):
                state.pop(name, None)
            self._index()

    def leave(self, subscriber: Subscriber) -> None:
        """The connection is over."""
        for name in list(subscriber.names):
            self.unsubscribe(subscriber, name)

    def on_event(self, event: MarketEvent, now_ms: int) -> None:
        """Passes on what happened: each change of the best prices, each trade."""
        kinds = self._by_symbol.get(event.symbol)
        if kinds is None:
            return
        if isinstance(event, Traded):
            if "aggTrade" in kinds and event.symbol not in self._aggregating:
                newest = self._venue.tape.of(event.symbol).aggregate_id
                self._aggregating[event.symbol] = newest
            if "trade" in kinds:
                self._on_trade(event, kinds["trade"], now_ms)
        elif isinstance(event, BookChanged):
            for stream in kinds.get("depth", ()):
                self._pending[stream.name].add(event)
            if event.symbol not in self._ticked:
                self._on_top(event.symbol, event.last_id, kinds)
        elif isinstance(event, Ticked):
            self._ticked.add(event.symbol)
            self._on_ticked(event, kinds)

    def on_market(self, now_ms: int) -> None:
        """Passes on what this turn has completed, and what is due at its pace."""
        self._send_aggregates(now_ms)
        self._tickers.keep_fresh()
        shown_ms = now_ms + self._venue.skew_ms()
        left = WORK_A_TURN
        for stream in self._paced:
            if now_ms - self._left_ms.get(stream.name, 0) < stream.every_ms:
                continue
            work = _WORK.get(stream.kind, 0)
            if work > left:
                continue  # Still due in the next turn.
            left -= work
            if work:
                self._left_ms[stream.name] = now_ms
            for message in self._writers[stream.kind](stream, shown_ms):
                self._left_ms[stream.name] = now_ms
                self._send(stream, message)

    def _send_aggregates(self, now_ms: int) -> None:
        """Trades of one taker at one price, with the ids that REST answers."""
        traded, self._aggregating = self._aggregating, {}
        skew_ms = self._venue.skew_ms() if traded else 0
        for symbol, first_id in traded.items():
            streams = self._by_symbol.get(symbol, {}).get("aggTrade", ())
            for one in self._venue.tape.of(symbol).aggregates(TRADES_KEPT_MAX, from_id=first_id):
                message = events.aggregate_trade(symbol, one, now_ms + skew_ms, skew_ms)
                for stream in streams:
                    self._send(stream, message)

    def _on_trade(self, event: Traded, streams: list[Stream], now_ms: int) -> None:
        skew_ms = self._venue.skew_ms()
        message = {
            "e": "trade",
            "E": now_ms + skew_ms,
            "s": event.symbol,
            "t": event.trade_id,
            "p": text(event.price),
            "q": text(event.quantity),
            "T": event.at_ms + skew_ms,
            "m": event.buyer_is_maker,
            "M": True,
        }
        for stream in streams:
            self._send(stream, message)

    def _on_top(self, symbol: str, update_id: int, kinds: dict[StreamKind, list[Stream]]) -> None:
        streams = kinds.get("bookTicker")
        if not streams:
            return
        published = self._venue.exchange.published[symbol]
        bid, ask = published.bids.first, published.asks.first
        if bid is None or ask is None:
            return
        top = (bid, published.bids.quantities[bid], ask, published.asks.quantities[ask])
        if self._tops.get(symbol) == top:
            return
        self._tops[symbol] = top
        message = events.book_ticker(
            symbol, update_id, (text(bid), text(top[1])), (text(ask), text(top[3]))
        )
        for stream in streams:
            self._send(stream, message)

    def _on_ticked(self, event: Ticked, kinds: dict[StreamKind, list[Stream]]) -> None:
        streams = kinds.get("bookTicker")
        if not streams:
            return
        message = events.book_ticker(
            event.symbol,
            event.update_id,
            (text(event.bid), text(event.bid_quantity)),
            (text(event.ask), text(event.ask_quantity)),
        )
        for stream in streams:
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
                "b": [[text(p), text(q)] for p, q in sorted(pending.bids.items(), reverse=True)],
                "a": [[text(p), text(q)] for p, q in sorted(pending.asks.items())],
            }
        ]

    def _partial(self, stream: Stream, now_ms: int) -> list[dict[str, Any]]:
        published = self._venue.exchange.published[stream.symbol]
        if self._said.get(stream.name) == published.last_update_id:
            return []
        self._said[stream.name] = published.last_update_id
        return [
            {
                "lastUpdateId": published.last_update_id,
                "bids": [[text(p), text(q)] for p, q in published.bids.levels(stream.levels)],
                "asks": [[text(p), text(q)] for p, q in published.asks.levels(stream.levels)],
            }
        ]

    def _average(self, stream: Stream, now_ms: int) -> list[dict[str, Any]]:
        price = self._venue.exchange.published[stream.symbol].average_price()
        last = self._venue.tape.of(stream.symbol).last
        return [
            {
                "e": "avgPrice",
                "E": now_ms,
                "s": stream.symbol,
                "i": "5m",
                "w": eight(price),
                "T": now_ms if last is None else last.at_ms + self._venue.skew_ms(),
            }
        ]

    def _full(self, symbol: str, now_ms: int) -> dict[str, Any]:
        figures = self._tickers.day_full(symbol)
        return events.full_ticker(figures, now_ms, self._venue.skew_ms())

    def _mini(self, symbol: str, now_ms: int) -> dict[str, Any]:
        return events.mini_ticker(self._tickers.day_mini(symbol), now_ms)

    def _window(
        self, symbol: str, window: str, now_ms: int, to_the_minute: bool = True
    ) -> dict[str, Any]:
        figures = self._tickers.rolling(symbol, WINDOWS_MS[window], to_the_minute=to_the_minute)
        return events.window_ticker(window, figures, now_ms, self._venue.skew_ms())

    def _all(self, stream: Stream, now_ms: int) -> list[list[dict[str, Any]]]:
        """The tickers of the symbols that have traded since the last array."""
        seen: dict[str, int] = self._said.setdefault(stream.name, {})
        window_ms = WINDOWS_MS[stream.interval or "1d"]
        changed: list[dict[str, Any]] = []
        for symbol in self._symbols:
            last = self._venue.tape.of(symbol).last
            last_id = -1 if last is None else last.trade_id
            if seen.get(symbol) == last_id or not self._tickers.is_ready(symbol, window_ms):
                continue
            seen[symbol] = last_id
            if stream.kind == "all":
                changed.append(self._full(symbol, now_ms))
            elif stream.kind == "allMini":
                changed.append(self._mini(symbol, now_ms))
            else:
                changed.append(self._window(symbol, stream.interval, now_ms, False))
        return [changed] if changed else []

    def _kline(self, stream: Stream, now_ms: int) -> list[dict[str, Any]]:
        """The bar that runs; before it, closed, each that has ended since the last time."""
        venue_ms, skew_ms = self._venue.now_ms(), self._venue.skew_ms()
        said_ms = self._said.get(stream.name, venue_ms)
        behind = (venue_ms - said_ms) // INTERVALS_MS[stream.interval]
        count = 2 + min(behind, LATE_BARS_MAX)
        bars = self._candles.bars(stream.symbol, stream.interval, count, venue_ms, stream.offset_ms)
        if not bars:
            return []
        known_ms = self._said.get(stream.name, bars[-1].candle.open_ms)
        self._said[stream.name] = bars[-1].candle.open_ms
        return [
            events.candle(stream, bar, bar is not bars[-1], now_ms, skew_ms)
            for bar in bars
            if bar.candle.open_ms >= known_ms
        ]

    def _send(self, stream: Stream, message: Any) -> None:
        data = orjson.dumps(message)
        interference = self._venue.interference
        if interference is not None:
            passages = interference.outgoing("market", stream.name, data)
            if passages is not None:
                for passage in passages:
                    self._pass(stream.name, passage)
                return
        self._spread(stream.name, data, message)

    def _spread(self, name: str, data: bytes, message: Any) -> None:
        """The same bytes to everybody who wants them in the same form."""
        frames: dict[tuple[bool, bool], bytes] = {}
        for subscriber in self._subscribers.get(name, ()):
            form = (subscriber.wrapped, subscriber.finer)
            frame = frames.get(form)
            if frame is None:
                body = data
                if subscriber.finer and message is not None:
                    body = orjson.dumps(events.in_microseconds(message))
                if subscriber.wrapped:
                    body = b'{"stream":"' + name.encode() + b'","data":' + body + b"}"
                frame = frames[form] = text_frame(body)
            subscriber.socket.send_frame(frame)

    def _pass(self, name: str, passage: Passage) -> None:
        """What a fault made of a message: now, later, or the end of the connections."""
        if passage.after_ms:
            later = Passage(passage.data, cut=passage.cut)
            asyncio.get_running_loop().call_later(passage.after_ms / 1_000, self._pass, name, later)
            return
        if passage.cut:
            for subscriber in tuple(self._subscribers.get(name, ())):
                subscriber.socket.drop()
            return
        self._spread(name, passage.data, None)

    def _index(self) -> None:
        """Streams by symbol and kind, and those with a pace; made anew when streams come or go."""
        self._by_symbol = {}
        for stream in self._streams.values():
            kinds = self._by_symbol.setdefault(stream.symbol, {})
            kinds.setdefault(stream.kind, []).append(stream)
        self._paced = [stream for stream in self._streams.values() if stream.every_ms]
