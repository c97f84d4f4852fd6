"""Every answer of the venue has the documentation's keys and types, through both doors."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import conformance_shapes
import pytest
from conformance_doors import Door, opened
from conformance_shapes import differences

pytestmark = pytest.mark.e2e
SHAPES = conformance_shapes.load()
PAIR = {"symbol": "BTCUSDT"}

ANSWERS = {
    "ping": (("Test connectivity", 0), ("Test connectivity", 1)),
    "time": (("Check server time", 0), ("Check server time", 1)),
    "depth": (("Order book", 0), ("Order book", 1)),
    "trades.recent": (("Recent trades list", 0), ("Recent trades", 1)),
    "trades.historical": (("Old trade lookup", 0), ("Historical trades", 1)),
    "trades.aggregate": (("Compressed/Aggregate trades list", 0), ("Aggregate trades", 1)),
    "klines": (("Kline/Candlestick data", 0), ("Klines", 1)),
    "uiKlines": (("UIKlines", 0), ("UI Klines", 1)),
    "avgPrice": (("Current average price", 0), ("Current average price", 1)),
    "day": (
        ("24hr ticker price change statistics", 0),
        ("24hr ticker price change statistics", 1),
    ),
    "day, mini": (
        ("24hr ticker price change statistics", 2),
        ("24hr ticker price change statistics", 2),
    ),
    "trading day": (("Trading Day Ticker", 0), ("Trading Day Ticker", 1)),
    "trading day, mini": (("Trading Day Ticker", 2), ("Trading Day Ticker", 3)),
    "rolling": (
        ("Rolling window price change statistics", 0),
        ("Rolling window price change statistics", 2),
    ),
    "rolling, mini": (
        ("Rolling window price change statistics", 2),
        ("Rolling window price change statistics", 3),
    ),
    "ticker.price": (("Symbol price ticker", 0), ("Symbol price ticker", 1)),
    "ticker.book": (("Symbol order book ticker", 0), ("Symbol order book ticker", 1)),
    "ack": (("New order (TRADE)", 0), ("Place new order (TRADE)", 1)),
    "result": (("New order (TRADE)", 1), ("Place new order (TRADE)", 2)),
    "full": (("New order (TRADE)", 2), None),
    "tested": (("Test new order (TRADE)", 0), ("Test new order (TRADE)", 1)),
    "tested, with rates": (("Test new order (TRADE)", 1), ("Test new order (TRADE)", 2)),
    "canceled": (("Cancel order (TRADE)", 0), ("Cancel order (TRADE)", 1)),
    "canceled list": (("Cancel Order list (TRADE)", 0), ("Cancel order (TRADE)", 2)),
    "canceled all": (
        ("Cancel All Open Orders on a Symbol (TRADE)", 0),
        ("Cancel open orders (TRADE)", 1),
    ),
    "refusal": (("Error Codes", 0), ("Response format", 1)),
    "replaced": (("Cancel an Existing Order and Send a New Order (TRADE)", 0), None),
    "replace stopped": (
        ("Cancel an Existing Order and Send a New Order (TRADE)", 1),
        ("Cancel and replace order (TRADE)", 1),
    ),
    "replace half: new": (
        ("Cancel an Existing Order and Send a New Order (TRADE)", 2),
        ("Cancel and replace order (TRADE)", 2),
    ),
    "replace half: old": (
        ("Cancel an Existing Order and Send a New Order (TRADE)", 3),
        ("Cancel and replace order (TRADE)", 3),
    ),
    "replace failed": (
        ("Cancel an Existing Order and Send a New Order (TRADE)", 4),
        ("Cancel and replace order (TRADE)", 4),
    ),
    "amended": (("Order Amend Keep Priority (TRADE)", 0), ("Order Amend Keep Priority (TRADE)", 1)),
    "amended leg": (
        ("Order Amend Keep Priority (TRADE)", 1),
        ("Order Amend Keep Priority (TRADE)", 2),
    ),
    "amendments": (
        ("Query Order Amendments (USER_DATA)", 0),
        ("Query Order Amendments (USER_DATA)", 1),
    ),
    "old oco": (("New OCO - Deprecated (TRADE)", 0), ("Place new OCO - Deprecated (TRADE)", 1)),
    "oco": (("New Order list - OCO (TRADE)", 0), ("Place new Order list - OCO (TRADE)", 1)),
    "oto": (("New Order list - OTO (TRADE)", 0), ("Place new Order list - OTO (TRADE)", 1)),
    "otoco": (("New Order list - OTOCO (TRADE)", 0), ("Place new Order list - OTOCO (TRADE)", 1)),
    "order": (("Query order (USER_DATA)", 0), ("Current open orders (USER_DATA)", 1)),
    "list": (("Query Order list (USER_DATA)", 0), ("Query Order list (USER_DATA)", 1)),
    "myTrades": (("Account trade list (USER_DATA)", 0), ("Account trade history (USER_DATA)", 1)),
    "prevented": (
        ("Query Prevented Matches (USER_DATA)", 0),
        ("Account prevented matches (USER_DATA)", 1),
    ),
    "account": (("Account information (USER_DATA)", 0), ("Account information (USER_DATA)", 1)),
    "commission": (
        ("Query Commission Rates (USER_DATA)", 0),
        ("Account Commission Rates (USER_DATA)", 1),
    ),
    "order counts": (
        ("Query Unfilled Order Count (USER_DATA)", 0),
        ("Unfilled Order Count (USER_DATA)", 1),
    ),
}
"""What we call an answer -> where the documentation shows it: (REST, WebSocket API); None where
the WebSocket API's sample is shortened and the text says that it is REST's."""


@pytest.fixture(scope="module")
def venue(start_venue):
    return start_venue(
        *("--profile", "calm", "--seed", "5", "--unlimited"),
        *("--balance", "USDT=100000000", "--balance", "BTC=1000"),
    )


def run(work):
    return asyncio.run(asyncio.wait_for(work, 100))


def check(door: Door, name: str, body: Any, *, many: bool = False) -> None:
    """The body is like the documentation's sample of that name."""
    place = ANSWERS[name][0 if door.name == "rest" else 1] or ANSWERS[name][0]
    side = door.name if ANSWERS[name][1] else "rest"
    shape = SHAPES[side][place[0]][place[1]]
    if many:
        shape = shape if isinstance(shape, list) else [shape]
        assert body, f"{name}: an empty list shows nothing"
    elif isinstance(shape, list) and isinstance(body, dict):
        shape = shape[0]
    assert differences(body, shape, name) == []


