"""The scanner through orjson: the same frames accepted and refused, the same book afterwards.

orjson decides what is JSON; the standard decoder then shows what orjson hides (keys that occur
twice, how a number was written). Reasons and offsets are not the native scanner's.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any, NamedTuple

import orjson

from core_ext.codes import (
    MAX_DEPTH,
    MAX_FRAME_LEVELS,
    MAX_JSON_NUMBER,
    MAX_LOTS,
    MAX_TICKS,
    Kind,
    Outcome,
)
from core_ext.errors import FrameRefused
from core_ext.reference.book import Book, steps_in

_EVENT_KEYS = frozenset({"e", "E", "s", "U", "u", "b", "a", "t", "p", "q", "m", "B", "A", "data"})
_SNAPSHOT_KEYS = frozenset({"lastUpdateId", "bids", "asks"})
_FRAME_BYTES_MAX = 8_388_608
_ID_MAX = 9_223_372_036_854_775_799


class _Number(str):
    """A bare JSON number as it was written."""

    __slots__ = ()


class _Object(dict[str, Any]):
    """An object that remembers which of its keys occurred twice."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.twice = {key for key, count in Counter(key for key, _ in pairs).items() if count > 1}


class ScanResult(NamedTuple):
    """See core_ext.scan.ScanResult."""

    kind: int = Kind.OTHER
    outcome: int = Outcome.NONE
    symbol: str = ""
    levels: int = 0
    buyer_is_maker: bool = False
    event_ms: int = 0
    first_id: int = 0
    last_id: int = 0
    trade_id: int = 0
    price_ticks: int = 0
    lots: int = 0
    bid_ticks: int = 0
    bid_lots: int = 0
    ask_ticks: int = 0
    ask_lots: int = 0


def _refuse(reason: str) -> FrameRefused:
    return FrameRefused(reason, 0)


def _number(text: str) -> _Number:
    if "e" in text.lower() or len(text) > MAX_JSON_NUMBER:
        raise _refuse("number with exponent, or too long")
    return _Number(text)


def _depth_of(value: Any) -> int:
    deepest = 0
    rest = [(value, 1)]
    while rest:
        item, depth = rest.pop()
        if isinstance(item, dict | list):
            deepest = max(deepest, depth)
            inner = item.values() if isinstance(item, dict) else item
            rest.extend((each, depth + 1) for each in inner)
    return deepest


def _load(frame: bytes) -> Any:
    frame = bytes(frame)
    if len(frame) > _FRAME_BYTES_MAX:
        raise _refuse("frame too long")
    try:
        plain = orjson.loads(frame)
    except orjson.JSONDecodeError as error:
        raise _refuse(str(error)) from None
    if b"\\" in frame:
        raise _refuse("escaped string")
    if _depth_of(plain) > MAX_DEPTH:
        raise _refuse("nested too deeply")
    return json.loads(frame, object_pairs_hook=_Object, parse_int=_number, parse_float=_number)


def _levels(value: Any, book: Book) -> list[tuple[int, int]]:
    if not isinstance(value, list):
        raise _refuse("a side of the book is missing or not an array")
    levels = []
    for level in value:
        if not isinstance(level, list) or len(level) != 2:
            raise _refuse("expected a level")
        ticks = _quoted(level[0], book, True)
        if ticks == 0:
            raise _refuse("price is zero")
        levels.append((ticks, _quoted(level[1], book, False)))
    return levels


def _both_sides(bids: Any, asks: Any, book: Book) -> tuple[list[tuple[int, int]], ...]:
    sides = _levels(bids, book), _levels(asks, book)
    if len(sides[0]) + len(sides[1]) > MAX_FRAME_LEVELS:
        raise _refuse("too many levels")
    return sides


def _quoted(value: Any, book: Book, is_price: bool) -> int:
    if not isinstance(value, str) or isinstance(value, _Number):
        raise _refuse("a price or quantity is missing or not a string")
    steps = (
        steps_in(value, book.tick_size, MAX_TICKS)
        if is_price
        else steps_in(value, book.lot_size, MAX_LOTS)
    )
    if isinstance(steps, str):
        raise _refuse(steps)
    return steps


def _integer(value: Any) -> int:
    if not isinstance(value, _Number) or not value.isdigit() or int(value) > _ID_MAX:
        raise _refuse("not a whole number of 63 bits")
    return int(value)


def _symbol(value: Any) -> str:
    if not isinstance(value, str) or isinstance(value, _Number):
        raise _refuse("the symbol is missing or not a string")
    if not value.isascii() or not 1 <= len(value) <= 20:
        raise _refuse("the symbol is not 1 to 20 ASCII characters")
    return value


