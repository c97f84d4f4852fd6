"""Decide: which drops become intents. It fails closed: every doubt about data, protection, route or
the engine's state is a refusal with a name (E3, E4, E8; L9)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from core_ext.quote import Quote, unpack
from procs.follower import Follower
from shared.domain.effects import Effect, Note, Say, SetTimer, TimerFired
from shared.domain.guards import check, check_guards, refuse_if
from shared.domain.instrument import Instrument
from shared.domain.intent import build_intent
from shared.domain.mark import Mark, mark_of
from shared.domain.policy import Policy
from shared.domain.risk import (
    MINUTE_NS,
    Exposure,
    Reservation,
    at_stake,
    check_risk,
    day_start_equity,
    equity,
    is_accounted_for,
    may_cost,
    position_size,
)
from shared.domain.signal import DropSignal
from shared.ids import decision_id
from shared.messages.account import (
    AccountEvent,
    Beat,
    EventSaid,
    HelloRefused,
    IntentEnded,
    IntentRefused,
    Welcomed,
)
from shared.messages.base import Amount, Message, encode
from shared.messages.control import (
    Drained,
    EngineStatus,
    ProcessPhase,
    StopEntries,
    TradingState,
)
from shared.messages.decision import (
    Check,
    DecisionMade,
    ReservationFound,
    ReservationReleased,
    RouteMarked,
)
from shared.messages.entry import EntryIntent
from shared.units import LOT, NS_PER_MS, NS_PER_S, ZERO

TICK_NS = 250 * NS_PER_MS
STATUS_FRESH_NS = 1_500 * NS_PER_MS
ROUTE_FRESH_NS = 1_000 * NS_PER_MS
PROTECT_BEAT_MAX_MS = 1_000
RELEASED_MAX = 200


class State(msgspec.Struct, kw_only=True):
    """What decide's journal folds to."""

    seq: int = 0
    run_id: str = ""
    number: int = 0
    """Decisions of this run; numbers the next one."""
    reservations: dict[str, Reservation] = {}
    released: list[str] = []
    """The newest intents whose end was proven: a route that forgot it does not undo that (L12)."""
    accepted_ns: list[int] = []
    """When intents of the last minute were made."""
    route_mark: int = 0
    route_marked_in: str = ""
    equity_peak: Amount = ZERO
    equity_start: Amount | None = None
    refusals: dict[str, int] = {}
    signals: int = 0
    intents: int = 0
    pending_max: int = 0


def evolve(state: State, event: Message) -> None:
    """Folds one event of decide's journal."""
    state.seq += 1
    match event:
        case DecisionMade():
            run, _, number = event.decision_id.rpartition("-")
            if run != state.run_id:
                _begin_run(state, run)
            state.number = max(state.number, int(number))
            state.signals += 1
            state.equity_peak = max(state.equity_peak, event.equity_quote)
            for name in event.refusals:
                state.refusals[name] = state.refusals.get(name, 0) + 1
            if event.intent is not None:
                _reserve(state, event.intent)
        case ReservationFound():
            _hold(state, event.intent)
        case ReservationReleased():
            state.reservations.pop(event.intent_id, None)
            state.released = [*state.released, event.intent_id][-RELEASED_MAX:]
        case RouteMarked():
            if event.seq >= state.route_mark:
                state.route_mark, state.route_marked_in = event.seq, event.epoch


def _begin_run(state: State, run: str) -> None:
    """A new run counts from zero; reservations outlive runs, they fall by proof alone."""
    state.run_id = run
    state.number = 0
    state.refusals = {}
    state.signals = 0
    state.intents = 0
    state.pending_max = 0
    state.equity_start = None


def _reserve(state: State, intent: EntryIntent) -> None:
    state.intents += 1
    _hold(state, intent)
    state.accepted_ns = [at for at in state.accepted_ns if intent.created_ns - at < MINUTE_NS] + [
        intent.created_ns
    ]


