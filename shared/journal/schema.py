"""The journal file: its tables, its version, and the chain that makes a wrong row visible.

SQLite alone does not notice bit rot: of 1,500 flipped bits 1,136 read back silently wrong, and a
truncated write-ahead log silently loses its tail. So each row carries a checksum over the previous
row's checksum, and a snapshot carries the checksum of the row it stands on (L12).
"""

from __future__ import annotations

import ctypes
import sqlite3
import struct
import zlib
from pathlib import Path
from typing import Final

from shared.errors import JournalError

SCHEMA_VERSION: Final = 1
APPLICATION_ID: Final = 0x5EA3A11
"""Marks the file as a journal of ours in its SQLite header."""

CHAIN_START: Final = 0
"""The checksum before the first row."""

STRUCTURE_CHECKED_BYTES: Final = 64 * 1024 * 1024
"""Some 150,000 rows: a fifth of a second of a start; positions wait for it."""

_ROW: Final = struct.Struct("<Iqq")
_SNAPSHOT: Final = struct.Struct("<qI")

UNREADABLE: Final = (sqlite3.DatabaseError, UnicodeDecodeError)
"""What reading a damaged file raises; the second when SQLite quotes the damaged bytes."""

TABLES: Final = """
CREATE TABLE about(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE events(
  seq INTEGER PRIMARY KEY,
  type TEXT NOT NULL,
  at_ns INTEGER NOT NULL,
  body TEXT NOT NULL,
  crc INTEGER NOT NULL
);
CREATE TABLE snapshots(
  seq INTEGER PRIMARY KEY,
  body BLOB NOT NULL,
  chain INTEGER NOT NULL,
  crc INTEGER NOT NULL
);
"""


def row_crc(previous: int, seq: int, kind: bytes, at_ns: int, body: bytes) -> int:
    """The checksum of a row: over the previous one and everything the row says."""
    crc = zlib.crc32(_ROW.pack(previous, seq, at_ns))
    return zlib.crc32(body, zlib.crc32(kind, crc))


def snapshot_crc(seq: int, chain: int, body: bytes) -> int:
    """The checksum of a snapshot: over its place, the row it stands on, and its body."""
    return zlib.crc32(body, zlib.crc32(_SNAPSHOT.pack(seq, chain)))


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection in autocommit; texts come as bytes, so that a flipped bit decodes to itself."""
    if read_only:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=1.0)
    else:
        connection = sqlite3.connect(path, timeout=1.0)
    connection.isolation_level = None
    connection.text_factory = bytes
    return connection


def create(connection: sqlite3.Connection, role: str) -> None:
    """Lays out an empty journal of a role, in one commit."""
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("BEGIN IMMEDIATE")
    for statement in filter(None, map(str.strip, TABLES.split(";"))):
        connection.execute(statement)
    connection.execute("INSERT INTO about VALUES('role', ?)", (role,))
    connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
    connection.execute("COMMIT")


def is_empty(connection: sqlite3.Connection) -> bool:
    """Whether nothing was ever laid out in the file."""
    return bool(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0)


def structure_damage(connection: sqlite3.Connection) -> str:
    """What is wrong with how the pages hang together, or empty; not looked for in a large file.

    Rows may all be readable and yet lie on pages that are marked as free: the next write would
    destroy them, which only the start after it would report."""
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    size = connection.execute("PRAGMA page_size").fetchone()[0]
    if pages * size > STRUCTURE_CHECKED_BYTES:
        return ""
    first = connection.execute("PRAGMA quick_check(1)").fetchone()
    return "" if first == (b"ok",) else f"its pages contradict each other: {first!r}"[:200]


def leave_open(connection: sqlite3.Connection) -> None:
    """Keeps a connection to a disk that refused until the process ends, which closes its files.

    SQLite's own close would fold the log and sync once more; a sync that succeeds after one that
    failed has lost what lay between (L11). Not even the interpreter's end may close it."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))


def check_schema(connection: sqlite3.Connection, path: Path, role: str) -> str:
    """Refuses a file of another program, schema version or role; returns what is damaged where it
    says whose it is, or empty. Raises JournalError."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    if application != APPLICATION_ID:
        raise JournalError(f"{path}: not a journal of this program (application id {application})")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != SCHEMA_VERSION:
        raise JournalError(
            f"{path}: schema version {version}, this program writes {SCHEMA_VERSION}; "
            "use the version that wrote it, or move the file away"
        )
    found = connection.execute("SELECT value FROM about WHERE name='role'").fetchone()
    if found is None or not isinstance(found[0], bytes):
        return "it does not say whose it is"
    owner = found[0].decode(errors="replace")
    if role and owner != role:
        raise JournalError(f"{path}: the journal of {owner}, not of {role}")
    return ""
