"""A journal's life, written by the real class, with its files as they were after each step.

Steps are commits with and without sync, snapshots with retention, folded logs, closes, starts, and
episodes in which the disk takes nothing and rows go to the emergency file.
"""

import random
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

from shared.domain.effects import Journal as Entry
from shared.journal import emergency
from shared.journal.journal import Journal, fold_wal
from shared.messages.base import Message
from shared.messages.decision import DecideEvent, ReservationReleased, RouteMarked

ROLE = "decide"
DATABASE, LOG, INDEX, MARK, EMERGENCY = (
    "decide.db", "decide.db-wal", "decide.db-shm", "decide.mark", "decide.emergency",
)  # fmt: skip
FILES = (DATABASE, LOG, INDEX, MARK, EMERGENCY)
RESERVED_BYTES = 16_384
"""A small reserve: the real one would be most of what a state copies."""

Files = dict[str, bytes]
"""File name → content; a missing one has no entry."""


@dataclass
class Moment:
    """The files after a step, and what had been promised by then."""

    step: str
    files: Files
    seq: int
    """The last row that the caller was told is written: a kill must not lose it."""
    durable: int
    """The last row that the caller was told is safe: a power cut must not lose it."""
    synced: bool
    """Whether everything in the files has been synced."""
    order: tuple[tuple[str, ...], ...]
    """Which files the step wrote, in the order that syncs enforce."""


@dataclass
class History:
    """What was written, and the moments in between."""

    truth: list[Message] = field(default_factory=list)
    """Row 1 is at 0."""
    snapshots: dict[bytes, int] = field(default_factory=dict)
    """Body → the row it stands on."""
    moments: list[Moment] = field(default_factory=list)

    def wrong(self, snapshot: bytes | None, events: list[Message], seq: int) -> str:
        """What is not the truth in a recovered state; empty when it is exactly some prefix."""
        base = 0
        if snapshot is not None:
            if snapshot not in self.snapshots:
                return f"a snapshot that was never written: {snapshot[:60]!r}"
            base = self.snapshots[snapshot]
        if seq != base + len(events):
            return f"row {seq} is said to be the last, but {base + len(events)} is"
        for at, event in enumerate(events, base):
            if at >= len(self.truth) or event != self.truth[at]:
                return f"row {at + 1} is not what was written: {event!r}"[:300]
        return ""


class _FullDisk:
    """A connection whose disk takes nothing."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def execute(self, statement: str, values: tuple = ()) -> sqlite3.Cursor:
        """Fails where a full disk would."""
        if statement == "COMMIT":
            self._connection.execute("ROLLBACK")
            raise sqlite3.OperationalError("database or disk is full")
        return self._connection.execute(statement, values)

    def close(self) -> None:
        """As the real one."""
        self._connection.close()


class Writer:
    """Lives through steps in a folder; `history` is the result."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        emergency.RESERVED_BYTES = RESERVED_BYTES
        self.history = History()
        self.folder = folder
        self._chance = chance
        self._path = folder / DATABASE
        self._durable = 0
        self._journal = Journal.open(self._path, ROLE, DecideEvent)
        self._note("made", synced=True, order=((DATABASE, LOG), (EMERGENCY,)))

    def live(self, steps: int) -> History:
        """So many steps, then the end that a kill makes: nothing is closed in time."""
        for _ in range(steps):
            drawn = self._chance.random()
            if drawn < 0.62:
                self._append(durable=drawn < 0.25)
            elif drawn < 0.74:
                self._snapshot()
            elif drawn < 0.84:
                fold_wal(self._path)
                self._note("folded", synced=True, order=((DATABASE,), (LOG,)))
            elif drawn < 0.93:
                self._restart()
            else:
                self._emergency()
        self._journal.close()
        return self.history

    def _events(self, longest: int) -> list[Message]:
        made: list[Message] = []
        for _ in range(self._chance.choice((1, 1, 1, 2, 5))):
            number = len(self.history.truth) + len(made) + 1
            if self._chance.random() < 0.6:
                made.append(RouteMarked(seq=number * 10, at_ns=number))
                continue
            # Long bodies spill over into pages of their own.
            reason = "x" * min(longest, self._chance.choice((3, 40, 700, 6000)))
            made.append(ReservationReleased(intent_id=f"tk-{number}", at_ns=number, reason=reason))
        return made

    def _entries(self, *, durable: bool, longest: int = 6000) -> list[Entry]:
        events = self._events(longest)
        first = len(self.history.truth) + 1
        self.history.truth += events
        return [Entry(seq, event, durable) for seq, event in enumerate(events, first)]

    def _append(self, *, durable: bool) -> None:
        self._journal.append(self._entries(durable=durable), 0)
        if durable:
            self._durable = self._journal.seq
        self._note(
            "synced commit" if durable else "commit", synced=durable, order=((LOG,), (MARK,))
        )

    def _snapshot(self) -> None:
        body = b"state after %d " % self._journal.seq + b"s" * self._chance.choice((1, 300, 9000))
        self.history.snapshots[body] = self._journal.seq
        self._journal.write_snapshot(body, self._chance.choice((0, 3, 20)))
        self._durable = self._journal.seq
        self._note("snapshot", synced=True, order=((LOG,), (MARK,)))

    def _restart(self) -> None:
        self._journal.close()
        # A close folds the log before it removes it.
        self._note("closed", synced=True, order=((DATABASE,), (LOG, INDEX)))
        self._journal = Journal.open(self._path, ROLE, DecideEvent)
        found = self._journal.recovered
        wrong = self.history.wrong(found.snapshot, found.events, found.seq) or found.fault
        if wrong or self._journal.seq != len(self.history.truth):
            raise AssertionError(f"an undamaged journal is not what was written: {wrong}")
        self._note("started", synced=True, order=((DATABASE, LOG), (MARK,), (EMERGENCY,)))

    def _emergency(self) -> None:
        self._journal._connection = _FullDisk(self._journal._connection)
        self._journal.failed = "the disk is full"
        for _ in range(self._chance.randrange(1, 4)):
            if not self._journal.append_emergency(self._entries(durable=True, longest=300), 0):
                raise AssertionError("the reserve is used up")
            self._durable = self._journal.seq
            self._note("emergency", synced=True, order=((EMERGENCY,),))
        self._restart()

    def _note(self, step: str, *, synced: bool, order: tuple[tuple[str, ...], ...]) -> None:
        files = {
            name: (self.folder / name).read_bytes()
            for name in FILES
            if (self.folder / name).exists()
        }
        self.history.moments.append(
            Moment(step, files, self._journal.seq, self._durable, synced, order)
        )
