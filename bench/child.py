"""A process of a benchmark's own: spawned, heard when it is ready, ended with its block."""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any, Final

from shared.errors import DeadlineError

START_WITHIN_S: Final = 60
STOP_WITHIN_S: Final = 5


@contextlib.contextmanager
def child(who: str, target: Callable[..., None], *args: Any) -> Iterator[Connection]:
    """Runs `target(connection, *args)`; its first word waits in the connection.

    The process is killed with the block, however that ends. Raises DeadlineError, naming `who`,
    when it says nothing in time.
    """
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=target, args=(theirs, *args), daemon=True)
    process.start()
    # Open here too, it would keep the death of the process from being heard.
    theirs.close()
    try:
        if not ours.poll(START_WITHIN_S):
            raise DeadlineError(f"{who} is not ready after {START_WITHIN_S} s")
        yield ours
    finally:
        process.kill()
        process.join(STOP_WITHIN_S)
        ours.close()
