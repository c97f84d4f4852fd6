"""A server that speaks as OKX's public API: what its books say is the test's decision."""

from __future__ import annotations

import asyncio
import json
import lzma
from collections.abc import Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import WSMsgType, web
from served import served

from core_ext.book import Book
from core_ext.codes import Outcome
from core_ext.scan import BybitScanner, symbol_of
from shared.clock import EngineClock
from shared.venues.feed.ccxt_dialects import okx_checksum
from shared.venues.feed.port import FeedLimits, FeedStart

CAPTURE = Path(__file__).resolve().parents[4] / "shared" / "data" / "capture"
QUICK = FeedLimits(backoff_min_s=0.05, backoff_max_s=0.2, stall_s=30.0)


def captured(name: str) -> list[dict[str, Any]]:
    """The recorded messages of a venue; skips where the recordings are absent."""
    path = CAPTURE / name
    if not path.exists():
        pytest.skip(f"recorded market data are absent: {path} (../shared beside the checkout)")
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def recorded_books(market: str) -> list[str]:
    """The recorded book messages of one OKX market, as they came."""
    return [
        record["data"]
        for record in captured("OKX.jsonl.xz")
        if record["t"] == "recv" and f'"channel":"books","instId":"{market}"' in record["data"]
        and '"action"' in record["data"]
    ]  # fmt: skip


def market(name: str, tick: str = "0.1", lot: str = "0.00000001") -> dict[str, Any]:
    base, quote = name.split("-")
    return {
        "instType": "SPOT", "instId": name, "baseCcy": base, "quoteCcy": quote, "tickSz": tick,
        "lotSz": lot, "minSz": "0.00001", "maxLmtSz": "9999", "maxMktSz": "1000", "state": "live",
        "lever": "", "uly": "", "settleCcy": "", "ctVal": "", "ctMult": "", "expTime": "",
        "listTime": "1548133413000", "optType": "", "stk": "", "category": "1", "alias": "",
    }  # fmt: skip


def book(
    name: str,
    action: str,
    bids: list[list[str]],
    asks: list[list[str]],
    number: int,
    previous: int = -1,
    checksum: int = 0,
) -> str:
    """A message of the channel `books`."""
    data = {
        "bids": [[*level, "0", "1"] for level in bids],
        "asks": [[*level, "0", "1"] for level in asks],
        "ts": "1700000000000", "checksum": checksum, "seqId": number, "prevSeqId": previous,
    }  # fmt: skip
    return json.dumps(
        {"arg": {"channel": "books", "instId": name}, "action": action, "data": [data]}
    )


def trade(name: str, number: int, price: str, side: str = "buy") -> str:
    data = {"instId": name, "tradeId": str(number), "px": price, "sz": "0.5", "side": side}
    return json.dumps(
        {"arg": {"channel": "trades", "instId": name}, "data": [{**data, "ts": "1700000000000"}]}
    )


