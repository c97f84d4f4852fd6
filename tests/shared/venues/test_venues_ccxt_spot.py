"""CcxtSpot on the wire: exact text out, exact decimals in, start-up checks (E6, L13, L15)."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from decimal import Decimal

import msgspec
import pytest
from venue_stub import (
    EXCHANGE_INFO,
    KEY,
    SECRET,
    Canned,
    access,
    connected_venue,
    listing,
    order_body,
    refusal,
    running_stub,
)

from shared.clock import EngineClock, wall_ms
from shared.errors import ConfigError, VenueError
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
    VenueStatus,
)
from shared.venues.ccxt_spot import CcxtSpot

OCO = PlaceOco(
    symbol="BTCUSDT",
    list_id="sw-a-1-g1",
    quantity=Decimal("0.12345678"),
    take_profit_id="sw-a-1-t1",
    take_profit_price=Decimal("51500.10"),
    stop_id="sw-a-1-s1",
    stop_price=Decimal("48500.01"),
    stop_limit_price=Decimal("48257.50"),
)


def place(**changes) -> PlaceOrder:
    request = PlaceOrder(
        symbol="BTCUSDT",
        client_id="sw-a-1-e1",
        side=Side.BUY,
        kind=OrderKind.LIMIT,
        quantity=Decimal("0.00020"),
        price=Decimal("50000.0100"),
    )
    return msgspec.structs.replace(request, **changes)


def signed(asked) -> bool:
    query, _, signature = asked.raw.rpartition("&signature=")
    return hmac.new(SECRET.encode(), query.encode(), hashlib.sha256).hexdigest() == signature


WIRE = [
    (
        place(),
        {
            "type": "LIMIT",
            "timeInForce": "GTC",
            "quantity": "0.0002",
            "price": "50000.01",
            "newOrderRespType": "FULL",
            "newClientOrderId": "sw-a-1-e1",
            "recvWindow": "5000",
            "side": "BUY",
        },
    ),
    (
        place(quantity=Decimal("0.10000000000000000001"), price=Decimal("1E-7")),
        {"quantity": "0.10000000000000000001", "price": "0.0000001"},
    ),
    (
        place(quantity=Decimal("123456789012345.12345678"), time_in_force=TimeInForce.IOC),
        {"quantity": "123456789012345.12345678", "timeInForce": "IOC"},
    ),
    (place(kind=OrderKind.MARKET, price=None, quantity=Decimal("3E+2")), {"quantity": "300"}),
    (place(kind=OrderKind.LIMIT_MAKER), {"type": "LIMIT_MAKER", "price": "50000.01"}),
    (
        place(kind=OrderKind.STOP_LIMIT, side=Side.SELL, stop_price=Decimal("49999.99")),
        {
            "type": "STOP_LOSS_LIMIT",
            "stopPrice": "49999.99",
            "price": "50000.01",
            "timeInForce": "GTC",
            "side": "SELL",
        },
    ),
]


def test_orders_go_out_as_exact_plain_text() -> None:
    async def run() -> None:
        async with connected_venue() as (venue, stub):
            for request, expected in WIRE:
                stub.script.append(refusal(-2010, "Duplicate order sent."))
                await venue.call(request)
                asked = stub.last()
                assert (asked.method, asked.path) == ("POST", "/api/v3/order")
                assert {name: asked.params[name] for name in expected} == expected
                assert signed(asked)
                assert asked.headers["X-MBX-APIKEY"] == KEY
                unwanted = {"MARKET": {"price", "timeInForce"}, "LIMIT_MAKER": {"timeInForce"}}
                assert not unwanted.get(asked.params["type"], set()) & set(asked.params)

    asyncio.run(run())


def test_an_incomplete_request_is_broken_and_not_sent() -> None:
    async def run() -> None:
        async with connected_venue() as (venue, stub):
            sent = len(stub.asked)
            for request in (
                place(price=None),
                place(kind=OrderKind.STOP_LIMIT),
            ):
                answered = await venue.call(request)
                assert (answered.outcome, answered.meaning) == (Outcome.REFUSED, Meaning.BROKEN)
                assert answered.sent_ns == 0
            assert len(stub.asked) == sent

    asyncio.run(run())


def test_a_full_answer_brings_exact_fills() -> None:
    fills = [
        {
            "price": "50000.00000001",
            "qty": "0.00010000",
            "commission": "0.00000010",
            "commissionAsset": "BTC",
            "tradeId": 56,
        },
        {
            "price": "0.1",
            "qty": "0.3",
            "commission": "0.0000000000000000001",
            "commissionAsset": "BNB",
            "tradeId": 57,
        },
    ]

    async def run() -> None:
        async with connected_venue() as (venue, stub):
            body = order_body(status="FILLED", executedQty="0.00020000", fills=fills)
            stub.script.append(Canned(body=body))
            before_ns = EngineClock().now_ns()
            answered = await venue.call(place())
            assert answered.outcome is Outcome.OK
            assert before_ns <= answered.sent_ns <= EngineClock().now_ns()
            (order,) = answered.orders
            assert (order.status, order.client_id) == (VenueStatus.FILLED, "sw-a-1-e1")
            assert (order.venue_order_id, order.group_id) == ("28", "")
            assert order.filled_quantity == Decimal("0.0002")
            assert [
                (t.trade_id, t.price, t.quantity, t.fee, t.fee_asset) for t in answered.trades
            ] == [
                ("56", Decimal("50000.00000001"), Decimal("0.0001"), Decimal("1E-7"), "BTC"),
                ("57", Decimal("0.1"), Decimal("0.3"), Decimal("1E-19"), "BNB"),
            ]

    asyncio.run(run())


def oco_body(**changes) -> str:
    above = json.loads(
        order_body(
            orderId=11,
            orderListId=4,
            clientOrderId=OCO.take_profit_id,
            type="LIMIT_MAKER",
            side="SELL",
        )
    )
    below = json.loads(
        order_body(
            orderId=10,
            orderListId=4,
            clientOrderId=OCO.stop_id,
            type="STOP_LOSS_LIMIT",
            side="SELL",
            stopPrice="48500.01",
            workingTime=-1,
        )
    )
    return json.dumps(
        {
            "orderListId": 4,
            "contingencyType": "OCO",
            "listStatusType": "EXEC_STARTED",
            "listOrderStatus": "EXECUTING",
            "listClientOrderId": OCO.list_id,
            "transactionTime": 1563417480525,
            "symbol": "BTCUSDT",
            "orders": [],
            "orderReports": [below, above],
            **changes,
        }
    )


def test_an_oco_is_one_request_with_two_named_legs() -> None:
    async def run() -> None:
        async with connected_venue() as (venue, stub):
            stub.script.append(Canned(body=oco_body()))
            answered = await venue.call(OCO, exit_priority=True)
            asked = stub.last()
            assert asked.path == "/api/v3/orderList/oco"
            expected = {
                "side": "SELL",
                "quantity": "0.12345678",
                "aboveType": "LIMIT_MAKER",
                "abovePrice": "51500.1",
                "aboveClientOrderId": "sw-a-1-t1",
                "belowType": "STOP_LOSS_LIMIT",
                "belowStopPrice": "48500.01",
                "belowPrice": "48257.5",
                "belowTimeInForce": "GTC",
                "belowClientOrderId": "sw-a-1-s1",
                "listClientOrderId": "sw-a-1-g1",
            }
            assert {name: asked.params[name] for name in expected} == expected
            assert signed(asked)
            assert answered.outcome is Outcome.OK
            stop, profit = answered.orders
            assert (stop.kind, stop.group_id, stop.triggered) == (OrderKind.STOP_LIMIT, "4", False)
            assert (profit.kind, profit.client_id) == (OrderKind.LIMIT_MAKER, "sw-a-1-t1")
            stub.script.append(Canned(body=oco_body(orderReports=[])))
            assert (await venue.call(OCO)).outcome is Outcome.UNKNOWN

    asyncio.run(run())


def test_a_cancel_names_the_original_order() -> None:
    async def run() -> None:
        async with connected_venue() as (venue, stub):
            body = order_body(
                origClientOrderId="sw-a-1-e1", clientOrderId="cxl1000", status="CANCELED"
            )
            stub.script.append(Canned(body=body))
            answered = await venue.call(CancelOrder(symbol="BTCUSDT", client_id="sw-a-1-e1"))
            assert stub.last().method == "DELETE"
            assert stub.last().params["origClientOrderId"] == "sw-a-1-e1"
            (order,) = answered.orders
            assert (order.client_id, order.status) == ("sw-a-1-e1", VenueStatus.CANCELED)
            # A leg's cancel answers with its whole list.
            reports = json.loads(oco_body())["orderReports"]
            for report in reports:
                report |= {"origClientOrderId": report["clientOrderId"], "clientOrderId": "cxl"}
                report["status"] = "CANCELED"
            stub.script.append(Canned(body=oco_body(orderReports=reports)))
            answered = await venue.call(CancelOrder(symbol="BTCUSDT", client_id=OCO.stop_id))
            assert answered.outcome is Outcome.OK
            assert {order.client_id for order in answered.orders} == {
                OCO.stop_id,
                OCO.take_profit_id,
            }

    asyncio.run(run())


def trade_row(number: int, order_id: int = 28, at_ms: int = 1000) -> dict:
    return {
        "symbol": "BTCUSDT",
        "id": number,
        "orderId": order_id,
        "orderListId": -1,
        "price": "50000.01",
        "qty": "0.0001",
        "quoteQty": "5",
        "commission": "0.0000001",
        "commissionAsset": "BTC",
        "time": at_ms,
        "isBuyer": True,
        "isMaker": False,
        "isBestMatch": True,
    }


def test_a_query_brings_the_order_and_its_trades() -> None:
    async def run() -> None:
        async with connected_venue() as (venue, stub):
            request = QueryOrder(symbol="BTCUSDT", client_id="sw-a-1-e1")
            partly = order_body(status="PARTIALLY_FILLED", executedQty="0.0001", isWorking=True)
            stub.script.extend([Canned(body=partly), Canned(body=json.dumps([trade_row(7)]))])
            answered = await venue.call(request)
            assert stub.last().path == "/api/v3/myTrades"
            assert stub.last().params["orderId"] == "28"
            assert answered.orders[0].status is VenueStatus.OPEN
            assert [(t.trade_id, t.client_id, t.side) for t in answered.trades] == [
                ("7", "sw-a-1-e1", Side.BUY)
            ]
            # The order's state is evidence even when its trades cannot be read.
            stub.script.extend([Canned(body=partly), Canned(status=502, body="")])
            answered = await venue.call(request)
            assert (answered.outcome, answered.trades) == (Outcome.OK, ())
            assert "trades not read" in answered.text
            # Nothing filled: one request is enough.
            asked = len(stub.asked)
            stub.script.append(Canned(body=order_body(isWorking=True)))
            assert (await venue.call(request)).outcome is Outcome.OK
            assert len(stub.asked) == asked + 1

    asyncio.run(run())


def test_a_snapshot_pages_trades_and_says_assets_that_became_empty() -> None:
    pages: dict[str, list] = {}
    since = wall_ms() - 60_000

    async def run() -> None:
        async with connected_venue() as (venue, stub):
            first = [trade_row(number) for number in range(1, 1001)]
            pages["first"] = first
            stub.by_path["/api/v3/openOrders"] = Canned(
                body=json.dumps([json.loads(order_body(isWorking=True))])
            )
            stub.script.extend(
                [Canned(body=json.dumps(first)), Canned(body=json.dumps([trade_row(1001, 99)]))]
            )
            answered = await venue.call(
                TakeSnapshot(symbol="", symbols=("BTCUSDT",), trades_since_ms=since, asked_ns=1)
            )
            assert answered.outcome is Outcome.OK
            reads = [one.params for one in stub.asked if one.path == "/api/v3/myTrades"]
            asked_ms = [int(read["startTime"]) for read in reads if "startTime" in read]
            assert len(asked_ms) == 1
            assert since - 1_000 < asked_ms[0] <= since
            assert [read.get("fromId") for read in reads] == [None, "1001"]
            assert {read["limit"] for read in reads} == {"1000"}
            assert len(answered.trades) == 1001
            # Open orders tell whose trades these are; an order nobody knows stays without a name.
            assert {trade.client_id for trade in answered.trades[:1000]} == {"sw-a-1-e1"}
            assert answered.trades[-1].client_id == ""
            held = {balance.asset: balance.free for balance in answered.balances}
            assert held == {"USDT": Decimal("10000.00000001"), "BTC": Decimal(0)}

    asyncio.run(run())


def test_trades_are_asked_for_by_the_clock_of_the_venue() -> None:
    """Engine time may be an hour ahead of the venue's clock: its trades are then an hour older."""
    hour_ms = 3_600_000
    since = wall_ms() - 60_000 + hour_ms

    async def run() -> None:
        async with connected_venue() as (venue, stub):
            venue._clock = EngineClock(venue._clock.offset_ns + hour_ms * 1_000_000)
            stub.by_path["/api/v3/openOrders"] = Canned(body="[]")
            stub.by_path["/api/v3/myTrades"] = Canned(body=json.dumps([trade_row(1)]))
            await venue.call(
                TakeSnapshot(symbol="", symbols=("BTCUSDT",), trades_since_ms=since, asked_ns=1)
            )
            asked = [one.params for one in stub.asked if one.path == "/api/v3/myTrades"]
            assert abs(int(asked[0]["startTime"]) - (since - hour_ms)) < 1_000

    asyncio.run(run())


