"""Signed orders through eight kept-alive HTTP connections: how many a second, how long each takes.

The client signs before the clock starts and answers at once with the next order on each connection,
so the server is always busy. The same bytes go to a bare aiohttp handler in turn.
"""

from __future__ import annotations

import asyncio
import hmac
import itertools
import time
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from bench.venue_process import VenueProcess, bare_server, cores, in_a_process, running_venue
from core_ext.histogram import Histogram
from shared.errors import SeawallError

CONNECTIONS = 8
ROUNDS = 3
ROUND_S = 2.5
SLICE_S = 0.1
WARM_UP_S = 0.5
WANTED_ORDERS_PER_S = 3_000
SYMBOL = "BTCUSDT"


def run() -> list[dict[str, Any]]:
    """The rows of orders in and of the time until their answers."""
    server_core, client_core = cores()
    rates: dict[str, list[float]] = {"seawall": [], "bare": []}
    answered = {"seawall": 0, "bare": 0}
    cpu_s = {"seawall": 0.0, "bare": 0.0}
    waits = {"seawall": Histogram(), "bare": Histogram()}
    with (
        running_venue(
            *("--profile", "calm", "--symbols", "1", "--balance", "USDT=100000000"),
            *("--balance", "BTC=1000"),
            core=server_core,
        ) as venue,
        bare_server(server_core) as bare,
    ):
        price = _touch(venue)
        for _ in range(ROUNDS):
            for name, server in (("seawall", venue), ("bare", bare)):
                before_s = server.cpu_s()
                found, count, data = in_a_process(
                    load, client_core, server.host, server.port, dict(venue.line), price
                )
                cpu_s[name] += server.cpu_s() - before_s
                answered[name] += count
                rates[name] += found
                waits[name].merge(Histogram.from_bytes(data))
    ours = sorted(rates["seawall"])
    per_core = {name: answered[name] / max(cpu_s[name], 0.01) for name in answered}
    return [
        {
            "name": "signed_orders_in",
            "unit": "orders/s",
            "p50": round(ours[len(ours) // 2]),
            "p99": round(ours[len(ours) // 100]),
            "p999": round(ours[0]),
            "cpu": round(per_core["seawall"]),
            "ratio_to": {"bare_aiohttp": round(per_core["seawall"] / per_core["bare"], 2)},
            "wanted": WANTED_ORDERS_PER_S,
            "operation": f"{CONNECTIONS} connections; rates of {SLICE_S:g} s slices; cpu and the "
            "ratio: orders in a second of the server's own time",
            "samples": waits["seawall"].count,
        },
        {
            "name": "signed_order_answer",
            "unit": "us",
            **{
                f"p{str(p).replace('.', '')}": round(waits["seawall"].percentile(p) / 1e3, 1)
                for p in (50, 99, 99.9)
            },
            "ratio_to": {
                "bare_aiohttp": round(
                    waits["bare"].percentile(50) / waits["seawall"].percentile(50), 2
                )
            },
            "operation": f"from sending to the whole answer, {CONNECTIONS} orders under way",
            "samples": waits["seawall"].count,
        },
    ]


def _touch(venue: VenueProcess) -> float:
    """The best bid, when the market has one."""
    url = f"{venue.line['rest']}/api/v3/depth?symbol={SYMBOL}&limit=5"
    for _ in range(100):
        with urllib.request.urlopen(url, timeout=5) as answer:
            bids = orjson.loads(answer.read())["bids"]
        if bids:
            return float(bids[0][0])
        time.sleep(0.05)
    raise SeawallError("bench venue: the market has no book")


def requests(line: Mapping[str, Any], price: float, host: str, port: int) -> Iterator[bytes]:
    """Signed requests without end: half of them IOC orders that miss, half tiny market orders."""
    secret, key = line["api_secret"].encode(), line["api_key"]
    head = (
        f"POST /api/v3/order HTTP/1.1\r\nHost: {host}:{port}\r\nX-MBX-APIKEY: {key}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: "
    ).encode()
    now_ms = time.time_ns() // 1_000_000
    far = f"{price * 0.97:.2f}"
    kinds = (
        f"side=BUY&type=LIMIT&timeInForce=IOC&quantity=0.001&price={far}",
        "side=BUY&type=MARKET&quantity=0.0002",
        f"side=BUY&type=LIMIT&timeInForce=IOC&quantity=0.002&price={far}",
        "side=SELL&type=MARKET&quantity=0.0002",
    )
    for number in itertools.count():
        body = (
            f"symbol={SYMBOL}&{kinds[number % 4]}&newClientOrderId=b{now_ms}x{number}"
            f"&recvWindow=60000&timestamp={now_ms}"
        ).encode()
        body += b"&signature=" + hmac.digest(secret, body, "sha256").hex().encode()
        yield head + str(len(body)).encode() + b"\r\n\r\n" + body


class Connection(asyncio.Protocol):
    """One kept-alive connection that sends the next order when the answer is whole."""

    def __init__(self, prepared: Iterator[bytes], waits: Histogram, done: list[float]) -> None:
        self._prepared, self._waits, self._done = prepared, waits, done
        self._received = b""
        self._sent_ns = 0
        self.answered = 0
        self.refused: bytes | None = None
        self.measures = self.stopped = False

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def send(self) -> None:
        """Sends the next prepared order; stops when there is none."""
        request = next(self._prepared, None)
        if request is None or self.stopped:
            return
        self._sent_ns = time.perf_counter_ns()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        data = self._received + data if self._received else data
        end = data.find(b"\r\n\r\n")
        if end < 0:
            self._received = data
            return
        head = data[:end].lower()
        at = head.index(b"content-length:") + 15
        length = int(head[at : head.find(b"\r\n", at) if b"\r\n" in head[at:] else end])
        if len(data) < end + 4 + length:
            self._received = data
            return
        self._received = b""
        self.answered += 1
        now_ns = time.perf_counter_ns()
        if self.measures:
            self._waits.record(now_ns - self._sent_ns)
            self._done.append(now_ns / 1e9)
        if not data.startswith(b"HTTP/1.1 200"):
            self.refused = data
            self.stopped = True
        self.send()


Load = tuple[list[float], int, bytes]
"""Rates of the slices, how many orders were answered in all, the histogram of waits."""


def load(host: str, port: int, line: dict[str, Any], price: float) -> Load:
    """One round of orders. Raises SeawallError when one is refused."""
    prepared = list(itertools.islice(requests(line, price, host, port), 30_000))
    return asyncio.run(_load(host, port, iter(prepared)))


async def _load(host: str, port: int, prepared: Iterator[bytes]) -> Load:
    waits, done = Histogram(), list[float]()
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(lambda: Connection(prepared, waits, done), host, port)
        for _ in range(CONNECTIONS)
    ]
    for _, connection in made:
        connection.send()
    await asyncio.sleep(WARM_UP_S)
    for _, connection in made:
        connection.measures = True
    start = time.perf_counter()
    await asyncio.sleep(ROUND_S)
    for transport, connection in made:
        connection.stopped = True
        transport.close()
    refused = next((one.refused for _, one in made if one.refused is not None), None)
    if refused is not None:
        raise SeawallError(f"bench venue: an order was refused: {refused[-200:]!r}")
    counts = [0] * int(ROUND_S / SLICE_S)
    for at in done:
        place = int((at - start) / SLICE_S)
        if 0 <= place < len(counts):
            counts[place] += 1
    return (
        [count / SLICE_S for count in counts],
        sum(one.answered for _, one in made),
        waits.to_bytes(),
    )
