"""What a person may ask of the account, as plain records: positions, orders, fills, balances, sums.

Pure functions of an account and the newest marks. A record has the fields of the message or noun it
shows, and what follows from them at this moment (mark, profit, age, unprotected time).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from shared.domain.account import Account
from shared.domain.order import Order
from shared.domain.position import Position
from shared.messages.account import FillBooked, ProtectionStatus, Purpose
from shared.messages.control import AlarmRaised, EngineStatus
from shared.messages.protection import Guard
from shared.units import HUNDRED, NS_PER_S, ZERO

Record = dict[str, Any]

CENT = Decimal("0.01")


def position_record(
    position: Position, sells: Iterable[Order], mark: Decimal | None, now_ns: int
) -> Record:
    """A position; mark, pnl_quote and pnl_pct are None while there is no price.

    stop_price and take_profit_price are those of the orders that rest, or the plan's while none
    does. pnl_quote is what closing at the mark would leave, before the fee of that sale.
    """
    record = msgspec.structs.asdict(position)
    target = position.target
    guard = target if isinstance(target, Guard) else None
    record["quantity"] = position.quantity
    record["entry_price"] = position.entry_price
    record["cost_quote"] = position.cost
    record["stop_price"] = guard.stop_price if guard else None
    record["take_profit_price"] = guard.take_profit_price if guard else None
    for order in sells:
        if order.purpose is Purpose.STOP:
            record["stop_price"] = order.stop_price
        elif order.purpose is Purpose.TAKE_PROFIT:
            record["take_profit_price"] = order.price
    record["exiting"] = position.exiting.reason if position.exiting else ""
    record["mark"] = mark
    record["pnl_quote"] = record["pnl_pct"] = None
    if mark is not None:
        gained = position.pnl_quote + position.quantity * mark
        record["pnl_quote"] = gained
        if position.spent:
            record["pnl_pct"] = (gained / position.spent * HUNDRED).quantize(CENT)
    record["age_s"] = round((now_ns - position.opened_ns) / NS_PER_S, 3)
    record["unprotected_s"] = round(position.unprotected_s(now_ns), 3)
    record["unprotected_now"] = position.bare_since_ns != 0
    return record


def positions(account: Account, marks: Mapping[str, Decimal], now_ns: int) -> list[Record]:
    """Positions that hold something, oldest first."""
    held = sorted(account.open_positions(), key=lambda position: position.opened_ns)
    return [
        position_record(
            position,
            account.live_sells(position.position_id),
            marks.get(position.symbol),
            now_ns,
        )
        for position in held
    ]


def order_record(order: Order, now_ns: int) -> Record:
    """An order with what is left of it and its age."""
    record = msgspec.structs.asdict(order)
    record["remaining"] = order.remaining
    record["age_s"] = round((now_ns - order.submitted_ns) / NS_PER_S, 3)
    return record


def orders(account: Account, now_ns: int) -> list[Record]:
    """Orders that live, or whose executions are still owed, oldest first."""
    live = sorted(account.orders.values(), key=lambda order: order.submitted_ns)
    return [order_record(order, now_ns) for order in live]


def fills(account: Account, recent: Iterable[FillBooked]) -> list[Record]:
    """Executions, oldest first; an inferred one only as far as no real one has replaced it (L3)."""
    records: list[Record] = []
    for fill in recent:
        shown = account.inferred.get(fill.client_id) if fill.inferred else fill
        if shown is not None:
            records.append(msgspec.structs.asdict(shown))
    return records


def balances(account: Account) -> list[Record]:
    """What the venue says of each asset, beside what our ledger says (L15)."""
    assets = sorted(account.balances.keys() | account.ledger.keys())
    records: list[Record] = []
    for asset in assets:
        seen = account.balances.get(asset)
        free = seen.free if seen else ZERO
        locked = seen.locked if seen else ZERO
        records.append(
            {
                "asset": asset,
                "free": free,
                "locked": locked,
                "total": free + locked,
                "ledger": account.ledger.get(asset),
                "dust": account.dust.get(asset, ZERO),
            }
        )
    return records


def closed(account: Account) -> list[Record]:
    """Closed positions that are remembered, oldest first."""
    return [msgspec.structs.asdict(trade) for trade in account.closed]


def alarms(raised: Iterable[AlarmRaised]) -> list[Record]:
    """The newest alarms of all processes, oldest first."""
    return [msgspec.structs.asdict(alarm) for alarm in raised]


def summary(
    account: Account,
    marks: Mapping[str, Decimal],
    status: EngineStatus | None,
    quote_asset: str,
    now_ns: int,
) -> Record:
    """The whole account in one record; equity counts positions without a price at their cost."""
    held = list(account.open_positions())
    value = sum(
        (
            position.quantity * marks[position.symbol]
            if position.symbol in marks
            else position.cost
            for position in held
        ),
        ZERO,
    )
    cash = account.ledger.get(quote_asset, ZERO)
    return {
        "run_id": account.run_id,
        "state": status.state.name if status else None,
        "reasons": status.reasons if status else (),
        "equity_quote": cash + value,
        "cash_quote": cash,
        "positions_open": len(held),
        "positions_value_quote": value,
        "unprotected_now": sum(position.bare_since_ns != 0 for position in held),
        "alarms_now": sum(position.protection is ProtectionStatus.ALARM for position in held),
        "unprotected_s_max": max(
            (round(position.unprotected_s(now_ns), 3) for position in held), default=0.0
        ),
        "orders_live": len(account.orders),
        "closed": len(account.closed),
        "closed_pnl_quote": sum((trade.pnl_quote for trade in account.closed), ZERO),
        "blocked": sorted(s for s, until in account.blocked.items() if until > now_ns),
        "reconciled_age_s": round((now_ns - account.last_reconciled_ns) / NS_PER_S, 3)
        if account.last_reconciled_ns
        else None,
        "seq": account.seq,
        "totals": account.totals,
    }
