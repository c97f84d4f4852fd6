"""Genuine ccxt trades by REST in both redirect recipes: every order type, every question."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from conformance_ccxt_clients import RECIPES, client_of

pytestmark = pytest.mark.e2e
SYMBOL = "BTC/USDT"


@pytest.fixture(scope="module")
def venue(start_venue):
    return start_venue(
        *("--profile", "calm", "--seed", "3", "--unlimited"),
        *("--balance", "USDT=10000000", "--balance", "BTC=100"),
    )


@pytest.fixture(params=RECIPES)
def with_client(request, venue, tmp_path):
    """Runs a piece of work with a client of each recipe, on an account without open orders."""

    def run(work):
        async def whole():
            async with client_of(venue, request.param, tmp_path) as client:
                if await client.fetch_open_orders(SYMBOL):
                    await client.cancel_all_orders(SYMBOL)
                await work(client)

        asyncio.run(asyncio.wait_for(whole(), 100))

    return run


def test_markets_and_market_data(with_client):
    async def work(client):
        market = client.market(SYMBOL)
        assert (market["spot"], market["active"]) == (True, True)
        assert market["precision"] == {**market["precision"], "amount": 1e-5, "price": 0.01}
        assert market["limits"]["cost"]["min"] == 5
        assert abs(await client.fetch_time() - client.milliseconds()) < 2_000
        book = await client.fetch_order_book(SYMBOL, 5)
        assert book["bids"][0][0] < book["asks"][0][0]
        assert len(book["bids"]) == 5
        bars = await client.fetch_ohlcv(SYMBOL, "1m", limit=60)
        assert {later[0] - one[0] for one, later in pairwise(bars)} == {60_000}
        since = bars[10][0]
        assert (await client.fetch_ohlcv(SYMBOL, "1m", since=since, limit=3))[0][0] == since
        for frame in ("1s", "5m", "1h", "1d", "1w", "1M"):
            assert len(await client.fetch_ohlcv(SYMBOL, frame, limit=2)) >= 1
        ticker = await client.fetch_ticker(SYMBOL)
        assert ticker["bid"] < ticker["ask"]
        tickers = await client.fetch_tickers([SYMBOL, "ETH/USDT"])
        assert tickers["ETH/USDT"]["quoteVolume"] > 0
        assert len(await client.fetch_tickers()) == len(client.markets)
        assert (await client.fetch_bids_asks([SYMBOL]))[SYMBOL]["bid"] > 0
        assert (await client.fetch_last_prices([SYMBOL]))[SYMBOL]["price"] > 0
        while not (trades := await client.fetch_trades(SYMBOL, limit=5)):
            await asyncio.sleep(0.1)
        assert trades[0]["price"] > 0
        await client.fetch_trades(
            SYMBOL, limit=5, params={"fetchTradesMethod": "publicGetHistoricalTrades"}
        )

    with_client(work)


def test_plain_orders(with_client):
    async def work(client):
        bid = (await client.fetch_ticker(SYMBOL))["bid"]
        before = await client.fetch_balance()
        bought = await client.create_order(SYMBOL, "market", "buy", 0.01)
        assert (bought["status"], bought["filled"]) == ("closed", 0.01)
        assert bought["fee"] == {"currency": "BTC", "cost": 0.00001}
        for cost in ({"quoteOrderQty": 100}, {"cost": 100}):
            spent = await client.create_order(SYMBOL, "market", "buy", None, None, cost)
            assert 99 < spent["cost"] <= 100
        spent = await client.create_market_buy_order_with_cost(SYMBOL, 100)
        assert 99 < spent["cost"] <= 100
        got = await client.create_market_sell_order_with_cost(SYMBOL, 100)
        assert 99 < got["cost"] <= 101

        low = float(client.price_to_precision(SYMBOL, bid * 0.9))
        made = await client.create_order(
            SYMBOL, "limit", "buy", 0.001, low, {"clientOrderId": "mine-1"}
        )
        assert (made["status"], made["clientOrderId"]) == ("open", "mine-1")
        found = await client.fetch_order("", SYMBOL, {"clientOrderId": "mine-1"})
        assert found["id"] == made["id"]
        assert [one["id"] for one in await client.fetch_open_orders(SYMBOL)] == [made["id"]]
        balance = await client.fetch_balance()
        assert balance["USDT"]["used"] == pytest.approx(low * 0.001)
        assert balance["BTC"]["total"] > before["BTC"]["total"]
        assert (await client.cancel_order(made["id"], SYMBOL))["status"] == "canceled"

        ioc = await client.create_order(SYMBOL, "limit", "buy", 0.001, low, {"timeInForce": "IOC"})
        assert (ioc["status"], ioc["filled"]) == ("expired", 0)
        fok = await client.create_order(SYMBOL, "limit", "buy", 0.001, low, {"timeInForce": "FOK"})
        assert fok["status"] == "expired"
        maker = await client.create_order(SYMBOL, "limit", "buy", 0.001, low, {"postOnly": True})
        assert (maker["info"]["type"], maker["postOnly"]) == ("LIMIT_MAKER", True)
        iceberg = await client.create_order(
            SYMBOL, "limit", "buy", 0.01, low, {"icebergQty": 0.005}
        )
        assert iceberg["info"]["icebergQty"] == "0.00500000"
        tested = await client.create_order(SYMBOL, "limit", "buy", 0.001, low, {"test": True})
        assert tested["info"] == {}
        assert len(await client.cancel_all_orders(SYMBOL)) == 2
        fresh = await client.create_order(SYMBOL, "limit", "buy", 0.001, low)
        edited = await client.edit_order(
            fresh["id"], SYMBOL, "limit", "buy", 0.002, low, {"newClientOrderId": "edited"}
        )
        assert (edited["amount"], edited["clientOrderId"]) == (0.002, "edited")
        assert edited["id"] != fresh["id"]
        await client.cancel_order("", SYMBOL, {"clientOrderId": "edited"})
        sold = await client.create_order(SYMBOL, "market", "sell", 0.005)
        assert sold["fee"]["currency"] == "USDT"

        trades = await client.fetch_my_trades(SYMBOL)
        assert {bought["id"], sold["id"], spent["id"]} <= {one["order"] for one in trades}
        assert len(await client.fetch_order_trades(bought["id"], SYMBOL)) == len(bought["trades"])
        orders = {one["id"]: one for one in await client.fetch_orders(SYMBOL)}
        assert orders[fok["id"]]["status"] == "expired"
        closed = {one["id"] for one in await client.fetch_closed_orders(SYMBOL)}
        assert {bought["id"], sold["id"]} <= closed
        canceled = await client.fetch_canceled_orders(SYMBOL)
        assert made["id"] in {one["id"] for one in canceled}

    with_client(work)


def test_orders_that_wait_for_a_price(with_client):
    async def work(client):
        bid = (await client.fetch_ticker(SYMBOL))["bid"]

        async def make(kind, side, price, expected, **params):
            order = await client.create_order(SYMBOL, kind, side, 0.001, price, params)
            found = await client.fetch_order(order["id"], SYMBOL)
            assert (found["info"]["type"], found["status"]) == (expected, "open")
            assert [one["id"] for one in await client.fetch_open_orders(SYMBOL)] == [order["id"]]
            await client.cancel_order(order["id"], SYMBOL)
            return found

        lower, low, high = bid * 0.94 // 1, bid * 0.95 // 1, bid * 1.05 // 1
        stop = await make("limit", "sell", lower, "STOP_LOSS_LIMIT", stopLossPrice=low)
        assert (stop["triggerPrice"], stop["price"]) == (low, lower)
        await make("limit", "sell", lower, "STOP_LOSS_LIMIT", triggerPrice=low)
        await make("limit", "sell", lower, "STOP_LOSS_LIMIT", stopPrice=low)
        await make("market", "sell", None, "STOP_LOSS", stopLossPrice=low)
        await make("limit", "sell", high, "TAKE_PROFIT_LIMIT", takeProfitPrice=high)
        await make("market", "sell", None, "TAKE_PROFIT", takeProfitPrice=high)
        await make("market", "buy", None, "STOP_LOSS", stopLossPrice=high)
        trailing = await make(
            "market", "sell", None, "STOP_LOSS", trailingPercent=2, stopLossOrTakeProfit="stopLoss"
        )
        assert trailing["info"]["trailingDelta"] == 200
        await make(
            "limit",
            "sell",
            lower,
            "STOP_LOSS_LIMIT",
            trailingPercent=1,
            trailingTriggerPrice=low,
            stopLossOrTakeProfit="stopLoss",
        )
        await make(
            "market",
            "sell",
            None,
            "TAKE_PROFIT",
            trailingPercent=1,
            trailingTriggerPrice=high,
            stopLossOrTakeProfit="takeProfit",
        )
        assert await client.fetch_open_orders(SYMBOL) == []

    with_client(work)


def test_order_lists(with_client):
    async def work(client):
        bid = (await client.fetch_ticker(SYMBOL))["bid"]
        high, low, lower, far = (
            client.price_to_precision(SYMBOL, bid * part) for part in (1.05, 0.95, 0.94, 0.9)
        )
        oco = {
            **{"symbol": "BTCUSDT", "side": "SELL", "quantity": "0.004"},
            **{"aboveType": "LIMIT_MAKER", "abovePrice": high},
            **{"belowType": "STOP_LOSS_LIMIT", "belowStopPrice": low},
            **{"belowPrice": lower, "belowTimeInForce": "GTC"},
        }
        made = await client.privatePostOrderListOco(
            {**oco, "aboveClientOrderId": "tp-1", "belowClientOrderId": "sl-1"}
        )
        assert made["listOrderStatus"] == "EXECUTING"
        assert {one["type"] for one in made["orderReports"]} == {"STOP_LOSS_LIMIT", "LIMIT_MAKER"}
        assert (await client.fetch_balance())["BTC"]["used"] == 0.004
        assert len(await client.privateGetOpenOrderList()) == 1
        await client.cancel_order("", SYMBOL, {"clientOrderId": "tp-1"})
        done = await client.privateGetOrderList({"orderListId": made["orderListId"]})
        assert done["listOrderStatus"] == "ALL_DONE"
        for name in ("tp-1", "sl-1"):
            order = await client.fetch_order("", SYMBOL, {"clientOrderId": name})
            assert order["status"] == "canceled"
        made = await client.privatePostOrderListOco({**oco, "listClientOrderId": "list-1"})
        gone = await client.privateDeleteOrderList(
            {"symbol": "BTCUSDT", "listClientOrderId": "list-1"}
        )
        assert gone["listOrderStatus"] == "ALL_DONE"
        assert (await client.fetch_balance())["BTC"]["used"] == 0

        working = {
            **{"symbol": "BTCUSDT", "workingType": "LIMIT", "workingSide": "BUY"},
            **{"workingPrice": far, "workingQuantity": "0.001", "workingTimeInForce": "GTC"},
        }
        pending = {"pendingSide": "SELL", "pendingQuantity": "0.001"}
        oto = await client.privatePostOrderListOto(
            {
                **working,
                **pending,
                **{"pendingType": "LIMIT", "pendingPrice": high, "pendingTimeInForce": "GTC"},
            }
        )
        assert [one["status"] for one in oto["orderReports"]] == ["NEW", "PENDING_NEW"]
        otoco = await client.privatePostOrderListOtoco(
            {
                **working,
                **pending,
                **{"pendingAboveType": "LIMIT_MAKER", "pendingAbovePrice": high},
                **{"pendingBelowType": "STOP_LOSS", "pendingBelowStopPrice": low},
            }
        )
        assert len(otoco["orders"]) == 3
        assert len(await client.privateGetAllOrderList()) >= 4
        await client.cancel_all_orders(SYMBOL)
        assert await client.privateGetOpenOrderList() == []

    with_client(work)


def test_questions_about_the_account(with_client):
    async def work(client):
        fee = await client.fetch_trading_fee(SYMBOL)
        assert (fee["maker"], fee["taker"]) == (0.001, 0.001)
        assert (await client.fetch_trading_fees())["ETH/USDT"]["taker"] == 0.001
        assert (await client.privateGetAccountCommission({"symbol": "BTCUSDT"}))["symbol"]
        assert len(await client.privateGetRateLimitOrder()) == 2
        assert (await client.fetch_status())["status"] == "ok"

    with_client(work)


def test_markets_load_with_ccxts_own_options(venue, tmp_path):
    async def work():
        async with client_of(venue, "transparent", tmp_path, options={}) as client:
            assert client.market(SYMBOL)["spot"]
            assert client.currencies["BTC"]["active"]
            assert (await client.fetch_balance())["USDT"]["total"] > 0

    asyncio.run(asyncio.wait_for(work(), 100))
