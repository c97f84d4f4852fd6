"""What the verbs that steer a running engine share: the question, the confirmation, the answer."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from procs.cli.options import add_json, add_userdir, print_json
from shared.errors import ExitCode, SeawallError
from shared.messages.control import Steer, Steered


def register_steering(
    subparsers: Any, verb: str, help_text: str, *, destructive: bool = False
) -> argparse.ArgumentParser:
    """Adds a verb that steers; destructive ones get --yes."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        verb, help=help_text, description=f"{help_text[:1].upper()}{help_text[1:]}."
    )
    add_userdir(parser)
    add_json(parser)
    if destructive:
        parser.add_argument("--yes", action="store_true", help="do not ask")
    return parser


def steer(userdir: Path, verb: str, argument: str = "") -> Steered:
    """Says it to the supervisor. Raises NotRunningError, or DeadlineError without an answer."""
    # Imported here so that `seawall --help`, which imports every verb, needs no sockets.
    from shared.bus.ask import ask
    from shared.bus.topology import STEER

    answer: Steered = ask(userdir / "run", STEER, Steer(verb=verb, argument=argument))
    return answer


def confirm(args: argparse.Namespace, question: str) -> None:
    """Asks on a terminal; elsewhere --yes is needed. Raises SeawallError for anything but a yes."""
    if args.yes:
        return
    if not sys.stdin.isatty():
        raise SeawallError(f"{question} Not asked without a terminal: say --yes")
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise SeawallError("not confirmed, nothing was done")


def show_answer(args: argparse.Namespace, answer: Steered) -> int:
    """Prints what the supervisor said; a refusal is an error."""
    if args.json:
        print_json({"ok": answer.ok, "text": answer.text, "status": answer.data})
    elif answer.ok:
        print(answer.text)
    if not answer.ok:
        raise SeawallError(answer.text)
    return ExitCode.OK
