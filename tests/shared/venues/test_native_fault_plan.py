"""The local venue's fault plan through own connections and sessions: what happened, and what is
believed of it (L2, L10; docs/faults.md)."""

from __future__ import annotations

import asyncio
import itertools
import json
import urllib.request
from contextlib import asynccontextmanager
from decimal import Decimal

import msgspec
import pytest
from local_venue import running_local_venue
from raw_venue import on_uvloop
from venue_stub import open_spot, until

from shared.messages.venue import (
    CancelOrder,
    Meaning,
    OrderKind,
    Outcome,
    PlaceOrder,
    QueryOrder,
    Side,
)

pytestmark = pytest.mark.e2e

SYMBOL = "BTCUSDT"
COUNTER = itertools.count(1)


@pytest.fixture(scope="module", params=["http", "ws"])
def orders(request):
    """How orders travel."""
    return request.param


@pytest.fixture(scope="module")
def local(tmp_path_factory, orders):
    with running_local_venue(tmp_path_factory.mktemp("venue")) as venue:
        yield venue


def plan(local, *faults):
    """Installs a fault plan instead of the one before."""
    body = json.dumps({"seed": 7, "fault": faults}).encode()
    address = f"http://127.0.0.1:{local.port}/seawall/faults"
    with urllib.request.urlopen(urllib.request.Request(address, body), timeout=60) as reply:
        assert reply.status == 200


@asynccontextmanager
async def trading(local, orders, timeout_ms=300):
    """A connected session and the lowest price at which an order may rest."""
    plan(local)
    access = msgspec.structs.replace(local.access(), orders=orders, timeout_ms=timeout_ms)
    venue = open_spot(access)
    streaming = None
    try:
        listed = {one.symbol: one for one in await venue.connect()}
        streaming = asyncio.create_task(venue.stream(lambda _: None))
        if orders == "ws":
            await until(lambda: venue.figures()["venue_sessions"] == 1)
        seen = await venue.call(buy(kind=OrderKind.MARKET))
        assert seen.outcome is Outcome.OK, seen.text
        yield venue, listed[SYMBOL].price_down(seen.trades[0].price * Decimal("0.8"))
    finally:
        plan(local)
        if streaming is not None:
            streaming.cancel()
            await asyncio.gather(streaming, return_exceptions=True)
        await venue.close()


def buy(**changes):
    values = {
        "symbol": SYMBOL,
        "client_id": f"sw-n-{next(COUNTER)}-e1",
        "side": Side.BUY,
        "kind": OrderKind.LIMIT,
        "quantity": Decimal("0.001"),
        **changes,
    }
    return PlaceOrder(**values)


UNKNOWN, THROTTLED = Outcome.UNKNOWN, Outcome.THROTTLED


@pytest.mark.parametrize(
    ("fault", "outcome", "is_there"),
    [
        ({"kind": "drop"}, UNKNOWN, False),
        ({"kind": "timeout_before"}, UNKNOWN, False),
        ({"kind": "timeout_after"}, UNKNOWN, True),
        ({"kind": "timeout_after", "hang_s": 0}, UNKNOWN, True),
        ({"kind": "error_5xx"}, UNKNOWN, False),
        ({"kind": "error_5xx", "accepted": True}, UNKNOWN, True),
        ({"kind": "error_5xx", "status": 502}, UNKNOWN, False),
        ({"kind": "empty_200"}, UNKNOWN, True),
        ({"kind": "empty_200", "accepted": False}, UNKNOWN, False),
        ({"kind": "malformed_json"}, UNKNOWN, True),
        ({"kind": "malformed_json", "accepted": False}, UNKNOWN, False),
        ({"kind": "delay", "delay_ms": 100}, Outcome.OK, True),
        ({"kind": "delay", "delay_ms": 1500, "accepted": True}, UNKNOWN, True),
        ({"kind": "rate_limited", "retry_after_s": 1}, THROTTLED, False),
        ({"kind": "banned", "retry_after_s": 1}, THROTTLED, False),
    ],
    ids=str,
)
def test_an_order_meets_a_broken_exchange(local, orders, fault, outcome, is_there):
    async def run():
        async with trading(local, orders) as (venue, low):
            request = buy(price=low)
            plan(local, {**fault, "operation": "order.place", "nth": 1})
            answered = await venue.call(request)
            assert answered.outcome is outcome, answered
            assert answered.sent_ns > 0
            if outcome is THROTTLED:
                wanted = Meaning.BANNED if fault["kind"] == "banned" else Meaning.RATE
                assert answered.meaning is wanted
                held = await venue.call(buy(price=low))
                assert (held.outcome, held.sent_ns) == (THROTTLED, 0), "the budget holds it back"
                await asyncio.sleep(1.2)
            plan(local)
            asked = await venue.call(QueryOrder(symbol=SYMBOL, client_id=request.client_id))
            assert asked.outcome is Outcome.OK, asked.text
            assert bool(asked.orders) == is_there, "only evidence tells"
            # What comes after is whole again, on whatever connection.
            after = buy(price=low)
            placed = await venue.call(after)
            assert placed.outcome is Outcome.OK, placed.text
            assert placed.orders[0].client_id == after.client_id
            for one in (after, *([request] if is_there else [])):
                ended = await venue.call(CancelOrder(symbol=SYMBOL, client_id=one.client_id))
                assert ended.outcome is Outcome.OK, ended.text

    on_uvloop(run())


def test_many_orders_under_many_faults_are_never_misjudged(local, orders):
    """Every outcome is the truth or UNKNOWN, whatever strikes, for many orders at once."""

    async def run():
        async with trading(local, orders, timeout_ms=500) as (venue, low):
            venue.budget.orders.limit = 10_000
            plan(
                local,
                {"kind": "timeout_after", "chance": 0.05, "writes": True, "hang_s": 2},
                {"kind": "timeout_after", "chance": 0.1, "writes": True, "hang_s": 0},
                {"kind": "drop", "chance": 0.1, "writes": True},
                {"kind": "error_5xx", "chance": 0.1, "writes": True},
                {"kind": "malformed_json", "chance": 0.1, "writes": True},
                {"kind": "delay", "delay_ms": [1, 60], "chance": 0.5},
            )
            requests = [buy(price=low, quantity=Decimal("0.0002")) for _ in range(60)]
            answers = []
            for start in range(0, len(requests), 10):
                batch = requests[start : start + 10]
                answers += await asyncio.gather(*(venue.call(one) for one in batch))
            plan(local)
            outcomes = {one.outcome for one in answers}
            assert outcomes == {Outcome.OK, Outcome.UNKNOWN}, outcomes
            for request, answered in zip(requests, answers, strict=True):
                asked = await venue.call(QueryOrder(symbol=SYMBOL, client_id=request.client_id))
                assert asked.outcome is Outcome.OK, asked.text
                if answered.outcome is Outcome.OK:
                    assert asked.orders, "it was said to be there"
                    assert answered.orders[0].venue_order_id == asked.orders[0].venue_order_id
                if asked.orders:
                    cancel = CancelOrder(symbol=SYMBOL, client_id=request.client_id)
                    assert (await venue.call(cancel)).outcome is Outcome.OK

    on_uvloop(run())
