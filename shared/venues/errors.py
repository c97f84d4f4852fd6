"""What a venue's answer means: one table by venue, code, HTTP status and text (O4, L2).

A client library's exception class is not enough: the same class covers requests that surely did
nothing and requests that may have bought something. So the raw answer is judged, and whatever is
not clearly a refusal or a success is UNKNOWN.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec
import orjson

from shared.messages.venue import Meaning, Outcome
from shared.venues.error_rows import ROWS, Row

DEFAULT_RATE_PAUSE_S: Final = 10.0
"""Pause after a rate refusal that names no time."""

DEFAULT_BAN_PAUSE_S: Final = 120.0
"""The shortest ban that the venue documents."""

_BANNED_UNTIL: Final = re.compile(r"until (?P<at_ms>[0-9]{13})\b")


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a request after it ended."""

    sent: bool = True
    """Whether a byte of it may have left; False only when that is excluded."""
    status: int = 0
    """HTTP status of a complete answer; 0 when there was none."""
    body: str = ""
    retry_after_s: float = 0.0
    fault: str = ""
    """What went wrong on this side: a time-out, a cut connection."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """How the request ended and why; `banned_until_ms` is the venue's clock, 0 when not told."""

    outcome: Outcome
    meaning: Meaning = Meaning.NONE
    code: str = ""
    text: str = ""
    retry_after_s: float = 0.0
    banned_until_ms: int = 0


def judge(venue: str, heard: Heard) -> Verdict:
    """The outcome of a request at a venue (`binance`, `binanceusdm`, `bybit`, `mexc`).

    OK means only that nothing speaks against success; the caller still has to find the promised
    content, and reports an empty or strange body with `unreadable`.
    """
    if not heard.status:
        outcome = Outcome.UNKNOWN if heard.sent else Outcome.NOT_SENT
        return Verdict(outcome=outcome, text=heard.fault or "no answer")
    code, text = _code_and_text(heard.body)
    for row in ROWS:
        if _fits(row, venue, code, heard.status, text):
            return _verdict(row, code, text, heard.retry_after_s)
    if heard.status == 200 and code is None:
        return Verdict(outcome=Outcome.OK)
    return Verdict(
        outcome=Outcome.UNKNOWN, code=_shown(code), text=f"HTTP {heard.status}: {text}"[:300]
    )


def unreadable(reason: str) -> Verdict:
    """An answer that claims success without the promised content: nothing is known (L2)."""
    return Verdict(outcome=Outcome.UNKNOWN, text=f"unreadable answer: {reason}"[:300])


def _verdict(row: Row, code: int | None, text: str, retry_after_s: float) -> Verdict:
    pause_s = 0.0
    until_ms = 0
    if row.outcome is Outcome.THROTTLED and row.meaning is not Meaning.CLOCK:
        banned = _BANNED_UNTIL.search(text)
        until_ms = int(banned["at_ms"]) if banned else 0
        is_ban = row.meaning is Meaning.BANNED
        pause_s = retry_after_s or (DEFAULT_BAN_PAUSE_S if is_ban else DEFAULT_RATE_PAUSE_S)
    return Verdict(
        outcome=row.outcome,
        meaning=row.meaning,
        code=_shown(code) or (str(row.status) if row.status else ""),
        text=text,
        retry_after_s=pause_s,
        banned_until_ms=until_ms,
    )


def _fits(row: Row, venue: str, code: int | None, status: int, text: str) -> bool:
    if row.venue not in ("", venue) or (row.status and row.status != status):
        return False
    if row.codes is not None and (code is None or code not in row.codes):
        return False
    return row.text.lower() in text.lower()


def _shown(code: int | None) -> str:
    return "" if code is None else str(code)


def _code_and_text(body: str) -> tuple[int | None, str]:
    """The venue's code (None for none, 0 or 200) and message; other bodies give their beginning."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None, " ".join(body[:200].split())
    if not isinstance(content, dict):
        return None, ""
    code = content.get("code", content.get("retCode"))
    text = content.get("msg", content.get("retMsg", ""))
    if isinstance(code, str) and re.fullmatch(r"-?[0-9]{1,9}", code):
        code = int(code)
    if not isinstance(code, int) or isinstance(code, bool) or code in (0, 200):
        code = None
    return code, text[:300] if isinstance(text, str) else ""
