"""The venue as a process: kills, restarts, options that cannot be, clean stops."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import pytest
from localvenue_process import ROOT, VenueProcess, raw_client

pytestmark = pytest.mark.e2e

RECORDINGS = ROOT.parent / "shared" / "data" / "book"
COMMAND = [sys.executable, "-P", "-m", "procs.localvenue"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def run(work):
    return asyncio.run(asyncio.wait_for(work, 60))


def options_of(folder: Path, *more: str) -> list[str]:
    return ["--profile", "calm", "--seed", "9", "--unlimited", "--data", str(folder), *more]


async def everything(client):
    """What an account owner can see, in full."""
    seen = {}
    for path, params in (
        ("account", {}),
        ("openOrders", {}),
        ("openOrderList", {}),
        ("allOrders", {"symbol": "BTCUSDT"}),
        ("myTrades", {"symbol": "BTCUSDT"}),
    ):
        status, seen[path], _ = await client.call("GET", path, **params)
        assert status == 200
    seen["account"].pop("updateTime")
    return seen


def test_a_kill_loses_nothing_and_the_same_port_goes_on(start_venue, tmp_path):
    venue = start_venue(*options_of(tmp_path))
    port = str(venue.port)

    async def trade():
        async with raw_client(venue) as client:
            price = float((await client.get("api/v3/ticker/price", symbol="BTCUSDT"))["price"])
            base = {"symbol": "BTCUSDT"}
            bought = await client.call(
                "POST", "order", **base, side="BUY", type="MARKET", quantity="0.02"
            )
            assert bought[1]["status"] == "FILLED"
            limit = {"side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.001"}
            for share in (0.9, 0.91, 0.92):
                await client.call("POST", "order", **base, **limit, price=f"{price * share:.2f}")
            oco = {
                **{"side": "SELL", "quantity": "0.01", "aboveType": "LIMIT_MAKER"},
                **{"abovePrice": f"{price * 1.2:.2f}", "belowType": "STOP_LOSS_LIMIT"},
                **{"belowStopPrice": f"{price * 0.8:.2f}", "belowPrice": f"{price * 0.79:.2f}"},
            }
            status, made, _ = await client.call(
                "POST", "orderList/oco", **base, **oco, belowTimeInForce="GTC"
            )
            assert status == 200, made
            return price, await everything(client)

    price, before = run(trade())
    venue.kill()
    again = start_venue(*options_of(tmp_path, "--port", port))
    assert again.line == venue.line

    async def look():
        async with raw_client(again) as client:
            after = await everything(client)
            now = float((await client.get("api/v3/ticker/price", symbol="BTCUSDT"))["price"])
            listed = after["openOrderList"][0]["orderListId"]
            _, gone, _ = await client.call(
                "DELETE", "orderList", symbol="BTCUSDT", orderListId=listed
            )
            _, sold, _ = await client.call(
                "POST", "order", symbol="BTCUSDT", side="SELL", type="MARKET", quantity="0.01"
            )
            return after, now, gone, sold

    after, now, gone, sold = run(look())
    assert after == before
    assert now == pytest.approx(price, rel=0.05)
    assert gone["listOrderStatus"] == "ALL_DONE"
    assert sold["orderId"] > max(order["orderId"] for order in before["allOrders"])
    assert sold["fills"][0]["tradeId"] > max(trade["id"] for trade in before["myTrades"])
    assert again.stop() == 0


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_kills_at_any_moment_never_lose_an_answered_order(start_venue, tmp_path):
    """Each round places orders until the kill; whatever was answered must be there afterwards."""
    port = "0"
    answered: list[int] = []
    for round_number in itertools.count():
        # On a slow machine few are answered between a start and a kill.
        if round_number >= 4 and len(answered) > 20:
            break
        assert round_number < 40, answered
        venue = start_venue(*options_of(tmp_path, "--port", port))
        port = str(venue.port)

        async def work(venue=venue, round_number=round_number):
            loop = asyncio.get_running_loop()
            async with raw_client(venue) as client:
                _, orders, _ = await client.call("GET", "allOrders", symbol="BTCUSDT", limit=1000)
                known = {order["orderId"] for order in orders}
                assert known.issuperset(answered)
                assert len(known) == len(orders)
                _, account, _ = await client.call("GET", "account")
                opens = [order for order in orders if order["status"] == "NEW"]
                held = sum(float(o["price"]) * float(o["origQty"]) for o in opens)
                usdt = {row["asset"]: row for row in account["balances"]}["USDT"]
                assert float(usdt["locked"]) == pytest.approx(held)
                price = float((await client.get("api/v3/ticker/price", symbol="BTCUSDT"))["price"])
                loop.call_later(0.15 + 0.1 * (round_number % 4), venue.process.kill)
                order = {
                    **{"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"},
                    **{"quantity": "0.0002", "price": f"{price * 0.5:.2f}"},
                }
                try:
                    while True:
                        status, made, _ = await client.call("POST", "order", **order)
                        if status != 200:
                            continue
                        answered.append(made["orderId"])
                        if len(answered) % 2:
                            await client.call(
                                "DELETE", "order", symbol="BTCUSDT", orderId=made["orderId"]
                            )
                except aiohttp.ClientError:
                    return

        run(work())
        venue.process.wait(60)


def test_two_venues_cannot_share_a_data_folder_or_a_port(start_venue, tmp_path):
    venue = start_venue(*options_of(tmp_path))
    second = subprocess.run(
        [*COMMAND, *options_of(tmp_path)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert second.returncode == 4
    assert second.stderr.strip().endswith("another local venue is using this data folder")
    third = subprocess.run(
        [*COMMAND, "--port", str(venue.port)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert third.returncode == 4
    assert f"--port {venue.port}: cannot listen on 127.0.0.1" in third.stderr
    assert len(third.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        (["--profile", "wild"], 4, "market profile 'wild', allowed: calm, demo, fast"),
        (["--port", "70000"], 4, "--port 70000, allowed: 0 to 65535"),
        (["--balance", "USDT"], 4, "--balance 'USDT', allowed: ASSET=AMOUNT"),
        (["--balance", "USDT=NaN"], 4, "--balance 'USDT=NaN', allowed: ASSET=AMOUNT"),
        (["--replay", "/nowhere/at.all"], 2, "/nowhere/at.all"),
        (["--replay", __file__], 1, Path(__file__).name),
        (["--hold"], 4, "--hold goes with --replay"),
        (["--accounts", "0"], 4, "--accounts 0, allowed: 1 to 100"),
    ],
)
def test_options_that_cannot_be_are_one_clear_line(options, code, text):
    done = subprocess.run(
        [*COMMAND, *options],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == code
    assert text in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""


def test_the_data_of_another_market_is_refused(start_venue, tmp_path):
    venue = start_venue(*options_of(tmp_path))
    assert venue.stop() == 0
    done = subprocess.run(
        [*COMMAND, "--profile", "fast", "--data", str(tmp_path)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 4
    assert "belongs to the market 'calm:9', this one is 'fast:1'" in done.stderr


def test_json_is_one_line_and_sigint_ends_it_cleanly(tmp_path):
    process = subprocess.Popen(
        [*COMMAND, "--json", "--balance", "USDT=250.5", "--balance", "BTC=1"],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = json.loads(process.stdout.readline())
    assert {"rest", "ws", "api_key", "api_secret", "symbols"} <= line.keys()
    port = int(line["rest"].rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), 30):
        process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    assert (process.returncode, out, errors) == (0, "", "")


def test_it_dies_with_its_parent(tmp_path):
    ready = tmp_path / "ready.json"
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import subprocess, sys, time; subprocess.Popen(sys.argv[1:]); time.sleep(60)",
            *COMMAND,
            "--ready-file",
            str(ready),
        ],
        env=ENVIRONMENT,
    )
    deadline = time.monotonic() + 60
    while not ready.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert ready.stat().st_mode & 0o777 == 0o600
    port = int(json.loads(ready.read_text())["rest"].rsplit(":", 1)[1])
    parent.kill()
    parent.wait()
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except ConnectionRefusedError:
            return
        except ConnectionResetError:
            continue  # It is just closing.
        time.sleep(0.05)
    raise AssertionError("the venue outlived its parent")


def small_recording(folder: Path) -> Path:
    """Five deltas and trades within a quarter of a second."""
    levels = '"bids":[["100.00","5.0"]],"asks":[["100.01","5.0"]]'
    start = 1_700_000_000_000_000_000
    lines = [f'{start} {{"lastUpdateId":10,{levels}}}']
    for number in range(1, 6):
        at = start + number * 50_000_000
        update = 10 + number
        lines.append(
            f'{at} {{"stream":"btcusdt@depth@100ms","data":{{"e":"depthUpdate","E":1,'
            f'"s":"BTCUSDT","U":{update},"u":{update},"b":[["99.99","{number}.0"]],"a":[]}}}}'
        )
        lines.append(
            f'{at} {{"stream":"btcusdt@trade","data":{{"e":"trade","E":1,"s":"BTCUSDT",'
            f'"t":{number},"p":"100.00","q":"0.5","T":1,"m":true,"M":true}}}}'
        )
    recording = folder / "small.jsonl"
    recording.write_text("\n".join(lines) + "\n")
    return recording


def test_a_recording_is_replayed_and_says_when_it_has_ended(start_venue, tmp_path):
    recording = small_recording(tmp_path)
    venue: VenueProcess = start_venue("--replay", str(recording))
    assert venue.line["symbols"] == ["BTCUSDT"]

    async def work():
        async with raw_client(venue) as client:
            while not (await client.get("seawall/market"))["ended"]:
                await asyncio.sleep(0.05)
            book = await client.get("api/v3/depth", symbol="BTCUSDT")
            assert book["lastUpdateId"] == 15
            assert book["bids"][1] == ["99.99000000", "5.00000000"]
            trades = await client.get("api/v3/trades", symbol="BTCUSDT")
            assert abs(trades[-1]["time"] / 1000 - time.time()) < 5
            status, made, _ = await client.call(
                "POST", "order", symbol="BTCUSDT", side="BUY", type="MARKET", quantity="1"
            )
            assert (status, made["status"]) == (200, "FILLED")

    run(work())


def test_a_held_recording_begins_with_the_first_subscription(start_venue, tmp_path):
    recording = small_recording(tmp_path)
    venue: VenueProcess = start_venue("--hold", "--replay", str(recording))

    async def work():
        async with raw_client(venue) as client:
            await asyncio.sleep(1.0)
            assert not (await client.get("seawall/market"))["ended"]
            # Talking to the venue is no subscription, and neither is a stream that does not exist.
            assert await client.get("api/v3/trades", symbol="BTCUSDT") == []
            async with client.session.ws_connect(f"{venue.line['ws']}/ws/nobody@trade"):
                await asyncio.sleep(0.3)
            assert not (await client.get("seawall/market"))["ended"]
            asked_ms = time.time() * 1000
            async with client.session.ws_connect(f"{venue.line['ws']}/ws/btcusdt@trade") as socket:
                first = json.loads((await socket.receive(60)).data)
                heard_ms = time.time() * 1000
                rest = [json.loads((await socket.receive(60)).data) for _ in range(4)]
            assert [trade["t"] for trade in (first, *rest)] == [1, 2, 3, 4, 5]
            assert asked_ms - 50 < first["T"] < heard_ms + 50
            assert (await client.get("seawall/market"))["ended"]

    run(work())


def test_shared_recordings_make_a_market(start_venue):
    files = sorted(RECORDINGS.glob("binance_spot-*_20240808.jsonl.xz"))
    if not files:
        pytest.skip(f"no recordings in {RECORDINGS}: replay of real traffic is not tested")
    venue = start_venue("--replay", *map(str, files))

    async def work():
        async with raw_client(venue) as client:
            for _ in range(1200):
                tops = await client.get("api/v3/ticker/bookTicker")
                if all(float(top["bidPrice"]) for top in tops):
                    break
                await asyncio.sleep(0.05)
            for top in tops:
                assert 0 < float(top["bidPrice"]) < float(top["askPrice"])

    run(work())
