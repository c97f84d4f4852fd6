"""Going on after damage: a new file with what can be trusted, the old one kept as evidence.

Each step is one rename, and a start that finds the work half done finishes it (`finish`), so that a
kill at any point leaves either the damaged journal or the complete new one.
"""

from __future__ import annotations

import os
from pathlib import Path

from shared.journal.rows import Survey
from shared.journal.schema import connect, create, snapshot_crc


def rebuild(path: Path, role: str, found: Survey) -> None:
    """Writes found into a new file and puts it in the journal's place. No connection may be open.

    Raises OSError and sqlite3.Error.
    """
    part = path.with_suffix(".part")
    for leftover in _files(part):
        leftover.unlink(missing_ok=True)
    connection = connect(part)
    try:
        create(connection, role)
        connection.execute("BEGIN IMMEDIATE")
        if found.snapshot is not None:
            snapshot = found.snapshot
            crc = snapshot_crc(snapshot.seq, snapshot.chain, snapshot.body)
            connection.execute(
                "INSERT INTO snapshots VALUES(?, ?, ?, ?)",
                (snapshot.seq, snapshot.body, snapshot.chain, crc),
            )
            connection.execute("INSERT INTO about VALUES('rebased', ?)", (str(snapshot.seq),))
        connection.executemany(
            "INSERT INTO events VALUES(?, ?, ?, ?, ?)",
            ((row.seq, row.type, row.at_ns, row.body.decode(), row.crc) for row in found.rows),
        )
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        connection.close()
    os.replace(part, _complete(path))
    number = finish(path)
    emergency = path.with_suffix(".emergency")
    if emergency.exists():
        os.replace(emergency, f"{path}.damaged-{number}.emergency")


def finish(path: Path) -> int:
    """Puts a complete new file into place and returns the number of the damaged one; does nothing
    and returns 0 when there is none.

    The emergency file stays where it is: a process whose salvage got no further has gone on in it.
    """
    complete = _complete(path)
    if not complete.exists():
        return 0
    number = 1
    while any(Path(f"{path}.damaged-{number}{end}").exists() for end in _ENDS):
        number += 1
    for file, end in zip(_files(path), _ENDS, strict=True):
        if file.exists():
            os.replace(file, f"{path}.damaged-{number}{end}")
    os.replace(complete, path)
    return number


_ENDS = ("", "-wal", "-shm")


def _files(path: Path) -> tuple[Path, ...]:
    return tuple(Path(f"{path}{end}") for end in _ENDS)


def _complete(path: Path) -> Path:
    return path.with_suffix(".salvaged")
