"""ccxt.pro: its order book, and its own message handler on decoded frames."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ccxt.pro
import orjson
from ccxt.async_support.base.ws.order_book import OrderBook

from bench.hot import ccxt_statistics
from bench.peers.material import LOT, TICK, Change, Material

SYMBOL = "BTC/USDT"
MARKET = {
    "id": "BTCUSDT",
    "symbol": SYMBOL,
    "base": "BTC",
    "quote": "USDT",
    "type": "spot",
    "spot": True,
    "precision": {"price": TICK, "amount": LOT},
    "limits": {},
}


class _Client:
    """What the handler wants of a connection."""

    url = "wss://stream.binance.com:9443/stream"
    subscriptions: dict[str, Any] = {}

    def resolve(self, result: Any, message_hash: str) -> Any:
        return result

    def reject(self, error: Exception, message_hash: str | None = None) -> None:
        raise error


def _levels(material: Material) -> dict[str, Any]:
    bids, asks = material.start()
    return {
        "bids": [[float(price), float(size)] for price, size in bids],
        "asks": [[float(price), float(size)] for price, size in asks],
        "nonce": 1,
        "symbol": SYMBOL,
    }


def updates(material: Material, with_statistics: bool) -> Callable[[], Callable[[Any], Any]]:
    """A batch of changes into its book; statistics after each of them where wanted."""

    def prepare() -> Callable[[Any], Any]:
        book = OrderBook(_levels(material), SNAPSHOT_MAX)
        bids, asks = book["bids"], book["asks"]

        def apply(changes: list[Change]) -> None:
            for is_bid, ticks, lots in changes:
                (bids if is_bid else asks).store(ticks * TICK, lots * LOT)
                if with_statistics:
                    ccxt_statistics(book)

        return apply

    return prepare


SNAPSHOT_MAX = 1_000_000


def frames(material: Material, with_statistics: bool) -> Callable[[], Callable[[Any], Any]]:
    """orjson, its own handler, and the same statistics from its book."""

    def prepare() -> Callable[[Any], Any]:
        exchange = ccxt.pro.binance()
        exchange.set_markets([MARKET])
        book = exchange.order_book({}, 1000)
        book.reset(_levels(material))
        exchange.orderbooks[SYMBOL] = book
        client = _Client()

        def handle(frame: bytes) -> Any:
            exchange.handle_message(client, orjson.loads(frame))
            return ccxt_statistics(book) if with_statistics else None

        return handle

    return prepare
