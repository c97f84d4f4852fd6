"""Virtual time: what happens next, and when. Equal instants keep the order of their setting."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush


class Agenda:
    """A queue of actions on a clock that jumps from one to the next."""

    def __init__(self, start_ns: int) -> None:
        self.now_ns = start_ns
        self.heap: list[tuple[int, int, Callable[[], None]]] = []
        """What is to come: when, the how manieth that was set, what; the first is the next."""
        self._count = 0

    def at(self, at_ns: int, action: Callable[[], None]) -> None:
        """Do something at a time that is not before now."""
        self._count += 1
        now_ns = self.now_ns
        heappush(self.heap, (at_ns if at_ns > now_ns else now_ns, self._count, action))

    def after(self, delay_ns: int, action: Callable[[], None]) -> None:
        """Do something a while from now."""
        self.at(self.now_ns + delay_ns, action)

    def step(self) -> bool:
        """Does the next thing; False when there is none."""
        if not self.heap:
            return False
        self.now_ns, _, action = heappop(self.heap)
        action()
        return True

    def is_due(self, until_ns: int) -> bool:
        """Whether something happens until then."""
        return bool(self.heap) and self.heap[0][0] <= until_ns

    def next_ns(self) -> int | None:
        """When the next thing happens."""
        return self.heap[0][0] if self.heap else None
