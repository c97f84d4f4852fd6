"""The profiles in a line each, for help, errors and documents; light, so that help is quick."""

from __future__ import annotations

from typing import Final

SYMBOLS_MAX: Final = 500

LINES: Final = {
    "calm": "an ordinary day, as recordings of real markets show it",
    "demo": "a symbol falls 5 % about every ten seconds and returns",
    "fast": "three small books that fall every few seconds",
    "crash": "everything falls together by 8 to 25 %, twice an hour",
    "chop": "sideways, with false breakouts and whipsaws of 1 to 3 %",
    "illiquid": "thin books, spreads of 4 to 80 bps, few trades, sudden jumps",
    "flood": "2,500 messages a second on one symbol, five quiet ones",
}


def describe() -> str:
    """A line for each profile: name and what happens there."""
    width = max(map(len, LINES))
    return "\n".join(f"{name:{width}}  {line}" for name, line in LINES.items())
