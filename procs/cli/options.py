"""What verbs share: options for configuration, user folder and output, and what they mean."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from shared.config.load import Loaded, load_settings
from shared.errors import ConfigError
from shared.messages.base import encode

DEFAULT_USERDIR = Path("user_data")


def add_userdir(parser: argparse.ArgumentParser) -> None:
    """Adds --userdir."""
    parser.add_argument(
        "--userdir",
        type=Path,
        default=DEFAULT_USERDIR,
        metavar="DIR",
        help="folder of configuration, journals, logs and sockets (default: ./user_data)",
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Adds --json."""
    parser.add_argument("--json", action="store_true", help="print JSON on stdout")


def add_common(parser: argparse.ArgumentParser, json: bool = False) -> None:
    """Adds -c/--config, --set, --userdir, and --json where asked."""
    parser.add_argument(
        "-c",
        "--config",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="configuration file, may be repeated, later ones win (default: DIR/seawall.toml)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="one configuration value, such as risk.max_positions=3; may be repeated",
    )
    add_userdir(parser)
    if json:
        add_json(parser)


def config_files(args: argparse.Namespace) -> list[Path]:
    """The files named with -c, else the user folder's seawall.toml when it exists."""
    named: list[Path] = list(args.config)
    if named:
        return named
    usual = args.userdir / "seawall.toml"
    # A link that leads nowhere is a person's configuration that is missing, not none.
    return [usual] if os.path.lexists(usual) else []


def loaded_from(args: argparse.Namespace, extra_sets: Iterable[str] = ()) -> Loaded:
    """The merged configuration of `add_common` options; extra_sets (of a verb's own options) win.

    Raises ConfigError.
    """
    return load_settings(
        config_files(args), [*args.set, *extra_sets], os.environ, args.userdir.absolute()
    )


def userdir_of(args: argparse.Namespace) -> Path:
    """The user folder as an absolute path. Raises ConfigError when it does not exist."""
    folder: Path = args.userdir.absolute()
    if not folder.is_dir():
        raise ConfigError(f"--userdir {args.userdir}: no such folder, `seawall init` makes one")
    return folder


def print_json(document: Any) -> None:
    """One JSON document on one line of stdout; Decimals as strings."""
    sys.stdout.write(encode(document).decode() + "\n")
