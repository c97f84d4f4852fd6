"""A position: what entry fills bought and sells have not yet sold. Route's fold, exact (L3, L15).

Its life (P1) is one table. Quantities are net of fees taken in the base asset, so that `quantity`
is what the account really holds of this position.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

import msgspec

from shared.messages.account import ProtectionStatus
from shared.messages.base import Amount
from shared.messages.entry import FirstProtection
from shared.messages.protection import Exit, Target
from shared.units import LEDGER, LOT, ZERO


class PositionStatus(StrEnum):
    """The life of a position (P1)."""

    NEW = "new"
    OPENING = "opening"
    OPEN = "open"
    PROTECTING = "protecting"
    CLOSING = "closing"
    CLOSED = "closed"


class PositionFact(StrEnum):
    """What can happen to a position."""

    BOUGHT = "bought"
    ENTRY_ENDED = "entry_ended"
    PROTECTION_SENT = "protection_sent"
    PROTECTION_LOST = "protection_lost"
    SOLD = "sold"
    EXIT_STARTED = "exit_started"
    FLAT = "flat"


P = PositionStatus
F = PositionFact

TABLE: dict[PositionStatus, dict[PositionFact, PositionStatus | str]] = {
    P.NEW: {
        F.BOUGHT: P.OPENING,
        F.ENTRY_ENDED: "nothing was bought",
        F.PROTECTION_SENT: "there is nothing to protect yet",
        F.PROTECTION_LOST: "there is nothing to protect yet",
        F.SOLD: P.CLOSING,
        F.EXIT_STARTED: "there is nothing to sell yet",
        F.FLAT: P.CLOSED,
    },
    P.OPENING: {
        F.BOUGHT: P.OPENING,
        F.ENTRY_ENDED: P.OPEN,
        F.PROTECTION_SENT: P.PROTECTING,
        F.PROTECTION_LOST: "none was resting",
        F.SOLD: P.CLOSING,
        F.EXIT_STARTED: P.CLOSING,
        F.FLAT: P.CLOSED,
    },
    P.OPEN: {
        F.BOUGHT: P.OPEN,
        F.ENTRY_ENDED: "it had ended",
        F.PROTECTION_SENT: P.PROTECTING,
        F.PROTECTION_LOST: "none was resting",
        F.SOLD: P.CLOSING,
        F.EXIT_STARTED: P.CLOSING,
        F.FLAT: P.CLOSED,
    },
    P.PROTECTING: {
        F.BOUGHT: P.PROTECTING,
        F.ENTRY_ENDED: "the position goes on",
        F.PROTECTION_SENT: "resized",
        F.PROTECTION_LOST: P.OPEN,
        F.SOLD: P.CLOSING,
        F.EXIT_STARTED: P.CLOSING,
        F.FLAT: P.CLOSED,
    },
    P.CLOSING: {
        F.BOUGHT: "a late entry fill; sold with the rest",
        F.ENTRY_ENDED: "the position is on its way out",
        F.PROTECTION_SENT: "a resting stop while closing is welcome",
        F.PROTECTION_LOST: "it was cancelled to sell",
        F.SOLD: P.CLOSING,
        F.EXIT_STARTED: "it had started",
        F.FLAT: P.CLOSED,
    },
    P.CLOSED: {
        F.BOUGHT: P.OPENING,
        F.ENTRY_ENDED: "closed",
        F.PROTECTION_SENT: "closed",
        F.PROTECTION_LOST: "closed",
        F.SOLD: "a late fill of a closed position; booked, reconciliation tells",
        F.EXIT_STARTED: "closed",
        F.FLAT: "closed",
    },
}
"""Next status, or why the fact changes nothing. Every pair is listed; a test walks them all."""


class Position(msgspec.Struct, kw_only=True):
    """One position; written by the account fold alone."""

    position_id: str
    symbol: str
    opened_ns: int
    first_protection: FirstProtection
    status: PositionStatus = PositionStatus.NEW
    bought: Amount = ZERO
    """Base units bought, before fees."""
    sold: Amount = ZERO
    base_fees: Amount = ZERO
    quote_fees: Amount = ZERO
    other_fees: dict[str, Amount] = {}
    spent: Amount = ZERO
    """Quote units paid, before fees."""
    received: Amount = ZERO
    """Quote units received, before fees."""
    protection: ProtectionStatus = ProtectionStatus.NONE
    bare_since_ns: int = 0
    """When it last became unprotected; 0 while it is not."""
    unprotected_ns: int = 0
    """Unprotected time of spells that are over."""
    version: int = 0
    target: Target | None = None
    exits_tried: int = 0
    exit_rearm_ns: int = 0
    exit_failures: int = 0
    attempts: int = 0
    """Numbers its order ids; only grows."""
    forgotten_ns: int = 0
    """The journal had lost it, or rows that may be of it. Sales of it that the journal has never
    seen left before this instant: they are done, or may still come to the venue (L2, L6). 0 when
    nothing of it was forgotten."""
    protect_refusals: int = 0
    """Refusals of a stop since one was last acknowledged (L5: retry once, then flatten)."""
    last_fill_ns: int = 0
    closed_ns: int = 0
    close_reason: str = ""
    dust: Amount = ZERO

    @property
    def quantity(self) -> Decimal:
        """What is held: bought less sold less fees in base, exact."""
        return LEDGER.subtract(LEDGER.subtract(self.bought, self.sold), self.base_fees)

    @property
    def exiting(self) -> Exit | None:
        """The exit that holds the one exit slot (P7), if any."""
        return self.target if isinstance(self.target, Exit) else None

    @property
    def cost(self) -> Decimal:
        """Quote units still at stake: what was paid for the part not yet sold."""
        if not self.bought:
            return ZERO
        return self.spent * max(self.quantity, ZERO) / self.bought

    @property
    def entry_price(self) -> Decimal:
        """Average price paid per base unit, before fees; 0 when nothing was bought."""
        return self.spent / self.bought if self.bought else ZERO

    @property
    def pnl_quote(self) -> Decimal:
        """Quote units received less paid, fees included: the cash side alone."""
        return self.received - self.spent - self.quote_fees

    @property
    def realized_quote(self) -> Decimal:
        """Quote units gained by what was sold, fees included; dust that is kept counts at cost.

        To 8 decimals: an average cost has more digits than a message may carry."""
        return (self.pnl_quote + self.cost).quantize(LOT)

    def unprotected_s(self, now_ns: int) -> float:
        """Seconds without protection up to now (L5)."""
        running = now_ns - self.bare_since_ns if self.bare_since_ns else 0
        return (self.unprotected_ns + running) / 1e9

    def advance(self, fact: PositionFact) -> None:
        """Moves along the table; a reason instead of a status changes nothing."""
        following = TABLE[self.status][fact]
        if isinstance(following, PositionStatus):
            self.status = following