def test_history_names_the_ended_orders_whose_trades_nobody_remembers() -> None:
    """After an older journal came back only the venue's list of ended orders tells whose a trade is
    (L12); foreign orders, also of types that we never send, are left out (L4)."""

    async def run() -> None:
        async with connected_venue() as (venue, stub):
            ended = json.loads(order_body(isWorking=True)) | {"status": "FILLED"}
            foreign = ended | {"clientOrderId": "theirs", "orderId": 99, "type": "PEGGED"}
            stub.by_path["/api/v3/openOrders"] = Canned(body="[]")
            stub.by_path["/api/v3/allOrders"] = Canned(body=json.dumps([ended, foreign]))
            stub.by_path["/api/v3/myTrades"] = Canned(body=json.dumps([trade_row(1)]))
            answered = await venue.call(
                TakeSnapshot(
                    symbol="",
                    symbols=("BTCUSDT",),
                    trades_since_ms=wall_ms() - 60_000,
                    asked_ns=1,
                    history=True,
                )
            )
            assert answered.outcome is Outcome.OK, answered.text
            assert [order.client_id for order in answered.orders] == ["sw-a-1-e1"]
            assert [trade.client_id for trade in answered.trades] == ["sw-a-1-e1"]
            stub.by_path["/api/v3/allOrders"] = Canned(status=500, body="")
            request = answered.request
            assert (await venue.call(request)).outcome is Outcome.UNKNOWN

    asyncio.run(run())