def _hold(state: State, intent: EntryIntent) -> None:
    state.reservations[intent.intent_id] = Reservation(
        intent_id=intent.intent_id,
        symbol=intent.symbol,
        quote=intent.reserved_quote,
        deadline_ns=intent.deadline_ns,
        made_ns=intent.created_ns,
    )
    state.pending_max = max(state.pending_max, len(state.reservations))


class Actor(Follower[State]):
    """Decide's judgement; see `procs/turn.py` for the contract."""

    role = "decide"

    def __init__(self, policy: Policy, run_id: str, incarnation: int = 1) -> None:
        super().__init__(policy, run_id, incarnation, State(), evolve)
        self.marks: dict[str, Mark] = {}
        self._signals: dict[str, DropSignal] = {}
        self._status: EngineStatus | None = None
        self._status_ns = 0
        self._stopping = False
        self._quotes = 0
        self._newest: Quote | None = None
        self._number = 0
        """The highest number of this run that route knows of."""

    # ── life ────────────────────────────────────────────────────────────────────────────────────

    def start(self, now_ns: int) -> list[Effect]:
        """Asks route for the account."""
        if self.state.run_id != self.run_id:
            _begin_run(self.state, self.run_id)
        self._tick(now_ns)
        return self._drain()

    @property
    def ready(self) -> bool:
        """Quotes come, protect lives, route is reconciled (architecture §3)."""
        return (
            self.replica.welcomed
            and self.replica.reconciled
            and self._quotes > 0
            and self._protect_lives()
        )

    def on(self, message: Any, now_ns: int) -> list[Effect]:
        """Quotes may become decisions; everything else is what decisions look at."""
        match message:
            case Quote():
                self._quote(message, now_ns)
            case TimerFired():
                self._tick(now_ns)
            case Welcomed() | EventSaid() | Beat() | HelloRefused():
                events, effects = self.replica.on(message, now_ns)
                self._effects += effects
                for event in events:
                    self._account_changed(event, now_ns)
                self._release(now_ns)
                if isinstance(message, Welcomed):
                    self._catch_up(now_ns)
            case EngineStatus():
                self._status, self._status_ns = message, now_ns
            case StopEntries():
                self._stopping = True
                self._effects.append(Say("supervise", Drained(role=self.role)))
        return self._drain()

    def report(self) -> dict[str, Any]:
        """Decide's part of the run summary."""
        start = self.state.equity_start
        return {
            "signals": self.state.signals,
            "refusals": dict(sorted(self.state.refusals.items())),
            "intents": self.state.intents,
            "intents_pending_max": self.state.pending_max,
            "equity": {
                "start": None if start is None else float(start),
                "end": float(self._equity()) if self.replica.welcomed else None,
            },
        }

    def figures(self) -> dict[str, float]:
        """Current counters for the heartbeat."""
        return {
            "signals": float(self.state.signals),
            "intents": float(self.state.intents),
            "reservations": float(len(self.state.reservations)),
            "equity_quote": float(self._equity()),
            "quotes_seen": float(self._quotes),
        }

    # ── decisions ───────────────────────────────────────────────────────────────────────────────

    def _quote(self, quote: Quote, now_ns: int) -> None:
        self._quotes += 1
        self._newest = quote
        instrument = self.replica.instruments.get(quote.symbol)
        if instrument is None:
            return
        self.marks[quote.symbol] = mark_of(quote, instrument)
        if not self.policy.drop.enabled:
            return
        signal = self._signals.get(quote.symbol)
        if signal is None:
            signal = self._signals[quote.symbol] = DropSignal()
        if signal.crosses(quote, self.policy.drop, now_ns):
            self._decide(quote, instrument, signal, now_ns)

    def _decide(
        self, quote: Quote, instrument: Instrument, signal: DropSignal, now_ns: int
    ) -> None:
        """One record with everything that was seen, and an intent when nothing refuses (E8)."""
        held, wanted, checks = self._judge(quote, instrument, now_ns)
        refusals = tuple(c.name for c in checks if not c.passed)
        if refusals and refusals == signal.refusals:
            return
        signal.refusals = refusals
        signal.spent = not refusals
        name = wanted.intent_id
        intent = None if refusals else wanted
        mark = self.marks[quote.symbol]
        made = DecisionMade(
            decision_id=name,
            symbol=quote.symbol,
            at_ns=now_ns,
            drop_pct=quote.drop_pct,
            trigger_pct=self.policy.drop.trigger_pct,
            anchor=instrument.tick_size * quote.anchor_ticks,
            bid=mark.bid,
            ask=mark.ask,
            spread_bps=quote.spread_bps,
            checks=checks,
            limits=f"slippage {self.policy.entry.slippage_bps} bps, base",
            intent=intent,
            # An average cost may have more digits than an amount may be read with.
            equity_quote=held.quantize(LOT),
        )
        self._record(made)
        fields = {
            "decision_id": name,
            "symbol": quote.symbol,
            "drop_pct": round(quote.drop_pct, 4),
            "refusals": list(refusals),
        }
        event = "decision_refused" if refusals else "decision_made"
        self._effects.append(Note("decisions", event, fields))
        if intent is not None:
            self._effects.append(Say("route", intent))

    def _judge(
        self, quote: Quote, instrument: Instrument, now_ns: int
    ) -> tuple[Decimal, EntryIntent, tuple[Check, ...]]:
        """Equity, what would be bought for this quote, and whether it may be. Changes nothing."""
        held = self._equity()
        size = position_size(self.policy.risk, held)
        # A number is used up even by a refusal: the id names the record.
        name = decision_id(self.run_id, max(self.state.number, self._number) + 1)
        intent = build_intent(
            name,
            quote,
            instrument,
            size,
            self.policy.entry,
            self.policy.protection,
            self.policy.fee_pct,
            now_ns,
        )
        fault = instrument.order_fault(intent.quantity, intent.ladder[0].price)
        checks = (
            *self._check_engine(now_ns),
            *check_guards(
                quote,
                instrument,
                self.policy.guards,
                size,
                self.replica.account.blocked.get(quote.symbol, 0),
                now_ns,
            ),
            *check_risk(self._exposure(intent, held, now_ns), self.policy.risk, now_ns),
            check("filters", fault or "ok", "", fault is None),
        )
        return held, intent, checks

    def rehearse(self, now_ns: int) -> None:
        """Judges the newest quote and writes its intent down, for nobody: what a decision needs
        stays in the caches (`engine.warm`). Changes nothing, says nothing."""
        quote = self._newest
        if quote is None or not quote.ask_ticks or not self.replica.welcomed:
            return
        instrument = self.replica.instruments.get(quote.symbol)
        if instrument is not None:
            _, intent, _ = self._judge(unpack(quote.pack()), instrument, now_ns)
            encode(intent)

    def _check_engine(self, now_ns: int) -> tuple[Check, ...]:
        state = self._status.state if self._status is not None else TradingState.REDUCING
        known = self._status is not None and now_ns - self._status_ns < STATUS_FRESH_NS
        active = known and state is TradingState.ACTIVE and not self._stopping
        route_ok = (
            self.replica.welcomed
            and self.replica.reconciled
            and is_accounted_for(self.replica.account, self.state.reservations)
            and now_ns - self.replica.fresh_ns < ROUTE_FRESH_NS
        )
        heard_ms = (now_ns - self.replica.fresh_ns) / NS_PER_MS
        heard = f"heard {heard_ms:.0f} ms ago" if self.replica.welcomed else "never heard"
        return (
            refuse_if("not_active", not active, f"state {state.name if known else 'unknown'}"),
            refuse_if("latched", bool(self.latched), self.latched),
            refuse_if("protect_silent", not self._protect_lives()),
            refuse_if("route_unreconciled", not route_ok, heard),
        )

    def _protect_lives(self) -> bool:
        protect = self._status.processes.get("protect") if self._status is not None else None
        return (
            protect is not None
            and protect.status is ProcessPhase.READY
            and protect.heartbeat_age_ms < PROTECT_BEAT_MAX_MS
        )

    def _exposure(self, intent: EntryIntent, held: Decimal, now_ns: int) -> Exposure:
        account = self.replica.account
        symbol = intent.symbol
        reserved = self.state.reservations.values()
        busy = account.position_in(symbol) is not None or any(r.symbol == symbol for r in reserved)
        in_flight = sum(1 for r in reserved if r.intent_id not in account.positions)
        closes = [t.closed_ns for t in account.closed if t.symbol == symbol]
        unspent = at_stake(account, reserved) - at_stake(account, ())
        return Exposure(
            equity_quote=held,
            equity_peak_quote=max(self.state.equity_peak, held),
            day_start_quote=day_start_equity(account.closed, held, now_ns),
            at_stake_quote=at_stake(account, reserved),
            wanted_quote=intent.reserved_quote,
            free_quote=account.ledger.get(self.policy.quote_asset, ZERO) - unspent,
            open_count=len(account.positions) + in_flight,
            symbol_busy=busy,
            last_close_ns=closes[-1] if closes else 0,
            entries_last_minute=sum(1 for at in self.state.accepted_ns if now_ns - at < MINUTE_NS),
            closed=account.closed,
        )

    def _equity(self) -> Decimal:
        return equity(self.replica.account, self.policy.quote_asset, self.marks)

    # ── reservations ────────────────────────────────────────────────────────────────────────────

    def _account_changed(self, event: AccountEvent, now_ns: int) -> None:
        match event:
            case IntentRefused():
                reservation = self.state.reservations.get(event.intent_id)
                if reservation and not may_cost(self.replica.account, reservation):
                    self._free(event.intent_id, f"refused by route: {event.reason}", now_ns)
                self._allow_again(event.symbol)
            case IntentEnded():
                self._free(event.intent_id, f"ended: {event.reason}", now_ns)
                if event.intent_id not in self.replica.account.positions:
                    self._allow_again(event.symbol)

    def _catch_up(self, now_ns: int) -> None:
        """Takes from route's account what this journal lost: in a power cut, with its disk (L11,
        L12). Intents that still live are reserved for, and no decision's number comes twice."""
        account = self.replica.account
        settled = {*self.state.reservations, *self.state.released}
        for intent_id, known in account.intents.items():
            if intent_id not in settled:
                self._record(ReservationFound(intent=known.intent, at_ns=now_ns))
        for name in (
            *account.intents,
            *account.ended_intents,
            *account.refused_intents,
            *account.positions,
        ):
            run, _, number = name.rpartition("-")
            if run == self.run_id:
                self._number = max(self._number, int(number))

    def _release(self, now_ns: int) -> None:
        """Frees reservations that cost nothing any more: their intent has ended or was refused, or
        route's account, complete and newer than the deadline, lacks it. A welcome shows as much as
        the events did: a power cut takes releases back, and others were granted behind them."""
        account = self.replica.account
        for reservation in list(self.state.reservations.values()):
            intent_id = reservation.intent_id
            if intent_id in account.ended_intents:
                self._free(intent_id, "ended", now_ns)
            elif intent_id in account.intents or may_cost(account, reservation):
                continue
            elif intent_id in account.refused_intents:
                self._free(intent_id, "refused by route", now_ns)
            elif self.replica.caught_up_ns > reservation.deadline_ns + NS_PER_S:
                self._free(intent_id, "never reached route", now_ns)

    def _free(self, intent_id: str, reason: str, now_ns: int) -> None:
        if intent_id in self.state.reservations:
            self._record(ReservationReleased(intent_id=intent_id, at_ns=now_ns, reason=reason))

    def _allow_again(self, symbol: str) -> None:
        """Nothing was bought: the crossing may speak again while it lasts."""
        signal = self._signals.get(symbol)
        if signal is not None:
            signal.spent = False

    # ── time and effects ────────────────────────────────────────────────────────────────────────

    def _tick(self, now_ns: int) -> None:
        self._effects.append(SetTimer("tick", now_ns + TICK_NS))
        self._ask_when_silent(now_ns)
        if (
            self.replica.welcomed
            and self.state.equity_start is None
            and self.replica.account.ledger
        ):
            self.state.equity_start = self._equity()
        self._mark_progress(now_ns)
