"""An ordinary client for an hour: genuine ccxt.pro watchers, and a small loop of orders.

It knows nothing of the venue but its address and keys. Every report tells what was new since the
last one, so that its own memory stays small.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any

from core_ext.histogram import Histogram

ORDER_EVERY_S = 2.0
"""The venue remembers closed orders; a small loop keeps that apart from what would be a leak."""
SYMBOL = "BTC/USDT"
QUANTITY = 0.001


class Report:
    """What happened since the last report; goes through a pipe."""

    def __init__(self) -> None:
        self.messages = 0
        self.orders = 0
        self.fills = 0
        self.errors: list[str] = []
        self.answer = Histogram()
        self.lag = Histogram()

    def packed(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "messages": self.messages,
            "orders": self.orders,
            "fills": self.fills,
            "errors": self.errors[:5],
            "answer": self.answer.to_bytes(),
            "lag": self.lag.to_bytes(),
        }


def trade(line: Mapping[str, Any], every_s: float, connection: Connection) -> None:
    """Watches and trades until told to end, and reports each `every_s` seconds."""
    asyncio.run(_trade(line, every_s, connection))


def configuration(line: Mapping[str, Any]) -> dict[str, Any]:
    """ccxt pointed at the venue by URL."""
    rest, ws = f"{line['rest']}/api/v3", line["ws"]
    return {
        "apiKey": line["api_key"],
        "secret": line["api_secret"],
        "enableRateLimit": False,
        "newUpdates": True,
        "options": {
            "defaultType": "spot",
            "fetchCurrencies": False,
            "fetchMargins": False,
            "fetchMarkets": {"types": ["spot"]},
        },
        "urls": {
            "api": {
                "public": rest,
                "private": rest,
                "v1": f"{line['rest']}/api/v1",
                "ws": {"spot": f"{ws}/stream/ws", "ws-api": {"spot": f"{ws}/ws-api/v3"}},
            }
        },
    }


async def _trade(line: Mapping[str, Any], every_s: float, connection: Connection) -> None:
    import ccxt.pro

    exchange = ccxt.pro.binance(configuration(line))
    report = Report()
    handle = exchange.handle_message

    def counted(client: Any, message: Any) -> Any:
        report.messages += 1
        sent_ms = message.get("E") if isinstance(message, dict) else None
        if isinstance(sent_ms, int):
            report.lag.record(max(0, time.time_ns() - sent_ms * 1_000_000))
        return handle(client, message)

    exchange.handle_message = counted
    try:
        await exchange.load_markets()
        tasks = [
            asyncio.create_task(_forever(one, report))
            for one in (
                lambda: exchange.watch_order_book(SYMBOL),
                lambda: exchange.watch_trades(SYMBOL),
                lambda: exchange.watch_ticker(SYMBOL),
                lambda: exchange.watch_bids_asks([SYMBOL]),
                lambda: exchange.watch_orders(SYMBOL),
            )
        ]
        tasks.append(asyncio.create_task(_forever(lambda: _order(exchange, report), report)))
        connection.send("ready")
        while not connection.poll():
            await asyncio.sleep(every_s)
            connection.send(report.packed())
            report.__init__()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        await exchange.close()


async def _forever(step: Callable[[], Awaitable[Any]], report: Report) -> None:
    """Repeats one watcher; an error of the library is counted and shown, not hidden."""
    from ccxt.base.errors import BaseError

    while True:
        try:
            await step()
        except BaseError as error:
            report.errors.append(repr(error)[:200])
            await asyncio.sleep(1)


async def _order(exchange: Any, report: Report) -> None:
    """Buys and sells a little by turns, and places and cancels an order far away."""
    side = "buy" if report.orders % 4 < 2 else "sell"
    ticker = exchange.bidsasks.get(SYMBOL) or await exchange.fetch_bids_asks([SYMBOL])
    bid = ticker.get("bid") or ticker[SYMBOL]["bid"]
    started_ns = time.perf_counter_ns()
    await exchange.create_order(SYMBOL, "market", side, QUANTITY)
    report.answer.record(time.perf_counter_ns() - started_ns)
    report.fills += 1
    started_ns = time.perf_counter_ns()
    order = await exchange.create_order(SYMBOL, "limit", "buy", QUANTITY, bid * 0.95)
    report.answer.record(time.perf_counter_ns() - started_ns)
    await exchange.cancel_order(order["id"], SYMBOL)
    report.orders += 2
    await asyncio.sleep(ORDER_EVERY_S)
