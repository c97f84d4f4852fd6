"""Starts, signals and buries the engine's real processes, and says what happened to them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil

from procs.runtime.affinity import Placement
from procs.runtime.launch import Launch, write_launch
from procs.supervise.effects import (
    ChildDied,
    ChildReady,
    ChildSpawned,
    Force,
    Measured,
    Signal,
    Spawn,
)
from procs.supervise.measuring import Meter, place
from procs.supervise.plan import RunPlan
from procs.supervise.processes import ChildCommand, ChildProcess
from procs.supervise.rundir import UserPaths
from procs.supervise.venue_child import (
    READY_LINE_MAX,
    VenueReady,
    choose_port,
    read_ready,
    venue_command,
    write_credentials,
)
from shared.bus.lane import make_lane
from shared.errors import ExitCode, SeawallError

VENUE_ROLE = "localvenue"
REPORT_GRACE_NS = 100_000_000
"""A dead child's last message may still be on its way through the socket for so long."""


class RunContext:
    """What every child of a run is told alike."""

    def __init__(
        self,
        plan: RunPlan,
        paths: UserPaths,
        run_id: str,
        clock_offset_ns: int,
        data_dir: Path,
        cpus: tuple[int, ...],
        places: Mapping[str, Placement],
    ) -> None:
        """cpus are those of the supervisor before it pinned itself: children must not inherit
        its cores."""
        self.plan = plan
        self.paths = paths
        self.run_id = run_id
        self.clock_offset_ns = clock_offset_ns
        self.data_dir = data_dir
        self.venue: VenueReady | None = None
        """The local venue's addresses and keys, once it is ready."""
        self.lane = make_lane() if plan.settings.engine.fast_lane else None
        self._cpus = cpus
        self._places = places

    def place_of(self, role: str) -> Placement:
        """Cores, never empty, and priority of a process (R5)."""
        cpus, nice = self._places[role]
        return cpus or self._cpus, nice

    def launch(self, role: str, incarnation: int, rescue: bool = False) -> Launch:
        """The launch file of one start."""
        plan, venue = self.plan, self.venue
        cpus, nice = self.place_of(role)
        local = plan.local_venue and venue is not None
        symbols = plan.settings.universe.symbols
        if plan.replay and venue is not None:
            symbols = venue.symbols
        return Launch(
            role=role,
            run_id=self.run_id,
            incarnation=incarnation,
            clock_offset_ns=self.clock_offset_ns,
            userdir=str(self.paths.userdir),
            run_dir=str(self.paths.run_dir),
            data_dir=str(self.data_dir),
            config_hash=plan.config_hash,
            settings=plan.settings,
            supervisor_pid=os.getpid(),
            cpus=cpus,
            nice=nice,
            venue_rest=venue.rest if local and venue else "",
            venue_ws=venue.ws if local and venue else "",
            symbols=symbols,
            replay=bool(plan.replay),
            rescue=rescue,
            lane=self.lane if self.lane and self.lane.of(role) else None,
            credentials_path=str(self.credentials_path) if local else "",
        )

    def inherited(self, role: str) -> tuple[int, ...]:
        """Descriptors that a child of this role is started with."""
        return self.lane.of(role) if self.lane is not None else ()

    def close(self) -> None:
        """Lets go of what the children shared."""
        if self.lane is not None:
            self.lane.close()
            self.lane = None

    @property
    def credentials_path(self) -> Path:
        """The local venue's demo keys; real keys are read by route from the user folder (L13)."""
        return self.paths.run_dir / "venue-credentials.toml"


