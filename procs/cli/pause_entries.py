"""`seawall pause-entries`: no new positions; exits and stops go on (E7)."""

from __future__ import annotations

import argparse
from typing import Any

from procs.cli._steering import register_steering, show_answer, steer


def register(subparsers: Any) -> None:
    """Adds the verb."""
    register_steering(
        subparsers, "pause-entries", "open no new positions; exits and stops go on (REDUCING)"
    )


def run(args: argparse.Namespace) -> int:
    """Sets REDUCING. Raises NotRunningError."""
    return show_answer(args, steer(args.userdir.absolute(), "pause-entries"))
