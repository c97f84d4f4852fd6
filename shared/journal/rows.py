"""Walking a journal's rows: each is checked against the one before it, and the first wrong one ends
the walk. What came before it is the truth; what comes after it may be anything."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

import msgspec

from shared.journal.schema import CHAIN_START, UNREADABLE, row_crc, snapshot_crc

SQLiteRow = tuple[Any, ...]


class Row(msgspec.Struct, frozen=True):
    """One event as it lies in the file."""

    seq: int
    type: str
    at_ns: int
    body: bytes
    crc: int


class Snapshot(msgspec.Struct, frozen=True):
    """The state after row `seq`, whose checksum is `chain`."""

    seq: int
    body: bytes
    chain: int


class Survey(msgspec.Struct, frozen=True):
    """What a journal holds: the newest valid snapshot, the rows after it, and what is wrong."""

    snapshot: Snapshot | None
    rows: list[Row]
    seq: int
    """The last row that can be trusted, or the snapshot's."""
    chain: int
    fault: str
    """Empty when nothing is wrong."""


def checked(raw: SQLiteRow, previous: int) -> Row | None:
    """The row if every column has its type and the checksum continues the chain, else None."""
    seq, kind, at_ns, body, crc = raw
    if not (
        isinstance(seq, int)
        and isinstance(kind, bytes)
        and isinstance(at_ns, int)
        and isinstance(body, bytes)
        and isinstance(crc, int)
        and crc == row_crc(previous, seq, kind, at_ns, body)
    ):
        return None
    return Row(seq, kind.decode(), at_ns, body, crc)


def walk(connection: sqlite3.Connection, after: int, previous: int) -> Iterator[Row | str]:
    """Rows after a place whose checksum is `previous`; a str, the last item, says what is wrong."""
    expected = after + 1
    try:
        for raw in connection.execute(
            "SELECT seq, type, at_ns, body, crc FROM events WHERE seq > ? ORDER BY seq", (after,)
        ):
            if raw[0] != expected:
                yield f"row {expected} is missing, {raw[0]} follows"
                return
            row = checked(raw, previous)
            if row is None:
                yield f"row {expected} does not continue the chain"
                return
            yield row
            previous = row.crc
            expected += 1
    except UNREADABLE as error:
        yield f"row {expected} cannot be read: {error}"


def newest_snapshot(connection: sqlite3.Connection) -> tuple[Snapshot | None, str]:
    """The newest snapshot whose checksum holds, and what is wrong with newer ones."""
    fault = ""
    try:
        for seq, body, chain, crc in connection.execute(
            "SELECT seq, body, chain, crc FROM snapshots ORDER BY seq DESC"
        ):
            if (
                isinstance(body, bytes)
                and isinstance(chain, int)
                and 0 <= chain < 1 << 32
                and crc == snapshot_crc(seq, chain, body)
            ):
                return Snapshot(seq, body, chain), fault
            fault = fault or f"snapshot {seq} is damaged"
    except UNREADABLE as error:
        fault = fault or f"snapshots cannot be read: {error}"
    return None, fault


def survey(connection: sqlite3.Connection) -> Survey:
    """Reads snapshot and rows, as far as they can be trusted (L12)."""
    snapshot, fault = newest_snapshot(connection)
    seq, chain = (snapshot.seq, snapshot.chain) if snapshot else (0, CHAIN_START)
    fault = fault or _standing(connection, snapshot)
    rows: list[Row] = []
    for item in walk(connection, seq, chain):
        if isinstance(item, str):
            fault = fault or item
            break
        rows.append(item)
        seq, chain = item.seq, item.crc
    return Survey(snapshot, rows, seq, chain, fault)


def _standing(connection: sqlite3.Connection, snapshot: Snapshot | None) -> str:
    """What is wrong with the row a snapshot stands on; rows behind it may have been dropped."""
    if snapshot is None or snapshot.seq == 0:
        return ""
    try:
        rebased = connection.execute("SELECT value FROM about WHERE name='rebased'").fetchone()
        if rebased and rebased[0] == str(snapshot.seq).encode():
            return ""
        row = connection.execute("SELECT crc FROM events WHERE seq=?", (snapshot.seq,)).fetchone()
    except UNREADABLE as error:
        return f"row {snapshot.seq} cannot be read: {error}"
    if row is None:
        return f"row {snapshot.seq}, on which a snapshot stands, is missing"
    if row[0] != snapshot.chain:
        return f"row {snapshot.seq} is not the one its snapshot stands on"
    return ""
