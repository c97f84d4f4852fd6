"""Orders, fills, lists and balances as the exchange writes them in JSON."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from procs.localvenue.matching.model import (
    STOP_TYPES,
    Canceled,
    Fill,
    Order,
    OrderList,
)
from shared.domain.instrument import Instrument
from shared.units import ZERO


def eight(value: Decimal | None) -> str:
    """A number as the exchange writes it: eight decimals, zero for what is absent."""
    return f"{ZERO if value is None else value:.8f}"


def acknowledged(order: Order) -> dict[str, Any]:
    """The ACK answer to a new order."""
    return {
        "symbol": order.symbol,
        "orderId": order.id,
        "orderListId": order.list_id,
        "clientOrderId": order.client_id,
        "transactTime": order.updated_ms,
    }


def resulted(order: Order) -> dict[str, Any]:
    """The RESULT answer to a new order."""
    return {
        **acknowledged(order),
        **_amounts(order),
        **_stop_price(order),
        "workingTime": order.working_ms,
        "selfTradePreventionMode": "NONE",
    }


def fulfilled(order: Order, fills: Iterable[Fill]) -> dict[str, Any]:
    """The FULL answer to a new order."""
    return {**resulted(order), "fills": [_brief_fill(fill) for fill in fills]}


def queried(order: Order) -> dict[str, Any]:
    """An order as GET order, openOrders and allOrders show it."""
    return {
        "symbol": order.symbol,
        "orderId": order.id,
        "orderListId": order.list_id,
        "clientOrderId": order.client_id,
        **_amounts(order),
        "stopPrice": eight(order.stop_price),
        "icebergQty": eight(None),
        "time": order.created_ms,
        "updateTime": order.updated_ms,
        "isWorking": order.is_working,
        "workingTime": order.working_ms,
        "selfTradePreventionMode": "NONE",
    }


def canceled_order(order: Order, cancel_id: str) -> dict[str, Any]:
    """An order in the answer to its cancel; clientOrderId is that of the cancel request."""
    return {
        "symbol": order.symbol,
        "origClientOrderId": order.client_id,
        "orderId": order.id,
        "orderListId": order.list_id,
        "clientOrderId": cancel_id,
        "transactTime": order.updated_ms,
        **_amounts(order),
        **_stop_price(order),
        "selfTradePreventionMode": "NONE",
    }


def canceled(answer: Canceled) -> dict[str, Any]:
    """The answer to a cancel: one order, or the whole list with its order reports."""
    if answer.order_list is None:
        return canceled_order(answer.orders[0], answer.cancel_id)
    reports = [canceled_order(order, answer.cancel_id) for order in answer.orders]
    return {**listed(answer.order_list, answer.orders), "orderReports": reports}


def listed(order_list: OrderList, orders: Iterable[Order]) -> dict[str, Any]:
    """An order list as queries show it."""
    done = order_list.status == "ALL_DONE"
    return {
        "orderListId": order_list.id,
        "contingencyType": "OCO",
        "listStatusType": order_list.status,
        "listOrderStatus": "ALL_DONE" if done else "EXECUTING",
        "listClientOrderId": order_list.client_id,
        "transactionTime": order_list.updated_ms,
        "symbol": order_list.symbol,
        "orders": [
            {"symbol": order.symbol, "orderId": order.id, "clientOrderId": order.client_id}
            for order in orders
        ],
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


def symbol_info(instrument: Instrument, max_orders: int, max_stops: int) -> dict[str, Any]:
    """One symbol of exchangeInfo: what may be traded, and how."""
    return {
        "symbol": instrument.symbol,
        "status": instrument.status,
        "baseAsset": instrument.base,
        "baseAssetPrecision": 8,
        "quoteAsset": instrument.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": [
            "LIMIT",
            "LIMIT_MAKER",
            "MARKET",
            "STOP_LOSS_LIMIT",
            "TAKE_PROFIT_LIMIT",
        ],
        "icebergAllowed": False,
        "ocoAllowed": True,
        "otoAllowed": False,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": True,
        "amendAllowed": False,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": symbol_filters(instrument, max_orders, max_stops),
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "NONE",
        "allowedSelfTradePreventionModes": ["NONE"],
    }


def symbol_filters(instrument: Instrument, max_orders: int, max_stops: int) -> list[dict[str, Any]]:
    """The filters of exchangeInfo that the matching core enforces."""
    up, down = f"{instrument.price_band_up:.4f}", f"{instrument.price_band_down:.4f}"
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": eight(instrument.min_price),
            "maxPrice": eight(instrument.max_price),
            "tickSize": eight(instrument.tick_size),
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": eight(instrument.min_quantity),
            "maxQty": eight(instrument.max_quantity),
            "stepSize": eight(instrument.step_size),
        },
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": eight(None),
            "maxQty": eight(instrument.market_max_quantity),
            "stepSize": eight(None),
        },
        {
            "filterType": "PERCENT_PRICE_BY_SIDE",
            "bidMultiplierUp": up,
            "bidMultiplierDown": down,
            "askMultiplierUp": up,
            "askMultiplierDown": down,
            "avgPriceMins": 5,
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": eight(instrument.min_notional),
            "applyMinToMarket": True,
            "maxNotional": "9000000.00000000",
            "applyMaxToMarket": False,
            "avgPriceMins": 5,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": max_orders},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": max_stops},
    ]


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


def _stop_price(order: Order) -> dict[str, Any]:
    return {"stopPrice": eight(order.stop_price)} if order.type in STOP_TYPES else {}


def _brief_fill(fill: Fill) -> dict[str, Any]:
    return {
        "price": eight(fill.price),
        "qty": eight(fill.quantity),
        "commission": eight(fill.fee),
        "commissionAsset": fill.fee_asset,
        "tradeId": fill.trade_id,
    }
