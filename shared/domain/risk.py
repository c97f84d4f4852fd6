"""Risk and budget (E4): how much may be at stake, and what already is.

The budget counts a reservation in full until route's events turn it into a position's cost or prove
that it can cost nothing any more; an unknown outcome holds it (L2).
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from decimal import Decimal

import msgspec

from shared.domain.account import Account, ClosedTrade
from shared.domain.guards import check, refuse_if
from shared.domain.mark import Mark
from shared.domain.order import FINAL
from shared.domain.policy import RiskPolicy
from shared.domain.position import Position
from shared.messages.base import Amount
from shared.messages.decision import Check
from shared.messages.venue import Side
from shared.units import HUNDRED, NS_PER_S, ZERO

DAY_NS = 24 * 3600 * NS_PER_S
MINUTE_NS = 60 * NS_PER_S


class Reservation(msgspec.Struct, frozen=True, kw_only=True):
    """Money set aside for an intent, cut at its worst price plus fee."""

    intent_id: str
    symbol: str
    quote: Amount
    deadline_ns: int
    made_ns: int = 0
    """When its intent was made; 0 in a snapshot that did not say."""


def equity(account: Account, quote_asset: str, marks: dict[str, Mark]) -> Decimal:
    """Quote ledger plus positions at the bid; at cost where no price is known. Quote units."""
    total = account.ledger.get(quote_asset, ZERO)
    for position in account.open_positions():
        mark = marks.get(position.symbol)
        held = max(position.quantity, ZERO)
        total += held * mark.bid if mark is not None and mark.bid else position.cost
    return total


def at_stake(account: Account, reservations: Iterable[Reservation]) -> Decimal:
    """Cost of what is held plus what reservations may still spend. Quote units."""
    total = sum((position.cost for position in account.open_positions()), ZERO)
    for reservation in reservations:
        total += unspent(reservation, account.positions.get(reservation.intent_id))
    return total


def unspent(reservation: Reservation, position: Position | None) -> Decimal:
    """What a reservation may still spend on its position. Quote units."""
    spent = position.spent if position is not None else ZERO
    return max(reservation.quote - spent, ZERO)


def may_cost(account: Account, reservation: Reservation) -> bool:
    """Whether an intent that the account lacks, or names refused, may cost something all the same:
    rows that are lost may have taken it on, and what was refused is a late copy of it; or an order
    of it was found at the venue (L2, L12, L15)."""
    orders = account.orders_of(reservation.intent_id)
    can_buy = any(order.side is Side.BUY for order in orders)
    return can_buy or reservation.made_ns < account.short_until_ns()


def is_accounted_for(account: Account, reservations: Container[str]) -> bool:
    """Whether all that may still buy is known and holds its reservation: nothing else gets that
    budget meanwhile (L2, L15). Where decide's journal and route's have both lost an intent, an
    order of it is found at the venue, and what was set aside for it stands nowhere any more."""
    return not account.short_until_ns() and all(
        order.decision_id in reservations
        for order in account.orders.values()
        if order.side is Side.BUY and order.status not in FINAL
    )


def position_size(policy: RiskPolicy, equity_quote: Decimal) -> Decimal:
    """Quote units for one position: fixed, or a share of equity."""
    if policy.position_pct > 0:
        return equity_quote * Decimal(str(policy.position_pct)) / HUNDRED
    return policy.position_quote


class Exposure(msgspec.Struct, kw_only=True):
    """What the risk rules look at, gathered by decide."""

    equity_quote: Amount
    equity_peak_quote: Amount
    day_start_quote: Amount
    at_stake_quote: Amount
    wanted_quote: Amount
    free_quote: Amount
    open_count: int
    """Open positions and intents under way."""
    symbol_busy: bool
    last_close_ns: int
    """When the symbol's last position closed; 0 when never."""
    entries_last_minute: int
    closed: list[ClosedTrade]


def check_risk(exposure: Exposure, policy: RiskPolicy, now_ns: int) -> tuple[Check, ...]:
    """Every risk rule with its numbers."""
    cap = exposure.equity_quote * Decimal(str(policy.max_exposure_pct)) / HUNDRED
    staked = exposure.at_stake_quote + exposure.wanted_quote
    waited_s = (now_ns - exposure.last_close_ns) / NS_PER_S if exposure.last_close_ns else None
    lost_pct = _fall_pct(exposure.equity_quote, exposure.day_start_quote)
    down_pct = _fall_pct(exposure.equity_quote, exposure.equity_peak_quote)
    paused_s = stop_guard_left_s(exposure.closed, policy, now_ns)
    return (
        refuse_if("symbol_busy", exposure.symbol_busy),
        check(
            "max_positions",
            exposure.open_count,
            f"below {policy.max_positions}",
            exposure.open_count < policy.max_positions,
        ),
        check("exposure", f"{staked:.2f}", f"at most {cap:.2f}", staked <= cap),
        check(
            "balance",
            f"{exposure.free_quote:.2f}",
            f"at least {exposure.wanted_quote:.2f}",
            exposure.wanted_quote <= exposure.free_quote,
        ),
        check(
            "cooldown",
            "never closed" if waited_s is None else f"{waited_s:.0f} s",
            f"at least {policy.cooldown_s} s",
            waited_s is None or waited_s >= policy.cooldown_s,
        ),
        check(
            "entry_rate",
            exposure.entries_last_minute,
            f"below {policy.max_entries_per_minute} a minute",
            exposure.entries_last_minute < policy.max_entries_per_minute,
        ),
        check(
            "daily_loss",
            f"{lost_pct:.2f} %",
            f"below {policy.daily_loss_pct:g} %",
            lost_pct < policy.daily_loss_pct,
        ),
        check(
            "drawdown",
            f"{down_pct:.2f} %",
            f"below {policy.drawdown_pct:g} %",
            down_pct < policy.drawdown_pct,
        ),
        refuse_if(
            "stop_guard",
            paused_s > 0,
            f"for another {paused_s:.0f} s" if paused_s > 0 else "",
        ),
    )


def stop_guard_left_s(closed: list[ClosedTrade], policy: RiskPolicy, now_ns: int) -> float:
    """Seconds for which a row of losing exits still pauses entries (E4)."""
    if not policy.stop_guard_enabled:
        return 0.0
    losses = [t.closed_ns for t in closed if t.pnl_quote < ZERO]
    if len(losses) < policy.stop_guard_losses:
        return 0.0
    newest, oldest = losses[-1], losses[-policy.stop_guard_losses]
    if newest - oldest > policy.stop_guard_window_s * NS_PER_S:
        return 0.0
    return max((newest - now_ns) / NS_PER_S + policy.stop_guard_pause_s, 0.0)


def day_start_equity(closed: list[ClosedTrade], equity_quote: Decimal, now_ns: int) -> Decimal:
    """Equity at the start of the UTC day, by taking today's closed trades back."""
    midnight_ns = now_ns - now_ns % DAY_NS
    today = sum((t.pnl_quote for t in closed if t.closed_ns >= midnight_ns), ZERO)
    return equity_quote - today


def _fall_pct(now: Decimal, then: Decimal) -> float:
    return float((then - now) / then * HUNDRED) if then > ZERO else 0.0
