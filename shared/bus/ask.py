"""A command's question to a running engine: one message there, one back, within a deadline."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import zmq

from shared.bus.locks import is_locked
from shared.bus.sockets import Link
from shared.bus.topology import Channel
from shared.errors import DeadlineError, NotRunningError
from shared.messages.base import Message, Reader, encode


def ask(run_dir: Path, channel: Channel, message: Message, deadline_ms: int = 3000) -> Any:
    """Says message on `steer` or `query` and returns the answer.

    Raises NotRunningError when nobody is bound there, DeadlineError without an answer in time and
    MessageError for an answer that cannot be read.
    """
    if not is_locked(channel.path(run_dir).with_suffix(".lock")):
        raise NotRunningError(f"no engine is running in {run_dir}")
    ends = time.monotonic() + deadline_ms / 1000
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    link = Link(context, channel, "cli", run_dir)
    try:
        link.open()
        body = encode(message)
        while not link.send(body):
            if time.monotonic() > ends:
                raise DeadlineError(
                    f"{channel.binder} did not take the question in {deadline_ms} ms"
                )
            time.sleep(0.005)
        while not (answers := link.drain(1)):
            if time.monotonic() > ends:
                raise DeadlineError(f"{channel.binder} did not answer within {deadline_ms} ms")
            time.sleep(0.002)
        return Reader(channel.spoken_to("cli")).read(answers[0][1])
    finally:
        link.close()
        context.term()
