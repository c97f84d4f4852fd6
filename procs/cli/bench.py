"""`seawall bench`: latency and throughput on this machine, beside peers in the same run."""

from __future__ import annotations

import argparse
import importlib
from importlib.util import find_spec
from typing import Any

from procs.cli.options import add_json, print_json
from shared.errors import ConfigError, ExitCode

BENCHES = ("hot", "feed", "hop", "path", "warm", "order", "memory", "scale", "flat", "venue")
"""In the order of the data's walk; each is `bench/<name>.py` with `run(json_output) -> rows`."""


def available() -> list[str]:
    """The benchmarks that this installation has."""
    return [name for name in BENCHES if find_spec(f"bench.{name}") is not None]


def register(subparsers: Any) -> None:
    """Adds the verb."""
    names = available()
    parser = subparsers.add_parser(
        "bench",
        help="measure latency and throughput beside peers, without keys",
        description="Rows of p50, p99 and p99.9, with the ratio to peers in the same run. "
        "A quiet machine gives quiet figures.",
    )
    parser.add_argument(
        "what", nargs="?", choices=[*names, "all"], default="all", help="default: all"
    )
    parser.add_argument(
        "--pin",
        metavar="CORES",
        default="",
        help="path and warm only: cores of ingest, decide and route, such as 0,1,1",
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Runs one benchmark, or all; rows as tables, or as one JSON list."""
    names = available() if args.what == "all" else [args.what]
    cpus = cores(args.pin)
    rows: list[dict[str, Any]] = []
    for name in names:
        more = {"cpus": cpus} if name in ("path", "warm") else {}
        module = importlib.import_module(f"bench.{name}")
        rows += module.run(json_output=args.json, **more)
    if args.json:
        print_json(rows)
    return ExitCode.OK


def cores(text: str) -> tuple[int, ...]:
    """The cores named in --pin. Raises ConfigError."""
    words = text.split(",") if text else []
    if not all(word.isdecimal() for word in words):
        raise ConfigError(f"--pin {text}: expected core numbers, such as 0,1,1")
    return tuple(int(word) for word in words)
