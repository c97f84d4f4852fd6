"""`seawall init [DIR]`: a commented seawall.toml and the user folders."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from procs.cli.options import DEFAULT_USERDIR
from shared.config.template import write_userdir
from shared.errors import ExitCode


def register(subparsers: Any) -> None:
    """Adds the verb."""
    parser = subparsers.add_parser(
        "init",
        help="write a commented seawall.toml and the user folders",
        description="Makes a user folder to start from. Nothing that exists is overwritten.",
    )
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=DEFAULT_USERDIR,
        metavar="DIR",
        help="where (default: ./user_data)",
    )


def run(args: argparse.Namespace) -> int:
    """Makes the folder and says what was made."""
    folder: Path = args.folder
    made = write_userdir(folder)
    for path in made:
        print(f"made {path}")
    if folder / "seawall.toml" not in made:
        print(f"kept {folder / 'seawall.toml'}")
    option = "" if folder == DEFAULT_USERDIR else f" --userdir {folder}"
    print(f"`seawall run{option}` starts the demonstration, nothing real is traded")
    return ExitCode.OK
