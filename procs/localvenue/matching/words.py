"""The exchange's own words for sides, types and states, as its public documentation lists them."""

from __future__ import annotations

from typing import Final, Literal

Side = Literal["BUY", "SELL"]
OrderType = Literal[
    "LIMIT",
    "LIMIT_MAKER",
    "MARKET",
    "STOP_LOSS",
    "STOP_LOSS_LIMIT",
    "TAKE_PROFIT",
    "TAKE_PROFIT_LIMIT",
]
TimeInForce = Literal["GTC", "IOC", "FOK"]
OrderStatus = Literal[
    "NEW",
    "PENDING_NEW",
    "PARTIALLY_FILLED",
    "FILLED",
    "CANCELED",
    "REJECTED",
    "EXPIRED",
    "EXPIRED_IN_MATCH",
]
Execution = Literal[
    "NEW", "CANCELED", "REPLACED", "REJECTED", "TRADE", "EXPIRED", "TRADE_PREVENTION"
]
ListKind = Literal["OCO", "OTO", "OTOCO"]
ListStatus = Literal["EXEC_STARTED", "UPDATED", "ALL_DONE"]
"""listStatusType; EXEC_STARTED also when pending orders are placed, UPDATED when one of the orders
has a new client id."""
SelfTradePrevention = Literal[
    "NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT", "TRANSFER"
]
CancelRestriction = Literal["ONLY_NEW", "ONLY_PARTIALLY_FILLED"]

STOP_TYPES: Final[frozenset[str]] = frozenset(
    {"STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"}
)
"""Types that wait for the last trade price before they become market or limit orders."""

MARKET_TYPES: Final[frozenset[str]] = frozenset({"MARKET", "STOP_LOSS", "TAKE_PROFIT"})
"""Types that have no price of their own and never rest."""

OPEN_STATUSES: Final[frozenset[str]] = frozenset({"NEW", "PENDING_NEW", "PARTIALLY_FILLED"})

NO_LIST: Final = -1
"""The order list id of an order that stands alone, as the exchange writes it."""