async def good(door: Door, operation: str, name: str, many: bool = False, **params: Any) -> Any:
    """Asks, expects 200 and the documented shape."""
    status, body = await door.ask(operation, **params)
    assert status == 200, (operation, params, body)
    check(door, name, body, many=many)
    return body


async def last_price(door: Door) -> float:
    return float((await door.ask("ticker.price", **PAIR))[1]["price"])


def limit(price: float, side: str = "BUY", quantity: str = "0.001", **more: Any) -> dict[str, Any]:
    """A limit order's parameters."""
    return {
        **PAIR,
        **{"side": side, "type": "LIMIT", "timeInForce": "GTC"},
        **{"quantity": quantity, "price": f"{price:.2f}"},
        **more,
    }


def test_the_kept_shapes_are_those_of_the_documentation():
    if not conformance_shapes.SAMPLES.exists():
        pytest.skip(
            f"no samples at {conformance_shapes.SAMPLES}: shapes.json is used, but not compared"
        )
    assert conformance_shapes.generated() == SHAPES


@pytest.mark.parametrize("door_name", ["rest", "socket"])
def test_public_answers(venue, door_name):
    async def work():
        async with opened(venue, door_name) as door:
            await good(door, "ping", "ping")
            await good(door, "time", "time")
            await good(door, "depth", "depth", **PAIR, limit=10)
            while not (await door.ask("trades.recent", **PAIR))[1]:
                await asyncio.sleep(0.1)
            for operation in ("trades.recent", "trades.historical", "trades.aggregate"):
                await good(door, operation, operation, many=True, **PAIR, limit=5)
            for operation in ("klines", "uiKlines"):
                await good(door, operation, operation, many=True, **PAIR, interval="1m", limit=5)
            await good(door, "avgPrice", "avgPrice", **PAIR)
            names = '["BTCUSDT","ETHUSDT"]' if door_name == "rest" else ["BTCUSDT", "ETHUSDT"]
            for operation, name in (
                ("ticker.24hr", "day"),
                ("ticker.tradingDay", "trading day"),
                ("ticker", "rolling"),
            ):
                await good(door, operation, name, **PAIR)
                await good(door, operation, f"{name}, mini", **PAIR, type="MINI")
                two = await good(door, operation, name, many=True, symbols=names)
                assert [row["symbol"] for row in two] == ["BTCUSDT", "ETHUSDT"]
            for operation in ("ticker.price", "ticker.book"):
                await good(door, operation, operation, **PAIR)
                await good(door, operation, operation, many=True)

    run(work())


