"""A user folder to start from: every knob with its meaning, commented out at its default.

The text is made from the schema, so it cannot fall behind it. The few lines that are not comments
make a demonstration that trades within a minute.
"""

from __future__ import annotations

import os
import textwrap
import typing
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

from shared.config.schema import PROCESS_NAMES, Process, Settings
from shared.errors import ConfigError
from shared.units import plain

DEMO: Final[dict[str, Any]] = {
    "venue.name": "local",
    "venue.profile": "demo",
    "risk.cooldown_s": 60,
    "risk.stop_guard_enabled": False,
}
"""What the file sets: the local venue with its demonstration market, soon ready to buy again."""

FOLDERS: Final = (("data", 0o700), ("logs", 0o700), ("reports", 0o700), ("run", 0o700))

HEADER: Final = """\
# Seawall's configuration. '# name = value' shows a default; remove the '#' to change it.
# Environment (SEAWALL__RISK__MAX_POSITIONS=3) and --set risk.max_positions=3 win over this file.
# `seawall config check` validates it, `seawall config show` prints what holds and why.
# Keys never stand here: they belong into credentials.toml (mode 0600) beside this file.
"""


def toml_value(value: Any) -> str:
    """A default as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, tuple | list):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    if isinstance(value, Decimal):
        return plain(value)
    return repr(value)


def template() -> str:
    """The commented seawall.toml."""
    return HEADER + "".join(_sections(Settings, ""))


def _sections(kind: type[msgspec.Struct], prefix: str) -> Iterator[str]:
    hints = typing.get_type_hints(kind, include_extras=True)
    for field in msgspec.structs.fields(kind):
        annotation = hints[field.name]
        if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
            yield from _section(annotation, f"{prefix}{field.name}")
            yield from _sections(annotation, f"{prefix}{field.name}.")
        elif typing.get_origin(annotation) is dict:
            yield from _processes(field.name)


def _section(kind: type[msgspec.Struct], name: str) -> Iterator[str]:
    lines = list(_keys(kind, name))
    if lines:
        yield f"\n{_about(kind)}\n[{name}]\n"
        yield from lines


def _keys(kind: type[msgspec.Struct], section: str) -> Iterator[str]:
    hints = typing.get_type_hints(kind, include_extras=True)
    for field in msgspec.structs.fields(kind):
        annotation = hints[field.name]
        if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
            continue
        description = _description(annotation)
        if description:
            yield f"# {description}\n"
        key = f"{section}.{field.name}"
        if key in DEMO:
            default = toml_value(field.default)
            note = "" if DEMO[key] == field.default else f"  # default: {default}"
            yield f"{field.name} = {toml_value(DEMO[key])}{note}\n"
        else:
            yield f"# {field.name} = {toml_value(field.default)}\n"


def _description(annotation: Any) -> str:
    if typing.get_origin(annotation) is not Annotated:
        return ""
    bare, *metas = typing.get_args(annotation)
    text = next((meta.description for meta in metas if meta.description), "")
    bounds = ", ".join(
        f"{sign} {limit}"
        for meta in metas
        for sign, limit in (("≥", meta.ge), (">", meta.gt), ("≤", meta.le), ("<", meta.lt))
        if limit is not None and bare in (int, float)
    )
    pattern = next((meta.pattern for meta in metas if meta.pattern), "")
    choices = pattern.strip("^$()").replace("|", " | ") if not text else ""
    return " ".join(part for part in (text or choices, f"({bounds})" if bounds else "") if part)


def _about(kind: type[msgspec.Struct]) -> str:
    text = (kind.__doc__ or "").partition("\n\n")[0]
    sentence = text.partition(": ")[2] if text.startswith("[") else text
    sentence = sentence[:1].upper() + sentence[1:]
    return textwrap.fill(sentence, 98, initial_indent="# ", subsequent_indent="# ")


def _processes(section: str) -> Iterator[str]:
    yield f"\n{_about(Process)}\n# Processes: {', '.join(PROCESS_NAMES)}.\n"
    yield f"# [{section}.{PROCESS_NAMES[1]}]\n"
    yield from _keys(Process, section)


def write_userdir(folder: Path) -> list[Path]:
    """Makes the user folder with its seawall.toml; returns what it made, nothing is overwritten.

    Raises ConfigError when the folder cannot be written.
    """
    made: list[Path] = []
    try:
        for name, mode in FOLDERS:
            path = folder / name
            if not path.is_dir():
                # Another start may make it at this instant.
                path.mkdir(parents=True, exist_ok=True)
                path.chmod(mode)
                made.append(path)
        # Sockets that steer the engine live here: whoever may enter may trade.
        (folder / "run").chmod(0o700)
        file = folder / "seawall.toml"
        if not file.exists():
            # In one step, so that another start at this instant reads all of it or makes the same.
            unfinished = file.with_name(f".{file.name}.{os.getpid()}")
            unfinished.write_text(template(), encoding="utf-8")
            unfinished.replace(file)
            made.append(file)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be made a user folder: {error}") from error
    return made
