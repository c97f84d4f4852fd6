"""`seawall rearm`: opens the kill switch; nothing else ever does (L9)."""

from __future__ import annotations

import argparse
from typing import Any

from procs.cli._steering import confirm, register_steering, show_answer, steer
from procs.cli.options import userdir_of
from shared.errors import NotRunningError
from shared.messages.control import Steered


def register(subparsers: Any) -> None:
    """Adds the verb."""
    register_steering(
        subparsers, "rearm", "open the kill switch again: entries may follow", destructive=True
    )


def run(args: argparse.Namespace) -> int:
    """Removes data/KILL, through the engine where one runs."""
    from procs.supervise.rundir import UserPaths, read_latch

    paths = UserPaths(userdir_of(args))
    reason = read_latch(paths.latch)
    confirm(args, f"Open the kill switch ({reason})?" if reason else "Open the kill switch?")
    try:
        answer = steer(paths.userdir, "rearm")
    except NotRunningError:
        paths.latch.unlink(missing_ok=True)
        text = "kill switch rearmed; no engine runs" if reason else "it was not latched"
        answer = Steered(ok=True, text=text)
    return show_answer(args, answer)