def _event_of(top: Any) -> _Object | None:
    if not isinstance(top, _Object):
        return None
    if top.twice & _EVENT_KEYS:
        raise _refuse("key occurs twice")
    inner = top.get("data")
    if not isinstance(inner, _Object):
        return top
    if inner.twice & _EVENT_KEYS:
        raise _refuse("key occurs twice")
    if "e" in top:
        raise _refuse("an event beside 'data'")
    return inner


def _kind(event: _Object) -> Kind:
    if "e" in event:
        name = event["e"]
        if isinstance(name, _Number) or not isinstance(name, str):
            return Kind.OTHER
        named = {"depthUpdate": Kind.DEPTH, "trade": Kind.TRADE, "bookTicker": Kind.TICKER}
        return named.get(name, Kind.OTHER)
    return Kind.TICKER if {"u", "s", "b", "B", "a", "A"} <= event.keys() else Kind.OTHER


class BinanceScanner:
    """See core_ext.scan.BinanceScanner."""

    def feed(self, book: Book, frame: bytes) -> ScanResult:
        """Reads one frame and applies a depth delta to its book."""
        event = _event_of(_load(frame))
        kind = Kind.OTHER if event is None else _kind(event)
        if event is None or kind == Kind.OTHER:
            return ScanResult()
        symbol = _symbol(event.get("s"))
        event_ms = 0
        if kind != Kind.TICKER or "E" in event:
            event_ms = _integer(event.get("E"))
        if kind == Kind.TRADE:
            if not isinstance(event.get("m"), bool):
                raise _refuse("the maker flag is missing or not a boolean")
            return ScanResult(
                kind=kind,
                symbol=symbol,
                event_ms=event_ms,
                buyer_is_maker=event["m"],
                trade_id=_integer(event.get("t")),
                price_ticks=_quoted(event.get("p"), book, True),
                lots=_quoted(event.get("q"), book, False),
            )
        last_id = _integer(event.get("u"))
        if kind == Kind.TICKER:
            return ScanResult(
                kind=kind,
                symbol=symbol,
                event_ms=event_ms,
                first_id=last_id,
                last_id=last_id,
                bid_ticks=_quoted(event.get("b"), book, True),
                bid_lots=_quoted(event.get("B"), book, False),
                ask_ticks=_quoted(event.get("a"), book, True),
                ask_lots=_quoted(event.get("A"), book, False),
            )
        first_id = _integer(event.get("U"))
        if first_id > last_id:
            raise _refuse("first update id is above the last")
        bids, asks = _both_sides(event.get("b"), event.get("a"), book)
        book.require_room(len(bids), len(asks))
        outcome = book.admit(first_id, last_id)
        if outcome == Outcome.APPLIED:
            for ticks, lots in bids:
                book.put(True, ticks, lots)
            for ticks, lots in asks:
                book.put(False, ticks, lots)
        return ScanResult(
            kind=kind,
            outcome=outcome,
            symbol=symbol,
            levels=len(bids) + len(asks),
            event_ms=event_ms,
            first_id=first_id,
            last_id=last_id,
        )

    def load_snapshot(self, book: Book, body: bytes) -> int:
        """Replaces the book by a REST depth snapshot; returns its lastUpdateId."""
        top = _load(body)
        if not isinstance(top, _Object):
            raise _refuse("expected an object")
        if top.twice & _SNAPSHOT_KEYS:
            raise _refuse("key occurs twice")
        last_update_id = _integer(top.get("lastUpdateId"))
        bids, asks = _both_sides(top.get("bids"), top.get("asks"), book)
        book.load_snapshot_ticks(last_update_id, bids, asks)
        return last_update_id


_SYMBOL = re.compile(rb'"s":[ \t]*"([\x21\x23-\x5b\x5d-\x7e]{1,20})"')


def symbol_of(frame: bytes) -> str | None:
    """The symbol a frame is about, without reading it as JSON; None when it names none."""
    frame = bytes(frame)
    at = frame[:512].find(b'"s":')
    found = _SYMBOL.match(frame, at) if at >= 0 else None
    return found[1].decode("ascii") if found else None


def kind_of(frame: bytes) -> int:
    """The likely Kind of a frame, without reading it as JSON."""
    head = bytes(frame)[:512]
    if b'"depthUpdate"' in head:
        return Kind.DEPTH
    if b'"trade"' in head:
        return Kind.TRADE
    named = b'"bookTicker"' in head or b'"e":' not in head
    return Kind.TICKER if named and b'"B":' in head and b'"A":' in head else Kind.OTHER
