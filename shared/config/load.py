"""Merges files, environment and --set into Settings, and says where each value came from.

Later sources win: defaults, then files in order, then SEAWALL__SECTION__KEY, then --set. Every
value is checked by itself, so that an error names file, key, value and what is allowed; what cannot
be true together is refused by `check.py`.
"""

from __future__ import annotations

import difflib
import hashlib
import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import msgspec

from shared.config.check import check_settings
from shared.config.schema import PROCESS_NAMES, Process, Settings
from shared.config.toml import TomlError, parse_toml
from shared.errors import ConfigError, NumberError
from shared.messages.base import Amount, encode
from shared.small_files import read_small
from shared.units import decimal_from_text

ENVIRONMENT_PREFIX = "SEAWALL__"


class Knob(msgspec.Struct, frozen=True):
    """One configuration key: where it lives, what it may be, and what it is when nobody says."""

    key: str
    kind: Any
    """The plain Python type: bool, int, float, str, Amount, or a tuple of int or str."""
    annotation: Any
    """The type with its bounds, as msgspec understands it."""
    default: Any
    description: str


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration that can be used, and its origin."""

    settings: Settings
    config_hash: str
    """Changes when any value changes; processes that differ in it refuse each other (L8)."""
    userdir: Path
    sources: dict[str, str]
    """For each key: `default`, a file, an environment variable, or `--set`."""


class _Given(msgspec.Struct, frozen=True):
    """A value as a source says it; text is its raw form where the source is text only."""

    source: str
    key: str
    value: Any
    text: str | None = None


def knobs(kind: type[msgspec.Struct] = Settings, prefix: str = "") -> Iterator[Knob]:
    """Every key below a section, in the schema's order; process.* appears once per process name."""
    hints = typing.get_type_hints(kind, include_extras=True)
    for field in msgspec.structs.fields(kind):
        key = f"{prefix}{field.name}"
        annotation = hints[field.name]
        bare, description = annotation, ""
        if typing.get_origin(annotation) is Annotated:
            bare, *metas = typing.get_args(annotation)
            description = next((meta.description for meta in metas if meta.description), "")
        if isinstance(bare, type) and issubclass(bare, msgspec.Struct):
            yield from knobs(bare, f"{key}.")
        elif typing.get_origin(bare) is dict:
            for name in PROCESS_NAMES:
                yield from knobs(Process, f"{key}.{name}.")
        else:
            yield Knob(key, bare, annotation, field.default, description)


KNOBS: Mapping[str, Knob] = types.MappingProxyType({knob.key: knob for knob in knobs()})
"""Every key that a configuration may set."""

SECTIONS = frozenset(
    key.rsplit(".", depth)[0] for key in KNOBS for depth in range(1, key.count(".") + 1)
)


def load_settings(
    files: Sequence[Path], sets: Sequence[str], environ: Mapping[str, str], userdir: Path
) -> Loaded:
    """The merged configuration. Raises ConfigError naming source, key, value, what is allowed."""
    values: dict[str, Any] = {}
    sources = dict.fromkeys(KNOBS, "default")
    for given in _all_given(files, sets, environ):
        knob = _knob_of(given)
        values[knob.key] = _checked(knob, given)
        sources[knob.key] = given.source
    settings = settings_of(values)
    check_settings(settings, sources, userdir)
    return Loaded(
        settings=settings,
        config_hash=config_hash(settings),
        userdir=userdir,
        sources=sources,
    )


def settings_of(values: Mapping[str, Any]) -> Settings:
    """Settings from dotted keys with checked values; what is missing has its default."""
    tree: dict[str, Any] = {}
    for key, value in values.items():
        *sections, name = key.split(".")
        place = tree
        for section in sections:
            place = place.setdefault(section, {})
        place[name] = value
    return msgspec.convert(tree, Settings, dec_hook=_keep_amount)


def value_of(settings: Settings, key: str) -> Any:
    """The value of a dotted key."""
    place: Any = settings
    for part in key.split("."):
        if isinstance(place, dict):
            place = place.get(part, Process())
        else:
            place = getattr(place, part)
    return place


def config_hash(settings: Settings) -> str:
    """16 hexadecimal digits of all values, whichever way they were written."""
    plain = [
        (key, str(value.normalize()) if isinstance(value, Decimal) else value)
        for key, value in ((key, value_of(settings, key)) for key in KNOBS)
    ]
    return hashlib.sha256(encode(plain)).hexdigest()[:16]


def _all_given(
    files: Sequence[Path], sets: Sequence[str], environ: Mapping[str, str]
) -> Iterator[_Given]:
    for path in files:
        yield from _flatten(str(path), _read_file(path), "")
    for name in sorted(environ):
        if name.startswith(ENVIRONMENT_PREFIX):
            key = name.removeprefix(ENVIRONMENT_PREFIX).lower().replace("__", ".")
            text = environ[name]
            yield _Given(f"environment {name}", key, _value_of_text(text), text)
    for assignment in sets:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise ConfigError(
                f"--set {assignment}: expected KEY=VALUE, such as risk.max_positions=3"
            )
        yield _Given("--set", key.strip(), _value_of_text(text), text)


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return parse_toml(read_small(path).decode("utf-8"), Decimal)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: not UTF-8 text: {error.reason} at byte {error.start}"
        ) from error
    except TomlError as error:
        raise ConfigError(f"{path}: not TOML: {str(error)[:300]}") from error


