"""Opens a damaged journal as a process does, and says whether what comes back can be trusted.

Right is: some prefix of what was written that holds every promised row; or a fault, aloud, with a
prefix; or a refusal. Afterwards the journal is salvaged where it must be, written, and opens clean.
"""

import os
import random
import shutil
from pathlib import Path

from torn_damage import State
from torn_history import DATABASE, FILES, ROLE, History

from procs.runtime.keeper import Keeper
from shared.domain.effects import Journal as Entry
from shared.errors import JournalError, NotFoundError
from shared.journal import salvage
from shared.journal.journal import DiskError, Journal
from shared.journal.reader import JournalReader
from shared.journal.rows import Row
from shared.messages.base import Message, encode
from shared.messages.decision import DecideEvent, RouteMarked

WHOLE, SHORTER, FAULT, REFUSED = "whole", "shorter", "fault", "refused"
OUTCOMES = (WHOLE, SHORTER, FAULT, REFUSED)


class Wrong(Exception):
    """A silently wrong recovery, or a journal that cannot be gone on with."""


class _Killed(Exception):
    """Stands for a kill at this place."""


class _Folding:
    """As much of an actor as the journal's side of a turn needs."""

    snapshot_body: bytes | None = None
    events: tuple[Message, ...] = ()

    def recover(self, snapshot: bytes | None, events: object) -> None:
        """Keeps what it is given."""
        self.snapshot_body, self.events = snapshot, tuple(events)  # type: ignore[arg-type]


class Judge:
    """Tries states of one history in a scratch folder."""

    def __init__(self, history: History, folder: Path) -> None:
        self._history = history
        self._folder = folder

    def try_state(self, state: State, chance: random.Random) -> str:
        """One of OUTCOMES. Raises Wrong."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir()
        for name, data in state.files.items():
            (self._folder / name).write_bytes(data)
        self._read_only()
        if state.salvaging:
            return self._killed_salvage(state, chance)
        try:
            keeper = self._open()
        except JournalError:
            return REFUSED
        outcome = self._judged(keeper, state.promised, state.seq)
        self._go_on(keeper)
        return outcome

    def _open(self) -> Keeper:
        return Keeper(self._folder / DATABASE, ROLE, DecideEvent, 1000)

    def _judged(self, keeper: Keeper, promised: int, seq: int) -> str:
        actor = _Folding()
        try:
            fault = keeper.recover(actor)  # type: ignore[arg-type]
            journal = keeper._journal
            assert journal is not None
            wrong = self._history.wrong(actor.snapshot_body, list(actor.events), journal.seq)
            if wrong:
                raise Wrong(f"{wrong} (fault: {fault or 'none'})")
            if fault:
                return FAULT
            if journal.seq < promised:
                raise Wrong(f"ends at row {journal.seq} without a fault, {promised} was promised")
            return WHOLE if journal.seq >= seq else SHORTER
        except BaseException:
            keeper.close()
            raise

    def _go_on(self, keeper: Keeper, *, may_fail: bool = True) -> None:
        """Salvage where it must be, two more rows, and a start that finds nothing wrong."""
        keeper.salvage()
        journal = keeper._journal
        assert journal is not None
        for _ in range(2):
            seq = journal.seq + 1
            entries = [Entry(seq, RouteMarked(seq=seq, at_ns=seq), True)]
            try:
                journal.append(entries, 0)
            except DiskError:
                # Damage that only a writer meets: it is said aloud, and the next start mends it.
                if not journal.append_emergency(entries, 0) or not may_fail:
                    raise
                keeper.close()
                keeper = self._open()
                assert keeper._journal is not None
                found = keeper._journal.recovered
                if not found.fault or found.seq != seq or found.events[-1] != entries[0].event:
                    raise Wrong(f"row {seq} of the emergency file is not back: {found}") from None
                self._go_on(keeper, may_fail=False)
                return
        last = journal.seq
        keeper.close()
        again = Journal.open(self._folder / DATABASE, ROLE, DecideEvent)
        again.close()
        if again.recovered.fault or again.seq != last:
            raise Wrong(
                f"after going on at row {last}, the next start ends at {again.seq}: "
                f"{again.recovered.fault or 'no fault'}"
            )
        tail = list(again.recovered.events[-2:])
        if tail != [RouteMarked(seq=n, at_ns=n) for n in (last - 1, last)]:
            raise Wrong("after going on, the new rows are not what comes back")

    def _killed_salvage(self, state: State, chance: random.Random) -> str:
        """Salvages, but dies after the n-th renaming; the next start finishes or begins again."""
        try:
            keeper = self._open()
        except JournalError:
            return REFUSED
        outcome = self._judged(keeper, 0, state.seq)
        left = [chance.randrange(6)]
        real = os.replace

        def replace(source: object, target: object) -> None:
            if left[0] == 0:
                raise _Killed
            left[0] -= 1
            real(source, target)  # type: ignore[arg-type]

        salvage.os.replace = replace  # type: ignore[assignment]
        try:
            keeper.salvage()
        except _Killed:
            outcome = FAULT
        finally:
            salvage.os.replace = real
            keeper.close()
        try:
            again = self._open()
        except JournalError:
            return REFUSED
        self._judged(again, 0, state.seq)
        self._go_on(again)
        return outcome

    def _read_only(self) -> None:
        """A reader from outside gives true rows, or says what is wrong; it changes nothing."""
        before = (self._folder / DATABASE).read_bytes() if self._has(DATABASE) else None
        try:
            with JournalReader(self._folder / DATABASE, ROLE) as reader:
                for number, row in enumerate(reader.rows()):
                    # Nothing is left to check the first row against once retention dropped some.
                    if number or row.seq == 1:
                        self._known(row)
                reader.snapshot()
                reader.of_type("route_marked", 5)
                reader.containing("tk-1", 5)
                reader.last_seq()
        except (JournalError, NotFoundError):
            return
        finally:
            after = (self._folder / DATABASE).read_bytes() if self._has(DATABASE) else None
            if after != before:
                raise Wrong("a reader changed the journal")
            for name in FILES[1:3]:
                # What the reader made of the log's index is not part of the state.
                if not before and self._has(name):
                    (self._folder / name).unlink()

    def _known(self, row: Row) -> None:
        truth = self._history.truth
        if not 0 < row.seq <= len(truth) or row.body != encode(truth[row.seq - 1]):
            raise Wrong(f"a reader gives row {row.seq}, which was never written so")

    def _has(self, name: str) -> bool:
        return (self._folder / name).is_file()
