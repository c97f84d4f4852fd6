"""`seawall audit`: proves the fills of a local venue from the market's own data."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Final

from procs.cli.options import add_json, print_json
from shared.errors import ExitCode

SHOWN_MAX: Final = 100
"""Findings printed for people; --json lists all."""


def register(subparsers: Any) -> None:
    """Adds the verb."""
    parser = subparsers.add_parser(
        "audit",
        help="prove the fills of a local venue from the market's data",
        description="Reads the recordings and the file that `seawall venue --audit FILE` wrote, "
        "and derives every fill again with code of its own. Exits with 1 when one does not follow.",
    )
    parser.add_argument("audit_file", type=Path, metavar="AUDIT_FILE")
    parser.add_argument(
        "--replay",
        nargs="+",
        type=Path,
        default=[],
        metavar="FILE",
        help="the recordings that the venue replayed; a generated market stands beside the audit",
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Checks the file. Raises NotFoundError or RecordingError for what cannot be read."""
    from shared.recordings.fill_audit import check

    done = check(args.audit_file, args.replay)
    if args.json:
        print_json(
            {
                "fills": done.fills,
                "orders": done.orders,
                "lines": done.lines,
                "findings": [one.shown() for one in done.findings],
            }
        )
    else:
        for one in done.findings[:SHOWN_MAX]:
            place = f", {one.symbol} line {one.line}" if one.symbol else ""
            print(f"{args.audit_file}:{one.audit_line}{place}: {one.text}")
        if len(done.findings) > SHOWN_MAX:
            print(f"and {len(done.findings) - SHOWN_MAX} more; --json lists all")
        print(
            f"{done.fills} fills of {done.orders} orders against {done.lines} lines: "
            f"{len(done.findings) or 'no'} findings"
        )
    return ExitCode.ERROR if done.findings else ExitCode.OK
