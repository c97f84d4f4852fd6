"""Which parameters each order type needs and takes; the exchange's words for what does not fit."""

from __future__ import annotations

from typing import Final

from procs.localvenue.matching import refusals
from procs.localvenue.matching.model import Refusal
from procs.localvenue.matching.requests import PlaceOrder
from procs.localvenue.matching.words import STOP_TYPES
from shared.units import ZERO

_NAMES: Final = {
    "quantity": "quantity",
    "quote_quantity": "quoteOrderQty",
    "price": "price",
    "stop_price": "stopPrice",
    "trailing_delta_bps": "trailingDelta",
    "iceberg_quantity": "icebergQty",
    "time_in_force": "timeInForce",
}
"""Attributes and the exchange's parameter names."""

_NEEDED: Final = {
    "LIMIT": ("quantity", "price", "time_in_force"),
    "LIMIT_MAKER": ("quantity", "price"),
    "MARKET": (),
    "STOP_LOSS": ("quantity",),
    "TAKE_PROFIT": ("quantity",),
    "STOP_LOSS_LIMIT": ("quantity", "price", "time_in_force"),
    "TAKE_PROFIT_LIMIT": ("quantity", "price", "time_in_force"),
}
_UNWANTED: Final = {
    "LIMIT": ("quote_quantity", "stop_price", "trailing_delta_bps"),
    "LIMIT_MAKER": ("quote_quantity", "time_in_force", "stop_price", "trailing_delta_bps"),
    "MARKET": ("price", "stop_price", "time_in_force", "trailing_delta_bps", "iceberg_quantity"),
    "STOP_LOSS": ("quote_quantity", "price", "time_in_force", "iceberg_quantity"),
    "TAKE_PROFIT": ("quote_quantity", "price", "time_in_force", "iceberg_quantity"),
    "STOP_LOSS_LIMIT": ("quote_quantity",),
    "TAKE_PROFIT_LIMIT": ("quote_quantity",),
}


def shape_fault(request: PlaceOrder, leg: str = "") -> Refusal | None:
    """Why the parameters do not fit the type; `leg` begins their names in an order list."""
    quantity, price = request.quantity, request.price
    if (
        # The usual order at a glance: a limit order with all that it needs and nothing else.
        request.type == "LIMIT"
        and quantity is not None
        and price is not None
        and quantity > ZERO
        and price > ZERO
        and request.time_in_force is not None
        and request.stop_price is None
        and request.quote_quantity is None
        and request.trailing_delta_bps is None
        and request.iceberg_quantity is None
    ):
        return None
    return _value_fault(request) or _presence_fault(request, leg) or _combination_fault(request)


def _value_fault(request: PlaceOrder) -> Refusal | None:
    quantity, price = request.quantity, request.price
    if quantity is not None and quantity <= ZERO:
        return refusals.INVALID_QUANTITY
    if price is not None and price <= ZERO:
        return refusals.INVALID_PRICE
    for more in (request.quote_quantity, request.iceberg_quantity):
        if more is not None and more <= ZERO:
            return refusals.INVALID_QUANTITY
    if request.stop_price is not None and request.stop_price <= ZERO:
        return refusals.INVALID_PRICE
    return None


def _presence_fault(request: PlaceOrder, leg: str) -> Refusal | None:
    kind = request.type
    if kind == "MARKET":
        if request.quantity is None and request.quote_quantity is None:
            return refusals.missing(_named(leg, "quantity"))
        if request.quantity is not None and request.quote_quantity is not None:
            return refusals.BAD_COMBINATION
    for name in _UNWANTED[kind]:
        if getattr(request, name) is not None:
            return refusals.not_required(_named(leg, name))
    for name in _NEEDED[kind]:
        if getattr(request, name) is None:
            return refusals.missing(_named(leg, name))
    if kind in STOP_TYPES and request.stop_price is None and request.trailing_delta_bps is None:
        return refusals.missing(_named(leg, "stop_price"))
    return None


def _combination_fault(request: PlaceOrder) -> Refusal | None:
    """An iceberg rests: it is good till canceled."""
    hidden = request.iceberg_quantity is not None
    if hidden and request.time_in_force not in (None, "GTC"):
        return refusals.UNSUPPORTED_COMBINATION
    return None


def _named(leg: str, name: str) -> str:
    word = _NAMES[name]
    return leg + word[0].upper() + word[1:] if leg else word
