"""Asks the running engine's observe process, over the `query` socket of the run directory."""

from __future__ import annotations

import socket
from pathlib import Path

from shared.errors import DeadlineError, NotRunningError
from shared.messages.base import Reader, encode
from shared.messages.control import Ask, Told

ANSWER_WITHIN_MS = 3_000
STALE_MS = 2_000

_READER = Reader(Told)


def require_listener(path: Path) -> None:
    """Raises NotRunningError when nobody listens at a socket file; dead engines leave theirs."""
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    probe.settimeout(1.0)
    try:
        probe.connect(str(path))
    except OSError as error:
        raise NotRunningError(
            f"no engine is running in {path.parent} (nobody listens at {path.name}); "
            "`seawall run` starts one"
        ) from error
    finally:
        probe.close()


def ask(userdir: Path, what: str) -> Told:
    """The engine's answer. Raises NotRunningError, or DeadlineError when it does not answer."""
    import zmq

    from shared.bus.topology import QUERY

    run_dir = userdir / "run"
    address = QUERY.address(run_dir)
    require_listener(QUERY.path(run_dir))
    context = zmq.Context()
    asking = context.socket(zmq.DEALER)
    try:
        asking.setsockopt(zmq.LINGER, 0)
        asking.connect(address)
        asking.send(encode(Ask(what=what)))
        if not asking.poll(ANSWER_WITHIN_MS):
            raise DeadlineError(f"observe did not answer within {ANSWER_WITHIN_MS} ms")
        told: Told = _READER.read(asking.recv())
    finally:
        asking.close()
        context.term()
    if told.stale_ms < 0:
        raise NotRunningError("the engine is starting: route has not told its account yet")
    return told
