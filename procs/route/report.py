"""Route's figures, for each heartbeat and for the run summary. Reads the actor, no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core_ext.histogram import Histogram
from shared.units import ZERO, plain

if TYPE_CHECKING:
    from procs.route.actor import Actor

FINAL_STATUSES = ("filled", "canceled", "expired", "rejected")


def route_figures(actor: Actor) -> dict[str, float]:
    """Current counters, flat."""
    account = actor.account
    return {
        "orders_live": float(len(account.orders)),
        "positions_open": float(sum(1 for _ in account.open_positions())),
        "unprotected_now": float(sum(1 for p in account.positions.values() if p.bare_since_ns)),
        "intents_pending": float(len(account.intents)),
        "fills": float(account.totals.get("fills", 0)),
        "orders_sent": float(account.totals.get("orders_sent", 0)),
        "in_doubt": float(sum(1 for o in account.orders.values() if o.in_doubt)),
        "oldest_question_s": actor.oldest_question_s,
        "seq": float(account.seq),
    }


def route_report(actor: Actor) -> dict[str, Any]:
    """Route's part of the run summary; amounts as exact text."""
    account = actor.account
    totals = account.totals
    accepted = totals.get("intents_accepted", 0)
    opened = totals.get("positions_opened", 0)
    return {
        "orders": {status: totals.get(f"orders_{status}", 0) for status in FINAL_STATUSES},
        "orders_sent": totals.get("orders_sent", 0),
        "orders_adopted": totals.get("orders_adopted", 0),
        "live_orders_max": totals.get("live_orders_max", 0),
        "fills": totals.get("fills", 0),
        "fill_rate": round(opened / accepted, 4) if accepted else None,
        "positions": {
            "opened": opened,
            "closed": totals.get("positions_closed", 0),
            "open": sum(1 for _ in account.open_positions()),
        },
        "ledger": _ledger(actor),
        "unprotected_s": _unprotected(actor),
        "latency_us": {
            "order_ack": _percentiles(actor.order_ack),
            "tick_to_order": _percentiles(actor.tick_to_order),
        },
        "reconcile": {
            "runs": totals.get("reconcile_runs", 0),
            "mismatches": totals.get("reconcile_mismatches", 0),
        },
        "exits_deduplicated": actor.exits_deduplicated,
        "exits_failed": totals.get("exits_failed", 0),
        "balance_timeouts": actor.balance_timeouts,
        "pnl_quote": plain(sum((t.pnl_quote for t in _closed_this_run(actor)), ZERO)),
    }


def _closed_this_run(actor: Actor) -> list[Any]:
    began_ns = actor.account.run_began_ns
    return [trade for trade in actor.account.closed if trade.closed_ns >= began_ns]


def _ledger(actor: Actor) -> dict[str, dict[str, str]]:
    """Per asset what the fills say and what the venue last said (L15)."""
    account = actor.account
    rows: dict[str, dict[str, str]] = {}
    for asset in sorted(set(account.ledger) | set(account.balances)):
        held = account.balances.get(asset)
        theirs = held.free + held.locked if held is not None else ZERO
        ours = account.ledger.get(asset, ZERO)
        if ours or theirs:
            rows[asset] = {"engine": plain(ours), "venue": plain(theirs)}
    return rows


def _unprotected(actor: Actor) -> dict[str, float]:
    """Seconds without protection per position of this run."""
    spells = sorted(trade.unprotected_s for trade in _closed_this_run(actor))
    last_ns = max((p.bare_since_ns for p in actor.account.positions.values()), default=0)
    spells += [p.unprotected_s(last_ns) for p in actor.account.open_positions()]
    spells.sort()
    if not spells:
        return {"max": 0.0, "p99": 0.0}
    index = min(len(spells) - 1, int(len(spells) * 0.99))
    return {"max": round(spells[-1], 4), "p99": round(spells[index], 4)}


def _percentiles(histogram: Histogram) -> dict[str, float | None]:
    if histogram.count == 0:
        return {"p50": None, "p99": None}
    return {
        "p50": histogram.percentile(50.0) / 1000,
        "p99": histogram.percentile(99.0) / 1000,
    }
