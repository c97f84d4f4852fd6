"""Guards (E3): what a symbol must look like to be bought. Each passes or refuses with its numbers;
all are looked at, so that a record tells every reason and not the first one."""

from __future__ import annotations

from decimal import Decimal

from core_ext.codes import QuoteFlag
from core_ext.quote import Quote
from shared.domain.instrument import Instrument
from shared.domain.policy import GuardPolicy
from shared.messages.decision import Check
from shared.units import NS_PER_MS


def check(name: str, value: object, limit: object, passed: bool) -> Check:
    """A check with its numbers as text."""
    return Check(name=name, value=str(value), limit=str(limit), passed=passed)


def check_guards(
    quote: Quote,
    instrument: Instrument,
    policy: GuardPolicy,
    position_quote: Decimal,
    blocked_until_ns: int,
    now_ns: int,
) -> tuple[Check, ...]:
    """Every guard. With guards off only those remain that protect from acting on nonsense."""
    age_ms = (now_ns - quote.recv_ns) / NS_PER_MS
    broken = quote.flags & (QuoteFlag.CROSSED | QuoteFlag.GAPPED)
    checks = [
        check("stale", f"{age_ms:.0f} ms", policy.max_age_ms, age_ms <= policy.max_age_ms),
        check("broken_book", int(broken), 0, not broken),
        check(
            "stale_book", int(quote.flags & QuoteFlag.STALE), 0, not quote.flags & QuoteFlag.STALE
        ),
        check("halted", instrument.status, "TRADING", _trades(quote, instrument)),
        check("anchor_cold", int(quote.flags), "warm", bool(quote.flags & QuoteFlag.WARM)),
        check("blocked", blocked_until_ns, now_ns, blocked_until_ns <= now_ns),
        check("one_sided", quote.bid_ticks, "both sides", 0 < quote.bid_ticks < quote.ask_ticks),
    ]
    if not policy.enabled:
        return tuple(checks)
    wanted_depth = policy.min_depth_positions * float(position_quote)
    mid_ticks = (quote.bid_ticks + quote.ask_ticks) / 2
    gap_bps = abs(mid_ticks / quote.last_ticks - 1) * 1e4 if quote.last_ticks else float("inf")
    checks += [
        check(
            "volume",
            f"{quote.volume_quote_24h:.0f}",
            policy.min_quote_volume,
            quote.volume_quote_24h >= policy.min_quote_volume,
        ),
        check(
            "spread",
            f"{quote.spread_bps:.2f} bps",
            policy.max_spread_bps,
            quote.spread_bps <= policy.max_spread_bps,
        ),
        check(
            "depth",
            f"{quote.bid_depth_quote:.0f}",
            f"{wanted_depth:.0f}",
            quote.bid_depth_quote >= wanted_depth,
        ),
        check(
            "last_gap",
            f"{gap_bps:.1f} bps",
            policy.max_last_gap_bps,
            gap_bps <= policy.max_last_gap_bps,
        ),
    ]
    return tuple(checks)


def _trades(quote: Quote, instrument: Instrument) -> bool:
    return instrument.status == "TRADING" and not quote.flags & QuoteFlag.HALTED
