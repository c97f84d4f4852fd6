"""Orders, fills, order lists and what self-trade prevention took, as REST answers write them.

Some fields appear under conditions only; `_conditional` is the one place that knows them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from procs.localvenue.matching.model import (
    STOP_TYPES,
    Amended,
    Amendment,
    Canceled,
    Fill,
    Order,
    OrderList,
    Placed,
    PlacedList,
    Prevention,
)
from procs.localvenue.protocols.binance_spot.render import eight
from procs.localvenue.protocols.binance_spot.user_events import (
    NO_TRADE_GROUP,
    expiry_reason,
)

CONTINGENCIES: Final = {"OCO": "OCO", "OTO": "OTO", "OTOCO": "OTO"}
"""An OTOCO is an OTO whose pending orders are an OCO; the exchange says OTO."""


def placed(answer: Placed, response: str) -> dict[str, Any]:
    """The answer to a new order in its newOrderRespType."""
    return report(answer.order, response, answer.fills, answer.preventions)


def report(
    order: Order, response: str, fills: Iterable[Fill], preventions: Iterable[Prevention] = ()
) -> dict[str, Any]:
    """A new order as ACK, RESULT or FULL."""
    acknowledged = {
        "symbol": order.symbol,
        "orderId": order.id,
        "orderListId": order.list_id,
        "clientOrderId": order.client_id,
        "transactTime": order.updated_ms,
    }
    if response == "ACK":
        return acknowledged
    resulted = {
        **acknowledged,
        **_amounts(order),
        **_conditional(order),
        "workingTime": order.working_ms,
        "selfTradePreventionMode": order.prevention,
    }
    prevented = [_prevented_match(one) for one in preventions]
    if prevented:
        resulted["preventedMatches"] = prevented
    if response == "FULL":
        resulted["fills"] = [_brief_fill(fill) for fill in fills]
    return resulted


def queried(order: Order) -> dict[str, Any]:
    """An order as GET order, openOrders and allOrders show it."""
    return {
        "symbol": order.symbol,
        "orderId": order.id,
        "orderListId": order.list_id,
        "clientOrderId": order.client_id,
        **_amounts(order),
        **_conditional(order),
        "stopPrice": eight(order.stop_price),
        "icebergQty": eight(order.iceberg_quantity),
        "time": order.created_ms,
        "updateTime": order.updated_ms,
        "isWorking": order.is_working,
        "workingTime": order.working_ms,
        "selfTradePreventionMode": order.prevention,
    }


def canceled(answer: Canceled) -> dict[str, Any]:
    """The answer to a cancel: one order, or the whole list with its order reports."""
    if answer.order_list is None:
        return _canceled_order(answer.orders[0], answer.cancel_id)
    reports = [_canceled_order(order, answer.cancel_id) for order in answer.orders]
    return {**listed(answer.order_list, answer.orders), "orderReports": reports}


def placed_list(answer: PlacedList, response: str) -> dict[str, Any]:
    """The answer to a new order list, with a report of each order."""
    reports = [
        report(order, response, [fill for fill in answer.fills if fill.order_id == order.id])
        for order in answer.orders
    ]
    return {**listed(answer.order_list, answer.orders), "orderReports": reports}


def listed(order_list: OrderList, orders: Iterable[Order]) -> dict[str, Any]:
    """An order list as queries show it."""
    return {
        "orderListId": order_list.id,
        "contingencyType": CONTINGENCIES[order_list.kind],
        "listStatusType": order_list.status,
        "listOrderStatus": _list_order_status(order_list),
        "listClientOrderId": order_list.client_id,
        "transactionTime": order_list.updated_ms,
        "symbol": order_list.symbol,
        "orders": _members(orders),
    }


def amended(answer: Amended) -> dict[str, Any]:
    """The answer to order/amend/keepPriority."""
    order, amendment = answer.order, answer.amendment
    shown: dict[str, Any] = {
        "symbol": order.symbol,
        "orderId": order.id,
        "orderListId": order.list_id,
        "origClientOrderId": amendment.old_client_id,
        "clientOrderId": order.client_id,
        "price": eight(order.price),
        "qty": eight(order.quantity),
        "executedQty": eight(order.executed),
        "preventedQty": eight(order.prevented),
        "quoteOrderQty": eight(order.quote_quantity),
        "cumulativeQuoteQty": eight(order.executed_quote),
        "status": order.status,
        "timeInForce": order.time_in_force,
        "type": order.type,
        "side": order.side,
        **_conditional(order),
    }
    if order.is_working:
        shown["workingTime"] = order.working_ms
    shown["selfTradePreventionMode"] = order.prevention
    body: dict[str, Any] = {
        "transactTime": amendment.at_ms,
        "executionId": amendment.execution_id,
        "amendedOrder": shown,
    }
    if answer.order_list is not None:
        body["listStatus"] = {
            "orderListId": answer.order_list.id,
            "contingencyType": CONTINGENCIES[answer.order_list.kind],
            "listOrderStatus": _list_order_status(answer.order_list),
            "listClientOrderId": answer.order_list.client_id,
            "symbol": answer.order_list.symbol,
            "orders": _members(answer.list_orders),
        }
    return body


def amendment_row(amendment: Amendment) -> dict[str, Any]:
    """One row of GET order/amendments."""
    return {
        "symbol": amendment.symbol,
        "orderId": amendment.order_id,
        "executionId": amendment.execution_id,
        "origClientOrderId": amendment.old_client_id,
        "newClientOrderId": amendment.new_client_id,
        "origQty": eight(amendment.old_quantity),
        "newQty": eight(amendment.new_quantity),
        "time": amendment.at_ms,
    }


def my_trade(fill: Fill) -> dict[str, Any]:
    """An execution as GET myTrades shows it."""
    return {
        "symbol": fill.symbol,
        "id": fill.trade_id,
        "orderId": fill.order_id,
        "orderListId": fill.list_id,
        "price": eight(fill.price),
        "qty": eight(fill.quantity),
        "quoteQty": eight(fill.quote_quantity),
        "commission": eight(fill.fee),
        "commissionAsset": fill.fee_asset,
        "time": fill.at_ms,
        "isBuyer": fill.is_buyer,
        "isMaker": fill.is_maker,
        "isBestMatch": True,
    }


def prevention_row(prevention: Prevention) -> dict[str, Any]:
    """One row of GET myPreventedMatches; the quantities of the sides that lost some."""
    return {
        "symbol": prevention.symbol,
        "preventedMatchId": prevention.id,
        "takerOrderId": prevention.taker_order_id,
        "makerSymbol": prevention.symbol,
        "makerOrderId": prevention.maker_order_id,
        "tradeGroupId": NO_TRADE_GROUP,
        "selfTradePreventionMode": prevention.mode,
        "price": eight(prevention.price),
        **_prevented_quantities(prevention),
        "transactTime": prevention.at_ms,
    }


def _canceled_order(order: Order, cancel_id: str) -> dict[str, Any]:
    """An order in the answer to its cancel; clientOrderId is that of the cancel request."""
    return {
        "symbol": order.symbol,
        "origClientOrderId": order.client_id,
        "orderId": order.id,
        "orderListId": order.list_id,
        "clientOrderId": cancel_id,
        "transactTime": order.updated_ms,
        **_amounts(order),
        **_conditional(order),
        "selfTradePreventionMode": order.prevention,
    }


def _amounts(order: Order) -> dict[str, Any]:
    return {
        "price": eight(order.price),
        "origQty": eight(order.quantity),
        "executedQty": eight(order.executed),
        "origQuoteOrderQty": eight(order.quote_quantity),
        "cummulativeQuoteQty": eight(order.executed_quote),
        "status": order.status,
        "timeInForce": order.time_in_force,
        "type": order.type,
        "side": order.side,
    }


def _conditional(order: Order) -> dict[str, Any]:
    """What order answers carry only when the order has it."""
    fields: dict[str, Any] = {}
    if order.type in STOP_TYPES:
        fields["stopPrice"] = eight(order.stop_price)
    if order.trailing_delta_bps is not None:
        fields["trailingDelta"] = order.trailing_delta_bps
        fields["trailingTime"] = -1 if order.trailing_ms is None else order.trailing_ms
    if order.iceberg_quantity is not None:
        fields["icebergQty"] = eight(order.iceberg_quantity)
    if order.strategy_id is not None:
        fields["strategyId"] = order.strategy_id
    if order.strategy_type is not None:
        fields["strategyType"] = order.strategy_type
    if order.prevented_match_id is not None:
        fields["preventedMatchId"] = order.prevented_match_id
        fields["preventedQuantity"] = eight(order.prevented)
    if order.status == "EXPIRED":
        fields["expiryReason"] = expiry_reason(order)
    return fields


def _brief_fill(fill: Fill) -> dict[str, Any]:
    return {
        "price": eight(fill.price),
        "qty": eight(fill.quantity),
        "commission": eight(fill.fee),
        "commissionAsset": fill.fee_asset,
        "tradeId": fill.trade_id,
    }


def _prevented_match(prevention: Prevention) -> dict[str, Any]:
    return {
        "preventedMatchId": prevention.id,
        "makerOrderId": prevention.maker_order_id,
        "price": eight(prevention.price),
        **_prevented_quantities(prevention),
    }


def _prevented_quantities(prevention: Prevention) -> dict[str, str]:
    quantities: dict[str, str] = {}
    if prevention.taker_prevented:
        quantities["takerPreventedQuantity"] = eight(prevention.taker_prevented)
    if prevention.maker_prevented:
        quantities["makerPreventedQuantity"] = eight(prevention.maker_prevented)
    return quantities


def _list_order_status(order_list: OrderList) -> str:
    return "ALL_DONE" if order_list.status == "ALL_DONE" else "EXECUTING"


def _members(orders: Iterable[Order]) -> list[dict[str, Any]]:
    return [
        {"symbol": order.symbol, "orderId": order.id, "clientOrderId": order.client_id}
        for order in orders
    ]
