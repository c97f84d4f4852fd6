"""When route compares itself with the venue, and what it makes of the result (O7, L15, L16)."""

from __future__ import annotations

from procs.route.readers import Readers
from procs.route.recorder import Recorder
from shared.domain import reconcile
from shared.domain.effects import CallVenue
from shared.domain.instrument import Instrument
from shared.messages.account import LedgerOpened, Reconciled
from shared.messages.venue import Outcome, TakeSnapshot, VenueAnswered
from shared.units import NS_PER_S

RETRY_NS = 1 * NS_PER_S
ANSWER_WITHIN_NS = 30 * NS_PER_S
READ_LAG_NS = 2 * NS_PER_S
"""What happened is in every answer to a question that left so much later."""
QUIET_NS = 2 * NS_PER_S
"""The ledger is compared with the venue only when nothing has happened for this long."""


class Reconciler:
    """Asks at start, after every reconnect, on any doubt, and every `reconcile_s`."""

    def __init__(
        self,
        recorder: Recorder,
        readers: Readers,
        instruments: dict[str, Instrument],
        every_s: int,
        fence_ns: int,
    ) -> None:
        """`fence_ns`: from sending to the instant when absence is proof; 0: it never is (L2)."""
        self.done_once = False
        """READY: folded and one full reconciliation (L14)."""
        self.told_of_ns = 0
        """When the newest question left that was answered, well or badly."""
        self.time_outs = 0
        self.failing = False
        """The newest question was not answered: balances may be old, entries wait (E4)."""
        self._recorder = recorder
        self._readers = readers
        self._instruments = instruments
        self._every_ns = every_s * NS_PER_S
        self._fence_ns = fence_ns
        self._asked_ns = 0
        self._due_ns = 0
        self._differed: reconcile.Differences = {}
        self.unexplained: set[str] = set()
        """Symbols in which more or less is held than the ledger knows of, until history was read:
        what looks unprotected or unsold there may be sold already (L6, L12)."""
        self._search: set[str] = set()
        """Symbols whose history is asked for next: something in them is not explained (L12)."""
        self._searched: reconcile.Differences = {}
        """What differed when history was last asked for; the same again is a person's matter."""
        self._strangers: reconcile.Nameless = frozenset()
        """Orders that the newest history had trades of, and that are nobody's of ours."""
        self._search_began_ns = 0
        self._read_back = False
        """Where the ledger is open on trial: history was read, late enough that no list lagged."""
        self._history_ns: dict[str, int] = {}
        """When the newest question for a symbol's history left that was answered well."""

    def tick(self, now_ns: int) -> None:
        """Asks when it is time, or when the last question was never answered."""
        if self._recorder.doubtful:
            self._recorder.doubtful = False
            self._due_ns = now_ns
        waiting = self._asked_ns and now_ns - self._asked_ns < ANSWER_WITHIN_NS
        # A question that failed comes again when that is due.
        proves = not self.failing and (bool(self._provable(now_ns)) or self._may_explain(now_ns))
        if (now_ns >= self._due_ns or proves) and not waiting:
            self.ask(now_ns)

    def unsold(self) -> frozenset[str]:
        """Symbols in which nothing is sold yet: what may be sold already, and positions of which
        the journal lacks rows, or may lack them as far as those who remember have not spoken, with
        sales that may be on their way until the fence (L2, L6)."""
        return frozenset(self.unexplained | self._unproven().keys())

    def _unproven(self) -> dict[str, int]:
        """Symbols of such positions, with the instant from which the venue's history proves that
        it knows all their sales; without a fence what is done is all that it can prove."""
        proof_ns: dict[str, int] = {}
        doubted_ns = self._readers.doubted_ns
        spoken_ns = doubted_ns + max(self._fence_ns, READ_LAG_NS) if doubted_ns else 0
        for position in self._recorder.account.positions.values():
            symbol, forgotten_ns = position.symbol, position.forgotten_ns
            fenced_ns = max(forgotten_ns + self._fence_ns if forgotten_ns else 0, spoken_ns)
            if self._history_ns.get(symbol, 0) < fenced_ns:
                proof_ns[symbol] = max(fenced_ns, proof_ns.get(symbol, 0))
        return proof_ns

    def _provable(self, now_ns: int) -> set[str]:
        """Those of them whose history would prove it now."""
        return {symbol for symbol, proof_ns in self._unproven().items() if proof_ns <= now_ns}

    def _may_explain(self, now_ns: int) -> bool:
        """Whether all that lost rows may have sent is done, and the venue was not asked since: the
        budget of what they may have bought is held until then (L2, L15)."""
        short_ns = self._recorder.account.short_until_ns()
        return bool(short_ns) and self.told_of_ns < short_ns + self._fence_ns <= now_ns

    def ask(self, now_ns: int) -> None:
        """Asks now, unless a question left a moment ago; then again as soon as it is answered."""
        if self._asked_ns and now_ns - self._asked_ns < RETRY_NS:
            self._due_ns = now_ns
            return
        self._asked_ns = now_ns
        self._due_ns = now_ns + self._every_ns
        account = self._recorder.account
        watched = {order.symbol for order in account.tombstones.values()}
        self._search |= self._provable(now_ns)
        if self._search:
            request = reconcile.history_request(account, watched | self._search, now_ns)
            self._search = set()
        else:
            request = reconcile.request(account, watched, now_ns)
        self._recorder.want(CallVenue(request, exit_priority=True))

    def answered(self, answer: VenueAnswered, now_ns: int) -> None:
        """Takes the venue's truth over; what differs twice in a quiet account trips (L9)."""
        assert isinstance(answer.request, TakeSnapshot)
        self._asked_ns = 0
        asked_ns = self.told_of_ns = answer.request.asked_ns
        if answer.outcome is not Outcome.OK:
            self.time_outs += 1
            self.failing = True
            self._due_ns = now_ns + RETRY_NS
            if answer.request.history:
                self._search.update(answer.request.symbols)
            return
        recorder = self._recorder
        quiet = self._is_quiet(asked_ns)
        still = recorder.changed_ns < asked_ns
        unopened = reconcile.is_unopened(recorder.account)
        found = reconcile.compare(recorder.account, answer, self._instruments, now_ns)
        recorder.perform([*found.events, *found.queries])
        if unopened:
            self._open_ledger(answer, still, now_ns)
        details = list(found.details)
        mismatches = found.mismatches
        searching = False
        if quiet or answer.request.history or unopened or not self.done_once:
            searching = self._is_unexplained(answer.request, found, now_ns)
        if quiet and not mismatches and not searching:
            mismatches = self._compare_ledger(details, now_ns)
        recorder.record(
            Reconciled(
                at_ns=now_ns,
                mismatches=mismatches,
                foreign_orders=found.foreign_orders,
                detail="; ".join(details)[:500],
                agreed=not reconcile.ledger_differences(recorder.account),
                explained_ns=max(asked_ns - self._fence_ns, 0) if self._is_explained() else 0,
            )
        )
        self.done_once = True
        self.failing = False
        if answer.request.history:
            self._history_ns.update(dict.fromkeys(answer.request.symbols, self.told_of_ns))
        if answer.request.history and not self._search:
            self.unexplained.difference_update(answer.request.symbols)
        if searching:
            self.unexplained |= self._search
            self._search_began_ns = now_ns
            self.ask(now_ns)

    def _open_ledger(self, answer: VenueAnswered, still: bool, now_ns: int) -> None:
        """After what was found of ours, so that the ledger holds it once. For good when nothing is
        held or history was read, nothing happened while the question was out (`still`), and no
        execution is owed that would move the ledger again."""
        asked = answer.request
        assert isinstance(asked, TakeSnapshot)
        held = reconcile.held_symbols(answer.balances, self._instruments)
        late = asked.asked_ns - self._search_began_ns >= READ_LAG_NS
        if asked.history and late and held <= set(asked.symbols):
            self._read_back = True
        account = self._recorder.account
        owing = bool(account.inferred) or any(order.owed for order in account.orders.values())
        done = still and not owing and (not held or self._read_back)
        self._recorder.record(
            LedgerOpened(at_ns=now_ns, balances=answer.balances, provisional=not done)
        )

    def _is_unexplained(
        self, asked: TakeSnapshot, found: reconcile.Comparison, now_ns: int
    ) -> bool:
        """Whether history must be asked for: once for each thing that is not explained."""
        account = self._recorder.account
        differing = reconcile.ledger_differences(account)
        held = reconcile.held_symbols(account.balances.values(), self._instruments)
        if account.opening and self._read_back:
            self._due_ns = now_ns + READ_LAG_NS
            return False
        if account.opening and not asked.history:
            # Once, and late: a list may lag, and each symbol of it costs the venue's rate budget.
            self._search = held
            self.unexplained |= held
            self._search_began_ns = now_ns
            self._due_ns = now_ns + READ_LAG_NS
            return False
        if asked.history:
            early = asked.asked_ns - self._search_began_ns < READ_LAG_NS
            unnamed = found.nameless - self._strangers
            if account.opening or ((differing or unnamed) and early):
                # The venue's lists may lag behind its balances: the same question once more.
                self._search = set(asked.symbols) | (held if account.opening else set())
                self._due_ns = self._search_began_ns + READ_LAG_NS
            else:
                self._searched = differing
                self._strangers = found.nameless
            return False
        strange = reconcile.strange_symbols(account, found.events)
        strange |= {symbol for symbol, _ in found.nameless - self._strangers}
        if differing != self._searched:
            strange |= reconcile.differing_symbols(differing, self._instruments)
        self._search = strange
        return bool(strange)

    def _is_explained(self) -> bool:
        """Whether nothing is left to be searched for: what still differs was searched for already,
        and is not in the venue's history of ours. What was sent within a fence of the question may
        come yet, whether or not rows are known to be lost: that is often told only later."""
        account = self._recorder.account
        differing = reconcile.ledger_differences(account)
        known = not differing or differing == self._searched
        return known and not self._search and not account.opening

    def _compare_ledger(self, details: list[str], now_ns: int) -> int:
        differing = reconcile.ledger_differences(self._recorder.account)
        lasting = [a for a, pair in differing.items() if self._differed.get(a) == pair]
        self._differed = differing
        details += [f"{a}: ledger {o}, venue {t}" for a, (o, t) in differing.items()]
        if lasting:
            text = "; ".join(details)
            self._recorder.alarm("ledger_differs", "", text, now_ns)
            self._recorder.trips.raise_trip(f"ledger differs from the venue: {text}")
        return len(differing)

    def _is_quiet(self, asked_ns: int) -> bool:
        busy = any(
            order.owed or order.in_doubt or not order.venue_order_id
            for order in self._recorder.account.orders.values()
        )
        return not busy and asked_ns - self._recorder.changed_ns > QUIET_NS