def _flatten(source: str, table: dict[str, Any], prefix: str) -> Iterator[_Given]:
    for name, value in table.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict) and key not in KNOBS:
            if key not in SECTIONS:
                raise ConfigError(_unknown(_Given(source, key, value)))
            yield from _flatten(source, value, f"{key}.")
        else:
            yield _Given(source, key, value)


def _value_of_text(text: str) -> Any:
    """Text of the environment or --set as a TOML value, or as a string when it is none."""
    try:
        parsed = parse_toml(f"value = {text}", Decimal)
    except TomlError:
        return text
    # A text with a line break could define more than the one value; then it is only a string.
    return parsed["value"] if len(parsed) == 1 else text


def _knob_of(given: _Given) -> Knob:
    knob = KNOBS.get(given.key)
    if knob is None:
        raise ConfigError(_unknown(given))
    return knob


def _unknown(given: _Given) -> str:
    place = f"{given.source}: {given.key}"
    if given.key in SECTIONS:
        return f"{place} is a section, not a key; its keys: {', '.join(_keys_of(given.key))}"
    guess = _nearest(given.key)
    if guess:
        return f"{place}: unknown key, did you mean {guess}?"
    section = given.key.rpartition(".")[0]
    if section in SECTIONS:
        return f"{place}: unknown key; [{section}] has {', '.join(_keys_of(section))}"
    tops = sorted({known.split(".")[0] for known in KNOBS})
    return f"{place}: unknown key; the sections are {', '.join(tops)}"


def _nearest(key: str) -> str | None:
    """The one key of that last name, else the most similar key or section, if there is any."""
    name = key.rpartition(".")[2]
    namesakes = [known for known in KNOBS if known.rpartition(".")[2] == name]
    if len(namesakes) == 1:
        return namesakes[0]
    near = difflib.get_close_matches(key, [*KNOBS, *SECTIONS], n=1, cutoff=0.75)
    if near:
        return near[0]
    names = {known.rpartition(".")[2]: known for known in KNOBS}
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.8)
    return names[near[0]] if near else None


def _keys_of(section: str) -> list[str]:
    return [key for key in KNOBS if key.startswith(f"{section}.")]


def _checked(knob: Knob, given: _Given) -> Any:
    try:
        value = _as_kind(knob.kind, given)
        return msgspec.convert(value, knob.annotation, dec_hook=_keep_amount)
    except (msgspec.ValidationError, NumberError) as error:
        about = f"; {knob.description}" if knob.description else ""
        raise ConfigError(
            f"{given.source}: {given.key} = {_shown(given)}: {_lowered(str(error))}"
            f"{about} (default {_shown_default(knob)})"
        ) from error


def _as_kind(kind: Any, given: _Given) -> Any:
    """The value in the knob's type where that loses nothing; otherwise as it is, to be refused."""
    value = given.value
    if kind is str and given.text is not None:
        return value if isinstance(value, str) else given.text
    if kind is Amount:
        if isinstance(value, bool) or not isinstance(value, Decimal | int | str):
            raise NumberError("expected a number")
        return Amount(decimal_from_text(str(value)))
    if kind is float and isinstance(value, Decimal | int) and not isinstance(value, bool):
        return float(decimal_from_text(str(value)))
    if typing.get_origin(kind) is tuple and given.text is not None:
        return _list_of_text(typing.get_args(kind)[0], given)
    return value


def _list_of_text(item: type, given: _Given) -> Any:
    """`--set universe.symbols=BTCUSDT,ETHUSDT` and `process.route.cpus=0,1` are lists as well."""
    if isinstance(given.value, list):
        return given.value
    words = [word.strip() for word in (given.text or "").split(",") if word.strip()]
    if item is int and all(re.fullmatch(r"[0-9]{1,18}", word) for word in words):
        return [int(word) for word in words]
    return words


def _keep_amount(kind: type, value: Any) -> Any:
    """msgspec's hook for kinds it does not know: `_as_kind` has made Amounts of numbers and refused
    the rest. Only a knob that is declared wrong gets further; that is a bug with a traceback."""
    if kind is Amount and isinstance(value, Decimal):
        return value
    raise NotImplementedError(f"no reader for {kind}")


def _shown(given: _Given) -> str:
    if given.text is not None:
        return given.text
    if isinstance(given.value, Decimal):
        return str(given.value)
    return encode(given.value).decode() if _is_plain(given.value) else repr(given.value)


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | bool | int | float | list)


def _shown_default(knob: Knob) -> str:
    default = knob.default
    return str(default) if isinstance(default, Decimal) else encode(default).decode()


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:]
