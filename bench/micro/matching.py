"""The local venue's matching core on one core: orders placed, canceled and filled from Python.

A market maker's hour: most orders rest and are canceled again, one in nineteen operations takes.
Every operation passes all checks and filters, moves money between exact accounts, and its events
are drained. The peer does the book alone: a sorted dictionary, floats, no accounts, no checks.
"""

from __future__ import annotations

import statistics
import time
from decimal import Decimal
from typing import Any, Final

from sortedcontainers import SortedDict

from procs.localvenue.market.events import BookChanged
from procs.localvenue.market.listings import LISTINGS
from procs.localvenue.matching.exchange import Exchange
from procs.localvenue.matching.model import Placed
from procs.localvenue.matching.requests import PlaceOrder
from shared.units import NS_PER_S

WANTED_PER_S: Final = 200_000
RESTING: Final = 9
"""Orders that come and go for each one that takes."""
ROUNDS_PER_SLICE: Final = 120
SLICES: Final = 100
SYMBOL: Final = "BTCUSDT"
LEVELS: Final = 100
MIDDLE: Final = 60_000


def rows() -> list[dict[str, Any]]:
    """One row {name, unit, p50, p99, p999, ratio_to, wanted, operation, samples}.

    Rates are operations in a second of the thread's own CPU time, slice by slice; p99 and p999 are
    what 99 and 99.9 % of the slices reach."""
    ours, bare = _Ours(), _Bare()
    rates: dict[str, list[float]] = {"seawall": [], "sorted_dict": []}
    for turn in range(SLICES + 5):
        for name, work in (("seawall", ours.work), ("sorted_dict", bare.work)):
            rate = _rate(work)
            if turn >= 5:  # The first slices warm up.
                rates[name].append(rate)
    found = sorted(rates["seawall"])
    medians = {name: statistics.median(one) for name, one in rates.items()}
    return [
        {
            "name": "matching_operations",
            "unit": "ops/s",
            "p50": round(medians["seawall"]),
            "p99": round(found[len(found) // 100]),
            "p999": round(found[0]),
            "cpu": round(medians["seawall"]),
            "ratio_to": {"sorted_dict": round(medians["seawall"] / medians["sorted_dict"], 2)},
            "wanted": WANTED_PER_S,
            "operation": f"{RESTING} limit orders placed and canceled, one that takes; events "
            "drained; the peer keeps a book alone, without checks, accounts or events",
            "samples": SLICES * ROUNDS_PER_SLICE * (2 * RESTING + 1),
        }
    ]


def _rate(work: Any) -> float:
    """Operations in a second of CPU time over one slice."""
    started_ns = time.thread_time_ns()
    for _ in range(ROUNDS_PER_SLICE):
        work()
    spent_ns = time.thread_time_ns() - started_ns
    return ROUNDS_PER_SLICE * (2 * RESTING + 1) * NS_PER_S / spent_ns


class _Ours:
    """The venue's core with one account and a deep published book."""

    def __init__(self) -> None:
        self._now_ms = 0
        self._exchange = Exchange(
            [LISTINGS[0].instrument()],
            {"one": {"USDT": Decimal(10**9), "BTC": Decimal(10**4)}},
        )
        size = Decimal(10**6)
        self._exchange.on_market(
            BookChanged(
                symbol=SYMBOL,
                at_ms=0,
                first_id=1,
                last_id=1,
                bids=tuple((Decimal(MIDDLE - step), size) for step in range(LEVELS)),
                asks=tuple((Decimal(MIDDLE + 1 + step), size) for step in range(LEVELS)),
            ),
            0,
        )
        quantity = Decimal("0.01")
        self._resting = [
            PlaceOrder(
                symbol=SYMBOL,
                side="BUY",
                type="LIMIT",
                quantity=quantity,
                price=Decimal(MIDDLE - step),
                time_in_force="GTC",
            )
            for step in range(RESTING)
        ]
        self._taking = [
            PlaceOrder(
                symbol=SYMBOL,
                side="BUY",
                type="LIMIT",
                quantity=quantity,
                price=Decimal(MIDDLE + 1),
                time_in_force="IOC",
            ),
            PlaceOrder(symbol=SYMBOL, side="SELL", type="MARKET", quantity=quantity),
        ]

    def work(self) -> None:
        """One round of the mix."""
        exchange, now_ms = self._exchange, self._now_ms
        self._now_ms += 1
        ids = []
        for request in self._resting:
            placed = exchange.place("one", request, now_ms)
            exchange.drain()
            assert isinstance(placed, Placed)
            ids.append(placed.order.id)
        for order_id in ids:
            exchange.cancel("one", SYMBOL, now_ms, order_id=order_id)
            exchange.drain()
        taken = exchange.place("one", self._taking[now_ms % 2], now_ms)
        exchange.drain()
        assert isinstance(taken, Placed)
        assert taken.fills


class _Bare:
    """Price levels in a sorted dictionary, orders by id: what a book needs at least."""

    def __init__(self) -> None:
        self._bids = SortedDict({float(MIDDLE - step): {} for step in range(LEVELS)})
        self._asks = SortedDict({float(MIDDLE + 1 + step): 1e6 for step in range(LEVELS)})
        self._last_id = 0

    def work(self) -> None:
        """The same round on the bare book."""
        placed = []
        for step in range(RESTING):
            self._last_id += 1
            price = float(MIDDLE - step)
            if self._asks.peekitem(0)[0] > price:
                self._bids.setdefault(price, {})[self._last_id] = 0.01
                placed.append((price, self._last_id))
        for price, order_id in placed:
            del self._bids[price][order_id]
        best, size = self._asks.peekitem(0)
        self._asks[best] = size - 0.01
