"""Route: the one writer at the venue. Orders, fills, positions, and what rests there.

Every message becomes events (what is now known), then `_drive` asks the judgements of
`shared/domain` for the next step of each intent and position until there is none. The same drive
runs after a crash: nothing is remembered outside the account but pauses and open questions.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from core_ext.histogram import Histogram
from core_ext.quote import Quote
from procs.route.report import route_figures, route_report
from shared.domain import answers, reconcile
from shared.domain.account import Account, account_bytes, evolve, read_account
from shared.domain.effects import CallVenue, Effect, Journal, Note, Say, SetTimer, TimerFired
from shared.domain.entry import entry_steps, refusal_of
from shared.domain.evidence import of_balances, of_order, of_trades
from shared.domain.exits import close_steps, exit_steps, join
from shared.domain.instrument import Instrument
from shared.domain.mark import Mark, mark_of
from shared.domain.policy import Policy
from shared.domain.position import Position, PositionStatus
from shared.domain.protection import changed, flatten, guard_steps, local_guard_steps, status_of
from shared.domain.replica import raw
from shared.domain.resolve import Inquiries, overdue_fills
from shared.domain.steps import Call, Step
from shared.domain.trips import Trips
from shared.messages.account import (
    AccountEvent,
    Acknowledge,
    Alarmed,
    Beat,
    EventSaid,
    Hello,
    HelloRefused,
    IntentAccepted,
    IntentRefused,
    OrderSubmitted,
    ProtectionAccepted,
    Purpose,
    Reconciled,
    RunBegan,
    SymbolBlocked,
    Welcomed,
)
from shared.messages.base import MESSAGE_VERSION, Message, encode
from shared.messages.control import (
    AlarmRaised,
    Drained,
    EngineStatus,
    ProcessPhase,
    StopEntries,
    TradingState,
    Tripped,
)
from shared.messages.entry import EntryIntent
from shared.messages.protection import Exit, SetProtection, Urgency
from shared.messages.venue import (
    CancelOrder,
    Meaning,
    Outcome,
    PlaceOco,
    PlaceOrder,
    QueryOrder,
    TakeSnapshot,
    VenueAnswered,
    VenueReported,
    VenueStreamChanged,
)
from shared.units import NS_PER_MS, NS_PER_S

TICK_NS = 100 * NS_PER_MS
BEAT_NS = 250 * NS_PER_MS
STATUS_FRESH_NS = 1_500 * NS_PER_MS
RETRY_SNAPSHOT_NS = 1 * NS_PER_S
QUIET_NS = 2 * NS_PER_S
"""The ledger is compared with the venue only when nothing has happened for this long."""
PASSES_MAX = 8
SILENT_BLOCK_NS = 60 * NS_PER_S


class Actor:
    """Route's judgement; see `procs/turn.py` for the contract."""

    role = "route"

    def __init__(
        self, policy: Policy, instruments: tuple[Instrument, ...], run_id: str, incarnation: int = 1
    ) -> None:
        self.policy = policy
        self.instruments = {i.symbol: i for i in instruments}
        self.run_id = run_id
        self.epoch = f"{run_id}.{incarnation}"
        self.account = Account()
        self.latched = ""
        """Text of the kill latch, set by the shell before each turn; empty when open (L9)."""
        self.ready = False
        self.marks: dict[str, Mark] = {}
        self.trips = Trips()
        self.order_ack = Histogram()
        self.tick_to_order = Histogram()
        self.exits_deduplicated = 0
        self.balance_timeouts = 0
        self._inquiries = Inquiries()
        self._fence_ns = int(policy.fence_s * NS_PER_S)
        self._state = TradingState.REDUCING
        self._protect_lives = False
        self._status_ns = 0
        self._stopping = False
        self._drained = False
        self._paused_until_ns: dict[str, int] = {}
        self._short: set[str] = set()
        self._tripped_said = ""
        self._snapshot_asked_ns = 0
        self._snapshot_wanted_ns = 0
        self._last_change_ns = 0
        self._last_beat_ns = 0
        self._ledger_differed: dict[str, Any] = {}
        self._peers: dict[str, int] = {}
        self._effects: list[Effect] = []

    # ── life ────────────────────────────────────────────────────────────────────────────────────

    def recover(self, snapshot: bytes | None, events: Iterable[Message]) -> None:
        """Folds snapshot and journal; judges nothing."""
        if snapshot is not None:
            self.account = read_account(snapshot)
        for event in events:
            evolve(self.account, event)  # type: ignore[arg-type]

    def snapshot(self) -> bytes:
        """The account after the last event."""
        return account_bytes(self.account)

    def start(self, now_ns: int) -> list[Effect]:
        """Asks the venue for the truth before anything else (L16)."""
        if self.account.run_id != self.run_id:
            self._record(RunBegan(at_ns=now_ns, run_id=self.run_id))
        self._want_snapshot(now_ns)
        self._tick(now_ns)
        return self._drain()

    def on(self, message: Any, now_ns: int) -> list[Effect]:
        """Folds what a message says, then drives every intent and position one step further."""
        match message:
            case Quote():
                return self._quote(message, now_ns)
            case TimerFired():
                self._tick(now_ns)
            case VenueAnswered():
                self._answered(message, now_ns)
            case VenueReported():
                self._reported(message, now_ns)
            case EntryIntent():
                self._intent(message, now_ns)
            case SetProtection():
                self._protect(message, now_ns)
            case EngineStatus():
                self._status(message, now_ns)
            case Hello():
                self._hello(message, now_ns)
            case Acknowledge():
                self._peers[message.role] = max(message.seq, self._peers.get(message.role, 0))
            case VenueStreamChanged():
                if message.connected:
                    self._want_snapshot(now_ns)
            case StopEntries():
                self._stop(message, now_ns)
        self._drive(now_ns)
        return self._drain()

    def report(self) -> dict[str, Any]:
        """Route's part of the run summary."""
        return route_report(self)

    def figures(self) -> dict[str, float]:
        """Current counters for the heartbeat."""
        return route_figures(self)

    # ── messages ────────────────────────────────────────────────────────────────────────────────

    def _quote(self, quote: Quote, now_ns: int) -> list[Effect]:
        instrument = self.instruments.get(quote.symbol)
        if instrument is None:
            return []
        self.marks[quote.symbol] = mark_of(quote, instrument)
        # Only a symbol that is held can want anything because of a price.
        if self.account.position_in(quote.symbol) is None:
            return []
        self._drive(now_ns)
        return self._drain()

    def _intent(self, intent: EntryIntent, now_ns: int) -> None:
        instrument = self.instruments.get(intent.symbol)
        refusal = refusal_of(self.account, intent, instrument, now_ns)
        if refusal is None and not self._may_enter(now_ns):
            refusal = "not_active"
        if refusal == "seen_before":
            return
        if refusal is not None:
            self._record(
                IntentRefused(
                    at_ns=now_ns, intent_id=intent.intent_id, symbol=intent.symbol, reason=refusal
                )
            )
            return
        self._record(IntentAccepted(at_ns=now_ns, intent=intent), durable=True)

    def _protect(self, asked: SetProtection, now_ns: int) -> None:
        position = self.account.positions.get(asked.position_id)
        if position is None or asked.version <= position.version:
            return
        target = asked.target
        if position.exiting is not None:
            # An exit holds its slot: later ones join or raise its urgency, nothing undoes it (P7).
            joined = join(position.exiting, target) if isinstance(target, Exit) else None
            self.exits_deduplicated += joined is None
            target = joined or position.exiting
        self._record(
            ProtectionAccepted(
                at_ns=now_ns,
                position_id=asked.position_id,
                version=asked.version,
                target=target,
            )
        )

    def _status(self, status: EngineStatus, now_ns: int) -> None:
        self._state = status.state
        self._status_ns = now_ns
        protect = status.processes.get("protect")
        self._protect_lives = (
            protect is not None
            and protect.status is ProcessPhase.READY
            and protect.heartbeat_age_ms < 1000
        )
        if self.trips.tripped and self._tripped_said and not status.latch and not self.latched:
            # The latch was written for this trip and a person has removed it since.
            if any("latch" in reason for reason in status.reasons):
                return
            self.trips.rearm()
            self._tripped_said = ""

    def _hello(self, hello: Hello, now_ns: int) -> None:
        if hello.version != MESSAGE_VERSION or hello.config_hash != self.policy.config_hash:
            reason = (
                f"{hello.role} speaks version {hello.version} of configuration "
                f"{hello.config_hash}, route {MESSAGE_VERSION} of {self.policy.config_hash}"
            )
            self._effects.append(Say(hello.role, HelloRefused(reason=reason)))
            return
        if hello.mark > self.account.seq:
            self.trips.raise_trip(
                f"route's journal ends at {self.account.seq}, {hello.role} has seen {hello.mark}"
            )
        instruments = encode(tuple(self.instruments.values()))
        welcome = Welcomed(
            epoch=self.epoch,
            seq=self.account.seq,
            account=raw(account_bytes(self.account)),
            instruments=raw(instruments),
        )
        self._effects.append(Say(hello.role, welcome))

    def _stop(self, asked: StopEntries, now_ns: int) -> None:
        self._stopping = True
        if not asked.flatten:
            return
        for position in list(self.account.open_positions()):
            if position.exiting is None:
                self._record(flatten(position, "engine_stop", Urgency.URGENT, now_ns))

    def _reported(self, report: VenueReported, now_ns: int) -> None:
        if report.trade is not None:
            self._fold(of_trades(self.account, [report.trade], self.instruments, now_ns))
        if report.order is not None:
            self._fold(of_order(self.account, report.order, now_ns, now_ns))
        self._fold(of_balances(self.account, report.balances, now_ns))

    def _answered(self, answer: VenueAnswered, now_ns: int) -> None:
        match answer.request:
            case PlaceOrder() | PlaceOco():
                self._placed(answer, now_ns)
            case CancelOrder():
                reading = answers.read_cancel(self.account, answer, self.instruments, now_ns)
                self._take(reading, now_ns)
                if reading.pause_until_ns:
                    self._paused_until_ns[answer.request.client_id] = reading.pause_until_ns
            case QueryOrder():
                reading = answers.read_query(
                    self.account, answer, self.instruments, self._fence_ns, now_ns
                )
                self._take(reading, now_ns)
                self._perform(answers.unheeded_cancels(answer, self.account, now_ns), now_ns)
            case TakeSnapshot():
                self._compared(answer, now_ns)

    def _placed(self, answer: VenueAnswered, now_ns: int) -> None:
        request = answer.request
        assert isinstance(request, PlaceOrder | PlaceOco)
        client = request.client_id if isinstance(request, PlaceOrder) else request.stop_id
        order = self.account.order(client)
        reading = answers.read_placement(
            self.account, answer, self.instruments, self._fence_ns, now_ns
        )
        if order is not None and answer.outcome is Outcome.OK and answer.sent_ns:
            self.order_ack.record(now_ns - answer.sent_ns)
            if order.quote_recv_ns:
                self.tick_to_order.record(answer.sent_ns - order.quote_recv_ns)
        self._take(reading, now_ns)
        if order is not None and reading.pause_until_ns:
            self._paused_until_ns[order.decision_id] = reading.pause_until_ns
        if reading.refused is not None:
            benign = answer.meaning in (Meaning.WOULD_TRIGGER, Meaning.WOULD_MATCH)
            self.trips.answered(reading.refused and not benign)

    def _take(self, reading: answers.Reading, now_ns: int) -> None:
        self._perform(reading.steps, now_ns)
        if reading.short_of:
            self._short.add(reading.short_of)
            self._want_snapshot(now_ns)

    def _compared(self, answer: VenueAnswered, now_ns: int) -> None:
        self._snapshot_asked_ns = 0
        if answer.outcome is not Outcome.OK:
            self.balance_timeouts += 1
            self._snapshot_wanted_ns = now_ns + RETRY_SNAPSHOT_NS
            return
        found = reconcile.compare(self.account, answer, self.instruments, now_ns)
        assert isinstance(answer.request, TakeSnapshot)
        quiet = self._is_quiet(answer.request.asked_ns)
        self._perform([*found.events, *found.queries], now_ns)
        mismatches, details = found.mismatches, found.details
        if quiet and not found.mismatches:
            differing = reconcile.ledger_differences(self.account)
            repeated = {a: d for a, d in differing.items() if self._ledger_differed.get(a) == d}
            self._ledger_differed = differing
            mismatches += len(differing)
            details += [f"{a}: ledger {d[0]}, venue {d[1]}" for a, d in differing.items()]
            if repeated:
                self._alarm("ledger_differs", "", "; ".join(details), now_ns)
                self.trips.raise_trip("ledger differs from the venue: " + "; ".join(details))
        self._record(
            Reconciled(
                at_ns=now_ns,
                mismatches=mismatches,
                foreign_orders=found.foreign_orders,
                detail="; ".join(details)[:500],
            )
        )
        self._snapshot_wanted_ns = now_ns + self.policy.reconcile_s * NS_PER_S
        self.ready = True

    def _is_quiet(self, asked_ns: int) -> bool:
        busy = any(o.owed or o.in_doubt or not o.venue_order_id for o in self.orders_live())
        return not busy and asked_ns - self._last_change_ns > QUIET_NS

    def orders_live(self) -> Iterable[Any]:
        """Orders that live or owe executions."""
        return self.account.orders.values()

    # ── time ────────────────────────────────────────────────────────────────────────────────────

    def _tick(self, now_ns: int) -> None:
        self._effects.append(SetTimer("tick", now_ns + TICK_NS))
        self._paused_until_ns = {k: at for k, at in self._paused_until_ns.items() if at > now_ns}
        if now_ns - self._last_beat_ns >= BEAT_NS:
            self._last_beat_ns = now_ns
            beat = Beat(epoch=self.epoch, seq=self.account.seq, reconciled=self.ready, at_ns=now_ns)
            self._effects.append(Say("peers", beat))
        self._perform(self._inquiries.due(self.account, now_ns), now_ns)
        self._perform(overdue_fills(self.account, self.instruments, now_ns), now_ns)
        asked_long_ago = now_ns - self._snapshot_asked_ns > 30 * NS_PER_S
        if now_ns >= self._snapshot_wanted_ns and (not self._snapshot_asked_ns or asked_long_ago):
            self._want_snapshot(now_ns)
        if self.trips.tripped and self._tripped_said != self.trips.tripped:
            self._tripped_said = self.trips.tripped
            self._effects.append(
                Say(
                    "supervise",
                    Tripped(role=self.role, reason=self.trips.tripped, at_ns=now_ns),
                )
            )

    def _want_snapshot(self, now_ns: int) -> None:
        if self._snapshot_asked_ns and now_ns - self._snapshot_asked_ns < RETRY_SNAPSHOT_NS:
            self._snapshot_wanted_ns = now_ns
            return
        self._snapshot_asked_ns = now_ns
        self._snapshot_wanted_ns = now_ns + self.policy.reconcile_s * NS_PER_S
        watched = {o.symbol for o in self.account.tombstones.values()}
        self._effects.append(
            CallVenue(reconcile.request(self.account, watched, now_ns), exit_priority=True)
        )

    # ── the drive ───────────────────────────────────────────────────────────────────────────────

    def _may_enter(self, now_ns: int) -> bool:
        """Fails closed: every doubt says no (L9)."""
        return (
            self._state is TradingState.ACTIVE
            and now_ns - self._status_ns < STATUS_FRESH_NS
            and self.ready
            and not self._stopping
            and not self.latched
            and not self.trips.tripped
        )

    def _drive(self, now_ns: int) -> None:
        if not self.ready:
            # Nothing is sent before the first reconciliation but questions (L16).
            return
        for _ in range(PASSES_MAX):
            steps = self._next_steps(now_ns)
            if not steps:
                break
            self._perform(steps, now_ns)
        self._watch_protection(now_ns)
        self._say_drained(now_ns)

    def _next_steps(self, now_ns: int) -> list[Step]:
        steps: list[Step] = []
        may_enter = self._may_enter(now_ns)
        for state in self.account.intents.values():
            instrument = self.instruments.get(state.intent.symbol)
            paused = self._paused_until_ns.get(state.intent.intent_id, 0) > now_ns
            if instrument is not None and not (paused and may_enter):
                steps += entry_steps(self.account, state, instrument, now_ns, may_enter)
        for position in self.account.positions.values():
            instrument = self.instruments.get(position.symbol)
            if instrument is not None:
                steps += self._position_steps(position, instrument, now_ns)
        return steps

    def _position_steps(
        self, position: Position, instrument: Instrument, now_ns: int
    ) -> list[Step]:
        if position.status is PositionStatus.NEW:
            return []
        mark = self.marks.get(position.symbol)
        closing = close_steps(self.account, position, instrument, mark, now_ns)
        if closing:
            return closing
        sells = self.account.live_sells(position.position_id)
        if position.exiting is None:
            escalated = local_guard_steps(position, sells, instrument, mark, now_ns)
            if escalated:
                return escalated
        if self._paused_until_ns.get(position.position_id, 0) > now_ns:
            return []
        if position.exiting is not None:
            halted = self._state is TradingState.HALTED and position.exiting.reason != "operator"
            if halted and not sells:
                return []
            return exit_steps(
                self.account,
                position,
                instrument,
                self.policy.exit,
                mark,
                now_ns,
                self._held_at_venue(position, instrument),
            )
        return guard_steps(self.account, position, instrument, self.policy.protection, now_ns)

    def _held_at_venue(self, position: Position, instrument: Instrument) -> Any:
        """What the venue holds free, once it has called a sale too large (O5); None before."""
        balance = self.account.balances.get(instrument.base)
        if position.position_id not in self._short or balance is None:
            return None
        return balance.free

    def _watch_protection(self, now_ns: int) -> None:
        for position in list(self.account.positions.values()):
            instrument = self.instruments.get(position.symbol)
            if instrument is None:
                continue
            mark = self.marks.get(position.symbol)
            guarded = self._protect_lives and mark is not None and mark.is_fresh(now_ns)
            status, bare, reason = status_of(
                self.account, position, instrument, self.policy.exit, guarded, now_ns
            )
            event = changed(position, status, bare, reason, now_ns)
            if event is not None:
                self._record(event)

    def _say_drained(self, now_ns: int) -> None:
        if not self._stopping or self._drained:
            return
        leaving = any(p.exiting for p in self.account.open_positions())
        if not self.account.intents and not leaving:
            self._drained = True
            self._effects.append(Say("supervise", Drained(role=self.role)))

    # ── effects ─────────────────────────────────────────────────────────────────────────────────

    def _fold(self, events: Iterable[AccountEvent]) -> None:
        for event in events:
            self._record(event)

    def _perform(self, steps: Iterable[Step], now_ns: int) -> None:
        for step in steps:
            if isinstance(step, Call):
                self._effects.append(CallVenue(step.request, step.exit_priority))
            else:
                entering = isinstance(step, OrderSubmitted) and step.purpose is Purpose.ENTRY
                self._record(step, durable=entering)

    def _record(self, event: AccountEvent, *, durable: bool = False) -> None:
        """Folds an event at once and journals it: nobody hears of it before that (L1)."""
        fault = evolve(self.account, event)
        seq = self.account.seq
        self._effects.append(Journal(seq, event, durable))
        self._effects.append(Say("peers", EventSaid(seq=seq, event=event)))
        if not isinstance(event, Reconciled | RunBegan | Alarmed):
            self._last_change_ns = event.at_ns
        if isinstance(event, OrderSubmitted):
            self.trips.sent(event.decision_id, event.at_ns)
        if isinstance(event, Alarmed):
            self._say_alarm(event)
        if fault is not None:
            self._fault(fault, event)

    def _fault(self, fault: str, event: AccountEvent) -> None:
        """O1: counted, alarmed, state kept, symbol blocked for entries, reconciled."""
        symbol = getattr(event, "symbol", "")
        client_id = getattr(event, "client_id", "")
        if not symbol and (order := self.account.order(client_id)) is not None:
            symbol = order.symbol
        self._alarm("illegal_event", symbol, fault, event.at_ns)
        if symbol:
            self._record(
                SymbolBlocked(
                    at_ns=event.at_ns,
                    symbol=symbol,
                    reason=fault,
                    until_ns=event.at_ns + SILENT_BLOCK_NS,
                )
            )
        self._snapshot_wanted_ns = event.at_ns

    def _alarm(self, kind: str, symbol: str, text: str, now_ns: int) -> None:
        self._record(Alarmed(at_ns=now_ns, kind=kind, symbol=symbol, text=text))

    def _say_alarm(self, event: Alarmed) -> None:
        said = AlarmRaised(
            role=self.role,
            kind=event.kind,
            symbol=event.symbol,
            text=event.text,
            at_ns=event.at_ns,
        )
        self._effects.append(Say("supervise", said))
        fields = {"kind": event.kind, "symbol": event.symbol, "text": event.text}
        self._effects.append(Note("errors", "alarm", fields))

    def _drain(self) -> list[Effect]:
        effects, self._effects = self._effects, []
        return effects
