"""The real ccxt.pro client behind our tap, against a server that speaks as OKX."""

import asyncio
import json
from contextlib import asynccontextmanager

import msgspec
import pytest
from okx_server import (
    QUICK,
    Listener,
    Okx,
    book,
    market,
    recorded_books,
    start_at,
    trade,
    until,
    watching,
)

from core_ext.codes import Outcome
from shared.errors import ConfigError
from shared.venues.feed.choose import open_feed
from shared.venues.feed.port import FeedLimits

BTC = "BTC/USDT"
ETH = "ETH/USDT"
TICKS = {BTC: "0.1", ETH: "0.01"}
BRISK = FeedLimits(backoff_min_s=0.05, connect_s=0.3, acknowledge_s=0.3)


def first_book(name):
    return [book(name, "snapshot", [["100.1", "2"], ["100", "1"]], [["100.2", "3"]], 10)]


async def ready_markets(start):
    """The markets, asked with all patience."""
    feed = open_feed(msgspec.structs.replace(start, timeout_s=10.0))
    await feed.instruments((BTC,), "")
    return feed._markets


@asynccontextmanager
async def scene(*symbols, limits=QUICK, server=None, listener=None, timeout_s=None):
    """(server, listener, feed, the task it runs in); a book begins with `first_book` where no
    server is given. With a timeout_s, of questions, the markets are known before."""
    if server is None:
        server = Okx()
        server.on_books = first_book
    listener = listener or Listener(TICKS)
    async with server.running():
        start = start_at(server, limits)
        if timeout_s is not None:
            start = msgspec.structs.replace(start, timeout_s=timeout_s)
        feed = open_feed(start)
        if timeout_s is not None:
            feed._markets = await ready_markets(start)
        async with watching(feed, symbols, listener) as task:
            yield server, listener, feed, task


def gap_asks(feed, listener):
    """As ingest does: a hole is answered with a new subscription. The questions are returned."""
    tasks = []

    def ask(symbol):
        tasks.append(asyncio.get_running_loop().create_task(feed.resubscribe(symbol)))

    listener.on_gap = ask
    return tasks


def test_recorded_frames_through_ccxt_have_the_venues_checksum_at_each_message():
    recorded = recorded_books("BTC-USDT")
    said = [json.loads(text)["data"][0]["checksum"] for text in recorded]
    ours = []

    class Checking(Listener):
        def on_data(self, frame, now_ns):
            super().on_data(frame, now_ns)
            if b'"topic":"orderbook' in frame:
                ours.append(self.checksum(BTC))

    async def play():
        server = Okx()
        server.on_books = lambda name: recorded
        async with scene(BTC, server=server, listener=Checking(TICKS)) as (_, listener, feed, _):
            await until(lambda: len(ours) >= len(recorded))
        assert listener.ups == [BTC]
        assert listener.unread == []
        assert feed.figures()["holes"] == 0

    asyncio.run(play())
    assert len(recorded) == 98
    assert ours == said


def test_a_gap_is_answered_with_a_new_snapshot_of_that_symbol_alone():
    async def play():
        async with scene(BTC, ETH) as (server, listener, feed, _):
            tasks = gap_asks(feed, listener)
            await until(lambda: sorted(listener.ups) == [BTC, ETH])
            await server.send(book("BTC-USDT", "update", [["99", "1"]], [], 12, previous=10))
            await server.send(book("BTC-USDT", "update", [["98", "1"]], [], 15, previous=14))
            await until(lambda: server.subscribed.count("BTC-USDT") == 2)
            await until(lambda: not listener.books[BTC].gapped)
            await asyncio.gather(*tasks)
            await server.send(book("BTC-USDT", "update", [["97", "1"]], [], 11, previous=10))
            await until(lambda: listener.books[BTC].counts()[0] == 3)
        assert listener.outcomes[BTC] == [
            Outcome.APPLIED, Outcome.APPLIED, Outcome.GAP, Outcome.APPLIED, Outcome.APPLIED,
        ]  # fmt: skip
        assert [str(price) for price, _ in listener.books[BTC].levels("bid")] == [
            "100.1",
            "100.0",
            "97.0",
        ]
        assert listener.outcomes[ETH] == [Outcome.APPLIED]
        assert server.unsubscribed == ["BTC-USDT"]
        assert server.connections == 1
        assert listener.downs == []
        assert feed.figures()["holes"] == 1

    asyncio.run(play())


