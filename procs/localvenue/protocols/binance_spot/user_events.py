"""Account events as the user data stream says them, conditional fields included."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from procs.localvenue.matching.model import (
    MARKET_TYPES,
    NO_LIST,
    BalanceMoved,
    BalancesChanged,
    ListChanged,
    Order,
    OrderUpdated,
    Prevention,
    VenueEvent,
)
from procs.localvenue.protocols.binance_spot.render import eight

NO_TRADE_GROUP: Final = -1
"""The trade group of an account that belongs to none, as all accounts of this venue."""

NEW_ID_EXECUTIONS: Final = frozenset({"CANCELED", "REPLACED"})
"""Executions whose report names two client ids: that of the request, and the order's."""


TIMES: Final = {
    "executionReport": ("T", "O", "W", "D"),
    "outboundAccountPosition": ("u",),
    "listStatus": ("T",),
    "balanceUpdate": ("T",),
}
"""Fields of each event, besides E, that hold a time in milliseconds; -1 stands for never."""


def user_event(event: VenueEvent, now_ms: int, skew_ms: int = 0) -> dict[str, Any]:
    """Any event of the matching core as the user stream says it at now_ms of the client's clock,
    which runs skew_ms ahead of the venue's."""
    if isinstance(event, BalanceMoved):
        body = balance_update(event, now_ms)
    elif isinstance(event, OrderUpdated):
        body = execution_report(event, now_ms)
    elif isinstance(event, BalancesChanged):
        body = account_position(event, now_ms)
    else:
        body = list_status(event, now_ms)
    if skew_ms:
        for name in TIMES[body["e"]]:
            if body.get(name, -1) >= 0:
                body[name] += skew_ms
    return body


def in_microseconds(body: dict[str, Any], factor: int) -> dict[str, Any]:
    """An event with its times multiplied by factor."""
    times = {
        name: body[name] * factor for name in ("E", *TIMES[body["e"]]) if body.get(name, -1) >= 0
    }
    return {**body, **times}


def execution_report(event: OrderUpdated, now_ms: int) -> dict[str, Any]:
    """The executionReport of the user stream."""
    order, fill = event.order, event.fill
    client_id, original_id = _client_ids(event)
    return {
        "e": "executionReport",
        "E": now_ms,
        "s": order.symbol,
        "c": client_id,
        "S": order.side,
        "o": order.type,
        "f": order.time_in_force,
        "q": eight(order.quantity),
        "p": eight(order.price),
        "P": eight(order.stop_price),
        **_trailing(order),
        "F": eight(order.iceberg_quantity),
        "g": order.list_id,
        "C": original_id,
        "x": event.execution,
        "X": order.status,
        "r": event.reject_reason,
        "i": order.id,
        "l": eight(fill.quantity if fill else None),
        "z": eight(order.executed),
        "L": eight(fill.price if fill else None),
        "n": eight(fill.fee) if fill else "0",
        "N": fill.fee_asset if fill else None,
        "T": event.at_ms,
        "t": fill.trade_id if fill else -1,
        **_prevented(event),
        "I": event.execution_id,
        "w": order.is_open and order.is_working,
        "m": fill.is_maker if fill else False,
        "M": False,
        "O": order.created_ms,
        "Z": eight(order.executed_quote),
        "Y": eight(fill.quote_quantity if fill else None),
        "Q": eight(order.quote_quantity),
        **_strategy(order),
        **({"W": order.working_ms} if order.is_working else {}),
        "V": order.prevention,
        **({"eR": expiry_reason(order)} if event.execution == "EXPIRED" else {}),
    }


def expiry_reason(order: Order) -> str:
    """Why an order ended by itself: eR of the executionReport, expiryReason of answers."""
    if order.list_id != NO_LIST and not order.is_working:
        return "OTO_PHASE_ONE_EXPIRED" if order.stop_price is None else "OCO_TRIGGER"
    if order.type in MARKET_TYPES:
        return "INSUFFICIENT_LIQUIDITY"
    if order.time_in_force == "FOK":
        return "UNFILLED_FOK_ORDER_EXPIRED"
    if order.time_in_force == "IOC":
        return "UNFILLED_IOC_QUANTITY_EXPIRED"
    return "REJECTED" if order.list_id == NO_LIST else "OCO_TRIGGER"


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
        "c": "OCO" if order_list.kind == "OCO" else "OTO",
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


def stream_terminated(now_ms: int) -> dict[str, Any]:
    """The last event of a subscription."""
    return {"e": "eventStreamTerminated", "E": now_ms}


def _client_ids(event: OrderUpdated) -> tuple[str, str]:
    order, other = event.order, event.cancel_id
    if event.execution not in NEW_ID_EXECUTIONS or other is None:
        return order.client_id, ""
    return (other, order.client_id) if event.execution == "CANCELED" else (order.client_id, other)


def _trailing(order: Order) -> dict[str, Any]:
    if order.trailing_delta_bps is None:
        return {}
    since_ms = -1 if order.trailing_ms is None else order.trailing_ms
    return {"d": order.trailing_delta_bps, "D": since_ms}


def _strategy(order: Order) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if order.strategy_id is not None:
        fields["j"] = order.strategy_id
    if order.strategy_type is not None:
        fields["J"] = order.strategy_type
    return fields


def _prevented(event: OrderUpdated) -> dict[str, Any]:
    order, prevention = event.order, event.prevention
    if prevention is None:
        return {} if order.prevented_match_id is None else _prevented_before(order)
    is_taker = order.id == prevention.taker_order_id
    own = prevention.taker_prevented if is_taker else prevention.maker_prevented
    met = _quantity_met(prevention)
    return {
        "v": prevention.id,
        "A": eight(order.prevented),
        "B": eight(own),
        "u": NO_TRADE_GROUP,
        "U": prevention.maker_order_id if is_taker else prevention.taker_order_id,
        "Cs": prevention.symbol,
        "pl": eight(met),
        "pL": eight(prevention.price),
        "pY": eight(met * prevention.price),
    }


def _prevented_before(order: Order) -> dict[str, Any]:
    return {"v": order.prevented_match_id, "A": eight(order.prevented)}


def _quantity_met(prevention: Prevention) -> Decimal:
    """What would have been traded: one side may have lost nothing, or more than the match."""
    return min(filter(None, (prevention.taker_prevented, prevention.maker_prevented)))
