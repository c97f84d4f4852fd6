"""`seawall close SYMBOL|all`: a person wants out of a position."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from procs.cli._asking import asked
from procs.cli._steering import confirm, register_steering, show_answer, steer
from shared.errors import DeadlineError, NotFoundError, NotRunningError


def register(subparsers: Any) -> None:
    """Adds the verb."""
    parser = register_steering(subparsers, "close", "sell what is held", destructive=True)
    parser.add_argument("symbol", metavar="SYMBOL|all", help="such as BTCUSDT, or all")


def run(args: argparse.Namespace) -> int:
    """Asks protect, through the supervisor, to close.

    Raises NotRunningError, and NotFoundError for a symbol in which nothing is held."""
    everything = args.symbol.lower() == "all"
    if not everything:
        refuse_unheld(args.userdir.absolute(), args.symbol.upper())
    what = "every position" if everything else f"the position in {args.symbol.upper()}"
    confirm(args, f"Close {what}?")
    return show_answer(args, steer(args.userdir.absolute(), "close", args.symbol))


def refuse_unheld(userdir: Path, symbol: str) -> None:
    """Raises NotFoundError when observe knows of no position in symbol.

    Observe may be gone or late: then protect decides alone, a close never waits for a view."""
    try:
        held = sorted({row["symbol"] for row in asked(userdir, "positions").data})
    except (NotRunningError, DeadlineError):
        return
    if symbol not in held:
        raise NotFoundError(
            f"no open position in {symbol}, open are: {', '.join(held) if held else 'none'}"
        )