def test_a_wrong_checksum_is_a_hole():
    async def play():
        async with scene(BTC) as (server, listener, feed, _):
            tasks = gap_asks(feed, listener)
            await until(lambda: listener.ups == [BTC])
            wrong = book("BTC-USDT", "update", [["99", "1"]], [], 12, 10, checksum=5)
            await server.send(wrong)
            await until(lambda: server.subscribed.count("BTC-USDT") == 2)
            await until(lambda: not listener.books[BTC].gapped)
            await asyncio.gather(*tasks)
        assert listener.books[BTC].counts() == (2, 1)

    asyncio.run(play())


@pytest.mark.parametrize(
    "bad",
    [
        '{"arg":{"channel":"books","instId":"BTC-USDT"},"action":"update","data":[{',
        '{"arg":{"channel":"books","instId":"BTC-USDT"},"action":"update","data":[{}]}',
        '{"arg":{"channel":"books","instId":"BTC-USDT"},"action":"other","data":[]}',
        '{"arg":{"channel":"trades","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT","px":"x"}]}',
        "[1, 2",
        '{"topic":"orderbook.1.BTC/USDT","data":{"s":"BTC/USDT"',
    ],
)
def test_a_malformed_frame_stops_nothing(bad):
    async def play():
        async with scene(BTC) as (server, listener, *_):
            await until(lambda: listener.ups == [BTC])
            await server.send(bad)
            await server.send(book("BTC-USDT", "update", [["99", "1"]], [], 12, previous=10))
            await until(lambda: listener.books[BTC].counts() == (3, 1))
        assert len(listener.unread) == 1
        assert listener.unread[0].startswith(b"malformed: ")
        assert b'"' not in listener.unread[0]
        assert server.connections == 1
        assert listener.downs == []

    asyncio.run(play())


def test_a_cut_connection_is_down_and_comes_back_with_a_snapshot():
    async def play():
        async with scene(BTC, ETH) as (server, listener, *_):
            await until(lambda: len(listener.ups) == 2)
            await server.cut()
            await until(lambda: len(listener.ups) == 4)
        down = [symbols for symbols, _ in listener.downs if symbols]
        assert sorted(down[0]) == [BTC, ETH]
        assert sorted(listener.ups[2:]) == [BTC, ETH]
        assert server.connections == 2
        assert set(listener.outcomes[BTC]) == {Outcome.APPLIED}

    asyncio.run(play())


def test_a_connection_that_only_answers_pings_is_given_up():
    limits = FeedLimits(backoff_min_s=0.05, stall_s=0.6, stall_max_s=1.2)

    async def play():
        async with scene(BTC, limits=limits) as (server, listener, feed, _):
            await until(lambda: len(listener.ups) == 2)
        assert feed.figures()["stalls"] >= 1
        assert "no data for" in listener.downs[0][1]
        assert server.connections == 2

    asyncio.run(play())


def test_a_connection_that_never_brings_a_book_is_replaced():
    async def play():
        server = Okx()
        server.on_books = first_book
        server.mute = {"BTC-USDT"}
        async with scene(BTC, server=server, limits=BRISK, timeout_s=0.2) as (_, listener, *_):
            await until(lambda: listener.downs)
            server.mute = set()
            await until(lambda: listener.ups == [BTC])
        assert listener.downs[0] == ((BTC,), "TimeoutError: no book within 1 s")
        assert server.connections == 2

    asyncio.run(play())


def test_a_server_that_is_away_is_said_once_for_all():
    async def play():
        server = Okx()
        server.on_books = first_book
        async with server.running():
            start = start_at(server)
            markets = await ready_markets(start)
        feed = open_feed(start)
        feed._markets = markets
        listener = Listener(TICKS)
        async with watching(feed, (BTC, ETH), listener) as task:
            await until(lambda: len(listener.downs) >= 2)
            assert not task.done()
        return listener

    listener = asyncio.run(play())
    assert [sorted(symbols) for symbols, _ in listener.downs[:2]] == [[BTC, ETH]] * 2
    assert all("NetworkError" in reason for _, reason in listener.downs)


def test_where_ccxt_cannot_unsubscribe_the_connection_is_made_anew():
    async def play():
        async with scene(BTC, ETH) as (server, listener, feed, _):
            await until(lambda: len(listener.ups) == 2)
            feed._exchange.has["unWatchOrderBook"] = None
            await feed.resubscribe(BTC)
            await until(lambda: len(listener.ups) == 4)
        assert [sorted(symbols) for symbols, _ in listener.downs] == [[BTC, ETH]]
        assert "BTC/USDT is subscribed anew" in listener.downs[0][1]
        assert server.connections == 2

    asyncio.run(play())


