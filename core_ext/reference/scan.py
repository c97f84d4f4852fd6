"""The scanner through orjson: the same frames accepted and refused, the same book afterwards.

orjson decides what is JSON; the standard decoder then shows what orjson hides (keys that occur
twice, how a number was written). Reasons and offsets are not the native scanner's.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import orjson

from core_ext.codes import (
    MAX_DEPTH,
    MAX_FRAME_LEVELS,
    MAX_JSON_NUMBER,
    MAX_LOTS,
    MAX_TICKS,
    Dialect,
    Kind,
    Outcome,
    TradeSeen,
)
from core_ext.errors import FrameRefused, NumberRefused
from core_ext.reference.book import Book, steps_in
from core_ext.reference.many import Scanner, ScanResult

_EVENT_KEYS = frozenset([*"eEsUubatpqmBATfl", "pu", "data"])
_SNAPSHOT_KEYS = frozenset({"lastUpdateId", "bids", "asks"})
_FRAME_BYTES_MAX = 8_388_608
_ID_MAX = 9_223_372_036_854_775_799


class JsonNumber(str):
    """A bare JSON number as it was written."""

    __slots__ = ()


class JsonObject(dict[str, Any]):
    """An object that remembers which of its keys occurred twice."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.twice = {key for key, count in Counter(key for key, _ in pairs).items() if count > 1}


def refuse(reason: str) -> FrameRefused:
    return FrameRefused(reason, 0)


def _number(text: str) -> JsonNumber:
    if "e" in text.lower() or len(text) > MAX_JSON_NUMBER:
        raise refuse("number with exponent, or too long")
    return JsonNumber(text)


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


def load(frame: bytes) -> Any:
    frame = bytes(frame)
    if len(frame) > _FRAME_BYTES_MAX:
        raise refuse("frame too long")
    try:
        plain = orjson.loads(frame)
    except orjson.JSONDecodeError as error:
        raise refuse(str(error)) from None
    if b"\\" in frame:
        raise refuse("escaped string")
    if _depth_of(plain) > MAX_DEPTH:
        raise refuse("nested too deeply")
    return json.loads(frame, object_pairs_hook=JsonObject, parse_int=_number, parse_float=_number)


def _levels(value: Any, book: Book) -> list[tuple[int, int]]:
    if not isinstance(value, list):
        raise refuse("a side of the book is missing or not an array")
    levels = []
    for level in value:
        if not isinstance(level, list) or len(level) != 2:
            raise refuse("expected a level")
        ticks = quoted(level[0], book, True)
        if ticks == 0:
            raise refuse("price is zero")
        levels.append((ticks, quoted(level[1], book, False)))
    return levels


def both_sides(bids: Any, asks: Any, book: Book) -> tuple[list[tuple[int, int]], ...]:
    sides = _levels(bids, book), _levels(asks, book)
    if len(sides[0]) + len(sides[1]) > MAX_FRAME_LEVELS:
        raise refuse("too many levels")
    return sides


def quoted(value: Any, book: Book, is_price: bool) -> int:
    if not isinstance(value, str) or isinstance(value, JsonNumber):
        raise refuse("a price or quantity is missing or not a string")
    steps = (
        steps_in(value, book.tick_size, MAX_TICKS)
        if is_price
        else steps_in(value, book.lot_size, MAX_LOTS)
    )
    if isinstance(steps, str):
        raise refuse(steps)
    return steps


def integer(value: Any) -> int:
    if not isinstance(value, JsonNumber) or not value.isdigit() or int(value) > _ID_MAX:
        raise refuse("not a whole number of 63 bits")
    return int(value)


def symbol_in(value: Any) -> str:
    if not isinstance(value, str) or isinstance(value, JsonNumber):
        raise refuse("the symbol is missing or not a string")
    if not value.isascii() or not 1 <= len(value) <= 20:
        raise refuse("the symbol is not 1 to 20 ASCII characters")
    return value


def event_of(top: Any) -> JsonObject | None:
    if not isinstance(top, JsonObject):
        return None
    if top.twice & _EVENT_KEYS:
        raise refuse("key occurs twice")
    inner = top.get("data")
    if not isinstance(inner, JsonObject):
        return top
    if inner.twice & _EVENT_KEYS:
        raise refuse("key occurs twice")
    if "e" in top:
        raise refuse("an event beside 'data'")
    return inner


