"""Strikes a running engine, blow by blow, and waits each time until it is whole again.

It does what a person at the machine would: starts a killed supervisor again, opens a kill switch
that an earlier blow latched, and revives what failed too often. Everything it does or sees is in
the diary; judging is the auditor's business.
"""

from __future__ import annotations

import contextlib
import resource
import signal
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from procs.chaos.aims import drop_aims, set_aim
from procs.chaos.blows import AIM, DISK, KILL, PAUSE, SUPERVISE, VENUE, Blow
from procs.chaos.books import NOBODY, Books, Door
from procs.chaos.diary import Diary
from procs.chaos.engine import ROLES, EngineProcess
from procs.chaos.patience import now_s, sleep_until

LOOK_S: Final = 0.025
WHOLE_WITHIN_S: Final = 40.0
POSITION_WITHIN_S: Final = 4.0
AIM_WITHIN_S: Final = 5.0
FULL_WITHIN_S: Final = 6.0
FULL_BYTES: Final = 64 * 1024
"""No file of the process may grow beyond this: journals and logs are longer, so the disk is full
for them; the reserve of the emergency file lies below it."""
DEATHS_WINDOW_S: Final = 61.0
DEATHS_MAX: Final = 5
"""The supervisor gives up after more deaths of one child in a minute than these (L14)."""
AIM_DEATHS: Final = 2
MISSED_S: Final = 10.0
"""By then the supervisor has missed a dead child; it may have been stopped for 8 s."""


