"""Protect: the plan of each position, and the eyes on it when no stop rests at the venue.

It owns the one exit slot (P7): time-to-live, local stop, emergency, a person's close. A target that
is reached while nothing rests is route's to take (`shared/domain/protection.py`). A plan is desired
state: said again every 200 ms until an event of route names its version (L8).
"""

from __future__ import annotations

from typing import Any

import msgspec

from core_ext.quote import Quote
from procs.follower import Follower
from shared.domain import health
from shared.domain.effects import Effect, Note, Say, SetTimer, TimerFired
from shared.domain.exits import join
from shared.domain.mark import FRESH_NS, Mark, mark_of
from shared.domain.policy import Policy
from shared.domain.position import Position
from shared.domain.protection import guard_of
from shared.messages.account import Beat, EventSaid, HelloRefused, ProtectionStatus, Welcomed
from shared.messages.base import Message
from shared.messages.control import AlarmRaised, CloseAsked, Drained, EngineStatus, StopEntries
from shared.messages.decision import PlanChanged, PlanDropped, RouteMarked
from shared.messages.protection import Exit, PricePolled, SetProtection, Target, Urgency
from shared.units import HUNDRED, NS_PER_MS, NS_PER_S, ONE

TICK_NS = 100 * NS_PER_MS
SAY_AGAIN_NS = 200 * NS_PER_MS
EMERGENCY_AFTER_NS = 2 * NS_PER_S
"""A position that is bare for this long is watched at the emergency price (P9)."""

UNSTOPPED = frozenset(
    {ProtectionStatus.LOCAL_GUARD, ProtectionStatus.PROTECTING, ProtectionStatus.ALARM}
)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What protect wants of a position."""

    position_id: str
    symbol: str
    version: int
    target: Target


class State(msgspec.Struct, kw_only=True):
    """What protect's journal folds to."""

    seq: int = 0
    plans: dict[str, Plan] = {}
    route_mark: int = 0
    route_marked_in: str = ""


def evolve(state: State, event: Message) -> None:
    """Folds one event of protect's journal."""
    state.seq += 1
    match event:
        case PlanChanged():
            state.plans[event.position_id] = Plan(
                position_id=event.position_id,
                symbol=event.symbol,
                version=event.version,
                target=event.target,
            )
        case PlanDropped():
            state.plans.pop(event.position_id, None)
        case RouteMarked():
            if event.seq >= state.route_mark:
                state.route_mark, state.route_marked_in = event.seq, event.epoch


