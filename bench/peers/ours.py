"""Seawall's own routes: both kinds of book, one call for many changes, one call for a frame."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any, Literal

from bench.peers.material import Change, Material
from core_ext.book import Book
from core_ext.codes import STATS_FORMAT
from core_ext.scan import BinanceScanner

LOTS_PER_MATERIAL_LOT = 1_000
"""A book counts lots of 10^-8, the material lots of 10^-5."""

Kind = Literal["compact", "window"]


def _book(material: Material, kind: Kind) -> tuple[Book, BinanceScanner]:
    book, scanner = Book("0.01", kind=kind), BinanceScanner()
    scanner.load_snapshot(book, material.snapshot)
    return book, scanner


def rows(changes: list[Change]) -> array[int]:
    """Changes as the batch calls want them."""
    flat = array("q")
    for is_bid, ticks, lots in changes:
        flat.extend((is_bid, ticks, lots * LOTS_PER_MATERIAL_LOT))
    return flat


def updates(material: Material, kind: Kind) -> Callable[[], Callable[[Any], Any]]:
    """A batch of changes in one call."""
    return lambda: _book(material, kind)[0].apply_many


def updates_with_statistics(material: Material, kind: Kind) -> Callable[[], Callable[[Any], Any]]:
    """A batch of changes in one call, all statistics written after each of them."""
    import struct

    size = struct.calcsize(STATS_FORMAT)
    written = bytearray(size * len(material.changes()))

    def prepare() -> Callable[[Any], Any]:
        book, _ = _book(material, kind)
        return lambda changes: book.apply_many_stats(changes, written)

    return prepare


def updates_with_depth(material: Material, kind: Kind, bps: float) -> Callable[[], Any]:
    """A batch of changes in one call, the depth of one band after each of them."""
    written = bytearray(16 * len(material.changes()))

    def prepare() -> Callable[[Any], Any]:
        book, _ = _book(material, kind)
        return lambda changes: book.apply_many_depths(changes, bps, written)

    return prepare


def calls_with_statistics(material: Material, kind: Kind) -> Callable[[], Callable[[Any], Any]]:
    """A Python call for each change, all statistics back."""

    def prepare() -> Callable[[Any], Any]:
        look = _book(material, kind)[0].apply_ticks_stats

        def apply(changes: list[tuple[bool, int, int]]) -> None:
            for is_bid, ticks, lots in changes:
                look(is_bid, ticks, lots)

        return apply

    return prepare


def frames(material: Material, kind: Kind) -> Callable[[], Callable[[Any], Any]]:
    """Frame bytes to book to statistics in one call."""

    def prepare() -> Callable[[Any], Any]:
        book, scanner = _book(material, kind)
        feed = scanner.feed_stats
        return lambda frame: feed(book, frame)

    return prepare


def drops(symbols: int, window: int) -> Callable[[], Callable[[Any], Any]]:
    """One call for the prices of all symbols."""
    from core_ext.drop import DropWindows

    def prepare() -> Callable[[Any], Any]:
        windows = DropWindows(symbols, window - 1)
        tick = 0

        def update(prices: Any) -> Any:
            nonlocal tick
            tick += 1
            return windows.update(tick, prices)

        return update

    return prepare
