"""A venue that only talks: frames of many markets at a constant rate, each with when it was sent.

It speaks Binance spot's streams and as much of its REST as ingest asks for. Depth frames of twenty
levels and trades take turns; each changes what a quote says, so each frame makes one quote. The
event time of a frame is in microseconds, where the venue says milliseconds: a quote carries it on
untouched, and a reader of quotes can tell their age finely.
"""

from __future__ import annotations

import asyncio
import random
import time
from multiprocessing.connection import Connection
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import orjson
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server

LEVELS: Final = 20
VARIANTS: Final = 32
"""Different depth frames, which every market goes through again and again."""
CENTRE_TICKS: Final = 6_000_000
SNAPSHOT_LEVELS: Final = 500
TICK_S: Final = 0.001
MINUTE_MS: Final = 60_000
CANDLES: Final = 60

_TEXT: Final = WSMsgType.TEXT


def names(count: int) -> list[str]:
    """The symbols of so many markets."""
    return [f"B{number:03d}USDT" for number in range(count)]


def _price(ticks: int) -> str:
    return f"{ticks / 100:.2f}"


def _depth_template(rng: random.Random, number: int) -> bytes:
    """A delta with holes for stream, time, symbol and id; its best bid has another quantity."""
    sides: tuple[dict[int, str], dict[int, str]] = ({CENTRE_TICKS: f"{number + 1:.5f}"}, {})
    while len(sides[0]) + len(sides[1]) < LEVELS:
        at = rng.randrange(2)
        ticks = CENTRE_TICKS + (2 * at - 1) * (int(rng.expovariate(1 / 400)) + 2)
        sides[at][ticks] = "0.00000" if rng.random() < 0.4 else f"{rng.random() * 5 + 0.001:.5f}"
    bids, asks = ([[_price(ticks), side[ticks]] for ticks in side] for side in sides)
    return (
        b'{"stream":"%b@depth@100ms","data":{"e":"depthUpdate","E":%d,"s":"%b","U":%d,"u":%d,'
        b'"b":' + orjson.dumps(bids) + b',"a":' + orjson.dumps(asks) + b"}}"
    )


TRADE: Final = (
    b'{"stream":"%b@trade","data":{"e":"trade","E":%d,"s":"%b","t":%d,"p":"%b","q":"0.01000000",'
    b'"T":1760000000000,"m":true,"M":true}}'
)


class Markets:
    """What every market has said so far."""

    def __init__(self, count: int) -> None:
        rng = random.Random(1)
        self.symbols = names(count)
        self.streams: dict[str, WSTransport] = {}
        """Where the frames of a symbol go."""
        self.sent = 0
        self._templates = [_depth_template(rng, number) for number in range(VARIANTS)]
        self._words = [(s.lower().encode(), s.encode()) for s in self.symbols]
        self._ids = [1] * count
        self._trades = [0] * count

    def say_next(self) -> None:
        """The next frame in the round, on its way."""
        round_number, place = divmod(self.sent, len(self.symbols))
        self.sent += 1
        lower, upper = self._words[place]
        at_us = time.time_ns() // 1_000
        if round_number % 2:
            self._trades[place] += 1
            number = self._trades[place]
            price = b"60000.01" if number % 2 else b"60000.00"
            frame = TRADE % (lower, at_us, upper, number, price)
        else:
            self._ids[place] += 1
            number = self._ids[place]
            frame = self._templates[number % VARIANTS] % (lower, at_us, upper, number, number)
        self.streams[self.symbols[place]].send(_TEXT, frame)

    def answer(self, path: str, query: dict[str, list[str]]) -> Any:
        """What REST says."""
        if path.endswith("exchangeInfo"):
            return {"symbols": [listing(symbol) for symbol in self.symbols]}
        if path.endswith("depth"):
            place = self.symbols.index(query["symbol"][0])
            sides = [
                [[_price(CENTRE_TICKS + at * (i * 3 + 1)), "1.5"] for i in range(SNAPSHOT_LEVELS)]
                for at in (-1, 1)
            ]
            return {"lastUpdateId": self._ids[place], "bids": sides[0], "asks": sides[1]}
        if path.endswith("klines"):
            now_ms = time.time_ns() // 1_000_000 // MINUTE_MS * MINUTE_MS
            row = ["60000", "60010", "59990", "60000", "1", 0, "1", 1, "1", "1", "0"]
            return [[now_ms - i * MINUTE_MS, *row] for i in range(CANDLES - 1, -1, -1)]
        return [{"symbol": symbol, "quoteVolume": "1000000"} for symbol in self.symbols]


def listing(symbol: str) -> dict[str, Any]:
    """A market as exchangeInfo has it."""
    return {
        "symbol": symbol,
        "status": "TRADING",
        "baseAsset": symbol.removesuffix("USDT"),
        "quoteAsset": "USDT",
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "0", "tickSize": "0.01"},
            {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9", "stepSize": "0.00001"},
        ],
    }


class _Rest(asyncio.Protocol):
    """One question a connection."""

    def __init__(self, markets: Markets) -> None:
        self._markets = markets
        self._heard = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._heard += data
        if b"\r\n\r\n" not in self._heard:
            return
        asked = urlsplit(self._heard.split(b" ", 2)[1].decode())
        body = orjson.dumps(self._markets.answer(asked.path, parse_qs(asked.query)))
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        self._transport.close()


class _Stream(WSListener):  # type: ignore[misc, unused-ignore]
    """One connection of ingest's: it takes the symbols that it subscribes."""

    def __init__(self, markets: Markets) -> None:
        self._markets = markets

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type != _TEXT:
            return
        asked = orjson.loads(frame.get_payload_as_bytes())
        for stream in asked["params"]:
            self._markets.streams[stream.partition("@")[0].upper()] = transport
        transport.send(_TEXT, orjson.dumps({"result": None, "id": asked["id"]}))


def serve(pipe: Connection, symbols: int, frames_per_s: int) -> None:
    """Says its ports through the pipe, pours once all symbols are subscribed, answers each word
    with (symbols subscribed, frames sent), until it is killed."""

    async def live() -> None:
        loop = asyncio.get_running_loop()
        markets = Markets(symbols)
        rest = await loop.create_server(lambda: _Rest(markets), "127.0.0.1", 0)
        streams = await ws_create_server(lambda _: _Stream(markets), "127.0.0.1", 0)
        pipe.send([one.sockets[0].getsockname()[1] for one in (rest, streams)])

        def word() -> None:
            pipe.recv()
            pipe.send((len(markets.streams), markets.sent))

        loop.add_reader(pipe.fileno(), word)
        while len(markets.streams) < symbols:
            await asyncio.sleep(0.05)
        # Subscribed is not yet acknowledged: what came before would be lost.
        await asyncio.sleep(0.5)
        began, before = loop.time(), markets.sent
        while True:
            await asyncio.sleep(TICK_S)
            due = int((loop.time() - began) * frames_per_s)
            while markets.sent - before < due:
                markets.say_next()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(live())
