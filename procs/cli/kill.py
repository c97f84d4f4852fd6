"""`seawall kill`: latches the kill switch, with the engine dead or alive (L9)."""

from __future__ import annotations

import argparse
from typing import Any

from procs.cli._steering import confirm, register_steering, show_answer, steer
from procs.cli.options import userdir_of
from shared.errors import DeadlineError, NotRunningError
from shared.messages.control import Steered


def register(subparsers: Any) -> None:
    """Adds the verb."""
    parser = register_steering(
        subparsers,
        "kill",
        "latch the kill switch: no entries until `rearm`, over restarts too",
        destructive=True,
    )
    parser.add_argument("--reason", default="killed by a person", help="kept in data/KILL")


def run(args: argparse.Namespace) -> int:
    """Creates data/KILL first, then tells the engine: the file alone is what holds."""
    from procs.supervise.rundir import UserPaths, write_latch

    confirm(args, "Latch the kill switch?")
    paths = UserPaths(userdir_of(args))
    paths.data_dir.mkdir(exist_ok=True)
    write_latch(paths.latch, args.reason)
    try:
        answer = steer(paths.userdir, "kill", args.reason)
    except NotRunningError:
        answer = Steered(ok=True, text="kill switch latched; no engine runs; `seawall rearm` opens")
    except DeadlineError as error:
        answer = Steered(ok=True, text=f"kill switch latched in {paths.latch}, but {error}")
    return show_answer(args, answer)
