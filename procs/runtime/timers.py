"""Timers by key: setting a key again replaces it. Time is handed in, never read."""

from __future__ import annotations

import heapq
from typing import Final

from shared.domain.effects import CancelTimer, SetTimer, TimerFired

REBUILD_AT: Final = 64
"""The heap is swept once dead entries outnumber the live ones, and are so many."""


class Timers:
    """A heap of due times; replaced and cancelled entries stay in it until they surface."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, str]] = []
        self._serial_of: dict[str, int] = {}
        self._serial = 0

    def __len__(self) -> int:
        return len(self._serial_of)

    def perform(self, effect: SetTimer | CancelTimer) -> None:
        """Sets or forgets a timer."""
        if isinstance(effect, CancelTimer):
            self._serial_of.pop(effect.key, None)
            return
        self._serial += 1
        self._serial_of[effect.key] = self._serial
        heapq.heappush(self._heap, (effect.at_ns, self._serial, effect.key))
        if len(self._heap) > REBUILD_AT + 2 * len(self._serial_of):
            self._heap = [entry for entry in self._heap if self._lives(entry)]
            heapq.heapify(self._heap)

    def next_ns(self) -> int | None:
        """When the next timer is due; None when there is none."""
        while self._heap and not self._lives(self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def due(self, now_ns: int, limit: int) -> list[TimerFired]:
        """Takes up to limit timers that are due, the earliest first."""
        fired: list[TimerFired] = []
        while len(fired) < limit:
            at_ns = self.next_ns()
            if at_ns is None or at_ns > now_ns:
                break
            key = heapq.heappop(self._heap)[2]
            del self._serial_of[key]
            fired.append(TimerFired(key))
        return fired

    def _lives(self, entry: tuple[int, int, str]) -> bool:
        return self._serial_of.get(entry[2]) == entry[1]
