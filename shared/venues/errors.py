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
from shared.venues.error_rows import KNOWN_VENUES, ROWS, Row

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

    OK means only that nothing speaks against success: the whole answer is JSON in the venue's
    envelope. The caller still has to find the promised content, and reports a body without it with
    `unreadable`. The answer of a venue whose rows are not known proves nothing.
    """
    if not heard.status:
        outcome = Outcome.UNKNOWN if heard.sent else Outcome.NOT_SENT
        return Verdict(outcome=outcome, text=heard.fault or "no answer")
    said = _said(heard.body)
    for row in ROWS:
        if _fits(row, venue, said, heard.status):
            verdict = _verdict(row, said, heard.retry_after_s)
            break
    else:
        if heard.status == 200 and said.may_be_success(venue):
            verdict = Verdict(outcome=Outcome.OK)
        else:
            text = f"HTTP {heard.status}: {said.text}"[:300]
            verdict = Verdict(outcome=Outcome.UNKNOWN, code=_shown(said.code), text=text)
    if venue not in KNOWN_VENUES:
        return msgspec.structs.replace(verdict, outcome=Outcome.UNKNOWN)
    return verdict


def unreadable(reason: str) -> Verdict:
    """An answer that claims success without the promised content: nothing is known (L2)."""
    return Verdict(outcome=Outcome.UNKNOWN, text=f"unreadable answer: {reason}"[:300])


class _Said(msgspec.Struct, frozen=True):
    """What a body says of itself."""

    code: int | None
    """The venue's code; None for none, and for 0 and 200, which say yes."""
    text: str
    """The venue's message, or the beginning of a body that is not JSON."""
    is_whole: bool = True
    """It is an object or a list, and its code, if it has one, is a number."""
    has_envelope: bool = False
    """It has Bybit's `retCode`."""

    def may_be_success(self, venue: str) -> bool:
        """Whether nothing in it speaks against success."""
        enveloped = self.has_envelope or venue != "bybit"
        return self.is_whole and self.code is None and enveloped


def _verdict(row: Row, said: _Said, retry_after_s: float) -> Verdict:
    pause_s = 0.0
    until_ms = 0
    if row.outcome is Outcome.THROTTLED and row.meaning is not Meaning.CLOCK:
        banned = _BANNED_UNTIL.search(said.text)
        until_ms = int(banned["at_ms"]) if banned else 0
        is_ban = row.meaning is Meaning.BANNED
        pause_s = retry_after_s or (DEFAULT_BAN_PAUSE_S if is_ban else DEFAULT_RATE_PAUSE_S)
    return Verdict(
        outcome=row.outcome,
        meaning=row.meaning,
        code=_shown(said.code) or (str(row.status) if row.status else ""),
        text=said.text,
        retry_after_s=pause_s,
        banned_until_ms=until_ms,
    )


def _fits(row: Row, venue: str, said: _Said, status: int) -> bool:
    if row.venue not in ("", venue) or (row.status and row.status != status):
        return False
    if row.codes is not None and not row.status and not _is_verdict(venue, status):
        return False
    if row.codes is not None and said.code not in row.codes:
        return False
    return row.text.lower() in said.text.lower()


def _is_verdict(venue: str, status: int) -> bool:
    """Whether a code beside this status is the venue's word. Bybit and MEXC refuse with 200 too; a
    refusal of Binance that comes with 200 or a redirection contradicts itself, and proves nothing.
    """
    return 400 <= status < 500 or (status == 200 and not venue.startswith("binance"))


def _shown(code: int | None) -> str:
    return "" if code is None else str(code)


def _said(body: str) -> _Said:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        return _Said(None, " ".join(body[:200].split()), is_whole=False)
    if not isinstance(content, dict):
        return _Said(None, "", is_whole=isinstance(content, list))
    code = content.get("code", content.get("retCode", 0))
    text = content.get("msg", content.get("retMsg", ""))
    text = text[:300] if isinstance(text, str) else ""
    if isinstance(code, str) and re.fullmatch(r"-?[0-9]{1,9}", code, re.ASCII):
        code = int(code)
    if not isinstance(code, int) or isinstance(code, bool):
        return _Said(None, text, is_whole=False)
    return _Said(
        None if code in (0, 200) else code, text, has_envelope=content.get("retCode") is not None
    )
