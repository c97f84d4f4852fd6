"""The proof on real markets: a client trades all the time on the BTC and ETH recordings, at their
own speed and ten times as fast; every fill is derived again, and the ledgers always add up."""

from __future__ import annotations

import asyncio
import json
import random
import time
from pathlib import Path

import pytest
from audit_recording import write_recording
from audit_trader import START_MS, Trader, VirtualVenue
from localvenue_process import ROOT, raw_client

from procs.cli.main import main
from procs.localvenue.protocols.binance_spot.limits import RateLimits
from procs.localvenue.protocols.binance_spot.market_data import MarketData
from procs.localvenue.protocols.binance_spot.params import Params
from procs.localvenue.protocols.binance_spot.streams import StreamHub, Subscriber
from procs.localvenue.replay import open_recording
from shared.recordings.fill_audit import check
from shared.recordings.lines import read_lines

BOOKS = ROOT.parent / "shared" / "data" / "book"
STREAMS = ("depth", "depth@100ms", "depth20@100ms", "bookTicker", "trade", "aggTrade", "kline_1m",
           "ticker", "miniTicker")  # fmt: skip


def recordings(symbol: str) -> list[Path]:
    """The shared recordings of a symbol."""
    paths = sorted(BOOKS.glob(f"binance_spot-{symbol}_*.jsonl.xz"))
    if not paths:
        pytest.skip(f"no recordings of {symbol} below {BOOKS}: the proof on them is not made")
    return paths


@pytest.mark.slow
@pytest.mark.parametrize(("speed", "step_ms"), [(1.0, 20), (10.0, 4)])
@pytest.mark.parametrize("symbol", ["btcusdt", "ethusdt"])
def test_nothing_is_found_on_the_recordings(symbol, speed, step_ms, tmp_path):
    paths = recordings(symbol)
    audit = tmp_path / "fills.jsonl"
    market = open_recording(paths, None, START_MS, speed=speed)
    virtual = VirtualVenue(market, symbol, audit, paths)
    trader = Trader(symbol + str(speed), [symbol.upper()])
    virtual.run(trader, step_ms=step_ms)
    virtual.venue.close()
    done = check(audit, paths)
    assert [one.shown() for one in done.findings[:5]] == []
    assert done.fills > 5_000
    assert done.lines > 79_000
    assert virtual.verified > 79_000
    assert {"touch", "iceberg", "stop_loss", "cross", "fok", "ioc"} <= set(trader.accepted)


@pytest.mark.slow
def test_nothing_is_found_on_both_recordings_at_once(tmp_path):
    paths = [*recordings("btcusdt")[:1], *recordings("ethusdt")[:1]]
    audit = tmp_path / "fills.jsonl"
    market = open_recording(paths, None, START_MS, speed=10.0)
    virtual = VirtualVenue(market, "both", audit, paths)
    virtual.run(Trader(5, ["BTCUSDT", "ETHUSDT"]), step_ms=10)
    virtual.venue.close()
    done = check(audit, paths)
    assert [one.shown() for one in done.findings[:5]] == []
    assert done.fills > 1_000


class Ears:
    """A socket that only listens."""

    def __init__(self):
        self.heard = []

    def send_frame(self, frame):
        head = {126: 4, 127: 10}.get(frame[1], 2)
        self.heard.append(frame[head:])


def published(folder, busy):
    """What a subscriber of all streams hears, and the book at the end, beside a busy client."""
    paths = write_recording(folder, lines=1_500)
    virtual = VirtualVenue(open_recording(paths, None, START_MS), "walk")
    venue = virtual.venue
    hub = StreamHub(venue, MarketData(venue, RateLimits()))
    venue.market_listeners.append(hub)
    ears = Ears()
    subscriber = Subscriber(ears, True)
    for name in STREAMS:
        hub.subscribe(subscriber, f"btcusdt@{name}")
    trader = Trader(9, ["BTCUSDT"], busy=busy)
    virtual.run(trader)
    book = venue.exchange.published["BTCUSDT"]
    fills = len(venue.exchange.state().fills)
    return ears.heard, (book.bids.levels(5_000), book.asks.levels(5_000)), fills


def without_event_time(data):
    body = json.loads(data)["data"]
    body.pop("E", None)
    return json.dumps(body)


def test_our_fills_never_change_what_is_published(tmp_path):
    (tmp_path / "quiet").mkdir()
    (tmp_path / "busy").mkdir()
    quiet, quiet_book, none = published(tmp_path / "quiet", 0.0)
    busy, busy_book, fills = published(tmp_path / "busy", 1.0)
    assert none == 0
    assert fills > 300
    assert len(quiet) > 500
    assert [without_event_time(one) for one in busy] == [without_event_time(one) for one in quiet]
    assert busy_book == quiet_book


def recorded_ids(paths):
    """(U, u) of every recorded depth update, and the ids of snapshots."""
    deltas, snapshots = set(), set()
    for line in read_lines(paths):
        body = json.loads(line.frame)
        data = body.get("data", body)
        if data.get("e") == "depthUpdate":
            deltas.add((data["U"], data["u"]))
        elif "lastUpdateId" in data:
            snapshots.add(data["lastUpdateId"])
    return deltas, snapshots


