"""Times in answers as the client asked for them: in microseconds, or by a skewed clock."""

from __future__ import annotations

from typing import Any, Final

from procs.localvenue.matching.model import Refusal
from procs.localvenue.protocols.binance_spot.params import RefusedError

HEADER: Final = "X-MBX-TIME-UNIT"

BAD_UNIT: Final = Refusal(
    -1194, "Invalid value for time unit; expected either MICROSECOND or MILLISECOND."
)

TIMES: Final = frozenset(
    {
        "closeTime",
        "openTime",
        "time",
        "trailingTime",
        "transactTime",
        "transactionTime",
        "updateTime",
        "workingTime",
        "T",
    }
)
"""Fields of answers that hold a time in milliseconds; -1 stands for never."""

OWN_CLOCK: Final = "serverTime"
"""The one time that is written as the client's clock shows it already."""

ROW_TIME_FROM: Final = 10**12
"""Numbers in rows (klines) are times from here on: 2001 in milliseconds; counts are smaller."""


def in_microseconds(unit: str | None) -> bool:
    """Whether the header asks for microseconds. Raises RefusedError (-1194)."""
    if unit is None or unit in ("MILLISECOND", "millisecond"):
        return False
    if unit in ("MICROSECOND", "microsecond"):
        return True
    raise RefusedError(BAD_UNIT)


def shown(answer: Any, factor: int, skew_ms: int) -> Any:
    """The answer with its times moved by skew_ms and multiplied by factor."""
    if isinstance(answer, dict):
        return {
            name: (
                _shown_time(value, factor, 0 if name == OWN_CLOCK else skew_ms)
                if type(value) is int and (name in TIMES or name == OWN_CLOCK)
                else shown(value, factor, skew_ms)
            )
            for name, value in answer.items()
        }
    if isinstance(answer, list):
        return [
            _shown_time(value, factor, skew_ms)
            if type(value) is int and value >= ROW_TIME_FROM
            else shown(value, factor, skew_ms)
            for value in answer
        ]
    return answer


def _shown_time(time_ms: int, factor: int, skew_ms: int) -> int:
    return time_ms if time_ms < 0 else (time_ms + skew_ms) * factor
