"""Every session on the real local venue: round trips, lost answers, a killed venue (L2, L3)."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from decimal import Decimal

import msgspec
import pytest
from local_venue import lossy_wire, running_local_venue
from venue_stub import open_spot, until

from shared.messages.venue import (
    CancelOrder,
    Meaning,
    OrderKind,
    Outcome,
    PlaceOco,
    PlaceOrder,
    QueryOrder,
    Side,
    TakeSnapshot,
    TimeInForce,
    VenueReported,
    VenueStatus,
    VenueStreamChanged,
)
from shared.units import ONE

pytestmark = pytest.mark.e2e

SYMBOL = "BTCUSDT"


@pytest.fixture(scope="module", params=["ccxt", "http", "ws"])
def orders(request):
    """Whose session it is, and how its orders travel."""
    return request.param


@pytest.fixture(scope="module")
def local(tmp_path_factory, orders):
    with running_local_venue(tmp_path_factory.mktemp("venue")) as venue:
        yield venue


@asynccontextmanager
async def session(access, orders):
    """A connected venue with its stream up, its instrument, and what was delivered."""
    venue = open_spot(msgspec.structs.replace(access, orders=orders))
    delivered: list = []
    streaming = None
    try:
        listed = {one.symbol: one for one in await venue.connect()}
        streaming = asyncio.create_task(venue.stream(delivered.append))
        await until(lambda: VenueStreamChanged(connected=True) in delivered)
        if orders == "ws":
            await until(lambda: venue.figures()["venue_sessions"] == 1)
        yield venue, listed[SYMBOL], delivered
    finally:
        if streaming is not None:
            streaming.cancel()
            await asyncio.gather(streaming, return_exceptions=True)
        await venue.close()


def buy(client_id: str, instrument, **changes) -> PlaceOrder:
    values = {
        "symbol": SYMBOL,
        "client_id": client_id,
        "side": Side.BUY,
        "kind": OrderKind.MARKET,
        "quantity": instrument.quantity_down(Decimal("0.002")),
        **changes,
    }
    return PlaceOrder(**values)


def far_below(price: Decimal, instrument) -> Decimal:
    return instrument.price_down(price * Decimal("0.8"))


async def bought(venue, client_id, instrument):
    """A filled market buy: its price and what is left of it after the fee."""
    answered = await venue.call(buy(client_id, instrument))
    assert answered.outcome is Outcome.OK, answered.text
    got = sum(t.quantity - t.fee for t in answered.trades if t.fee_asset == instrument.base)
    return answered.trades[0].price, instrument.quantity_down(got), answered


def test_a_limit_order_is_placed_seen_queried_and_canceled(local, orders) -> None:
    async def run() -> None:
        async with session(local.access(), orders) as (venue, instrument, delivered):
            price, _, _ = await bought(venue, "sw-r-1-e1", instrument)
            low = far_below(price, instrument)
            request = buy("sw-r-2-e1", instrument, kind=OrderKind.LIMIT, price=low)
            placed = await venue.call(request)
            assert placed.outcome is Outcome.OK, placed.text
            assert placed.orders[0].status is VenueStatus.OPEN
            assert placed.orders[0].price == low
            twice = await venue.call(request)
            assert (twice.outcome, twice.meaning) == (Outcome.REFUSED, Meaning.DUPLICATE_ID)
            asked = await venue.call(QueryOrder(symbol=SYMBOL, client_id="sw-r-2-e1"))
            assert asked.orders[0].venue_order_id == placed.orders[0].venue_order_id
            listed = await venue.call(
                TakeSnapshot(symbol="", symbols=(SYMBOL,), trades_since_ms=0, asked_ns=1)
            )
            assert [order.client_id for order in listed.orders] == ["sw-r-2-e1"]
            assert {balance.asset for balance in listed.balances} == {"USDT", "BTC"}
            assert any(balance.locked for balance in listed.balances)
            ended = await venue.call(CancelOrder(symbol=SYMBOL, client_id="sw-r-2-e1"))
            assert (ended.orders[0].client_id, ended.orders[0].status) == (
                "sw-r-2-e1",
                VenueStatus.CANCELED,
            )
            again = await venue.call(CancelOrder(symbol=SYMBOL, client_id="sw-r-2-e1"))
            assert (again.outcome, again.meaning) == (Outcome.REFUSED, Meaning.UNKNOWN_ORDER)

            def told(client_id):
                orders = [one.order for one in delivered if isinstance(one, VenueReported)]
                return [o.status for o in orders if o is not None and o.client_id == client_id]

            await until(lambda: told("sw-r-2-e1") == [VenueStatus.OPEN, VenueStatus.CANCELED])
            # What the answer, the stream and the snapshot say of trades is one set (L3).
            trades = [one.trade for one in delivered if isinstance(one, VenueReported)]
            pushed = {t.trade_id: t for t in trades if t is not None}
            assert pushed == {t.trade_id: t for t in listed.trades}

    asyncio.run(run())


def test_filters_and_balances_are_refused_by_name(local, orders) -> None:
    async def run() -> None:
        async with session(local.access(), orders) as (venue, instrument, _):
            price, _, _ = await bought(venue, "sw-f-1-e1", instrument)
            low = far_below(price, instrument)
            half_a_tick = low + instrument.tick_size / 2
            for name, changes, meaning in (
                ("tick", {"kind": OrderKind.LIMIT, "price": half_a_tick}, Meaning.FILTER),
                ("notional", {"quantity": instrument.min_quantity}, Meaning.FILTER),
                (
                    "poor",
                    {"kind": OrderKind.LIMIT, "price": low, "quantity": Decimal(100)},
                    Meaning.INSUFFICIENT,
                ),
                (
                    "maker",
                    {"kind": OrderKind.LIMIT_MAKER, "price": instrument.price_up(price * 2)},
                    Meaning.WOULD_MATCH,
                ),
                (
                    "stop",
                    {
                        "kind": OrderKind.STOP_LIMIT,
                        "side": Side.SELL,
                        "price": instrument.price_up(price * 2),
                        "stop_price": instrument.price_up(price * 2),
                    },
                    Meaning.WOULD_TRIGGER,
                ),
                ("symbol", {"symbol": "NOPEUSDT"}, Meaning.BROKEN),
            ):
                answered = await venue.call(buy(f"sw-f-{name}", instrument, **changes))
                assert (answered.outcome, answered.meaning) == (Outcome.REFUSED, meaning), (
                    name,
                    answered.code,
                    answered.text,
                )

    asyncio.run(run())


def test_an_oco_protects_and_one_cancel_ends_both_legs(local, orders) -> None:
    async def run() -> None:
        async with session(local.access(), orders) as (venue, instrument, delivered):
            price, quantity, _ = await bought(venue, "sw-o-1-e1", instrument)
            stop = instrument.price_down(price * Decimal("0.9"))
            oco = PlaceOco(
                symbol=SYMBOL,
                list_id="sw-o-1-g1",
                quantity=quantity,
                take_profit_id="sw-o-1-t1",
                take_profit_price=instrument.price_up(price * Decimal("1.1")),
                stop_id="sw-o-1-s1",
                stop_price=stop,
                stop_limit_price=instrument.price_down(stop * Decimal("0.99")),
            )
            placed = await venue.call(oco, exit_priority=True)
            assert placed.outcome is Outcome.OK, placed.text
            legs = {order.client_id: order for order in placed.orders}
            assert set(legs) == {"sw-o-1-t1", "sw-o-1-s1"}
            assert len({order.group_id for order in placed.orders}) == 1
            assert legs["sw-o-1-s1"].stop_price == stop
            assert not legs["sw-o-1-s1"].triggered
            # The funds are in the legs: a second sell must be refused, not oversell.
            sell = buy("sw-o-1-x1", instrument, side=Side.SELL, quantity=quantity)
            held = await venue.call(
                TakeSnapshot(symbol="", symbols=(SYMBOL,), trades_since_ms=0, asked_ns=1)
            )
            locked = {one.asset: one.locked for one in held.balances}
            assert locked["BTC"] == quantity
            ended = await venue.call(CancelOrder(symbol=SYMBOL, client_id="sw-o-1-s1"))
            assert ended.outcome is Outcome.OK, ended.text
            for leg in legs:
                asked = await venue.call(QueryOrder(symbol=SYMBOL, client_id=leg))
                assert asked.orders[0].status in (VenueStatus.CANCELED, VenueStatus.EXPIRED)
            sold = await venue.call(sell, exit_priority=True)
            assert sold.orders[0].status is VenueStatus.FILLED

            def last(client_id):
                orders = [one.order for one in delivered if isinstance(one, VenueReported)]
                found = [o for o in orders if o is not None and o.client_id == client_id]
                return found[-1].status if found else None

            await until(lambda: all(last(leg) is not None and last(leg).is_final for leg in legs))
            wrong = await venue.call(
                PlaceOco(
                    symbol=SYMBOL,
                    list_id="sw-o-2-g1",
                    quantity=quantity,
                    take_profit_id="sw-o-2-t1",
                    take_profit_price=oco.take_profit_price,
                    stop_id="sw-o-2-s1",
                    stop_price=instrument.price_up(price * Decimal("1.05")),
                    stop_limit_price=instrument.price_up(price * Decimal("1.04")),
                )
            )
            assert (wrong.outcome, wrong.meaning) == (Outcome.REFUSED, Meaning.WOULD_TRIGGER)

    asyncio.run(run())


def test_a_lost_answer_is_unknown_and_a_query_finds_the_order(local, orders) -> None:
    """The venue took the order and its answer was cut off: only evidence may tell (L2)."""

    async def run() -> None:
        async with (
            lossy_wire(local.port) as wire,
            session(local.access(wire.port), orders) as (venue, instrument, delivered),
        ):
            price, _, _ = await bought(venue, "sw-l-1-e1", instrument)
            low = far_below(price, instrument)
            wire.lose_answers = True
            request = buy("sw-l-2-e1", instrument, kind=OrderKind.LIMIT, price=low)
            answered = await venue.call(request)
            assert answered.outcome is Outcome.UNKNOWN
            assert answered.sent_ns > 0
            assert wire.lost >= 1
            asked = await venue.call(QueryOrder(symbol=SYMBOL, client_id="sw-l-2-e1"))
            assert asked.outcome is Outcome.UNKNOWN, "no evidence while answers are lost"
            wire.lose_answers = False
            asked = await venue.call(QueryOrder(symbol=SYMBOL, client_id="sw-l-2-e1"))
            assert asked.orders[0].status is VenueStatus.OPEN
            ended = await venue.call(CancelOrder(symbol=SYMBOL, client_id="sw-l-2-e1"))
            assert ended.outcome is Outcome.OK
            await until(
                lambda: (
                    [one.connected for one in delivered if isinstance(one, VenueStreamChanged)]
                    == [True, False, True]
                )
            )

    asyncio.run(run())


def test_a_venue_killed_while_it_is_asked(tmp_path, orders) -> None:
    """kill -9 with a request in its buffer: UNKNOWN, NOT_SENT while it is down, then evidence."""

    async def run() -> None:
        with running_local_venue(tmp_path) as local:
            async with session(local.access(), orders) as (venue, instrument, delivered):
                price, _, market = await bought(venue, "sw-k-1-e1", instrument)
                low = far_below(price, instrument)
                resting = buy("sw-k-2-e1", instrument, kind=OrderKind.LIMIT, price=low)
                assert (await venue.call(resting)).outcome is Outcome.OK
                local.pause()
                pending = asyncio.create_task(
                    venue.call(
                        buy(
                            "sw-k-3-e1",
                            instrument,
                            kind=OrderKind.LIMIT,
                            price=low,
                            time_in_force=TimeInForce.IOC,
                        )
                    )
                )
                await asyncio.sleep(1.0)
                local.kill()
                answered = await pending
                assert answered.outcome is Outcome.UNKNOWN
                down = await venue.call(resting)
                assert (down.outcome, down.sent_ns) == (Outcome.NOT_SENT, 0)
                local.start()
                # A venue that has just come back may let a deadline pass: that proves nothing.
                async with asyncio.timeout(60):
                    while True:
                        asked = QueryOrder(symbol=SYMBOL, client_id="sw-k-3-e1")
                        absent = await venue.call(asked)
                        if absent.outcome is not Outcome.UNKNOWN:
                            break
                assert (absent.outcome, absent.orders) == (Outcome.OK, ())
                there = await venue.call(QueryOrder(symbol=SYMBOL, client_id="sw-k-2-e1"))
                assert there.orders[0].status is VenueStatus.OPEN
                filled = await venue.call(QueryOrder(symbol=SYMBOL, client_id="sw-k-1-e1"))
                assert {t.trade_id: t for t in filled.trades} == {
                    t.trade_id: t for t in market.trades
                }
                assert filled.orders[0].quantity * ONE == market.orders[0].quantity
                await until(
                    lambda: (
                        [one.connected for one in delivered if isinstance(one, VenueStreamChanged)]
                        == [True, False, True]
                    ),
                )
                ended = await venue.call(CancelOrder(symbol=SYMBOL, client_id="sw-k-2-e1"))
                assert ended.outcome is Outcome.OK

                def ends():
                    orders = [one.order for one in delivered if isinstance(one, VenueReported)]
                    mine = [o for o in orders if o is not None and o.client_id == "sw-k-2-e1"]
                    return mine and mine[-1].status is VenueStatus.CANCELED

                await until(ends)

    asyncio.run(run())
