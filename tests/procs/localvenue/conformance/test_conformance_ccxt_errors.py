"""The venue's refusals become the error classes that ccxt gives the exchange's."""

from __future__ import annotations

import asyncio

import ccxt.async_support as ccxt
import pytest
from conformance_ccxt_clients import RECIPES, client_of

pytestmark = pytest.mark.e2e
SYMBOL = "BTC/USDT"


@pytest.fixture(scope="module")
def venue(start_venue):
    return start_venue("--profile", "calm", "--seed", "4", "--unlimited")


def run(work):
    asyncio.run(asyncio.wait_for(work, 100))


@pytest.mark.parametrize("recipe", RECIPES)
def test_refused_orders(venue, recipe, tmp_path):
    async def work():
        async with client_of(venue, recipe, tmp_path) as client:
            bid = (await client.fetch_ticker(SYMBOL))["bid"]

            async def refused(kind, text, *order):
                with pytest.raises(kind, match=text):
                    await client.create_order(SYMBOL, *order)

            low, high = bid * 0.95 // 1, bid * 1.05 // 1
            await refused(
                ccxt.InsufficientFunds, "insufficient balance", "limit", "buy", 5.0, bid // 1
            )
            await client.create_order(SYMBOL, "market", "buy", 0.01)
            await refused(
                *(ccxt.OrderImmediatelyFillable, "immediately match"),
                *("limit", "sell", 0.001, low, {"postOnly": True}),
            )
            await refused(
                *(ccxt.OrderImmediatelyFillable, "trigger immediately"),
                *("limit", "sell", 0.001, bid, {"stopPrice": high}),
            )
            mine = {"clientOrderId": "twice"}
            await client.create_order(SYMBOL, "limit", "buy", 0.001, low, mine)
            await refused(
                ccxt.InvalidOrder, "Duplicate order sent", "limit", "buy", 0.001, low, mine
            )
            await client.cancel_order("", SYMBOL, mine)
            for question in (client.cancel_order, client.fetch_order):
                with pytest.raises(ccxt.OrderNotFound):
                    await question("999999", SYMBOL)
            with pytest.raises(ccxt.OrderNotFound):
                await client.cancel_all_orders(SYMBOL)
            # With other URLs ccxt looks into its general table of errors only.
            failed = ccxt.BadResponse if recipe == "transparent" else ccxt.ExchangeError
            with pytest.raises(failed, match="-2022"):
                await client.edit_order("999999", SYMBOL, "limit", "buy", 0.001, low)

    run(work())


@pytest.mark.parametrize("recipe", RECIPES)
def test_refused_parameters(venue, recipe, tmp_path):
    async def work():
        async with client_of(venue, recipe, tmp_path) as client:
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
                ({"symbol": "NOPEUSDT", "quantity": "1", "price": "1"}, ccxt.BadSymbol, "-1121"),
                ({"side": "HOLD", "quantity": "1", "price": "1"}, ccxt.BadRequest, "-1117"),
                ({"type": "GUESS", "quantity": "1", "price": "1"}, ccxt.BadRequest, "-1116"),
                ({"timeInForce": "NOW", "quantity": "1", "price": "1"}, ccxt.BadRequest, "-1115"),
            ):
                with pytest.raises(kind, match=text):
                    await client.privatePostOrder({**raw, **more})
            with pytest.raises(ccxt.BadSymbol):
                await client.publicGetDepth({"symbol": "NOPEUSDT"})
            with pytest.raises(ccxt.BadRequest, match="-1120"):
                await client.publicGetKlines({"symbol": "BTCUSDT", "interval": "7m"})

    run(work())


@pytest.mark.parametrize("recipe", RECIPES)
def test_refused_keys_and_clocks(venue, recipe, tmp_path):
    async def work():
        for more, text in (({"secret": "wrong"}, "-1022"), ({"apiKey": "a" * 64}, "-2015")):
            async with client_of(venue, recipe, tmp_path, **more) as stranger:
                with pytest.raises(ccxt.AuthenticationError, match=text):
                    await stranger.fetch_balance()
                with pytest.raises(ccxt.AuthenticationError, match=text):
                    await stranger.fetch_balance_ws()
        async with client_of(venue, recipe, tmp_path) as late:
            for skew_ms, text in ((60_000, "outside of the recvWindow"), (-60_000, "ahead of the")):
                late.options["timeDifference"] = skew_ms
                with pytest.raises(ccxt.InvalidNonce, match=text):
                    await late.fetch_balance()
            await late.load_time_difference()
            assert (await late.fetch_balance())["USDT"]["total"] > 0

    run(work())


@pytest.mark.parametrize("recipe", RECIPES)
def test_too_many_requests(start_venue, recipe, tmp_path):
    venue = start_venue("--profile", "calm", "--seed", "4")

    async def work():
        async with client_of(venue, recipe, tmp_path) as client:

            async def hammer():
                for _ in range(30):
                    await client.fetch_order_book(SYMBOL, 5000)

            with pytest.raises((ccxt.DDoSProtection, ccxt.RateLimitExceeded), match="-1003"):
                await hammer()
            assert int(client.last_response_headers["Retry-After"]) >= 1

    run(work())
