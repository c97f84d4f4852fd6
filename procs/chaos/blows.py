"""What a nemesis may do to an engine, and the seeded sequence of it.

The n-th blow of a seed is always the same, whatever happened before it: each has dice of its own.
When it falls is up to the machine.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from procs.chaos.engine import ENGINE_ROLES
from procs.runtime.fate import POINTS

VENUE: Final = "localvenue"
SUPERVISE: Final = "supervise"

KILL: Final = "kill"
AIM: Final = "aim"
PAUSE: Final = "pause"
FAULTS: Final = "faults"
CUT: Final = "cut"
DISK: Final = "disk"

KINDS: Final = {KILL: 54, AIM: 23, PAUSE: 9, FAULTS: 8, CUT: 4, DISK: 2}
"""How often each, of a hundred."""

KILLED: Final = {
    "route": 28,
    "protect": 18,
    "ingest": 13,
    "decide": 13,
    "observe": 8,
    VENUE: 10,
    SUPERVISE: 10,
}
AIMED: Final = {"route": 76, "protect": 12, "decide": 12}
"""Roles with a journal; only route calls the venue for orders."""
AIM_MAX: Final = {"commit": 8, "call": 8, "order": 4, "answer": 4}
"""The last of these points comes within seconds while positions open and close all the time."""
PAUSED: Final = {**dict.fromkeys(ENGINE_ROLES, 16), SUPERVISE: 12, VENUE: 8}
FULL: Final = {"route": 70, "protect": 15, "decide": 15}

AGAIN_SHARE: Final = 0.15
"""So many blows come with a second one on top."""
TOGETHER_S: Final = 0.4
PAUSE_S: Final = (0.1, 8.0)
FAULTY_S: Final = (1.0, 4.0)

_USER: Final = {"channel": "user"}
_HANG: Final = {"writes": True, "hang_s": 2.5, "count": 2}

FAULT_PLANS: Final[dict[str, list[dict[str, Any]]]] = {
    "5xx": [
        {"kind": "error_5xx", "chance": 0.5},
        {"kind": "error_5xx", "chance": 0.5, "writes": True, "accepted": True},
    ],
    "timeout_before": [{"kind": "timeout_before", **_HANG}],
    "timeout_after": [{"kind": "timeout_after", **_HANG}],
    "dropped": [{"kind": "drop", "chance": 0.5}],
    "slow": [
        {"kind": "delay", "delay_ms": [50, 1500]},
        {"kind": "delay", "delay_ms": [50, 1500], "accepted": True},
    ],
    "empty": [{"kind": "empty_200", "writes": True, "count": 2}],
    "torn": [{"kind": "malformed_json", "count": 3}],
    "429": [{"kind": "rate_limited", "retry_after_s": 2, "count": 2}],
    "418": [{"kind": "banned", "retry_after_s": 3, "count": 1}],
    "read_lag": [{"kind": "read_lag", "lag_ms": 1500}],
    "stops_refused": [{"kind": "reject_stop", "count": 2}],
    "stops_vanish": [{"kind": "vanish_stop", "delay_ms": [50, 500], "count": 2}],
    "partial": [{"kind": "partial_fill", "share": [0.1, 0.9]}],
    "late_fills": [{"kind": "late_fill", "delay_ms": [300, 2500]}],
    "pushes_lost": [{"kind": "message_drop", **_USER, "chance": 0.5}],
    "pushes_twice": [{"kind": "duplicate", **_USER, "delay_ms": [0, 500]}],
    "pushes_mixed": [{"kind": "reorder", **_USER}],
    "market_silent": [{"kind": "stall", "channel": "market", "silent_s": 3}],
    "market_gaps": [{"kind": "gap", "chance": 0.05, "messages": 2}],
    "market_broken": [{"kind": "malformed_frame", "channel": "market", "chance": 0.05}],
}
CUTS: Final[dict[str, list[dict[str, Any]]]] = {
    "user": [{"kind": "cut", **_USER, "count": 2}],
    "market": [{"kind": "cut", "channel": "market", "count": 2}],
    "all": [{"kind": "cut", "count": 6}, {"kind": "drop", "chance": 0.5}],
}


@dataclass(frozen=True)
class Blow:
    """One thing that is done to the engine."""

    number: int
    kind: str
    role: str = ""
    """Whom it hits; empty for the venue's faults."""
    length_s: float = 0.0
    """Of a pause, of faults."""
    point: str = ""
    """Of an aim: where the process dies, as `Launch.dies_after`."""
    plan: str = ""
    """Of faults and cuts: which."""
    after_s: float = 0.0
    """The calm before it."""
    second: Blow | None = field(default=None)
    """Another one, `after_s` later, while this one is not over."""

    @property
    def name(self) -> str:
        """What is counted in the report."""
        detail = self.plan or self.point.partition(":")[0]
        return " ".join(part for part in (self.kind, self.role, detail) if part)

    @property
    def faults(self) -> list[dict[str, Any]]:
        """The plan for the venue's door."""
        return FAULT_PLANS[self.plan] if self.kind == FAULTS else CUTS[self.plan]


def blows(seed: int) -> Iterator[Blow]:
    """The endless sequence of a seed."""
    number = 0
    while True:
        number += 1
        yield blow_of(seed, number)


def blow_of(seed: int, number: int) -> Blow:
    """The n-th blow of a seed."""
    dice = random.Random(f"{seed}:{number}")
    first = _draw(dice, number, dice.choices(list(KINDS), list(KINDS.values()))[0])
    calm_s = dice.uniform(0.0, 1.0)
    second = None
    if dice.random() < AGAIN_SHARE:
        kind = dice.choice((KILL, KILL, KILL, PAUSE, CUT))
        drawn = _draw(dice, number, kind)
        # The supervisor's death would end the other blow before it was felt.
        if SUPERVISE not in (first.role, drawn.role) and drawn.role != first.role:
            second = _timed(drawn, dice.uniform(0.0, TOGETHER_S))
    return _timed(first, calm_s, second)


def _draw(dice: random.Random, number: int, kind: str) -> Blow:
    if kind == KILL:
        return Blow(number, kind, _one(dice, KILLED))
    if kind == PAUSE:
        least, most = (math.log(end) for end in PAUSE_S)
        return Blow(number, kind, _one(dice, PAUSED), math.exp(dice.uniform(least, most)))
    if kind == AIM:
        role = _one(dice, AIMED)
        point = dice.choice(POINTS if role == "route" else ("commit",))
        most = AIM_MAX[point] if role == "route" else 2
        return Blow(number, kind, role, point=f"{point}:{dice.randint(1, most)}")
    if kind == DISK:
        return Blow(number, kind, _one(dice, FULL))
    length_s = dice.uniform(*FAULTY_S)
    plans = FAULT_PLANS if kind == FAULTS else CUTS
    return Blow(number, kind, length_s=length_s, plan=dice.choice(list(plans)))


def _timed(blow: Blow, after_s: float, second: Blow | None = None) -> Blow:
    return Blow(
        blow.number,
        blow.kind,
        blow.role,
        blow.length_s,
        blow.point,
        blow.plan,
        after_s,
        second,
    )


def _one(dice: random.Random, weights: dict[str, int]) -> str:
    return dice.choices(list(weights), list(weights.values()))[0]
