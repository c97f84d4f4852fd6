"""`seawall close SYMBOL|all`: a person wants out of a position."""

from __future__ import annotations

import argparse
from typing import Any

from procs.cli._steering import confirm, register_steering, show_answer, steer


def register(subparsers: Any) -> None:
    """Adds the verb."""
    parser = register_steering(subparsers, "close", "sell what is held", destructive=True)
    parser.add_argument("symbol", metavar="SYMBOL|all", help="such as BTCUSDT, or all")


def run(args: argparse.Namespace) -> int:
    """Asks protect, through the supervisor, to close. Raises NotRunningError."""
    everything = args.symbol.lower() == "all"
    what = "every position" if everything else f"the position in {args.symbol.upper()}"
    confirm(args, f"Close {what}?")
    return show_answer(args, steer(args.userdir.absolute(), "close", args.symbol))
