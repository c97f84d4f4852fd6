"""A WebSocket server of depth frames and those that read it, each in a process of its own.

Everybody hears the same frames of the same market, in the wrapping that it asks for, through its
own port. A reader is told the id of the last frame of a pass and says what CPU time its process
used until it had applied that frame.
"""

from __future__ import annotations

import asyncio
import struct
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, Final

import orjson
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect, ws_create_server

from bench.frame_server import listing
from bench.hot import Depth, ccxt_statistics, generated_frames
from core_ext.book import Book
from core_ext.scan import BinanceScanner
from procs.ingest.market import Market, MarketLimits
from shared.clock import EngineClock
from shared.venues.feed.dialect import BINANCE
from shared.venues.feed.instruments import read_instruments
from shared.venues.feed.stream import FeedStream

SYMBOL: Final = "BTCUSDT"
UNIFIED: Final = "BTC/USDT"
STREAM: Final = b'{"stream":"btcusdt@depth@100ms","data":'
BURST: Final = 16
"""Frames in one write."""
STEADY_PAUSE_S: Final = 0.001
FIRST_ID: Final = 2

_TEXT: Final = WSMsgType.TEXT


# ---- the server


def _templates(depth: Depth) -> list[bytes]:
    """The events without their wrapping, with a hole for each id."""
    found = []
    for number, frame in enumerate(depth.frames, start=FIRST_ID):
        event = frame.removeprefix(STREAM).removesuffix(b"}")
        ids = b'"U":%d,"u":%d'
        found.append(event.replace(ids % (number, number), ids))
    return found


def _framed(payload: bytes) -> bytes:
    """As a server writes a message of this length."""
    return b"\x81\x7e" + struct.pack("!H", len(payload)) + payload


class _Desk(WSListener):  # type: ignore[misc, unused-ignore]
    """The connection of one reader."""

    def __init__(self, kept: dict[str, WSTransport], name: str) -> None:
        self._kept = kept
        self._name = name

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._kept[self._name] = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == _TEXT:
            number = orjson.loads(frame.get_payload_as_bytes())["id"]
            transport.send(_TEXT, orjson.dumps({"result": None, "id": number}))


def serve(pipe: Connection, names: list[str]) -> None:
    """Says each reader's port, then sends what it is told: (reader, first id, count, in bursts)."""

    async def live() -> None:
        loop = asyncio.get_running_loop()
        templates, kept = _templates(generated_frames()), dict[str, WSTransport]()
        ports = {}
        for name in names:
            made = await ws_create_server(lambda _, name=name: _Desk(kept, name), "127.0.0.1", 0)
            ports[name] = made.sockets[0].getsockname()[1]
        pipe.send(ports)
        told: asyncio.Queue[tuple[str, int, int, bool]] = asyncio.Queue()
        loop.add_reader(pipe.fileno(), lambda: told.put_nowait(pipe.recv()))
        while True:
            name, first, count, in_bursts = await told.get()
            transport = kept[name]
            wrapped = transport.request.path.startswith(b"/stream")
            frames = []
            for number in range(first, first + count):
                event = templates[(number - FIRST_ID) % len(templates)] % (number, number)
                frames.append(_framed(STREAM + event + b"}" if wrapped else event))
            size = BURST if in_bursts else 1
            for start in range(0, count, size):
                transport.underlying_transport.write(b"".join(frames[start : start + size]))
                await asyncio.sleep(0 if in_bursts else STEADY_PAUSE_S)

    _run(live())


# ---- the readers


class _Turn:
    """The passes of a reader: waits for the id of a last frame, says what CPU time it cost."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._told: asyncio.Queue[int] = asyncio.Queue()
        self.last_id = 0
        self._began_ns = 0

    def ready(self) -> None:
        """Passes may come."""
        asyncio.get_running_loop().add_reader(self._pipe.fileno(), self._hear)
        self._pipe.send("ready")

    def _hear(self) -> None:
        self.last_id = self._pipe.recv()
        self._told.put_nowait(self.last_id)
        self._began_ns = time.process_time_ns()
        self._pipe.send("armed")

    async def begun(self) -> None:
        """Waits for the next pass."""
        await self._told.get()

    def end(self) -> None:
        """The book stands at the last id."""
        self._pipe.send(time.process_time_ns() - self._began_ns)


def _market() -> Market:
    (instrument,) = read_instruments(orjson.dumps({"symbols": [listing(SYMBOL)]}))
    return Market(instrument, MarketLimits(), 0)


class _Ours(ABC):
    """Ingest's stream, and what is done with its frames."""

    def __init__(self, turn: _Turn) -> None:
        self.turn = turn
        self.snapshot = generated_frames().snapshot
        self.up = asyncio.Event()

    @abstractmethod
    def on_data(self, frame: bytes, now_ns: int) -> None:
        """See FeedHandler."""

    def on_up(self, symbols: tuple[str, ...]) -> None:
        """See FeedHandler."""
        self.up.set()

    def on_down(self, symbols: tuple[str, ...], reason: str) -> None:
        """See FeedHandler."""
        raise ConnectionError(reason)


