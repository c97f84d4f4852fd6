"""Recorded futures and Bybit traffic, played by a server that cuts, drops, stalls and restarts.

The real shell, streams and REST parts listen. Whatever was done to them, at the end each book is
the one that the plain reference kept from the whole recording.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import lzma
import random
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from core_ext.codes import Dialect, QuoteFlag
from core_ext.reference.book import Book
from core_ext.reference.bybit import BybitScanner
from core_ext.reference.scan import BinanceScanner, symbol_of
from shared.units import plain
from shared.venues.feed.port import FeedLimits

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "tests" / "shared" / "venues"))
sys.path.insert(0, str(Path(__file__).parent))
from feed_server import FeedServer, until  # noqa: E402
from live_ingest import LiveIngest, live_ingest  # noqa: E402

CAPTURES = ROOT.parent / "shared" / "data" / "capture"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not CAPTURES.is_dir(), reason=f"no recorded market data: {CAPTURES} is absent"
    ),
]

LIMITS = FeedLimits(
    connect_s=2.0,
    acknowledge_s=2.0,
    stall_s=0.6,
    backoff_min_s=0.02,
    backoff_max_s=0.1,
    settled_s=0.05,
    overlap_s=0.1,
    ping_s=0.1,
)


class Truth:
    """What the venue knows of one symbol: the whole recording, in plain Python."""

    def __init__(self, symbol: str, tick: str, bybit: bool) -> None:
        self.symbol = symbol
        self.book = Book(tick)
        self.bybit = bybit
        self.scanner = BybitScanner() if bybit else BinanceScanner(Dialect.BINANCE_FUTURES)
        self.sequence = 0
        self.restarted = 0
        """What is taken off the recording's update ids since the service was started anew."""

    def take(self, frame: bytes) -> bytes:
        """The frame as the venue sends it now."""
        said = json.loads(frame)
        if self.bybit and said["topic"].startswith("orderbook"):
            self.sequence = said["data"]["seq"]
            said["data"]["u"] -= self.restarted
            frame = json.dumps(said, separators=(",", ":")).encode()
        self.scanner.feed(self.book, frame)
        return frame

    def levels(self) -> tuple[list[list[str]], list[list[str]]]:
        sides = []
        for side in ("bid", "ask"):
            levels = self.book.levels(side)
            sides.append([[plain(price), plain(quantity)] for price, quantity in levels])
        return sides[0], sides[1]

    def snapshot(self) -> str:
        """Bybit's answer to a subscription."""
        bids, asks = self.levels()
        number = self.book.last_update_id
        data = {"s": self.symbol, "b": bids, "a": asks, "u": number, "seq": self.sequence}
        topic = f"orderbook.200.{self.symbol}"
        return json.dumps({"topic": topic, "type": "snapshot", "ts": 1, "data": data, "cts": 1})

    def restart(self) -> str:
        """The venue's service starts anew: ids begin at 1, with the whole book."""
        self.restarted += self.book.last_update_id - 1
        said = json.loads(self.snapshot())
        said["data"]["u"] = 1
        frame = json.dumps(said)
        self.scanner.feed(self.book, frame.encode())
        return frame

    def depth(self) -> bytes:
        """Binance's answer to the question for a snapshot."""
        bids, asks = self.levels()
        answer = {"lastUpdateId": self.book.last_update_id, "E": 1, "T": 1}
        return json.dumps({**answer, "bids": bids, "asks": asks}).encode()


class Capture:
    """One recorded connection: the listings, and the frames of the symbols that have a book."""

    def __init__(self, name: str, connection: str, listing: str) -> None:
        self.frames: list[tuple[str, bytes]] = []
        self.snapshots: dict[str, bytes] = {}
        self.listing = b""
        for record in records(name):
            if record["t"] == "http":
                if listing in record["url"]:
                    self.listing = record["data"].encode()
                elif "/depth?" in record["url"]:
                    symbol = record["url"].partition("symbol=")[2].partition("&")[0]
                    self.snapshots[symbol] = record["data"].encode()
            elif record["t"] == "recv" and record["conn"].endswith(connection):
                frame = record["data"].encode()
                symbol = symbol_of(frame)
                said = json.loads(frame)
                topic = said.get("topic") or said.get("stream") or ""
                known = ("orderbook.", "publicTrade.", "depth@100ms", "aggTrade", "bookTicker")
                if symbol is not None and any(word in topic for word in known):
                    self.frames.append((symbol, frame))
        self.symbols = tuple(dict.fromkeys(symbol for symbol, _ in self.frames))


