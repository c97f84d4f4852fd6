"""`seawall run`: the supervisor in the foreground."""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from procs.cli.options import add_common, loaded_from, print_json
from shared.errors import ConfigError, NotFoundError

if TYPE_CHECKING:
    from procs.supervise.plan import Outcome, RunPlan

_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?", re.ASCII)
MAX_DURATION_S = 366 * 86_400


def duration_s(text: str) -> float:
    """Seconds of 90, 90s, 5m, 1h or 1h30m. Raises argparse's error for anything else."""
    match = _DURATION.fullmatch(text.strip())
    hours, minutes, rest = match.groups() if match else (None, None, None)
    total = int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(rest or 0)
    if not 0 < total <= MAX_DURATION_S:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration, allowed: 90s, 5m, 1h, 1h30m")
    return total


def register(subparsers: Any) -> None:
    """Adds the verb."""
    parser = subparsers.add_parser(
        "run",
        help="start the engine, in the foreground",
        description="Starts the engine; Ctrl-C stops it in order, a second one skips the waits, "
        "a third one kills.",
    )
    add_common(parser, json=True)
    parser.add_argument("--venue", metavar="NAME", help="local, or a ccxt exchange id")
    parser.add_argument(
        "--for",
        dest="run_for_s",
        type=duration_s,
        metavar="TIME",
        help="stop cleanly after 90s, 5m, 1h",
    )
    parser.add_argument(
        "--replay",
        nargs="+",
        action="extend",
        type=Path,
        default=[],
        metavar="FILE",
        help="recorded traffic as the market; fresh journals, ends with the recording",
    )
    parser.add_argument(
        "--instruments", type=Path, metavar="FILE", help="order rules of the recorded symbols"
    )
    parser.add_argument("--profile", metavar="NAME", help="market of the local venue")
    parser.add_argument("--seed", type=int, metavar="N", help="seed of the generated market")
    parser.add_argument(
        "--pin", action="store_true", help="give processes cores of their own, by the machine's"
    )


def run(args: argparse.Namespace) -> int:
    """Runs the engine until it is stopped.

    Raises SeawallError when it cannot start; what happens later is in the summary."""
    # Every child needs it: said once, here, rather than by each of them.
    import core_ext  # noqa: F401
    from procs.cli.liveview import make_viewer
    from procs.supervise.shell import Shell

    plan = plan_of(args)
    shell = Shell(plan, viewer=make_viewer(sys.stderr))

    def farewell(outcome: Outcome) -> None:
        if args.json:
            print_json(outcome.summary)
        else:
            print_summary(outcome)
        sys.stdout.flush()

    outcome = shell.run(farewell)
    if outcome.error:
        print(f"seawall: error: {outcome.error}", file=sys.stderr)
    return outcome.exit_code


def plan_of(args: argparse.Namespace) -> RunPlan:
    """The run that the command line asks for. Raises ConfigError, NotFoundError, RecordingError."""
    from procs.supervise.plan import RunPlan

    if not args.config and not os.path.lexists(args.userdir / "seawall.toml"):
        _init(args.userdir)
    sets = [
        f"{key}={value}"
        for key, value in (
            ("venue.name", args.venue),
            ("venue.profile", args.profile),
            ("engine.seed", args.seed),
        )
        if value is not None
    ]
    loaded = loaded_from(args, sets)
    plan = RunPlan(
        settings=loaded.settings,
        config_hash=loaded.config_hash,
        userdir=loaded.userdir,
        run_for_s=args.run_for_s,
        replay=tuple(path.absolute() for path in args.replay),
        instruments=args.instruments.absolute() if args.instruments else None,
        pin=args.pin,
    )
    if plan.replay and not plan.local_venue:
        raise ConfigError(
            f"--replay is a market for the local venue, venue.name is {plan.settings.venue.name!r}"
        )
    if plan.instruments and not plan.replay:
        raise ConfigError("--instruments goes with --replay")
    for path in (*plan.replay, *((plan.instruments,) if plan.instruments else ())):
        if not path.is_file():
            raise NotFoundError(f"{path}: no such file")
    if plan.replay:
        _check_replay(plan.replay, plan.instruments)
    return plan


def _check_replay(paths: tuple[Path, ...], instruments: Path | None) -> None:
    """The local venue would refuse the same; said here, nothing has started yet. RecordingError."""
    from shared.recordings.instruments import instruments_for
    from shared.recordings.lines import check_recordings

    groups = check_recordings(paths)
    if instruments is not None:
        instruments_for(groups, instruments)


def _init(userdir: Path) -> None:
    from shared.config.template import write_userdir

    for path in write_userdir(userdir):
        if path.name == "seawall.toml":
            print(f"seawall: made {path}, `seawall init` would have done the same", file=sys.stderr)


def print_summary(outcome: Outcome) -> None:
    """The farewell for a person."""
    whole = outcome.summary
    clean = "clean" if whole["clean_shutdown"] else "NOT clean"
    print(f"run {whole['run_id']}: {whole['duration_s']:.1f} s, {clean} stop")
    print(f"  because      {outcome.stop_reason}")
    for title, key in (
        ("quotes", "quotes"),
        ("signals", "signals"),
        ("refusals", "refusals"),
        ("intents", "intents"),
        ("orders", "orders"),
        ("fills", "fills"),
        ("positions", "positions"),
        ("equity", "equity"),
        ("unprotected", "unprotected_s"),
        ("latency us", "latency_us"),
        ("reconciled", "reconcile"),
        ("slow turns", "slow_turns"),
    ):
        if whole[key] is not None:
            print(f"  {title:12} {_flat(whole[key])}")
    kept = (whole["positions"] or {}).get("open")
    if kept:
        print(f"  kept open    {kept}, their stops rest at the venue")
    for role, row in whole["processes"].items():
        figures = ", ".join(
            f"{name} {row[key]}"
            for name, key in (
                ("restarts", "restarts"),
                ("rss MB", "rss_peak_mb"),
                ("cpu s", "cpu_s"),
            )
            if row[key] is not None
        )
        print(f"  {role:12} {figures}")
    shown = outcome.alarms[-SHOWN_ALARMS:]
    if whole["alarms"] > len(shown):
        print(f"  {whole['alarms']} alarms, the newest:")
    for alarm in shown:
        print(f"  alarm        {alarm}")


SHOWN_ALARMS = 10


def _flat(value: Any) -> str:
    if isinstance(value, dict):
        if not value:
            return "none"
        return ", ".join(
            f"{key} ({_flat(inner)})" if isinstance(inner, dict) else f"{key} {inner}"
            for key, inner in value.items()
        )
    return str(value)