class _Statistics(_Ours):
    """Frame to book to statistics in one call."""

    def __init__(self, turn: _Turn) -> None:
        super().__init__(turn)
        self._book, scanner = Book("0.01", kind="window"), BinanceScanner()
        scanner.load_snapshot(self._book, self.snapshot)
        self._feed = scanner.feed_stats

    def on_data(self, frame: bytes, now_ns: int) -> None:
        """See FeedHandler."""
        book = self._book
        self._feed(book, frame)
        if book.last_update_id == self.turn.last_id:
            self.turn.end()


class _WholeMarket(_Ours):
    """All that ingest does with a frame short of saying a quote, and the statistics."""

    def __init__(self, turn: _Turn) -> None:
        super().__init__(turn)
        self._market = _market()
        self._market.book.become("window")

    def on_up(self, symbols: tuple[str, ...]) -> None:
        """See FeedHandler."""
        self._market.on_link(True)
        self._market.on_snapshot(self._market.generation, self.snapshot, 0)
        super().on_up(symbols)

    def on_data(self, frame: bytes, now_ns: int) -> None:
        """See FeedHandler."""
        market = self._market
        market.on_frame(frame, now_ns)
        book = market.book
        book.stats()
        if book.last_update_id == self.turn.last_id:
            self.turn.end()


def seawall(pipe: Connection, port: int, kind: type[_Ours]) -> None:
    """FeedStream, and one of the above; books in tick windows, as priority symbols have them."""

    async def live() -> None:
        ours = kind(_Turn(pipe))
        stream = FeedStream(BINANCE, f"ws://127.0.0.1:{port}", (SYMBOL,), ours, EngineClock())
        async with asyncio.TaskGroup() as group:
            group.create_task(stream.run())
            await ours.up.wait()
            ours.turn.ready()

    _run(live())


class _Idle(WSListener):  # type: ignore[misc, unused-ignore]
    """Finds the id in a frame, and nothing else."""

    def __init__(self, turn: _Turn) -> None:
        self.turn = turn

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        payload = frame.get_payload_as_bytes()
        at = payload.find(b'"u":') + 4
        if int(payload[at : payload.find(b",", at)]) == self.turn.last_id:
            self.turn.end()


def bare(pipe: Connection, port: int) -> None:
    """What the same library and loop need to deliver a frame to Python."""

    async def live() -> None:
        turn = _Turn(pipe)
        await ws_connect(lambda: _Idle(turn), f"ws://127.0.0.1:{port}/stream")
        turn.ready()
        await asyncio.get_running_loop().create_future()

    _run(live())


MARKET: Final = {
    "id": SYMBOL,
    "lowercaseId": SYMBOL.lower(),
    "symbol": UNIFIED,
    "base": "BTC",
    "quote": "USDT",
    "type": "spot",
    "spot": True,
    "contract": False,
    "option": False,
    "precision": {"price": 0.01, "amount": 0.00001},
    "limits": {},
}


def ccxt_pro(pipe: Connection, port: int, with_statistics: bool, on_uvloop: bool) -> None:
    """`watch_order_book` in a loop, as its users write it; statistics whenever it returns."""

    async def live() -> None:
        import ccxt.pro

        exchange = ccxt.pro.binance()
        exchange.set_markets([MARKET])
        exchange.urls["api"]["ws"]["spot"] = f"ws://127.0.0.1:{port}/ws"
        decoded = orjson.loads(generated_frames().snapshot)
        snapshot = {
            "bids": [[float(price), float(size)] for price, size in decoded["bids"]],
            "asks": [[float(price), float(size)] for price, size in decoded["asks"]],
            "nonce": decoded["lastUpdateId"],
            "symbol": UNIFIED,
        }

        async def fetched(*_: Any) -> dict[str, Any]:
            return snapshot

        exchange.fetch_rest_order_book_safe = fetched
        book = await exchange.watch_order_book(UNIFIED)
        turn = _Turn(pipe)
        turn.ready()
        while True:
            await turn.begun()
            while book["nonce"] < turn.last_id:
                book = await exchange.watch_order_book(UNIFIED)
                if with_statistics:
                    ccxt_statistics(book)
            turn.end()

    _run(live(), on_uvloop)


def _run(work: Coroutine[Any, Any, None], on_uvloop: bool = True) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop if on_uvloop else None) as runner:
        runner.run(work)


Reader = Callable[[Connection, int], None]

OURS: Final[dict[str, Reader]] = {
    "statistics": partial(seawall, kind=_Statistics),
    "market": partial(seawall, kind=_WholeMarket),
}
PEERS: Final[dict[str, Reader]] = {"bare_picows": bare}
CCXT: Final[dict[str, Reader]] = {
    "ccxt_pro": partial(ccxt_pro, with_statistics=True, on_uvloop=False),
    "ccxt_pro_without_stats": partial(ccxt_pro, with_statistics=False, on_uvloop=False),
    "ccxt_pro_without_stats_on_uvloop": partial(ccxt_pro, with_statistics=False, on_uvloop=True),
}
