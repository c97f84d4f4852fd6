"""`seawall simulate`: the whole engine under seeded faults, checked against the laws."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from procs.cli.options import add_json, print_json
from shared.errors import ConfigError, ExitCode

if TYPE_CHECKING:
    from procs.simulate.campaign import Report
    from procs.simulate.modes import Mode
    from procs.simulate.single import Seed
    from procs.simulate.world import Outcome

DEFAULT_SEEDS = "0:200"
DEFAULT_BASE_SEEDS = "0:4"
"""In crashes mode each seed is played some hundred times."""
TERMINAL = Path("-")
SHRINK_S = 60


def register(subparsers: Any) -> None:
    """Adds the verb."""
    parser = subparsers.add_parser(
        "simulate",
        help="play the whole engine under seeded faults and check the laws",
        description="The real actors on a virtual clock against the pure exchange: lost "
        "and late requests, answers, pushes and messages, and deaths between any two effects. "
        "Exits with 1 when a law was broken, or when too little happened to prove anything.",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--seeds",
        metavar="A:B",
        help=f"A to B-1 (default {DEFAULT_SEEDS}, in crashes mode {DEFAULT_BASE_SEEDS})",
    )
    which.add_argument("--seed", type=int, metavar="N", help="one seed, looked at closely")
    parser.add_argument(
        "--faults",
        metavar="PROFILE",
        help="which faults are drawn (default: swarm, in crashes mode: crashes)",
    )
    parser.add_argument(
        "--mode",
        default="safety",
        metavar="MODE",
        help="safety: laws hold at every step; liveness: healed early, everything must settle; "
        "crashes: a death at every point of a calm seed (default safety)",
    )
    parser.add_argument(
        "--trace",
        nargs="?",
        type=Path,
        const=TERMINAL,
        metavar="FILE",
        help="with --seed: write down everything that happens, to the terminal or a file",
    )
    parser.add_argument(
        "--shrink",
        action="store_true",
        help=f"with --seed: the fewest faults that still break it, for at most {SHRINK_S} s",
    )
    parser.add_argument(
        "--only",
        metavar="HITS",
        help="with --seed: just these faults, such as crash:17,lost_answer:3, or none",
    )
    parser.add_argument(
        "--pairs",
        type=int,
        default=100,
        metavar="N",
        help="in crashes mode: so many pairs of deaths per seed, besides all single ones "
        "(default 100)",
    )
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, metavar="N", help="processes to use"
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Plays. Raises ConfigError for a range, profile, mode or fault that makes no sense."""
    from procs.simulate.faults import PROFILES
    from procs.simulate.modes import CRASHES, mode_named

    mode = mode_named(args.mode)
    profile = args.faults or ("crashes" if mode is CRASHES else "swarm")
    if profile not in PROFILES:
        raise ConfigError(f"--faults {profile!r}, allowed: {', '.join(PROFILES)}")
    if args.workers < 1:
        raise ConfigError(f"--workers {args.workers}, allowed: 1 or more")
    if args.seed is not None:
        return _one(args, profile, mode)
    if args.trace is not None or args.shrink or args.only is not None:
        raise ConfigError("--trace, --shrink and --only look at one seed: give --seed N")
    if mode is CRASHES:
        return _crashes(args, profile)
    return _many(args, profile, mode)


def seeds_of(text: str) -> range:
    """A:B as a range. Raises ConfigError."""
    first, colon, last = text.partition(":")
    if not (colon and first.isdecimal() and last.isdecimal() and int(first) < int(last)):
        raise ConfigError(f"--seeds {text!r}, allowed: A:B with 0 <= A < B, such as 0:2000")
    return range(int(first), int(last))


# ── many seeds ──────────────────────────────────────────────────────────────────────────────────


def _many(args: argparse.Namespace, profile: str, mode: Mode) -> int:
    from procs.simulate.campaign import campaign

    report = campaign(seeds_of(args.seeds or DEFAULT_SEEDS), profile, args.workers, _progress, mode)
    print("", end="\n" if sys.stderr.isatty() else "", file=sys.stderr)
    if args.json:
        print_json(report)
    else:
        _print_report(report)
    return ExitCode.OK if report.passed else ExitCode.ERROR


