"""`seawall logs`: the log lines of all processes of a run, by time."""

from __future__ import annotations

import argparse
import sys
import time
from collections import deque
from collections.abc import Iterable
from typing import Any

from procs.cli.options import add_json, add_userdir, userdir_of
from shared.errors import ExitCode
from shared.messages.base import encode
from shared.telemetry.reading import Follower, Record, Selection, read_merged, run_folder
from shared.telemetry.record import HEADER, STREAMS

POLL_S = 0.2


def register(subparsers: Any) -> None:
    """Adds the verb."""
    parser = subparsers.add_parser(
        "logs",
        help="print the logs of a run, merged by time",
        description="The log lines of all processes of a run (default: the newest), by time.",
    )
    parser.add_argument("-f", "--follow", action="store_true", help="go on as lines are added")
    parser.add_argument(
        "-n", "--lines", type=int, metavar="N", help="only the last N (with -f: 20, else all)"
    )
    parser.add_argument(
        "--stream", action="append", default=[], choices=STREAMS, help="may be repeated"
    )
    parser.add_argument("--role", action="append", default=[], help="process, may be repeated")
    parser.add_argument("--run", default="latest", metavar="RUN_ID", help="which run")
    add_userdir(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Prints records. Raises NotFoundError when the run left no logs."""
    folder = run_folder(userdir_of(args) / "logs", args.run)
    selection = Selection(frozenset(args.stream), frozenset(args.role))
    lines = 20 if args.lines is None and args.follow else args.lines
    follower = Follower(folder, selection) if args.follow else None
    records: Iterable[Record] = read_merged(folder, selection)
    _print(records if lines is None else deque(records, maxlen=max(lines, 0)), args.json)
    if follower is not None:
        _follow(follower, args.json)
    return ExitCode.OK


def _follow(follower: Follower, as_json: bool) -> None:
    """Prints what is added until Ctrl-C, which is how this ends well."""
    try:
        while True:
            _print(follower.poll(), as_json)
            sys.stdout.flush()
            time.sleep(POLL_S)
    except KeyboardInterrupt:
        follower.close()


def _print(records: Iterable[Record], as_json: bool) -> None:
    for record in records:
        line = encode(record).decode() if as_json else line_of(record)
        sys.stdout.write(line + "\n")


def line_of(record: Record) -> str:
    """A record as people read it: time, level where it matters, who, what, the fields."""
    fields = " ".join(
        f"{name}={value if isinstance(value, str) else encode(value).decode()}"
        for name, value in record.items()
        if name not in HEADER
    )
    level = record.get("level", "info")
    mark = f"{level.upper()} " if level in ("warning", "error") else ""
    place = f"{record.get('role', '?')!s:<9} {record.get('stream', '?')!s:<9}"
    return (
        f"{record.get('at', '?')} {place} {mark}{record.get('event_type', '?')} {fields}".rstrip()
    )
