"""The engine's own path, stage by stage: native book, binary quotes, raw sockets, real journal.

Each stage is a process with the parts that its namesake in the engine uses: `core_ext`, the bus's
links in the uvloop poller, message structs, the chained journal, and route's request builder and
signer. Only the decision is the benchmark's.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import uvloop
import zmq

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
from core_ext.book import Book
from core_ext.quote import pack_book, unpack
from core_ext.scan import BinanceScanner
from procs.runtime.idle import Idle
from shared.bus.sockets import Link
from shared.bus.topology import ACCOUNT, QUOTES
from shared.clock import wall_ms
from shared.domain.effects import Journal as Entry
from shared.journal.journal import Journal
from shared.messages.account import AccountEvent, Acknowledge, OrderSubmitted, Purpose
from shared.messages.base import Reader, encode
from shared.messages.entry import EntryIntent, FirstProtection, Rung
from shared.messages.venue import OrderKind, PlaceOrder, Side, TimeInForce
from shared.units import from_ticks
from shared.venues.binance_requests import WireCall, place_order
from shared.venues.credentials import Credentials
from shared.venues.native.requests import RequestBuilder
from shared.venues.transport import Access

TICK = Decimal("0.01")
PROTECTION = FirstProtection(
    take_profit_pct=Decimal(3),
    stop_loss_pct=Decimal(3),
    stop_limit_offset_pct=Decimal("0.5"),
    time_to_live_s=86_400,
)
FEE = Decimal("1.001")
ACCESS = Access(
    venue="local",
    mode="paper",
    credentials=Credentials(api_key="a" * 64, api_secret=API_SECRET),
    rest="http://localhost",
    ws="ws://localhost",
)


def ingest(stage: Stage) -> None:
    """Frame bytes → book → statistics → quote bytes → PUB."""
    place(stage)
    link = Link(zmq.Context(), QUOTES, "ingest", Path(stage.folder))
    link.open()
    lane = stage.lane.end_of("ingest") if stage.lane is not None else None
    scanner, book, hops = BinanceScanner(), Book(str(TICK)), Hops(INGEST_HOPS)
    scanner.load_snapshot(book, stage.snapshot)
    gc.freeze()
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
            place_in_row = batch.first + number
            scanner.feed(book, stage.frames[place_in_row % len(stage.frames)])
            published_ns = now()
            quote = pack_book(
                book,
                SYMBOL,
                sequence=place_in_row + 1,
                recv_ns=intended_ns,
                publish_ns=published_ns,
                drop_pct=-3.5,
            )
            if lane is not None:
                lane.publish(quote)
            link.send(quote)
            hops.record("frame_to_quote", published_ns - intended_ns)
        stage.orders.send("done")


def _serve(
    stage: Stage,
    hops: Hops,
    descriptors: tuple[int, ...],
    heard: Callable[[], None],
    rehearse: Callable[[], None],
    may_spin: bool = False,
) -> None:
    """Runs the engine's kind of loop until the parent ends it, idle as the stage says."""

    async def live() -> None:
        loop = asyncio.get_running_loop()
        ended = loop.create_future()

        def word() -> None:
            if not listen(stage, hops):
                ended.set_result(None)

        def broken(_: Any, context: dict[str, Any]) -> None:
            # A stage that fails must end: figures of what is left would be wrong.
            if not ended.done():
                ended.set_exception(context.get("exception") or RuntimeError(context["message"]))

        def failed(text: str) -> None:
            ended.set_exception(RuntimeError(text))

        def awake() -> None:
            idle.turned()
            heard()

        loop.set_exception_handler(broken)
        idle = Idle(loop, failed)
        loop.add_reader(stage.orders.fileno(), word)
        for descriptor in descriptors:
            loop.add_reader(descriptor, awake)
        gc.freeze()
        stage.orders.send("ready")
        heard()
        idle.begin(
            rehearse if stage.idle == "warm" else None,
            heard if stage.idle == "spin" and may_spin else None,
        )
        await ended
        idle.end()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(live())


