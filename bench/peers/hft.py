"""hftbacktest: its depth of a tick window, inside a backtest, which is the only way to it.

A backtest keeps two books, the exchange's and the trader's, and its order queue: its figure is of
more work than one book's, and is shown beside ours as what it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hftbacktest import (
    BUY_EVENT,
    DEPTH_EVENT,
    EXCH_EVENT,
    LOCAL_EVENT,
    SELL_EVENT,
    BacktestAsset,
    ROIVectorMarketDepthBacktest,
    event_dtype,
)
from numba import njit

from bench.peers.material import CENTRE_TICKS, LOT, TICK, Change

STEP_NS = 1_000
WINDOW_TICKS = 20_000


@njit  # type: ignore[untyped-decorator]
def _run(backtest: Any, duration_ns: int) -> int:
    return int(backtest.elapse(duration_ns))


def _events(changes: list[Change]) -> Any:
    events = np.zeros(len(changes), dtype=event_dtype)
    for number, (is_bid, ticks, lots) in enumerate(changes):
        side = BUY_EVENT if is_bid else SELL_EVENT
        at_ns = (number + 1) * STEP_NS
        events[number] = (
            DEPTH_EVENT | EXCH_EVENT | LOCAL_EVENT | side, at_ns, at_ns,
            ticks * TICK, lots * LOT, 0, 0, 0.0,
        )  # fmt: skip
    return events


def updates(changes: list[Change]) -> Callable[[], Callable[[Any], Any]]:
    """All changes as one backtest; compiled before the clock runs."""
    events = _events(changes)

    def backtest() -> Any:
        asset = (
            BacktestAsset()
            .data([events])
            .linear_asset(1.0)
            .constant_order_latency(0, 0)
            .risk_adverse_queue_model()
            .no_partial_fill_exchange()
            .trading_value_fee_model(0.0, 0.0)
            .tick_size(TICK)
            .lot_size(LOT)
            .roi_lb((CENTRE_TICKS - WINDOW_TICKS) * TICK)
            .roi_ub((CENTRE_TICKS + WINDOW_TICKS) * TICK)
        )
        return ROIVectorMarketDepthBacktest([asset])

    _run(backtest(), STEP_NS)

    def prepare() -> Callable[[Any], Any]:
        made = backtest()
        return lambda duration_ns: _run(made, duration_ns)

    return prepare
