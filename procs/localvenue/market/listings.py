"""The spot symbols of the generated market: prices, steps, turnover, restlessness.

Steps and turnover are of the size that large exchanges use for these pairs; prices are only where a
seed starts from. Beyond the named ones there are made-up ones, C025 and so on, always the same.
"""

from __future__ import annotations

from decimal import Decimal
from math import floor, log10
from random import Random
from typing import Final

import msgspec

from shared.domain.instrument import Instrument


class Listing(msgspec.Struct, frozen=True):
    """One symbol against USDT; turnover in million USDT a day, volatility in per cent a day."""

    base: str
    tick_size: str
    step_size: str
    price: float
    turnover_millions: float
    volatility_pct: float

    @property
    def symbol(self) -> str:
        """The venue's name of the pair."""
        return f"{self.base}USDT"

    def instrument(self) -> Instrument:
        """The order rules of this symbol, minimum notional 5 USDT."""
        tick, step = Decimal(self.tick_size), Decimal(self.step_size)
        return Instrument(
            symbol=self.symbol,
            base=self.base,
            quote="USDT",
            tick_size=tick,
            step_size=step,
            min_quantity=step,
            max_quantity=step * 900_000_000,
            min_price=tick,
            max_price=tick * 100_000_000,
            min_notional=Decimal(5),
            market_max_quantity=step * 10_000_000,
        )


LISTINGS: Final = (
    Listing("BTC", "0.01", "0.00001", 64_000, 1_500, 2.2),
    Listing("ETH", "0.01", "0.0001", 3_100, 800, 2.8),
    Listing("SOL", "0.01", "0.001", 150, 420, 3.6),
    Listing("BNB", "0.01", "0.001", 580, 160, 2.0),
    Listing("XRP", "0.0001", "0.1", 0.58, 240, 2.8),
    Listing("DOGE", "0.00001", "1", 0.125, 180, 3.6),
    Listing("ADA", "0.0001", "0.1", 0.39, 60, 3.2),
    Listing("AVAX", "0.01", "0.01", 28, 70, 3.6),
    Listing("LINK", "0.01", "0.01", 18.4, 55, 3.4),
    Listing("DOT", "0.001", "0.01", 4.6, 35, 3.2),
    Listing("LTC", "0.01", "0.001", 88, 60, 2.6),
    Listing("BCH", "0.1", "0.001", 410, 40, 2.8),
    Listing("TRX", "0.0001", "0.1", 0.27, 45, 1.8),
    Listing("NEAR", "0.001", "0.1", 2.8, 45, 4.0),
    Listing("ATOM", "0.001", "0.01", 4.4, 22, 3.4),
    Listing("UNI", "0.001", "0.01", 8.6, 40, 3.8),
    Listing("AAVE", "0.01", "0.001", 182, 50, 3.8),
    Listing("FIL", "0.001", "0.01", 2.9, 24, 3.8),
    Listing("ETC", "0.01", "0.01", 19.2, 20, 3.0),
    Listing("INJ", "0.001", "0.01", 12.9, 26, 4.2),
    Listing("APT", "0.001", "0.01", 5.2, 30, 4.0),
    Listing("SUI", "0.0001", "0.1", 3.1, 150, 4.2),
    Listing("ARB", "0.0001", "0.1", 0.42, 35, 4.0),
    Listing("TON", "0.001", "0.01", 3.3, 28, 3.0),
)


def listings(count: int) -> tuple[Listing, ...]:
    """The first `count` listings, 1 to 500: the named ones, then made-up ones."""
    made = (_made_up(number) for number in range(len(LISTINGS) + 1, count + 1))
    return (*LISTINGS[:count], *made)


def _made_up(number: int) -> Listing:
    """Price and turnover spread evenly over their orders of magnitude; a tick is 0.1 to 4 bps."""
    random = Random(f"listing/{number}")
    price = 10 ** (-2.5 + 5.0 * random.random())
    turnover_millions = 10 ** (-0.4 + 2.1 * random.random())
    magnitude = floor(log10(price))
    mantissa = price / 10.0**magnitude
    digits = 4 if mantissa < 2.5 or random.random() < 0.3 else 3
    tick_places = min(max(digits - magnitude, 0), 8)
    step_places = min(max(magnitude + 2, 0), 5)
    return Listing(
        f"C{number:03d}",
        str(Decimal(1).scaleb(-tick_places)),
        str(Decimal(1).scaleb(-step_places)),
        round(price, tick_places),
        round(turnover_millions, 3),
        round(2.5 + 3.0 * random.random(), 2),
    )