def test_a_resubscription_that_is_not_answered_is_made_again():
    async def play():
        async with scene(BTC, limits=BRISK, timeout_s=0.2) as (server, listener, feed, _):
            await until(lambda: listener.ups == [BTC])
            server.on_books = lambda name: []
            await feed.resubscribe(BTC)
            await until(lambda: server.subscribed.count("BTC-USDT") == 2)
            await feed.resubscribe(BTC)
            server.on_books = first_book
            await until(lambda: len(listener.outcomes[BTC]) == 2)
        assert server.unsubscribed == ["BTC-USDT", "BTC-USDT"]
        assert listener.downs == []
        assert server.connections == 1

    asyncio.run(play())


def test_one_symbol_that_the_venue_refuses_takes_nothing_from_the_others():
    async def play():
        server = Okx(market("BTC-USDT"), market("BAD-USDT"), market("ETH-USDT", "0.01"))
        server.on_books = first_book
        server.refused = {"BAD-USDT"}
        listener = Listener({**TICKS, "BAD/USDT": "0.1"})
        async with scene(BTC, "BAD/USDT", ETH, server=server, listener=listener) as (*_, task):
            await until(lambda: {BTC, ETH} <= set(listener.ups))
            await until(lambda: any("BAD-USDT" in why for _, why in listener.downs))
            await server.send(book("BTC-USDT", "update", [["99", "1"]], [], 12, previous=10))
            await until(lambda: listener.books[BTC].counts() == (3, 1))
            await server.send(book("ETH-USDT", "update", [["99", "1"]], [], 12, previous=10))
            await until(lambda: listener.books[ETH].counts() == (3, 1))
            assert not task.done()
        assert "BAD/USDT" not in listener.ups
        assert server.connections == 1
        assert listener.outcomes[BTC] == [Outcome.APPLIED, Outcome.APPLIED]

    asyncio.run(play())


def test_trades_are_new_ones_in_their_order():
    async def play():
        async with scene(BTC) as (server, listener, *_):
            await until(lambda: listener.ups == [BTC])
            prices = ["100.1", "100.3", "100.2"]
            sent = [trade("BTC-USDT", place, price) for place, price in enumerate(prices)]
            await server.send(*sent)
            await until(lambda: len(listener.trades[BTC]) == 3)
        assert listener.trades[BTC] == [1001, 1003, 1002]

    asyncio.run(play())


def test_questions_are_answered_with_the_markets_exact_steps():
    async def play():
        server = Okx()
        async with server.running():
            feed = open_feed(start_at(server))
            found = await feed.instruments((BTC, "ETH-USDT"), "")
            all_of_quote = await feed.instruments((), "USDT")
            volumes = await feed.quote_volumes((BTC,))
            candles = await feed.candles(BTC, 3)
            with pytest.raises(ConfigError, match="okx does not know NIX/USDT; allowed"):
                await feed.instruments((BTC, "NIX/USDT"), "")
            server.markets[0]["state"] = "suspend"
            again = await feed.refresh_instruments((BTC, ETH))
            return found, all_of_quote, volumes, candles, again

    found, all_of_quote, volumes, candles, again = asyncio.run(play())
    assert [(one.symbol, str(one.tick_size)) for one in found] == [(BTC, "0.1"), (ETH, "0.01")]
    assert found[0].step_size == found[1].step_size
    assert {one.symbol for one in all_of_quote} == {BTC, ETH}
    assert volumes == {BTC: 5000.0}
    assert [candle.open_ms for candle in candles] == [27 * 60_000, 28 * 60_000, 29 * 60_000]
    assert candles[0][1:] == (12.0, 9.0, 11.0)
    assert [one.status for one in again] == ["BREAK", "TRADING"]


def test_what_the_listener_raises_ends_the_feed():
    async def play():
        async with scene(BTC) as (_, listener, _, task):
            listener.raises = ZeroDivisionError("the listener failed")
            await asyncio.wait({task}, timeout=5)
            assert task.done()
            with pytest.RaisesGroup(ZeroDivisionError):
                task.result()

    asyncio.run(play())


@pytest.mark.parametrize(
    ("venue", "text"),
    [
        ("nowhere", "ccxt does not know it; allowed are local, binance"),
        ("mudrex", "no order book stream in ccxt"),
    ],
)
def test_a_venue_that_cannot_be_watched_is_refused(venue, text):
    server = Okx()
    with pytest.raises(ConfigError, match=text):
        open_feed(start_at(server, QUICK, venue))
