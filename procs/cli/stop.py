"""`seawall stop`: stops the running engine in order and waits until it is gone."""

from __future__ import annotations

import argparse
import time
from typing import Any

from procs.cli._steering import register_steering, show_answer, steer
from procs.cli.options import userdir_of
from shared.clock import EngineClock
from shared.errors import DeadlineError
from shared.messages.control import Steered
from shared.units import NS_PER_S

LOOK_EVERY_S = 0.05


def register(subparsers: Any) -> None:
    """Adds the verb."""
    parser = register_steering(
        subparsers, "stop", "stop the running engine in order and wait until it is gone"
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=90.0,
        metavar="SECONDS",
        help="give up waiting (not stopping) after so long, exit code 5 (default: 90)",
    )


def run(args: argparse.Namespace) -> int:
    """Asks for the stop and waits. Raises NotRunningError; DeadlineError when it takes longer."""
    from procs.supervise.rundir import UserPaths, is_gone, read_run_file
    from shared.bus.locks import is_locked

    paths = UserPaths(userdir_of(args))
    engine = read_run_file(paths.run_file)
    answer = steer(paths.userdir, "stop")
    if not answer.ok:
        return show_answer(args, answer)
    clock = EngineClock()
    ends_ns = clock.now_ns() + int(args.timeout * NS_PER_S)
    while is_locked(paths.lock) or (engine is not None and not is_gone(engine.pid)):
        if clock.now_ns() > ends_ns:
            raise DeadlineError(f"the engine is still stopping after {args.timeout:g} s")
        time.sleep(LOOK_EVERY_S)
    return show_answer(args, Steered(ok=True, text="stopped", data=answer.data))
