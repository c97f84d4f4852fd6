"""What the exchange's JSON has in common: numbers, symbols with their filters, rates."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from procs.localvenue.matching import filters
from procs.localvenue.protocols.binance_spot.order_params import PREVENTIONS, TYPES
from shared.domain.instrument import Instrument
from shared.units import ZERO


def eight(value: Decimal | None) -> str:
    """A number as the exchange writes it: eight decimals, zero for what is absent."""
    return f"{ZERO if value is None else value:.8f}"


def commission_rates(rate: Decimal, suffix: str = "", *, sides: bool = True) -> dict[str, Any]:
    """The rates of account/commission; with a suffix and without sides, those of order/test."""
    names = ("maker", "taker", "buyer", "seller") if sides else ("maker", "taker")
    none = dict.fromkeys(names, eight(None))
    return {
        f"standardCommission{suffix}": {**none, "maker": eight(rate), "taker": eight(rate)},
        f"specialCommission{suffix}": none,
        f"taxCommission{suffix}": none,
        "discount": {
            "enabledForAccount": False,
            "enabledForSymbol": False,
            "discountAsset": "BNB",
            "discount": eight(None),
        },
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
        "orderTypes": list(TYPES),
        "icebergAllowed": True,
        "ocoAllowed": True,
        "otoAllowed": True,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": True,
        "cancelReplaceAllowed": True,
        "amendAllowed": True,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": symbol_filters(instrument, max_orders, max_stops),
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "NONE",
        "allowedSelfTradePreventionModes": list(PREVENTIONS),
    }


def symbol_filters(instrument: Instrument, max_orders: int, max_stops: int) -> list[dict[str, Any]]:
    """The filters of exchangeInfo that the matching core enforces."""
    up, down = f"{instrument.price_band_up:.4f}", f"{instrument.price_band_down:.4f}"
    least, most = filters.MIN_TRAILING_DELTA, filters.MAX_TRAILING_DELTA
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
        {"filterType": "ICEBERG_PARTS", "limit": filters.ICEBERG_PARTS},
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": eight(filters.MARKET_MIN_QUANTITY),
            "maxQty": eight(instrument.market_max_quantity),
            "stepSize": eight(filters.MARKET_STEP_SIZE),
        },
        {
            "filterType": "TRAILING_DELTA",
            "minTrailingAboveDelta": least,
            "maxTrailingAboveDelta": most,
            "minTrailingBelowDelta": least,
            "maxTrailingBelowDelta": most,
        },
        {
            "filterType": "PERCENT_PRICE_BY_SIDE",
            "bidMultiplierUp": up,
            "bidMultiplierDown": down,
            "askMultiplierUp": up,
            "askMultiplierDown": down,
            "avgPriceMins": filters.AVERAGE_PRICE_MINUTES,
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": eight(instrument.min_notional),
            "applyMinToMarket": filters.APPLY_MIN_NOTIONAL_TO_MARKET,
            "maxNotional": eight(filters.MAX_NOTIONAL),
            "applyMaxToMarket": filters.APPLY_MAX_NOTIONAL_TO_MARKET,
            "avgPriceMins": filters.AVERAGE_PRICE_MINUTES,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": max_orders},
        {"filterType": "MAX_NUM_ORDER_LISTS", "maxNumOrderLists": filters.MAX_NUM_ORDER_LISTS},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": max_stops},
        {
            "filterType": "MAX_NUM_ICEBERG_ORDERS",
            "maxNumIcebergOrders": filters.MAX_NUM_ICEBERG_ORDERS,
        },
        {"filterType": "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends": filters.MAX_NUM_ORDER_AMENDS},
    ]
