"""Which orders need the venue's word, and what its silence proves (L2, O3, O7).

Asking is cheap and harmless; guessing is not. An order is asked about while its outcome is unknown,
while a cancel or a submission has had no answer for a moment, and while executions are owed.
Absence is proof only for a question that left after the order's fence.
"""

from __future__ import annotations

from shared.domain.account import Account
from shared.domain.evidence import inferred_fill
from shared.domain.instrument import Instrument
from shared.domain.order import Order, OrderStatus
from shared.domain.steps import Call, Step
from shared.messages.account import Alarmed, OrderEnd, OrderEnded, OrderRefused
from shared.messages.venue import Meaning, QueryOrder
from shared.units import NS_PER_S

ANSWER_WITHIN_NS = 3 * NS_PER_S
"""A submission or cancel without any word for this long is asked about."""
ASK_EVERY_NS = 1 * NS_PER_S
ASK_SLOWLY_NS = 5 * NS_PER_S
QUICK_PHASE_NS = 20 * NS_PER_S
INFER_AFTER_NS = 2 * NS_PER_S
"""Executions that are counted but not listed for this long are inferred (L3): the position they
make must be protected within its bound, whenever the venue lists them (L5)."""

ASK_INFERRED_NS = 3 * NS_PER_S
"""Real executions are asked for so often: what they cost decides what is left to be sold (L5)."""
INFERRED_PHASE_NS = 600 * NS_PER_S
"""After that they come with a reconciliation, or never."""


class Inquiries:
    """When each order was last asked about. Not journaled: after a crash all is asked again."""

    def __init__(self, fence_ns: int = -1) -> None:
        """fence_ns is the venue's fence; 0: its silence never proves anything, so that a question
        which stays open is for a person (L2)."""
        self._has_fence = fence_ns != 0
        self._alarmed: set[str] = set()
        self._asked_ns: dict[str, int] = {}
        self._since_ns: dict[str, int] = {}
        self._inferred_asked_ns: dict[str, int] = {}

    def due(self, account: Account, now_ns: int) -> list[Step]:
        """Queries to make now; forgets orders that need none."""
        needy = {o.client_id: o for o in account.orders.values() if needs_evidence(o, now_ns)}
        self._since_ns = {i: self._since_ns.get(i, now_ns) for i in needy}
        self._asked_ns = {i: at for i, at in self._asked_ns.items() if i in needy}
        steps: list[Step] = [] if self._has_fence else self._alarms(needy, now_ns)
        for order_id, order in needy.items():
            quick = now_ns - self._since_ns[order_id] < QUICK_PHASE_NS
            pause = ASK_EVERY_NS if quick else ASK_SLOWLY_NS
            if now_ns - self._asked_ns.get(order_id, 0) >= pause:
                self._asked_ns[order_id] = now_ns
                query = QueryOrder(symbol=order.symbol, client_id=order_id)
                steps.append(Call(query, exit_priority=True))
        return steps + self._inferred(account, now_ns)

    def _inferred(self, account: Account, now_ns: int) -> list[Step]:
        """Questions for the executions behind inferred ones (L3)."""
        asked = self._inferred_asked_ns
        self._inferred_asked_ns = {i: asked.get(i, f.at_ns) for i, f in account.inferred.items()}
        steps: list[Step] = []
        for order_id, guess in account.inferred.items():
            pause_ns = now_ns - self._inferred_asked_ns[order_id]
            if pause_ns >= ASK_INFERRED_NS and now_ns - guess.at_ns < INFERRED_PHASE_NS:
                self._inferred_asked_ns[order_id] = now_ns
                query = QueryOrder(symbol=guess.symbol, client_id=order_id)
                steps.append(Call(query, exit_priority=True))
        return steps

    def _alarms(self, needy: dict[str, Order], now_ns: int) -> list[Step]:
        """Says once of each order that only evidence or a person can tell what became of it."""
        self._alarmed &= needy.keys()
        steps: list[Step] = []
        for order_id, order in needy.items():
            lasting = now_ns - self._since_ns[order_id] >= ANSWER_WITHIN_NS
            if lasting and order.is_live and order_id not in self._alarmed:
                self._alarmed.add(order_id)
                text = (
                    f"what became of {order_id} is unknown, and at this venue only its own word "
                    "can tell: its symbol stays blocked; look there, and cancel or sell by hand"
                )
                steps.append(
                    Alarmed(at_ns=now_ns, kind="outcome_unknown", symbol=order.symbol, text=text)
                )
        return steps

    def oldest_s(self, now_ns: int) -> float:
        """Age of the longest open question, for the metrics (O3)."""
        return max(((now_ns - at) / NS_PER_S for at in self._since_ns.values()), default=0.0)


def needs_evidence(order: Order, now_ns: int) -> bool:
    """Whether the venue must be asked about an order."""
    if order.in_doubt or order.owed:
        return True
    if order.status is OrderStatus.SUBMITTED:
        return now_ns - order.submitted_ns > ANSWER_WITHIN_NS
    if order.status is OrderStatus.CANCELING:
        return now_ns - order.cancel_asked_ns > ANSWER_WITHIN_NS
    return False


def of_absence(order: Order, asked_ns: int, now_ns: int, fence_ns: int) -> list[Step]:
    """What follows when the venue, asked at asked_ns, knows no such order.

    fence_ns is the venue's fence as a duration; 0: absence never proves anything (L2)."""
    if not order.is_live or fence_ns == 0:
        return []
    if order.venue_order_id:
        # The venue once had it. A read may lag; a stubborn absence means that it is gone.
        since = max(order.cancel_asked_ns, order.submitted_ns)
        if asked_ns - since < fence_ns:
            return []
        return [
            Alarmed(
                at_ns=now_ns,
                kind="order_vanished",
                symbol=order.symbol,
                text=f"{order.client_id} was acknowledged and is unknown to the venue now",
            ),
            OrderEnded(
                at_ns=now_ns,
                client_id=order.client_id,
                end=OrderEnd.CANCELED,
                filled_quantity=order.filled,
            ),
        ]
    fenced_ns = order.fence_ns or order.submitted_ns + fence_ns
    if asked_ns < fenced_ns:
        return []
    return [
        OrderRefused(
            at_ns=now_ns,
            client_id=order.client_id,
            meaning=Meaning.NONE,
            reason="absent after the fence",
        )
    ]


def overdue_fills(account: Account, instruments: dict[str, Instrument], now_ns: int) -> list[Step]:
    """Inferred fills for ended orders whose executions the venue does not list."""
    return [
        inferred_fill(order, instruments[order.symbol], now_ns)
        for order in account.orders.values()
        if order.owed
        and not order.is_live
        and order.symbol in instruments
        and order.client_id not in account.inferred
        and now_ns - order.ended_ns > INFER_AFTER_NS
    ]