def _kind(event: JsonObject) -> Kind:
    if "e" in event:
        name = event["e"]
        if isinstance(name, JsonNumber) or not isinstance(name, str):
            return Kind.OTHER
        named = {
            "depthUpdate": Kind.DEPTH,
            "trade": Kind.TRADE,
            "bookTicker": Kind.TICKER,
            "aggTrade": Kind.AGG_TRADE,
        }
        return named.get(name, Kind.OTHER)
    return Kind.TICKER if {"u", "s", "b", "B", "a", "A"} <= event.keys() else Kind.OTHER


def put_levels(book: Book, bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> None:
    """Applies levels that were checked before."""
    for ticks, lots in bids:
        book.put(True, ticks, lots)
    for ticks, lots in asks:
        book.put(False, ticks, lots)


class BinanceScanner(Scanner):
    """See core_ext.scan.BinanceScanner."""

    def __init__(self, dialect: int = Dialect.BINANCE_SPOT) -> None:
        if dialect not in (Dialect.BINANCE_SPOT, Dialect.BINANCE_FUTURES):
            raise NumberRefused("dialect", dialect, "one of Binance's")
        super().__init__(dialect)

    def feed(self, book: Book, frame: bytes) -> ScanResult:
        """Reads one frame and applies a depth delta to its book."""
        self._trades = []
        event = event_of(load(frame))
        kind = Kind.OTHER if event is None else _kind(event)
        if event is None or kind == Kind.OTHER:
            return ScanResult()
        event_ms = 0
        if kind != Kind.TICKER or "E" in event:
            event_ms = integer(event.get("E"))
        told = ScanResult(
            kind=kind,
            symbol=symbol_in(event.get("s")),
            event_ms=event_ms,
            match_ms=integer(event["T"]) if "T" in event else 0,
        )
        if kind == Kind.DEPTH:
            return self._depth(book, event, told)
        if kind == Kind.TICKER:
            last_id = integer(event.get("u"))
            return told._replace(
                first_id=last_id,
                last_id=last_id,
                bid_ticks=quoted(event.get("b"), book, True),
                bid_lots=quoted(event.get("B"), book, False),
                ask_ticks=quoted(event.get("a"), book, True),
                ask_lots=quoted(event.get("A"), book, False),
            )
        return self._trade(book, event, told)

    def _trade(self, book: Book, event: JsonObject, told: ScanResult) -> ScanResult:
        if not isinstance(event.get("m"), bool):
            raise refuse("the maker flag is missing or not a boolean")
        aggregate = told.kind == Kind.AGG_TRADE
        trade = TradeSeen(
            integer(event.get("a" if aggregate else "t")),
            quoted(event.get("p"), book, True),
            quoted(event.get("q"), book, False),
            told.match_ms,
            event["m"],
        )
        if aggregate:
            told = told._replace(first_id=integer(event.get("f")), last_id=integer(event.get("l")))
        self._trades = [trade]
        return told._replace(trades=1, **trade._asdict())

    def _depth(self, book: Book, event: JsonObject, told: ScanResult) -> ScanResult:
        first_id, last_id = integer(event.get("U")), integer(event.get("u"))
        if first_id > last_id:
            raise refuse("first update id is above the last")
        previous_id = 0
        covered_from = first_id
        if self.dialect == Dialect.BINANCE_FUTURES:
            previous_id = integer(event.get("pu"))
            if previous_id >= last_id:
                raise refuse("the previous update id is not below the last")
            covered_from = previous_id + 1
        bids, asks = both_sides(event.get("b"), event.get("a"), book)
        book.require_room(len(bids), len(asks))
        outcome = book.admit(covered_from, last_id)
        if outcome == Outcome.APPLIED:
            put_levels(book, bids, asks)
        return told._replace(
            outcome=outcome,
            levels=len(bids) + len(asks),
            first_id=first_id,
            last_id=last_id,
            previous_id=previous_id,
        )

    def load_snapshot(self, book: Book, body: bytes) -> int:
        """Replaces the book by a REST depth snapshot; returns its lastUpdateId."""
        top = load(body)
        if not isinstance(top, JsonObject):
            raise refuse("expected an object")
        if top.twice & _SNAPSHOT_KEYS:
            raise refuse("key occurs twice")
        last_update_id = integer(top.get("lastUpdateId"))
        bids, asks = both_sides(top.get("bids"), top.get("asks"), book)
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
    if b'"depthUpdate"' in head or b'"orderbook.' in head:
        return Kind.DEPTH
    if b'"trade"' in head or b'"publicTrade.' in head:
        return Kind.TRADE
    if b'"aggTrade"' in head:
        return Kind.AGG_TRADE
    named = b'"bookTicker"' in head or b'"e":' not in head
    return Kind.TICKER if named and b'"B":' in head and b'"A":' in head else Kind.OTHER
