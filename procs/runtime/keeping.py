"""What a turn without a trusted journal or a working disk may still do: rules without a disk.

A journal that cannot be trusted (L12) and a disk that refuses (L11) both end in a trip: the latch
is set, the supervisor is told, risk is not raised any more, and exits go on. `keeper.py` puts a
real journal under these rules, the simulation one in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from procs.runtime.shell import LiveActor
from procs.turn import Batch
from shared.domain.effects import CallVenue
from shared.domain.effects import Journal as JournalEffect
from shared.journal.journal import DiskError, Recovered
from shared.messages.venue import PlaceOco, PlaceOrder


class Store(Protocol):
    """A journal, as far as the rules need one (`shared.journal.journal.Journal`)."""

    recovered: Recovered
    seq: int
    failed: str
    unsaved_rows: int

    @property
    def damaged(self) -> bool:
        """Whether `salvage` must come before anything is written."""

    def salvage(self) -> None:
        """Puts what is damaged aside. Raises DiskError."""

    def append(self, entries: Sequence[JournalEffect], now_ns: int) -> None:
        """Writes a turn's events in one commit. Raises DiskError."""

    def append_emergency(self, entries: Sequence[JournalEffect], now_ns: int) -> bool:
        """Keeps a turn's events after a DiskError, in the reserve or in memory."""

    def mark_unsaved(self) -> None:
        """Marks the last row after a DiskError, if the disk takes that now."""

    def write_snapshot(self, body: bytes, keep_rows: int) -> None:
        """Stores the state after the last row. Raises DiskError."""


@runtime_checkable
class MissesRows(Protocol):
    """An actor that does not go on as before when rows of its journal are lost (L12)."""

    def miss_rows(self, reason: str, mended: bool) -> None:
        """Told between `recover` and `start`; what is left was folded. `mended` says whether the
        journal is whole again, or will be found broken by the next start too."""


class Keeping:
    """The journal's side of a turn: recovery, one commit, snapshots, and life without a disk."""

    def __init__(self, name: str, store: Store | None, keep_rows: int) -> None:
        """`store` is None for a role that journals nothing; `name` is the journal's, for words."""
        self.trip_reason = ""
        """Why this process may only reduce; empty while it may trade."""
        self.rows = 0
        self._name = name
        self._keep_rows = keep_rows
        self._store = store
        self._snapshot_seq = 0
        self._latch_seen = False
        self._to_tell: MissesRows | None = None

    def recover(self, actor: LiveActor) -> str:
        """Folds what the journal holds into the actor; returns what is wrong with it, or empty."""
        if self._store is None:
            actor.recover(None, ())
            return ""
        recovered = self._store.recovered
        actor.recover(recovered.snapshot, recovered.events)
        if recovered.fault:
            self.trip_reason = f"journal {self._name}: {recovered.fault}"
            if isinstance(actor, MissesRows):
                self._to_tell = actor
        return self.trip_reason

    def salvage(self) -> None:
        """Once the fault is latched: puts the damaged journal aside, goes on with a new one."""
        if self._store is None or not self._store.damaged:
            return
        mended = True
        try:
            self._store.salvage()
        except DiskError as error:
            mended = False
            self.trip_reason = f"{self.trip_reason}; disk: {error}"
        if self._to_tell is not None:
            self._to_tell.miss_rows(self._store.recovered.fault, mended)

    def commit(self, batch: Batch, now_ns: int) -> bool:
        """Makes a turn's events durable; False when the disk refused, now or before (L11).

        Without a disk the rows go to the emergency file and the turn goes on."""
        if not batch.journal:
            return self._store is None or not self._store.failed
        if self._store is None:
            raise RuntimeError(f"{self._name} is written, but there is no journal")
        self.rows += len(batch.journal)
        if not self._store.failed:
            try:
                self._store.append(batch.journal, now_ns)
                return True
            except DiskError as error:
                self.trip_reason = self.trip_reason or f"disk: {error}"
                if self._store.seq == batch.journal[-1].seq:
                    # The rows are in; it is the mark beside them that could not be set.
                    return False
        self._store.append_emergency(batch.journal, now_ns)
        return False

    def refused(self, error: DiskError) -> None:
        """The disk refused while the log was folded: from now on it is not written either. A sync
        that failed once and succeeds later has lost what lay between (L11)."""
        self.trip_reason = self.trip_reason or f"disk: {error}"
        if self._store is not None and not self._store.failed:
            self._store.failed = str(error)

    @property
    def disk_error(self) -> str:
        """What the disk said when it refused a write since the start; empty while it has not."""
        return "" if self._store is None else self._store.failed

    @property
    def degraded(self) -> bool:
        """Whether the disk refused a write since the start."""
        return bool(self.disk_error)

    def remember(self) -> None:
        """At each beat: a disk that refused rows may take the mark by now. Without it nobody might
        know after this process that there were rows which only it held (L12)."""
        if self._store is not None and self._store.failed:
            self._store.mark_unsaved()

    def snapshot(self, actor: LiveActor) -> bool:
        """Stores the actor's state if rows came since the last time; True when it did."""
        store = self._store
        if store is None or store.failed or store.seq == self._snapshot_seq:
            return False
        try:
            store.write_snapshot(actor.snapshot(), self._keep_rows)
        except DiskError as error:
            self.trip_reason = self.trip_reason or f"disk: {error}"
            return False
        self._snapshot_seq = store.seq
        return True

    def latch_set(self) -> None:
        """This process has closed the latch, and need not look to know that it was in place."""
        self._latch_seen = True

    def rearmed(self, latch: str) -> bool:
        """Whether a latch that was in place is gone: a person did that, and it ends the own trip.

        A disk that takes nothing is a trip that stands: it has to be latched and said anew, or all
        others would take this process for one that trades (L9)."""
        if latch:
            self._latch_seen = True
        elif self._latch_seen:
            self._latch_seen = False
            self.trip_reason = f"disk: {self.disk_error}" if self.degraded else ""
            return True
        return False

    def figures(self) -> dict[str, float]:
        """Counters for the heartbeat."""
        if self._store is None:
            return {}
        return {
            "journal_seq": self._store.seq,
            "journal_rows": self.rows,
            "journal_unsaved_rows": self._store.unsaved_rows,
            "journal_degraded": float(self.degraded),
        }


def raises_risk(call: CallVenue) -> bool:
    """Whether a request may add exposure: a new order that is not an exit's. Cancels, queries and
    snapshots never do."""
    return not call.exit_priority and isinstance(call.request, PlaceOrder | PlaceOco)
