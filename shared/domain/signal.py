"""When a fall is a signal (E2): the trigger, its confirmation, and when it may speak again.

One crossing makes one accepted decision at most. While the price stays beyond the trigger, a
refused crossing is looked at again every second: spreads and depths recover while falls last.
"""

from __future__ import annotations

import msgspec

from core_ext.quote import Quote
from shared.domain.policy import DropPolicy
from shared.units import NS_PER_S

LOOK_AGAIN_NS = 1 * NS_PER_S
REARM_SHARE = 0.9
"""A crossing is over when the fall is smaller than this share of the trigger."""


class DropSignal(msgspec.Struct):
    """One symbol's crossing."""

    beyond: int = 0
    """Quotes seen beyond the trigger in this crossing."""
    low_ticks: int = 0
    spent: bool = False
    """The crossing has led to an intent."""
    looked_ns: int = 0
    refusals: tuple[str, ...] = ()
    """What refused it last; the same refusal is not told twice."""

    def crosses(self, quote: Quote, policy: DropPolicy, now_ns: int) -> bool:
        """Whether this quote asks for a decision. O(1)."""
        fall_pct = -quote.drop_pct
        if fall_pct < policy.trigger_pct:
            if fall_pct < policy.trigger_pct * REARM_SHARE:
                self.beyond = 0
                self.spent = False
                self.refusals = ()
            return False
        self.low_ticks = min(self.low_ticks, quote.bid_ticks) if self.beyond else quote.bid_ticks
        self.beyond += 1
        if self.spent or self.beyond <= policy.confirm_ticks:
            return False
        risen_bps = (quote.bid_ticks / self.low_ticks - 1) * 1e4 if self.low_ticks else 0.0
        if risen_bps < policy.rebound_bps:
            return False
        if now_ns - self.looked_ns < LOOK_AGAIN_NS:
            return False
        self.looked_ns = now_ns
        return True
