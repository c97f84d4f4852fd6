"""Account events as the user data stream says them."""

from __future__ import annotations

from typing import Any

from procs.localvenue.matching.model import (
    BalanceMoved,
    BalancesChanged,
    ListChanged,
    OrderUpdated,
    VenueEvent,
)
from procs.localvenue.protocols.binance_spot.render import eight


def execution_report(event: OrderUpdated, now_ms: int) -> dict[str, Any]:
    """The executionReport of the user stream."""
    order, fill = event.order, event.fill
    is_canceled = event.cancel_id is not None
    report: dict[str, Any] = {
        "e": "executionReport",
        "E": now_ms,
        "s": order.symbol,
        "c": event.cancel_id if is_canceled else order.client_id,
        "S": order.side,
        "o": order.type,
        "f": order.time_in_force,
        "q": eight(order.quantity),
        "p": eight(order.price),
        "P": eight(order.stop_price),
        "F": eight(None),
        "g": order.list_id,
        "C": order.client_id if is_canceled else "",
        "x": event.execution,
        "X": order.status,
        "r": "NONE",
        "i": order.id,
        "l": eight(fill.quantity if fill else None),
        "z": eight(order.executed),
        "L": eight(fill.price if fill else None),
        "n": eight(fill.fee) if fill else "0",
        "N": fill.fee_asset if fill else None,
        "T": event.at_ms,
        "t": fill.trade_id if fill else -1,
        "v": event.execution_id,
        "I": event.execution_id,
        "w": order.is_open and order.is_working,
        "m": fill.is_maker if fill else False,
        "M": False,
        "O": order.created_ms,
        "Z": eight(order.executed_quote),
        "Y": eight(fill.quote_quantity if fill else None),
        "Q": eight(order.quote_quantity),
        "V": "NONE",
    }
    if order.is_working:
        report["W"] = order.working_ms
    return report


def account_position(event: BalancesChanged, now_ms: int) -> dict[str, Any]:
    """The outboundAccountPosition of the user stream."""
    return {
        "e": "outboundAccountPosition",
        "E": now_ms,
        "u": event.at_ms,
        "B": [
            {"a": asset, "f": eight(balance.free), "l": eight(balance.locked)}
            for asset, balance in event.balances.items()
        ],
    }


def list_status(event: ListChanged, now_ms: int) -> dict[str, Any]:
    """The listStatus of the user stream."""
    order_list = event.order_list
    return {
        "e": "listStatus",
        "E": now_ms,
        "s": order_list.symbol,
        "g": order_list.id,
        "c": "OCO",
        "l": order_list.status,
        "L": "ALL_DONE" if order_list.status == "ALL_DONE" else "EXECUTING",
        "r": "NONE",
        "C": order_list.client_id,
        "T": event.at_ms,
        "O": [{"s": order.symbol, "i": order.id, "c": order.client_id} for order in event.orders],
    }


def balance_update(event: BalanceMoved, now_ms: int) -> dict[str, Any]:
    """The balanceUpdate of the user stream: money from outside, or to there."""
    return {
        "e": "balanceUpdate",
        "E": now_ms,
        "a": event.asset,
        "d": eight(event.amount),
        "T": event.at_ms,
    }


def user_event(event: VenueEvent, now_ms: int) -> dict[str, Any]:
    """Any event of the matching core as the user stream says it."""
    if isinstance(event, BalanceMoved):
        return balance_update(event, now_ms)
    if isinstance(event, OrderUpdated):
        return execution_report(event, now_ms)
    if isinstance(event, BalancesChanged):
        return account_position(event, now_ms)
    return list_status(event, now_ms)
