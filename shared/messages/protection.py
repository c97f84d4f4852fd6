"""The protection channel: versioned desired state, said until route names the version (L8)."""

from __future__ import annotations

from enum import IntEnum

import msgspec

from shared.messages.base import Amount, Message


class Urgency(IntEnum):
    """Where on the exit ladder to begin (P7); a later request may only raise it."""

    PATIENT = 0
    """Limit GTC at the bid: take profit and time-to-live."""
    URGENT = 1
    """Limit IOC through the bid: stop and emergency."""
    MARKET = 2
    """Straight to a market order."""


class Guard(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="guard"):
    """Rest a stop, and a take profit where one is wanted, for the whole position."""

    stop_price: Amount
    stop_limit_price: Amount
    take_profit_price: Amount


class Exit(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="exit"):
    """Sell the whole position by the exit ladder."""

    reason: str
    urgency: Urgency


Target = Guard | Exit


class SetProtection(Message, frozen=True, kw_only=True, tag="set_protection"):
    """The position's target from now on. Route follows the highest version it saw."""

    position_id: str
    version: int
    target: Target


class PricePolled(Message, frozen=True, kw_only=True, tag="price_polled"):
    """Best bid and ask that protect asked the venue for itself, because no quote came (P13)."""

    symbol: str
    bid: Amount
    ask: Amount
    recv_ns: int
    """When the question left: the price is at least as young."""
