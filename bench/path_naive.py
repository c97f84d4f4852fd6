"""The path as it is usually written: SortedDict, JSON, zmq.asyncio, urlencode and hmac.new.

The same processes, decision and synced commit as the engine's, so that the difference is the
design.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import zmq
import zmq.asyncio
from sortedcontainers import SortedDict

from bench.path_common import (
    API_SECRET,
    DECIDE_HOPS,
    INGEST_HOPS,
    ROUTE_HOPS,
    SYMBOL,
    Batch,
    Hops,
    Kernel,
    Stage,
    decide,
    listen,
    now,
    place,
    wait_until,
)

BAND = 0.995


def _address(stage: Stage, name: str) -> str:
    return f"ipc://{Path(stage.folder) / name}.sock"


def _apply(side: SortedDict, levels: list[list[str]]) -> None:
    for price, quantity in levels:
        if float(quantity) == 0:
            side.pop(float(price), None)
        else:
            side[float(price)] = float(quantity)


def _quote(bids: SortedDict, asks: SortedDict) -> dict[str, Any]:
    bid, ask = bids.peekitem(-1)[0], asks.peekitem(0)[0]
    return {
        "symbol": SYMBOL,
        "bid": bid,
        "ask": ask,
        "spread_bps": (ask - bid) / (ask + bid) * 20_000,
        "bid_depth": sum(price * bids[price] for price in bids.irange(minimum=bid * BAND)),
        "ask_depth": sum(price * asks[price] for price in asks.irange(maximum=ask / BAND)),
    }


def ingest(stage: Stage) -> None:
    """Frame bytes → book → statistics → JSON → PUB."""
    place(stage)
    asyncio.run(_ingest(stage))


async def _ingest(stage: Stage) -> None:
    socket = zmq.asyncio.Context().socket(zmq.PUB)
    socket.bind(_address(stage, "naive-quotes"))
    bids, asks, hops = SortedDict(), SortedDict(), Hops(INGEST_HOPS)
    snapshot = json.loads(stage.snapshot)
    _apply(bids, snapshot["bids"])
    _apply(asks, snapshot["asks"])
    stage.orders.send("ready")
    while True:
        batch = stage.orders.recv()
        if batch is None:
            return
        if not isinstance(batch, Batch):
            hops.send(stage.orders)
            continue
        for number in range(batch.count):
            intended_ns = batch.start_ns + number * batch.interval_ns
            wait_until(intended_ns)
            event = json.loads(stage.frames[(batch.first + number) % len(stage.frames)])
            event = event.get("data", event)
            _apply(bids, event["b"])
            _apply(asks, event["a"])
            quote = _quote(bids, asks)
            published_ns = now()
            quote |= {"number": batch.first + number + 1, "recv_ns": intended_ns}
            await socket.send(json.dumps(quote | {"publish_ns": published_ns}).encode())
            hops.record("frame_to_quote", published_ns - intended_ns)
        stage.orders.send("done")


async def _serve(stage: Stage, hops: Hops, work: Callable[[], Awaitable[None]]) -> None:
    ended = asyncio.get_running_loop().create_future()

    def word() -> None:
        if not listen(stage, hops):
            ended.set_result(None)

    asyncio.get_running_loop().add_reader(stage.orders.fileno(), word)
    working = asyncio.ensure_future(work())
    stage.orders.send("ready")
    # Whatever ends first: the parent's word, or a failure, which must not pass for a result.
    await asyncio.wait([ended, working], return_when=asyncio.FIRST_COMPLETED)
    if working.done():
        working.result()
    working.cancel()


def decide_stage(stage: Stage) -> None:
    """JSON quote → decision → JSON intent → PUSH."""
    place(stage)
    asyncio.run(_decide(stage))


async def _decide(stage: Stage) -> None:
    context = zmq.asyncio.Context()
    quotes, intents = context.socket(zmq.SUB), context.socket(zmq.PUSH)
    quotes.setsockopt(zmq.SUBSCRIBE, b"")
    quotes.connect(_address(stage, "naive-quotes"))
    intents.connect(_address(stage, "naive-intents"))
    hops = Hops(DECIDE_HOPS)

    async def work() -> None:
        while True:
            body = await quotes.recv()
            heard_ns = now()
            quote = json.loads(body)
            wanted = decide(quote["bid"], quote["ask"], quote["bid_depth"], quote["spread_bps"])
            if wanted is None:
                continue
            quantity, price = wanted
            created_ns = now()
            intent = {
                "intent_id": f"bench-{quote['number']}",
                "symbol": SYMBOL,
                "quantity": quantity,
                "price": price,
                "recv_ns": quote["recv_ns"],
                "created_ns": created_ns,
            }
            await intents.send(json.dumps(intent).encode())
            hops.record("quote_hop", heard_ns - quote["publish_ns"])
            hops.record("decision", created_ns - heard_ns)

    await _serve(stage, hops, work)


def route_stage(stage: Stage) -> None:
    """JSON intent → synced commit → signed request → kernel."""
    place(stage)
    asyncio.run(_route(stage))


async def _route(stage: Stage) -> None:
    socket = zmq.asyncio.Context().socket(zmq.PULL)
    socket.bind(_address(stage, "naive-intents"))
    database = sqlite3.connect(Path(stage.folder) / "naive.db", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE orders(id INTEGER PRIMARY KEY, body TEXT)")
    hops, kernel = Hops(ROUTE_HOPS), Kernel()

    async def work() -> None:
        while True:
            intent = json.loads(await socket.recv())
            order = {
                "symbol": SYMBOL,
                "side": "BUY",
                "type": "LIMIT",
                "timeInForce": "IOC",
                "quantity": f"{intent['quantity']:.5f}",
                "price": f"{intent['price']:.2f}",
                "newClientOrderId": f"sw-{intent['intent_id']}-e1",
            }
            begun_ns = now()
            database.execute("INSERT INTO orders(body) VALUES(?)", (json.dumps(order),))
            committed_ns = now()
            query = urlencode(order | {"timestamp": committed_ns // 1_000_000})
            signature = hmac.new(API_SECRET.encode(), query.encode(), hashlib.sha256).hexdigest()
            body = f"{query}&signature={signature}"
            ready_ns = kernel.take(
                f"POST /api/v3/order HTTP/1.1\r\nHost: localhost\r\nX-MBX-APIKEY: {'a' * 64}\r\n"
                f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
            )
            total_ns = ready_ns - intent["recv_ns"]
            hops.record("intent_hop", begun_ns - intent["created_ns"])
            hops.record("tick_to_intent", begun_ns - intent["recv_ns"])
            hops.record("commit", committed_ns - begun_ns)
            hops.record("sign_and_write", ready_ns - committed_ns)
            hops.record("tick_to_order", total_ns)
            hops.record("tick_to_order_without_commit", total_ns - (committed_ns - begun_ns))

    await _serve(stage, hops, work)
    database.close()
    kernel.close()


STAGES = {"ingest": ingest, "decide": decide_stage, "route": route_stage}
