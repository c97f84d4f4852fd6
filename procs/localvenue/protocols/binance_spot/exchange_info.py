"""GET exchangeInfo: the symbols that were asked for, their rules, and everybody's limits."""

from __future__ import annotations

from typing import Any, Final

import orjson

from procs.localvenue.matching.model import Refusal
from procs.localvenue.matching.refusals import BAD_COMBINATION, INVALID_SYMBOL
from procs.localvenue.protocols.binance_spot.limits import RateLimits, rate_limits
from procs.localvenue.protocols.binance_spot.params import (
    SYMBOL,
    Params,
    RefusedError,
    illegal,
    invalid,
)
from procs.localvenue.protocols.binance_spot.render import symbol_info
from procs.localvenue.shell import Venue

STATUSES: Final = ("TRADING", "HALT", "BREAK", "END_OF_DAY", "CANCEL_ONLY")
PERMISSION: Final = r"^[A-Z0-9_]{1,30}$"
OURS: Final = "SPOT"
"""The one permission that every symbol of this venue has."""

LISTED: Final = r'^\[("[\w\-._&&[^a-z]]{1,50}"(,"[\w\-._&&[^a-z]]{1,50}"){0,}){0,1}\]$'
"""How the exchange says what a list of symbols may look like."""
LONGEST_LIST: Final = r"^.{2,60000}$"

BAD_LIST: Final = illegal("symbols", LISTED)
SYMBOL_TWICE: Final = Refusal(-1151, "Symbol is present multiple times in the list.")
BAD_STATUS: Final = Refusal(-1122, "Invalid symbolStatus.")


def exchange_info(venue: Venue, limits: RateLimits, params: Params) -> dict[str, Any]:
    """Of one symbol, a list, those of a status or with a permission, or all."""
    exchange = venue.exchange
    show_sets = params.flag("showPermissionSets", True)
    rows = [
        symbol_info(exchange.instruments[symbol], exchange.max_orders, exchange.max_stop_orders)
        for symbol in _chosen(venue, params)
    ]
    if not show_sets:
        for row in rows:
            row["permissionSets"] = []
    return {
        "timezone": "UTC",
        "serverTime": venue.client_ms(),
        "rateLimits": rate_limits(limits),
        "exchangeFilters": [],
        "symbols": rows,
    }


def symbol_list(venue: Venue, params: Params, most: int | None = None) -> list[str] | None:
    """The symbols= parameter, a JSON list of symbols that are traded here; None without one.

    Raises RefusedError, also (-1101) for more than `most` of them."""
    text = params.text("symbols", LONGEST_LIST)
    if text is None:
        return None
    try:
        names = orjson.loads(text)
    except orjson.JSONDecodeError:
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise RefusedError(BAD_LIST)
    if most is not None and len(names) > most:
        text = f"Too many values sent for parameter 'symbols', maximum allowed up to {most}."
        raise RefusedError(Refusal(-1101, text))
    if len(set(names)) != len(names):
        raise RefusedError(SYMBOL_TWICE)
    if any(name not in venue.exchange.instruments for name in names):
        raise RefusedError(INVALID_SYMBOL)
    return names


def _chosen(venue: Venue, params: Params) -> list[str]:
    one, some = params.text("symbol", SYMBOL), symbol_list(venue, params)
    status = params.word("symbolStatus", STATUSES, BAD_STATUS)
    permissions = _permissions(params)
    named = one is not None or some is not None
    if (one is not None and some is not None) or (named and (status or permissions is not None)):
        raise RefusedError(BAD_COMBINATION)
    instruments = venue.exchange.instruments
    if one is not None:
        if one not in instruments:
            raise RefusedError(INVALID_SYMBOL)
        return [one]
    if some is not None:
        return some
    if permissions is not None and OURS not in permissions:
        return []
    return [
        symbol for symbol, found in instruments.items() if status is None or found.status == status
    ]


def _permissions(params: Params) -> list[str] | None:
    """One permission, or a JSON list of them."""
    text = params.text("permissions", LONGEST_LIST)
    if text is None:
        return None
    try:
        names = orjson.loads(text) if text.startswith("[") else [text]
    except orjson.JSONDecodeError:
        raise RefusedError(invalid("permissions")) from None
    for name in names:
        if not isinstance(name, str):
            raise RefusedError(invalid("permissions"))
        Params({"permissions": name}).needed("permissions", PERMISSION)
    return list(names)
