"""The numbers of the exchange's filters, by their names in exchangeInfo.

What a symbol's own instrument says (ticks, steps, minimum notional, price bands) is not repeated
here. The checks themselves are in `rules`; whoever shows the filters shows these numbers.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

ASSET_DECIMALS: Final = 8
"""No price, quantity or amount may be finer."""
MAX_NUM_ORDERS: Final = 200
"""Open orders of one account on one symbol, each leg of a list counted."""
MAX_NUM_ALGO_ORDERS: Final = 5
"""Open stop-loss and take-profit orders of one account on one symbol."""
MAX_NUM_ICEBERG_ORDERS: Final = 10
"""Open iceberg orders of one account on one symbol."""
MAX_NUM_ORDER_LISTS: Final = 20
"""Open order lists of one account on one symbol."""
MAX_NUM_ORDER_AMENDS: Final = 10
"""Amendments of one order."""
ICEBERG_PARTS: Final = 100
"""CEIL(quantity / icebergQty) at most."""
MIN_TRAILING_DELTA: Final = 10
MAX_TRAILING_DELTA: Final = 2_000
"""trailingDelta in basis points, for orders above and below the price alike."""
MAX_NOTIONAL: Final = Decimal(9_000_000)
"""Price times quantity at most, in quote units; of orders with a price."""
APPLY_MIN_NOTIONAL_TO_MARKET: Final = True
APPLY_MAX_NOTIONAL_TO_MARKET: Final = False
AVERAGE_PRICE_MINUTES: Final = 5
"""The window of the average price that NOTIONAL and PERCENT_PRICE_BY_SIDE use."""
MARKET_MIN_QUANTITY: Final = Decimal(0)
MARKET_STEP_SIZE: Final = Decimal(0)
"""MARKET_LOT_SIZE: zero switches a rule off; the maximum is the instrument's."""
