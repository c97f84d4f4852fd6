"""The public questions against a scripted server, and the exactness of what is read."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import sys
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from shared.clock import EngineClock
from shared.errors import ConfigError, VenueError
from shared.venues.feed import http
from shared.venues.feed.budget import WeightBudget
from shared.venues.feed.instruments import read_instruments
from shared.venues.feed.rest import BinancePublic, MinuteCandle, RestError

sys.path.insert(0, str(Path(__file__).parent))
from feed_server import FeedServer


def entry(symbol: str = "BTCUSDT", **changes: Any) -> dict[str, Any]:
    filters = {
        "PRICE_FILTER": {"minPrice": "0.01", "maxPrice": "1000000.00", "tickSize": "0.01000000"},
        "LOT_SIZE": {"minQty": "0.00001000", "maxQty": "9000.0", "stepSize": "0.00001000"},
        "MARKET_LOT_SIZE": {"minQty": "0.0", "maxQty": "79.3", "stepSize": "0.0"},
        "NOTIONAL": {"minNotional": "5.00000000", "applyMinToMarket": True},
        "PERCENT_PRICE_BY_SIDE": {"bidMultiplierUp": "5", "askMultiplierDown": "0.2"},
    }
    for name, change in changes.items():
        if change is None:
            del filters[name]
        else:
            filters[name] = {**filters[name], **change}
    return {
        "symbol": symbol,
        "status": "TRADING",
        "baseAsset": symbol[:3],
        "quoteAsset": symbol[3:],
        "orderTypes": ["LIMIT"],
        "filters": [{"filterType": name, **fields} for name, fields in filters.items()],
    }


def info(*entries: dict[str, Any]) -> bytes:
    return json.dumps({"timezone": "UTC", "symbols": entries}).encode()


def test_instruments_are_exact():
    (btc,) = read_instruments(info(entry(), entry("ETHBTC")), "USDT")
    assert (btc.symbol, btc.base, btc.quote, btc.status) == ("BTCUSDT", "BTC", "USDT", "TRADING")
    assert btc.tick_size == Decimal("0.01")
    assert btc.step_size == Decimal("0.00001")
    assert (btc.min_notional, btc.market_max_quantity) == (Decimal(5), Decimal("79.3"))
    wanted = read_instruments(info(entry(), entry("ETHBTC")), wanted=frozenset({"ETHBTC"}))
    assert [instrument.symbol for instrument in wanted] == ["ETHBTC"]


def test_bounds_that_the_venue_leaves_open_do_not_bind():
    body = info(entry(PRICE_FILTER={"maxPrice": "0.00000000"}, MARKET_LOT_SIZE=None, NOTIONAL=None))
    (btc,) = read_instruments(body)
    assert btc.max_price > 10**12
    assert btc.market_max_quantity == btc.max_quantity == 9000
    assert btc.min_notional == 0


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"<html>", "exchangeInfo"),
        (b'{"symbols": 3}', "exchangeInfo"),
        (info(entry(PRICE_FILTER={"tickSize": "NaN"})), "BTCUSDT: tickSize"),
        (info(entry(PRICE_FILTER={"tickSize": 0.01})), "BTCUSDT: no text tickSize"),
        (info(entry(PRICE_FILTER={"tickSize": "0.00"})), "BTCUSDT"),
        (info(entry(LOT_SIZE=None)), "BTCUSDT: no text stepSize"),
        (info({**entry(), "filters": {"a": 1}}), "BTCUSDT: not a message"),
    ],
)
def test_exchange_info_that_cannot_be_used_is_named(body: bytes, named: str):
    with pytest.raises(VenueError, match=named):
        read_instruments(body)


def test_an_odd_listing_is_left_out_unless_it_is_wanted():
    body = info(entry("ODDUSDT", LOT_SIZE=None), entry())
    assert [one.symbol for one in read_instruments(body)] == ["BTCUSDT"]
    assert [one.symbol for one in read_instruments(body, "USDT")] == ["BTCUSDT"]
    with pytest.raises(VenueError, match="ODDUSDT: no text stepSize"):
        read_instruments(body, wanted=frozenset({"ODDUSDT", "BTCUSDT"}))


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(body: bytes):
    with contextlib.suppress(VenueError):
        assert read_instruments(body) == ()


PACKED = gzip.compress(b"hello", mtime=0)
"""Without the time of day: it is part of a test's name."""

Scene = Callable[[FeedServer, BinancePublic], Awaitable[None]]


