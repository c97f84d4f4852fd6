"""`seawall venue`: the local venue alone, for any client."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from procs.localvenue.options import add_options, read_options
from shared.errors import SeawallError


def register(subparsers: Any) -> None:
    """Adds the verb and its options."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "venue",
        help="the local venue alone, for any client",
        description="A local exchange on loopback that speaks a real exchange's protocol; prints "
        "its addresses and test keys, and serves until Ctrl-C.",
    )
    add_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serves until SIGINT or SIGTERM; 0, or the exit code of what went wrong."""
    from procs.localvenue.server import serve  # Heavy: only when the verb is used.

    try:
        serve(read_options(args))
    except SeawallError as error:
        print(f"seawall venue: {error}", file=sys.stderr)
        return int(error.exit_code)
    return 0
