"""The exchange's ways of saying no in matching and accounts: its codes and its texts."""

from __future__ import annotations

from typing import Final

from procs.localvenue.matching.model import Refusal


def _rejected(message: str) -> Refusal:
    return Refusal(-2010, message)


UNKNOWN_ACCOUNT: Final = Refusal(-2015, "Invalid API-key, IP, or permissions for action.", 401)
INVALID_SYMBOL: Final = Refusal(-1121, "Invalid symbol.")
MARKET_CLOSED: Final = Refusal(-1013, "Market is closed.")
INSUFFICIENT_BALANCE: Final = _rejected("Account has insufficient balance for requested action.")
DUPLICATE_ORDER: Final = _rejected("Duplicate order sent.")
WOULD_MATCH: Final = _rejected("Order would immediately match and take.")
WOULD_TRIGGER: Final = _rejected("Stop price would trigger immediately.")
PRICES_UNRELATED: Final = _rejected("The relationship of the prices for the orders is not correct.")
UNSUPPORTED_COMBINATION: Final = Refusal(-1014, "Unsupported order combination.")
BAD_COMBINATION: Final = Refusal(-1128, "Combination of optional parameters invalid.")
OCO_TYPE: Final = Refusal(-1158, "Order type not supported in OCO.")
BUY_LIMIT_ABOVE: Final = Refusal(-1165, "A limit order in a buy OCO must be below.")
SELL_LIMIT_BELOW: Final = Refusal(-1166, "A limit order in a sell OCO must be above.")
OCO_BOTH_LIMIT: Final = Refusal(-1168, "At least one OCO order must be contingent.")
BUY_STOP_BELOW: Final = Refusal(-1196, "A stop loss order in a buy OCO must be above.")
SELL_STOP_ABOVE: Final = Refusal(-1197, "A stop loss order in a sell OCO must be below.")
BUY_PROFIT_ABOVE: Final = Refusal(-1198, "A take profit order in a buy OCO must be below.")
SELL_PROFIT_BELOW: Final = Refusal(-1199, "A take profit order in a sell OCO must be above.")
INVALID_TYPE: Final = Refusal(-1116, "Invalid orderType.")
ICEBERG_TOO_LARGE: Final = _rejected("IcebergQty exceeds QTY.")
NO_LIQUIDITY: Final = _rejected("Order book liquidity is less than symbol minimum quantity.")
LITTLE_LIQUIDITY: Final = _rejected(
    "Order book liquidity is less than LOT_SIZE filter minimum quantity."
)
CANCEL_RESTRICTED: Final = Refusal(-2011, "Order was not canceled due to cancel restrictions.")
CANCEL_UNKNOWN: Final = Refusal(-2011, "Unknown order sent.")
NO_SUCH_ORDER: Final = Refusal(-2013, "Order does not exist.")
NO_SUCH_LIST: Final = Refusal(-2013, "Order list does not exist.")
AMEND_UNKNOWN: Final = Refusal(-2038, "Unknown order sent.")
AMEND_UPWARDS: Final = Refusal(-2038, "Order amend (quantity increase) is not supported.")
AMEND_NOTHING: Final = Refusal(-2038, "The requested action would change no state; rejecting.")
AMEND_TOO_OFTEN: Final = Refusal(-2038, "Filter failure: MAX_NUM_ORDER_AMENDS")
AMEND_DUPLICATE: Final = Refusal(-2038, "Duplicate order sent.")
AMEND_EXECUTED: Final = Refusal(-2038, "Price * QTY is zero or less.")
INVALID_QUANTITY: Final = Refusal(-1013, "Invalid quantity.")
INVALID_PRICE: Final = Refusal(-1013, "Invalid price.")

REJECT_REASONS: Final = {
    INSUFFICIENT_BALANCE: "INSUFFICIENT_BALANCES",
    WOULD_TRIGGER: "STOP_PRICE_WOULD_TRIGGER_IMMEDIATELY",
    WOULD_MATCH: "WOULD_MATCH_IMMEDIATELY",
    PRICES_UNRELATED: "OCO_BAD_PRICES",
}
"""The words for a refusal in the events of orders."""


def filter_failure(name: str) -> Refusal:
    """The filter of that name refuses the order."""
    return Refusal(-1013, f"Filter failure: {name}")


def missing(name: str) -> Refusal:
    """A parameter that this order type needs was not sent."""
    return Refusal(
        -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
    )


def not_required(name: str) -> Refusal:
    """A parameter was sent that this order type does not take."""
    return Refusal(-1106, f"Parameter '{name}' sent when not required.")


def too_precise(name: str) -> Refusal:
    """More decimals than the asset has."""
    return Refusal(-1111, f"Parameter '{name}' has too much precision.")
