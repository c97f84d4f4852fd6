"""The engine's path once more, its quotes by the fast lane too: what shared memory takes off a hop.

As in the engine every quote still goes by ZeroMQ as well, and whichever comes second is dropped by
its number; so the figures hold the whole price of going both ways.
"""

from __future__ import annotations

from multiprocessing.reduction import DupFd
from typing import Any

from shared.bus.lane import LaneEnds, QuoteLane, make_lane


class PassedLane:
    """A lane whose descriptors find their way into a spawned process."""

    def __init__(self, ends: LaneEnds) -> None:
        self.ends = ends

    def __reduce__(self) -> Any:
        bells = {role: DupFd(bell) for role, bell in self.ends.bells.items()}
        return _received, (DupFd(self.ends.memory), bells)

    def end_of(self, role: str) -> QuoteLane:
        """One role's end."""
        return QuoteLane(self.ends, role)


def _received(memory: Any, bells: dict[str, Any]) -> PassedLane:
    detached = {role: bell.detach() for role, bell in bells.items()}
    return PassedLane(LaneEnds(memory.detach(), detached))


def new_lane() -> PassedLane:
    """A lane for one design."""
    return PassedLane(make_lane())