class Actor(Follower[State]):
    """Protect's judgement; see `procs/turn.py` for the contract."""

    role = "protect"

    def __init__(self, policy: Policy, run_id: str, incarnation: int = 1) -> None:
        super().__init__(policy, run_id, incarnation, State(), evolve)
        self.marks: dict[str, Mark] = {}
        self.audits = 0
        self.exits_joined = 0
        self.prices_polled = 0
        """Prices that came from the venue itself while ingest was silent (P13)."""
        self._quotes: dict[str, Quote] = {}
        self._peaks: dict[str, float] = {}
        self._said_ns: dict[str, int] = {}
        self._alarmed: set[str] = set()
        self._audited_ns = 0

    # ── life ────────────────────────────────────────────────────────────────────────────────────

    def start(self, now_ns: int) -> list[Effect]:
        """Asks route for the account."""
        self._tick(now_ns)
        return self._drain()

    @property
    def ready(self) -> bool:
        """Folded, and holding route's account (architecture §3)."""
        return self.replica.welcomed

    def on(self, message: Any, now_ns: int) -> list[Effect]:
        """Prices and account events are looked at, a person's close is obeyed."""
        match message:
            case Quote():
                self._quote(message, now_ns)
            case PricePolled():
                self._polled(message, now_ns)
            case TimerFired():
                self._tick(now_ns)
            case Welcomed() | EventSaid() | Beat() | HelloRefused():
                _, effects = self.replica.on(message, now_ns)
                self._effects += effects
                self._settle(now_ns)
            case CloseAsked():
                self._close(message, now_ns)
            case StopEntries():
                self._audit(now_ns)
                self._effects.append(Say("supervise", Drained(role=self.role)))
            case EngineStatus():
                return []
        return self._drain()

    def report(self) -> dict[str, Any]:
        """Protect's part of the run summary."""
        return {
            "audits": self.audits,
            "exits_joined": self.exits_joined,
            "prices_polled": self.prices_polled,
        }

    def figures(self) -> dict[str, float]:
        """Current counters for the heartbeat."""
        scores = [self._health(p, 0) for p in self.replica.account.open_positions()]
        return {
            "plans": float(len(self.state.plans)),
            "audits": float(self.audits),
            "prices_polled": float(self.prices_polled),
            "health_min": min(scores, default=100.0),
        }

    # ── looking ─────────────────────────────────────────────────────────────────────────────────

    def _quote(self, quote: Quote, now_ns: int) -> None:
        instrument = self.replica.instruments.get(quote.symbol)
        if instrument is None:
            return
        mark = self.marks[quote.symbol] = mark_of(quote, instrument)
        self._quotes[quote.symbol] = quote
        position = self.replica.account.position_in(quote.symbol)
        if position is None or not position.bought:
            return
        best = self._peaks.get(position.position_id, 0.0)
        self._peaks[position.position_id] = max(best, float(mark.bid))
        self._watch(position, now_ns)

    def blind_symbols(self, now_ns: int) -> tuple[str, ...]:
        """Symbols that hold something and whose quotes have dried up: their prices are to be asked
        for by another way (P13)."""
        held = {position.symbol for position in self.replica.account.open_positions()}
        return tuple(
            symbol
            for symbol in sorted(held)
            if (quote := self._quotes.get(symbol)) is None or now_ns - quote.recv_ns > FRESH_NS
        )

    def _polled(self, price: PricePolled, now_ns: int) -> None:
        """A price from the venue itself; route guards by it too."""
        known = self.marks.get(price.symbol)
        if known is not None and known.recv_ns >= price.recv_ns:
            return
        self.prices_polled += 1
        self.marks[price.symbol] = Mark(price.bid, price.ask, price.recv_ns)
        self._effects.append(Say("route", price))
        position = self.replica.account.position_in(price.symbol)
        if position is not None:
            self._watch(position, now_ns)

    def _watch(self, position: Position, now_ns: int) -> None:
        """The local guard (L5), the emergency stop (P9) and the time-to-live (P5) of a position."""
        instrument = self.replica.instruments.get(position.symbol)
        mark = self.marks.get(position.symbol)
        if instrument is None or not position.bought or self._exit_planned(position):
            return
        lived_s = (now_ns - position.opened_ns) / NS_PER_S
        life_s = position.first_protection.time_to_live_s
        if life_s and lived_s > life_s:
            self._want_exit(position, "time_to_live", Urgency.PATIENT, now_ns)
            return
        if mark is None or not mark.is_fresh(now_ns) or position.protection not in UNSTOPPED:
            return
        guard = guard_of(position, instrument)
        emergency = position.entry_price * (
            ONE - self.policy.protection.emergency_stop_pct / HUNDRED
        )
        bare_ns = now_ns - position.bare_since_ns if position.bare_since_ns else 0
        if mark.bid <= guard.stop_price:
            self._want_exit(position, "local_stop", Urgency.URGENT, now_ns)
        elif bare_ns > EMERGENCY_AFTER_NS and mark.bid <= emergency:
            self._want_exit(position, "emergency", Urgency.URGENT, now_ns)

    def _audit(self, now_ns: int) -> None:
        """P9: every position has its stop or a reason; a bare one beyond the bound is an alarm."""
        self.audits += 1
        self._audited_ns = now_ns
        within_ns = self.policy.protection.protect_within_ms * NS_PER_MS
        ailing: set[str] = set()
        for position in self.replica.account.open_positions():
            name = position.position_id
            if position.bare_since_ns and now_ns - position.bare_since_ns > within_ns:
                ailing.add(f"unprotected {name}")
            if self._health(position, now_ns) < health.ALARM_BELOW:
                ailing.add(f"unhealthy {name}")
        for text in sorted(ailing - self._alarmed):
            kind, _, name = text.partition(" ")
            symbol = self.replica.account.positions[name].symbol
            alarm = AlarmRaised(role=self.role, kind=kind, symbol=symbol, text=text, at_ns=now_ns)
            self._effects.append(Say("supervise", alarm))
            self._effects.append(Note("errors", "alarm", {"kind": kind, "position_id": name}))
        self._alarmed = ailing

    def _health(self, position: Position, now_ns: int) -> float:
        quote = self._quotes.get(position.symbol)
        mark = self.marks.get(position.symbol)
        entry = float(position.entry_price)
        if quote is None or mark is None or entry == 0.0:
            return 50.0
        bid = float(mark.bid)
        peak = max(self._peaks.get(position.position_id, bid), bid)
        held = float(position.quantity) * bid
        return health.score(
            health.Vitals(
                pnl_pct=(bid / entry - 1) * 100,
                drawdown_pct=(1 - bid / peak) * 100 if peak else 0.0,
                volatility_pct=quote.atr_pct,
                age_s=max(now_ns - position.opened_ns, 0) / NS_PER_S,
                depth_positions=quote.bid_depth_quote / held if held else 0.0,
            )
        )

    # ── the exit slot ───────────────────────────────────────────────────────────────────────────

    def _close(self, asked: CloseAsked, now_ns: int) -> None:
        for position in list(self.replica.account.open_positions()):
            if asked.symbol in ("all", position.symbol):
                self._want_exit(position, asked.reason, Urgency.URGENT, now_ns)

    def _exit_planned(self, position: Position) -> bool:
        plan = self.state.plans.get(position.position_id)
        return position.exiting is not None or (plan is not None and isinstance(plan.target, Exit))

    def _want_exit(self, position: Position, reason: str, urgency: Urgency, now_ns: int) -> None:
        """The first request holds the slot, later ones join it or raise its urgency (P7)."""
        plan = self.state.plans.get(position.position_id)
        held = plan.target if plan is not None and isinstance(plan.target, Exit) else None
        wanted = join(position.exiting or held, Exit(reason=reason, urgency=urgency))
        if wanted is None:
            self.exits_joined += 1
            return
        version = max(plan.version if plan is not None else 0, position.version) + 1
        change = PlanChanged(
            position_id=position.position_id,
            symbol=position.symbol,
            version=version,
            target=wanted,
            reason=reason,
            at_ns=now_ns,
        )
        self._record(change)
        self._say(self.state.plans[position.position_id], now_ns)
        fields = {"position_id": position.position_id, "reason": reason, "urgency": int(urgency)}
        self._effects.append(Note("events", "exit_wanted", fields))

    def _settle(self, now_ns: int) -> None:
        """Plans of positions that are gone are dropped, once route's account is surely complete."""
        if not self.replica.welcomed or self.replica.account.short_until_ns():
            return
        for position_id in list(self.state.plans):
            if position_id not in self.replica.account.positions:
                self._record(PlanDropped(position_id=position_id, at_ns=now_ns))
                self._said_ns.pop(position_id, None)
                self._peaks.pop(position_id, None)

    def _say_again(self, now_ns: int) -> None:
        for plan in self.state.plans.values():
            position = self.replica.account.positions.get(plan.position_id)
            heard = position is not None and position.version >= plan.version
            due = now_ns - self._said_ns.get(plan.position_id, 0) >= SAY_AGAIN_NS
            if not heard and due:
                self._say(plan, now_ns)

    def _say(self, plan: Plan, now_ns: int) -> None:
        self._said_ns[plan.position_id] = now_ns
        wanted = SetProtection(
            position_id=plan.position_id, version=plan.version, target=plan.target
        )
        self._effects.append(Say("route", wanted))

    # ── time and effects ────────────────────────────────────────────────────────────────────────

    def _tick(self, now_ns: int) -> None:
        self._effects.append(SetTimer("tick", now_ns + TICK_NS))
        self._ask_when_silent(now_ns)
        for position in list(self.replica.account.open_positions()):
            self._watch(position, now_ns)
        self._say_again(now_ns)
        if now_ns - self._audited_ns >= self.policy.protection.audit_s * NS_PER_S:
            self._audit(now_ns)
        self._mark_progress(now_ns)
