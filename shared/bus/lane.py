"""The fast lane of quotes: `core_ext.ring` between ingest and those who decide by its quotes.

The supervisor makes the memory and one bell for each reader, without names, and hands them to its
children as descriptors: nobody else can open them (L13), they outlive every child and end with the
engine. Off by default; ZeroMQ carries every quote as well, and readers take whichever comes first.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from typing import Final

import msgspec

from core_ext.ring import MEMORY_SIZE, LaneReader, LaneWriter

WRITER: Final = "ingest"
READERS: Final = ("route", "protect", "decide")
"""Those whom a microsecond may concern, in the order of their numbers in the ring."""

_SEALS: Final = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
"""The size stays: memory that shrinks kills who reads it."""


class LaneEnds(msgspec.Struct, frozen=True):
    """Descriptors of a lane, the same numbers in the supervisor and in its children."""

    memory: int
    bells: dict[str, int]

    def of(self, role: str) -> tuple[int, ...]:
        """Those that a child of this role inherits; none when the lane does not concern it."""
        if role == WRITER:
            return (self.memory, *self.bells.values())
        return (self.memory, self.bells[role]) if role in self.bells else ()

    def close(self) -> None:
        """Lets go of all of them (supervisor)."""
        for descriptor in (self.memory, *self.bells.values()):
            os.close(descriptor)


def make_lane() -> LaneEnds:
    """New memory and bells. Raises OSError where the system has none to give."""
    memory = os.memfd_create("seawall-quotes", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(memory, MEMORY_SIZE)
    fcntl.fcntl(memory, fcntl.F_ADD_SEALS, _SEALS)
    flags = os.EFD_CLOEXEC | os.EFD_NONBLOCK
    return LaneEnds(memory, {role: os.eventfd(0, flags) for role in READERS})


class QuoteLane:
    """One role's end of the lane."""

    def __init__(self, ends: LaneEnds, role: str) -> None:
        """Raises OSError and core_ext's RecordRefused when the descriptors are not a lane."""
        self._memory = mmap.mmap(ends.memory, MEMORY_SIZE)
        self.writer: LaneWriter | None = None
        self.reader: LaneReader | None = None
        self.descriptor = -1
        """What the loop polls; -1 for the writer."""
        if role == WRITER:
            bells = [ends.bells[reader] for reader in READERS]
            self.writer = LaneWriter(self._memory, bells)
        else:
            self.descriptor = ends.bells[role]
            self.reader = LaneReader(self._memory, READERS.index(role), self.descriptor)

    def publish(self, frame: bytes) -> None:
        """Writes a quote (ingest)."""
        if self.writer is not None:
            self.writer.publish(frame)

    def drain(self, limit: int) -> list[bytes]:
        """Up to limit quotes; the bell rings at the next one, unless `waiting` says there is."""
        reader = self.reader
        if reader is None:
            return []
        reader.hush()
        taken = reader.take(limit)
        reader.sleep()
        return taken

    @property
    def waiting(self) -> bool:
        """Whether quotes are there that were not taken."""
        return self.reader is not None and self.reader.waiting > 0

    def figures(self) -> dict[str, float]:
        """Counters for the heartbeat."""
        if self.reader is not None:
            return {"lane_taken": self.reader.taken, "lane_skipped": self.reader.skipped}
        if self.writer is not None:
            return {"lane_written": self.writer.head, "lane_bells_broken": self.writer.broken_bells}
        return {}

    def close(self) -> None:
        """Unmaps the memory."""
        for end in (self.writer, self.reader):
            if end is not None:
                end.close()
        self.writer = self.reader = None
        self._memory.close()
