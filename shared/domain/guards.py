"""Guards (E3): what a symbol must look like to be bought. Each passes or refuses with its numbers;
all are looked at, so that a record tells every reason and not the first one."""

from __future__ import annotations

from decimal import Decimal

from core_ext.codes import QuoteFlag
from core_ext.quote import Quote
from shared.domain.instrument import Instrument
from shared.domain.policy import GuardPolicy
from shared.messages.decision import Check
from shared.units import NS_PER_MS, NS_PER_S


def check(name: str, value: object, limit: str, passed: bool) -> Check:
    """A check with its numbers as text."""
    return Check(name=name, value=str(value), limit=limit, passed=passed)


def refuse_if(name: str, refused: bool, seen: str = "") -> Check:
    """A check whose name asks a question: no passes, yes refuses; with what was seen, if it
    tells more."""
    answer = "yes" if refused else "no"
    return Check(
        name=name, value=f"{answer}, {seen}" if seen else answer, limit="", passed=not refused
    )


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
    blocked_s = (blocked_until_ns - now_ns) / NS_PER_S
    broken = quote.flags & (QuoteFlag.CROSSED | QuoteFlag.GAPPED)
    checks = [
        check(
            "stale",
            f"{age_ms:.0f} ms",
            f"at most {policy.max_age_ms} ms",
            age_ms <= policy.max_age_ms,
        ),
        refuse_if("broken_book", bool(broken)),
        refuse_if("stale_book", bool(quote.flags & QuoteFlag.STALE)),
        refuse_if("halted", not _trades(quote, instrument), f"status {instrument.status}"),
        refuse_if("anchor_cold", not quote.flags & QuoteFlag.WARM),
        refuse_if(
            "blocked",
            blocked_s > 0,
            f"for another {blocked_s:.0f} s" if blocked_s > 0 else "",
        ),
        refuse_if("one_sided", not 0 < quote.bid_ticks < quote.ask_ticks),
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
            f"at least {policy.min_quote_volume:.0f}",
            quote.volume_quote_24h >= policy.min_quote_volume,
        ),
        check(
            "spread",
            f"{quote.spread_bps:.2f} bps",
            f"at most {policy.max_spread_bps:g} bps",
            quote.spread_bps <= policy.max_spread_bps,
        ),
        check(
            "depth",
            f"{quote.bid_depth_quote:.0f}",
            f"at least {wanted_depth:.0f}",
            quote.bid_depth_quote >= wanted_depth,
        ),
        check(
            "last_gap",
            f"{gap_bps:.1f} bps",
            f"at most {policy.max_last_gap_bps:g} bps",
            gap_bps <= policy.max_last_gap_bps,
        ),
    ]
    return tuple(checks)


def _trades(quote: Quote, instrument: Instrument) -> bool:
    return instrument.status == "TRADING" and not quote.flags & QuoteFlag.HALTED
