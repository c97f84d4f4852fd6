"""One seeded world: the engine's six real actors, the pure exchange, virtual time (§4).

A seed is everything: the market, the faults, every delay and every death follow from it. The last
part of each world is healed, and then the engine must have come to rest: that is its liveness.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any

import msgspec

from procs.decide.actor import Actor as Decide
from procs.ingest.actor import IngestActor
from procs.ingest.heard import Fetch
from procs.localvenue.market.events import BookChanged
from procs.localvenue.matching.model import Order as VenueSideOrder
from procs.observe.actor import ObserveActor
from procs.protect.actor import Actor as Protect
from procs.route.actor import Actor as Route
from procs.simulate.agenda import Agenda
from procs.simulate.channels import Channels
from procs.simulate.checkers import Checkers, Violation
from procs.simulate.dice import Dice, Hit
from procs.simulate.faults import draw
from procs.simulate.feed import IngestNode
from procs.simulate.frames import Frames
from procs.simulate.leaving import Stops, stop_at_the_end
from procs.simulate.liveness import Debts
from procs.simulate.losses import Losses
from procs.simulate.machine import Machine
from procs.simulate.markets import small_market
from procs.simulate.modes import CRASHES, SAFETY, Mode
from procs.simulate.node import Node, Onlooker
from procs.simulate.overseer import SAYING
from procs.simulate.pausing import Pauses
from procs.simulate.person import Person
from procs.simulate.prices import BooksMoved, PriceActor
from procs.simulate.process import Held, Process, Witness
from procs.simulate.restoring import plan_restore
from procs.simulate.venue import SimVenue
from shared.domain.effects import CallVenue, Say
from shared.domain.policy import (
    NO_FENCE_S,
    DropPolicy,
    GuardPolicy,
    Policy,
    ProtectionPolicy,
    RiskPolicy,
)
from shared.errors import SeawallError
from shared.messages.account import AccountEvent
from shared.messages.decision import DecideEvent, ProtectEvent
from shared.messages.entry import EntryIntent
from shared.units import NS_PER_MS, NS_PER_S

START_MS = 1_760_000_000_000
MARKET_STEP_NS = 200 * NS_PER_MS
SETTLE_NS = 1_500 * NS_PER_MS
"""The market stands still at the end, so that nothing is on its way when all is compared."""
RAISED = (SeawallError, ArithmeticError, AssertionError, AttributeError, LookupError, TypeError)
"""What code of ours may raise by mistake: its process would die of it at every start (L16)."""
ENDS = 0.25
"""Worlds that end with an orderly stop, in half of them with every position closed."""
EVENTS_MAX = 100_000
"""Many times what a world needs: an engine that never comes to rest must not hang a campaign."""
FRAMED = 0.5
"""Worlds in which ingest reads frames; in the others quotes cost less time."""
CALM_STARTS = 0.75
CALM_START_NS = 2 * NS_PER_S
"""Most worlds fall ill once the engine has come up: an engine that never trades shows little."""
SYMBOLS = (2, 4)
JOURNALS = ("route", "decide", "protect")
"""Roles that keep one."""
ROLES = ("route", "protect", "ingest", "decide", "observe")
"""In start order (L14)."""
EVENTS = {"route": AccountEvent, "decide": DecideEvent, "protect": ProtectEvent}
BASE_STOCK = Decimal(10_000)
"""The account holds base assets of its own, so that an oversold position would really be sold."""
SIZES_QUOTE = (50, 2_000, 20_000)
"""Positions from a sliver of the best level to more than a book shows: fills in parts, resizes."""
CRASH_OF = {
    "supervise": "crash_supervise",
    SAYING: "crash_saying",
    "ingest": "crash_ingest",
    "observe": "crash_observe",
}
"""Roles and turns whose deaths have a chance of their own; all others share one."""
PURSES = (3, 20)
"""The account in position sizes: with the smaller one the exposure cap refuses."""


def policy_of(size_quote: int) -> Policy:
    """The engine's configuration in a world: impatient, so that much happens in a minute."""
    return Policy(
        drop=DropPolicy(anchor_min_age_s=2),
        guards=GuardPolicy(min_depth_positions=0),
        risk=RiskPolicy(
            position_quote=Decimal(size_quote),
            cooldown_s=5,
            stop_guard_enabled=False,
            drawdown_pct=50,
            daily_loss_pct=50,
        ),
        protection=ProtectionPolicy(time_to_live_s=20),
        reconcile_s=10,
        config_hash="sim",
    )


