"""Ingest's real shell and actor over ccxt.pro and an OKX of ours: a hole, a bad price, a cut."""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager
from pathlib import Path

from live_ingest import live_ingest

sys.path.insert(0, str(Path(__file__).parents[2] / "shared" / "venues"))
from okx_server import QUICK, Okx, book, market, trade, until

BTC = "BTC/USDT"


def first_book(name: str) -> list[str]:
    return [book(name, "snapshot", [["100.1", "2"], ["100", "1"]], [["100.3", "3"]], 10)]


@asynccontextmanager
async def watched(server: Okx, *symbols: str):
    async with (
        server.running(),
        live_ingest("okx", server.rest, server.ws, symbols, QUICK) as live,
    ):
        yield live


def test_a_hole_and_a_price_between_ticks_are_made_whole_by_a_new_subscription():
    async def play():
        server = Okx(market("BTC-USDT"))
        server.on_books = first_book
        async with (
            server.running(),
            live_ingest("okx", server.rest, server.ws, (BTC,), QUICK) as live,
        ):
            await until(lambda: BTC in live.markets and not live.markets[BTC].awaiting)
            found = live.markets[BTC]
            await until(lambda: found.window.seeded)
            await server.send(trade("BTC-USDT", 1, "100.2"))
            await until(lambda: found.last_ticks == 1002)
            await server.send(book("BTC-USDT", "update", [["99", "1"]], [], 15, previous=14))
            await until(lambda: found.gaps == 1 and not found.awaiting)
            assert server.unsubscribed == ["BTC-USDT"]
            await server.send(book("BTC-USDT", "update", [["100.05", "1"]], [], 11, previous=10))
            await until(lambda: found.refused == 1)
            await server.send(book("BTC-USDT", "update", [["99", "1"]], [], 12, previous=11))
            await until(lambda: found.gaps == 2 and not found.awaiting)
            await server.send("{broken", book("BTC-USDT", "update", [["98", "1"]], [], 11, 10))
            await until(lambda: found.book.counts() == (3, 1))
            await asyncio.sleep(0.6)
            return server, live, found

    server, live, found = asyncio.run(play())
    assert server.connections == 1
    assert server.unsubscribed == ["BTC-USDT", "BTC-USDT"]
    assert live.actor.figures()["malformed"] == 2
    quote = live.quotes[BTC]
    assert (quote.bid_ticks, quote.ask_ticks, quote.last_ticks) == (1001, 1003, 1002)
    assert found.volume_quote_24h == 5000.0
    texts = [fields["text"] for fields in live.notes("frame_refused")]
    assert any("finer than its step" in text for text in texts)


def test_after_a_cut_the_books_come_back():
    async def play():
        server = Okx(market("BTC-USDT"), market("ETH-USDT", "0.01"))
        server.on_books = first_book
        names = (BTC, "ETH/USDT")
        async with (
            server.running(),
            live_ingest("okx", server.rest, server.ws, names, QUICK) as live,
        ):
            await until(lambda: len(live.markets) == 2)
            await until(lambda: not any(one.awaiting for one in live.markets.values()))
            await server.cut()
            await until(lambda: any(one.awaiting for one in live.markets.values()))
            await until(lambda: not any(one.awaiting for one in live.markets.values()))
            return server, live

    server, live = asyncio.run(play())
    assert server.connections == 2
    assert live.actor.links_lost == 1
