"""Faults of messages as clients of real sockets meet them, ccxt.pro among them."""

from __future__ import annotations

import asyncio
import itertools
import json
import time

import aiohttp
import pytest
from localvenue_process import client_of, raw_client

DEPTH = "btcusdt@depth@100ms"


@pytest.fixture(scope="module")
def venue(start_venue):
    return start_venue("--profile", "calm", "--seed", "5", "--balance", "USDT=100000")


async def plan(session, venue, *faults, seed=7):
    body = json.dumps({"seed": seed, "fault": list(faults)})
    async with session.post(f"{venue.line['rest']}/seawall/faults", data=body) as reply:
        answer = await reply.json()
        assert reply.status == 200, answer


async def listen(session, venue, name, least, *faults):
    """What a stream says under a plan: (when, frame), so many at least and for a second and a half,
    or until the connection is over."""
    heard, began = [], time.monotonic()
    await plan(session, venue, *faults)
    async with session.ws_connect(f"{venue.line['ws']}/ws/{name}", autoping=True) as socket:
        while len(heard) < least or time.monotonic() < began + 1.5:
            frame = await socket.receive(timeout=60)
            heard.append((time.monotonic(), frame))
            if frame.type is not aiohttp.WSMsgType.TEXT:
                break
        is_open = not socket.closed
    await plan(session, venue)
    return heard, is_open


def run(venue, name, least, *faults):
    async def work():
        async with aiohttp.ClientSession() as session:
            return await listen(session, venue, name, least, *faults)

    return asyncio.run(work())


def events(heard):
    return [json.loads(frame.data) for _, frame in heard]


def gaps(deltas):
    return [
        at
        for at, (one, two) in enumerate(itertools.pairwise(deltas), 1)
        if two["U"] != one["u"] + 1
    ]


def test_without_faults_depth_is_whole(venue):
    heard, is_open = run(venue, DEPTH, 6)
    assert gaps(events(heard)) == []
    assert is_open


def test_a_gap(venue):
    fault = {"kind": "gap", "nth": 4, "messages": 2}
    heard, is_open = run(venue, DEPTH, 8, fault)
    assert gaps(events(heard)) == [3]
    assert is_open


def test_a_message_is_lost(venue):
    heard, _ = run(venue, DEPTH, 6, {"kind": "message_drop", "stream": "btc*", "nth": 3})
    assert gaps(events(heard)) == [2]


def test_a_message_comes_twice(venue):
    deltas = events(run(venue, DEPTH, 6, {"kind": "duplicate", "nth": 2})[0])
    assert deltas[1] == deltas[2]
    assert deltas[2] != deltas[3]


def test_a_message_is_overtaken(venue):
    fault = {"kind": "reorder", "nth": 2, "delay_ms": 350}
    deltas = events(run(venue, DEPTH, 12, fault)[0])
    ids = [one["u"] for one in deltas]
    assert ids != sorted(ids)
    assert gaps(sorted(deltas, key=lambda one: one["u"])) == [], "nothing is lost"


def test_messages_are_late_in_their_order(venue):
    fault = {"kind": "message_delay", "delay_ms": [100, 600]}
    heard, _ = run(venue, DEPTH, 4, fault)
    assert gaps(events(heard)) == []


def test_a_stream_falls_silent(venue):
    fault = {"kind": "stall", "nth": 4, "silent_s": 1}
    heard, is_open = run(venue, DEPTH, 7, fault)
    pauses = [two[0] - one[0] for one, two in itertools.pairwise(heard)]
    assert max(pauses) > 0.9
    assert is_open, "it speaks again"


def test_a_connection_is_cut(venue):
    heard, _ = run(venue, DEPTH, 12, {"kind": "cut", "nth": 4})
    assert len(heard) == 4
    assert heard[-1][1].type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)


def test_broken_json(venue):
    heard, _ = run(venue, DEPTH, 3, {"kind": "malformed_frame", "nth": 2})
    with pytest.raises(json.JSONDecodeError):
        events(heard[1:2])
    assert events(heard[2:3])[0]["e"] == "depthUpdate"


