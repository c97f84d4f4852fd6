"""ccxt.pro: its order book, and its own message handler on decoded frames."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ccxt.async_support.base.ws.order_book import OrderBook

from bench import hot
from bench.hot import Depth, ccxt_statistics
from bench.peers.material import LOT, TICK, Change, Material

SNAPSHOT_MAX = 1_000_000


def _levels(material: Material) -> dict[str, Any]:
    bids, asks = material.start()
    return {
        "bids": [[float(price), float(size)] for price, size in bids],
        "asks": [[float(price), float(size)] for price, size in asks],
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


def frames(material: Material, with_statistics: bool) -> Callable[[], Callable[[Any], Any]]:
    """orjson, its own handler, and the same statistics from its book: `bench hot`'s route."""
    return hot.ccxt_pro(Depth(material.snapshot, material.frames, "generated"), with_statistics)
