"""Raw messages of each known venue through its real ccxt class, without a connection."""

import asyncio
import json

import pytest
from okx_server import Listener, until
from test_ccxt_book import KRAKEN

from core_ext.codes import Outcome
from shared.clock import EngineClock
from shared.venues.feed.ccxt_book import VenueBook, VenueTrades
from shared.venues.feed.ccxt_client import open_client
from shared.venues.feed.ccxt_dialects import ROWS
from shared.venues.feed.ccxt_streams import CcxtStreams
from shared.venues.feed.port import FeedStart

BTC = "BTC/USD"


def listed(exchange, name):
    base, quote = "BTC", "USD"
    return exchange.safe_market_structure(
        {
            "id": name, "symbol": f"{base}/{quote}", "base": base, "quote": quote, "spot": True,
            "type": "spot", "active": True, "precision": {"price": 0.1, "amount": 1e-8},
            "limits": {}, "info": {},
        }
    )  # fmt: skip


def hear(venue, market, *messages):
    """What a listener has after these messages came over one connection."""

    async def play():
        streams = CcxtStreams(ROWS[venue], FeedStart(venue=venue, clock=EngineClock()))
        exchange = open_client(venue, streams, {})
        try:
            exchange.set_markets([listed(exchange, market)])
            listener = Listener({BTC: "0.1"})
            book = VenueBook(BTC, ROWS[venue], 1, 8)
            streams.attach(exchange, listener, [book], [VenueTrades(BTC)])
            client = exchange.client("wss://venue.invalid/ws")
            for message in messages:
                text = message if isinstance(message, str) else json.dumps(message)
                client.handle_text_or_binary_message(text)
            return listener, book, exchange
        finally:
            await exchange.close()

    return asyncio.run(play())


def coinbase(number, kind, *levels):
    updates = [
        {"side": side, "price_level": price, "new_quantity": quantity}
        for side, price, quantity in levels
    ]
    event = {"type": kind, "product_id": "BTC-USD", "updates": updates}
    return {"channel": "l2_data", "sequence_num": number, "events": [event]}


def test_kraken_is_checked_to_the_last_digit_of_bare_numbers():
    wrong = KRAKEN.replace('"snapshot"', '"update"').replace("0.15890660", "0.15890661")
    listener, book, exchange = hear("kraken", "XBTUSD", KRAKEN, wrong)
    assert listener.ups == [BTC]
    assert listener.outcomes[BTC] == [Outcome.APPLIED, Outcome.GAP]
    assert book.why.startswith("checksum 3310070434, ours is")
    assert exchange.orderbooks == {}


def test_coinbase_is_checked_over_all_messages_of_a_connection():
    whole = coinbase(5, "snapshot", ("bid", "100.1", "1"), ("offer", "100.2", "2"))
    beat = {"channel": "heartbeats", "sequence_num": 6, "events": []}
    delta = coinbase(7, "update", ("bid", "100.0", "1"))
    listener, book, _ = hear("coinbase", "BTC-USD", whole, beat, delta)
    assert listener.outcomes[BTC] == [Outcome.APPLIED, Outcome.APPLIED]
    assert listener.books[BTC].counts() == (2, 1)
    listener, book, _ = hear("coinbase", "BTC-USD", whole, delta)
    assert listener.outcomes[BTC] == [Outcome.APPLIED, Outcome.GAP]
    assert book.why == "message 7 of the connection, the last was 5"


def test_gate_is_checked_by_its_numbers():
    def said(first, last, **more):
        book = {"t": 5, "s": "ob.BTC_USD.50", "U": first, "u": last, "b": [["100.1", "1"]], **more}
        return {"channel": "spot.obu", "event": "update", "result": book}

    whole = said(0, 7, full=True, a=[["100.3", "1"]])
    listener, book, _ = hear("gate", "BTC_USD", whole, said(8, 9), said(9, 9), said(11, 12))
    assert listener.outcomes[BTC] == [Outcome.APPLIED, Outcome.APPLIED, Outcome.GAP]
    assert book.why == "an update from 11, the last was 9"


@pytest.mark.parametrize("venue", sorted(ROWS))
def test_books_that_cannot_be_read_are_handed_on_as_such(venue):
    broken = {
        "okx": {"arg": {"channel": "books"}, "action": "update", "data": [{}]},
        "kraken": {"channel": "book", "type": "update", "data": [{"symbol": BTC}]},
        "coinbase": coinbase(1, "update", ("middle", "1", "1")),
        "kucoin": {"type": "message", "subject": "trade.l2update", "data": {}},
        "gate": {"channel": "spot.obu", "event": "update", "result": {"u": "x"}},
        "binanceus": {"e": "depthUpdate", "s": "BTCUSD"},
    }
    listener, _, _ = hear(venue, "BTCUSD", broken[venue], '{"truncated', "[")
    assert [frame[:11] for frame in listener.unread][:2] == [b"malformed: "] * 2
    assert listener.ups == []


class Fetched:
    """An exchange whose snapshots come when the test says so."""

    def __init__(self):
        self.snapshots = asyncio.Queue()
        self.asked = 0

    def market(self, symbol):
        return {"id": "BTCUSD"}

    async def fetch_order_book(self, symbol):
        self.asked += 1
        answer = await self.snapshots.get()
        if isinstance(answer, Exception):
            raise answer
        return {"nonce": answer, "bids": [[100.1, 1.0]], "asks": [[100.2, 2.0]]}


def deltas(number):
    text = {"e": "depthUpdate", "s": "BTCUSD", "E": 5, "U": number, "u": number, "a": []}
    return {**text, "b": [["100.0", "1"]]}


def fetching(scene):
    async def play():
        streams = CcxtStreams(ROWS["binanceus"], FeedStart(venue="binanceus", clock=EngineClock()))
        exchange, listener = Fetched(), Listener({BTC: "0.1"})
        book = VenueBook(BTC, ROWS["binanceus"])
        streams.attach(exchange, listener, [book], [VenueTrades(BTC)])
        await scene(streams, exchange, listener)
        return exchange, listener

    return asyncio.run(play())


def test_a_snapshot_that_comes_after_its_stream_has_ended_is_not_used():
    async def scene(streams, exchange, listener):
        streams.take("old", deltas(8), "")
        await asyncio.sleep(0.01)
        streams.down("old", "cut")
        exchange.snapshots.put_nowait(7)
        await asyncio.sleep(0.05)
        assert listener.ups == []
        streams.take("new", deltas(20), "")
        streams.take("new", deltas(21), "")
        exchange.snapshots.put_nowait(19)
        await until(lambda: listener.ups == [BTC])

    exchange, listener = fetching(scene)
    assert exchange.asked == 2
    assert listener.outcomes[BTC] == [Outcome.APPLIED] * 3


def test_a_snapshot_that_fails_or_is_too_old_is_asked_again():
    async def scene(streams, exchange, listener):
        streams.take("one", deltas(8), "")
        for answer in (ValueError("not today"), 5, 7):
            exchange.snapshots.put_nowait(answer)
        await until(lambda: listener.ups == [BTC])

    exchange, listener = fetching(scene)
    assert exchange.asked == 3
    assert listener.unread == [b"malformed: snapshot of BTC/USD: ValueError: not today: "]
    assert listener.books[BTC].counts() == (2, 1)
