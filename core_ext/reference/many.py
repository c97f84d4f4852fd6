"""What one frame said, and many frames in one call: each as if it came alone, then its row."""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from core_ext.codes import FRAME_FORMAT, BookStats, FramesFed, FrameTold, Kind, Outcome, TradeSeen
from core_ext.errors import FrameRefused, NumberRefused

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from core_ext.reference.book import Book

_ROW = struct.Struct(FRAME_FORMAT)
_NOTHING = BookStats(0, 0, 0, 0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0, 0)


class ScanResult(NamedTuple):
    """See core_ext.scan.ScanResult."""

    kind: int = Kind.OTHER
    outcome: int = Outcome.NONE
    symbol: str = ""
    levels: int = 0
    trades: int = 0
    is_snapshot: bool = False
    buyer_is_maker: bool = False
    event_ms: int = 0
    match_ms: int = 0
    first_id: int = 0
    last_id: int = 0
    previous_id: int = 0
    cross_sequence: int = 0
    trade_id: int = 0
    price_ticks: int = 0
    lots: int = 0
    bid_ticks: int = 0
    bid_lots: int = 0
    ask_ticks: int = 0
    ask_lots: int = 0
    spread_bps: float = 0.0
    mid: float = 0.0
    bid_depth_50bps: float = 0.0
    ask_depth_50bps: float = 0.0
    bid_depth_10: float = 0.0
    ask_depth_10: float = 0.0
    imbalance: float = 0.0
    bid_levels: int = 0
    ask_levels: int = 0


def with_statistics(result: ScanResult, book: Book) -> ScanResult:
    """A depth frame's result with the book's statistics; any other as it is."""
    if result.kind != Kind.DEPTH:
        return result
    return result._replace(**book.stats()._asdict())


class Scanner(ABC):
    """See core_ext.scan.Scanner."""

    def __init__(self, dialect: int) -> None:
        self.dialect = int(dialect)
        self._trades: list[TradeSeen] = []

    @abstractmethod
    def feed(self, book: Book, frame: bytes) -> ScanResult:
        """Reads one frame and applies what it says to its book."""

    def feed_stats(self, book: Book, frame: bytes) -> ScanResult:
        """As `feed`, with the book's statistics in a depth frame's result."""
        return with_statistics(self.feed(book, frame), book)

    def feed_many(
        self, book: Book, frames: Iterable[bytes], rows: Buffer | None = None
    ) -> FramesFed:
        """As `feed`, for frames in one call."""
        return _each(frames, rows, lambda frame: (self, book, 0))

    def trades(self) -> list[TradeSeen]:
        """The trades of the last frame fed."""
        return self._trades


class BookTable:
    """See core_ext.table.BookTable."""

    def __init__(self, symbol_of: Callable[[bytes], str | None]) -> None:
        self._symbol_of = symbol_of
        self._by_symbol: dict[str, tuple[Scanner, Book, int]] = {}

    def __len__(self) -> int:
        return len(self._by_symbol)

    def add(self, symbol: str, scanner: Scanner, book: Book) -> int:
        """Adds a book; returns its place."""
        if symbol in self._by_symbol:
            raise NumberRefused("symbol", symbol, "one that has no book here yet")
        self._by_symbol[symbol] = (scanner, book, len(self))
        return len(self) - 1

    def feed_many(self, frames: Iterable[bytes], rows: Buffer | None = None) -> FramesFed:
        """Feeds frames, each to its symbol's book."""
        return _each(frames, rows, lambda frame: self._by_symbol.get(self._symbol_of(frame) or ""))


def _each(
    frames: Iterable[bytes],
    rows: Buffer | None,
    find: Callable[[bytes], tuple[Scanner, Book, int] | None],
) -> FramesFed:
    held = tuple(frames)
    view = None if rows is None else memoryview(rows).cast("B")
    if view is not None and len(view) < _ROW.size * len(held):
        allowed = f"{_ROW.size} for each of {len(held)} frames"
        raise NumberRefused("bytes for rows", len(view), allowed)
    outcomes: list[int] = []
    lost = False
    for at, frame in enumerate(held):
        found = find(frame)
        told = FrameTold(0, 0, -1, 0, 0, 0, 0, 0, *_NOTHING)
        if found is not None:
            scanner, book, place = found
            was_gapped = book.gapped
            try:
                result = scanner.feed(book, frame)
            except (FrameRefused, NumberRefused) as error:
                raise error.of_frame(at) from None
            told = _told(result, place, book)
            lost = told.outcome == Outcome.GAP and not was_gapped
        if view is not None:
            _ROW.pack_into(view, at * _ROW.size, *told)
        outcomes.append(told.outcome)
        if lost:
            break
    applied, stale, gaps = map(outcomes.count, (Outcome.APPLIED, Outcome.STALE, Outcome.GAP))
    return FramesFed(len(outcomes), applied, stale, gaps, lost)


def _told(result: ScanResult, place: int, book: Book) -> FrameTold:
    stats = _NOTHING
    if result.kind == Kind.DEPTH:
        stats = book.stats()
    elif result.kind == Kind.TICKER:
        best = {name: getattr(result, name) for name in BookStats._fields[:4]}
        stats = stats._replace(**best)
    return FrameTold(
        result.kind,
        result.outcome,
        place,
        result.levels,
        result.event_ms,
        result.trade_id if result.trades else result.last_id,
        result.price_ticks,
        result.lots,
        *stats,
    )
