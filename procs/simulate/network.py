"""What lies between route and the venue: requests, answers and pushes on their way.

Each may be slow, lost, doubled or cut off, as the seed wants it. The rate budget is the engine's
own (`shared.venues.budget`), because it decides in route's process what leaves at all (L10).
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any

from procs.simulate.agenda import Agenda
from procs.simulate.dice import Dice
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
    VenueRequest,
)
from shared.units import NS_PER_MS, NS_PER_S
from shared.venues.budget import RateBudget

if TYPE_CHECKING:
    from procs.simulate.venue import SimVenue

TIMEOUT_NS = 5 * NS_PER_S
RECV_WINDOW_NS = 5 * NS_PER_S
MATCHING_NS = 10 * NS_PER_S
"""What passed the receive window may wait this long for the matching engine."""
PAUSE_MS = (250, 5_000)
BAN_MS = (1_000, 12_000)
REFUSALS = (
    Meaning.OTHER,
    Meaning.FILTER,
    Meaning.PERMISSION,
    Meaning.WOULD_TRIGGER,
    Meaning.INSUFFICIENT,
    Meaning.BROKEN,
)
"""Why a venue may refuse a stop, as far as route can tell them apart."""
WEIGHTS: dict[type, tuple[int, int]] = {
    PlaceOrder: (1, 1),
    PlaceOco: (1, 2),
    CancelOrder: (1, 0),
    QueryOrder: (24, 0),
    TakeSnapshot: (86, 0),
}
"""Request weight and orders, as Binance spot counts them."""


class Network:
    """Carries one account's traffic."""

    def __init__(
        self,
        venue: SimVenue,
        agenda: Agenda,
        random: Random,
        dice: Dice,
        deliver: Callable[[Any, int | None], None],
    ) -> None:
        self.on_departed: Callable[[VenueRequest, bool], None] = lambda request, exit_priority: None
        """Called for each request that leaves, the budget having let it."""
        self._venue = venue
        self._agenda = agenda
        self._random = random
        self._dice = dice
        self._deliver = deliver
        self._budget = RateBudget()
        self._life = 0
        self._banned_until_ns = 0
        self._no_stops_until_ns = 0

    # ── requests ────────────────────────────────────────────────────────────────────────────────

    def call(self, request: VenueRequest, life: int, exit_priority: bool) -> None:
        """A request wants to leave a process of route."""
        now_ns = self._agenda.now_ns
        if life != self._life:
            # What the budget knew died with the process.
            self._life, self._budget = life, RateBudget()
        weight, orders = WEIGHTS[type(request)]
        silence = self._budget.admit(weight, orders, exit_priority, now_ns)
        if silence is None:
            _Journey(self, request, life, exit_priority).begin()
            return
        answer = VenueAnswered(
            request=request,
            outcome=Outcome.THROTTLED,
            meaning=silence.meaning,
            text=f"not sent: {silence.text}",
            retry_at_ns=silence.until_ns,
        )
        self._agenda.after(0, lambda: self._deliver(answer, life))

    def _met(
        self, request: VenueRequest, sent_ns: int, stamped_ns: int, window_ns: int
    ) -> VenueAnswered:
        """A request comes to the venue."""
        venue, dice, state = self._venue, self._dice, type(request).__name__
        refusal = self._rate_refusal(request, sent_ns, state)
        if refusal is not None:
            return refusal
        writes = isinstance(request, PlaceOrder | PlaceOco | CancelOrder)
        if venue.clocks.is_refused(stamped_ns, window_ns):
            venue.clocks.measure()
            return venue.answer(request, Outcome.REFUSED, sent_ns, meaning=Meaning.CLOCK)
        if isinstance(request, PlaceOrder | PlaceOco):
            if dice.hits("refused", state):
                return venue.answer(request, Outcome.REFUSED, sent_ns, meaning=Meaning.OTHER)
            meaning = self._stop_refusal(request, state)
            if meaning is not None:
                return venue.answer(request, Outcome.REFUSED, sent_ns, meaning=meaning)
        if isinstance(request, CancelOrder) and dice.hits("cancel_race", state):
            venue.mischief.race(request)
        answer = venue.do(request, sent_ns)
        venue.push()
        if writes and answer.outcome is Outcome.OK and dice.hits("empty_answer", state):
            return venue.answer(request, Outcome.OK, sent_ns)
        return answer

    def _rate_refusal(
        self, request: VenueRequest, sent_ns: int, state: str
    ) -> VenueAnswered | None:
        dice, now_ns = self._dice, self._agenda.now_ns
        meaning, until_ns = Meaning.RATE, 0
        if now_ns < self._banned_until_ns:
            meaning, until_ns = Meaning.BANNED, self._banned_until_ns
        elif dice.hits("banned", state):
            until_ns = now_ns + dice.between("banned", *BAN_MS) * NS_PER_MS
            meaning, self._banned_until_ns = Meaning.BANNED, until_ns
        elif dice.hits("throttled", state):
            until_ns = now_ns + dice.between("throttled", *PAUSE_MS) * NS_PER_MS
        else:
            return None
        return self._venue.answer(
            request, Outcome.THROTTLED, sent_ns, meaning=meaning, retry_at_ns=until_ns
        )

    def _stop_refusal(self, request: PlaceOrder | PlaceOco, state: str) -> Meaning | None:
        """Stops are refused, once or for as long as somebody repairs them."""
        dice, now_ns = self._dice, self._agenda.now_ns
        is_stop = isinstance(request, PlaceOco) or request.stop_price is not None
        if not is_stop:
            return None
        if now_ns < self._no_stops_until_ns:
            return Meaning.OTHER
        if not dice.hits("rejected_stop", state):
            return None
        if dice.coin("rejected_stop", 0.2):
            lasts_ms = dice.between("rejected_stop", 1_000, 15_000)
            self._no_stops_until_ns = now_ns + lasts_ms * NS_PER_MS
            return Meaning.OTHER
        return REFUSALS[dice.between("rejected_stop", 0, len(REFUSALS) - 1)]

    def _told(self, answer: VenueAnswered, life: int) -> None:
        """An answer comes to the process that asked, and first of all to its budget."""
        if life == self._life and answer.outcome is Outcome.THROTTLED:
            self._budget.refused(answer.meaning, answer.retry_at_ns)
        self._deliver(answer, life)

    # ── pushes ──────────────────────────────────────────────────────────────────────────────────

    def send(self, report: VenueReported) -> None:
        """The user stream: each event on its own way, lost, late or doubled as the seed wants."""
        dice = self._dice
        state = report.order.status.name if report.order is not None else "balances"
        if dice.hits("lost_push", state):
            return
        delay_ns = self._random.randint(1, 15) * NS_PER_MS
        if dice.hits("late_push", state):
            delay_ns = dice.between("late_push", 50, 3_000) * NS_PER_MS
        if report.trade is not None and dice.hits("late_fill", state):
            delay_ns = dice.between("late_fill", 1_000, 30_000) * NS_PER_MS
        self._agenda.after(delay_ns, lambda: self._deliver(report, None))
        if dice.hits("doubled_push", state):
            again_ns = delay_ns + dice.between("doubled_push", 1, 500) * NS_PER_MS
            self._agenda.after(again_ns, lambda: self._deliver(report, None))
        if report.trade is not None and dice.hits("doubled_fill", state):
            again_ns = delay_ns + dice.between("doubled_fill", 100, 30_000) * NS_PER_MS
            self._agenda.after(again_ns, lambda: self._deliver(report, None))


