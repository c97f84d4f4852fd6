"""`seawall backup FILE`: journals and settings in one archive, while the engine runs or not."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from procs.cli.options import add_json, add_userdir, print_json, userdir_of
from shared.errors import ExitCode


def register(subparsers: Any) -> None:
    """Adds the verb."""
    parser = subparsers.add_parser(
        "backup",
        help="copy journals and settings into one archive",
        description="Makes FILE (tar.gz) of the journals, the local venue's books and the "
        "settings; the engine may go on running. Credentials are never part of it.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the archive to make")
    add_userdir(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Makes the archive and says what is in it."""
    from procs.cli.main import version
    from shared.clock import wall_ms
    from shared.journal.archive import write_archive

    manifest = write_archive(userdir_of(args), args.file, wall_ms() // 1000, version())
    if args.json:
        print_json(manifest)
        return ExitCode.OK
    for held in manifest.files:
        rows = f", up to row {held.seq}" if held.role else ""
        print(f"{held.name}: {held.bytes} bytes{rows}")
    print(f"made {args.file}")
    return ExitCode.OK
