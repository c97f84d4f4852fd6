"""The real process: against a scripted venue that misbehaves, and against the local venue."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import zmq
from aiohttp import web

from core_ext.codes import QuoteFlag
from core_ext.quote import Quote, unpack
from procs.runtime.launch import Launch, write_launch
from shared.clock import boot_offset_ns
from shared.config.schema import Settings, Universe

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "tests" / "shared" / "venues"))
from feed_server import FeedServer, depth, snapshot, ticker, trade, until  # noqa: E402

pytestmark = pytest.mark.e2e

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
SYMBOLS = ("AAAUSDT", "BBBUSDT")


class Child:
    """A running ingest with the supervisor's and a reader's end of its sockets."""

    def __init__(self, root: Path, rest: str, ws: str, universe: Universe) -> None:
        self.run_dir = root / "run"
        self.run_dir.mkdir(mode=0o700)
        (root / "data").mkdir()
        launch = Launch(
            role="ingest",
            run_id="t1",
            incarnation=1,
            clock_offset_ns=boot_offset_ns(),
            userdir=str(root),
            run_dir=str(self.run_dir),
            data_dir=str(root / "data"),
            config_hash="none",
            settings=Settings(universe=universe),
            venue_rest=rest,
            venue_ws=ws,
        )
        self.logs = root / "logs"
        self.context = zmq.Context()
        self.control = self.context.socket(zmq.ROUTER)
        self.control.bind(f"ipc://{self.run_dir}/control.sock")
        self.reader = self.context.socket(zmq.SUB)
        self.reader.subscribe(b"")
        self.reader.connect(f"ipc://{self.run_dir}/quotes.sock")
        self.last: dict[str, Quote] = {}
        self.figures: dict[str, float] = {}
        self.told: list[dict[str, Any]] = []
        self.peer = b""
        command = [sys.executable, "-P", "-m", "procs.ingest", "--launch", write_launch(launch)]
        self.process = subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT)

    def listen(self) -> None:
        with contextlib.suppress(zmq.Again):
            while True:
                self.peer, body = self.control.recv_multipart(zmq.NOBLOCK)
                message = json.loads(body)
                if message["type"] == "heartbeat":
                    self.figures = message["figures"]
                else:
                    self.told.append(message)
        with contextlib.suppress(zmq.Again):
            while True:
                quote = unpack(self.reader.recv(zmq.NOBLOCK))
                self.last[quote.symbol] = quote

    def has(self, kind: str) -> bool:
        return any(message["type"] == kind for message in self.told)

    async def until(self, condition: Callable[[], Any], timeout_s: float = 60.0) -> None:
        def heard() -> Any:
            assert self.process.poll() is None, "ingest ended"
            self.listen()
            return condition()

        await until(heard, timeout_s)

    def flags(self, symbol: str) -> int:
        return self.last[symbol].flags

    async def stop(self) -> dict[str, Any]:
        order = b'{"type":"stop_process","deadline_ms":1000}'
        self.control.send_multipart([self.peer, order])
        await self.until(lambda: self.has("process_stopped"))
        assert await asyncio.to_thread(self.process.wait, 5) == 0
        return next(m["report"] for m in self.told if m["type"] == "process_stopped")

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.context.destroy(linger=0)


def listed(symbol: str) -> dict[str, Any]:
    filters = [
        {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "0", "tickSize": "0.01"},
        {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "9000", "stepSize": "0.001"},
        {"filterType": "NOTIONAL", "minNotional": "5"},
    ]
    names = {"baseAsset": symbol[:3], "quoteAsset": symbol[3:]}
    return {"symbol": symbol, "status": "TRADING", **names, "filters": filters}


class Script:
    """A venue with two symbols whose update ids the test moves."""

    def __init__(self, server: FeedServer) -> None:
        self.server = server
        self.ids = dict.fromkeys(SYMBOLS, 100)
        server.answers = {
            "exchangeInfo": lambda request: web.json_response(
                {"symbols": [listed(symbol) for symbol in SYMBOLS]}
            ),
            "ticker/24hr": lambda request: web.json_response(
                [{"symbol": symbol, "quoteVolume": "7000000"} for symbol in SYMBOLS]
            ),
            "klines": lambda request: web.json_response(
                [[n * 60_000, "100", "110", "99", "100", "1"] for n in range(61)]
            ),
            "depth": self.depth,
        }

    def depth(self, request: web.Request) -> web.Response:
        last_id = self.ids[request.query["symbol"]]
        return web.Response(body=snapshot(last_id, [["99.99", "5"]], [["100.01", "5"]]))

    def asked_depth(self, symbol: str) -> int:
        return sum(f"depth?symbol={symbol}" in path for path in self.server.asked)

    async def delta(self, symbol: str, quantity: str, skip: int = 0) -> None:
        first = self.ids[symbol] + 1 + skip
        self.ids[symbol] = first
        await self.server.links[-1].send_str(depth(symbol, first, first, [["99.99", quantity]]))


@contextlib.asynccontextmanager
async def running(root: Path) -> AsyncIterator[tuple[Script, Child]]:
    async with FeedServer() as server:
        script = Script(server)
        child = Child(root, server.rest, server.ws, Universe(symbols=SYMBOLS))
        try:
            yield script, child
        finally:
            child.close()


def test_a_venue_that_gaps_cuts_and_talks_nonsense(tmp_path: Path):
    async def scene() -> None:
        async with running(tmp_path) as (script, child):
            await child.until(lambda: child.has("process_ready"))
            await child.until(lambda: len(child.last) == 2 and child.figures.get("synced") == 2)
            await script.delta("AAAUSDT", "7")
            await script.delta("BBBUSDT", "8")
            await child.until(lambda: child.last["AAAUSDT"].bid_lots == 7 * 10**8)
            quote = child.last["AAAUSDT"]
            assert quote.flags == QuoteFlag.WARM | QuoteFlag.SEEDED
            assert (quote.volume_quote_24h, quote.anchor_ticks) == (7e6, 11_000)
            assert quote.drop_pct == pytest.approx((100 / 110 - 1) * 100)
            assert quote.publish_ns >= quote.recv_ns > 0

            # A gap: this symbol alone is fetched again.
            asked = {symbol: script.asked_depth(symbol) for symbol in SYMBOLS}
            await script.delta("AAAUSDT", "9", skip=5)
            await child.until(lambda: script.asked_depth("AAAUSDT") == asked["AAAUSDT"] + 1)
            await child.until(lambda: not child.flags("AAAUSDT") & QuoteFlag.GAPPED)
            assert script.asked_depth("BBBUSDT") == asked["BBBUSDT"]
            await script.delta("AAAUSDT", "11")
            await child.until(lambda: child.last["AAAUSDT"].bid_lots == 11 * 10**8)

            # Nonsense is counted, and the stream goes on.
            link = script.server.links[-1]
            for odd in ("{", '{"stream":"aaausdt@depth@100ms","data":{}}', '{"s":"AAAUSDT"'):
                await link.send_str(odd)
            await link.send_str(trade("AAAUSDT", 1, "99.50"))
            await link.send_str(ticker("AAAUSDT", script.ids["AAAUSDT"] + 1, "99.40", "99.60"))
            await child.until(lambda: child.last["AAAUSDT"].bid_ticks == 9_940)
            assert child.last["AAAUSDT"].last_ticks == 9_950
            await child.until(lambda: child.figures["malformed"] == 3)

            # A cut: everything is GAPPED, then fetched again on a new connection.
            script.server.cut()
            await child.until(lambda: child.flags("BBBUSDT") & QuoteFlag.GAPPED)
            await child.until(lambda: len(script.server.links) == 2)
            await child.until(lambda: not child.flags("BBBUSDT") & QuoteFlag.GAPPED)
            await script.delta("BBBUSDT", "13")
            await child.until(lambda: child.last["BBBUSDT"].bid_lots == 13 * 10**8)

            report = await child.stop()
            assert report["gaps"] == 1
            assert report["reconnects"] == 1
            assert report["resyncs"] == 3
            assert report["malformed"] == 3
            assert report["quotes"] > 10
            log = "".join(path.read_text() for path in child.logs.rglob("*.jsonl"))
            for event in ("feed_up", "feed_down", "book_gapped", "frame_refused"):
                assert event in log

    asyncio.run(scene())


def test_a_venue_that_is_late_is_waited_for(tmp_path: Path):
    async def scene() -> None:
        async with running(tmp_path) as (script, child):
            plain = dict(script.server.answers)
            away = dict.fromkeys(plain, lambda request: web.Response(status=503))
            script.server.answers = away
            await child.until(lambda: child.figures.get("failed_fetches", 0) >= 1)
            assert not child.has("process_ready")
            script.server.answers = plain
            await child.until(lambda: child.has("process_ready"))
            await child.stop()

    asyncio.run(scene())


def test_a_wait_for_the_rate_limit_is_logged(tmp_path: Path):
    """L10: who sees a process that does not get ready must find out why."""

    def waits(child: Child) -> list[float]:
        lines = [line for path in child.logs.rglob("*.jsonl") for line in path.open()]
        records = [json.loads(line) for line in lines if '"rate_limited"' in line]
        return [record["wait_s"] for record in records]

    async def scene() -> None:
        async with running(tmp_path) as (script, child):
            script.server.answers["exchangeInfo"] = lambda request: web.Response(
                status=429, headers={"Retry-After": "500"}
            )
            await child.until(lambda: waits(child))
            (wait_s,) = waits(child)
            assert 400 < wait_s <= 500
            assert len(script.server.asked) == 1

    asyncio.run(scene())


def test_a_symbol_that_the_venue_does_not_know_ends_the_start_with_one_line(tmp_path: Path):
    async def scene() -> None:
        async with FeedServer() as server:
            Script(server)
            child = Child(tmp_path, server.rest, server.ws, Universe(symbols=("NOPEUSDT",)))
            try:
                assert await asyncio.to_thread(child.process.wait, 60) == 4
            finally:
                child.close()

    asyncio.run(scene())


def test_the_local_venue_is_followed_cheaply(tmp_path: Path):
    command = [sys.executable, "-P", "-m", "procs.localvenue", "--profile", "calm", "--json"]
    venue = subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)
    assert venue.stdout is not None
    told = json.loads(venue.stdout.readline())
    child = Child(tmp_path, told["rest"], told["ws"], Universe())

    async def scene() -> None:
        await child.until(lambda: child.has("process_ready"))
        count = len(told["symbols"])
        await child.until(lambda: child.figures.get("synced") == count == len(child.last))
        making = psutil.Process(venue.pid)
        began_s, made_s = child.figures["cpu_s"], sum(making.cpu_times()[:2])
        await asyncio.sleep(3)
        child.listen()
        # About a third of it: who makes the market reckons more than who follows it.
        assert child.figures["cpu_s"] - began_s < sum(making.cpu_times()[:2]) - made_s
        assert child.figures["malformed"] == child.figures["gaps"] == 0
        for quote in child.last.values():
            assert 0 < quote.bid_ticks < quote.ask_ticks
            assert quote.flags == QuoteFlag.WARM | QuoteFlag.SEEDED
            assert quote.volume_quote_24h > 0
            assert quote.atr_pct > 0
        report = await child.stop()
        assert report["pss_mb"] < 60

    try:
        asyncio.run(scene())
    finally:
        child.close()
        venue.terminate()
        venue.wait(60)
        venue.stdout.close()
