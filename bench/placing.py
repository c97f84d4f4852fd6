"""Where a benchmark's processes run: as the kernel places them, or all on one core.

A message between two cores wakes the other one by an interrupt, which costs tens of microseconds
on a virtual machine, and more when that core was asleep; on one core the same wake is a switch of
processes. Every design pays alike, so that ratios on many cores show the machine rather than the
design.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Final

AS_PLACED: Final = ""
ONE_CORE: Final = "on_one_core"
PLACINGS: Final = (AS_PLACED, ONE_CORE)
"""As they end a row's name."""


@contextlib.contextmanager
def placing(where: str) -> Iterator[None]:
    """What is started in the block runs there, this process too."""
    allowed = os.sched_getaffinity(0)
    if where == ONE_CORE:
        # Not the first: interrupts of disks and networks go there on most machines.
        os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def named(name: str, where: str) -> str:
    """A row's name in a placing."""
    return f"{name}_{where}" if where else name
