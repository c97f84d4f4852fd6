"""A reader's copy of the account: asks for everything, folds in order, asks again after a gap (L8).

The same noun serves decide, protect and observe, live and simulated. It never writes: what it holds
is route's state as of `account.seq`, and `fresh_ns` says when route last spoke.
"""

from __future__ import annotations

import msgspec

from shared.domain.account import Account, epoch_order, read_account
from shared.domain.effects import Effect, Note, Say
from shared.domain.fold import evolve
from shared.domain.instrument import Instrument
from shared.errors import MessageError
from shared.messages.account import (
    AccountEvent,
    Acknowledge,
    Beat,
    EventSaid,
    Hello,
    HelloRefused,
    Welcomed,
)
from shared.messages.base import MESSAGE_VERSION, Reader
from shared.units import NS_PER_MS

ASK_AGAIN_NS = 200 * NS_PER_MS
ACKNOWLEDGE_EVERY = 64

_INSTRUMENTS = Reader(tuple[Instrument, ...])


class Replica:
    """Follows route. `on` returns the events that became known by a message, oldest first."""

    def __init__(self, role: str, incarnation: int, config_hash: str) -> None:
        self.role = role
        self.incarnation = incarnation
        self.config_hash = config_hash
        self.account = Account()
        self.instruments: dict[str, Instrument] = {}
        self.welcomed = False
        self.reconciled = False
        self.refused = ""
        self.mark = 0
        """The highest sequence ever seen, over restarts (L12)."""
        self.marked_in = ""
        """The epoch in which it was; not the present one where a mark outlived its route."""
        self.fresh_ns = 0
        self.caught_up_ns = 0
        """Route's time at which this copy was known to lack nothing."""
        self.epoch = ""
        self._asked_ns = 0
        self._acknowledged = 0

    def ask(self, now_ns: int) -> list[Effect]:
        """A Hello, unless one was sent a moment ago."""
        if now_ns - self._asked_ns < ASK_AGAIN_NS:
            return []
        self._asked_ns = now_ns
        hello = Hello(
            role=self.role,
            incarnation=self.incarnation,
            version=MESSAGE_VERSION,
            config_hash=self.config_hash,
            mark=self.mark,
            marked_in=self.marked_in,
            at_ns=now_ns,
        )
        return [Say("route", hello)]

    def on(
        self, message: Welcomed | EventSaid | Beat | HelloRefused, now_ns: int
    ) -> tuple[list[AccountEvent], list[Effect]]:
        """Folds what route says; a gap is answered by asking for everything again."""
        self.fresh_ns = now_ns
        match message:
            case Welcomed():
                return [], self._welcome(message)
            case HelloRefused():
                self.refused = message.reason
                return [], [Note("errors", "hello_refused", {"reason": message.reason})]
            case Beat():
                self.reconciled = message.reconciled
                behind = (
                    not self.welcomed
                    or message.seq != self.account.seq
                    or message.epoch != self.epoch
                )
                if message.reconciled and not behind:
                    self.caught_up_ns = message.at_ns
                return [], self.ask(now_ns) if behind else []
            case EventSaid():
                return self._fold(message, now_ns)

    def _is_old(self, message: Welcomed | EventSaid) -> bool:
        """Overtaken: of a dead route, or from before what is folded already. A dead route's row may
        bear the number of another row of the living one, where a journal was lost between them."""
        order, known = epoch_order(message.epoch), epoch_order(self.epoch)
        return order < known or (order == known and message.seq < self.account.seq)

    def _welcome(self, message: Welcomed) -> list[Effect]:
        if self.welcomed and self._is_old(message):
            return []
        try:
            account = read_account(bytes(message.account))
            instruments = _INSTRUMENTS.read(bytes(message.instruments))
            if account.seq != message.seq:
                raise MessageError(f"welcome to {message.seq} holds an account at {account.seq}")
        except MessageError as error:
            # Nothing of it is taken over; the next beat shows that this copy is behind.
            return [Note("errors", "welcome_unreadable", {"reason": str(error)})]
        self.account = account
        self.instruments = {one.symbol: one for one in instruments}
        self.epoch = message.epoch
        self.welcomed = True
        if message.reconciled:
            # Before that the venue may still show what a short journal lacks.
            self.caught_up_ns = message.at_ns
        self._mark(message.seq)
        self._acknowledged = message.seq
        return [Say("route", Acknowledge(role=self.role, seq=message.seq))]

    def _mark(self, seq: int) -> None:
        if seq >= self.mark:
            self.mark = seq
            self.marked_in = self.epoch

    def _fold(self, message: EventSaid, now_ns: int) -> tuple[list[AccountEvent], list[Effect]]:
        if not self.welcomed:
            return [], self.ask(now_ns)
        if self._is_old(message):
            return [], []
        if message.epoch != self.epoch or message.seq > self.account.seq + 1:
            return [], self.ask(now_ns)
        if message.seq == self.account.seq:
            return [], []
        evolve(self.account, message.event)
        self._mark(message.seq)
        if message.seq - self._acknowledged < ACKNOWLEDGE_EVERY:
            return [message.event], []
        self._acknowledged = message.seq
        return [message.event], [Say("route", Acknowledge(role=self.role, seq=message.seq))]


def raw(data: bytes) -> msgspec.Raw:
    """JSON that is already written, for a Welcomed."""
    return msgspec.Raw(data)
