"""Bybit's frames through orjson: the oracle of core_ext.scan.BybitScanner."""

from __future__ import annotations

import re
from typing import Any

from core_ext.codes import MAX_FRAME_TRADES, Dialect, Kind, Outcome, TradeSeen
from core_ext.reference.book import Book
from core_ext.reference.many import Scanner, ScanResult
from core_ext.reference.scan import (
    JsonNumber,
    JsonObject,
    both_sides,
    integer,
    load,
    put_levels,
    quoted,
    refuse,
    symbol_in,
)

_FRAME_KEYS = frozenset({"topic", "type", "data", "ts", "cts"})
_BOOK_KEYS = frozenset({"s", "b", "a", "u", "seq"})
_TRADE_KEYS = frozenset({"s", "T", "S", "v", "p", "seq"})
_TOPIC = re.compile(r"(orderbook)\.[0-9]+\.(.*)|(publicTrade)\.(.+)", re.ASCII | re.DOTALL)


def _checked(value: Any, keys: frozenset[str], allowed: str) -> JsonObject:
    if not isinstance(value, JsonObject):
        raise refuse(f"expected {allowed}")
    if value.twice & keys:
        raise refuse("key occurs twice")
    return value


def _same_symbol(value: Any, symbol: str) -> None:
    if isinstance(value, JsonNumber) or value != symbol:
        raise refuse("the symbol of the data is not the topic's")


class BybitScanner(Scanner):
    """See core_ext.scan.BybitScanner."""

    def __init__(self) -> None:
        super().__init__(Dialect.BYBIT)
        self._cross_sequence = 0

    def feed(self, book: Book, frame: bytes) -> ScanResult:
        """Reads one frame and applies a snapshot or a delta to its book."""
        self._trades = []
        top = load(frame)
        if not isinstance(top, JsonObject):
            return ScanResult()
        _checked(top, _FRAME_KEYS, "a frame")
        topic = top.get("topic")
        if not isinstance(topic, str) or isinstance(topic, JsonNumber):
            return ScanResult()
        found = _TOPIC.fullmatch(topic)
        if found is None:
            return ScanResult()
        if found[1]:
            return self._book(book, top, found[2])
        return self._trade(book, top, found[4])

    def _book(self, book: Book, top: JsonObject, symbol: str) -> ScanResult:
        data = _checked(top.get("data"), _BOOK_KEYS, "a book")
        if top.get("type") not in ("snapshot", "delta"):
            raise refuse("the type is neither snapshot nor delta")
        _same_symbol(data.get("s"), symbol)
        update_id = integer(data.get("u"))
        bids, asks = both_sides(data.get("b"), data.get("a"), book)
        told = ScanResult(
            kind=Kind.DEPTH,
            symbol=symbol_in(symbol),
            event_ms=integer(top.get("ts")),
            match_ms=integer(top["cts"]) if "cts" in top else 0,
            first_id=update_id,
            last_id=update_id,
            cross_sequence=integer(data.get("seq")),
            levels=len(bids) + len(asks),
            is_snapshot=top["type"] == "snapshot" or update_id == 1,
        )
        book.require_room(len(bids), len(asks))
        if told.is_snapshot:
            book.load_snapshot_ticks(update_id, [], [])
            outcome = Outcome.APPLIED
        else:
            outcome = self._admit(book, told)
        if outcome == Outcome.APPLIED:
            self._cross_sequence = told.cross_sequence
            put_levels(book, bids, asks)
        return told._replace(outcome=outcome)

    def _admit(self, book: Book, told: ScanResult) -> Outcome:
        """Whether a delta follows; see core_ext/sequence.pxd."""
        if book.gapped or book.last_update_id < 0:
            book.gapped = True
            return Outcome.GAP
        if told.cross_sequence < self._cross_sequence:
            return Outcome.STALE
        if told.cross_sequence == self._cross_sequence and told.last_id <= book.last_update_id:
            return Outcome.STALE
        if told.last_id != book.last_update_id + 1:
            book.gapped = True
            return Outcome.GAP
        return Outcome(book.admit(told.last_id, told.last_id))

    def _trade(self, book: Book, top: JsonObject, symbol: str) -> ScanResult:
        data = top.get("data")
        if not isinstance(data, list):
            raise refuse("the data of trades are no array")
        if len(data) > MAX_FRAME_TRADES:
            raise refuse("too many trades")
        trades = []
        for item in data:
            trade = _checked(item, _TRADE_KEYS, "a trade")
            _same_symbol(trade.get("s"), symbol)
            if trade.get("S") not in ("Buy", "Sell"):
                raise refuse("the side of a trade is neither Buy nor Sell")
            trades.append(
                TradeSeen(
                    integer(trade.get("seq")),
                    quoted(trade.get("p"), book, True),
                    quoted(trade.get("v"), book, False),
                    integer(trade.get("T")),
                    trade["S"] == "Sell",
                )
            )
        told = ScanResult(
            kind=Kind.TRADE,
            symbol=symbol_in(symbol),
            event_ms=integer(top.get("ts")),
            trades=len(trades),
        )
        if trades:
            told = told._replace(**trades[-1]._asdict())
        self._trades = trades
        return told