@pytest.mark.parametrize("door_name", ["rest", "socket"])
def test_exchange_information_and_each_of_its_filters(venue, door_name):
    async def work():
        async with opened(venue, door_name) as door:
            status, body = await door.ask("exchangeInfo")
            assert status == 200
            assert differences(body, SHAPES["rest"]["Exchange information"][0], "info") == []
            for row in body["rateLimits"]:
                assert row.keys() == {"rateLimitType", "interval", "intervalNum", "limit"}
            for symbol in body["symbols"]:
                names = [one["filterType"] for one in symbol["filters"]]
                for one in symbol["filters"]:
                    shape = SHAPES["filters"][one["filterType"]][0]
                    assert differences(one, shape, one["filterType"]) == []
                for needed in (
                    *("PRICE_FILTER", "LOT_SIZE", "MARKET_LOT_SIZE", "NOTIONAL"),
                    *("PERCENT_PRICE_BY_SIDE", "MAX_NUM_ORDERS", "MAX_NUM_ALGO_ORDERS"),
                    *("ICEBERG_PARTS", "TRAILING_DELTA"),
                ):
                    assert needed in names
            _, one = await door.ask("exchangeInfo", **PAIR)
            assert [row["symbol"] for row in one["symbols"]] == ["BTCUSDT"]

    run(work())


@pytest.mark.parametrize("door_name", ["rest", "socket"])
def test_one_order_from_first_to_last(venue, door_name):
    async def work():
        async with opened(venue, door_name) as door:
            price = await last_price(door)
            low = price * 0.9
            for response in ("ack", "result", "full"):
                made = await good(
                    door, "order.place", response, **limit(low, newOrderRespType=response.upper())
                )
                await good(door, "order.cancel", "canceled", **PAIR, orderId=made["orderId"])
            await good(door, "order.place", "full", **limit(low))
            await good(
                door, "order.place", "full", **PAIR, side="BUY", type="MARKET", quantity="0.001"
            )
            stop = limit(
                price * 0.94, "SELL", type="STOP_LOSS_LIMIT", stopPrice=f"{price * 0.95:.2f}"
            )
            await good(door, "order.place", "ack", **stop)
            stopped = await good(door, "order.place", "result", **stop, newOrderRespType="RESULT")
            assert "stopPrice" in stopped
            await good(door, "order.test", "tested", **limit(low))
            await good(
                door,
                "order.test",
                "tested, with rates",
                **limit(low),
                computeCommissionRates="true",
            )
            ids = {**PAIR, "orderId": stopped["orderId"]}
            await good(door, "order.status", "order", **ids)
            await good(door, "openOrders.status", "order", many=True, **PAIR)
            await good(door, "openOrders.status", "order", many=True)
            await good(door, "allOrders", "order", many=True, **PAIR)
            await good(door, "openOrders.cancelAll", "canceled all", many=True, **PAIR)
            await good(door, "myTrades", "myTrades", many=True, **PAIR)
            await good(door, "account.status", "account")
            await good(door, "account.commission", "commission", **PAIR)
            await good(door, "account.rateLimits.orders", "order counts", many=True)
            status, body = await door.ask("order.cancel", **ids)
            assert (status, body["code"]) == (400, -2011)
            check(door, "refusal", body)

    run(work())


