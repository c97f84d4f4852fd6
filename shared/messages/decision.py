"""What decide's and protect's journals hold."""

from __future__ import annotations

import msgspec

from shared.messages.base import Amount, Message
from shared.messages.entry import EntryIntent
from shared.messages.protection import Target


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One guard or risk rule: what it saw, what it allows, whether it passed (E3).

    The name is what it refuses for. The texts are for people, such as `4.2 bps` and
    `at most 20 bps`; a question of yes or no has no limit."""

    name: str
    value: str
    limit: str
    passed: bool


class DecisionMade(Message, frozen=True, kw_only=True, tag="decision_made"):
    """A trigger was crossed; the whole reasoning in one record (E8)."""

    decision_id: str
    symbol: str
    at_ns: int
    drop_pct: float
    trigger_pct: float
    anchor: Amount
    bid: Amount
    ask: Amount
    spread_bps: float
    checks: tuple[Check, ...]
    limits: str
    """Adapted execution limits with their reasons (E5)."""
    intent: EntryIntent | None
    """None when refused."""
    equity_quote: Amount = Amount(0)
    """What the account was worth; the drawdown is measured from the highest one on record (E4)."""

    @property
    def refusals(self) -> tuple[str, ...]:
        """The names of the checks that failed."""
        return tuple(check.name for check in self.checks if not check.passed)


class ReservationFound(Message, frozen=True, kw_only=True, tag="reservation_found"):
    """Route knows an intent that this journal does not, or no more: it is reserved for again."""

    intent: EntryIntent
    at_ns: int


class ReservationReleased(Message, frozen=True, kw_only=True, tag="reservation_released"):
    """Route proved that the intent can cost nothing more, or never heard of it in time."""

    intent_id: str
    at_ns: int
    reason: str


class RouteMarked(Message, frozen=True, kw_only=True, tag="route_marked"):
    """The highest account event sequence this reader has seen (L12)."""

    seq: int
    at_ns: int
    epoch: str = ""
    """The route that said it, as in its Welcomed; empty in rows of older programs."""


class PlanChanged(Message, frozen=True, kw_only=True, tag="plan_changed"):
    """Protect's target for a position, with the version that route must name (P2, P7)."""

    position_id: str
    symbol: str
    version: int
    target: Target
    reason: str
    at_ns: int


class PlanDropped(Message, frozen=True, kw_only=True, tag="plan_dropped"):
    """The position is closed; nothing is left to plan."""

    position_id: str
    at_ns: int


DecideEvent = DecisionMade | ReservationFound | ReservationReleased | RouteMarked
ProtectEvent = PlanChanged | PlanDropped | RouteMarked
