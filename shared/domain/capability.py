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
    recv_window_s: float = 0.0
    matching_timeout_s: float = 10.0
    clock_error_s: float = 1.0
    read_lag_s: float = 2.0
    has_fence: bool = False
    """Requests are refused by age, so that absence after the fence is proof."""
    has_stop: bool = False
    has_oco: bool = False

    @property
    def fence_s(self) -> float:
        """From sending to the moment at which absence is proof; 0 when it never is (L2)."""
        if not self.has_fence:
            return 0.0
        return self.recv_window_s + self.matching_timeout_s + self.clock_error_s + self.read_lag_s


BINANCE_SPOT = Capability(
    venue="binance",
    id_uniqueness=IdUniqueness.OPEN_ORDERS,
    recv_window_s=5.0,
    has_fence=True,
    has_stop=True,
    has_oco=True,
)
"""facts: recvWindow is checked again before the matching engine; matching answers within 10 s."""