@pytest.mark.parametrize("door_name", ["rest", "socket"])
def test_fields_that_appear_under_conditions(venue, door_name):
    async def work():
        async with opened(venue, door_name) as door:
            price = await last_price(door)
            labels = {"strategyId": 7, "strategyType": 1_000_001}
            made = await good(
                door,
                "order.place",
                "full",
                **limit(price * 0.9, quantity="0.01", icebergQty="0.005", **labels),
            )
            assert (made["icebergQty"], made["strategyId"]) == ("0.00500000", 7)
            found = await good(door, "order.status", "order", **PAIR, orderId=made["orderId"])
            assert (found["strategyId"], found["strategyType"]) == (7, 1_000_001)
            gone = await good(door, "order.cancel", "canceled", **PAIR, orderId=made["orderId"])
            assert gone["icebergQty"] == "0.00500000"
            gone = await good(door, "order.place", "full", **limit(price * 0.9, timeInForce="FOK"))
            assert gone["expiryReason"] == "UNFILLED_FOK_ORDER_EXPIRED"
            trailing = {**PAIR, "side": "SELL", "type": "STOP_LOSS", "quantity": "0.001"}
            made = await good(
                door,
                "order.place",
                "result",
                **trailing,
                trailingDelta=200,
                newOrderRespType="RESULT",
            )
            assert made["trailingDelta"] == 200
            found = await good(door, "order.status", "order", **PAIR, orderId=made["orderId"])
            assert (found["trailingDelta"], type(found["trailingTime"])) == (200, int)
            await good(door, "order.cancel", "canceled", **PAIR, orderId=made["orderId"])

    run(work())


@pytest.mark.parametrize("door_name", ["rest", "socket"])
def test_cancel_and_replace_in_every_outcome(venue, door_name):
    async def work():
        async with opened(venue, door_name) as door:
            price = await last_price(door)
            low, unknown = price * 0.9, {"cancelOrderId": 10**9}
            crossing = {"type": "LIMIT_MAKER", "price": f"{price * 1.02:.2f}", "timeInForce": ""}
            made = (await door.ask("order.place", **limit(low)))[1]
            operation, stop, allow = "order.cancelReplace", "STOP_ON_FAILURE", "ALLOW_FAILURE"
            body = await good(
                door,
                operation,
                "replaced",
                **limit(low),
                cancelReplaceMode=stop,
                cancelOrderId=made["orderId"],
            )
            assert (body["cancelResult"], body["newOrderResult"]) == ("SUCCESS", "SUCCESS")
            old = {"cancelOrderId": body["newOrderResponse"]["orderId"]}
            maker = {key: value for key, value in (limit(low) | crossing).items() if value}
            for mode, target, order, status, code, name in (
                (stop, unknown, limit(low), 400, -2022, "replace stopped"),
                (allow, unknown, maker, 400, -2022, "replace failed"),
                (allow, unknown, limit(low), 409, -2021, "replace half: old"),
                (stop, old, maker, 409, -2021, "replace half: new"),
            ):
                order = {**order, "newOrderRespType": "ACK" if door.name == "rest" else "FULL"}
                got, body = await door.ask(operation, **order, cancelReplaceMode=mode, **target)
                assert (got, body["code"]) == (status, code), (name, body)
                check(door, name, body)
            await door.ask("openOrders.cancelAll", **PAIR)

    run(work())


@pytest.mark.parametrize("door_name", ["rest", "socket"])
def test_amending_keeps_the_order(venue, door_name):
    async def work():
        async with opened(venue, door_name) as door:
            price = await last_price(door)
            made = (await door.ask("order.place", **limit(price * 0.9, quantity="0.005")))[1]
            ids = {**PAIR, "orderId": made["orderId"]}
            body = await good(door, "order.amend.keepPriority", "amended", **ids, newQty="0.002")
            assert body["amendedOrder"]["qty"] == "0.00200000"
            assert "listStatus" not in body
            await good(door, "order.amendments", "amendments", many=True, **ids)
            status, body = await door.ask("order.amend.keepPriority", **ids, newQty="0.003")
            assert status == 400
            check(door, "refusal", body)
            made = (await door.ask("orderList.place.oto", **oto(price)))[1]
            body = await good(
                door,
                "order.amend.keepPriority",
                "amended leg",
                **PAIR,
                orderId=made["orders"][0]["orderId"],
                newQty="0.0005",
            )
            assert "listStatus" in body
            await door.ask("openOrders.cancelAll", **PAIR)

    run(work())


def oto(price: float) -> dict[str, Any]:
    """A buy below the market, then a sell above it."""
    return {
        **PAIR,
        **{"workingType": "LIMIT", "workingSide": "BUY", "workingQuantity": "0.001"},
        **{"workingPrice": f"{price * 0.9:.2f}", "workingTimeInForce": "GTC"},
        **{"pendingType": "LIMIT", "pendingSide": "SELL", "pendingQuantity": "0.001"},
        **{"pendingPrice": f"{price * 1.1:.2f}", "pendingTimeInForce": "GTC"},
    }