def test_a_client_joins_the_book_by_recorded_ids_while_we_trade(tmp_path):
    """depth answers from the maintained book, and U, u and lastUpdateId are the recorded ones."""
    paths = write_recording(tmp_path, lines=1_200)
    deltas, snapshots = recorded_ids(paths)
    virtual = VirtualVenue(open_recording(paths, None, START_MS), "walk")
    market_data = MarketData(virtual.venue, RateLimits())
    hub = StreamHub(virtual.venue, market_data)
    virtual.venue.market_listeners.append(hub)
    ears = Ears()
    hub.subscribe(Subscriber(ears, False), "btcusdt@depth@100ms")
    trader = Trader(9, ["BTCUSDT"], busy=1.0)
    virtual.run(trader, until_ms=3_000)
    snapshot = market_data.depth(Params({"symbol": "BTCUSDT", "limit": "5000"}))
    virtual.run(trader)
    virtual.ms += 200
    virtual.venue.pump()  # What the stream's pace still held back leaves.
    books = [dict(map(tuple, snapshot[side])) for side in ("bids", "asks")]
    last_id = snapshot["lastUpdateId"]
    assert last_id in snapshots | {u for _, u in deltas}
    ends = {u for _, u in deltas} | snapshots
    firsts = {first for first, _ in deltas}
    for change in map(json.loads, ears.heard):
        assert change["u"] in ends
        if change["u"] <= last_id:
            continue
        assert change["U"] <= last_id + 1 <= change["u"] + 1
        assert change["U"] in firsts or change["U"] - 1 in ends
        for book, levels in zip(books, (change["b"], change["a"]), strict=True):
            for price, quantity in levels:
                book[price] = quantity
        last_id = change["u"]
    now = market_data.depth(Params({"symbol": "BTCUSDT", "limit": "5000"}))
    assert last_id == now["lastUpdateId"]
    for book, side in zip(books, ("bids", "asks"), strict=True):
        shown = {price: size for price, size in book.items() if float(size)}
        assert shown == dict(map(tuple, now[side]))


async def trade_over_http(venue, seconds, symbols):
    """Orders of two accounts through real sockets; returns how many were accepted."""
    chance = random.Random(4)
    accepted = 0
    async with raw_client(venue) as first, raw_client(venue) as second:
        keys = venue.line["accounts"]
        first.line, second.line = ({**venue.line, **one} for one in keys)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if (await first.get("seawall/market"))["ended"]:
                break
            symbol = chance.choice(symbols)
            book = await first.get("api/v3/depth", symbol=symbol, limit=5)
            if not book["bids"] or not book["asks"]:
                continue
            bid, ask = book["bids"][0][0], book["asks"][0][0]
            side = chance.choice(("BUY", "SELL"))
            touch = bid if side == "BUY" else ask
            far = ask if side == "BUY" else bid
            size = {"quantity": f"{chance.randrange(1, 400) / 100:.2f}"}
            order = chance.choice(
                (
                    {"type": "MARKET", **size},
                    {"type": "LIMIT", "price": touch, "timeInForce": "GTC", **size},
                    {"type": "LIMIT", "price": touch, "timeInForce": "GTC", **size},
                    {"type": "LIMIT", "price": far, "timeInForce": "IOC", **size},
                    {"type": "LIMIT", "price": far, "timeInForce": "FOK", **size},
                    {
                        "type": "LIMIT",
                        "price": touch,
                        "timeInForce": "GTC",
                        "quantity": "0.9",
                        "icebergQty": "0.1",
                    },
                )
            )
            who, other = (first, second) if chance.random() < 0.5 else (second, first)
            status, answer, _ = await who.call("POST", "order", symbol=symbol, side=side, **order)
            accepted += status == 200
            assert status == 200 or answer["code"] in (-2010, -1013), answer
            if status == 200 and answer["status"] == "NEW" and chance.random() < 0.3:
                opposite = "SELL" if side == "BUY" else "BUY"
                await other.call(
                    "POST",
                    "order",
                    symbol=symbol,
                    side=opposite,
                    type="LIMIT",
                    price=answer["price"],
                    timeInForce="IOC",
                    quantity=answer["origQty"],
                )
            if chance.random() < 0.05:
                await who.call("DELETE", "openOrders", symbol=symbol)
    return accepted


@pytest.mark.slow
@pytest.mark.e2e
@pytest.mark.timeout(180)
def test_nothing_is_found_when_a_real_process_replays_ten_times_as_fast(
    start_venue, tmp_path, capsys
):
    paths = [*recordings("btcusdt")[:1], *recordings("ethusdt")[:1]]
    audit = tmp_path / "fills.jsonl"
    venue = start_venue(
        *("--replay", *map(str, paths), "--speed", "10", "--audit", str(audit), "--unlimited"),
        *("--accounts", "2", "--balance", "USDT=50000000"),
        *("--balance", "BTC=500", "--balance", "ETH=5000"),
    )
    accepted = asyncio.run(trade_over_http(venue, 45, ["BTCUSDT", "ETHUSDT"]))
    assert venue.stop() == 0
    assert accepted > 1_000
    code = main(["audit", str(audit), "--replay", *map(str, paths), "--json"])
    said = json.loads(capsys.readouterr().out)
    assert said["findings"] == []
    assert code == 0
    assert said["fills"] > 1_000
