"""Checks an audit of fills against the market data: every fill is derived again, or found out.

The audit says what the venue believes. The check reads the recording itself and imports nothing of
the venue, so that no mistake can hide in both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import orjson

from shared.errors import NotFoundError, RecordingError
from shared.recordings.fill_audit_checker import FillChecker, Record
from shared.recordings.fill_audit_market import SharedFile, Source, sources

VERSION: Final = 1
MARKET_SUFFIX: Final = ".market.jsonl"


def check(audit: Path, recordings: Sequence[Path]) -> FillChecker:
    """Checks an audit file; without recordings against the market file beside it.

    Raises NotFoundError for a file that is not there, RecordingError for recordings that cannot be
    read or are not those that the audit was made with, and for a file that is no audit."""
    if not audit.is_file():
        raise NotFoundError(f"no such audit: {audit}")
    with audit.open("rb") as file:
        start = _start(audit, file.readline())
        checker = FillChecker(_market(audit, start, recordings))
        for audit_line, text in enumerate(file, 2):
            try:
                record = orjson.loads(text)
            except orjson.JSONDecodeError:
                record = None
            if isinstance(record, dict):
                checker.take(audit_line, record)
            else:
                checker.unreadable(audit_line, f"not a record: {text[:60]!r}")
    checker.end()
    return checker


def _start(audit: Path, text: bytes) -> Record:
    try:
        start = orjson.loads(text)
    except orjson.JSONDecodeError:
        start = None
    if not isinstance(start, dict) or start.get("record") != "start":
        raise RecordingError(f"{audit}: not an audit of fills: its first line is no start")
    if start.get("version") != VERSION:
        raise RecordingError(f"{audit}: version {start.get('version')!r}, allowed: {VERSION}")
    files = start.get("files")
    named = isinstance(files, list) and all(
        isinstance(one, dict)
        and isinstance(one.get("file"), str)
        and isinstance(one.get("sha256"), str)
        for one in files
    )
    if start.get("market") not in ("generated", "recorded") or not named:
        raise RecordingError(f"{audit}: its first line does not name the market it was made with")
    return start


def _market(
    audit: Path, start: Record, recordings: Sequence[Path]
) -> Mapping[str, Source] | Callable[[str], Source]:
    if start["market"] == "generated":
        if recordings:
            raise RecordingError(f"{audit}: of a generated market, which --replay cannot be")
        path = audit.with_name(audit.name + MARKET_SUFFIX)
        if not path.is_file():
            raise NotFoundError(f"no such file: {path}; it was written beside the audit")
        return SharedFile(path).of
    if not recordings:
        names = " ".join(one["file"] for one in start["files"])
        raise RecordingError(f"{audit}: needs its recordings: --replay {names}")
    wanted = {one["sha256"]: one["file"] for one in start["files"]}
    for path in recordings:
        if not path.is_file():
            raise NotFoundError(f"no such recording: {path}")
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if wanted.pop(digest, None) is None:
            raise RecordingError(f"{path}: not a recording that this audit was made with")
    if wanted:
        raise RecordingError(f"{audit}: also needs --replay {' '.join(wanted.values())}")
    return sources(recordings)