class Children:
    """The processes of a run by role, at most one of each."""

    def __init__(self, context: RunContext, command: ChildCommand) -> None:
        self._context = context
        self._command = command
        self._running: dict[str, ChildProcess] = {}
        self._meters: dict[str, Meter] = {}
        self._dead_since_ns: dict[str, int] = {}
        self._ready_pipe = -1
        self._ready_bytes = b""
        self.complaints: list[str] = []
        """Placements that the system refused, to be logged."""

    def descriptors(self) -> list[int]:
        """What becomes readable when a child dies or the venue is ready."""
        found = [child.pidfd for child in self._running.values()]
        if self._ready_pipe >= 0:
            found.append(self._ready_pipe)
        return found

    def spawn(self, wanted: Spawn) -> ChildSpawned | ChildDied:
        """Starts a process; says so, or that it could not be started."""
        role, incarnation = wanted.role, wanted.incarnation
        try:
            child = (
                self._spawn_venue(incarnation)
                if role == VENUE_ROLE
                else self._start(
                    role,
                    incarnation,
                    self._command(
                        role, write_launch(self._context.launch(role, incarnation, wanted.rescue))
                    ),
                    self._context.inherited(role),
                )
            )
        except OSError as error:
            return ChildDied(
                role=role,
                incarnation=incarnation,
                exit_code=ExitCode.ERROR,
                last_words=f"cannot be started: {error}",
            )
        self._running[role] = child
        try:
            self._meters[role] = Meter(role, child.pid)
        except psutil.NoSuchProcess:
            # It died at once; its death is noticed through the pidfd in a moment.
            self._meters.pop(role, None)
        return ChildSpawned(role=role, incarnation=incarnation, pid=child.pid)

    def force(self, wanted: Signal) -> None:
        """Signals exactly this incarnation."""
        child = self._running.get(wanted.role)
        if child is None or child.incarnation != wanted.incarnation:
            return
        if wanted.force is Force.TERMINATE and wanted.role in self._meters:
            self._meters[wanted.role].measure_shares()
        child.force(wanted.force)

    def look(self, now_ns: int, awaits_report: Callable[[str], bool]) -> list[Any]:
        """Who died and whether the venue is ready, since the last look."""
        seen: list[Any] = []
        if self._ready_pipe >= 0:
            ready = self._read_pipe()
            if ready is not None:
                seen.append(ready)
        for role, child in list(self._running.items()):
            exit_code = child.reap()
            if exit_code is None:
                continue
            since_ns = self._dead_since_ns.setdefault(role, now_ns)
            if awaits_report(role) and now_ns - since_ns < REPORT_GRACE_NS:
                continue
            words = "" if exit_code == 0 else child.last_words()
            seen.append(
                ChildDied(
                    role=role,
                    incarnation=child.incarnation,
                    exit_code=exit_code,
                    last_words=words,
                )
            )
            child.close()
            del self._running[role], self._dead_since_ns[role]
        return seen

    def measure(self) -> list[Measured]:
        """Figures of every running process."""
        measured = (self._meters[role].measure() for role in self._running if role in self._meters)
        return [figures for figures in measured if figures is not None]

    def reports(self) -> dict[str, dict[str, Any]]:
        """What was seen of each process from outside, for those that could not report."""
        return {role: meter.report() for role, meter in self._meters.items()}

    def kill_all(self) -> None:
        """The last resort of a supervisor that fails itself: nothing may run on without it."""
        for child in self._running.values():
            child.force(Force.KILL)
        if self._ready_pipe >= 0:
            os.close(self._ready_pipe)
            self._ready_pipe = -1
        self._context.close()

    def _start(
        self, role: str, incarnation: int, command: list[str], pass_fds: tuple[int, ...] = ()
    ) -> ChildProcess:
        stderr_path = self._context.paths.logs_dir / f"{role}.stderr"
        return ChildProcess(role, incarnation, command, stderr_path, pass_fds=pass_fds)

    def _spawn_venue(self, incarnation: int) -> ChildProcess:
        context = self._context
        plan = context.plan
        if self._ready_pipe >= 0:
            os.close(self._ready_pipe)
        self._ready_bytes = b""
        reads, writes = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._ready_pipe = reads
        venue = context.venue
        port = choose_port(plan.settings.venue.port, context.paths.venue_port)
        if venue is not None:
            # Its clients know the address from their launch files.
            port = int(venue.rest.rpartition(":")[2])
        try:
            command = venue_command(
                plan.settings,
                port=port,
                data_dir=context.data_dir,
                ready_fd=writes,
                replay=plan.replay,
                instruments=plan.instruments,
            )
            child = self._start(VENUE_ROLE, incarnation, command, (writes,))
        finally:
            os.close(writes)
        self._complain(place(child.pid, *context.place_of(VENUE_ROLE)))
        return child

    def _read_pipe(self) -> ChildReady | None:
        try:
            data = os.read(self._ready_pipe, READY_LINE_MAX)
        except BlockingIOError:
            return None
        self._ready_bytes += data
        if data and not self._ready_bytes.endswith(b"\n"):
            return None
        os.close(self._ready_pipe)
        self._ready_pipe = -1
        ready = read_ready(self._ready_bytes)
        child = self._running.get(VENUE_ROLE)
        if ready is None or child is None:
            return None
        self._keep_credentials(ready)
        self._context.venue = ready
        return ChildReady(role=VENUE_ROLE, incarnation=child.incarnation)

    def _keep_credentials(self, ready: VenueReady) -> None:
        """A venue that comes back has the keys it had: a full disk does not matter then."""
        before = self._context.venue
        if before is not None and (before.api_key, before.api_secret) == (
            ready.api_key,
            ready.api_secret,
        ):
            return
        path = self._context.credentials_path
        try:
            write_credentials(path, ready)
        except OSError as error:
            raise SeawallError(f"{path}: {error.strerror}; is the disk full?") from error

    def _complain(self, complaint: str) -> None:
        if complaint:
            self.complaints.append(complaint)