def _print_report(report: Report) -> None:
    from procs.simulate.coverage import table

    print(
        f"{report.seeds} seeds of {report.profile}, {report.mode}: {report.events} events "
        f"({report.events_per_s:.0f}/s, {report.seeds_per_s:.1f} seeds/s, "
        f"at least {report.events_min} each)"
    )
    print(
        f"{report.opened_share:.1%} opened a position, {report.faulty_share:.1%} met 3 faults, "
        f"{len(report.violations)} violations"
    )
    if report.settled_s_max:
        print(f"settled at the latest {report.settled_s_max:.1f} s after healing")
    print("\n".join((f"state × fault, {len(report.coverage)} pairs:", *table(report.coverage))))
    for title, pairs in (("never met", report.never_met), ("undeclared", report.undeclared)):
        if pairs:
            print(f"{title}: {len(pairs)} pairs")
            print("\n".join(f"    {pair}" for pair in pairs))
    for found in report.violations:
        print(f"{found.law} broken in seed {found.seed}, event {found.step}: {found.text}")
        print(f"  again: {found.command}")
    for reason in report.too_tame:
        print(f"too tame: {reason}")


def _crashes(args: argparse.Namespace, profile: str) -> int:
    from procs.simulate.crashes import crash_points

    seeds = seeds_of(args.seeds or DEFAULT_BASE_SEEDS)
    report = crash_points(seeds, profile, args.pairs, args.workers, _progress)
    print("", end="\n" if sys.stderr.isatty() else "", file=sys.stderr)
    if args.json:
        print_json(report)
    else:
        print(
            f"{report.seeds} calm seeds, {report.turns} turns with effects: "
            f"{report.singles} deaths one by one, {report.pairs} pairs, "
            f"{report.deaths} deaths in all, {report.events} events "
            f"({report.events_per_s:.0f}/s), {len(report.violations)} violations"
        )
        for role, count in report.by_role.items():
            print(f"    {count:>9}  {role}")
        for found in report.violations:
            print(f"{found.law} broken in seed {found.seed}, event {found.step}: {found.text}")
            print(f"  again: {found.command}")
    return ExitCode.ERROR if report.violations else ExitCode.OK


def _progress(done: int, total: int) -> None:
    if sys.stderr.isatty() and (done % 10 == 0 or done == total):
        print(f"\r{done}/{total}", end="", file=sys.stderr, flush=True)


# ── one seed ────────────────────────────────────────────────────────────────────────────────────


def _one(args: argparse.Namespace, profile: str, mode: Mode) -> int:
    from procs.simulate.modes import CRASHES
    from procs.simulate.shrink import hits_of
    from procs.simulate.single import Seed

    if args.seed < 0:
        raise ConfigError(f"--seed {args.seed}, allowed: 0 or more")
    if mode is CRASHES and args.only is None:
        raise ConfigError("--mode crashes --seed N needs --only, such as crash:17@2")
    only = None if args.only is None else hits_of(args.only)
    one = Seed(seed=args.seed, profile=profile, mode=mode, only=only)
    # What is shrunk is traced afterwards, in its smallest form.
    outcome = one.play() if args.shrink else _traced(one, args.trace)
    if args.json:
        print_json(outcome)
    else:
        _print_outcome(one, outcome)
    if outcome.violations and args.shrink:
        _shrink(args, one, outcome)
    return ExitCode.ERROR if outcome.violations else ExitCode.OK


def _shrink(args: argparse.Namespace, one: Seed, outcome: Outcome) -> None:
    from procs.simulate.shrink import hits_text

    smaller, shrunk = one.shrink(outcome, SHRINK_S)
    left = "" if shrunk.complete else ", time ran out"
    print(f"{shrunk.before} faults, {len(shrunk.hits)} suffice ({shrunk.replays} replays{left})")
    print(f"  {hits_text(shrunk.hits)}")
    _print_outcome(smaller, _traced(smaller, args.trace))


def _traced(one: Seed, to: Path | None) -> Outcome:
    """Plays, and writes the trace where it is wanted."""
    if to is None:
        return one.play()
    if to == TERMINAL:
        return one.play(print)
    with ExitStack() as stack:
        try:
            file = stack.enter_context(to.open("w", encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"--trace {to}: {error.strerror}") from error
        return one.play(lambda line: print(line, file=file))


def _print_outcome(one: Seed, outcome: Outcome) -> None:
    print(
        f"seed {outcome.seed}: {outcome.events} events, {outcome.opened} positions opened, "
        f"{len(outcome.hits)} faults, {len(outcome.violations)} violations"
    )
    for violation in outcome.violations:
        print(f"{violation.law} broken, event {violation.step}: {violation.text}")
    if outcome.violations:
        print(f"  again: {one.command}")
