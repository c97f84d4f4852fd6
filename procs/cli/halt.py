"""`seawall halt`: entries are cancelled, stops stay, nothing new is sent (E7, L9)."""

from __future__ import annotations

import argparse
from typing import Any

from procs.cli._steering import confirm, register_steering, show_answer, steer


def register(subparsers: Any) -> None:
    """Adds the verb."""
    register_steering(
        subparsers,
        "halt",
        "cancel entry orders, keep stops, send nothing new (HALTED)",
        destructive=True,
    )


def run(args: argparse.Namespace) -> int:
    """Sets HALTED after a confirmation. Raises NotRunningError."""
    confirm(args, "Halt trading? Take-profits and exits by the engine wait until `resume`.")
    return show_answer(args, steer(args.userdir.absolute(), "halt"))