def records(name: str) -> Iterator[dict[str, Any]]:
    with lzma.open(CAPTURES / f"{name}.jsonl.xz", "rb") as lines:
        for line in lines:
            yield json.loads(line)


class Player:
    """The venue of a test: plays a capture to whoever is subscribed, and misbehaves."""

    def __init__(self, server: FeedServer, capture: Capture, bybit: bool, ticks: dict[str, str]):
        self.server = server
        self.capture = capture
        self.truths = {name: Truth(name, ticks[name], bybit) for name in capture.symbols}
        self.topics: dict[web.WebSocketResponse, set[str]] = {}
        self.sent = 0
        self.asked_depth = 0
        server.on_subscribe = self.subscribed
        if bybit:
            server.answers = {
                "instruments-info": lambda request: web.Response(body=capture.listing),
                "tickers": lambda request: enveloped(
                    [{"symbol": name, "turnover24h": "7000000"} for name in capture.symbols]
                ),
                "kline": lambda request: enveloped([["60000", "1", "3", "1", "2", "1", "1"]]),
            }
        else:
            server.answers = {
                "exchangeInfo": lambda request: web.Response(body=capture.listing),
                "ticker/24hr": lambda request: web.json_response(
                    [{"symbol": name, "quoteVolume": "7000000"} for name in capture.symbols]
                ),
                "klines": lambda request: web.json_response([[60_000, "1", "3", "1", "2", "1"]]),
                "depth": self.depth,
            }

    def depth(self, request: web.Request) -> web.Response:
        self.asked_depth += 1
        return web.Response(body=self.truths[request.query["symbol"]].depth())

    async def subscribed(self, link: web.WebSocketResponse, topics: list[str]) -> None:
        self.topics.setdefault(link, set()).update(topics)
        for topic in topics:
            if topic.startswith("orderbook."):
                truth = self.truths[topic.split(".", 2)[2]]
                if truth.book.last_update_id >= 0:
                    await link.send_str(truth.snapshot())

    async def play(
        self, frames: list[tuple[str, bytes]], lost: frozenset[int] = frozenset()
    ) -> None:
        """Sends the frames; those whose place is in `lost` are left out, though they happened."""
        for place, (symbol, frame) in enumerate(frames):
            out = self.truths[symbol].take(frame).decode()
            if place not in lost:
                await self.send(out)
            if place % 20 == 0:
                await asyncio.sleep(0.001)

    async def send(self, text: str) -> None:
        self.sent += 1
        for link in self.server.links:
            if not link.closed and self.topics.get(link):
                with contextlib.suppress(ConnectionResetError):
                    await link.send_str(text)

    def is_met(self, live: LiveIngest) -> bool:
        """Whether every book is in sync with the venue's."""
        return all(
            not live.markets[name].awaiting
            and live.markets[name].book.last_update_id == truth.book.last_update_id
            for name, truth in self.truths.items()
            if truth.book.last_update_id >= 0
        )

    async def met(self, live: LiveIngest) -> None:
        await until(lambda: self.is_met(live), 60.0)

    def compare(self, live: LiveIngest) -> None:
        """Every level of every book is the reference's."""
        for name, truth in self.truths.items():
            book = live.markets[name].book
            for side in ("bid", "ask"):
                assert book.levels(side) == truth.book.levels(side), (name, side)
                assert len(book.levels(side)) > 5
            assert book.best() == truth.book.best()


def enveloped(rows: Any) -> web.Response:
    return web.json_response({"retCode": 0, "retMsg": "OK", "result": {"list": rows}})