def with_venue(scene: Scene, timeout_s: float = 2.0) -> None:
    async def play() -> None:
        async with FeedServer() as server:
            await scene(server, BinancePublic(server.rest, WeightBudget(EngineClock()), timeout_s))

    asyncio.run(play())


def test_best_prices_are_exact_and_an_empty_book_has_none():
    def row(symbol, bid, ask):
        sizes = {"bidQty": "1.00000000", "askQty": "1.00000000"}
        return {"symbol": symbol, "bidPrice": bid, "askPrice": ask, **sizes}

    async def scene(server: FeedServer, venue: BinancePublic) -> None:
        rows = [row("BTCUSDT", "0.10000000", "0.10000001"), row("ETHUSDT", "0.00000000", "2.0")]
        server.answers = {"ticker/bookTicker": lambda request: web.json_response(rows)}
        best = await venue.best_prices(("BTCUSDT", "ETHUSDT"))
        assert best == {"BTCUSDT": (Decimal("0.1"), Decimal("0.10000001"))}
        rows[0]["bidPrice"] = "NaN"
        with pytest.raises(RestError, match="bookTicker"):
            await venue.best_prices(("BTCUSDT",))

    with_venue(scene)


def test_the_questions_and_their_answers():
    async def scene(server: FeedServer, venue: BinancePublic) -> None:
        rows = [
            [60_000 * n, "1.0", "3.5", "0.5", "2.0", "9", 1, "9", 1, "1", "1", "0"] for n in (1, 2)
        ]
        server.answers = {
            "exchangeInfo": lambda request: web.Response(body=info(entry(), entry("ETHUSDT"))),
            "ticker/24hr": lambda request: web.json_response(
                [{"symbol": "BTCUSDT", "quoteVolume": "15.30000000"}]
            ),
            "klines": lambda request: web.json_response(rows),
            "depth": lambda request: web.Response(body=b'{"lastUpdateId":7,"bids":[],"asks":[]}'),
        }
        found = await venue.instruments(("ETHUSDT", "BTCUSDT"))
        assert [instrument.symbol for instrument in found] == ["ETHUSDT", "BTCUSDT"]
        assert await venue.quote_volumes(("BTCUSDT",)) == {"BTCUSDT": 15.3}
        candles = await venue.candles("BTCUSDT", 61)
        assert candles[0] == MinuteCandle(60_000, 3.5, 0.5, 2.0)
        assert await venue.depth("BTCUSDT") == b'{"lastUpdateId":7,"bids":[],"asks":[]}'
        assert "/api/v3/klines?symbol=BTCUSDT&interval=1m&limit=61" in server.asked
        assert "/api/v3/depth?symbol=BTCUSDT&limit=1000" in server.asked
        with pytest.raises(ConfigError, match=r"does not list 'XXXUSDT'.* BTCUSDT, ETHUSDT"):
            await venue.instruments(("BTCUSDT", "XXXUSDT"))
        gone = await venue.refresh_instruments(("BTCUSDT", "XXXUSDT"))
        assert [instrument.symbol for instrument in gone] == ["BTCUSDT"]

    with_venue(scene)


@pytest.mark.parametrize(
    "rows",
    [
        "{", "{}", "[[1]]", '[["x","1","1","1","1"]]', '[[1,"1","NaN","1","1"]]',
        '[[1,"1",3,"1","1"]]', '[[1,"1","2","0","1"]]', '[[1,"1","1","2","2"]]', "[3]",
    ],
)  # fmt: skip
def test_candles_that_are_none_are_refused(rows: str):
    async def scene(server: FeedServer, venue: BinancePublic) -> None:
        server.answers["klines"] = lambda request: web.Response(text=rows)
        with pytest.raises(RestError, match="klines"):
            await venue.candles("BTCUSDT", 10)

    with_venue(scene)


def test_refusals_and_silence_are_rest_errors():
    async def scene(server: FeedServer, venue: BinancePublic) -> None:
        server.answers["depth"] = lambda request: web.Response(status=503, text="overloaded")
        with pytest.raises(RestError, match="HTTP 503: overloaded"):
            await venue.depth("BTCUSDT")
        server.answers["exchangeInfo"] = lambda request: web.Response(
            status=400, text='{"code":-1121,"msg":"Invalid symbol."}'
        )
        with pytest.raises(VenueError, match="Invalid symbol"):
            await venue.instruments(("NOPE",))

    with_venue(scene)

    async def away() -> None:
        venue = BinancePublic("http://127.0.0.1:9", WeightBudget(EngineClock()), 1.0)
        with pytest.raises(RestError):
            await venue.depth("BTCUSDT")

    asyncio.run(away())