class Okx:
    """`on_books(name)` says what a subscription of a book is answered with, besides the ack."""

    def __init__(self, *markets: dict[str, Any]) -> None:
        self.markets = list(markets) or [market("BTC-USDT"), market("ETH-USDT", "0.01")]
        self.on_books: Callable[[str], list[str]] = lambda name: []
        self.refused: set[str] = set()
        self.mute: set[str] = set()
        self.subscribed: list[str] = []
        self.unsubscribed: list[str] = []
        self.sockets: list[web.WebSocketResponse] = []
        self.connections = 0
        self.asked: list[str] = []
        self.port = 0

    @property
    def rest(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    async def send(self, *messages: str) -> None:
        """To every connection that is open."""
        for socket in self.sockets:
            for message in messages:
                await socket.send_str(message)

    async def cut(self) -> None:
        for socket in list(self.sockets):
            await socket.close()

    @asynccontextmanager
    async def running(self) -> Any:
        app = web.Application()
        app.router.add_get("/ws/v5/{kind}", self._socket)
        app.router.add_get("/{path:.*}", self._answer)
        async with served(app) as self.port:
            try:
                yield self
            finally:
                await self.cut()

    async def _answer(self, request: web.Request) -> web.Response:
        path = request.path.removeprefix("/api/v5/")
        self.asked.append(path)
        data: Any = []
        if path == "public/instruments":
            data = self.markets if request.query["instType"] == "SPOT" else []
        elif path == "market/tickers":
            data = [
                {"instId": one["instId"], "last": "100", "volCcy24h": "5000", "vol24h": "50",
                 "ts": "1700000000000"}
                for one in self.markets
            ]  # fmt: skip
        elif path.endswith("candles"):
            data = [
                [str(60_000 * minute), "10", "12", "9", "11", "1", "1", "1", "1"]
                for minute in (29, 28, 27)
            ]
        return web.json_response({"code": "0", "msg": "", "data": data})

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.connections += 1
        self.sockets.append(socket)
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await self._hear(socket, message.data)
        finally:
            self.sockets.remove(socket)
        return socket

    async def _hear(self, socket: web.WebSocketResponse, text: str) -> None:
        if text == "ping":
            await socket.send_str("pong")
            return
        said = json.loads(text)
        for arg in said["args"]:
            name = arg["instId"]
            if name in self.refused:
                error = {"event": "error", "code": "60018", "connId": "c"}
                await socket.send_str(json.dumps({**error, "msg": f"{name} does not exist"}))
                continue
            if name in self.mute:
                continue
            await socket.send_str(json.dumps({"event": said["op"], "arg": arg, "connId": "c"}))
            if arg["channel"] != "books":
                continue
            if said["op"] == "unsubscribe":
                self.unsubscribed.append(name)
                continue
            self.subscribed.append(name)
            for answer in self.on_books(name):
                await socket.send_str(answer)


class Listener:
    """A FeedHandler with a book for every symbol, as ingest has them."""

    def __init__(self, ticks: dict[str, str]) -> None:
        self.books = {symbol: Book(tick) for symbol, tick in ticks.items()}
        self.scanners = {symbol: BybitScanner() for symbol in ticks}
        self.ups: list[str] = []
        self.downs: list[tuple[tuple[str, ...], str]] = []
        self.frames: list[bytes] = []
        self.unread: list[bytes] = []
        self.outcomes: dict[str, list[int]] = {symbol: [] for symbol in ticks}
        self.trades: dict[str, list[int]] = {symbol: [] for symbol in ticks}
        self.on_gap: Callable[[str], None] = lambda symbol: None
        self.raises: Exception | None = None

    def on_data(self, frame: bytes, now_ns: int) -> None:
        if self.raises is not None:
            raise self.raises
        self.frames.append(frame)
        symbol = symbol_of(frame)
        if symbol not in self.books:
            self.unread.append(frame)
            return
        result = self.scanners[symbol].feed(self.books[symbol], frame)
        if result.trades:
            self.trades[symbol] += [one.price_ticks for one in self.scanners[symbol].trades()]
            return
        self.outcomes[symbol].append(result.outcome)
        if result.outcome == Outcome.GAP:
            self.on_gap(symbol)

    def on_up(self, symbols: tuple[str, ...]) -> None:
        self.ups += symbols

    def on_down(self, symbols: tuple[str, ...], reason: str) -> None:
        self.downs.append((symbols, reason))

    def checksum(self, symbol: str) -> int:
        """OKX's, of the book that ingest would have."""
        sides = [
            [
                (_shortest(price), _shortest(lots))
                for price, lots in self.books[symbol].levels(s, 25)
            ]
            for s in ("bid", "ask")
        ]
        return okx_checksum(*sides)


def _shortest(value: Any) -> str:
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def start_at(server: Okx, limits: FeedLimits = QUICK, venue: str = "okx") -> FeedStart:
    return FeedStart(
        venue=venue, clock=EngineClock(), rest=server.rest, ws=server.ws, limits=limits
    )


@asynccontextmanager
async def watching(feed: Any, symbols: tuple[str, ...], listener: Listener) -> Any:
    """A feed that runs; its end, and what it raised, are at `.result()` of what is yielded."""
    task = asyncio.create_task(feed.run(symbols, listener))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})


async def until(condition: Callable[[], Any], seconds: float = 60.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)