@dataclass
class Nemesis:
    """One engine's adversary."""

    engine: EngineProcess
    diary: Diary
    seed: int
    skipped: int = 0
    """Blows that would have been one death too many within a minute."""
    _killed: dict[int, float] = field(default_factory=dict)
    """Processes that the supervisor may not have missed yet, and when they were killed."""
    _paused: dict[str, int] = field(default_factory=dict)
    _full: dict[str, tuple[int, int]] = field(default_factory=dict)
    _deaths: defaultdict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))

    def begin(self) -> bool:
        """Starts the engine; whether it became whole."""
        self.diary.note("start", SUPERVISE)
        self.engine.start()
        return self.until_whole()

    def strike(self, blow: Blow) -> bool:
        """One blow with its second, and the recovery; False when it did not become whole."""
        wanted = [one for one in (blow, blow.second) if one is not None]
        if not all(self._has_room(one) for one in wanted):
            self.skipped += 1
            return True
        sleep_until(now_s() + blow.after_s)
        self._until_held()
        before = self.engine.status_now().get("processes", {})
        self.diary.note(
            "blow", number=blow.number, name=blow.name, second=blow.second and blow.second.name
        )
        ending = self._do(blow, before)
        if blow.second is not None:
            sleep_until(now_s() + blow.second.after_s)
            self._do(blow.second, before)()
        ending()
        return self.until_whole()

    def until_whole(self) -> bool:
        """Waits until every process is ready and heard, and nothing is latched."""
        ends = now_s() + WHOLE_WITHIN_S
        status: dict[str, Any] = {}
        while now_s() < ends:
            if self.engine.ended:
                self.diary.note("engine_ended", SUPERVISE, said=self.engine.said()[-600:])
                self._deaths.clear()
                self.engine.start()
            status = self.engine.status_now()
            rows = status.get("processes", {})
            if _whole(rows, self._killed):
                if not status["latch"]:
                    if any("rescue" in reason for reason in status["reasons"]):
                        self.diary.note("rescued", "route")
                        self._kill_engine()
                        continue
                    self.diary.note("whole", state=status["state"])
                    return True
                self.diary.note("latched", text=status["latch"])
                self.engine.steer("rearm")
            for role, row in rows.items():
                if row["status"] == "failed":
                    self.diary.note("revived", role)
                    self.engine.steer("resume")
            time.sleep(LOOK_S)
        self.diary.note("not_whole", status=status, said=self.engine.said()[-600:])
        return False

    def heal(self) -> None:
        """Takes everything back that may still be in force."""
        self._resume_all()
        for role in list(self._full):
            self._make_room(role)
        drop_aims(self.engine.userdir)
        self._calm_venue()

    # -- one blow ---------------------------------------------------------------------------

    def _do(self, blow: Blow, before: dict[str, Any]) -> Callable[[], None]:
        """Begins a blow; what is returned ends it."""
        if blow.kind == KILL:
            if blow.role == SUPERVISE:
                self._kill_engine()
            else:
                self._kill(blow.role, before)
            return _nothing
        if blow.kind == AIM:
            return self._aim(blow, before)
        if blow.kind == PAUSE:
            return self._pause(blow, before)
        if blow.kind == DISK:
            return self._fill_disk(blow.role, before)
        return self._misbehave(blow)

    def _kill(self, role: str, rows: dict[str, Any]) -> None:
        pid = int(rows.get(role, {}).get("pid", 0))
        if not pid:
            return
        self._paused.pop(role, None)
        self._deaths[role].append(now_s())
        self._killed[pid] = now_s()
        entry = self.diary.note("kill", role, pid=pid)
        if not self.engine.signal_pid(signal.SIGKILL, pid):
            self.diary.note("kill_missed", role, pid=pid, of_ms=entry["at_ms"])

    def _kill_engine(self) -> None:
        """The supervisor dies and everything with it; a service manager would start it again."""
        self._resume_all()
        self._full.clear()
        self._deaths.clear()
        self.diary.note("kill", SUPERVISE, pid=self.engine.pid)
        self.engine.kill_all()
        self.diary.note("start", SUPERVISE)
        self.engine.start()

    def _aim(self, blow: Blow, rows: dict[str, Any]) -> Callable[[], None]:
        role = blow.role
        set_aim(self.engine.userdir, role, blow.point)
        first = int(rows.get(role, {}).get("incarnation", 0))
        self.diary.note("aim", role, point=blow.point)
        self._kill(role, rows)

        def until_hit() -> None:
            ends = now_s() + AIM_WITHIN_S
            while now_s() < ends:
                rows = self.engine.status_now().get("processes", {})
                if rows and _is_hit(rows[role], first):
                    self._deaths[role].append(now_s())
                    self.diary.note("aim_hit", role, point=blow.point)
                    return
                time.sleep(LOOK_S)
            # It waits for something that does not happen; a process that may die is not whole.
            self.diary.note("aim_missed", role, point=blow.point)
            drop_aims(self.engine.userdir)
            self._kill(role, self.engine.status_now().get("processes", {}))

        return until_hit

    def _pause(self, blow: Blow, rows: dict[str, Any]) -> Callable[[], None]:
        role = blow.role
        pid = self.engine.pid if role == SUPERVISE else int(rows.get(role, {}).get("pid", 0))
        ends = now_s() + blow.length_s
        if pid and self.engine.signal_pid(signal.SIGSTOP, pid):
            self._paused[role] = pid
            self.diary.note("pause", role, pid=pid, length_s=round(blow.length_s, 3))

        def resume() -> None:
            sleep_until(ends)
            self._resume(role)

        return resume

    def _resume(self, role: str) -> None:
        pid = self._paused.pop(role, 0)
        if pid:
            self.engine.signal_pid(signal.SIGCONT, pid)
            self.diary.note("resume", role, pid=pid)

    def _resume_all(self) -> None:
        for role in list(self._paused):
            self._resume(role)

    def _misbehave(self, blow: Blow) -> Callable[[], None]:
        """Faults of the venue, or connections that it cuts."""
        ends = now_s() + blow.length_s
        self.diary.note("faults", VENUE, plan=blow.name, length_s=round(blow.length_s, 3))
        with contextlib.suppress(*NOBODY):
            self._door().misbehave(blow.faults, self.seed * 1000 + blow.number)

        def calm() -> None:
            sleep_until(ends)
            self._calm_venue()

        return calm

    def _calm_venue(self) -> None:
        # A venue that was killed meanwhile has forgotten its faults already.
        with contextlib.suppress(*NOBODY):
            self._door().heal()
        self.diary.note("healed", VENUE)

    def _door(self) -> Door:
        return Door(Books.of_engine(self.engine.run_dir).rest)

    def _fill_disk(self, role: str, rows: dict[str, Any]) -> Callable[[], None]:
        """A full disk for one process, as long as it lives; room, and a new life, afterwards."""
        pid = int(rows.get(role, {}).get("pid", 0))
        if not pid:
            return _nothing
        try:
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (FULL_BYTES, hard))
        except (ProcessLookupError, PermissionError) as error:
            self.diary.note("disk_refused", role, text=str(error))
            return _nothing
        self._full[role] = (pid, hard)
        self.diary.note("disk_full", role, pid=pid)
        ends = now_s() + FULL_WITHIN_S

        def make_room() -> None:
            while now_s() < ends and not self.engine.status_now().get("latch"):
                time.sleep(LOOK_S)
            self._make_room(role)
            # A process whose disk refused once never trusts it again (L11): a person restarts it.
            self._kill(role, self.engine.status_now().get("processes", {}))

        return make_room

    def _make_room(self, role: str) -> None:
        pid, hard = self._full.pop(role, (0, 0))
        if pid:
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
            self.diary.note("disk_room", role, pid=pid)

    # -- when -------------------------------------------------------------------------------

    def _has_room(self, blow: Blow) -> bool:
        """Whether the child may die of it: the supervisor gives up on one that dies too often."""
        if blow.kind not in (KILL, AIM, DISK) or blow.role == SUPERVISE:
            return True
        deaths = self._deaths[blow.role]
        now = now_s()
        while deaths and now - deaths[0] > DEATHS_WINDOW_S:
            deaths.popleft()
        return len(deaths) + (AIM_DEATHS if blow.kind == AIM else 1) <= DEATHS_MAX

    def _until_held(self) -> None:
        """Waits for an open position, for a while: that is when a blow hurts."""
        ends = now_s() + POSITION_WITHIN_S
        while now_s() < ends and not self.engine.status_now().get("positions_open"):
            time.sleep(LOOK_S)


def _whole(rows: dict[str, Any], killed: dict[int, float]) -> bool:
    """Ready and heard, each; a number that was killed long ago is another process by now."""
    recent = {pid for pid, at_s in killed.items() if now_s() - at_s < MISSED_S}
    return set(rows) == set(ROLES) and all(
        row["status"] == "ready" and row["heartbeat_age_ms"] < 1000 and row["pid"] not in recent
        for row in rows.values()
    )


def _is_hit(row: dict[str, Any], first: int) -> bool:
    """Whether the successor of an incarnation has died in its turn."""
    if row["incarnation"] == first + 1:
        return row["status"] in ("backoff", "waiting", "failed")
    return bool(row["incarnation"] > first + 1)


def _nothing() -> None:
    """The blow is over as soon as it fell."""
