"""What power cuts, disks and hands do to files: each kind makes a state out of a history's moments.

A state says how many rows it may have lost without a word: none that was promised to survive what
happened to it.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from torn_history import DATABASE, EMERGENCY, INDEX, LOG, MARK, Files, History, Moment

SECTORS = (512, 4096)


@dataclass
class State:
    """Files to open, and what must come back or be missed aloud."""

    kind: str
    files: Files
    promised: int
    """Rows up to this one are there, or a fault is reported."""
    seq: int
    """The last row there was."""
    note: str
    salvaging: bool = False
    """Damage was reported and latched before: what is gone is known."""


class Damage:
    """Makes states of one history by chance."""

    def __init__(self, history: History, chance: random.Random) -> None:
        self._moments = history.moments
        self._chance = chance

    def state(self, kind: str) -> State:
        """A state of a kind of KINDS."""
        return KINDS[kind](self)

    def _pick(self) -> tuple[int, Moment]:
        at = self._chance.randrange(len(self._moments))
        return at, self._moments[at]

    def _made(self, kind: str, files: Files, promised: int, seq: int, note: str) -> State:
        # The index of the log is rebuilt by whoever opens first; nobody may rely on it.
        drawn = self._chance.random()
        if drawn < 0.3:
            files.pop(INDEX, None)
        elif drawn < 0.5:
            files[INDEX] = self._chance.randbytes(32_768)
        return State(kind, files, promised, seq, note)

    # ---- nothing but an end at a bad moment

    def killed(self) -> State:
        """kill -9 between two steps: what was written is there."""
        at, moment = self._pick()
        return self._made("killed", dict(moment.files), moment.seq, moment.seq, f"after step {at}")

    def torn_step(self) -> State:
        """An end in the middle of a step: some of what it wrote, in the order of its syncs."""
        at = self._chance.randrange(len(self._moments) - 1)
        before, after = self._moments[at], self._moments[at + 1]
        files = dict(before.files)
        phase = self._chance.randrange(len(after.order))
        for number, names in enumerate(after.order[: phase + 1]):
            for name in names:
                torn = number == phase
                self._move_on(files, name, after.files.get(name), torn=torn)
        note = f"step {at + 1} ({after.step}), phase {phase}"
        return self._made("torn_step", files, before.seq, before.seq, note)

    def power_cut(self) -> State:
        """Whatever was not synced is there or not, sector by sector, in any mixture of ages."""
        at, moment = self._pick()
        base = at
        while not self._moments[base].synced:
            base -= 1
        files = dict(self._moments[base].files)
        for later in self._moments[base + 1 : at + 1]:
            for name in (DATABASE, LOG, MARK, EMERGENCY):
                self._move_on(files, name, later.files.get(name), torn=True)
        note = f"after step {at}, synced at {base}"
        return self._made("power_cut", files, moment.durable, moment.seq, note)

    def _move_on(self, files: Files, name: str, new: bytes | None, *, torn: bool) -> None:
        old = files.get(name)
        if old == new:
            return
        if new is None:
            if not torn or self._chance.random() < 0.5:
                files.pop(name, None)
            return
        files[name] = self._mixed(old or b"", new) if torn else new

    def _mixed(self, old: bytes, new: bytes) -> bytes:
        """Sectors of new over old; or only the first ones, as a writer is interrupted."""
        size = self._chance.choice(SECTORS)
        share = self._chance.random()
        mixed = bytearray(old)
        in_order = self._chance.random() < 0.4
        end = int(len(new) * share) if in_order else len(new)
        for start in range(0, len(new), size):
            piece = new[start : start + size]
            if (start >= end) if in_order else (self._chance.random() > share):
                continue
            if len(mixed) < start:
                mixed += bytes(start - len(mixed))
            mixed[start : start + len(piece)] = piece
        if len(mixed) > len(new) and self._chance.random() < 0.5:
            del mixed[len(new) :]
        return bytes(mixed)

    # ---- a disk that lies

    def _hurt(self, kind: str, change: Callable[[bytes], bytes], names: tuple[str, ...]) -> State:
        at, moment = self._pick()
        files = dict(moment.files)
        present = [name for name in names if files.get(name)]
        name = self._chance.choice(present)
        files[name] = change(files[name])
        return self._made(kind, files, moment.durable, moment.seq, f"{name} after step {at}")

    def flipped(self) -> State:
        """One to eight bits of one file."""

        def flip(data: bytes) -> bytes:
            flipped = bytearray(data)
            for _ in range(self._chance.choice((1, 1, 1, 2, 8))):
                flipped[self._chance.randrange(len(data))] ^= 1 << self._chance.randrange(8)
            return bytes(flipped)

        return self._hurt("flipped", flip, _ALL)

    def truncated(self) -> State:
        """One file ends too soon."""
        return self._hurt("truncated", lambda data: data[: self._chance.randrange(len(data))], _BIG)

    def rubbish(self) -> State:
        """A sector of zeros, of noise, or of text."""

        def spoil(data: bytes) -> bytes:
            size = self._chance.choice(SECTORS)
            start = self._chance.randrange(0, len(data), size)
            noise = self._chance.choice((bytes(size), self._chance.randbytes(size), b"x" * size))
            return data[:start] + noise[: len(data) - start] + data[start + size :]

        return self._hurt("rubbish", spoil, _ALL)

    def reordered(self) -> State:
        """Two sectors that changed places, or one that stands twice."""

        def mix(data: bytes) -> bytes:
            size = self._chance.choice(SECTORS)
            first, second = (self._chance.randrange(0, len(data), size) for _ in range(2))
            mixed = bytearray(data)
            one, other = data[first : first + size], data[second : second + size]
            mixed[first : first + len(other)] = other
            if self._chance.random() < 0.5:
                mixed[second : second + len(one)] = one
            return bytes(mixed[: len(data)])

        return self._hurt("reordered", mix, _BIG)

    def stale_sector(self) -> State:
        """Sectors of one file as they were some steps ago: writes that never arrived."""
        at, moment = self._pick()
        files = dict(moment.files)
        name = self._chance.choice([name for name in _BIG if files.get(name)])
        old = self._moments[self._chance.randrange(at + 1)].files.get(name, b"")
        data = bytearray(files[name])
        size = self._chance.choice(SECTORS)
        for _ in range(self._chance.choice((1, 1, 2, 5))):
            start = self._chance.randrange(0, len(data), size)
            piece = old[start : start + size]
            data[start : start + len(piece)] = piece
        files[name] = bytes(data)
        return self._made(
            "stale_sector", files, moment.durable, moment.seq, f"{name} after step {at}"
        )

    def of_two_ages(self) -> State:
        """One file as it was some steps ago, or missing, beside the others: a careless copy."""
        at, moment = self._pick()
        name = self._chance.choice((DATABASE, LOG, EMERGENCY))
        files = dict(moment.files)
        old = self._moments[self._chance.randrange(at + 1)].files.get(name)
        files.pop(name, None)
        if old is not None and self._chance.random() < 0.7:
            files[name] = old
        return self._made(
            "of_two_ages", files, moment.durable, moment.seq, f"{name} after step {at}"
        )

    def two_wounds(self) -> State:
        """The mark and the journal damaged at once."""
        state = self.flipped() if self._chance.random() < 0.5 else self.truncated()
        mark = state.files.get(MARK)
        if mark:
            hurt = bytearray(mark)
            hurt[self._chance.randrange(len(mark))] ^= 1 << self._chance.randrange(8)
            state.files[MARK] = bytes(hurt)
        state.kind = "two_wounds"
        return state

    def leftovers(self) -> State:
        """Beside a journal, whole or hurt, the beginnings of a salvage that never got far."""
        state = self.flipped() if self._chance.random() < 0.6 else self.killed()
        _, other = self._pick()
        part = other.files[DATABASE][: self._chance.randrange(20_000)]
        state.files["decide.part"] = part
        if self._chance.random() < 0.5:
            state.files["decide.part-wal"] = self._chance.randbytes(5000)
        state.kind = "leftovers"
        return state

    def half_salvaged(self) -> State:
        """Damage whose salvage is killed after its n-th renaming; the judge does the killing."""
        state = self.flipped() if self._chance.random() < 0.5 else self.truncated()
        state.kind = "half_salvaged"
        state.salvaging = True
        return state


_BIG = (DATABASE, LOG, EMERGENCY)
_ALL = (DATABASE, DATABASE, LOG, LOG, MARK, EMERGENCY, INDEX)

KINDS: dict[str, Callable[[Damage], State]] = {
    "killed": Damage.killed,
    "torn_step": Damage.torn_step,
    "power_cut": Damage.power_cut,
    "flipped": Damage.flipped,
    "truncated": Damage.truncated,
    "rubbish": Damage.rubbish,
    "reordered": Damage.reordered,
    "stale_sector": Damage.stale_sector,
    "of_two_ages": Damage.of_two_ages,
    "two_wounds": Damage.two_wounds,
    "leftovers": Damage.leftovers,
    "half_salvaged": Damage.half_salvaged,
}
