"""The user data stream in every execution type: shapes, conditions, order, numbering."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import conformance_shapes
import pytest
from conformance_doors import Listener, RestDoor
from conformance_shapes import REPORT_KEYS, differences
from localvenue_process import RawClient

pytestmark = pytest.mark.e2e
SHAPES = conformance_shapes.load()["user"]
PAIR = {"symbol": "BTCUSDT"}

HEADINGS = {
    "outboundAccountPosition": "Account Update",
    "balanceUpdate": "Balance Update",
    "executionReport": "Order Update",
    "listStatus": "Order Reject Reason",
    "eventStreamTerminated": "Event Stream Terminated",
}


@pytest.fixture(scope="module")
def venue(start_venue):
    return start_venue(
        *("--profile", "calm", "--seed", "11", "--unlimited"),
        *("--balance", "USDT=100000000", "--balance", "BTC=1000"),
    )


class Story:
    """A door, and what the user stream tells about what is done there."""

    def __init__(self, door: RestDoor, listener: Listener, price: float) -> None:
        self.door = door
        self.listener = listener
        self.price = price

    async def do(self, operation: str, **params: Any) -> Any:
        """Asks by REST; whatever the status, the body."""
        return (await self.door.ask(operation, **params))[1]

    async def events(self) -> list[dict[str, Any]]:
        """What was told since; each in its documented shape."""
        told = []
        for message in await self.listener.gather():
            event = message["event"]
            shape = SHAPES[HEADINGS[event["e"]]][0]
            assert differences(message, shape, event["e"], REPORT_KEYS) == []
            told.append(event)
        return told

    async def reports(self) -> list[dict[str, Any]]:
        """The executionReports among them."""
        return [event for event in await self.events() if event["e"] == "executionReport"]


def run(venue, tell):
    async def work():
        async with aiohttp.ClientSession() as session:
            client = RawClient(session, venue.line)
            door = RestDoor(client)
            await door.ask("openOrders.cancelAll", **PAIR)
            price = float((await door.ask("ticker.price", **PAIR))[1]["price"])
            story = Story(door, await Listener.start(client), price)
            await tell(story)
            numbers = [
                message["event"]["I"]
                for message in story.listener.events
                if message["event"]["e"] == "executionReport"
            ]
            assert numbers == sorted(set(numbers)), "execution ids grow"

    asyncio.run(asyncio.wait_for(work(), 100))


def limit(price: float, side: str = "BUY", quantity: str = "0.001", **more: Any) -> dict[str, Any]:
    return {
        **PAIR,
        **{"side": side, "type": "LIMIT", "timeInForce": "GTC"},
        **{"quantity": quantity, "price": f"{price:.2f}"},
        **more,
    }


def kinds(events):
    return [event.get("x", event["e"]) for event in events]


def test_new_and_canceled(venue):
    async def tell(story):
        made = await story.do("order.place", **limit(story.price * 0.9, newClientOrderId="mine"))
        events = await story.events()
        assert kinds(events) == ["NEW", "outboundAccountPosition"]
        report, position = events
        assert (report["c"], report["C"], report["X"], report["i"]) == (
            *("mine", "", "NEW"),
            made["orderId"],
        )
        assert report["W"] == made["workingTime"]
        assert {row["a"] for row in position["B"]} >= {"USDT"}
        assert not report.keys() & {"v", "A", "B", "u", "U", "d", "D", "j", "J", "eR"}
        await story.do("order.cancel", **PAIR, origClientOrderId="mine", newClientOrderId="gone")
        events = await story.events()
        assert kinds(events) == ["CANCELED", "outboundAccountPosition"]
        assert (events[0]["c"], events[0]["C"], events[0]["X"]) == ("gone", "mine", "CANCELED")

    run(venue, tell)


def test_traded(venue):
    async def tell(story):
        made = await story.do("order.place", **PAIR, side="BUY", type="MARKET", quantity="0.002")
        events = await story.events()
        reports = [event for event in events if event["e"] == "executionReport"]
        assert kinds(reports) == ["NEW", *["TRADE"] * len(made["fills"])]
        assert kinds(events)[-1] == "outboundAccountPosition"
        last = reports[-1]
        assert (last["X"], last["z"], last["m"]) == ("FILLED", "0.00200000", False)
        assert (last["t"], last["N"]) == (made["fills"][-1]["tradeId"], "BTC")
        assert last["Z"] == made["cummulativeQuoteQty"]

    run(venue, tell)


@pytest.mark.parametrize(
    ("in_force", "why"),
    [("IOC", "UNFILLED_IOC_QUANTITY_EXPIRED"), ("FOK", "UNFILLED_FOK_ORDER_EXPIRED")],
)
def test_expired(venue, in_force, why):
    async def tell(story):
        await story.do("order.place", **limit(story.price * 0.9, timeInForce=in_force))
        reports = await story.reports()
        assert kinds(reports) == ["NEW", "EXPIRED"]
        assert (reports[-1]["X"], reports[-1]["eR"]) == ("EXPIRED", why)

    run(venue, tell)


def test_replaced_when_the_quantity_is_amended(venue):
    async def tell(story):
        made = await story.do(
            "order.place", **limit(story.price * 0.9, quantity="0.004", newClientOrderId="before")
        )
        await story.events()
        amended = await story.do(
            "order.amend.keepPriority",
            **PAIR,
            orderId=made["orderId"],
            newQty="0.001",
            newClientOrderId="after",
        )
        (report,) = await story.reports()
        assert (report["x"], report["X"], report["q"]) == ("REPLACED", "NEW", "0.00100000")
        assert (report["c"], report["C"]) == ("after", "before")
        assert report["I"] == amended["executionId"]

    run(venue, tell)


def test_rejected_when_only_the_new_order_of_a_replacement_fails(venue):
    async def tell(story):
        made = await story.do("order.place", **limit(story.price * 0.9))
        await story.events()
        crossing = {**limit(story.price * 1.02), "type": "LIMIT_MAKER"}
        del crossing["timeInForce"]
        body = await story.do(
            "order.cancelReplace",
            **crossing,
            cancelReplaceMode="STOP_ON_FAILURE",
            cancelOrderId=made["orderId"],
        )
        assert body["code"] == -2021
        reports = await story.reports()
        assert kinds(reports) == ["CANCELED", "REJECTED"]
        assert (reports[1]["X"], reports[1]["r"]) == ("REJECTED", "WOULD_MATCH_IMMEDIATELY")

    run(venue, tell)


def test_trade_prevention(venue):
    async def tell(story):
        ask = float((await story.do("ticker.book", **PAIR))["askPrice"])
        resting = await story.do("order.place", **limit(ask + 1, "SELL", "0.5"))
        await story.events()
        taker = await story.do(
            "order.place",
            **limit(ask + 20, "BUY", "100"),
            **{"selfTradePreventionMode": "EXPIRE_MAKER"},
        )
        await story.do("openOrders.cancelAll", **PAIR)
        (report,) = [one for one in await story.reports() if one["x"] == "TRADE_PREVENTION"]
        assert (report["i"], report["X"]) == (resting["orderId"], "EXPIRED_IN_MATCH")
        assert report.keys() >= {"v", "A", "B", "u", "U", "Cs", "pl", "pL", "pY"}
        assert (report["U"], report["Cs"]) == (taker["orderId"], "BTCUSDT")
        assert (report["A"], report["B"]) == ("0.50000000", "0.50000000")

    run(venue, tell)


def test_trailing_stops_and_strategies_name_themselves(venue):
    async def tell(story):
        await story.do(
            "order.place",
            **PAIR,
            **{"side": "SELL", "type": "STOP_LOSS", "quantity": "0.001", "trailingDelta": 500},
            **{"strategyId": 3, "strategyType": 1_000_000},
        )
        report = (await story.reports())[0]
        assert (report["d"], type(report["D"])) == (500, int)
        assert (report["j"], report["J"]) == (3, 1_000_000)
        assert report["w"] is False
        assert "W" not in report
        await story.do("openOrders.cancelAll", **PAIR)

    run(venue, tell)


def test_a_list_begins_and_is_done(venue):
    async def tell(story):
        await story.do(
            "orderList.place.oco",
            **PAIR,
            **{"side": "SELL", "quantity": "0.001", "listClientOrderId": "pair"},
            **{"aboveType": "LIMIT_MAKER", "abovePrice": f"{story.price * 1.05:.2f}"},
            **{"belowType": "STOP_LOSS", "belowStopPrice": f"{story.price * 0.95:.2f}"},
        )
        events = await story.events()
        (status,) = [event for event in events if event["e"] == "listStatus"]
        assert (status["c"], status["l"], status["L"]) == ("OCO", "EXEC_STARTED", "EXECUTING")
        assert (status["C"], len(status["O"]), status["r"]) == ("pair", 2, "NONE")
        assert kinds(events)[-1] == "outboundAccountPosition"
        await story.do("orderList.cancel", **PAIR, listClientOrderId="pair")
        events = await story.events()
        (status,) = [event for event in events if event["e"] == "listStatus"]
        assert (status["l"], status["L"]) == ("ALL_DONE", "ALL_DONE")
        reports = [event for event in events if event["e"] == "executionReport"]
        assert [one["x"] for one in reports] == ["CANCELED", "CANCELED"]
        assert {one["g"] for one in reports} == {status["g"]}

    run(venue, tell)


def test_an_oto_places_its_second_order_when_the_first_is_filled(venue):
    async def tell(story):
        working = {
            **{"workingType": "LIMIT", "workingSide": "BUY", "workingQuantity": "0.001"},
            **{"workingPrice": f"{story.price * 1.01:.2f}", "workingTimeInForce": "GTC"},
        }
        made = await story.do(
            "orderList.place.oto",
            **PAIR,
            **working,
            **{"pendingType": "LIMIT", "pendingSide": "SELL", "pendingQuantity": "0.001"},
            **{"pendingPrice": f"{story.price * 1.1:.2f}", "pendingTimeInForce": "GTC"},
        )
        events = await story.events()
        states = [event["l"] for event in events if event["e"] == "listStatus"]
        assert states == ["EXEC_STARTED", "EXEC_STARTED"], made
        last: dict[int, str] = {}
        for event in events:
            if event["e"] == "executionReport":
                last[event["i"]] = event["X"]
        assert list(last.values()) == ["FILLED", "NEW"]
        assert {event["c"] for event in events if event["e"] == "listStatus"} == {"OTO"}
        await story.do("openOrders.cancelAll", **PAIR)

    run(venue, tell)


def test_the_end_of_a_subscription(venue):
    async def tell(story):
        socket = story.listener.socket
        await socket.send_json({"id": 9, "method": "userDataStream.unsubscribe"})
        assert (await socket.receive_json())["result"] == {}
        message = await asyncio.wait_for(socket.receive_json(), 60)
        shape = SHAPES["Event Stream Terminated"][0]
        assert differences(message, shape, "terminated", set()) == []
        await story.do("order.place", **limit(story.price * 0.9))
        assert await story.listener.gather() == []

    run(venue, tell)