class Outcome(msgspec.Struct, kw_only=True):
    """What became of a seed."""

    seed: int
    events: int
    opened: int
    closed: int
    faults: dict[str, int]
    coverage: dict[str, int]
    hits: tuple[Hit, ...]
    """Every fault that happened, in order."""
    settled_s: float = 0.0
    """In the mode that looks at it: how long after healing the last debt was paid."""
    violations: list[Violation]
    trace_hash: str
    """Of all journals: equal for equal seeds, on every machine and hash seed."""


class World:
    """Everything of one seed."""

    def __init__(
        self,
        seed: int,
        profile: str,
        only: frozenset[Hit] | None = None,
        mode: Mode = SAFETY,
    ) -> None:
        self.seed = seed
        self.mode = mode
        self.random = Random(f"world {seed}")
        self.faults = draw(profile, self.random)
        self.dice = Dice(seed, self.faults, only)
        self.agenda = Agenda(START_MS * NS_PER_MS)
        self.began_ns = self.agenda.now_ns
        self.heal_at_ns = self.began_ns + mode.faulty_ns
        self.end_ns = self.heal_at_ns + mode.healed_ns
        self.market_until_ns = self.end_ns - SETTLE_NS
        self._market_stands = False
        self.market = small_market(seed, START_MS, self.random.randint(*SYMBOLS))
        self.events = 0
        self.died_ns = 0
        """When a process last died; of those that were still starting up, only who guards."""
        self.healed = False
        self.intents: dict[str, EntryIntent] = {}
        """What decide wanted, as it said it."""
        self.on_entry: Callable[[], None] = lambda: None
        """Called when decide says an intent."""
        size_quote = self.random.choice(SIZES_QUOTE)
        self.policy = policy_of(size_quote)
        balances = {i.base: BASE_STOCK for i in self.market.instruments}
        balances["USDT"] = Decimal(size_quote * self.random.choice(PURSES))
        self.venue = SimVenue(
            self.market.instruments,
            balances,
            self.agenda,
            self.random,
            self.dice,
            self._to_route,
            self._order_changed,
        )
        self.channels = Channels(self.agenda, self.dice, seed, self.process)
        self.nodes = {role: self._node(role) for role in ROLES}
        self.frames = Frames(self) if self.random.random() < FRAMED else None
        """The stream that ingest reads; None where it says the published books as they are."""
        self.machine = Machine(self)
        self.person = Person(self)
        self.pauses = Pauses(self)
        self.stops = Stops(self)
        self.losses = Losses(self)
        self.ends = self.random.random() < ENDS
        self.machine.flatten = self.random.random() < 0.5
        self.checkers = Checkers(self)
        self.heard: Callable[[Node, list[Any]], None] = self.checkers.heard
        """What a living process takes in one turn."""
        self.turned: Callable[[Process], None] = self.checkers.turned
        """Invariants, after every turn of anybody."""
        self.forgotten: set[str] = set()
        """Decisions that the restored journals have never seen."""
        self.debts: Debts | None = None
        """What was owed when the world healed, in the mode that looks at it."""
        self.crash_choices: list[tuple[Hit, int]] = []
        """Each turn with effects, and between how many steps its process may die."""
        self._witness: Witness | None = None

    def _node(self, role: str) -> Node:
        def build(incarnation: int) -> Any:
            run, policy = self.machine.run, self.policy
            if role == "route":
                return Route(policy, self.market.instruments, run, incarnation)
            policy = msgspec.structs.replace(policy, fence_s=NO_FENCE_S)
            match role:
                case "decide":
                    return Decide(policy, run, incarnation)
                case "protect":
                    return Protect(policy, run, incarnation)
                case "observe":
                    return ObserveActor(incarnation, policy.config_hash, policy.quote_asset)
            if self.frames is not None:
                return IngestActor(policy)
            return PriceActor(self.market.instruments, self.venue.exchange.published)

        if role == "ingest":
            return IngestNode(role, build, None, self.agenda, self)
        if role == "observe":
            return Onlooker(role, build, None, self.agenda, self)
        return Node(role, build, EVENTS[role], self.agenda, self)

    def process(self, role: str) -> Process:
        """The place of a role, the supervisor's too."""
        return self.machine.overseer if role == "supervise" else self.nodes[role]

    def watched_by(self, witness: Witness) -> None:
        """Somebody looks on from now on."""
        self._witness = witness
        self.dice.on_hit = witness.hit
        self.machine.overseer.witness = witness
        for node in self.nodes.values():
            node.witness = witness

    # ── running ─────────────────────────────────────────────────────────────────────────────────

    def play(self) -> Outcome:
        """Runs the seed to its end, or to its first violation."""
        self._market_step()
        if self.random.random() < CALM_STARTS and self.mode is not CRASHES:
            self.dice.heal()
            self.agenda.after(CALM_START_NS, self.dice.fall_ill)
        self.machine.boot()
        if self.faults.wrong_clock:
            self.venue.clocks.start_wrong()
        if self.faults.restored:
            plan_restore(self)
        if self._runs_until(self.heal_at_ns) and self.agenda.is_due(self.end_ns):
            self._heal()
            self.step()
            while self._runs_until(self.end_ns) and self.agenda.is_due(self.end_ns):
                continue  # A loss after the healing has moved the end.
        if not self.checkers.violations:
            self.checkers.at_rest()
        if not self.checkers.violations and self.frames is not None:
            self.frames.at_rest()
        if not self.checkers.violations and self.ends:
            stop_at_the_end(self)
        account = self.nodes["route"].actor.account
        return Outcome(
            seed=self.seed,
            events=self.events,
            opened=account.totals.get("positions_opened", 0),
            closed=account.totals.get("positions_closed", 0),
            faults=dict(sorted(self.dice.counts.items())),
            coverage=dict(sorted(self.dice.coverage.items())),
            hits=tuple(self.dice.hits_made),
            settled_s=self.debts.settled_s if self.debts is not None else 0.0,
            violations=self.checkers.violations,
            trace_hash=self._hash(),
        )

    def _runs_until(self, until_ns: int) -> bool:
        """Everything up to then happens; whether no law was broken."""
        heap, step, violations = self.agenda.heap, self.step, self.checkers.violations
        while not violations and heap and heap[0][0] <= until_ns:
            step()
        return not violations

    def step(self) -> None:
        """The next thing that happens."""
        try:
            self.agenda.step()
        except RAISED as error:
            self.checkers.say("L16", f"raised {where(error)}")
        self.events += 1
        if self.events == EVENTS_MAX:
            self.checkers.say("L9", f"runs wild: {EVENTS_MAX} events in one world")

    def _heal(self) -> None:
        self.healed = True
        self.dice.heal()
        self.pauses.end()
        self.machine.heal()
        if self._witness is not None:
            self._witness.healed()
        if self.mode.liveness:
            self.debts = Debts(self)

    def _hash(self) -> str:
        digest = hashlib.sha256()
        for role in JOURNALS:
            for row in self.nodes[role].rows:
                digest.update(row)
        return digest.hexdigest()

    # ── the market ──────────────────────────────────────────────────────────────────────────────

    def _market_step(self) -> None:
        touched: dict[str, None] = {}
        for event in self.market.advance(self.agenda.now_ns // NS_PER_MS):
            self.venue.on_market(event)
            if self.frames is not None:
                self.frames.on_event(event)
            elif isinstance(event, BookChanged):
                touched[event.symbol] = None
        self.checkers.market_moved()
        if self.debts is not None:
            self.debts.look()
        if self.frames is not None:
            self.frames.send()
        elif touched:
            self.nodes["ingest"].take(BooksMoved(tuple(touched)))
        self._market_stands = self.agenda.now_ns >= self.market_until_ns
        if not self._market_stands:
            self.agenda.after(MARKET_STEP_NS, self._market_step)

    def market_goes_on(self) -> None:
        """After its standstill at the end, for as long as anybody looks."""
        self.market_until_ns = sys.maxsize
        self._market_step()

    def goes_on(self) -> None:
        """Rows of route were lost: a world that has healed has as long again to get well."""
        if not self.healed:
            return
        self.end_ns = max(self.end_ns, self.agenda.now_ns + self.mode.healed_ns)
        self.market_until_ns = max(self.market_until_ns, self.end_ns - SETTLE_NS)
        if self._market_stands:
            self._market_stands = False
            self.agenda.after(0, self._market_step)

    # ── what the processes' effects reach ───────────────────────────────────────────────────────

    def say(self, node: Process, say: Say) -> None:
        """Between processes."""
        if isinstance(say.message, EntryIntent):
            self.intents[say.message.intent_id] = say.message
            self.on_entry()
        self.checkers.said(node, say.message)
        self.channels.say(node.role, say.to, say.message)

    def publish(self, quotes: list[Any]) -> None:
        """What ingest publishes."""
        self.channels.publish(quotes)

    def ask(self, node: IngestNode, fetch: Fetch) -> None:
        """What ingest wants to know of the venue."""
        assert self.frames is not None
        self.frames.ask(node, fetch)

    def feed_started(self, node: IngestNode) -> None:
        """Ingest's process connects."""
        if self.frames is not None:
            self.frames.started(node)

    def call(self, node: Node, call: CallVenue) -> None:
        """Route's requests."""
        self.checkers.called(node, call.request)
        self.venue.call(call.request, node.life, call.exit_priority)

    def refusal(self, node: Node, what: str) -> str:
        """Why the disk refuses a write; empty when it does not."""
        return self.machine.refusal(node.role, what)

    def latch(self, node: Node) -> str:
        """The text of the latch file."""
        return self.machine.latch

    def tripped(self, node: Node, reason: str) -> None:
        """A process may only reduce from now on."""
        self.machine.tripped(node.role, reason)

    def latches(self, node: Node, reason: str) -> None:
        """A process sets the latch."""
        self.machine.latches(node.role, reason)

    def exited(self, node: Process, exit_code: int) -> None:
        """A process is gone."""
        self.checkers.died(node)
        if node is self.nodes["route"]:
            self.losses.died()
        self.machine.exited(node, exit_code)

    def dies_at(self, node: Process, doing: str, steps: int) -> int | None:
        """Between which two effects the node dies, if the seed wants it to (crash points)."""
        kind = CRASH_OF.get(doing) or CRASH_OF.get(node.role, "crash")
        before = self.dice.occasions(kind)
        hit = self.dice.hits(kind, doing)
        if self.mode is CRASHES and self.dice.occasions(kind) > before:
            self.crash_choices.append((Hit(kind, before + 1), steps + 1))
        if not hit:
            return None
        if kind == "crash":
            self.dice.count(f"crash_{node.role}")
        others = [n for n in self.nodes.values() if n is not node and n.alive]
        if others and self.dice.hits("crash_pair", doing):
            others[self.dice.between("crash_pair", 0, len(others) - 1)].die()
        return self.dice.between(kind, 0, steps)

    def held_at(self, node: Process, doing: str, steps: int) -> Held | None:
        """Before which of its steps the node stops for a while."""
        return self.pauses.within(node, doing, steps)

    def _order_changed(self, order: VenueSideOrder) -> None:
        if self._witness is not None:
            self._witness.ordered(order)
        self.checkers.changed(order)

    def _to_route(self, message: Any, life: int | None) -> None:
        route = self.nodes["route"]
        if life is not None or not route.rescue:
            # The rescue mode hears no pushes.
            route.take(message, life)


def where(error: BaseException) -> str:
    """What was raised, and in which line of ours."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = ""
    if trace is not None:
        place = f" in {trace.tb_frame.f_code.co_name}, line {trace.tb_lineno}"
    return f"{type(error).__name__}: {error}{place}"


def play(
    seed: int,
    profile: str = "swarm",
    mode: Mode = SAFETY,
    only: frozenset[Hit] | None = None,
) -> Outcome:
    """One seed."""
    return World(seed, profile, only, mode).play()
