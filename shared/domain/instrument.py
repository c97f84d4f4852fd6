"""What can be traded, in which steps: the venue's filters, and rounding that names its direction.

Pure. Every order passes `order_fault` before it is sent, so that the venue's filters are obeyed
before they are met (E6).
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from shared.messages.base import Amount
from shared.units import ceil_to, floor_to, plain


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """One spot market and its order rules; prices in quote units, quantities in base units."""

    symbol: str
    base: str
    quote: str
    tick_size: Amount
    step_size: Amount
    min_quantity: Amount
    max_quantity: Amount
    min_price: Amount
    max_price: Amount
    min_notional: Amount
    market_max_quantity: Amount
    price_band_up: Amount = Decimal(5)
    """PERCENT_PRICE_BY_SIDE: a bid may stand at most at this multiple of the average price."""
    price_band_down: Amount = Decimal("0.2")
    """PERCENT_PRICE_BY_SIDE: an ask may stand at least at this multiple of the average price."""
    status: str = "TRADING"

    def price_down(self, price: Decimal) -> Decimal:
        """The tick at or below price; never below the minimum tick."""
        return max(floor_to(price, self.tick_size), self.tick_size)

    def price_up(self, price: Decimal) -> Decimal:
        """The tick at or above price; never below the minimum tick."""
        return max(ceil_to(price, self.tick_size), self.tick_size)

    def quantity_down(self, quantity: Decimal) -> Decimal:
        """The largest orderable quantity at or below quantity; zero when it is under a step."""
        return floor_to(quantity, self.step_size)

    def is_dust(self, quantity: Decimal, price: Decimal) -> bool:
        """Whether so little cannot be sold: under a lot, or under the minimum notional (P12)."""
        sellable = self.quantity_down(quantity)
        return sellable < self.min_quantity or sellable * price < self.min_notional

    def order_fault(self, quantity: Decimal, price: Decimal) -> str | None:
        """Why the venue's filters would refuse a limit order, or None when they would not."""
        faults = (
            (quantity <= 0, f"quantity {plain(quantity)} is not positive"),
            (
                self.quantity_down(quantity) != quantity,
                f"LOT_SIZE: {plain(quantity)} is not in steps of {plain(self.step_size)}",
            ),
            (
                quantity < self.min_quantity,
                f"LOT_SIZE: {plain(quantity)} < {plain(self.min_quantity)}",
            ),
            (
                quantity > self.max_quantity,
                f"LOT_SIZE: {plain(quantity)} > {plain(self.max_quantity)}",
            ),
            (
                price < self.min_price or price > self.max_price,
                f"PRICE_FILTER: {plain(price)} outside "
                f"{plain(self.min_price)} … {plain(self.max_price)}",
            ),
            (
                floor_to(price, self.tick_size) != price,
                f"PRICE_FILTER: {plain(price)} is not in ticks of {plain(self.tick_size)}",
            ),
            (
                quantity * price < self.min_notional,
                f"NOTIONAL: {plain(quantity * price)} < {plain(self.min_notional)}",
            ),
        )
        return next((text for broken, text in faults if broken), None)
