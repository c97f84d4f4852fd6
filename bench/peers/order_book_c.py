"""order-book, the C library behind cryptofeed: dictionaries that sort when they are read."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from order_book import OrderBook

from bench.peers.material import LOT, TICK, Change, Material


def _book(material: Material, number: Callable[[str], Any]) -> Any:
    book = OrderBook()
    for side, levels in zip((book.bids, book.asks), material.start(), strict=True):
        for price, size in levels:
            side[number(price)] = number(size)
    return book


def updates(material: Material, with_best: bool) -> Callable[[], Callable[[Any], Any]]:
    """A batch of changes; the best prices after each of them where wanted."""

    def prepare() -> Callable[[Any], Any]:
        book = _book(material, float)
        bids, asks = book.bids, book.asks

        def apply(changes: list[Change]) -> None:
            for is_bid, ticks, lots in changes:
                side, price = (bids if is_bid else asks), ticks * TICK
                if lots:
                    side[price] = lots * LOT
                elif price in side:
                    del side[price]
                if with_best:
                    bids.index(0)
                    asks.index(0)

        return apply

    return prepare


def cryptofeed_frames(material: Material) -> Callable[[], Callable[[Any], Any]]:
    """What cryptofeed does with a depth frame: decimals out of JSON, then this book."""

    def prepare() -> Callable[[Any], Any]:
        book = _book(material, Decimal)

        def handle(frame: bytes) -> Any:
            data = json.loads(frame, parse_float=Decimal)["data"]
            for side, key in ((book.bids, "b"), (book.asks, "a")):
                for price_text, size_text in data[key]:
                    price, size = Decimal(price_text), Decimal(size_text)
                    if size:
                        side[price] = size
                    elif price in side:
                        del side[price]
            return book.bids.index(0), book.asks.index(0)

        return handle

    return prepare
