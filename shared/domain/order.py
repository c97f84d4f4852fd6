"""The order machine (O1): one table, every status × every kind of event.

Rules. The table alone says what may follow what; nothing else assigns a status. An IGNORE names why
an event that is legal changes nothing. ILLEGAL means that our picture and the venue's differ: the
state is kept, the caller alarms, blocks the symbol and asks the venue (O1). A fill after the end is
legal: exchanges let a cancel and a fill cross on the wire.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

import msgspec

from shared.messages.account import OrderEnd, Purpose
from shared.messages.base import Amount
from shared.messages.venue import OrderKind, Side, TimeInForce
from shared.units import ZERO


class OrderStatus(StrEnum):
    """Where an order is in its life."""

    NEW = "new"
    SUBMITTED = "submitted"
    OPEN = "open"
    PARTIALLY_FILLED = "partially_filled"
    CANCELING = "canceling"
    UNKNOWN = "unknown"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"


FINAL = frozenset(
    {OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED}
)


class OrderFact(StrEnum):
    """The kinds of events an order can meet; the account fold names one for each event."""

    SUBMITTED = "submitted"
    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    DOUBTED = "doubted"
    CANCEL_ASKED = "cancel_asked"
    PART_FILLED = "part_filled"
    COMPLETED = "completed"
    """A fill after which nothing is left to fill."""
    ENDED_FILLED = "ended_filled"
    ENDED_CANCELED = "ended_canceled"
    ENDED_EXPIRED = "ended_expired"
    ENDED_REJECTED = "ended_rejected"


class Ignore(msgspec.Struct, frozen=True):
    """Legal, and without effect on the status."""

    why: str


class _Illegal:
    """The only value of its kind."""

    def __repr__(self) -> str:
        return "ILLEGAL"


ILLEGAL = _Illegal()
Next = OrderStatus | Ignore | _Illegal

S = OrderStatus
F = OrderFact

_LATE = Ignore("a late fill after the end; booked, the end stands")
_KNOWN = Ignore("already known")
_PROVED = Ignore("the order has ended, older news of it changes nothing")

TABLE: dict[OrderStatus, dict[OrderFact, Next]] = {
    S.NEW: {**dict.fromkeys(F, ILLEGAL), F.SUBMITTED: S.SUBMITTED},
    S.SUBMITTED: {
        F.SUBMITTED: ILLEGAL,
        F.ACKNOWLEDGED: S.OPEN,
        F.REFUSED: S.REJECTED,
        F.DOUBTED: S.UNKNOWN,
        F.CANCEL_ASKED: S.CANCELING,
        F.PART_FILLED: S.PARTIALLY_FILLED,
        F.COMPLETED: S.FILLED,
        F.ENDED_FILLED: S.FILLED,
        F.ENDED_CANCELED: S.CANCELED,
        F.ENDED_EXPIRED: S.EXPIRED,
        F.ENDED_REJECTED: S.REJECTED,
    },
    S.OPEN: {
        F.SUBMITTED: ILLEGAL,
        F.ACKNOWLEDGED: _KNOWN,
        F.REFUSED: ILLEGAL,
        F.DOUBTED: Ignore("an acknowledged order is no longer in doubt"),
        F.CANCEL_ASKED: S.CANCELING,
        F.PART_FILLED: S.PARTIALLY_FILLED,
        F.COMPLETED: S.FILLED,
        F.ENDED_FILLED: S.FILLED,
        F.ENDED_CANCELED: S.CANCELED,
        F.ENDED_EXPIRED: S.EXPIRED,
        F.ENDED_REJECTED: S.REJECTED,
    },
    S.PARTIALLY_FILLED: {
        F.SUBMITTED: ILLEGAL,
        F.ACKNOWLEDGED: _KNOWN,
        F.REFUSED: ILLEGAL,
        F.DOUBTED: Ignore("a fill proved that the order lives"),
        F.CANCEL_ASKED: S.CANCELING,
        F.PART_FILLED: S.PARTIALLY_FILLED,
        F.COMPLETED: S.FILLED,
        F.ENDED_FILLED: S.FILLED,
        F.ENDED_CANCELED: S.CANCELED,
        F.ENDED_EXPIRED: S.EXPIRED,
        # Absurd, but over: an order that stayed live for ever would block the way out.
        F.ENDED_REJECTED: S.CANCELED,
    },
    S.CANCELING: {
        F.SUBMITTED: ILLEGAL,
        F.ACKNOWLEDGED: Ignore("a cancel is under way; only the end of the order ends it"),
        F.REFUSED: S.REJECTED,
        F.DOUBTED: Ignore("a cancel is under way; evidence is asked for anyway"),
        F.CANCEL_ASKED: Ignore("asked again"),
        F.PART_FILLED: Ignore("a fill before the cancel took effect; booked"),
        F.COMPLETED: S.FILLED,
        F.ENDED_FILLED: S.FILLED,
        F.ENDED_CANCELED: S.CANCELED,
        F.ENDED_EXPIRED: S.EXPIRED,
        F.ENDED_REJECTED: S.REJECTED,
    },
    S.UNKNOWN: {
        F.SUBMITTED: ILLEGAL,
        F.ACKNOWLEDGED: S.OPEN,
        F.REFUSED: S.REJECTED,
        F.DOUBTED: _KNOWN,
        F.CANCEL_ASKED: S.CANCELING,
        F.PART_FILLED: S.PARTIALLY_FILLED,
        F.COMPLETED: S.FILLED,
        F.ENDED_FILLED: S.FILLED,
        F.ENDED_CANCELED: S.CANCELED,
        F.ENDED_EXPIRED: S.EXPIRED,
        F.ENDED_REJECTED: S.REJECTED,
    },
    S.FILLED: {
        F.SUBMITTED: ILLEGAL,
        F.ACKNOWLEDGED: _PROVED,
        F.REFUSED: ILLEGAL,
        F.DOUBTED: _PROVED,
        F.CANCEL_ASKED: _PROVED,
        F.PART_FILLED: Ignore("the rest of the executions of a filled order; booked"),
        F.COMPLETED: _KNOWN,
        F.ENDED_FILLED: _KNOWN,
        F.ENDED_CANCELED: ILLEGAL,
        F.ENDED_EXPIRED: ILLEGAL,
        F.ENDED_REJECTED: ILLEGAL,
    },
    S.CANCELED: {
        F.SUBMITTED: ILLEGAL,
        F.ACKNOWLEDGED: _PROVED,
        F.REFUSED: ILLEGAL,
        F.DOUBTED: _PROVED,
        F.CANCEL_ASKED: _PROVED,
        F.PART_FILLED: _LATE,
        F.COMPLETED: S.FILLED,
        F.ENDED_FILLED: S.FILLED,
        F.ENDED_CANCELED: _KNOWN,
        F.ENDED_EXPIRED: Ignore("two words for one end"),
        F.ENDED_REJECTED: ILLEGAL,
    },
    S.EXPIRED: {
        F.SUBMITTED: ILLEGAL,
        F.ACKNOWLEDGED: _PROVED,
        F.REFUSED: ILLEGAL,
        F.DOUBTED: _PROVED,
        F.CANCEL_ASKED: _PROVED,
        F.PART_FILLED: _LATE,
        F.COMPLETED: S.FILLED,
        F.ENDED_FILLED: S.FILLED,
        F.ENDED_CANCELED: Ignore("two words for one end"),
        F.ENDED_EXPIRED: _KNOWN,
        F.ENDED_REJECTED: ILLEGAL,
    },
    S.REJECTED: {
        F.SUBMITTED: ILLEGAL,
        F.ACKNOWLEDGED: ILLEGAL,
        F.REFUSED: _KNOWN,
        F.DOUBTED: _PROVED,
        F.CANCEL_ASKED: _PROVED,
        F.PART_FILLED: ILLEGAL,
        F.COMPLETED: ILLEGAL,
        F.ENDED_FILLED: ILLEGAL,
        F.ENDED_CANCELED: ILLEGAL,
        F.ENDED_EXPIRED: ILLEGAL,
        F.ENDED_REJECTED: _KNOWN,
    },
}

END_STATUS = {
    OrderEnd.FILLED: F.ENDED_FILLED,
    OrderEnd.CANCELED: F.ENDED_CANCELED,
    OrderEnd.EXPIRED: F.ENDED_EXPIRED,
    OrderEnd.REJECTED: F.ENDED_REJECTED,
}


class Order(msgspec.Struct, kw_only=True):
    """One order of ours; written by the account fold alone. Quantities in base, prices in quote."""

    client_id: str
    decision_id: str
    symbol: str
    side: Side
    kind: OrderKind
    purpose: Purpose
    quantity: Amount
    time_in_force: TimeInForce
    price: Amount
    stop_price: Amount
    list_id: str
    expires_ns: int
    submitted_ns: int
    status: OrderStatus = OrderStatus.NEW
    venue_order_id: str = ""
    filled: Amount = ZERO
    """The sum of the booked fills."""
    ended_filled: Amount = ZERO
    """The cumulative quantity the venue named at the end; fills still missing are owed."""
    triggered_ns: int = 0
    fence_ns: int = 0
    cancel_asked_ns: int = 0
    ended_ns: int = 0
    quote_recv_ns: int = 0

    @property
    def is_live(self) -> bool:
        """Whether it can still trade, as far as is known."""
        return self.status not in FINAL

    @property
    def in_doubt(self) -> bool:
        """Whether nobody knows if it lives (L2)."""
        return self.status is OrderStatus.UNKNOWN

    @property
    def remaining(self) -> Decimal:
        """What it can still trade, by the booked fills."""
        return max(self.quantity - self.filled, ZERO)

    @property
    def owed(self) -> Decimal:
        """Executions the venue counted and we have not seen one by one (L3)."""
        return max(self.ended_filled - self.filled, ZERO)

    @property
    def is_settled(self) -> bool:
        """Ended, and every execution is booked."""
        return not self.is_live and self.owed == ZERO


def step(status: OrderStatus, fact: OrderFact) -> Next:
    """The table's word for a fact met in a status."""
    return TABLE[status][fact]
