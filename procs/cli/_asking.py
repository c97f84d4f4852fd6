"""What the verbs that ask observe share: options, the answer as a table or as JSON."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from procs.cli._table import Column, show_table
from procs.cli.options import add_json, add_userdir, print_json
from shared.errors import ExitCode, NotRunningError
from shared.messages.control import Ask, Told

STALE_MS = 2_000
"""Route beats several times a second; an answer older than this is said to be old."""


def register_question(subparsers: Any, verb: str, help_text: str) -> argparse.ArgumentParser:
    """Adds a verb that asks the running engine."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        verb, help=help_text, description=f"{help_text.capitalize()}; needs a running engine."
    )
    add_userdir(parser)
    add_json(parser)
    return parser


def asked(userdir: Path, what: str) -> Told:
    """The engine's answer. Raises NotRunningError, or DeadlineError when it does not answer."""
    # Imported here so that `seawall --help`, which imports every verb, needs no sockets.
    from shared.bus.ask import ask
    from shared.bus.topology import QUERY

    told: Told = ask(userdir / "run", QUERY, Ask(what=what))
    if told.stale_ms < 0:
        raise NotRunningError("the engine is starting: route has not told its account yet")
    return told


def answer_question(args: argparse.Namespace, what: str, columns: Sequence[Column]) -> int:
    """Asks, and prints records; what is old is said to be old."""
    told = asked(args.userdir.absolute(), what)
    if told.stale_ms > STALE_MS:
        print(
            f"seawall: warning: route has been silent for {told.stale_ms / 1000:.1f} s, "
            "this is what it said last",
            file=sys.stderr,
        )
    if args.json:
        print_json(told.data)
    else:
        show_table(what, columns, told.data)
    return ExitCode.OK