def test_too_many_requests_pause_everything():
    async def scene(server: FeedServer, venue: BinancePublic) -> None:
        server.answers["depth"] = lambda request: web.Response(
            status=429, headers={"Retry-After": "1"}
        )
        with pytest.raises(RestError, match="429"):
            await venue.depth("BTCUSDT")
        began = asyncio.get_running_loop().time()
        with pytest.raises(RestError):
            await venue.depth("BTCUSDT")
        assert asyncio.get_running_loop().time() - began >= 0.9

    with_venue(scene)


def test_the_budget_is_paced_and_in_order():
    async def play() -> None:
        budget = WeightBudget(EngineClock(), burst=10, refill_per_s=100)
        began = asyncio.get_running_loop().time()
        done: list[int] = []

        async def take(number: int) -> None:
            await budget.take(10)
            done.append(number)

        await asyncio.gather(*(take(number) for number in range(4)))
        assert done == [0, 1, 2, 3]
        assert asyncio.get_running_loop().time() - began >= 0.28
        with pytest.raises(ValueError, match="never"):
            await budget.take(11)

    asyncio.run(play())


class Hand:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at_s: float = 3600

    def now_ns(self) -> int:
        return int(self.at_s * 10**9)


@pytest.mark.parametrize(("share", "spent"), [(0.8, 4751), (0.9, 5351)])
def test_what_others_spent_leaves_less_to_a_new_process(share: float, spent: int):
    """L10: a data process that is restarted again and again must not starve route's requests."""

    async def play() -> None:
        clock = Hand()
        budget = WeightBudget(clock, share=share)
        budget.heard(str(spent - 1))
        await asyncio.wait_for(budget.take(50), 0.1)
        budget.heard("nonsense")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(budget.take(50), 0.1)
        clock.at_s += 59
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(budget.take(50), 0.1)
        clock.at_s += 1
        await asyncio.wait_for(budget.take(50), 0.1)

    asyncio.run(play())


def test_long_waits_are_told_once_a_minute():
    async def play() -> None:
        told: list[float] = []
        clock = Hand()
        budget = WeightBudget(clock, on_wait=told.append)
        for at_s, spent in ((3600, 0), (3601, 4800), (3602, 4800), (3659.5, 4800), (3662, 4800)):
            clock.at_s = at_s
            budget.heard(str(spent))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(budget.take(50), 0.01)
        assert told == [59.0, 58.0]

    asyncio.run(play())


def test_the_budget_hears_the_venue_s_own_count():
    async def scene(server: FeedServer, venue: BinancePublic) -> None:
        server.answers["depth"] = lambda request: web.Response(
            body=b"{}", headers={"X-MBX-USED-WEIGHT-1M": "4800"}
        )
        counting = BinancePublic(server.rest, WeightBudget(Hand()))
        await counting.depth("BTCUSDT")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(counting.depth("BTCUSDT"), 0.2)

    with_venue(scene)


async def raw_answer(reply: bytes, timeout_s: float = 1.0) -> http.Answer:
    """What `get` makes of a server that sends exactly these bytes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        return await http.get(f"http://127.0.0.1:{port}/x", timeout_s)
    finally:
        server.close()


def test_bodies_of_every_framing_are_read():
    head = b"HTTP/1.1 200 OK\r\n"
    packed = PACKED
    for reply in (
        head + b"Content-Length: 5\r\n\r\nhello",
        head + b"\r\nhello",
        head + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n",
        head + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed,
    ):
        assert asyncio.run(raw_answer(reply)) == http.Answer(200, {**_headers(reply)}, b"hello")


def _headers(reply: bytes) -> dict[str, str]:
    lines = reply.split(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
    return {line.split(": ")[0].lower(): line.split(": ")[1] for line in lines}


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"ICY 200 OK\r\n\r\n",
        b"HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + PACKED[:-4],
        b"x" * 70_000,
    ],
)
def test_what_is_not_an_answer_is_an_os_error(reply: bytes):
    with pytest.raises(OSError):
        asyncio.run(raw_answer(reply))


def test_a_server_that_never_answers_runs_into_the_deadline():
    async def play() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(0.5)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(TimeoutError):
            await http.get(f"http://127.0.0.1:{port}/", 0.1)
        server.close()

    asyncio.run(play())


def test_addresses_that_are_not_http_are_refused():
    with pytest.raises(http.HttpError, match="ftp"):
        asyncio.run(http.get("ftp://example.invalid/", 1.0))
