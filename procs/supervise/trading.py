"""The trading state as the strictest of all opinions (L9). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from procs.supervise.child import Child
from shared.messages.control import ProcessPhase, TradingState
from shared.units import NS_PER_S

LATE_BEAT_NS: Final = NS_PER_S
"""A heartbeat older than this means REDUCING (L7)."""


def judge(
    children: Iterable[Child],
    *,
    operator: TradingState,
    latch: str,
    stopping: bool,
    now_ns: int,
) -> tuple[TradingState, tuple[str, ...]]:
    """The state and every reason why it is not ACTIVE, in a fixed order."""
    state = operator
    reasons: list[str] = []
    if operator is TradingState.HALTED:
        reasons.append("halted by a person")
    elif operator is TradingState.REDUCING:
        reasons.append("entries paused by a person")
    if latch:
        reasons.append(f"kill switch latched: {latch}")
    if stopping:
        reasons.append("stopping")
    for child in children:
        if child.spec.needed:
            reason = _missing(child, now_ns)
            if reason:
                reasons.append(reason)
        if child.disk_trouble:
            # Its own trip, which the latch file may not show: it keeps the first reason of all.
            reasons.append(child.disk_trouble)
    if reasons:
        state = max(state, TradingState.REDUCING)
    return state, tuple(reasons)


def _missing(child: Child, now_ns: int) -> str:
    if child.phase is not ProcessPhase.READY:
        return f"{child.spec.role} is {child.phase.value}"
    if child.rescue:
        return f"{child.spec.role} runs in rescue mode"
    age_ns = now_ns - child.heard_at_ns
    if child.spec.beats and age_ns > LATE_BEAT_NS:
        return f"{child.spec.role} has not been heard for over {LATE_BEAT_NS // NS_PER_S} s"
    return ""