@pytest.mark.parametrize("door_name", ["rest", "socket"])
def test_order_lists_of_every_kind(venue, door_name):
    async def work():
        async with opened(venue, door_name) as door:
            price = await last_price(door)
            high, low, lower = (f"{price * part:.2f}" for part in (1.05, 0.95, 0.94))
            sell = {**PAIR, "side": "SELL", "quantity": "0.001"}
            pending = {
                **{"pendingSide": "SELL", "pendingQuantity": "0.001"},
                **{"pendingAboveType": "LIMIT_MAKER", "pendingAbovePrice": high},
                **{"pendingBelowType": "STOP_LOSS", "pendingBelowStopPrice": low},
            }
            working = {key: value for key, value in oto(price).items() if "pending" not in key}
            lists = {
                "old oco": (
                    "orderList.place",
                    {
                        **sell,
                        **{"price": high, "stopPrice": low, "stopLimitPrice": lower},
                        "stopLimitTimeInForce": "GTC",
                    },
                ),
                "oco": (
                    "orderList.place.oco",
                    {
                        **sell,
                        **{"aboveType": "LIMIT_MAKER", "abovePrice": high},
                        **{"belowType": "STOP_LOSS_LIMIT", "belowStopPrice": low},
                        **{"belowPrice": lower, "belowTimeInForce": "GTC"},
                    },
                ),
                "oto": ("orderList.place.oto", oto(price)),
                "otoco": ("orderList.place.otoco", {**working, **pending}),
            }
            for name, (operation, params) in lists.items():
                made = await good(door, operation, name, **params, newOrderRespType="RESULT")
                ids = {"orderListId": made["orderListId"]}
                assert made["contingencyType"] == (
                    "OCO" if "oco" in name[-3:] and name != "otoco" else "OTO"
                )
                assert len(made["orders"]) == (3 if name == "otoco" else 2)
                states = [report["status"] for report in made["orderReports"]]
                assert states == {
                    "oto": ["NEW", "PENDING_NEW"],
                    "otoco": ["NEW", "PENDING_NEW", "PENDING_NEW"],
                }.get(name, ["NEW", "NEW"])
                await good(door, "orderList.status", "list", **ids)
                await good(door, "openOrderLists.status", "list", many=True)
                await good(door, "orderList.cancel", "canceled list", **PAIR, **ids)
            await good(door, "allOrderLists", "list", many=True)

    run(work())


@pytest.mark.parametrize("door_name", ["rest", "socket"])
def test_prevented_matches(venue, door_name):
    async def work():
        async with opened(venue, door_name) as door:
            ask = float((await door.ask("ticker.book", **PAIR))[1]["askPrice"])
            resting = (await door.ask("order.place", **limit(ask + 1, "SELL", "0.5")))[1]
            taken = await good(
                door,
                "order.place",
                "full",
                **limit(
                    ask + 50,
                    "BUY",
                    "100",
                    timeInForce="IOC",
                    selfTradePreventionMode="EXPIRE_MAKER",
                ),
            )
            found = await good(door, "order.status", "order", **PAIR, orderId=resting["orderId"])
            assert found["status"] == "EXPIRED_IN_MATCH", (found, taken["status"])
            assert found["preventedQuantity"] == "0.50000000"
            rows = await good(
                door,
                "myPreventedMatches",
                "prevented",
                many=True,
                **PAIR,
                orderId=taken["orderId"],
            )
            assert rows[0]["makerOrderId"] == resting["orderId"]
            assert found["preventedMatchId"] == rows[0]["preventedMatchId"]

    run(work())


def test_rate_limit_rows_of_socket_answers(venue):
    async def work():
        async with opened(venue, "socket") as door:
            price = await last_price(door)
            rows = json.dumps(door.envelope["rateLimits"])
            assert [row["rateLimitType"] for row in json.loads(rows)] == ["REQUEST_WEIGHT"]
            await door.ask("order.place", **limit(price * 0.9))
            kinds = [(row["rateLimitType"], row["interval"]) for row in door.envelope["rateLimits"]]
            assert kinds == [
                ("ORDERS", "SECOND"),
                ("ORDERS", "DAY"),
                ("REQUEST_WEIGHT", "MINUTE"),
            ]
            assert all(
                row.keys() == {"rateLimitType", "interval", "intervalNum", "limit", "count"}
                for row in door.envelope["rateLimits"]
            )
            await door.ask("openOrders.cancelAll", **PAIR)

    run(work())
