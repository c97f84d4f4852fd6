"""The ordered stop as data: who leaves when, and how long each step may take (R1, L14). Pure."""

from __future__ import annotations

from typing import Final

import msgspec

ENTRY_ROLES: Final = ("route", "decide", "protect")
"""Those who must know that no entry may follow."""

DRAIN_MS: Final = 10_000
"""Cancelling entry orders: the slowest ladder step that cannot be cancelled is an IOC of 2 s."""
FLATTEN_MS: Final = 45_000
"""Closing positions: the exit ladder is 10 s + 2 s + market, with attempts to spare (P7)."""
KILL_GRACE_MS: Final = 2000
"""From SIGKILL to confirmed death; a process in uninterruptible sleep is given up after that."""


class StopPhase(msgspec.Struct, frozen=True, kw_only=True):
    """One step of the stop. It ends when its roles are gone (or drained), or at its deadline."""

    name: str
    leaving: tuple[str, ...] = ()
    drains: bool = False
    deadline_ms: int


def stop_phases(*, flatten: bool) -> tuple[StopPhase, ...]:
    """The orderly stop: entries first, then decide → ingest → protect → route → observe (L14).

    The local venue leaves last because the route's final words go to it."""
    return (
        StopPhase(
            name="stop entries and flatten" if flatten else "stop entries",
            drains=True,
            deadline_ms=FLATTEN_MS if flatten else DRAIN_MS,
        ),
        StopPhase(name="stop decide", leaving=("decide",), deadline_ms=4000),
        StopPhase(name="stop ingest", leaving=("ingest",), deadline_ms=4000),
        StopPhase(name="stop protect", leaving=("protect",), deadline_ms=4000),
        StopPhase(name="stop route", leaving=("route",), deadline_ms=8000),
        StopPhase(name="stop observe", leaving=("observe",), deadline_ms=5000),
        StopPhase(name="stop the local venue", leaving=("localvenue",), deadline_ms=5000),
    )


def hurried_phases() -> tuple[StopPhase, ...]:
    """The second Ctrl-C: nobody waits for anybody, but each may still flush and report."""
    return (
        StopPhase(
            name="stop everything at once",
            leaving=("decide", "ingest", "protect", "route", "observe"),
            deadline_ms=2000,
        ),
        StopPhase(name="stop the local venue", leaving=("localvenue",), deadline_ms=1500),
    )
