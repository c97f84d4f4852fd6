"""nautilus_trader: its order book from prebuilt deltas, and its Binance adapter's own decoding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from nautilus_trader.adapters.binance.common.schemas.market import BinanceOrderBookMsg
from nautilus_trader.model.book import OrderBook
from nautilus_trader.model.data import BookOrder, OrderBookDelta, OrderBookDeltas
from nautilus_trader.model.enums import BookAction, BookType, OrderSide
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.objects import Price, Quantity

from bench.peers.material import Change, Material

INSTRUMENT = InstrumentId.from_str("BTCUSDT.BINANCE")


def _delta(change: Change) -> OrderBookDelta:
    order = BookOrder(
        side=OrderSide.BUY if change.is_bid else OrderSide.SELL,
        price=Price(change.ticks / 100, 2),
        size=Quantity(change.lots / 100_000, 5),
        order_id=0,
    )
    action = BookAction.UPDATE if change.lots else BookAction.DELETE
    return OrderBookDelta(INSTRUMENT, action, order, 0, 0, 0, 0)


def _book(material: Material) -> OrderBook:
    book = OrderBook(INSTRUMENT, BookType.L2_MBP)
    for is_bid, levels in zip((True, False), material.start(), strict=True):
        for price, size in levels:
            ticks, lots = round(float(price) * 100), round(float(size) * 100_000)
            book.apply_delta(_delta(Change(is_bid, ticks, lots)))
    return book


def batches(changes: list[Change], size: int) -> list[OrderBookDeltas]:
    """Deltas built before the clock runs, as a batch of its own kind."""
    return [
        OrderBookDeltas(INSTRUMENT, [_delta(change) for change in changes[at : at + size]])
        for at in range(0, len(changes), size)
    ]


def updates(material: Material) -> Callable[[], Callable[[Any], Any]]:
    """Prebuilt batches into its book."""
    return lambda: _book(material).apply_deltas


def frames(material: Material) -> Callable[[], Callable[[Any], Any]]:
    """Its adapter's schema, its deltas, its book; best prices and spread read."""

    def prepare() -> Callable[[Any], Any]:
        book = _book(material)
        decoder = msgspec.json.Decoder(BinanceOrderBookMsg)

        def handle(frame: bytes) -> Any:
            data = decoder.decode(frame).data
            book.apply_deltas(data.parse_to_order_book_deltas(INSTRUMENT, 0))
            return book.best_bid_price(), book.best_ask_price(), book.spread()

        return handle

    return prepare
