"""Cores that do not go to sleep: what `idle=poll`, a tuned host or a busy neighbour gives.

A hop between processes is mostly the waking of a core that had nothing to do, on a virtual machine
above all, and every design pays that alike. With all cores awake the figures show what is left: the
designs themselves.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from multiprocessing.connection import Connection

from bench.child import child

SLEEPING, AWAKE = "", "awake"
"""States of the cores, as they end a row's name."""


@contextlib.contextmanager
def cores(state: str) -> Iterator[None]:
    """Keeps every core that we may use in the state while the block lasts.

    Raises DeadlineError when a core's loop does not start.
    """
    with contextlib.ExitStack() as loops:
        for cpu in sorted(os.sched_getaffinity(0)) if state == AWAKE else ():
            said = loops.enter_context(child(f"the loop of core {cpu}", _loop, cpu))
            said.recv()
        yield


def _loop(said: Connection, cpu: int) -> None:
    os.sched_setaffinity(0, (cpu,))
    # Below every other thread: whoever has something to do takes the core at once.
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    said.send("ready")
    while True:
        pass


def named(name: str, state: str) -> str:
    """A row's name in a state of the cores."""
    return f"{name}_{state}" if state else name
