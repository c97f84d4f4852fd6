"""Route: the one writer at the venue. Orders, fills, positions, and what rests there.

Every message becomes events (what is now known), then the drive makes the next step of each intent
and position. The same drive runs after a crash: nothing is remembered outside the account but
pauses and open questions.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from core_ext.histogram import Histogram
from core_ext.quote import Quote
from procs.route.drive import Conditions, Drive
from procs.route.readers import Readers
from procs.route.reconciler import Reconciler
from procs.route.recorder import Recorder
from procs.route.report import route_figures, route_report
from shared.domain import answers
from shared.domain.account import Account, account_bytes, read_account
from shared.domain.effects import Effect, SetTimer, TimerFired
from shared.domain.entry import refusal_of
from shared.domain.evidence import of_balances, of_order, of_trades
from shared.domain.exits import join
from shared.domain.fold import evolve
from shared.domain.instrument import Instrument
from shared.domain.mark import Mark, mark_of
from shared.domain.policy import Policy
from shared.domain.protection import flatten
from shared.domain.resolve import Inquiries, overdue_fills
from shared.domain.trips import Trips
from shared.messages.account import (
    Beat,
    Hello,
    IntentAccepted,
    IntentRefused,
    ProtectionAccepted,
    ProtectionStatus,
    RowsLost,
    RunBegan,
)
from shared.messages.base import Message
from shared.messages.control import (
    ENGINE_STOP,
    Drained,
    EngineStatus,
    ProcessPhase,
    StopEntries,
    TradingState,
    Tripped,
)
from shared.messages.entry import EntryIntent
from shared.messages.protection import Exit, PricePolled, SetProtection, Urgency
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
PROTECT_BEAT_MAX_MS = 1_000
SAY_TRIP_AGAIN_NS = 1 * NS_PER_S
MAY_NOT_HAVE_LEFT = (Outcome.THROTTLED, Outcome.NOT_SENT)


class Actor:
    """Route's judgement; see `procs/turn.py` for the contract."""

    role = "route"

    def __init__(
        self, policy: Policy, instruments: tuple[Instrument, ...], run_id: str, incarnation: int = 1
    ) -> None:
        self.policy = policy
        self.instruments = {i.symbol: i for i in instruments}
        self.run_id = run_id
        self.incarnation = incarnation
        self.epoch = f"{run_id}.{incarnation}"
        self.latched = ""
        """Text of the kill latch, set by the shell before each turn; empty when open (L9)."""
        self.order_ack = Histogram()
        self.tick_to_order = Histogram()
        self.exits_deduplicated = 0
        self.oldest_question_s = 0.0
        """How long the oldest unknown outcome has been asked about, at the last tick (O3)."""
        self._recorder = Recorder(self.role, self.epoch, Account())
        self._drive = Drive(self._recorder, self.instruments, policy)
        self._readers = Readers(self._recorder, self.instruments, self.epoch, policy.config_hash)
        self._fence_ns = int(policy.fence_s * NS_PER_S)
        self._inquiries = Inquiries(self._fence_ns)
        self._reconciler = Reconciler(
            self._recorder, self._readers, self.instruments, policy.reconcile_s, self._fence_ns
        )
        self._state = TradingState.REDUCING
        self._protect_lives = False
        self._status_ns = 0
        self._stopping = False
        self._flatten = False
        """The stop closes every position: also one that comes of an entry under way."""
        self._at_rest_ns = 0
        """When the stop left nothing under way; from then on the last comparison is due."""
        self._drained = False
        self._tripped_said = ""
        self._tripped_said_ns = 0
        self._latch_stood = False
        """The latch was seen in place since the trip was said; a status may be older than that."""
        self._beat_ns = 0
        self._unproven = False
        """The journal may lack something: entries wait until ledger and venue have agreed (L12)."""
        self._missing: tuple[str, bool] | None = None
        """Why rows are known to be lost at the start, and whether the journal could be mended."""

    @property
    def account(self) -> Account:
        """Everything route knows that survives it."""
        return self._recorder.account

    @property
    def trips(self) -> Trips:
        """Signs that the engine runs wild (L9)."""
        return self._recorder.trips

    @property
    def ready(self) -> bool:
        """Folded, and reconciled once (L14)."""
        return self._reconciler.done_once

    @property
    def balance_timeouts(self) -> int:
        """Snapshots of the venue that failed; they block entries, not exits (E4)."""
        return self._reconciler.time_outs

    # ── life ────────────────────────────────────────────────────────────────────────────────────

    def recover(self, snapshot: bytes | None, events: Iterable[Message]) -> None:
        """Folds snapshot and journal; judges nothing."""
        if snapshot is not None:
            self._recorder.account = read_account(snapshot)
        for event in events:
            evolve(self.account, event)  # type: ignore[arg-type]
        self._readers.found_seq = self.account.seq

    def miss_rows(self, reason: str, mended: bool) -> None:
        """Told before the start that rows which were written are not in the journal (L12)."""
        self._missing = reason, mended

    def snapshot(self) -> bytes:
        """The account after the last event."""
        return account_bytes(self.account)

    def start(self, now_ns: int) -> list[Effect]:
        """Asks the venue for the truth before anything else (L16)."""
        self._unproven = self._readers.latched = bool(self.latched)
        self._readers.began_ns = now_ns
        began = RunBegan(at_ns=now_ns, run_id=self.run_id, incarnation=self.incarnation)
        self._recorder.record(began)
        known = self.account.unlatched_loss
        if self._missing:
            reason, mended = self._missing
            since_ns = self.account.unmended_ns
            loss = RowsLost(at_ns=now_ns, reason=reason, mended=mended, since_ns=since_ns)
            self._lose_rows(loss)
        elif known is not None and not self.latched:
            # Who learnt of it died before anybody else knew.
            self._unproven = True
            self.trips.raise_trip(known.reason)
        self._tick(now_ns)
        return self._recorder.drain()

    def on(self, message: Any, now_ns: int) -> list[Effect]:
        """Folds what a message says, then drives every intent and position one step further."""
        self._readers.latched |= bool(self.latched)
        loss = self.account.unlatched_loss
        if loss is not None and self.latched:
            self._lose_rows(msgspec.structs.replace(loss, at_ns=now_ns))
        match message:
            case Quote():
                if not self._priced(message):
                    return []
            case PricePolled():
                self._polled(message)
            case TimerFired():
                self._tick(now_ns)
            case VenueAnswered():
                self._answered(message, now_ns)
            case VenueReported():
                self._reported(message, now_ns)
            case EntryIntent():
                self._intended(message, now_ns)
            case SetProtection():
                self._protect(message, now_ns)
            case EngineStatus():
                self._status(message, now_ns)
            case Hello():
                self._hello(message, now_ns)
            case VenueStreamChanged():
                if message.connected:
                    self._reconciler.ask(now_ns)
            case StopEntries():
                self._stop(message)
        if self.ready:
            # Before the first reconciliation nothing is sent but questions (L16).
            if self._flatten:
                self._close_all(now_ns)
            self._drive.run(self._conditions(now_ns), now_ns)
            self._say_drained(now_ns)
        return self._recorder.drain()

    def report(self) -> dict[str, Any]:
        """Route's part of the run summary."""
        return route_report(self)

    def figures(self) -> dict[str, float]:
        """Current counters for the heartbeat."""
        return route_figures(self)

    # ── what the engine wants ───────────────────────────────────────────────────────────────────

    def _priced(self, quote: Quote) -> bool:
        instrument = self.instruments.get(quote.symbol)
        if instrument is None:
            return False
        self._drive.marks[quote.symbol] = mark_of(quote, instrument)
        # A price is news only for a position without a stop at the venue; the tick sees the rest.
        position = self.account.position_in(quote.symbol)
        return position is not None and position.protection is not ProtectionStatus.PROTECTED

    def _polled(self, price: PricePolled) -> None:
        """What protect found out while ingest is gone guards as well as a quote (P13)."""
        known = self._drive.marks.get(price.symbol)
        if price.symbol in self.instruments and (known is None or known.recv_ns < price.recv_ns):
            self._drive.marks[price.symbol] = Mark(price.bid, price.ask, price.recv_ns)

    def _intended(self, intent: EntryIntent, now_ns: int) -> None:
        instrument = self.instruments.get(intent.symbol)
        refusal = refusal_of(self.account, intent, instrument, now_ns)
        if refusal == "seen_before":
            return
        if refusal is None and not self._conditions(now_ns).may_enter:
            refusal = "not_active"
        if refusal is None:
            self._recorder.record(IntentAccepted(at_ns=now_ns, intent=intent), durable=True)
            return
        refused = IntentRefused(
            at_ns=now_ns, intent_id=intent.intent_id, symbol=intent.symbol, reason=refusal
        )
        self._recorder.record(refused)

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
        accepted = ProtectionAccepted(
            at_ns=now_ns, position_id=asked.position_id, version=asked.version, target=target
        )
        self._recorder.record(accepted)

    def _stop(self, asked: StopEntries) -> None:
        self._stopping = True
        self._flatten = self._flatten or asked.flatten
        self._drained = False  # Asked again, it is said again: the first word may be lost.

    def _close_all(self, now_ns: int) -> None:
        for position in list(self.account.open_positions()):
            # One that is on its way out joins too: HALTED would hold it back for its reason (L9).
            leaving = join(position.exiting, Exit(reason=ENGINE_STOP, urgency=Urgency.URGENT))
            if leaving is not None:
                accepted = flatten(position, leaving.reason, leaving.urgency, now_ns)
                self._recorder.record(accepted)

    def _say_drained(self, now_ns: int) -> None:
        """Nothing is under way, and the venue was asked once more since, whatever it said (R1)."""
        if not self._stopping:
            return
        if self.account.intents or any(p.exiting for p in self.account.open_positions()):
            self._at_rest_ns = 0  # What was compared before it says nothing of its end.
            return
        if self._drained:
            return
        if not self._at_rest_ns:
            self._at_rest_ns = now_ns
            self._reconciler.ask(now_ns)
        if self._reconciler.told_of_ns >= self._at_rest_ns:
            self._drained = True
            self._recorder.say("supervise", Drained(role=self.role))

    # ── what the engine is ──────────────────────────────────────────────────────────────────────

    def _status(self, status: EngineStatus, now_ns: int) -> None:
        self._state = status.state
        self._status_ns = now_ns
        protect = status.processes.get("protect")
        self._protect_lives = (
            protect is not None
            and protect.status is ProcessPhase.READY
            and protect.heartbeat_age_ms < PROTECT_BEAT_MAX_MS
        )
        latched = status.latch or self.latched or any("latch" in r for r in status.reasons)
        if self._tripped_said and latched:
            self._latch_stood = True
        elif self._latch_stood and not latched:
            # The latch was written for this trip, and a person has removed it since.
            self.trips.rearm()
            self._tripped_said = ""
            self._latch_stood = False

    def _conditions(self, now_ns: int) -> Conditions:
        """Entries fail closed: every doubt says no (L9)."""
        may_enter = (
            self._state is TradingState.ACTIVE
            and now_ns - self._status_ns < STATUS_FRESH_NS
            and self.ready
            and self._readers.all_spoke
            and not self._reconciler.failing
            and not self._unproven
            and not self.account.opening
            and not self._stopping
            and not self.latched
            and not self.trips.tripped
        )
        return Conditions(
            may_enter=may_enter,
            halted=self._state is TradingState.HALTED,
            protect_lives=self._protect_lives,
            sight=self._readers.sight(self._fence_ns, now_ns),
            unexplained=self._reconciler.unsold(),
        )

    def _hello(self, hello: Hello, now_ns: int) -> None:
        is_old = self._readers.is_old(hello)
        if not is_old and self._readers.refuse(hello):
            return
        lost = self._readers.loss(hello)
        if lost:
            self._unproven = True
            self._lose_rows(RowsLost(at_ns=now_ns, reason=lost, epoch=hello.marked_in))
            self.trips.raise_trip(lost)
            # Before the welcome: with it the reader forgets that it has seen more.
            self._say_trip(now_ns)
        if not is_old:
            self._readers.welcome(hello, self.ready, now_ns)

    def _lose_rows(self, loss: RowsLost) -> None:
        """Power-safe: whoever forgets it again would sell what may be sold already (L6)."""
        said = msgspec.structs.replace(loss, latched=bool(self.latched))
        self._recorder.record(said, durable=True)

    def _say_trip(self, now_ns: int) -> None:
        """Until the latch stands: a word may be lost, and route may die before the next one."""
        reason = self.trips.tripped
        heard = self._tripped_said == reason and self._latch_stood
        recent = now_ns - self._tripped_said_ns < SAY_TRIP_AGAIN_NS
        if not reason or heard or (self._tripped_said == reason and recent):
            return
        self._tripped_said, self._tripped_said_ns = reason, now_ns
        self._recorder.say("supervise", Tripped(role=self.role, reason=reason, at_ns=now_ns))

    # ── what the venue says ─────────────────────────────────────────────────────────────────────

    def _reported(self, report: VenueReported, now_ns: int) -> None:
        if report.trade is not None:
            trades = of_trades(self.account, [report.trade], self.instruments, now_ns)
            self._recorder.perform(trades)
        if report.order is not None:
            # A push that was long on its way is old news: it raises no order that ended since.
            of_ns = min(now_ns, report.order.updated_ms * NS_PER_MS or now_ns)
            self._recorder.perform(of_order(self.account, report.order, now_ns, of_ns))
        self._recorder.perform(of_balances(self.account, report.balances, now_ns))

    def _answered(self, answer: VenueAnswered, now_ns: int) -> None:
        match answer.request:
            case PlaceOrder() | PlaceOco():
                self._placed(answer, now_ns)
            case CancelOrder():
                reading = answers.read_cancel(self.account, answer, self.instruments, now_ns)
                self._take(reading, "", now_ns)
                if reading.pause_until_ns:
                    self._drive.cancel_again(answer.request.client_id, reading.pause_until_ns)
            case QueryOrder():
                reading = answers.read_query(
                    self.account, answer, self.instruments, self._fence_ns, now_ns
                )
                self._take(reading, "", now_ns)
                self._recorder.perform(answers.unheeded_cancels(answer, self.account))
            case TakeSnapshot():
                self._reconciler.answered(answer, now_ns)
                self._unproven = self._unproven and self.account.agreed_ns != now_ns

    def _placed(self, answer: VenueAnswered, now_ns: int) -> None:
        request = answer.request
        assert isinstance(request, PlaceOrder | PlaceOco)
        client = request.stop_id if isinstance(request, PlaceOco) else request.client_id
        order = self.account.order(client)
        reading = answers.read_placement(
            self.account, answer, self.instruments, self._fence_ns, now_ns
        )
        if order is not None and answer.outcome is Outcome.OK and answer.sent_ns:
            self.order_ack.record(now_ns - answer.sent_ns)
            self._drive.short.discard(order.decision_id)
            if order.quote_recv_ns:
                self.tick_to_order.record(answer.sent_ns - order.quote_recv_ns)
        self._take(reading, order.decision_id if order is not None else "", now_ns)
        if order is not None and not answer.sent_ns and answer.outcome in MAY_NOT_HAVE_LEFT:
            self.trips.unsent(order.decision_id, 2 if isinstance(request, PlaceOco) else 1)
        if reading.refused is not None:
            benign = answer.meaning in (Meaning.WOULD_TRIGGER, Meaning.WOULD_MATCH)
            self.trips.answered(reading.refused and not benign)

    def _take(self, reading: answers.Reading, decision_id: str, now_ns: int) -> None:
        self._recorder.perform(reading.steps)
        if reading.pause_until_ns and decision_id:
            self._drive.pause(decision_id, reading.pause_until_ns)
        if reading.short_of:
            self._drive.short.add(reading.short_of)
            self._reconciler.ask(now_ns)

    # ── time ────────────────────────────────────────────────────────────────────────────────────

    def _tick(self, now_ns: int) -> None:
        recorder = self._recorder
        recorder.want(SetTimer("tick", now_ns + TICK_NS))
        if now_ns - self._beat_ns >= BEAT_NS:
            self._beat_ns = now_ns
            beat = Beat(epoch=self.epoch, seq=self.account.seq, reconciled=self.ready, at_ns=now_ns)
            recorder.say("peers", beat)
        recorder.perform(self._inquiries.due(self.account, now_ns))
        self.oldest_question_s = self._inquiries.oldest_s(now_ns)
        recorder.perform(overdue_fills(self.account, self.instruments, now_ns))
        self._reconciler.tick(now_ns)
        self._say_trip(now_ns)
