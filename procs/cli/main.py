"""`seawall`: finds the verb's module, lets it read its arguments, turns errors into exit codes.

A verb is a module of this package with `register(subparsers)` and `run(args) -> int`; dashes in the
verb are underscores in the file name. Only the module of the verb asked for is imported, so that
`seawall status` does not pay for what `seawall simulate` needs; `seawall --help` imports them all.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import sys
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Any, NoReturn

import procs.cli
from shared.errors import ExitCode, NotFoundError, SeawallError

PRIVATE_UMASK = 0o077
"""Journals, logs, backups and settings are nobody else's business; children inherit it."""

NOT_VERBS = frozenset({"main", "options"})

EPILOGUE = """\
exit codes: 0 ok, 1 error or violation, 2 not found, 3 not running, 4 configuration, 5 time-out
`seawall VERB --help` explains a verb. Data goes to stdout, everything else to stderr."""


class Parser(argparse.ArgumentParser):
    """An argument parser whose refusals exit with 1: 2 means "not found" here."""

    def error(self, message: str) -> NoReturn:
        """Says what is wrong and how the verb is used, and leaves with exit code 1."""
        self.print_usage(sys.stderr)
        self.exit(ExitCode.ERROR, f"seawall: error: {message}\n")


def verb_names() -> list[str]:
    """The names that may be verbs, in order; `load_verb` tells whether one is."""
    found = (module.name for module in pkgutil.iter_modules(procs.cli.__path__))
    return sorted(
        name.replace("_", "-")
        for name in found
        if name not in NOT_VERBS and not name.startswith("_")
    )


def load_verb(verb: str) -> ModuleType | None:
    """The module of a verb; None for a module of this package that only helps verbs."""
    module = importlib.import_module(f"procs.cli.{verb.replace('-', '_')}")
    return module if hasattr(module, "register") and hasattr(module, "run") else None


def build_parser(verbs: Iterable[str]) -> tuple[Parser, dict[str, ModuleType]]:
    """A parser that knows these verbs, and their modules."""
    parser = Parser(
        prog="seawall",
        description="A multi-process crypto trading engine that never leaves a position bare.",
        epilog=EPILOGUE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="print the version and leave")
    subparsers: Any = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs")
    modules: dict[str, ModuleType] = {}
    for verb in verbs:
        module = load_verb(verb)
        if module is not None:
            module.register(subparsers)
            modules[verb] = module
    return parser, modules


def version() -> str:
    """The installed distribution's version, or the checkout's when nothing is installed."""
    from importlib import metadata
    from pathlib import Path

    try:
        return metadata.version("seawall")
    except metadata.PackageNotFoundError:
        import tomllib

        pyproject = Path(__file__).parents[2] / "pyproject.toml"
        try:
            return str(tomllib.loads(pyproject.read_text("utf-8"))["project"]["version"])
        except OSError as error:
            raise NotFoundError(
                f"neither an installation nor {pyproject} tells a version"
            ) from error


def _dispatch(argv: Sequence[str]) -> int:
    asked = next((argument for argument in argv if not argument.startswith("-")), None)
    names = verb_names()
    parser, modules = build_parser([asked] if asked in names else names)
    args = parser.parse_args(argv)
    if args.version:
        print(f"seawall {version()}")
        return ExitCode.OK
    if args.verb is None:
        parser.print_help()
        return ExitCode.OK
    return int(modules[args.verb].run(args))


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one verb; returns its exit code. Bugs keep their traceback.

    Without argv it is the whole process, whose files are this user's alone (L13)."""
    if argv is None:
        os.umask(PRIVATE_UMASK)
    try:
        code = _dispatch(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
    except SeawallError as error:
        print(f"seawall: error: {error}", file=sys.stderr)
        return error.exit_code
    except ImportError as error:
        if error.name != "core_ext":
            raise
        print(f"seawall: error: {error}", file=sys.stderr)
        return ExitCode.ERROR
    except KeyboardInterrupt:
        print("seawall: interrupted", file=sys.stderr)
        return ExitCode.ERROR
    except BrokenPipeError:
        # The reader of a pipe has seen enough; stdout is pointed elsewhere so that the
        # interpreter's own last flush does not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    return code