def test_a_snapshot_without_a_part_is_no_snapshot() -> None:
    async def run() -> None:
        async with connected_venue() as (venue, stub):
            request = TakeSnapshot(
                symbol="", symbols=("BTCUSDT", "ETHUSDT"), trades_since_ms=0, asked_ns=1
            )
            stub.by_path["/api/v3/openOrders"] = Canned(body="[]")
            stub.script.extend([Canned(body="[]"), Canned(status=500, body="")])
            answered = await venue.call(request)
            assert (answered.outcome, answered.balances) == (Outcome.UNKNOWN, ())
            stub.by_path["/api/v3/account"] = Canned(body="{}")
            assert (await venue.call(request)).outcome is Outcome.UNKNOWN
            stub.by_path["/api/v3/openOrders"] = Canned(body='{"not": "a list"}')
            assert (await venue.call(request)).outcome is Outcome.UNKNOWN

    asyncio.run(run())


def test_connect_reads_exact_filters_and_limits() -> None:
    async def run() -> None:
        async with running_stub() as stub:
            odd = listing("ODDUSDT")
            odd["filters"] = odd["filters"][:1]
            info = {**EXCHANGE_INFO, "symbols": [listing("BTCUSDT", status="BREAK"), odd]}
            info["rateLimits"] = [{**one, "limit": 77} for one in EXCHANGE_INFO["rateLimits"]]
            stub.by_path["/api/v3/exchangeInfo"] = Canned(body=json.dumps(info))
            venue = CcxtSpot(access(stub.port, recv_window_ms=4000), EngineClock())
            try:
                (instrument,) = await venue.connect()
            finally:
                await venue.close()
            assert instrument.tick_size == Decimal("0.01")
            assert instrument.step_size == Decimal("0.00001")
            assert instrument.min_notional == Decimal(5)
            assert instrument.market_max_quantity == Decimal("107.90610166")
            assert (instrument.price_band_up, instrument.price_band_down) == (5, Decimal("0.2"))
            assert (instrument.base, instrument.quote, instrument.status) == (
                "BTC",
                "USDT",
                "BREAK",
            )
            assert list(venue.unusable) == ["ODDUSDT"]
            assert (venue.budget.weight.limit, venue.budget.orders.limit) == (77, 77)
            assert venue.capability.fence_s == 4 + 13
            # One request for markets: no currencies, no margin, no futures.
            paths = [one.path for one in stub.asked if not one.path.endswith("/time")]
            assert paths == [
                "/api/v3/exchangeInfo",
                "/api/v3/account",
                "/sapi/v1/account/apiRestrictions",
            ]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("path", "canned", "said"),
    [
        ("/api/v3/exchangeInfo", Canned(status=502, body="x"), "HTTP 502"),
        ("/api/v3/exchangeInfo", Canned(body='{"symbols": []}'), "none of 0"),
        ("/api/v3/account", refusal(-2015, "Invalid API-key, IP", 401), "wrong keys"),
        ("/api/v3/account", Canned(body="[]"), "unreadable answer"),
    ],
)
def test_a_venue_that_cannot_be_used_stops_the_start(path, canned, said) -> None:
    async def run() -> None:
        async with running_stub() as stub:
            stub.by_path[path] = canned
            venue = CcxtSpot(access(stub.port), EngineClock())
            try:
                with pytest.raises((VenueError, ConfigError), match=said) as raised:
                    await venue.connect()
                text = str(raised.value)
                assert KEY not in text
                assert "signature=" not in text
            finally:
                await venue.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"venue": "kraken", "mode": "live"}, "allowed are local, binance"),
        ({"venue": "binance", "mode": "paper"}, "needs engine.mode testnet or live"),
        ({"rest": ""}, "addresses of the local venue"),
    ],
)
def test_venues_and_modes_that_do_not_fit_are_configuration_errors(changes, said) -> None:
    async def run() -> None:
        with pytest.raises(ConfigError, match=said):
            CcxtSpot(access(1, **changes), EngineClock())

    asyncio.run(run())


