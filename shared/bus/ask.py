"""A command's question to a running engine: one message there, one back, within a deadline."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import zmq

from shared.bus.locks import is_locked
from shared.bus.sockets import Link
from shared.bus.topology import Channel
from shared.clock import EngineClock
from shared.errors import DeadlineError, NotRunningError
from shared.messages.base import Message, Reader, encode
from shared.units import NS_PER_MS

CONNECT_PAUSE_MS: Final = 5
"""A connection on the same machine takes about one millisecond."""


def ask(run_dir: Path, channel: Channel, message: Message, deadline_ms: int = 3000) -> Any:
    """Says message on `steer` or `query` and returns the answer.

    Raises NotRunningError when nobody is bound there, DeadlineError without an answer in time and
    MessageError for an answer that cannot be read.
    """
    if not is_locked(channel.path(run_dir).with_suffix(".lock")):
        raise NotRunningError(f"no engine is running in {run_dir}")
    clock = EngineClock()
    ends_ns = clock.now_ns() + deadline_ms * NS_PER_MS
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    link = Link(context, channel, "cli", run_dir)
    try:
        link.open()
        body = encode(message)
        while not link.send(body):
            if clock.now_ns() > ends_ns:
                raise DeadlineError(f"{channel.binder} does not take questions")
            link.wait(CONNECT_PAUSE_MS)
        while not (answers := link.drain(1)):
            if clock.now_ns() > ends_ns:
                raise DeadlineError(f"{channel.binder} did not answer in {deadline_ms} ms")
            link.wait(max(1, (ends_ns - clock.now_ns()) // NS_PER_MS))
        return Reader(channel.spoken_to("cli")).read(answers[0][1])
    finally:
        link.close()
        context.term()