def ticks_of(capture: Capture) -> dict[str, str]:
    listed = json.loads(capture.listing)
    if "result" in listed:
        rows = listed["result"]["list"]
        return {row["symbol"]: row["priceFilter"]["tickSize"] for row in rows}
    return {
        # Finer than the tick: some of the recorded orders are older than it.
        row["symbol"]: plain(Decimal(1).scaleb(-row["pricePrecision"]))
        for row in listed["symbols"]
    }


async def bybit_scene(venue: str, connection: str, limits: FeedLimits, act: Callable[..., Any]):
    category = "spot" if venue == "bybit" else "linear"
    capture = Capture("BYBIT", connection, f"category={category}")
    async with FeedServer() as server:
        player = Player(server, capture, True, ticks_of(capture))
        frames = capture.frames
        starts = dict.fromkeys(capture.symbols, False)
        first = 0
        while not all(starts.values()):
            symbol, frame = frames[first]
            player.truths[symbol].take(frame)
            starts[symbol] |= b'"snapshot"' in frame and b'"orderbook.' in frame
            first += 1
        async with live_ingest(venue, server.rest, server.ws, capture.symbols, limits) as live:
            await until(lambda: len(live.markets) == len(capture.symbols))
            await player.met(live)
            await act(player, live, frames[first:])


async def futures_scene(limits: FeedLimits, act: Callable[..., Any]) -> None:
    capture = Capture("BINANCE_FUTURES", "ws.1", "exchangeInfo")
    async with FeedServer() as server:
        player = Player(server, capture, False, ticks_of(capture))
        for symbol, body in capture.snapshots.items():
            truth = player.truths[symbol]
            assert isinstance(truth.scanner, BinanceScanner)
            truth.scanner.load_snapshot(truth.book, body)
        assert set(capture.snapshots) == set(capture.symbols)
        async with live_ingest(
            "binanceusdm", server.rest, server.ws, capture.symbols, limits
        ) as live:
            await until(lambda: player.topics)
            await act(player, live, capture.frames)


def parts(frames: list[Any], count: int) -> list[list[Any]]:
    """The frames in so many pieces."""
    size = len(frames) // count + 1
    return [frames[start : start + size] for start in range(0, len(frames), size)]


async def play_slowly(player: Player, live: LiveIngest, frames: list[Any]) -> None:
    """Everything, over some rotations; then the books are compared."""
    for piece in parts(frames, 40):
        await player.play(piece)
        await asyncio.sleep(0.05)
    await player.met(live)
    player.compare(live)


@pytest.mark.parametrize(("venue", "connection"), [("bybit", "3"), ("bybitlinear", "2")])
def test_bybit_as_it_was_recorded(venue: str, connection: str):
    async def act(player: Player, live: LiveIngest, frames: list[Any]) -> None:
        await player.play(frames)
        await player.met(live)
        player.compare(live)
        figures = live.actor.figures()
        assert (figures["gaps"], figures["malformed"], figures["resyncs"]) == (0, 0, 0)
        for name in player.truths:
            quote = live.quotes[name]
            assert quote.flags == QuoteFlag.WARM | QuoteFlag.SEEDED
            assert quote.volume_quote_24h == 7e6

    asyncio.run(bybit_scene(venue, connection, LIMITS, act))


