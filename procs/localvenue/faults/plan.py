"""Reads a fault plan, from TOML or from JSON of the same shape, and believes nothing unseen.

Every mistake is one ConfigError that names the file, the table's number, the key, the value and
what is allowed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

import msgspec

from procs.localvenue.faults.kinds import (
    GROUP_WHEN,
    GROUP_WHERE,
    KINDS,
    WHEN,
    WHERE,
    Choice,
    Kind,
    Number,
    Shape,
    Switch,
)
from shared.config.toml import TomlError, parse_toml
from shared.errors import ConfigError

FAULTS_MAX: Final = 1_000
SECONDS_MAX: Final = 31_536_000
TIMES_MAX: Final = 10**9
TEXT_MAX: Final = 200

Range = tuple[float, float]
"""Lowest and highest; the same twice for a number that is always the same."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One table of a plan. None where nothing was asked: everywhere, always."""

    kind: str
    said: dict[str, Any]
    """As it was written."""
    operation: str | None = None
    path: str | None = None
    writes: bool | None = None
    symbol: str | None = None
    channel: str | None = None
    stream: str | None = None
    chance: float = 1.0
    every: int = 1
    nth: int | None = None
    count: int | None = None
    after_s: float = 0.0
    for_s: float | None = None
    values: dict[str, Any] = {}
    """How much, by the names of KINDS, defaults filled in; numbers with a spread as Range."""

    def hits_request(self, operation: str, path: str, symbol: str, writes: bool) -> bool:
        """Whether the request is where the fault strikes."""
        return (
            _fits(self.operation, operation)
            and _fits(self.path, path)
            and _fits(self.symbol, symbol)
            and self.writes in (None, writes)
        )

    def hits_message(self, channel: str, name: str) -> bool:
        """Whether the message is where the fault strikes; the symbol is the stream's own."""
        kind = KINDS[self.kind]
        return (
            fnmatchcase(name, kind.streams)
            and kind.channel in ("", channel)
            and self.channel in (None, channel)
            and _fits(self.stream, name)
            and (self.symbol is None or _fits(self.symbol, name.partition("@")[0].upper()))
        )

    def hits_symbol(self, symbol: str) -> bool:
        """Whether the symbol is where the fault strikes."""
        return _fits(self.symbol, symbol)


class Plan(msgspec.Struct, frozen=True):
    """What goes wrong, and the seed by which chance decides."""

    seed: int = 1
    faults: tuple[Fault, ...] = ()


def _fits(pattern: str | None, text: str) -> bool:
    return pattern is None or fnmatchcase(text, pattern)


def read_plan(path: Path) -> Plan:
    """The plan of a TOML file. Raises ConfigError when it cannot be read or says what cannot be."""
    try:
        data = parse_toml(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"--faults {path}: {error.strerror or error}") from error
    except (TomlError, UnicodeDecodeError) as error:
        raise ConfigError(f"--faults {path}: not TOML: {error}") from error
    return parse_plan(data, str(path))


def parse_plan(data: Any, source: str) -> Plan:
    """The plan of decoded TOML or JSON; `source` is how errors call it. Raises ConfigError."""
    if not isinstance(data, dict):
        raise ConfigError(f"{source}: a plan is a table, allowed: seed, fault")
    for key in data:
        if key not in ("seed", "fault"):
            raise ConfigError(f"{source}: {key} is not known, allowed: seed, fault")
    seed = data.get("seed", 1)
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise ConfigError(f"{source}: seed = {_shown(seed)}, allowed: 0 to 2^63 - 1")
    tables = data.get("fault", [])
    if not isinstance(tables, list) or len(tables) > FAULTS_MAX:
        raise ConfigError(f"{source}: fault must be up to {FAULTS_MAX} tables: [[fault]]")
    faults = tuple(parse_fault(one, f"{source}: fault {at}") for at, one in enumerate(tables, 1))
    return Plan(seed, faults)


