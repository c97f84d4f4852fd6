"""What a log line is: one JSON object per record, with names that never change meaning (M1).

The one encoder of log lines and of whatever else shows plain records: Decimals become strings, and
a value that nobody thought of becomes its repr instead of a lost record.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

import msgspec

from shared.clock import iso

STREAMS: Final = ("events", "decisions", "orders", "system", "errors")

HEADER: Final = frozenset({"at", "at_ns", "stream", "level", "event_type", "role", "run_id"})
"""Keys that every record has; a field of the same name is written as `field_<name>`."""


class Level(StrEnum):
    """How much a record matters; records of the errors stream are always ERROR."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"

    @property
    def rank(self) -> int:
        """Higher is more important."""
        return list(Level).index(self)


def _write(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    return repr(value)


_ENCODER: Final = msgspec.json.Encoder(enc_hook=_write)


def encode_record(record: Mapping[str, Any]) -> bytes:
    """One JSON line without its line break. Never fails: what JSON cannot hold is shown as text."""
    try:
        return _ENCODER.encode(record)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        shown: dict[str, Any] = {
            str(name): value if name in HEADER else repr(value) for name, value in record.items()
        }
        shown["encoding_error"] = str(error)
        return _ENCODER.encode(shown)


def record_of(
    stream: str,
    event_type: str,
    fields: Mapping[str, Any],
    at_ns: int,
    role: str,
    run_id: str,
    level: Level,
) -> dict[str, Any]:
    """The record of one event: the header first, then the fields."""
    record: dict[str, Any] = {
        "at": iso(at_ns),
        "stream": stream,
        "level": level.value,
        "event_type": event_type,
        "role": role,
        "run_id": run_id,
        "at_ns": at_ns,
    }
    for name, value in fields.items():
        record[f"field_{name}" if name in HEADER else name] = value
    return record
