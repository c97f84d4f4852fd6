"""`seawall restore FILE`: puts a backup in the place of the data folder."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from procs.cli._steering import confirm
from procs.cli.options import add_json, add_userdir, print_json
from shared.errors import ExitCode


def register(subparsers: Any) -> None:
    """Adds the verb."""
    parser = subparsers.add_parser(
        "restore",
        help="bring a backup back; the engine starts latched afterwards",
        description="Proves every journal of FILE, keeps the data folder under another name, and "
        "puts the backup in its place. The engine then starts with the kill switch latched: it "
        "asks the venue what happened since, protects and exits, and buys after `rearm` only.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="what `seawall backup` made")
    add_userdir(parser)
    add_json(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(args: argparse.Namespace) -> int:
    """Restores, and says where the old data are."""
    from procs.supervise.restoring import restore
    from procs.supervise.rundir import UserPaths

    paths = UserPaths(args.userdir.absolute())
    if paths.data_dir.exists():
        confirm(args, f"Put {args.file} in the place of {paths.data_dir}?")
    done = restore(paths, args.file)
    if args.json:
        print_json({"kept": str(done.kept or ""), "manifest": done.manifest})
        return ExitCode.OK
    for held in done.manifest.files:
        if held.role:
            print(f"{held.role}: up to row {held.seq}")
    if done.kept is not None:
        print(f"the data before are in {done.kept}")
    if done.settings is not None:
        print(f"the settings of the backup are in {done.settings}")
    print("the kill switch is latched: start, compare with the venue, then `seawall rearm`")
    return ExitCode.OK
