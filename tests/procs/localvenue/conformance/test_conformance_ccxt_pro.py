"""Genuine ccxt.pro: streams, user data, and trading over the WebSocket API, in both recipes."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from conformance_ccxt_clients import RECIPES, client_of

pytestmark = pytest.mark.e2e
SYMBOL = "BTC/USDT"
BOTH = [SYMBOL, "ETH/USDT"]


@pytest.fixture(scope="module")
def venue(start_venue):
    return start_venue(
        *("--profile", "calm", "--seed", "6", "--unlimited"),
        *("--balance", "USDT=1000000", "--balance", "BTC=10"),
    )


@pytest.fixture(params=RECIPES)
def with_client(request, venue, tmp_path):
    def run(work):
        async def whole():
            async with client_of(venue, request.param, tmp_path) as client:
                if await client.fetch_open_orders(SYMBOL):
                    await client.cancel_all_orders(SYMBOL)
                await work(client)

        asyncio.run(asyncio.wait_for(whole(), 100))

    return run


async def soon(work):
    return await asyncio.wait_for(work, 60)


def test_the_streamed_book_equals_the_snapshot(with_client):
    async def work(client):
        compared = 0
        while compared < 2:
            book = await soon(client.watch_order_book(SYMBOL))
            raw = await client.publicGetDepth({"symbol": "BTCUSDT", "limit": 100})
            while book["nonce"] < int(raw["lastUpdateId"]):
                book = await soon(client.watch_order_book(SYMBOL))
            if book["nonce"] == int(raw["lastUpdateId"]):
                for side in ("bids", "asks"):
                    ours = [list(one) for one in book[side][:20]]
                    assert ours == [[float(p), float(q)] for p, q in raw[side][:20]]
                compared += 1

    with_client(work)


def test_public_streams(with_client):
    async def work(client):
        assert (await soon(client.watch_trades(SYMBOL)))[0]["price"] > 0
        assert (await soon(client.watch_trades_for_symbols(BOTH)))[0]["amount"] > 0
        quotes = await soon(client.watch_bids_asks([SYMBOL]))
        assert quotes[SYMBOL]["bid"] < quotes[SYMBOL]["ask"]
        assert (await soon(client.watch_ohlcv(SYMBOL, "1m")))[-1][4] > 0
        assert SYMBOL in await soon(client.watch_ohlcv_for_symbols([[SYMBOL, "1m"]]))
        assert (await soon(client.watch_ticker(SYMBOL)))["last"] > 0
        assert await soon(client.watch_tickers(BOTH))
        assert await soon(client.watch_tickers())
        book = await soon(client.watch_order_book_for_symbols(BOTH))
        assert book["bids"][0][0] < book["asks"][0][0]

    with_client(work)


def test_the_user_stream_tells_every_step_of_an_order(with_client):
    async def work(client):
        told = []
        original = client.handle_message

        def hook(socket, message):
            if isinstance(message, dict) and "event" in message:
                told.append(message["event"])
            return original(socket, message)

        client.handle_message = hook
        watching = asyncio.create_task(client.watch_orders(SYMBOL))
        trading = asyncio.create_task(client.watch_my_trades(SYMBOL))
        balance = asyncio.create_task(client.watch_balance())
        await asyncio.sleep(0.5)
        bid = (await client.fetch_ticker(SYMBOL))["bid"]
        order = await client.create_order(
            SYMBOL, "limit", "buy", 0.001, bid * 0.9 // 1, {"clientOrderId": "steps"}
        )
        seen = await soon(watching)
        assert (seen[0]["id"], seen[0]["status"]) == (order["id"], "open")
        assert (await soon(balance))["USDT"]["used"] > 0
        await client.cancel_order(order["id"], SYMBOL)
        bought = await client.create_order(SYMBOL, "market", "buy", 0.001)
        assert (await soon(trading))[0]["order"] == bought["id"]
        await asyncio.sleep(0.3)
        steps = [(one["x"], one["X"]) for one in told if one["e"] == "executionReport"]
        assert steps[:3] == [("NEW", "NEW"), ("CANCELED", "CANCELED"), ("NEW", "NEW")]
        assert steps[-1] == ("TRADE", "FILLED")
        cancel = next(one for one in told if one.get("x") == "CANCELED")
        assert cancel["C"] == "steps" != cancel["c"]
        positions = [one for one in told if one["e"] == "outboundAccountPosition"]
        usdt = {row["a"]: row for row in positions[-1]["B"]}["USDT"]
        now = await client.fetch_balance()
        assert Decimal(usdt["f"]) == Decimal(str(now["USDT"]["free"]))
        assert client.orders.hashmap[SYMBOL][bought["id"]]["status"] == "closed"

    with_client(work)


def test_trading_over_the_socket(with_client):
    async def work(client):
        bid = (await client.fetch_ticker(SYMBOL))["bid"]
        low = bid * 0.9 // 1
        made = await soon(client.create_order_ws(SYMBOL, "limit", "buy", 0.001, low))
        assert made["status"] == "open"
        named = await soon(
            client.create_order_ws(
                SYMBOL, "limit", "buy", 0.001, low, {"clientOrderId": "by-socket"}
            )
        )
        assert named["clientOrderId"] == "by-socket"
        found = await soon(client.fetch_order_ws(made["id"], SYMBOL))
        assert found["id"] == made["id"]
        assert len(await soon(client.fetch_open_orders_ws(SYMBOL))) == 2
        edited = await soon(client.edit_order_ws(made["id"], SYMBOL, "limit", "buy", 0.002, low))
        assert edited["amount"] == 0.002
        gone = await soon(client.cancel_order_ws(edited["id"], SYMBOL))
        assert gone["status"] == "canceled"
        await soon(client.cancel_all_orders_ws(SYMBOL))
        assert await soon(client.fetch_open_orders_ws(SYMBOL)) == []
        bought = await soon(client.create_order_ws(SYMBOL, "market", "buy", 0.001))
        assert bought["status"] == "closed"
        stop = await soon(
            client.create_order_ws(
                SYMBOL, "limit", "sell", 0.001, low, {"stopLossPrice": bid * 0.95 // 1}
            )
        )
        assert (await soon(client.cancel_order_ws(stop["id"], SYMBOL)))["status"] == "canceled"
        assert bought["id"] in {one["id"] for one in await soon(client.fetch_orders_ws(SYMBOL))}
        closed = await soon(client.fetch_closed_orders_ws(SYMBOL))
        assert bought["id"] in {one["id"] for one in closed}
        mine = await soon(client.fetch_my_trades_ws(SYMBOL))
        assert bought["id"] in {one["order"] for one in mine}
        assert (await soon(client.fetch_balance_ws()))["info"]["accountType"] == "SPOT"
        assert len(await soon(client.fetch_ohlcv_ws(SYMBOL, "1m", None, 5))) == 5
        while not await soon(client.fetch_trades_ws(SYMBOL, None, 5)):
            await asyncio.sleep(0.1)

    with_client(work)
