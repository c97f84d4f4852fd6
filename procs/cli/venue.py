"""`seawall venue`: the local venue alone, for any client."""

from __future__ import annotations

import argparse
from typing import Any

from procs.localvenue.options import add_options, read_options
from shared.errors import ExitCode


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
    """Serves until SIGINT or SIGTERM. Raises SeawallError when it cannot start or go on."""
    from procs.localvenue.server import serve  # Heavy: only when the verb is used.

    serve(read_options(args))
    return ExitCode.OK
