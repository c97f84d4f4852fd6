"""One seeded world: route, decide and protect as real actors, the pure exchange, virtual time (§4).

A seed is everything: the market, the faults, every delay and every death follow from it. The last
part of each world is healed, and then the engine must have come to rest: that is its liveness.
"""

from __future__ import annotations

import hashlib
from decimal import Decimal
from random import Random
from typing import Any

import msgspec

from procs.decide.actor import Actor as Decide
from procs.localvenue.market.events import BookChanged
from procs.localvenue.market.profiles import build_market
from procs.localvenue.matching.model import Order as VenueSideOrder
from procs.protect.actor import Actor as Protect
from procs.route.actor import Actor as Route
from procs.simulate.agenda import Agenda
from procs.simulate.checkers import Checkers, Violation
from procs.simulate.dice import Dice, Hit
from procs.simulate.faults import draw
from procs.simulate.liveness import Debts
from procs.simulate.modes import SAFETY, Mode
from procs.simulate.node import Node, Witness
from procs.simulate.prices import Prices
from procs.simulate.venue import SimVenue
from procs.turn import Batch
from shared.domain.effects import CallVenue, Say
from shared.domain.policy import GuardPolicy, Policy, ProtectionPolicy, RiskPolicy
from shared.errors import SeawallError
from shared.ids import run_id
from shared.messages.account import AccountEvent
from shared.messages.control import EngineStatus, ProcessPhase, ProcessStatus, TradingState
from shared.messages.decision import DecideEvent, ProtectEvent
from shared.messages.entry import EntryIntent
from shared.units import NS_PER_MS, NS_PER_S

START_MS = 1_760_000_000_000
MARKET_STEP_NS = 100 * NS_PER_MS
STATUS_NS = 250 * NS_PER_MS
SETTLE_NS = 1_500 * NS_PER_MS
"""The market stands still at the end, so that nothing is on its way when all is compared."""
RAISED = (SeawallError, ArithmeticError, AssertionError, AttributeError, LookupError, TypeError)
"""What code of ours may raise by mistake: its process would die of it at every start (L16)."""
SYMBOLS = 3
ROLES = ("route", "decide", "protect")
EVENTS = {"route": AccountEvent, "decide": DecideEvent, "protect": ProtectEvent}
BASE_STOCK = Decimal(10_000)
"""The account holds base assets of its own, so that an oversold position would really be sold."""
SIZES_QUOTE = (50, 2_000, 20_000)
"""Positions from a sliver of the best level to more than a book shows: fills in parts, resizes."""
PURSES = (3, 20)
"""The account in position sizes: with the smaller one the exposure cap refuses."""


