"""The simulated machine: its operating system starts, signals and buries the processes.

A child is spawned, starts up, lives; its death is told to the supervisor that started it. Children
die with their supervisor (PDEATHSIG); then a service manager starts the next run.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, Final

from procs.simulate.damage import Damage
from procs.simulate.eyes import Eyes
from procs.simulate.overseer import Overseer
from procs.simulate.process import Held, Process
from procs.supervise.effects import (
    ChildDied,
    ChildSpawned,
    Finish,
    Force,
    Signal,
    Spawn,
)
from shared.domain.effects import Say
from shared.ids import run_id
from shared.messages.control import ProcessPhase, TradingState, Tripped
from shared.messages.venue import VenueStreamChanged
from shared.units import NS_PER_MS, NS_PER_S

if TYPE_CHECKING:
    from procs.simulate.world import World

BEAT_NS: Final = 250 * NS_PER_MS
START_UP_MS: Final = {
    "route": (300, 900),
    "protect": (80, 250),
    "ingest": (80, 250),
    "decide": (80, 250),
    "observe": (80, 250),
}
COMPARE_NS: Final = 3 * NS_PER_S
"""As `shared.venues.native.spot` does it."""
FAILING_STARTS: Final = 4
SERVICE_RESTART_MS: Final = (300, 2_000)
GUARDS: Final = ("route", "protect")
"""Who must live for a position to be under a live guard (L5)."""
CANNOT_START: Final = 1
"""The exit code of a process that fails while it starts."""


class Machine:
    """One computer with six processes, a latch file and a person's last wish on its disk."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.latch = ""
        """The text of the file `data/KILL`; empty when there is none."""
        self.operator = TradingState.ACTIVE
        self.run = ""
        self.runs = 0
        self.finish: Finish | None = None
        """How the last run ended, if it ended by itself."""
        self.flatten = False
        """A stop closes every position (`engine.on_stop`)."""
        self.exits: list[str] = []
        """Who is gone, in order."""
        self.stays_down = False
        """Nobody starts the engine again."""
        self.overseer = Overseer(world.agenda, self)
        self.damage = Damage(world)
        self.eyes = Eyes(world)
        self._doomed: dict[str, int] = {}
        """How many of a role's next starts fail as the last one did."""
        self._random = Random(f"{world.seed} machine")
        self._last_start_s = 0
        self._compared_ns = 0
        self._clock_of = (0, False)
        """Of which life of route it is known whether the clock was wrong."""
        self._spawned: dict[str, tuple[int, int]] = {}
        """Role → (run, incarnation) of the process that exists, started up or not."""
        self._processes = 0
        """How many were ever started; a process's number among them is its pid."""

    # ── runs ────────────────────────────────────────────────────────────────────────────────────

    def boot(self) -> None:
        """Starts the engine: a run with an id that was never there before (O2)."""
        start_s = max(self.world.agenda.now_ns // NS_PER_S, self._last_start_s + 1)
        self._last_start_s = start_s
        self.run = run_id(start_s)
        self.runs += 1
        self.finish = None
        self.overseer.start(self.run, flatten=self.flatten)
        if self.runs == 1:
            self._beat()

    def kill_all(self) -> None:
        """The supervisor dies, and its children with it."""
        if self.overseer.alive:
            self.overseer.die()

    def finished(self, finish: Finish) -> None:
        """The supervisor leaves by itself."""
        self.finish = finish
        self.overseer.die(finish.exit_code)

    def boot_later(self) -> None:
        """A service manager starts the engine again."""
        run = self.runs

        def boot() -> None:
            if self.runs == run and not self.stays_down:
                self.boot()

        self.world.agenda.after(self._random.randint(*SERVICE_RESTART_MS) * NS_PER_MS, boot)

    # ── children ────────────────────────────────────────────────────────────────────────────────

    def spawn(self, wanted: Spawn) -> None:
        """A process begins to start up."""
        role, key = wanted.role, (self.runs, wanted.incarnation)
        self._processes += 1
        pid = self._processes
        world = self.world
        assert role not in self._spawned, f"two processes of {role}"
        self._spawned[role] = key
        world.checkers.spawned(wanted)
        spawned = ChildSpawned(role=role, incarnation=wanted.incarnation, pid=pid)
        world.agenda.after(0, self._telling(spawned))
        least_ms, most_ms = START_UP_MS[role]
        start_up_ns = self._random.randint(least_ms, most_ms) * NS_PER_MS
        fails = not wanted.rescue and self._fails(role)

        def up() -> None:
            if self._spawned.get(role) != key:
                return
            if fails:
                self.world.checkers.failed(role)
                self._buried(role, CANNOT_START)
                return
            if role == "route":
                world.losses.began()
            world.nodes[role].start(wanted.incarnation, pid=pid, rescue=wanted.rescue)

        world.agenda.after(start_up_ns, up)

    def _fails(self, role: str) -> bool:
        """What makes a start fail is often still there at the next one."""
        doomed = self._doomed.get(role, 0)
        if doomed:
            self._doomed[role] = doomed - 1
            return True
        if not self.world.dice.hits("failed_start", role):
            return False
        self._doomed[role] = self.world.dice.between("failed_start", 1, FAILING_STARTS) - 1
        return True

    def heal(self) -> None:
        """Disks work, and what starts comes up."""
        self.damage.heal()
        self._doomed.clear()

    def signal(self, wanted: Signal) -> None:
        """SIGKILL reaches what it is meant for, also a process that is stopped."""
        if self._spawned.get(wanted.role) != (self.runs, wanted.incarnation):
            return
        if wanted.force is Force.KILL:
            self.kill(wanted.role)

    def kill(self, role: str) -> None:
        """kill -9, by whomever."""
        node = self.world.nodes[role]
        if node.alive:
            node.die()
        elif role in self._spawned:
            self._buried(role, -9)

    def exited(self, node: Process, exit_code: int) -> None:
        """A process is gone: who must know learns it."""
        self.exits.append(node.role)
        self.damage.died(node)
        if node.role != "observe":
            self.world.died_ns = self.world.agenda.now_ns
        if node is not self.overseer:
            self._buried(node.role, exit_code)
            return
        for role in list(self._spawned):
            self.kill(role)
        self.boot_later()

    def _buried(self, role: str, exit_code: int) -> None:
        run, incarnation = self._spawned.pop(role)
        if role in GUARDS:
            # Also one that was still starting up: after that death it is not a single kill (L5).
            self.world.died_ns = self.world.agenda.now_ns
        death = ChildDied(role=role, incarnation=incarnation, exit_code=exit_code)
        if run == self.runs:
            delay_ns = self._random.randint(1, 50) * NS_PER_MS
            self.world.agenda.after(delay_ns, self._telling(death))

    def _telling(self, message: Any) -> Any:
        life = self.overseer.life
        return lambda: self.overseer.take(message, life)

    # ── the beat ────────────────────────────────────────────────────────────────────────────────

    def _beat(self) -> None:
        world = self.world
        for node in world.nodes.values():
            node.beat()
        self.eyes.look()
        self._look_at_clock()
        if world.nodes["route"].rescue:
            self._compare()
        if not self.whole():
            # The bound of L5 is that of a single kill: it counts from when all are there again.
            world.died_ns = world.agenda.now_ns
        world.agenda.after(BEAT_NS, self._beat)

    def _look_at_clock(self) -> None:
        """What route's shell does beside its actor: it latches once when the clock goes wrong."""
        route, clocks = self.world.nodes["route"], self.world.venue.clocks
        if not route.alive or route.held:
            return
        error = clocks.error()
        if error and self._clock_of != (route.life, True):
            self.latch = self.latch or f"{error}; set the clock, then rearm"
            self.world.dice.count("clock_latched")
        self._clock_of = (route.life, bool(error))

    def _compare(self) -> None:
        """The rescue mode has no user stream: it is told now and then that it missed something."""
        now_ns = self.world.agenda.now_ns
        if now_ns - self._compared_ns >= COMPARE_NS:
            self._compared_ns = now_ns
            self.world.nodes["route"].take(
                VenueStreamChanged(connected=True, reason="compared, not pushed")
            )

    def whole(self) -> bool:
        """Whether nobody is given up, the run has come up once and is not asked to end, and there
        is a supervisor that can start what dies."""
        boss = self.overseer
        if not boss.alive or boss.held or boss.actor.stopping is not None:
            return False
        children = boss.actor.roster.children.values()
        return all(
            child.phase is not ProcessPhase.FAILED and child.was_ready
            for child in children
            if child.spec.needed
        )

    # ── what processes reach ────────────────────────────────────────────────────────────────────

    def say(self, node: Process, say: Say) -> None:
        """Carries the supervisor's messages."""
        self.world.say(node, say)

    def dies_at(self, node: Process, doing: str, steps: int) -> int | None:
        """See `Around`."""
        return self.world.dies_at(node, doing, steps)

    def held_at(self, node: Process, doing: str, steps: int) -> Held | None:
        """See `Around`."""
        return self.world.held_at(node, doing, steps)

    def turned(self, node: Process) -> None:
        """The supervisor breaks no law of the venue's books."""

    def refusal(self, role: str, what: str) -> str:
        """Why the disk refuses a write; empty when it does not."""
        return self.damage.refusal(role, what)

    def disks_work(self) -> bool:
        """Whether every file can be written."""
        return self.damage.works()

    def latches(self, role: str, reason: str) -> None:
        """A process sets the latch, which keeps its first reason."""
        self.latch = self.latch or f"{role}: {reason}"

    def tripped(self, role: str, reason: str) -> None:
        """A process sets the latch, and says so."""
        self.latches(role, reason)
        word = Tripped(role=role, reason=reason, at_ns=self.world.agenda.now_ns)
        self.world.channels.say(role, "supervise", word)
