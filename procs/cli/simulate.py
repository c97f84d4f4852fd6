"""`seawall simulate`: the whole engine under seeded faults, checked against the laws."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from procs.cli.options import add_json, print_json
from shared.errors import ConfigError, ExitCode

DEFAULT_SEEDS = "0:200"


def register(subparsers: Any) -> None:
    """Adds the verb."""
    parser = subparsers.add_parser(
        "simulate",
        help="play the whole engine under seeded faults and check the laws",
        description="Route, decide and protect on a virtual clock against the pure exchange: lost "
        "and late requests, answers, pushes and messages, and deaths between any two effects. "
        "Exits with 1 when a law was broken.",
    )
    parser.add_argument(
        "--seeds", default=DEFAULT_SEEDS, metavar="A:B", help=f"A to B-1 (default {DEFAULT_SEEDS})"
    )
    parser.add_argument(
        "--faults",
        default="swarm",
        metavar="PROFILE",
        help="swarm, refusing or none (default swarm)",
    )
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, metavar="N", help="processes to use"
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Plays the seeds. Raises ConfigError for a range or profile that makes no sense."""
    from procs.simulate.campaign import campaign
    from procs.simulate.faults import PROFILES

    seeds = seeds_of(args.seeds)
    if args.faults not in PROFILES:
        raise ConfigError(f"--faults {args.faults!r}, allowed: {', '.join(PROFILES)}")
    if args.workers < 1:
        raise ConfigError(f"--workers {args.workers}, allowed: 1 or more")
    report = campaign(seeds, args.faults, args.workers, _progress)
    print("", end="\n" if sys.stderr.isatty() else "", file=sys.stderr)
    if args.json:
        print_json(report)
    else:
        print(
            f"{report.seeds} seeds, {report.events} events ({report.events_per_s:.0f}/s), "
            f"{report.opened_share:.1%} opened a position, {len(report.violations)} violations"
        )
        for name, count in report.faults.items():
            print(f"  {name:<16} {count}")
        for found in report.violations:
            print(f"{found.law} broken in seed {found.seed}, event {found.step}: {found.text}")
            print(f"  again: {found.command}")
    return ExitCode.ERROR if report.violations else ExitCode.OK


def seeds_of(text: str) -> range:
    """A:B as a range. Raises ConfigError."""
    first, colon, last = text.partition(":")
    if not (colon and first.isdecimal() and last.isdecimal() and int(first) < int(last)):
        raise ConfigError(f"--seeds {text!r}, allowed: A:B with 0 <= A < B, such as 0:2000")
    return range(int(first), int(last))


def _progress(done: int, total: int) -> None:
    if sys.stderr.isatty() and (done % 10 == 0 or done == total):
        print(f"\r{done}/{total} seeds", end="", file=sys.stderr, flush=True)
