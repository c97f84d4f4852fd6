"""A position's health, 0 (worst) to 100 (P9): a weighted look at five things that go wrong."""

from __future__ import annotations

import msgspec

WEIGHTS = {"pnl": 0.30, "drawdown": 0.20, "volatility": 0.20, "age": 0.15, "liquidity": 0.15}
ALARM_BELOW = 25.0

_PNL_SPAN_PCT = 5.0
_DRAWDOWN_SPAN_PCT = 5.0
_VOLATILITY_SPAN_PCT = 3.0
_AGE_SPAN_S = 24 * 3600.0
_LIQUIDITY_SPAN = 10.0
"""Depth of this many position sizes within 50 bps is as good as any more."""


class Vitals(msgspec.Struct, frozen=True, kw_only=True):
    """What the score looks at; percentages, seconds, and depth in position sizes."""

    pnl_pct: float
    drawdown_pct: float
    """Fall from the best price since the entry."""
    volatility_pct: float
    age_s: float
    depth_positions: float


def score(vitals: Vitals) -> float:
    """The weighted mean of five scores of 0 … 100; monotone in each of them."""
    parts = {
        "pnl": _share(0.5 + vitals.pnl_pct / (2 * _PNL_SPAN_PCT)),
        "drawdown": _share(1 - vitals.drawdown_pct / _DRAWDOWN_SPAN_PCT),
        "volatility": _share(1 - vitals.volatility_pct / _VOLATILITY_SPAN_PCT),
        "age": _share(1 - vitals.age_s / _AGE_SPAN_S),
        "liquidity": _share(vitals.depth_positions / _LIQUIDITY_SPAN),
    }
    return round(100 * sum(WEIGHTS[name] * value for name, value in parts.items()), 1)


def _share(value: float) -> float:
    return min(max(value, 0.0), 1.0)
