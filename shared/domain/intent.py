"""From an approved signal to an entry intent: quantity, ladder prices, reservation (E4, E6)."""

from __future__ import annotations

from decimal import Decimal

from core_ext.quote import Quote
from shared.domain.instrument import Instrument
from shared.domain.mark import mark_of
from shared.domain.policy import EntryPolicy, ProtectionPolicy
from shared.messages.entry import EntryIntent, FirstProtection, Rung
from shared.messages.venue import TimeInForce
from shared.units import BPS, HUNDRED, NS_PER_MS, ONE


def ladder(ask: Decimal, instrument: Instrument, policy: EntryPolicy) -> tuple[Rung, ...]:
    """Limit IOC at the ask, limit IOC at ask plus allowance, limit GTC at the ask (E6)."""
    allowance = ONE + Decimal(str(policy.slippage_bps)) / BPS
    return (
        Rung(
            time_in_force=TimeInForce.IOC,
            price=instrument.price_up(ask),
            deadline_ms=policy.ioc_deadline_ms,
        ),
        Rung(
            time_in_force=TimeInForce.IOC,
            price=instrument.price_up(ask * allowance),
            deadline_ms=policy.ioc_deadline_ms,
        ),
        Rung(
            time_in_force=TimeInForce.GTC,
            price=instrument.price_up(ask),
            deadline_ms=policy.gtc_deadline_ms,
        ),
    )


def build_intent(
    intent_id: str,
    quote: Quote,
    instrument: Instrument,
    size_quote: Decimal,
    entry: EntryPolicy,
    protection: ProtectionPolicy,
    fee_pct: Decimal,
    now_ns: int,
) -> EntryIntent:
    """The intent for size_quote of the symbol at its current ask; may still fail a filter."""
    rungs = ladder(mark_of(quote, instrument).ask, instrument, entry)
    quantity = instrument.quantity_down(size_quote / rungs[0].price)
    worst = max(rung.price for rung in rungs)
    return EntryIntent(
        intent_id=intent_id,
        symbol=quote.symbol,
        quantity=quantity,
        ladder=rungs,
        reserved_quote=quantity * worst * (ONE + fee_pct / HUNDRED),
        protection=FirstProtection(
            take_profit_pct=protection.take_profit_pct,
            stop_loss_pct=protection.stop_loss_pct,
            stop_limit_offset_pct=protection.stop_limit_offset_pct,
            time_to_live_s=protection.time_to_live_s,
        ),
        created_ns=now_ns,
        deadline_ns=now_ns + entry.intent_deadline_ms * NS_PER_MS,
        quote_recv_ns=quote.recv_ns,
    )
