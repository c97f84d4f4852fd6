"""Each venue's feed through the real shell and a small server: in sync, a gap, in sync again."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from core_ext.codes import QuoteFlag
from shared.venues.feed.port import FeedLimits

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "tests" / "shared" / "venues"))
sys.path.insert(0, str(Path(__file__).parent))
from feed_server import FeedServer, bybit_book, bybit_trades, snapshot, until, wrapped  # noqa: E402
from live_ingest import LiveIngest, live_ingest  # noqa: E402

LIMITS = FeedLimits(connect_s=2.0, acknowledge_s=2.0, stall_s=20.0, backoff_min_s=0.02)
BIDS, ASKS = [["99.9", "5"]], [["100.1", "5"]]
FILTERS = [
    {"filterType": "PRICE_FILTER", "minPrice": "0.1", "maxPrice": "0", "tickSize": "0.1"},
    {"filterType": "LOT_SIZE", "minQty": "1", "maxQty": "9000", "stepSize": "1"},
    {"filterType": "NOTIONAL", "minNotional": "5"},
]


class Binance:
    """Spot, USD-M or COIN-M with one market whose ids the test moves."""

    def __init__(self, server: FeedServer, venue: str, symbol: str) -> None:
        self.server, self.venue, self.symbol = server, venue, symbol
        self.number = 100
        names = {"symbol": symbol, "baseAsset": "BTC", "quoteAsset": "USDT", "filters": FILTERS}
        listed = {**names, "contractSize": 100, "pricePrecision": 1}
        listed |= {"contractStatus" if venue == "binancecoinm" else "status": "TRADING"}
        day = {"symbol": symbol, "quoteVolume": "7000", "volume": "70"}
        server.answers = {
            "exchangeInfo": lambda request: web.json_response({"symbols": [listed]}),
            "ticker/24hr": lambda request: web.json_response([day]),
            "klines": lambda request: web.json_response([[60_000, "100", "110", "99", "100"]]),
            "depth": lambda request: web.Response(body=snapshot(self.number, BIDS, ASKS)),
        }

    async def delta(self, quantity: str, skip: int = 0) -> None:
        before = self.number + skip
        self.number = before + 3
        said = {"e": "depthUpdate", "E": 1, "s": self.symbol, "U": before + 1, "u": self.number}
        more = {} if self.venue == "binance" else {"pu": before, "T": 1}
        frame = wrapped("x@depth@100ms", **said, **more, b=[["99.9", quantity]], a=[])
        await self.server.links[-1].send_str(frame)

    async def trade(self, price: str) -> None:
        said: dict[str, Any] = {"e": "trade", "E": 1, "s": self.symbol, "t": 1, "p": price}
        if self.venue == "binancecoinm":
            said = {"e": "aggTrade", "E": 1, "s": self.symbol, "a": 1, "p": price, "f": 1, "l": 1}
        await self.server.links[-1].send_str(wrapped("x@t", **said, q="1", T=1, m=True))

    def topics(self) -> set[str]:
        kind = "aggTrade" if self.venue == "binancecoinm" else "trade"
        return {f"{self.symbol.lower()}@{name}" for name in ("depth@100ms", kind, "bookTicker")}


class Bybit:
    """Spot or linear with one market."""

    def __init__(self, server: FeedServer, venue: str, symbol: str) -> None:
        self.server, self.symbol = server, symbol
        self.number = 100
        lot = {"basePrecision" if venue == "bybit" else "qtyStep": "1", "minOrderQty": "1"}
        listed = {
            "symbol": symbol, "status": "Trading", "baseCoin": "BTC", "quoteCoin": "USDT",
            "lotSizeFilter": lot, "priceFilter": {"tickSize": "0.1"},
        }  # fmt: skip

        def said(*rows: Any) -> Callable[[web.Request], web.Response]:
            return lambda request: web.json_response({"retCode": 0, "result": {"list": rows}})

        server.answers = {
            "instruments-info": said(listed),
            "tickers": said({"symbol": symbol, "turnover24h": "7000"}),
            "kline": said(["60000", "100", "110", "99", "100", "1", "1"]),
        }
        server.on_subscribe = self.subscribed

    async def subscribed(self, link: web.WebSocketResponse, topics: list[str]) -> None:
        if any(topic.startswith("orderbook.") for topic in topics):
            await link.send_str(self.book("snapshot", BIDS, ASKS))

    def book(self, kind: str, bids: Any, asks: Any) -> str:
        return bybit_book(self.symbol, kind, self.number, self.number, bids, asks)

    async def delta(self, quantity: str, skip: int = 0) -> None:
        self.number += 1 + skip
        await self.server.links[-1].send_str(self.book("delta", [["99.9", quantity]], []))

    async def trade(self, price: str) -> None:
        await self.server.links[-1].send_str(bybit_trades(self.symbol, (1, price)))

    def topics(self) -> set[str]:
        return {f"orderbook.200.{self.symbol}", f"publicTrade.{self.symbol}"}


VENUES = [
    ("binance", "BTCUSDT", Binance, "/stream"),
    ("binanceusdm", "BTCUSDT", Binance, "/stream"),
    ("binancecoinm", "BTCUSD_PERP", Binance, "/stream"),
    ("bybit", "BTCUSDT", Bybit, "/v5/public/spot"),
    ("bybitlinear", "BTCUSDT", Bybit, "/v5/public/linear"),
]


@pytest.mark.parametrize(
    ("venue", "symbol", "kind", "path"), VENUES, ids=[row[0] for row in VENUES]
)
def test_a_venue_is_followed_and_a_gap_is_made_good(venue: str, symbol: str, kind: Any, path: str):
    async def act(live: LiveIngest, played: Any, server: FeedServer) -> None:
        await until(lambda: live.actor.ready)
        assert server.paths == [path]
        assert {topic for topics in server.subscribed for topic in topics} == played.topics()
        await until(lambda: live.quotes[symbol].volume_quote_24h == 7000)
        await until(lambda: live.quotes[symbol].flags == QuoteFlag.WARM | QuoteFlag.SEEDED)
        await played.delta("7")
        await played.trade("100.0")
        await until(lambda: live.quotes[symbol].bid_lots == 7 * 10**8)
        await until(lambda: live.quotes[symbol].last_ticks == 1000)
        quote = live.quotes[symbol]
        assert (quote.bid_ticks, quote.ask_ticks, quote.anchor_ticks) == (999, 1001, 1100)
        await played.delta("8", skip=5)
        await until(lambda: live.actor.figures()["gaps"] == 1)
        await until(lambda: live.actor.figures()["synced"] == 1)
        await played.delta("9")
        await until(lambda: live.quotes[symbol].bid_lots == 9 * 10**8)
        figures = live.actor.figures()
        assert (figures["resyncs"], figures["malformed"], figures["reconnects"]) == (1, 0, 0)

    async def scene() -> None:
        async with FeedServer() as server:
            played = kind(server, venue, symbol)
            async with live_ingest(venue, server.rest, server.ws, (symbol,), LIMITS) as live:
                await act(live, played, server)

    asyncio.run(scene())


def test_a_stream_that_is_cut_while_it_is_asked_again_comes_back_whole():
    async def scene() -> None:
        async with FeedServer() as server:
            played = Bybit(server, "bybit", "BTCUSDT")
            async with live_ingest("bybit", server.rest, server.ws, ("BTCUSDT",), LIMITS) as live:
                await until(lambda: live.actor.ready)
                plain, server.acknowledge = server.acknowledge, lambda said: None
                await played.delta("8", skip=5)
                await until(lambda: json.dumps(server.requests[-1]).count("unsubscribe"))
                server.acknowledge = plain
                server.cut()
                await until(lambda: live.actor.figures()["synced"] == 1)
                await played.delta("9")
                await until(lambda: live.quotes["BTCUSDT"].bid_lots == 9 * 10**8)
                asked = len(server.requests)
                await asyncio.sleep(0.7)
                # The question of before the cut is not asked once more.
                assert len(server.requests) == asked

    asyncio.run(scene())