@pytest.mark.parametrize("fresh_looks", [0, 1, 2])
def test_a_turn_that_grows_old_while_ccxt_signs_is_not_sent(fresh_looks) -> None:
    """L7: the check stands where the first byte would be written, not where ccxt is called."""

    async def run() -> None:
        async with connected_venue() as (venue, stub):
            answers = iter([""] * fresh_looks + ["the turn is too old"])
            asked = len(stub.asked)
            answered = await venue.call(place(), last_check=lambda: next(answers))
            assert (answered.outcome, answered.code) == (Outcome.NOT_SENT, "stale_turn")
            assert (answered.sent_ns, answered.text) == (0, "the turn is too old")
            assert len(stub.asked) == asked
            stub.script.append(Canned(body=order_body()))
            again = await venue.call(place(), last_check=lambda: "")
            assert again.outcome is Outcome.OK

    asyncio.run(run())


def test_real_venues_keep_their_addresses() -> None:
    async def run() -> None:
        for mode, host in (("live", "api.binance.com"), ("testnet", "testnet.binance.vision")):
            venue = CcxtSpot(access(1, venue="binance", mode=mode, rest="", ws=""), EngineClock())
            urls = venue._exchange.urls["api"]
            assert host in urls["private"]
            assert urls["private"].startswith("https://")
            assert urls["ws"]["ws-api"]["spot"].startswith("wss://ws-api.")
            await venue.close()

    asyncio.run(run())


def test_no_secret_is_said_in_any_answer() -> None:
    """ccxt quotes whole addresses, and a venue may echo the key (L13)."""

    async def run() -> None:
        async with connected_venue() as (venue, stub):
            echoes = f"bad key {KEY}, {SECRET}, signature=abcdef0123&x=1"
            for canned in (
                refusal(-2014, echoes),
                Canned(status=500, body=echoes),
                Canned(body=echoes),
                Canned(cut="before"),
            ):
                stub.script.append(canned)
                answered = await venue.call(place())
                for secret in (KEY, SECRET, "abcdef0123"):
                    assert secret not in answered.text
                    assert secret not in repr(answered)
            assert KEY not in repr(access(1))
            assert SECRET not in str(access(1))

    asyncio.run(run())
