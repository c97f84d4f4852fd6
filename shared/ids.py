"""One id tells one story: a decision's id is its intent's, its position's, part of its orders'.

`tk3f9a-12` is the 12th decision of run tk3f9a; `sw-tk3f9a-12-e1` the first entry order of it. Ids
are functions of what they name (O2): a restarted process forms the same ones and never a used one.
"""

from __future__ import annotations

import re
from typing import Final

DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
ORDER_PREFIX: Final = "sw-"
"""Orders whose client id starts so are ours; all others are reported, never touched (L4)."""

LEGS: Final = {"e": "entry", "t": "take profit", "s": "stop", "g": "list of both", "x": "exit"}

_CLIENT_ID: Final = re.compile(
    r"sw-(?P<decision>[0-9a-z]+-[0-9]+)-(?P<leg>[etsgx])(?P<attempt>[0-9]+)"
)


def base36(number: int) -> str:
    """A non-negative number in digits and small letters."""
    text = ""
    while True:
        number, rest = divmod(number, 36)
        text = DIGITS[rest] + text
        if number == 0:
            return text


def run_id(started_s: int) -> str:
    """The id of a run from its start in whole seconds; later runs sort later."""
    return base36(started_s)


def decision_id(run: str, number: int) -> str:
    """The id of a run's number-th decision."""
    return f"{run}-{number}"


def client_id(decision: str, leg: str, attempt: int) -> str:
    """The client order id of one attempt; at most 32 characters of [A-Za-z0-9_-] (O2)."""
    text = f"{ORDER_PREFIX}{decision}-{leg}{attempt}"
    if _CLIENT_ID.fullmatch(text) is None or len(text) > 32:
        raise ValueError(f"no client order id: {text!r}")
    return text


def decision_of(client_order_id: str) -> str | None:
    """The decision an order of ours belongs to; None for a foreign order."""
    match = _CLIENT_ID.fullmatch(client_order_id)
    return match["decision"] if match else None


def leg_of(client_order_id: str) -> str | None:
    """The leg letter of an order of ours; None for a foreign order."""
    match = _CLIENT_ID.fullmatch(client_order_id)
    return match["leg"] if match else None


def attempt_of(client_order_id: str) -> int:
    """The attempt number of an order of ours; 0 for a foreign order."""
    match = _CLIENT_ID.fullmatch(client_order_id)
    return int(match["attempt"]) if match else 0


def is_ours(client_order_id: str) -> bool:
    """Whether the prefix is ours (L4)."""
    return client_order_id.startswith(ORDER_PREFIX)