@pytest.mark.parametrize(("venue", "connection"), [("bybit", "3"), ("bybitlinear", "2")])
@pytest.mark.parametrize("seed", [1, 2])
def test_bybit_that_loses_cuts_restarts_and_talks_nonsense(venue: str, connection: str, seed: int):
    chance = random.Random(seed)

    async def act(player: Player, live: LiveIngest, frames: list[Any]) -> None:
        pieces = parts(frames, 6)
        books = [n for n, (_, frame) in enumerate(pieces[0]) if b'"orderbook.' in frame[:20]]
        await player.play(pieces[0], lost=frozenset(chance.sample(books[:-20], 3)))
        await player.met(live)
        gaps = live.actor.figures()["gaps"]
        assert gaps >= 1
        assert [said["op"] for said in player.server.requests].count("unsubscribe") >= gaps

        player.server.cut()
        await player.play(pieces[1])
        await player.met(live)
        assert live.actor.figures()["reconnects"] == 1

        symbol = chance.choice(list(player.truths))
        await player.send(player.truths[symbol].restart())
        await player.play(pieces[2])
        await player.met(live)
        assert live.actor.figures()["gaps"] == gaps

        nonsense = (
            "{",
            "",
            "[]",
            '{"topic":"orderbook.200.X"',
            "\x00",
            '{"topic":"orderbook.200.'
            f'{symbol}","type":"delta","ts":1,"data":{{"s":"{symbol}","b":[["x","1"]]}}}}',
        )
        for odd in nonsense:
            await player.send(odd)
        await player.play(pieces[3])
        await player.met(live)
        assert live.actor.figures()["malformed"] == len(nonsense)
        assert live.actor.figures()["gaps"] == gaps

        # Silent, though pings are answered: a new connection is made.
        await until(lambda: live.actor.figures()["reconnects"] >= 2)
        assert live.shell.figures()["stalls"] >= 1
        assert player.server.pings > 0
        await player.play(pieces[4] + pieces[5])
        await player.met(live)
        player.compare(live)

    asyncio.run(bybit_scene(venue, connection, LIMITS, act))


@pytest.mark.parametrize(("venue", "connection"), [("bybit", "3"), ("bybitlinear", "2")])
def test_bybit_is_rotated_without_a_gap(venue: str, connection: str):
    limits = FeedLimits(stall_s=5.0, overlap_s=0.15, rotate_s=0.4)

    async def act(player: Player, live: LiveIngest, frames: list[Any]) -> None:
        await play_slowly(player, live, frames)
        figures = live.actor.figures()
        assert (figures["gaps"], figures["reconnects"], figures["resyncs"]) == (0, 0, 0)
        assert live.shell.figures()["rotations"] >= 3
        assert not live.notes("feed_down")

    asyncio.run(bybit_scene(venue, connection, limits, act))


@pytest.mark.parametrize("seed", [1, 2])
def test_futures_that_lose_cut_stall_and_talk_nonsense(seed: int):
    chance = random.Random(seed)

    async def act(player: Player, live: LiveIngest, frames: list[Any]) -> None:
        pieces = parts(frames, 4)
        await player.play(pieces[0])
        await player.met(live)
        assert live.actor.figures()["gaps"] == 0
        books = [n for n, (_, frame) in enumerate(pieces[1]) if b"depthUpdate" in frame]
        asked = player.asked_depth
        await player.play(pieces[1], lost=frozenset(chance.sample(books[:-20], 3)))
        await player.met(live)
        figures = live.actor.figures()
        assert figures["gaps"] >= 1
        assert player.asked_depth >= asked + figures["gaps"]

        await player.send('{"stream":"x@depth","data":{"s":1}}')
        player.server.cut()
        await player.play(pieces[2])
        await player.met(live)
        await until(lambda: live.actor.figures()["reconnects"] >= 2)
        await player.play(pieces[3])
        await player.met(live)
        player.compare(live)
        assert live.shell.figures()["stalls"] >= 1
        assert live.actor.figures()["malformed"] >= 1
        assert all(market.last_ticks > 0 for market in live.markets.values())

    # Patient enough for the pauses between questions for snapshots, which double.
    asyncio.run(futures_scene(msgspec.structs.replace(LIMITS, stall_s=2.5), act))


def test_futures_are_rotated_without_a_gap():
    limits = FeedLimits(stall_s=5.0, overlap_s=0.1, rotate_s=0.4)

    async def act(player: Player, live: LiveIngest, frames: list[Any]) -> None:
        await play_slowly(player, live, frames)
        figures = live.actor.figures()
        assert (figures["gaps"], figures["reconnects"], figures["malformed"]) == (0, 0, 0)
        assert live.shell.figures()["rotations"] >= 3

    asyncio.run(futures_scene(limits, act))


def test_listings_as_they_were_recorded_are_exact():
    for connection, category in (("3", "category=spot"), ("2", "category=linear")):
        ticks = ticks_of(Capture("BYBIT", connection, category))
        assert len(ticks) > 500
        assert all(Decimal(tick) > 0 for tick in ticks.values())
