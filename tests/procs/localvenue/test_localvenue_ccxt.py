"""Genuine ccxt and ccxt.pro trade on the local venue over real sockets."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from itertools import pairwise

import ccxt.async_support as ccxt
import pytest
from localvenue_process import client_of

pytestmark = pytest.mark.e2e
SYMBOL = "BTC/USDT"


@pytest.fixture(scope="module")
def venue(start_venue):
    return start_venue("--profile", "calm", "--seed", "3", "--unlimited")


def run(work):
    return asyncio.run(asyncio.wait_for(work, 30))


def test_orders_of_every_type_go_and_come_back(venue):
    async def work():
        async with client_of(venue) as client:
            assert len(client.markets) == len(venue.line["symbols"])
            market = client.market(SYMBOL)
            assert market["precision"] == {**market["precision"], "amount": 1e-5, "price": 0.01}
            assert market["limits"]["cost"]["min"] == 5
            before = await client.fetch_balance()
            assert before["USDT"]["free"] == 10_000
            bid = (await client.fetch_ticker(SYMBOL))["bid"]

            bought = await client.create_order(SYMBOL, "market", "buy", 0.01)
            assert bought["status"] == "closed"
            assert bought["filled"] == 0.01
            assert bought["fee"] == {"currency": "BTC", "cost": 0.00001}

            low = client.price_to_precision(SYMBOL, bid * 0.9)
            made = await client.create_order(
                SYMBOL, "limit", "buy", 0.001, float(low), {"clientOrderId": "mine-1"}
            )
            assert (made["status"], made["clientOrderId"]) == ("open", "mine-1")
            found = await client.fetch_order("", SYMBOL, {"clientOrderId": "mine-1"})
            assert found["id"] == made["id"]
            assert [one["id"] for one in await client.fetch_open_orders(SYMBOL)] == [made["id"]]
            locked = (await client.fetch_balance())["USDT"]["used"]
            assert locked == pytest.approx(float(low) * 0.001)
            with pytest.raises(ccxt.InvalidOrder, match="Duplicate order sent"):
                await client.create_order(
                    SYMBOL, "limit", "buy", 0.001, float(low), {"clientOrderId": "mine-1"}
                )
            canceled = await client.cancel_order(made["id"], SYMBOL)
            assert canceled["status"] == "canceled"
            again = await client.create_order(
                SYMBOL, "limit", "buy", 0.001, float(low), {"clientOrderId": "mine-1"}
            )
            assert again["id"] != made["id"]
            await client.cancel_order("", SYMBOL, {"clientOrderId": "mine-1"})

            ioc = await client.create_order(
                SYMBOL, "limit", "buy", 0.001, float(low), {"timeInForce": "IOC"}
            )
            assert (ioc["status"], ioc["filled"]) == ("expired", 0)
            fok = await client.create_order(
                SYMBOL, "limit", "buy", 0.001, float(low), {"timeInForce": "FOK"}
            )
            assert fok["status"] == "expired"
            spent = await client.create_order(
                SYMBOL, "market", "buy", None, None, {"quoteOrderQty": 100}
            )
            assert 99 < spent["cost"] <= 100

            maker = await client.create_order(
                SYMBOL, "limit", "sell", 0.001, bid * 1.1 // 1, {"postOnly": True}
            )
            assert maker["info"]["type"] == "LIMIT_MAKER"
            with pytest.raises(ccxt.OrderImmediatelyFillable):
                await client.create_order(
                    SYMBOL, "limit", "sell", 0.001, bid * 0.95 // 1, {"postOnly": True}
                )
            stop = await client.create_order(
                SYMBOL, "limit", "sell", 0.001, bid * 0.94 // 1, {"stopPrice": bid * 0.95 // 1}
            )
            assert stop["info"]["type"] == "STOP_LOSS_LIMIT"
            with pytest.raises(ccxt.OrderImmediatelyFillable, match="trigger immediately"):
                await client.create_order(
                    SYMBOL, "limit", "sell", 0.001, bid, {"stopPrice": bid * 1.05 // 1}
                )
            assert len(await client.cancel_all_orders(SYMBOL)) == 2
            sold = await client.create_order(SYMBOL, "market", "sell", 0.005)
            assert sold["fee"]["currency"] == "USDT"
            trades = await client.fetch_my_trades(SYMBOL)
            assert {one["order"] for one in trades} == {bought["id"], spent["id"], sold["id"]}
            orders = await client.fetch_orders(SYMBOL)
            assert [one["status"] for one in orders].count("expired") == 2

    run(work())


def test_an_oco_lives_and_is_canceled_by_either_id(venue):
    async def work():
        async with client_of(venue) as client:
            bid = (await client.fetch_ticker(SYMBOL))["bid"]
            await client.create_order(SYMBOL, "market", "buy", 0.01)
            request = {
                "symbol": "BTCUSDT",
                "side": "SELL",
                "quantity": "0.004",
                "aboveType": "LIMIT_MAKER",
                "abovePrice": client.price_to_precision(SYMBOL, bid * 1.05),
                "belowType": "STOP_LOSS_LIMIT",
                "belowStopPrice": client.price_to_precision(SYMBOL, bid * 0.95),
                "belowPrice": client.price_to_precision(SYMBOL, bid * 0.94),
                "belowTimeInForce": "GTC",
                "listClientOrderId": "list-1",
                "aboveClientOrderId": "tp-1",
                "belowClientOrderId": "sl-1",
            }
            made = await client.privatePostOrderListOco(request)
            assert made["listOrderStatus"] == "EXECUTING"
            assert [one["type"] for one in made["orderReports"]] == [
                "STOP_LOSS_LIMIT",
                "LIMIT_MAKER",
            ]
            assert len(await client.privateGetOpenOrderList()) == 1
            balance = await client.fetch_balance()
            assert balance["BTC"]["used"] == 0.004
            twice = {**request, "listClientOrderId": "list-2", "aboveClientOrderId": "tp-2"}
            with pytest.raises(ccxt.InvalidOrder, match="Duplicate"):
                await client.privatePostOrderListOco(twice)
            wrong = {
                **request,
                "abovePrice": client.price_to_precision(SYMBOL, bid * 0.97),
                "listClientOrderId": "list-3",
                "aboveClientOrderId": "tp-3",
                "belowClientOrderId": "sl-3",
            }
            with pytest.raises(ccxt.InvalidOrder, match="relationship of the prices"):
                await client.privatePostOrderListOco(wrong)
            await client.cancel_order("", SYMBOL, {"clientOrderId": "tp-1"})
            done = await client.privateGetOrderList({"orderListId": made["orderListId"]})
            assert done["listOrderStatus"] == "ALL_DONE"
            for name in ("tp-1", "sl-1"):
                order = await client.fetch_order("", SYMBOL, {"clientOrderId": name})
                assert order["status"] == "canceled"
            made = await client.privatePostOrderListOco(request)
            gone = await client.privateDeleteOrderList(
                {"symbol": "BTCUSDT", "listClientOrderId": "list-1"}
            )
            assert gone["listOrderStatus"] == "ALL_DONE"
            assert (await client.fetch_balance())["BTC"]["used"] == 0

    run(work())


def test_refusals_have_the_classes_that_ccxt_gives_the_exchange(venue):
    async def work():
        async with client_of(venue) as client:
            bid = (await client.fetch_ticker(SYMBOL))["bid"]

            async def refused(kind, text, *order):
                with pytest.raises(kind, match=text):
                    await client.create_order(SYMBOL, *order)

            await refused(
                ccxt.InsufficientFunds, "insufficient balance", "limit", "buy", 5.0, bid // 1
            )
            with pytest.raises(ccxt.OrderNotFound):
                await client.cancel_order("999999", SYMBOL)
            with pytest.raises(ccxt.OrderNotFound):
                await client.fetch_order("999999", SYMBOL)
            raw = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
            for more, kind, text in (
                ({"quantity": "0.000001", "price": "60000"}, ccxt.InvalidOrder, "LOT_SIZE"),
                ({"quantity": "0.0010001", "price": "60000"}, ccxt.InvalidOrder, "LOT_SIZE"),
                ({"quantity": "0.01", "price": "60000.001"}, ccxt.InvalidOrder, "PRICE_FILTER"),
                ({"quantity": "0.00001", "price": "60000"}, ccxt.BadRequest, "NOTIONAL"),
                ({"quantity": "0.01", "price": "999999"}, ccxt.InvalidOrder, "PERCENT_PRICE"),
                ({"quantity": "0.0000000001", "price": "1"}, ccxt.BadRequest, "-1111"),
                ({"quantity": "-1", "price": "60000"}, ccxt.BadRequest, "-1100"),
                ({"quantity": "0.01"}, ccxt.BadRequest, "-1102"),
                (
                    {"symbol": "NOPEUSDT", "quantity": "1", "price": "1"},
                    ccxt.BadSymbol,
                    "-1121",
                ),
                ({"side": "HOLD", "quantity": "1", "price": "1"}, ccxt.BadRequest, "-1117"),
                ({"type": "GUESS", "quantity": "1", "price": "1"}, ccxt.BadRequest, "-1116"),
            ):
                with pytest.raises(kind, match=text):
                    await client.privatePostOrder({**raw, **more})
        async with client_of(venue, secret="wrong") as stranger:
            with pytest.raises(ccxt.AuthenticationError, match="-1022"):
                await stranger.fetch_balance()
        async with client_of(venue, apiKey="a" * 64) as stranger:
            with pytest.raises(ccxt.AuthenticationError, match="-2015"):
                await stranger.fetch_balance()
        async with client_of(venue) as late:
            late.options["timeDifference"] = 60_000
            with pytest.raises(ccxt.InvalidNonce, match="outside of the recvWindow"):
                await late.fetch_balance()
            late.options["timeDifference"] = -60_000
            with pytest.raises(ccxt.InvalidNonce, match="ahead of the server"):
                await late.fetch_balance()

    run(work())


def test_market_data_by_rest(venue):
    async def work():
        async with client_of(venue) as client:
            assert abs(await client.fetch_time() - client.milliseconds()) < 2_000
            book = await client.fetch_order_book(SYMBOL, 5)
            assert book["bids"][0][0] < book["asks"][0][0]
            bars = await client.fetch_ohlcv(SYMBOL, "1m", limit=60)
            assert len(bars) == 60
            assert {later[0] - one[0] for one, later in pairwise(bars)} == {60_000}
            since = bars[10][0]
            assert (await client.fetch_ohlcv(SYMBOL, "1m", since=since, limit=3))[0][0] == since
            tickers = await client.fetch_tickers([SYMBOL, "ETH/USDT"])
            assert tickers["ETH/USDT"]["quoteVolume"] > 0
            assert (await client.fetch_bids_asks([SYMBOL]))[SYMBOL]["bid"] > 0
            await client.fetch_trades(SYMBOL)
            assert (await client.publicGetExchangeInfo({"symbol": "ETHUSDT"}))["symbols"][0][
                "symbol"
            ] == "ETHUSDT"

    run(work())


def test_the_streamed_book_equals_the_snapshot(venue):
    async def work():
        async with client_of(venue) as client:
            for _ in range(6):
                book = await client.watch_order_book(SYMBOL)
            nonce, bids = book["nonce"], [list(one) for one in book["bids"][:20]]
            raw = await client.publicGetDepth({"symbol": "BTCUSDT", "limit": 100})
            while book["nonce"] < int(raw["lastUpdateId"]):
                book = await client.watch_order_book(SYMBOL)
                nonce, bids = book["nonce"], [list(one) for one in book["bids"][:20]]
            if nonce == int(raw["lastUpdateId"]):
                assert bids == [[float(p), float(q)] for p, q in raw["bids"][:20]]
            trades = await client.watch_trades(SYMBOL)
            assert trades[0]["price"] > 0
            quotes = await client.watch_bids_asks([SYMBOL])
            assert quotes[SYMBOL]["bid"] < quotes[SYMBOL]["ask"]
            bars = await client.watch_ohlcv(SYMBOL, "1m")
            assert bars[-1][4] > 0
            assert (await client.watch_ticker(SYMBOL))["last"] > 0

    run(work())


def test_the_user_stream_tells_every_step_of_an_order(venue):
    async def work():
        async with client_of(venue) as client:
            told: list[dict] = []

            def hook(url, message):
                if isinstance(message, dict) and "event" in message:
                    told.append(message["event"])

            original = client.handle_message
            client.handle_message = lambda socket, message: (
                hook(socket, message),
                original(socket, message),
            )[1]
            watching = asyncio.create_task(client.watch_orders(SYMBOL))
            await asyncio.sleep(0.5)
            bid = (await client.fetch_ticker(SYMBOL))["bid"]
            order = await client.create_order(
                SYMBOL, "limit", "buy", 0.001, bid * 0.9 // 1, {"clientOrderId": "steps"}
            )
            seen = await asyncio.wait_for(watching, 5)
            assert (seen[0]["id"], seen[0]["status"]) == (order["id"], "open")
            await client.cancel_order(order["id"], SYMBOL)
            await client.create_order(SYMBOL, "market", "buy", 0.001)
            await client.watch_balance() if not told else None
            await asyncio.sleep(0.3)
            steps = [(one["x"], one["X"]) for one in told if one["e"] == "executionReport"]
            assert steps[:2] == [("NEW", "NEW"), ("CANCELED", "CANCELED")]
            assert steps[2] == ("NEW", "NEW")
            assert steps[-1] == ("TRADE", "FILLED")
            cancel = next(one for one in told if one.get("x") == "CANCELED")
            assert cancel["C"] == "steps"
            assert cancel["c"] != "steps"
            positions = [one for one in told if one["e"] == "outboundAccountPosition"]
            usdt = {row["a"]: row for row in positions[-1]["B"]}["USDT"]
            balance = await client.fetch_balance()
            assert Decimal(usdt["f"]) == Decimal(str(balance["USDT"]["free"]))

    run(work())