def policy_of(size_quote: int) -> Policy:
    """The engine's configuration in a world: impatient, so that much happens in a minute."""
    return Policy(
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
        self.market = build_market("fast", seed, START_MS, symbols=SYMBOLS)
        self.events = 0
        self.died_ns = 0
        """When a process last died."""
        self.healed = False
        self.intents: dict[str, EntryIntent] = {}
        """What decide wanted, as it said it."""
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
        self.prices = Prices(self.market.instruments, 3600 * NS_PER_S)
        self.run = run_id(START_MS // 1000)
        self.nodes = {role: self._node(role) for role in ROLES}
        self.checkers = Checkers(self)
        self.latch = ""
        """The kill switch's text, as after a restore until a person has looked (L12)."""
        self.forgotten: set[str] = set()
        """Decisions that the restored journals have never seen."""
        self.debts: Debts | None = None
        """What was owed when the world healed, in the mode that looks at it."""
        self.crash_choices: list[int] = []
        """For each turn with effects, between how many steps its process may die."""
        self._witness: Witness | None = None

    def _node(self, role: str) -> Node:
        def build(incarnation: int) -> Any:
            if role == "route":
                return Route(self.policy, self.market.instruments, self.run, incarnation)
            made = Decide if role == "decide" else Protect
            return made(self.policy, self.run, incarnation)

        return Node(role, build, EVENTS[role], self.agenda, self)

    def watched_by(self, witness: Witness) -> None:
        """Somebody looks on from now on."""
        self._witness = witness
        self.dice.on_hit = witness.hit
        for node in self.nodes.values():
            node.witness = witness

    # ── running ─────────────────────────────────────────────────────────────────────────────────

    def play(self) -> Outcome:
        """Runs the seed to its end, or to its first violation."""
        self._market_step()
        for node in self.nodes.values():
            node.start()
        self._say_status()
        if self.faults.restored:
            self._plan_restore()
        while not self.checkers.violations:
            next_ns = self.agenda.next_ns()
            if next_ns is None or next_ns > self.end_ns:
                break
            if not self.healed and next_ns > self.heal_at_ns:
                self._heal()
            try:
                self.agenda.step()
            except RAISED as error:
                self.checkers.say("L16", f"raised {where(error)}")
            self.events += 1
        if not self.checkers.violations:
            self.checkers.at_rest()
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

    def _heal(self) -> None:
        self.healed = True
        self.dice.heal()
        if self._witness is not None:
            self._witness.healed()
        if self.mode.liveness:
            self.debts = Debts(self)

    def _plan_restore(self) -> None:
        """A backup is taken, the engine goes on, everything dies, the backup comes back."""
        kept: dict[str, int] = {}

        def back_up() -> None:
            kept.update({role: len(node.rows) for role, node in self.nodes.items()})

        def restore() -> None:
            self.dice.count("restored")
            self.died_ns = self.agenda.now_ns
            for role, node in self.nodes.items():
                node.die()
                del node.rows[kept[role] :]
            known = b"".join(self.nodes["route"].rows)
            self.forgotten = {d for d in self.intents if f'"{d}"'.encode() not in known}
            self.checkers.restored()
            # The supervisor's next run: its ids are new, its latch is set.
            self.run = run_id(self.agenda.now_ns // NS_PER_S)
            self.latch = "restored"
            for node in self.nodes.values():
                self._restart_later(node)
            self.agenda.after(self.random.randint(6_000, 10_000) * NS_PER_MS, rearm)

        def rearm() -> None:
            self.latch = ""

        taken_ms = self.random.randint(2_000, 12_000)
        self.agenda.after(taken_ms * NS_PER_MS, back_up)
        self.agenda.after((taken_ms + self.random.randint(500, 10_000)) * NS_PER_MS, restore)

    def _hash(self) -> str:
        digest = hashlib.sha256()
        for role in ROLES:
            for row in self.nodes[role].rows:
                digest.update(row)
        return digest.hexdigest()

    # ── the market and the supervisor ───────────────────────────────────────────────────────────

    def _market_step(self) -> None:
        touched: dict[str, None] = {}
        for event in self.market.advance(self.agenda.now_ns // NS_PER_MS):
            self.venue.on_market(event)
            if isinstance(event, BookChanged):
                touched[event.symbol] = None
        self.checkers.market_moved()
        if self.debts is not None:
            self.debts.look()
        for symbol in touched:
            published = self.venue.exchange.published[symbol]
            quote = self.prices.quote(symbol, published, self.agenda.now_ns)
            if quote is None:
                continue
            for role in ROLES:
                self.agenda.after(NS_PER_MS, self._taking(role, quote))
        if self.agenda.now_ns < self.end_ns - SETTLE_NS:
            self.agenda.after(MARKET_STEP_NS, self._market_step)

    def _taking(self, role: str, message: Any) -> Any:
        return lambda: self.nodes[role].take(message)

    def _say_status(self) -> None:
        for role in ROLES:
            self.agenda.after(NS_PER_MS, self._taking(role, self.status()))
        self.agenda.after(STATUS_NS, self._say_status)

    def status(self) -> EngineStatus:
        """What the supervisor would say: a missing process makes the engine REDUCING (L9)."""
        whole = all(node.alive for node in self.nodes.values())
        return EngineStatus(
            run_id=self.run,
            state=TradingState.REDUCING if self.latch or not whole else TradingState.ACTIVE,
            at_ns=self.agenda.now_ns,
            uptime_s=(self.agenda.now_ns - self.began_ns) / NS_PER_S,
            stopping=False,
            latch=self.latch,
            reasons=() if whole else ("a process is missing",),
            processes={role: self._process(node) for role, node in self.nodes.items()},
        )

    def _process(self, node: Node) -> ProcessStatus:
        return ProcessStatus(
            pid=1,
            status=ProcessPhase.READY if node.alive else ProcessPhase.BACKOFF,
            incarnation=node.incarnation,
            heartbeat_age_ms=0 if node.alive else 5_000,
            restarts=node.incarnation - 1,
        )

    # ── what the nodes' effects reach ───────────────────────────────────────────────────────────

    def say(self, node: Node, say: Say) -> None:
        """The channels: lossy where ZeroMQ is, and late after a reconnect."""
        if isinstance(say.message, EntryIntent):
            self.intents[say.message.intent_id] = say.message
        dice, state = self.dice, type(say.message).__name__
        targets = ("decide", "protect") if say.to == "peers" else (say.to,)
        for target in targets:
            if target not in self.nodes:
                continue
            if dice.hits("lost_say", state):
                continue
            delay_ns = self.random.randint(20, 400) * 1_000
            if dice.hits("late_say", state):
                delay_ns = dice.between("late_say", 100, 3_000) * NS_PER_MS
            self.agenda.after(delay_ns, self._taking(target, say.message))

    def call(self, node: Node, call: CallVenue) -> None:
        """Route's requests."""
        self.checkers.called(node, call.request)
        self.venue.call(call.request, node.incarnation)

    def dies_at(self, node: Node, batch: Batch) -> int | None:
        """Between which two effects the node dies, if the seed wants it to (crash points)."""
        steps = len(batch.says) + len(batch.calls)
        if not batch.journal and not batch.calls:
            return None
        doing = batch.journal[0].event if batch.journal else batch.calls[0].request
        state = f"{node.role} {type(doing).__name__}"
        if not self.healed:
            self.crash_choices.append(steps + 2)
        if not self.dice.hits("crash", state):
            return None
        self.dice.count(f"crash_{node.role}")
        self.died_ns = self.agenda.now_ns
        self._restart_later(node)
        others = [n for n in self.nodes.values() if n is not node and n.alive]
        if others and self.dice.hits("crash_pair", state):
            other = others[self.dice.between("crash_pair", 0, len(others) - 1)]
            other.die()
            self._restart_later(other)
        return self.dice.between("crash", 0, steps + 1)

    def _restart_later(self, node: Node) -> None:
        def restart() -> None:
            if not node.alive:
                node.start()

        self.agenda.after(self.random.randint(100, 2_500) * NS_PER_MS, restart)

    def turned(self, node: Node) -> None:
        """Invariants, after every turn of anybody."""
        self.checkers.turned(node)

    def _order_changed(self, order: VenueSideOrder) -> None:
        if self._witness is not None:
            self._witness.ordered(order)
        self.checkers.changed(order)

    def _to_route(self, message: Any, incarnation: int | None) -> None:
        self.nodes["route"].take(message, incarnation)


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
