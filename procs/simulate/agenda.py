"""Virtual time: what happens next, and when. Equal instants keep the order of their setting."""

from __future__ import annotations

import heapq
from collections.abc import Callable


class Agenda:
    """A queue of actions on a clock that jumps from one to the next."""

    def __init__(self, start_ns: int) -> None:
        self.now_ns = start_ns
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0

    def at(self, at_ns: int, action: Callable[[], None]) -> None:
        """Do something at a time that is not before now."""
        self._count += 1
        now_ns = self.now_ns
        heapq.heappush(self._heap, (at_ns if at_ns > now_ns else now_ns, self._count, action))

    def after(self, delay_ns: int, action: Callable[[], None]) -> None:
        """Do something a while from now."""
        self.at(self.now_ns + delay_ns, action)

    def step(self) -> bool:
        """Does the next thing; False when there is none."""
        if not self._heap:
            return False
        self.now_ns, _, action = heapq.heappop(self._heap)
        action()
        return True

    def is_due(self, until_ns: int) -> bool:
        """Whether something happens until then."""
        return bool(self._heap) and self._heap[0][0] <= until_ns

    def next_ns(self) -> int | None:
        """When the next thing happens."""
        return self._heap[0][0] if self._heap else None