def test_text_that_is_none(venue):
    heard, _ = run(venue, DEPTH, 12, {"kind": "malformed_frame", "broken": "utf8", "nth": 2})
    assert len(heard) == 2
    assert heard[1][1].type is not aiohttp.WSMsgType.TEXT, "a client ends such a connection"


@pytest.mark.parametrize("ghost", ["appear", "stay"])
def test_a_level_that_is_not_in_the_book(venue, ghost):
    """Two streams of one book: one is struck, the other tells the truth."""

    async def work():
        fault = {"kind": "ghost_level", "ghost": ghost, "stream": DEPTH, "count": 3}
        honest = "btcusdt@depth"
        books = {DEPTH: {}, honest: {}}
        last = {}
        async with aiohttp.ClientSession() as session:
            await plan(session, venue, fault)
            url = f"{venue.line['ws']}/stream?streams={DEPTH}/{honest}"
            async with session.ws_connect(url) as socket:
                began = time.monotonic()
                while time.monotonic() < began + 4 or len(await struck(session)) < 3:
                    assert time.monotonic() < began + 60, books
                    said = json.loads((await socket.receive(timeout=60)).data)
                    event = said["data"]
                    last[said["stream"]] = event["u"]
                    for side in "ba":
                        for price, quantity in event[side]:
                            seen = books[said["stream"]].setdefault((side, price), [])
                            seen.append(float(quantity))
            lines = await struck(session)
            await plan(session, venue)
        return lines, books, honest

    async def struck(session):
        async with session.get(f"{venue.line['rest']}/seawall/faults") as reply:
            recent = (await reply.json())["recent"]
        ghosts = [one for one in recent if one["kind"] == "ghost_level"]
        return [one for one in ghosts if one["detail"]["ghost"] == ghost]

    lines, books, honest = asyncio.run(work())
    assert len(lines) == 3
    for one in lines:
        side, (price, quantity) = one["detail"]["side"], one["detail"]["level"]
        lied, truth = books[DEPTH].get((side, price), []), books[honest].get((side, price), [])
        if ghost == "appear":
            assert float(quantity) in lied
            assert float(quantity) not in truth
        else:
            assert lied.count(0.0) <= truth.count(0.0)


def test_fills_are_told_late_although_rest_knows(venue):
    async def work():
        async with client_of(venue) as client, aiohttp.ClientSession() as session:
            watching = asyncio.create_task(client.watch_my_trades("BTC/USDT"))
            await asyncio.sleep(0.7)
            await plan(session, venue, {"kind": "late_fill", "delay_ms": 2_500})
            sent = time.monotonic()
            order = await client.create_order("BTC/USDT", "market", "buy", 0.001)
            known = await client.fetch_my_trades("BTC/USDT")
            assert known[-1]["order"] == order["id"]
            assert not watching.done()
            trades = await asyncio.wait_for(watching, 60)
            took = time.monotonic() - sent
            await plan(session, venue)
            return trades[-1]["order"] == order["id"], took

    told, took = asyncio.run(work())
    assert told
    assert took > 2.45


def test_the_socket_api_has_its_own_envelope(venue):
    async def work():
        async with raw_client(venue) as client:
            await plan(
                client.session,
                venue,
                {"kind": "rate_limited", "operation": "ping", "nth": 1, "retry_after_s": 4},
                {"kind": "error_5xx", "operation": "time", "nth": 1},
                {"kind": "drop", "operation": "depth", "nth": 1},
            )
            async with client.session.ws_connect(f"{venue.line['ws']}/ws-api/v3") as socket:
                answers = []
                for number, method in enumerate(("ping", "time", "ping")):
                    await socket.send_json({"id": f"n{number}", "method": method})
                    answers.append(await socket.receive_json(timeout=60))
                await socket.send_json({"id": 1, "method": "depth", "params": {"symbol": "A"}})
                last = await socket.receive(timeout=60)
            await plan(client.session, venue)
            return answers, last

    answers, last = asyncio.run(work())
    told = [(one["id"], one["status"]) for one in answers]
    assert told == [("n0", 429), ("n1", 503), ("n2", 200)]
    data = answers[0]["error"]["data"]
    assert data["retryAfter"] - data["serverTime"] == 4_000
    assert last.type is not aiohttp.WSMsgType.TEXT
