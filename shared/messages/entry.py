"""The entry channel: at most once, with a deadline, never sent again (L8)."""

from __future__ import annotations

import msgspec

from shared.messages.base import Amount, Message
from shared.messages.venue import TimeInForce


class Rung(msgspec.Struct, frozen=True, kw_only=True):
    """One step of an order ladder: a limit price, how it may wait, and for how long (E6)."""

    time_in_force: TimeInForce
    price: Amount
    deadline_ms: int


class FirstProtection(msgspec.Struct, frozen=True, kw_only=True):
    """What route places at the first fill, in per cent of the average entry price (P5)."""

    take_profit_pct: Amount
    stop_loss_pct: Amount
    stop_limit_offset_pct: Amount
    time_to_live_s: int
    """0 is never."""


class EntryIntent(Message, frozen=True, kw_only=True, tag="entry_intent"):
    """Buy quantity of symbol by this ladder, then protect it so. Its id is its decision's id."""

    intent_id: str
    symbol: str
    quantity: Amount
    ladder: tuple[Rung, ...]
    reserved_quote: Amount
    """Quantity at the worst ladder price plus fee: what the intent can cost at most."""
    protection: FirstProtection
    created_ns: int
    deadline_ns: int
    """Not accepted after this engine time; a stale entry is worse than none."""
    quote_recv_ns: int = 0
    """When the quote that triggered it reached ingest, for tick-to-order latency."""
