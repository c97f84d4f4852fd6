"""`seawall resume`: ends a pause or a halt, never the kill switch (E7)."""

from __future__ import annotations

import argparse
from typing import Any

from procs.cli._steering import register_steering, show_answer, steer


def register(subparsers: Any) -> None:
    """Adds the verb."""
    register_steering(
        subparsers,
        "resume",
        "end pause-entries and halt, and start failed processes again; never the kill switch",
    )


def run(args: argparse.Namespace) -> int:
    """Sets ACTIVE as far as a person's opinion goes. Raises NotRunningError."""
    return show_answer(args, steer(args.userdir.absolute(), "resume"))
