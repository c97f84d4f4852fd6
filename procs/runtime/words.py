"""What a child says to its supervisor by itself, and says again until it went out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from procs.runtime.keeping import Keeping
from procs.runtime.latch import Latch
from procs.runtime.launch import Launch
from procs.runtime.links import SUPERVISE, Links
from procs.runtime.readiness import is_unheard
from shared.domain.effects import Say
from shared.messages.control import EngineStatus, Heartbeat, ProcessReady, ProcessStopped, Tripped
from shared.telemetry.log import EventLog


class Words:
    """Heartbeat, readiness, trips, and the last report."""

    def __init__(
        self, launch: Launch, links: Links, log: EventLog, placed: tuple[tuple[int, ...], int]
    ) -> None:
        self.ready_said = False
        self.trip_said = False
        self._launch = launch
        self._links = links
        self._log = log
        self._cpus, self._nice = placed
        self._latch_asked = False

    def beat(self, now_ns: int, figures: dict[str, float], disk_error: str) -> None:
        """Says that the process lives, and whether its disk does."""
        word = Heartbeat(
            role=self._launch.role,
            incarnation=self._launch.incarnation,
            at_ns=now_ns,
            figures=figures,
            disk_error=disk_error,
        )
        self._links.say(SUPERVISE, word)

    def ready(self, now_ns: int) -> None:
        """Says that the process has recovered and reconciled, unless that was said."""
        if self.ready_said:
            return
        word = ProcessReady(
            role=self._launch.role,
            incarnation=self._launch.incarnation,
            pid=os.getpid(),
            cpus=self._cpus,
            nice=self._nice,
        )
        self.ready_said = self._links.say(SUPERVISE, word)
        if self.ready_said:
            self._log.write("system", "process_ready", {"pid": os.getpid()}, now_ns)

    def heard(self, status: EngineStatus) -> None:
        """Readiness is said again until the supervisor's own word shows that it arrived."""
        if is_unheard(status, self._launch.role, self._launch.incarnation):
            self.ready_said = False

    def trip(self, latch: Latch, keeping: Keeping, now_ns: int) -> None:
        """Sets the latch once, and says once that this process may only reduce: until a person
        opens the latch, and again if the trip stands (L9)."""
        reason = keeping.trip_reason
        if not self._latch_asked:
            self._latch_asked = True
            if self._latch(latch, reason, now_ns):
                keeping.latch_set()
        if not self.trip_said:
            word = Tripped(role=self._launch.role, reason=reason, at_ns=now_ns)
            self.trip_said = self._links.say(SUPERVISE, word)

    def say_all(self, says: Sequence[Say], latch: Latch, now_ns: int) -> None:
        """What an actor says in a turn, in its order. A trip of its own is latched before it is
        said: the whole engine may die before the supervisor has written it down (L9, L12)."""
        for said in says:
            if isinstance(said.message, Tripped) and not latch.text():
                self._latch(latch, said.message.reason, now_ns)
            self._links.say(said.to, said.message)

    def _latch(self, latch: Latch, reason: str, now_ns: int) -> bool:
        """Whether it stands now."""
        fields: dict[str, Any] = {"reason": reason}
        try:
            latch.set(f"{self._launch.role}: {reason}")
        except OSError as error:
            # A disk that takes no rows may take no latch; the supervisor hears of it anyway, and
            # this process keeps to its own reason for as long as it lives.
            fields["latch_error"] = str(error)
        self._log.write("errors", "process_tripped", fields, now_ns)
        return "latch_error" not in fields

    def rearmed(self) -> None:
        """A person removed the latch: a trip that stands, or comes later, is a new one."""
        self._latch_asked = self.trip_said = False

    def stopped(self, report: dict[str, Any]) -> bool:
        """Says the last word; False when it did not go out."""
        role, incarnation = self._launch.role, self._launch.incarnation
        word = ProcessStopped(role=role, incarnation=incarnation, report=report)
        return self._links.say(SUPERVISE, word)
