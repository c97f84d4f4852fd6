"""The reports that proofs come from, as their commands print them with `--json`.

Those of `seawall` are the engine's own structs. Those of scripts below `tests/` are written down
here, because nothing outside the tests may import them.
"""

from __future__ import annotations

from typing import Any

import msgspec

from shared.errors import ConfigError


class Torn(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`tests/torn/run.py`."""

    seed: str
    states: int
    histories: int
    rows: int
    seconds: float
    outcomes: dict[str, dict[str, int]]
    """Kind of damage to what came of it."""
    findings: list[str]


class Fuzzed(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What one decoder was put through."""

    name: str
    mutations: int
    accepted: int
    refused: int
    seconds: float
    findings: list[str]


class Fuzz(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`tests/fuzz/run.py`, all decoders."""

    seed: str
    each: int
    decoders: list[Fuzzed]


class PlantedBug(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One bug's fate."""

    bug: str
    law: str
    seed: int | None
    """The first one in which a law was broken; None when it survived."""
    seconds: float


class Planted(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`tests/sim/prove.py`, all bugs."""

    within: int
    bugs: list[PlantedBug]


class Spread(msgspec.Struct, kw_only=True):
    """How often, the middle and the worst, in milliseconds."""

    count: int = 0
    p50: int = 0
    max: int = 0


class KillFigures(msgspec.Struct, kw_only=True):
    """Of the auditor's figures those that are shown."""

    fills: int
    fills_lost: int
    duplicates: int
    oversold: int
    without_stop_ms: Spread
    without_stop_or_guard_ms: Spread


def read_report(text: str, shape: type[Any], place: str) -> Any:
    """A report of this shape, nothing missing and nothing more. Raises ConfigError."""
    try:
        document = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise ConfigError(f"{place}: no report in JSON: {error}") from error
    try:
        report = msgspec.convert(document, shape)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{place}: no report of this proof: {error}") from error
    wanted = {*shape.__struct_fields__}
    # The engine's structs have defaults: what lacks a figure would else be read as zero of it.
    if wanted != {*document}:
        words = [
            f"{word} {', '.join(sorted(fields))}"
            for word, fields in (("lacks", wanted - {*document}), ("has", {*document} - wanted))
            if fields
        ]
        raise ConfigError(
            f"{place}: no report of this proof: {' and '.join(words)}, "
            f"allowed: exactly {', '.join(shape.__struct_fields__)}"
        )
    return report
