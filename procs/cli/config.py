"""`seawall config check|show`: validates and prints the merged configuration."""

from __future__ import annotations

import argparse
from typing import Any

from procs.cli.options import add_common, loaded_from, print_json
from shared.config.load import KNOBS, Loaded, value_of
from shared.config.template import toml_value
from shared.errors import ExitCode


def register(subparsers: Any) -> None:
    """Adds the verb with its two actions."""
    parser = subparsers.add_parser(
        "config",
        help="check or show the merged configuration",
        description="Defaults, files, environment and --set, merged; later sources win.",
    )
    actions = parser.add_subparsers(dest="action", metavar="check|show", required=True)
    check = actions.add_parser("check", help="validate; errors name file, key, value and allowed")
    show = actions.add_parser("show", help="print every value and where it is from")
    add_common(check, json=True)
    add_common(show, json=True)


def run(args: argparse.Namespace) -> int:
    """Validates, and prints what was asked for. Raises ConfigError."""
    loaded = loaded_from(args)
    if args.action == "show":
        _show(loaded, args.json)
    elif args.json:
        print_json({"ok": True, "config_hash": loaded.config_hash})
    else:
        changed = sum(source != "default" for source in loaded.sources.values())
        print(f"ok: {changed} of {len(KNOBS)} keys set, configuration {loaded.config_hash}")
    return ExitCode.OK


def _show(loaded: Loaded, as_json: bool) -> None:
    if as_json:
        values = {
            key: {"value": value_of(loaded.settings, key), "source": source}
            for key, source in loaded.sources.items()
        }
        print_json({"config_hash": loaded.config_hash, "values": values})
        return
    section = ""
    for key, source in loaded.sources.items():
        place, _, name = key.rpartition(".")
        if place.startswith("process.") and source == "default":
            continue
        if place != section:
            print(f"\n[{place}]" if section else f"[{place}]")
            section = place
        text = f"{name} = {toml_value(value_of(loaded.settings, key))}"
        print(text if source == "default" else f"{text:<40}  # {source}")
