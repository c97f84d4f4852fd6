"""The journal's side of a turn: recovery, one commit, snapshots, and life without a disk.

A journal that cannot be trusted (L12) and a disk that refuses (L11) both end in a trip: the latch
is set, the supervisor is told, risk is not raised any more, and exits go on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from procs.runtime.shell import LiveActor
from procs.turn import Batch
from shared.bus.locks import Lock, take_lock
from shared.domain.effects import CallVenue
from shared.journal.journal import DiskError, Journal
from shared.messages.venue import PlaceOco, PlaceOrder


class Keeper:
    """Owns the journal of a role, or none for a role without one."""

    def __init__(self, path: Path, role: str, events: Any, keep_rows: int) -> None:
        """Takes the role's lock (`<role>.lock` beside the journal) and opens the journal.

        Raises LockedError when another process has it (L7), JournalError, DiskError."""
        self.trip_reason = ""
        """Why this process may only reduce; empty while it may trade."""
        self.rows = 0
        self._path = path
        self._keep_rows = keep_rows
        self._lock: Lock | None = None
        self._journal: Journal | None = None
        self._snapshot_seq = 0
        if events is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = take_lock(path.with_suffix(".lock"), role)
            self._journal = Journal.open(path, role, events)

    def recover(self, actor: LiveActor) -> str:
        """Folds what the journal holds into the actor; returns what is wrong with it, or empty."""
        if self._journal is None:
            actor.recover(None, ())
            return ""
        recovered = self._journal.recovered
        actor.recover(recovered.snapshot, recovered.events)
        if recovered.fault:
            self.trip_reason = f"journal {self._path.name}: {recovered.fault}"
        return self.trip_reason

    def salvage(self) -> None:
        """Once the fault is latched: puts the damaged journal aside, goes on with a new one."""
        if self._journal is None or not self._journal.damaged:
            return
        try:
            self._journal.salvage()
        except DiskError as error:
            self.trip_reason = f"{self.trip_reason}; disk: {error}"

    def commit(self, batch: Batch, now_ns: int) -> bool:
        """Makes a turn's events durable; False when the disk refused, now or before (L11).

        Without a disk the rows go to the emergency file and the turn goes on."""
        if not batch.journal:
            return not self.degraded
        if self._journal is None:
            raise RuntimeError(f"{self._path.stem} journals, but has no journal")
        self.rows += len(batch.journal)
        if not self._journal.failed:
            try:
                self._journal.append(batch.journal, now_ns)
                return True
            except DiskError as error:
                self.trip_reason = self.trip_reason or f"disk: {error}"
        self._journal.append_emergency(batch.journal, now_ns)
        return False

    @property
    def degraded(self) -> bool:
        """Whether the disk refused a write since the start."""
        return self._journal is not None and bool(self._journal.failed)

    def snapshot(self, actor: LiveActor) -> bool:
        """Stores the actor's state if rows came since the last time; True when it did."""
        journal = self._journal
        if journal is None or journal.failed or journal.seq == self._snapshot_seq:
            return False
        try:
            journal.write_snapshot(actor.snapshot(), self._keep_rows)
        except DiskError as error:
            self.trip_reason = self.trip_reason or f"disk: {error}"
            return False
        self._snapshot_seq = journal.seq
        return True

    def figures(self) -> dict[str, float]:
        """Counters for the heartbeat."""
        if self._journal is None:
            return {}
        return {
            "journal_seq": self._journal.seq,
            "journal_rows": self.rows,
            "journal_unsaved_rows": self._journal.unsaved_rows,
            "journal_degraded": float(self.degraded),
        }

    def close(self) -> None:
        """Closes the journal, then lets a successor in."""
        if self._journal is not None:
            self._journal.close()
        if self._lock is not None:
            self._lock.release()


def raises_risk(call: CallVenue) -> bool:
    """Whether a request may add exposure: a new order that is not an exit's. Cancels, queries and
    snapshots never do."""
    return not call.exit_priority and isinstance(call.request, PlaceOrder | PlaceOco)