def parse_fault(data: Any, place: str) -> Fault:
    """One table; `place` is how errors call it. Raises ConfigError."""
    if not isinstance(data, dict):
        raise ConfigError(f"{place}: {_shown(data)}, allowed: a table")
    name = data.get("kind")
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None or not isinstance(name, str):
        written = "is missing" if name is None else f"= {_shown(name)}"
        raise ConfigError(f"{place}: kind {written}, allowed: {', '.join(KINDS)}")
    place = f"{place} ({name})"
    where, when = _where_of(kind), GROUP_WHEN[kind.group]
    allowed = ("kind", *where, *when, *kind.parameters)
    for key in data:
        if key not in allowed:
            shown = _shown(data[key])
            raise ConfigError(f"{place}: {key} = {shown}: the key is not known here, allowed: "
                              f"{', '.join(allowed)}")  # fmt: skip
    found: dict[str, Any] = {
        key: _READERS[key](data[key], f"{place}: {key}") for key in (*where, *when) if key in data
    }
    if "nth" in found and ("every" in found or "chance" in found):
        raise ConfigError(f"{place}: nth = {found['nth']} excludes every and chance")
    values: dict[str, Any] = {}
    for key, parameter in kind.parameters.items():
        if key in data:
            values[key] = _value(parameter.shape, data[key], f"{place}: {key}")
        elif parameter.default is None:
            raise ConfigError(f"{place}: {key} is missing, allowed: {parameter.shape.allowed()}")
        else:
            values[key] = _value(
                parameter.shape,
                list(parameter.default)
                if isinstance(parameter.default, tuple)
                else parameter.default,
                key,
            )
    return Fault(kind=name, said=dict(data), values=values, **found)


def _where_of(kind: Kind) -> tuple[str, ...]:
    names = GROUP_WHERE[kind.group]
    return tuple(name for name in names if not (kind.channel and name == "channel"))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= TEXT_MAX else text[:TEXT_MAX] + "…"


def _number(value: Any, place: str, shape: Number) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if (
        not is_number
        or (shape.whole and not isinstance(value, int))
        or not math.isfinite(value)
        or not shape.low <= value <= shape.high
    ):
        raise ConfigError(f"{place} = {_shown(value)}, allowed: {shape.allowed()}")
    return value  # type: ignore[no-any-return]


def _value(shape: Shape, value: Any, place: str) -> Any:
    if isinstance(shape, Switch):
        if not isinstance(value, bool):
            raise ConfigError(f"{place} = {_shown(value)}, allowed: {shape.allowed()}")
        return value
    if isinstance(shape, Choice):
        if value not in shape.words:
            raise ConfigError(f"{place} = {_shown(value)}, allowed: {shape.allowed()}")
        return value
    if not shape.spread:
        return _number(value, place, shape)
    ends = value if isinstance(value, list) else [value, value]
    if len(ends) != 2:
        raise ConfigError(f"{place} = {_shown(value)}, allowed: {shape.allowed()}")
    low, high = (_number(end, place, shape) for end in ends)
    if low > high:
        raise ConfigError(f"{place} = {_shown(value)}: low is above high")
    return (low, high)


def _text(key: str) -> Callable[[Any, str], Any]:
    def read(value: Any, place: str) -> str:
        if not isinstance(value, str) or not 0 < len(value) <= TEXT_MAX:
            raise ConfigError(f"{place} = {_shown(value)}, allowed: text, {WHERE[key]}")
        return value

    return read


def _of(shape: Shape) -> Callable[[Any, str], Any]:
    return lambda value, place: _value(shape, value, place)


def _chance(value: Any, place: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise ConfigError(f"{place} = {_shown(value)}, allowed: above 0 up to 1")
    return float(value)


_READERS: Final[dict[str, Callable[[Any, str], Any]]] = {
    "operation": _text("operation"),
    "path": _text("path"),
    "writes": _of(Switch()),
    "symbol": _text("symbol"),
    "channel": _of(Choice(("market", "user"))),
    "stream": _text("stream"),
    "chance": _chance,
    "every": _of(Number(1, TIMES_MAX, "matches")),
    "nth": _of(Number(1, TIMES_MAX, "matches")),
    "count": _of(Number(1, TIMES_MAX, "times")),
    "after_s": _of(Number(0, SECONDS_MAX, "seconds", whole=False)),
    "for_s": _of(Number(0, SECONDS_MAX, "seconds", whole=False)),
}
assert _READERS.keys() == WHERE.keys() | WHEN.keys(), "every key is read"