class _Journey:
    """One request, there and back."""

    def __init__(
        self, network: Network, request: VenueRequest, life: int, exit_priority: bool
    ) -> None:
        self._network = network
        self._request = request
        self._life = life
        self._exit_priority = exit_priority
        self._sent_ns = network._agenda.now_ns
        self._stamped_ns = network._venue.clocks.stamp()
        self._window_ns = RECV_WINDOW_NS
        self._answered = False
        self._lost_answer = False

    def begin(self) -> None:
        """It leaves."""
        network, request = self._network, self._request
        network.on_departed(request, self._exit_priority)
        if isinstance(request, PlaceOrder | PlaceOco):
            network._venue.questions.left(request, self._sent_ns)
        dice, state = network._dice, type(request).__name__
        there_ns = network._random.randint(1, 20) * NS_PER_MS
        if dice.hits("slow_request", state):
            there_ns = dice.between("slow_request", 500, 9_000) * NS_PER_MS
        gone_ns = TIMEOUT_NS
        writes = isinstance(request, PlaceOrder | PlaceOco | CancelOrder)
        if writes and dice.hits("cut_request", state):
            self._window_ns += MATCHING_NS
            there_ns = dice.between("cut_request", 200, self._window_ns // NS_PER_MS) * NS_PER_MS
            gone_ns = dice.between("cut_request", 1, 20) * NS_PER_MS
        self._lost_answer = dice.hits("lost_answer", state)
        network._agenda.after(gone_ns, self._give_up)
        if dice.hits("lost_request", state):
            if dice.coin("lost_request", 0.7):
                network._agenda.after(there_ns, self._give_up)
            return
        network._agenda.after(there_ns, self._arrive)

    def _arrive(self) -> None:
        network = self._network
        answer = network._met(self._request, self._sent_ns, self._stamped_ns, self._window_ns)
        if self._lost_answer:
            if network._dice.coin("lost_answer", 0.7):
                self._give_up()
            return
        back_ns = network._random.randint(1, 20) * NS_PER_MS
        network._agenda.after(back_ns, lambda: self._come_back(answer))

    def _come_back(self, answer: VenueAnswered) -> None:
        if not self._answered:
            self._answered = True
            self._network._told(answer, self._life)

    def _give_up(self) -> None:
        """The client does not wait any longer, or is told that the server failed."""
        unknown = VenueAnswered(
            request=self._request,
            outcome=Outcome.UNKNOWN,
            text="timed out",
            sent_ns=self._sent_ns,
        )
        self._come_back(unknown)