def decide_stage(stage: Stage) -> None:
    """Quote bytes → decision → EntryIntent → DEALER."""
    place(stage)
    context = zmq.Context()
    quotes = Link(context, QUOTES, "decide", Path(stage.folder))
    account = Link(context, ACCOUNT, "decide", Path(stage.folder))
    quotes.subscribe()
    quotes.open()
    account.open()
    # The router learns of a peer by its first word.
    while not account.send(encode(Acknowledge(role="decide", seq=0))):
        account.wait(10)
    hops = Hops(DECIDE_HOPS)

    lane = stage.lane.end_of("decide") if stage.lane is not None else None
    newest = 0
    last = b""

    def rehearse() -> None:
        if last:
            quote = unpack(last)
            decide(
                quote.bid_ticks * 0.01,
                quote.ask_ticks * 0.01,
                quote.bid_depth_quote,
                quote.spread_bps,
            )
            encode(_intent(quote.sequence, quote.ask_ticks, quote.recv_ns, now()))

    def look(frame: bytes, heard_ns: int) -> None:
        nonlocal newest, last
        last = frame
        quote = unpack(frame)
        if quote.sequence <= newest:
            return  # It came the other way already.
        newest = quote.sequence
        bid, ask = quote.bid_ticks * 0.01, quote.ask_ticks * 0.01
        wanted = decide(bid, ask, quote.bid_depth_quote, quote.spread_bps)
        if wanted is None:
            return
        intent = _intent(quote.sequence, quote.ask_ticks, quote.recv_ns, now())
        account.send(encode(intent))
        hops.record("quote_hop", heard_ns - quote.publish_ns)
        hops.record("decision", intent.created_ns - heard_ns)

    def heard() -> None:
        while lane is not None:
            frames, heard_ns = lane.drain(512), now()
            for frame in frames:
                look(frame, heard_ns)
            if not lane.waiting:
                break
        while received := quotes.drain(512):
            heard_ns = now()
            for _, frame in received:
                look(frame, heard_ns)

    descriptors = (quotes.descriptor,) if lane is None else (quotes.descriptor, lane.descriptor)
    _serve(stage, hops, descriptors, heard, rehearse, may_spin=True)


def _intent(number: int, ask_ticks: int, quote_recv_ns: int, created_ns: int) -> EntryIntent:
    price, quantity = from_ticks(ask_ticks, TICK), Decimal("0.001")
    return EntryIntent(
        intent_id=f"bench-{number}",
        symbol=SYMBOL,
        quantity=quantity,
        ladder=(Rung(time_in_force=TimeInForce.IOC, price=price, deadline_ms=2000),),
        reserved_quote=price * quantity * FEE,
        protection=PROTECTION,
        created_ns=created_ns,
        deadline_ns=created_ns + 10**9,
        quote_recv_ns=quote_recv_ns,
    )


def route_stage(stage: Stage) -> None:
    """EntryIntent → OrderSubmitted in a synced commit → signed request → kernel."""
    place(stage)
    builder, kernel = RequestBuilder(ACCESS, "localhost"), Kernel()
    link = Link(zmq.Context(), ACCOUNT, "route", Path(stage.folder))
    link.open()
    journal = Journal.open(Path(stage.folder) / "route.db", "route", AccountEvent)
    read = Reader(EntryIntent | Acknowledge).read
    hops = Hops(ROUTE_HOPS)
    last = b""

    def rehearse() -> None:
        if last:
            intent = read(last)
            assert isinstance(intent, EntryIntent)
            order = _submitted(intent, now())
            builder.build(_request(intent, order.client_id), wall_ms())

    def heard() -> None:
        nonlocal last
        while received := link.drain(1):
            heard_ns = now()
            intent = read(received[0][1])
            if isinstance(intent, Acknowledge):
                continue
            last = received[0][1]
            order = _submitted(intent, heard_ns)
            begun_ns = now()
            journal.append([Entry(journal.seq + 1, order, durable=True)], heard_ns)
            committed_ns = now()
            ready_ns = kernel.take(builder.build(_request(intent, order.client_id), wall_ms()))
            total_ns = ready_ns - intent.quote_recv_ns
            hops.record("intent_hop", begun_ns - intent.created_ns)
            hops.record("tick_to_intent", begun_ns - intent.quote_recv_ns)
            hops.record("commit", committed_ns - begun_ns)
            hops.record("sign_and_write", ready_ns - committed_ns)
            hops.record("tick_to_order", total_ns)
            hops.record("tick_to_order_without_commit", total_ns - (committed_ns - begun_ns))

    _serve(stage, hops, (link.descriptor,), heard, rehearse)
    journal.close()
    kernel.close()


def _submitted(intent: EntryIntent, at_ns: int) -> OrderSubmitted:
    return OrderSubmitted(
        at_ns=at_ns,
        client_id=f"sw-{intent.intent_id}-e1",
        decision_id=intent.intent_id,
        symbol=intent.symbol,
        side=Side.BUY,
        kind=OrderKind.LIMIT,
        purpose=Purpose.ENTRY,
        quantity=intent.quantity,
        time_in_force=TimeInForce.IOC,
        price=intent.ladder[0].price,
        quote_recv_ns=intent.quote_recv_ns,
    )


def _request(intent: EntryIntent, client_id: str) -> WireCall:
    request = PlaceOrder(
        symbol=intent.symbol,
        client_id=client_id,
        side=Side.BUY,
        kind=OrderKind.LIMIT,
        quantity=intent.quantity,
        time_in_force=TimeInForce.IOC,
        price=intent.ladder[0].price,
    )
    return place_order(request)


STAGES = {"ingest": ingest, "decide": decide_stage, "route": route_stage}
