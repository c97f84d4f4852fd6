"""The user stream, through genuine ccxt.pro sockets and our own: exact pushes, a long life."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from venue_stub import Canned, connected_venue, order_body, until

from shared.errors import MessageError
from shared.messages.venue import (
    OrderKind,
    PlaceOrder,
    Side,
    VenueReported,
    VenueStatus,
    VenueStreamChanged,
)
from shared.venues import stream_life
from shared.venues.binance_answers import pushed


@pytest.fixture(params=["ccxt", "http"])
def orders(request):
    """Whose session it is."""
    return request.param


def report(**changes):
    """An executionReport as the venue pushes it."""
    return {
        "e": "executionReport",
        "E": 1499405658658,
        "s": "BTCUSDT",
        "c": "sw-a-1-e1",
        "S": "BUY",
        "o": "LIMIT",
        "f": "GTC",
        "q": "0.00020000",
        "p": "50000.01000000",
        "P": "0.00000000",
        "F": "0.00000000",
        "g": -1,
        "C": "",
        "x": "NEW",
        "X": "NEW",
        "r": "NONE",
        "i": 4293153,
        "l": "0.00000000",
        "z": "0.00000000",
        "L": "0.00000000",
        "n": "0",
        "N": None,
        "T": 1499405658657,
        "t": -1,
        "w": True,
        "m": False,
        "O": 1499405658657,
        "Z": "0.00000000",
        "Y": "0.00000000",
        "Q": "0.00000000",
        "W": 1499405658657,
        "V": "NONE",
        **changes,
    }


TRADE = {
    "x": "TRADE",
    "X": "PARTIALLY_FILLED",
    "l": "0.00010000",
    "z": "0.00010000",
    "L": "50000.00000001",
    "n": "0.00000010",
    "N": "BTC",
    "t": 77,
}


def test_each_kind_of_report() -> None:
    new = pushed(report())
    assert new.trade is None
    assert (new.order.status, new.order.client_id) == (VenueStatus.OPEN, "sw-a-1-e1")
    traded = pushed(report(**TRADE))
    assert (traded.trade.trade_id, traded.trade.price) == ("77", Decimal("50000.00000001"))
    assert (traded.trade.fee, traded.trade.fee_asset) == (Decimal("1E-7"), "BTC")
    assert traded.order.filled_quantity == Decimal("0.0001")
    canceled = pushed(report(c="cxl1", C="sw-a-1-e1", x="CANCELED", X="CANCELED"))
    assert canceled.order.client_id == "sw-a-1-e1"
    assert canceled.order.status is VenueStatus.CANCELED
    assert pushed(report(x="EXPIRED", X="EXPIRED")).order.status is VenueStatus.EXPIRED
    ended = pushed(report(x="TRADE_PREVENTION", X="EXPIRED_IN_MATCH"))
    assert ended.order.status is VenueStatus.EXPIRED
    assert pushed(report(x="REJECTED", X="REJECTED")).order.status is VenueStatus.REJECTED
    stop = {"o": "STOP_LOSS_LIMIT", "P": "49000.00000000", "S": "SELL", "g": 9}
    resting = pushed(report(**stop, w=False))
    assert (resting.order.kind, resting.order.triggered) == (OrderKind.STOP_LIMIT, False)
    assert (resting.order.stop_price, resting.order.group_id) == (Decimal(49000), "9")
    assert pushed(report(**stop, w=True)).order.triggered
    assert not pushed(report(w=True)).order.triggered
    assert pushed({"e": "listStatus"}) is None


@given(
    field=st.sampled_from(["s", "c", "q", "p", "z", "x", "X", "i", "T", "S", "o", "l"]),
    value=st.one_of(st.none(), st.floats(), st.text(max_size=5), st.lists(st.none(), max_size=1)),
)
def test_a_spoilt_report_is_refused_or_keeps_its_meaning(field, value) -> None:
    event = report(**TRADE)
    event[field] = value
    try:
        reported = pushed(event)
    except MessageError:
        return
    assert isinstance(reported, VenueReported)
    assert isinstance(reported.order.quantity, Decimal)
    assert reported.order.quantity.is_finite()


@asynccontextmanager
async def streaming(orders):
    """A venue whose stream is up, the stub, and everything delivered."""
    async with connected_venue(orders) as (venue, stub):
        delivered = []
        task = asyncio.create_task(venue.stream(delivered.append))
        try:
            await until(lambda: VenueStreamChanged(connected=True) in delivered)
            yield venue, stub, delivered
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def reports(delivered):
    return [one for one in delivered if isinstance(one, VenueReported)]


def changes(delivered):
    return [one.connected for one in delivered if isinstance(one, VenueStreamChanged)]


def test_pushes_arrive_exactly_and_in_order_and_malformed_frames_end_nothing(orders) -> None:
    async def run() -> None:
        async with streaming(orders) as (venue, stub, delivered):
            await stub.push(report())
            for bad in ("{", "[1]", "null", '"x"', "{}", '{"id":1,"error":"odd"}', "\x00\xff"):
                await stub.push(bad)
            await stub.push(report(q=0.1))
            await stub.push({"e": "executionReport"})
            await stub.push({"e": ["odd"]})
            await stub.push(report(**TRADE))
            await stub.push(
                {"e": "outboundAccountPosition", "B": [{"a": "BTC", "f": "0.1", "l": "1E-8"}]}
            )
            await until(lambda: len(reports(delivered)) == 3)
            first, second, third = reports(delivered)
            assert (first.trade, second.trade.trade_id) == (None, "77")
            assert third.balances[0].free == Decimal("0.1")
            assert third.balances[0].locked == Decimal("1E-8")
            assert changes(delivered) == [True]
            assert venue.figures()["venue_frames_malformed"] >= 6

    asyncio.run(run())


def test_a_cut_socket_is_announced_and_replaced(orders) -> None:
    async def run() -> None:
        async with streaming(orders) as (_, stub, delivered):
            for number in (1, 2):
                await stub.sockets[-1].close()
                await until(lambda n=number: changes(delivered) == [True] + [False, True] * n)
                await stub.push(report(i=number))
                await until(lambda n=number: len(reports(delivered)) == n)

    asyncio.run(run())


def test_a_terminated_subscription_is_taken_out_again(orders) -> None:
    async def run() -> None:
        async with streaming(orders) as (_, stub, delivered):
            await stub.push({"e": "eventStreamTerminated", "E": 1757896885229})
            await until(lambda: changes(delivered) == [True, False, True])
            assert len(stub.sockets) == 2

    asyncio.run(run())


def test_a_silent_socket_is_replaced(orders, monkeypatch) -> None:
    """A peer that stops answering pings is dead although TCP says nothing."""
    monkeypatch.setattr(stream_life, "SILENT_NS", 300_000_000)
    monkeypatch.setattr(stream_life, "LOOK_S", 0.05)

    async def run() -> None:
        async with streaming(orders) as (_, _, delivered):
            await until(lambda: changes(delivered)[:3] == [True, False, True])
            lost = next(one for one in delivered[1:] if isinstance(one, VenueStreamChanged))
            assert "silent" in lost.reason

    asyncio.run(run())


def test_a_stream_that_does_not_mention_a_known_order_is_replaced(orders, monkeypatch) -> None:
    """A peer that answers pings but pushes nothing is found by what it should have said."""
    monkeypatch.setattr(stream_life, "MENTION_NS", 300_000_000)
    monkeypatch.setattr(stream_life, "LOOK_S", 0.05)
    order = PlaceOrder(
        symbol="BTCUSDT",
        client_id="sw-a-1-e1",
        side=Side.BUY,
        kind=OrderKind.LIMIT,
        quantity=Decimal("0.0002"),
        price=Decimal("50000.01"),
    )

    async def run() -> None:
        async with streaming(orders) as (venue, stub, delivered):
            await stub.push(report())
            await until(lambda: len(reports(delivered)) == 1)
            stub.script.append(Canned(body=order_body()))
            await venue.call(order)
            await asyncio.sleep(0.5)
            assert changes(delivered) == [True]
            stub.script.append(Canned(body=order_body(clientOrderId="sw-a-1-e2")))
            await venue.call(
                PlaceOrder(
                    symbol="BTCUSDT",
                    client_id="sw-a-1-e2",
                    side=Side.BUY,
                    kind=OrderKind.LIMIT,
                    quantity=Decimal("0.0002"),
                    price=Decimal("50000.01"),
                )
            )
            await until(lambda: changes(delivered) == [True, False, True])
            assert "sw-a-1-e2" in delivered[-2].reason

    asyncio.run(run())


def test_a_refused_subscription_is_said_once_and_tried_again(orders) -> None:
    async def run() -> None:
        async with connected_venue(orders) as (venue, stub):
            stub.subscribe_answer = {
                "status": 401,
                "error": {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."},
            }
            delivered = []
            task = asyncio.create_task(venue.stream(delivered.append))
            await until(lambda: len(stub.sockets) >= 3)
            assert changes(delivered) == [False]
            assert "-2015" in delivered[0].reason
            stub.subscribe_answer = None
            await until(lambda: changes(delivered) == [False, True])
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())
