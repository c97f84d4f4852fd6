"""Public questions to Binance's futures and to Bybit, against a server with recorded shapes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from core_ext.codes import Dialect
from core_ext.join import Remedy
from shared.clock import EngineClock
from shared.errors import ConfigError, MessageError, VenueError
from shared.venues.feed.choose import feed_names, open_feed
from shared.venues.feed.listings import exact, finest
from shared.venues.feed.port import Feed, FeedStart, RestError

sys.path.insert(0, str(Path(__file__).parent))
from feed_server import FeedServer

USDM = {
    "symbol": "BTCUSDT", "pair": "BTCUSDT", "contractType": "PERPETUAL", "status": "TRADING",
    "baseAsset": "BTC", "quoteAsset": "USDT", "marginAsset": "USDT", "pricePrecision": 2,
    "filters": [
        {"minPrice": "556.80", "maxPrice": "4529764", "filterType": "PRICE_FILTER",
         "tickSize": "0.10"},
        {"stepSize": "0.001", "filterType": "LOT_SIZE", "maxQty": "1000", "minQty": "0.001"},
        {"stepSize": "0.001", "filterType": "MARKET_LOT_SIZE", "maxQty": "120", "minQty": "0.001"},
        {"notional": "100", "filterType": "MIN_NOTIONAL"},
        {"multiplierDown": "0.9500", "multiplierUp": "1.0500", "filterType": "PERCENT_PRICE"},
    ],
}  # fmt: skip
COINM = {
    "symbol": "BTCUSD_PERP", "pair": "BTCUSD", "contractStatus": "TRADING", "contractSize": 100,
    "baseAsset": "BTC", "quoteAsset": "USD", "marginAsset": "BTC", "pricePrecision": 1,
    "filters": [
        {"minPrice": "1000", "maxPrice": "4520", "filterType": "PRICE_FILTER", "tickSize": "0.1"},
        {"stepSize": "1", "filterType": "LOT_SIZE", "maxQty": "1000000", "minQty": "1"},
    ],
}  # fmt: skip
SPOT = {
    "symbol": "BTCUSDT", "baseCoin": "BTC", "quoteCoin": "USDT", "status": "Trading",
    "lotSizeFilter": {
        "basePrecision": "0.000001", "quotePrecision": "0.0000001", "minOrderQty": "0.000011",
        "maxOrderQty": "83", "minOrderAmt": "5", "maxMarketOrderQty": "41.5",
    },
    "priceFilter": {"tickSize": "0.1"},
}  # fmt: skip
LINEAR = {
    "symbol": "0GUSDT", "status": "PreLaunch", "baseCoin": "0G", "quoteCoin": "USDT",
    "priceScale": "4",
    "priceFilter": {"minPrice": "0.001", "maxPrice": "1999", "tickSize": "0.001"},
    "lotSizeFilter": {
        "maxOrderQty": "350000.0", "minOrderQty": "0.1", "qtyStep": "0.1",
        "maxMktOrderQty": "70000.0", "minNotionalValue": "5",
    },
}  # fmt: skip

Scene = Callable[[FeedServer, Feed], Awaitable[None]]


def with_feed(venue: str, scene: Scene) -> None:
    async def play() -> None:
        async with FeedServer() as server:
            start = FeedStart(venue=venue, clock=EngineClock(), rest=server.rest, timeout_s=2.0)
            await scene(server, open_feed(start))

    asyncio.run(play())


def said(result: Any, code: int = 0, text: str = "OK") -> Callable[[web.Request], web.Response]:
    return lambda request: web.json_response({"retCode": code, "retMsg": text, "result": result})


def plainly(answer: Any) -> Callable[[web.Request], web.Response]:
    return lambda request: web.json_response(answer)


def test_usdm_contracts_candles_turnover_and_depth():
    async def scene(server: FeedServer, feed: Feed) -> None:
        rows = [[60_000, "1.0", "3.5", "0.5", "2.0", "9", 1, "9", 1, "1", "1", "0"]]
        server.answers = {
            "exchangeInfo": plainly({"symbols": [USDM]}),
            "ticker/24hr": plainly([{"symbol": "BTCUSDT", "quoteVolume": "15.3", "volume": "1"}]),
            "klines": plainly(rows),
            "depth": lambda request: web.Response(body=b'{"lastUpdateId":7}'),
        }
        (found,) = await feed.instruments(("BTCUSDT",), "")
        assert (found.tick_size, found.step_size) == (Decimal("0.01"), Decimal("0.001"))
        assert (found.min_notional, found.market_max_quantity) == (Decimal(100), Decimal(120))
        assert (found.price_band_up, found.status) == (Decimal("1.05"), "TRADING")
        assert await feed.instruments((), "USDT") == (found,)
        assert await feed.refresh_instruments(("BTCUSDT", "GONE")) == (found,)
        assert await feed.quote_volumes() == {"BTCUSDT": 15.3}
        assert await feed.quote_volumes(("ETHUSDT",)) == {}
        assert await feed.candles("BTCUSDT", 61) == ((60_000, 3.5, 0.5, 2.0),)
        assert await feed.depth("BTCUSDT") == b'{"lastUpdateId":7}'
        assert "/fapi/v1/depth?symbol=BTCUSDT&limit=1000" in server.asked
        assert (feed.frames, feed.remedy) == (Dialect.BINANCE_FUTURES, Remedy.FETCH)

    with_feed("binanceusdm", scene)


def test_coinm_turnover_is_contracts_times_their_size():
    async def scene(server: FeedServer, feed: Feed) -> None:
        server.answers = {
            "exchangeInfo": plainly({"symbols": [COINM]}),
            "ticker/24hr": plainly(
                [{"symbol": "BTCUSD_PERP", "volume": "12", "baseVolume": "0.02"},
                 {"symbol": "ETHUSD_260101", "volume": "3", "baseVolume": "1"}]
            ),
        }  # fmt: skip
        assert await feed.quote_volumes(("BTCUSD_PERP",)) == {"BTCUSD_PERP": 1200.0}
        (found,) = await feed.instruments(("BTCUSD_PERP",), "")
        assert (found.quote, found.step_size) == ("USD", Decimal(1))
        assert (found.tick_size, found.min_notional) == (Decimal("0.1"), 0)
        assert server.asked[0] == "/dapi/v1/exchangeInfo"

    with_feed("binancecoinm", scene)


@pytest.mark.parametrize("venue", ["bybit", "bybitlinear"])
def test_bybit_listings_candles_and_turnover(venue: str):
    async def scene(server: FeedServer, feed: Feed) -> None:
        rows = [["120000", "2", "4", "1", "3", "9", "9"], ["60000", "1.0", "3.5", "0.5", "2.0"]]
        listed = SPOT if venue == "bybit" else LINEAR
        server.answers = {
            "instruments-info": said({"category": "x", "list": [listed]}),
            "tickers": said({"list": [{"symbol": listed["symbol"], "turnover24h": "15.3"}]}),
            "kline": said({"symbol": "x", "list": rows}),
        }
        name = str(listed["symbol"])
        (found,) = await feed.instruments((name,), "")
        if venue == "bybit":
            assert (found.tick_size, found.step_size) == (Decimal("0.1"), Decimal("0.000001"))
            assert (found.market_max_quantity, found.status) == (Decimal("41.5"), "TRADING")
        else:
            assert (found.tick_size, found.step_size) == (Decimal("0.0001"), Decimal("0.1"))
            assert (found.max_quantity, found.status) == (Decimal(350_000), "PreLaunch")
        assert found.min_notional == 5
        assert await feed.quote_volumes() == {name: 15.3}
        candles = await feed.candles(name, 5000)
        assert [candle.open_ms for candle in candles] == [60_000, 120_000]
        assert candles[0] == (60_000, 3.5, 0.5, 2.0)
        category = "spot" if venue == "bybit" else "linear"
        assert f"/v5/market/instruments-info?category={category}&limit=1000" in server.asked
        assert any("limit=1000" in path and "kline" in path for path in server.asked)
        assert (feed.frames, feed.remedy) == (Dialect.BYBIT, Remedy.SUBSCRIBE)
        with pytest.raises(VenueError, match="come in its stream"):
            await feed.depth(name)
        with pytest.raises(RestError, match="no stream has it"):
            await feed.resubscribe(name)

    with_feed(venue, scene)


def test_bybit_pages_are_turned_and_not_for_ever():
    async def scene(server: FeedServer, feed: Feed) -> None:
        def page(request: web.Request) -> web.Response:
            second = request.query.get("cursor") == "a&b"
            listed = {**LINEAR, "symbol": "BBBUSDT" if second else "AAAUSDT"}
            cursor = "" if second else "a&b"
            return said({"list": [listed], "nextPageCursor": cursor})(request)

        server.answers["instruments-info"] = page
        found = await feed.instruments(("BBBUSDT", "AAAUSDT"), "")
        assert [one.symbol for one in found] == ["BBBUSDT", "AAAUSDT"]
        server.answers["instruments-info"] = said({"list": [], "nextPageCursor": "more"})
        with pytest.raises(VenueError, match="more than 20 pages"):
            await feed.instruments((), "USDT")

    with_feed("bybitlinear", scene)


@pytest.mark.parametrize(
    ("venue", "listed"), [("binanceusdm", USDM), ("binancecoinm", COINM), ("bybit", SPOT)]
)
def test_an_unknown_name_is_told_with_the_nearest_that_exist(venue: str, listed: dict[str, Any]):
    async def scene(server: FeedServer, feed: Feed) -> None:
        server.answers = {
            "exchangeInfo": plainly({"symbols": [listed]}),
            "instruments-info": said({"list": [listed]}),
        }
        with pytest.raises(ConfigError) as caught:
            await feed.instruments(("BTC/USD",), "")
        text = str(caught.value)
        assert venue in text
        assert "'BTC/USD'" in text
        assert str(listed["symbol"]) in text

    with_feed(venue, scene)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"priceFilter": {"tickSize": "0"}}, "priceFilter.tickSize is 0"),
        ({"priceFilter": {"tickSize": 0.1}}, "priceFilter.tickSize is 0.1; allowed is a text"),
        ({"priceFilter": {}}, "priceFilter.tickSize is None"),
        ({"priceFilter": {"tickSize": "NaN"}}, "'NaN'"),
        ({"lotSizeFilter": {"qtyStep": "-1"}}, "lotSizeFilter.qtyStep is '-1'"),
        ({"priceFilter": []}, "array"),
        ({"symbol": "A" * 30}, "1 to 20 ASCII characters"),
    ],
)
def test_an_odd_listing_is_left_out_unless_it_is_wanted(change: dict[str, Any], reason: str):
    odd = {**LINEAR, "symbol": "ODDUSDT", **change}

    async def scene(server: FeedServer, feed: Feed) -> None:
        server.answers["instruments-info"] = said({"list": [LINEAR, odd]})
        assert [one.symbol for one in await feed.instruments((), "USDT")] == ["0GUSDT"]
        with pytest.raises(VenueError) as caught:
            await feed.instruments((str(odd["symbol"]),), "")
        assert reason in str(caught.value)

    with_feed("bybitlinear", scene)


@pytest.mark.parametrize(
    "answer",
    [
        lambda request: web.Response(text="{"),
        lambda request: web.Response(text='{"retCode":"0"}'),
        said({"list": [{"symbol": "A", "turnover24h": "x"}]}),
        said({"list": {}}),
        said({}, 10_006, "Too many visits!"),
        lambda request: web.Response(status=503),
        lambda request: web.Response(status=403, text="access too frequent"),
    ],
)
def test_bybit_answers_that_are_none_may_be_asked_again(answer: Any):
    async def scene(server: FeedServer, feed: Feed) -> None:
        server.answers["tickers"] = answer
        with pytest.raises(RestError, match="tickers"):
            await feed.quote_volumes()

    with_feed("bybit", scene)


@pytest.mark.parametrize("row", [["1"], ["x", "1", "1", "1", "1"], ["1", "1", "2", "0", "1"], [1]])
def test_bybit_candles_that_are_none_are_refused(row: list[Any]):
    async def scene(server: FeedServer, feed: Feed) -> None:
        server.answers["kline"] = said({"list": [row]})
        with pytest.raises(RestError, match="kline of BTCUSDT"):
            await feed.candles("BTCUSDT", 5)

    with_feed("bybit", scene)


def test_names_that_open_a_feed():
    assert set(feed_names()) >= {
        "local", "binance", "binanceusdm", "binancecoinm", "bybit", "bybitlinear",
    }  # fmt: skip
    with pytest.raises(ConfigError, match=r"'nowhere'.*bybitlinear"):
        open_feed(FeedStart(venue="nowhere", clock=EngineClock()))


@given(
    text=st.one_of(
        st.text(max_size=12), st.none(), st.integers(), st.floats(), st.decimals().map(str)
    )
)
@settings(max_examples=200)
def test_a_size_is_exact_or_refused(text: Any):
    value = None
    with contextlib.suppress(MessageError):
        value = exact({"size": text}, "size", "filter")
    if value is None:
        with pytest.raises(MessageError, match=r"filter\.size is"):
            exact({"size": text}, "size", "filter")
        return
    assert value == Decimal(text)
    assert value >= 0


def test_the_step_of_a_book_is_the_finer_one():
    assert finest(Decimal("0.10"), 2) == Decimal("0.01")
    assert finest(Decimal("0.01"), 1) == Decimal("0.01")
    for none in (None, -1, 99):
        assert finest(Decimal("0.5"), none) == Decimal("0.5")


@pytest.mark.parametrize("venue", ["bybit", "bybitlinear", "binanceusdm", "binancecoinm"])
@given(
    body=st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["retCode", "result", "list", "symbols", "symbol", "filters"]),
                inner,
            )
        ),
    )
)
@settings(max_examples=25, deadline=None)
def test_whatever_is_answered_is_an_error_of_ours_or_instruments(venue: str, body: Any):
    async def scene(server: FeedServer, feed: Feed) -> None:
        text = json.dumps(body)
        server.answers = dict.fromkeys(
            ("exchangeInfo", "instruments-info"), lambda request: web.Response(text=text)
        )
        with contextlib.suppress(VenueError, RestError):
            assert await feed.instruments((), "USDT") == ()

    with_feed(venue, scene)
