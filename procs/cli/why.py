"""`seawall why ID`: the whole story of a decision, intent, order or position."""

from __future__ import annotations

import argparse
from typing import Any

from procs.cli._table import money, number, seconds
from procs.cli.options import add_json, add_userdir, print_json, userdir_of
from shared.errors import ExitCode


def register(subparsers: Any) -> None:
    """Adds the verb."""
    parser = subparsers.add_parser(
        "why",
        help="tell the whole story of a decision, intent, order or position",
        description="Reads the journals, whether the engine runs or not.",
    )
    parser.add_argument("id", metavar="ID", help="such as tk3f9a-12 or sw-tk3f9a-12-e1")
    add_userdir(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Prints the story. Raises NotFoundError for an id that no journal knows."""
    from procs.cli._story import tell

    story = tell(userdir_of(args), args.id)
    if args.json:
        print_json(story)
        return ExitCode.OK
    print(f"{story.decision_id} {story.symbol}: {story.outcome}")
    for chapter in story.chapters:
        print(f"  {chapter.at}  {chapter.process:<7}  {chapter.text}")
    if story.position is not None:
        print(f"  {_sums(story.position)}")
    return ExitCode.OK


def _sums(position: dict[str, Any]) -> str:
    if position["status"] == "closed":
        return (
            f"spent {money(position['spent'])}, received {money(position['received'])}, "
            f"profit {money(position['pnl_quote'])}; held "
            f"{seconds((position['closed_ns'] - position['opened_ns']) / 1e9)}, "
            f"unprotected {seconds(position['unprotected_s'])}"
        )
    return (
        f"holds {number(position['quantity'])} bought at {number(position['entry_price'])}, "
        f"spent {money(position['spent'])}; protection {position['protection']}"
    )
