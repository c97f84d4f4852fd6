"""What a venue can do. Unknown is answered conservatively (architecture §6, L2)."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class IdUniqueness(StrEnum):
    """For how long the venue refuses a client order id that it has seen."""

    NONE = "none"
    OPEN_ORDERS = "open_orders"
    FOREVER = "forever"


class Capability(msgspec.Struct, frozen=True, kw_only=True):
    """One venue's record; the defaults are what is assumed of an unknown one."""

    venue: str
    id_uniqueness: IdUniqueness = IdUniqueness.NONE
    """Route gives every attempt a new id, which is right whatever stands here."""
    id_length_max: int = 32
    recv_window_s: float = 0.0
    matching_timeout_s: float = 10.0
    clock_error_s: float = 1.0
    read_lag_s: float = 2.0
    """How old the answer to a query may be."""
    has_fence: bool = False
    """Requests are refused by age, so that absence after the fence is proof."""
    has_stop: bool = False
    has_oco: bool = False
    """A stop and a take profit of which one cancels the other."""
    can_amend: bool = False
    """A resting order changes price and quantity in one step that cannot leave nothing behind.
    Without it a change is a cancel and a new order, under the local guard (L5)."""
    has_reduce_only: bool = False

    @property
    def fence_s(self) -> float:
        """From sending to the moment at which absence is proof; 0 when it never is (L2)."""
        if not self.has_fence:
            return 0.0
        return self.recv_window_s + self.matching_timeout_s + self.clock_error_s + self.read_lag_s

    @property
    def lacks(self) -> tuple[str, ...]:
        """What route needs for its promises and this venue does not have (L5)."""
        needed = {"stop orders": self.has_stop, "stop and take profit as one order": self.has_oco}
        return tuple(name for name, there in needed.items() if not there)


BINANCE_SPOT = Capability(
    venue="binance",
    id_uniqueness=IdUniqueness.OPEN_ORDERS,
    id_length_max=36,
    recv_window_s=5.0,
    has_fence=True,
    has_stop=True,
    has_oco=True,
)
"""facts: recvWindow is checked again before the matching engine; matching answers within 10 s.
Cancel-replace is two steps, of which one may fail: not an amend."""

RECORDS = {
    record.venue: record
    for record in (
        BINANCE_SPOT,
        Capability(
            venue="binanceusdm",
            id_uniqueness=IdUniqueness.OPEN_ORDERS,
            id_length_max=36,
            recv_window_s=5.0,
            has_stop=True,
            can_amend=True,
            has_reduce_only=True,
        ),
        Capability(
            venue="bybit",
            id_uniqueness=IdUniqueness.FOREVER,
            id_length_max=36,
            recv_window_s=5.0,
            has_stop=True,
            can_amend=True,
            has_reduce_only=True,
        ),
        Capability(venue="mexc", recv_window_s=5.0),
    )
}
"""What is known of venues. Where a bound for late execution is not documented there is no fence."""


def capability_of(venue: str) -> Capability:
    """A venue's record; of a venue that nobody described, only the cautious defaults."""
    return RECORDS.get(venue, Capability(venue=venue))
