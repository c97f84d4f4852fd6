"""`seawall chaos`: kills a running engine again and again, and proves that nothing was lost."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from procs.cli.options import add_json, print_json
from shared.errors import ConfigError, ExitCode

if TYPE_CHECKING:
    from procs.chaos.campaign import Report
    from procs.chaos.flat import FlatReport

DEFAULT_KILLS = 25
SHOWN_FINDINGS = 30


def register(subparsers: Any) -> None:
    """Adds the verb."""
    parser = subparsers.add_parser(
        "chaos",
        help="kill a running engine again and again, and audit what is left",
        description="Starts the engine with its local venue in a folder of its own, with positions "
        "open, and strikes it by seeded blows: kill -9 of any process, also at exact points, "
        "SIGSTOP, cut sockets, a full disk, a venue that misbehaves. Afterwards an auditor that "
        "shares no code with the engine compares the venue's books with the engine's. Exits with 1 "
        "when anything is found.",
    )
    parser.add_argument(
        "--kills",
        type=int,
        default=DEFAULT_KILLS,
        metavar="N",
        help=f"until so many processes were killed (default {DEFAULT_KILLS})",
    )
    parser.add_argument(
        "--minutes", type=float, metavar="M", help="for at most so long, besides the end"
    )
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="which blows (default 1)")
    parser.add_argument(
        "--keep",
        type=Path,
        metavar="DIR",
        help="leave journals, logs and diary there (default: only when something was found)",
    )
    parser.add_argument(
        "--flat",
        action="store_true",
        help="no kills: a flood of as many market events as a calm symbol has in 24 hours, while "
        "memory and descriptors of every process are watched",
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Strikes and audits. Raises SeawallError when the stage cannot be set."""
    import core_ext  # noqa: F401

    if args.kills < 1:
        raise ConfigError(f"--kills {args.kills}, allowed: 1 or more")
    if args.minutes is not None and not 0 < args.minutes <= 24 * 60:
        raise ConfigError(f"--minutes {args.minutes:g}, allowed: more than 0, at most 1440")
    if args.seed < 0:
        raise ConfigError(f"--seed {args.seed}, allowed: 0 or more")
    return _flat(args) if args.flat else _strike(args)


def _strike(args: argparse.Namespace) -> int:
    from procs.chaos.campaign import Plan, campaign

    plan = Plan(kills=args.kills, minutes=args.minutes, seed=args.seed)
    report = campaign(plan, args.keep, _progress)
    print("", end="\n" if sys.stderr.isatty() else "", file=sys.stderr)
    if report.passed and args.keep is None:
        shutil.rmtree(report.folder)
    if args.json:
        print_json(report)
    else:
        print_report(report)
    return ExitCode.OK if report.passed else ExitCode.ERROR


def _progress(kills: int, wanted: int, seconds: float) -> None:
    if sys.stderr.isatty():
        print(f"\r{kills}/{wanted} kills, {seconds:.0f} s", end="", file=sys.stderr, flush=True)


def _flat(args: argparse.Namespace) -> int:
    from procs.chaos.flat import flat

    report = flat(args.seed, args.minutes, args.keep, _flat_progress)
    print("", end="\n" if sys.stderr.isatty() else "", file=sys.stderr)
    if report.passed and args.keep is None:
        shutil.rmtree(report.folder)
    if args.json:
        print_json(report)
    else:
        _print_flat(report)
    return ExitCode.OK if report.passed else ExitCode.ERROR


def _flat_progress(events: int, seconds: float) -> None:
    if sys.stderr.isatty():
        print(f"\r{events} events, {seconds:.0f} s", end="", file=sys.stderr, flush=True)


def _print_flat(report: FlatReport) -> None:
    print(
        f"seed {report.seed}: {report.market_events} market events in {report.minutes:.1f} min, "
        f"{report.day_share:.0%} of 24 calm hours of one symbol; {report.quotes} quotes, "
        f"{report.orders} orders, {report.fills} fills"
    )
    print("                rss MB early    late     max   descriptors early    late")
    for role, row in report.processes.items():
        print(
            f"  {role:12} {row.rss_mb_early:13} {row.rss_mb_late:7} {row.rss_mb_max:7} "
            f"{row.fds_early:19} {row.fds_late:7}"
        )
    for finding in report.findings:
        print(f"  FOUND  {finding}")
    if report.findings:
        print(f"  kept in {report.folder}")


def print_report(report: Report) -> None:
    """The report for a person."""
    print(
        f"seed {report.seed}: {report.kills} kills in {report.seconds:.0f} s, "
        f"{report.kills_with_position} with a position open"
    )
    print("  blows")
    for name, count in report.blows.items():
        print(f"    {count:>5}  {name}")
    if report.skipped:
        print(f"    {report.skipped:>5}  left out: one death too many within a minute")
    print("  kill to READY, ms             count     p50     max")
    for role, row in report.ready_ms.items():
        print(f"    {role:24} {row['count']:>8} {row['p50']:>7} {row['max']:>7}")
    for name, figure in report.figures.items():
        shown = figure
        if isinstance(figure, dict):
            shown = ", ".join(f"{key} {value}" for key, value in figure.items()) or "none"
        print(f"  {name:28} {shown}")
    for finding in report.findings[:SHOWN_FINDINGS]:
        print(f"  FOUND  {finding}")
    if len(report.findings) > SHOWN_FINDINGS:
        print(f"  and {len(report.findings) - SHOWN_FINDINGS} more; --json lists all")
    for reason in report.too_tame:
        print(f"  too tame: {reason}")
    if not report.passed:
        print(f"  kept in {report.folder}")
        print(f"  again: {report.command}")
    elif not report.findings:
        print("  nothing found")
