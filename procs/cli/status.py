"""`seawall status`: trading state, processes, positions, latch."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from procs.cli._steering import register_steering, steer
from procs.cli._table import Column, seconds, show_table
from procs.cli.options import print_json, userdir_of
from shared.errors import ExitCode

WATCH_EVERY_S = 1.0
CLEAR = "\x1b[H\x1b[2J"


def _cpus(value: Any) -> str:
    return ",".join(map(str, value)) if value else "-"


COLUMNS = (
    Column("process", "role"),
    Column("pid", "pid", right=True),
    Column("status", "status"),
    Column("cpus", "cpus", _cpus),
    Column("cpu %", "cpu_pct", right=True),
    Column("rss MB", "rss_mb", right=True),
    Column("beat ms", "heartbeat_age_ms", right=True),
    Column("restarts", "restarts", right=True),
)


def register(subparsers: Any) -> None:
    """Adds the verb."""
    parser = register_steering(subparsers, "status", "show the running engine")
    parser.add_argument("--watch", action="store_true", help="again every second, until Ctrl-C")


def run(args: argparse.Namespace) -> int:
    """Prints it once, or again and again. Raises NotRunningError."""
    userdir = userdir_of(args)
    while True:
        data: dict[str, Any] = steer(userdir, "status").data
        if args.json:
            print_json(data)
        else:
            if args.watch and sys.stdout.isatty():
                sys.stdout.write(CLEAR)
            show_status(data)
        sys.stdout.flush()
        if not args.watch:
            return ExitCode.OK
        time.sleep(WATCH_EVERY_S)


def show_status(data: dict[str, Any]) -> None:
    """For a person."""
    state = f"{data['state']}{', stopping' if data['stopping'] else ''}"
    print(f"run {data['run_id']}  {state}  up {seconds(data['uptime_s'])}")
    for reason in data["reasons"]:
        print(f"  because {reason}")
    print(
        f"positions {_or_dash(data['positions_open'])}, "
        f"unprotected now {_or_dash(data['unprotected_now'])}, alarms {data['alarms']}"
    )
    rows = [{"role": role, **row} for role, row in data["processes"].items()]
    show_table("processes", COLUMNS, rows)


def _or_dash(value: Any) -> str:
    return "-" if value is None else str(value)
