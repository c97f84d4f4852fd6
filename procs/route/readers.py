"""Route's readers: each is welcomed with the whole account, and asked what it has seen (L8, L12).

A journal that was lost may have grown again before a reader comes back: its mark is compared with
what this process found, and with which process wrote the row it names. Until all who remember have
spoken, nobody knows whether anything is lost."""

from __future__ import annotations

from procs.route.recorder import Recorder
from shared.domain.account import account_bytes
from shared.domain.entry import Sight
from shared.domain.instrument import Instrument
from shared.domain.replica import raw
from shared.messages.account import Hello, HelloRefused, Welcomed
from shared.messages.base import MESSAGE_VERSION, encode

REMEMBERING = ("decide", "protect")
"""Readers that keep over restarts what they have seen, and live whenever the engine is ACTIVE."""


class Readers:
    """Answers their Hello."""

    def __init__(
        self,
        recorder: Recorder,
        instruments: dict[str, Instrument],
        epoch: str,
        config_hash: str,
    ) -> None:
        self.found_seq = 0
        """The end of the journal when this process began: what it adds itself hides no loss."""
        self.began_ns = 0
        """When it began."""
        self.latched = False
        """A latch was in place at its start, or since: the process before it may have had a disk
        that took nothing, not even the mark of what was kept in memory. Then it latched before
        anything of that left (L11)."""
        self._recorder = recorder
        self._instruments = instruments
        self._epoch = epoch
        self._config_hash = config_hash
        self._missed: dict[str, int] = {}
        """Marks that the journal fell short of, by their epoch; each is said once: the reader keeps
        its mark until route's rows have passed it."""
        self._silent = set(REMEMBERING)
        """Those of them who have not said yet what they have seen of the routes before this one."""

    @property
    def all_spoke(self) -> bool:
        """Whether everyone who remembers has told this process of route what it has seen: before
        that a row may be lost that one of them knows, and nothing is bought on it (L12)."""
        return not self._silent

    @property
    def doubted_ns(self) -> int:
        """When this process began, where that was under a latch and not all who remember have
        spoken: their word alone shows then what was in memory alone, and may have been sold (L6,
        L12). 0 otherwise: without a latch stops and exits wait for nobody (L5)."""
        return self.began_ns if self.latched and not self.all_spoke else 0

    def sight(self, fence_ns: int, now_ns: int) -> Sight:
        """What is known of rows that they may miss. Where they stay silent until the fence, the
        venue is asked in their place (L2)."""
        is_late = not self.all_spoke and 0 < fence_ns <= now_ns - self.began_ns
        return Sight(
            is_whole=self.all_spoke or is_late,
            silent_ns=self.began_ns if is_late else 0,
            fence_ns=fence_ns,
        )

    def is_old(self, hello: Hello) -> bool:
        """Whether it was said to an earlier route, and came late: that one may have told the reader
        more since, so it is not a greeting. The next beat of this one is answered with a newer word
        (L8, L12). What it says was seen was seen: its reader may die before it says so again."""
        return hello.at_ns < self.began_ns

    def refuse(self, hello: Hello) -> bool:
        """Whether the reader was built or configured differently; then it is told so (L8)."""
        if hello.version == MESSAGE_VERSION and hello.config_hash == self._config_hash:
            return False
        reason = (
            f"{hello.role} speaks version {hello.version} of configuration "
            f"{hello.config_hash}, route {MESSAGE_VERSION} of {self._config_hash}"
        )
        self._recorder.say(hello.role, HelloRefused(reason=reason))
        return True

    def loss(self, hello: Hello) -> str:
        """What the reader has seen and the journal does not hold, in words; empty when nothing."""
        account, epoch = self._recorder.account, hello.marked_in
        known_seq = account.seq if epoch == self._epoch else self.found_seq
        if hello.mark <= self._missed.get(epoch, 0):
            return ""
        if hello.mark > known_seq:
            text = f"route's journal ended at {known_seq}, {hello.role} has seen {hello.mark}"
        elif not account.remembers(epoch, hello.mark):
            text = (
                f"row {hello.mark} of {epoch}, which {hello.role} has seen, is not in the journal"
            )
        else:
            return ""
        self._missed[epoch] = hello.mark
        return text

    def welcome(self, hello: Hello, reconciled: bool, now_ns: int) -> None:
        """The whole account, for a reader whose mark was looked at."""
        self._silent.discard(hello.role)
        account = self._recorder.account
        welcome = Welcomed(
            epoch=self._epoch,
            seq=account.seq,
            account=raw(account_bytes(account)),
            instruments=raw(encode(tuple(self._instruments.values()))),
            reconciled=reconciled,
            at_ns=now_ns,
        )
        self._recorder.say(hello.role, welcome)
