"""Numbers and their units: exact decimals, ticks and lots, nanoseconds.

Money, prices and quantities are Decimal in messages and domain; `core_ext` counts integer ticks (of
the instrument's price step) and integer lots of 10^-8. Only this module converts between them.
"""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal, Inexact, InvalidOperation
from typing import Final

from shared.errors import NumberError

NS_PER_US: Final = 1_000
NS_PER_MS: Final = 1_000_000
NS_PER_S: Final = 1_000_000_000

LOT: Final = Decimal("1E-8")
"""The quantity unit of core_ext; finer than any LOT_SIZE because recorded depth is finer too."""

ZERO: Final = Decimal(0)
ONE: Final = Decimal(1)
HUNDRED: Final = Decimal(100)
BPS: Final = Decimal(10_000)

MAX_MAGNITUDE: Final = Decimal("1E18")
"""No price, quantity or amount of a real market is larger; anything above is refused as absurd."""

LEDGER: Final = Context(prec=60, traps=[Inexact, InvalidOperation])
"""The arithmetic of ledgers (L15): 60 digits, and a result that had to be rounded is an error."""

_PLAIN: Final = re.compile(
    r"-?(?:0|[1-9][0-9]{0,29})(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,2})?", re.ASCII
)


def decimal_from_text(text: str, kind: type[Decimal] = Decimal) -> Decimal:
    """The exact value of plain decimal text; refuses NaN, infinities, '_', spaces, other digits.

    Raises NumberError. `Decimal(text)` alone accepts all of those (L15). `kind` is what is made of
    it: Decimal, or a class of its own.
    """
    if not isinstance(text, str) or _PLAIN.fullmatch(text) is None:
        raise NumberError(f"not a plain decimal number: {text!r}")
    value = kind(text)
    if abs(value) > MAX_MAGNITUDE:
        raise NumberError(f"number out of range: {text!r}, allowed up to {MAX_MAGNITUDE}")
    return value


def plain(value: Decimal) -> str:
    """Decimal as venues write it: no exponent, no trailing zeros."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of step that is not above value."""
    return (value / step).to_integral_value(rounding=ROUND_FLOOR) * step


def ceil_to(value: Decimal, step: Decimal) -> Decimal:
    """The smallest multiple of step that is not below value."""
    return (value / step).to_integral_value(rounding=ROUND_CEILING) * step


def to_ticks(price: Decimal, tick_size: Decimal) -> int:
    """Price in whole ticks. Raises NumberError when it lies between two ticks."""
    ticks = price / tick_size
    whole = int(ticks)
    if whole != ticks:
        raise NumberError(f"price {plain(price)} is not a multiple of tick {plain(tick_size)}")
    return whole


def from_ticks(ticks: int, tick_size: Decimal) -> Decimal:
    """Exact price of a number of ticks."""
    return tick_size * ticks


def to_lots(quantity: Decimal) -> int:
    """Quantity in whole lots of 10^-8. Raises NumberError when it is finer."""
    lots = quantity / LOT
    whole = int(lots)
    if whole != lots:
        raise NumberError(f"quantity {plain(quantity)} is finer than {LOT}")
    return whole


def from_lots(lots: int) -> Decimal:
    """Exact quantity of a number of lots."""
    return LOT * lots


def pct_of(value: Decimal, pct: Decimal) -> Decimal:
    """pct per cent of value."""
    return value * pct / HUNDRED


def change_pct(now: Decimal, then: Decimal) -> Decimal:
    """How far now is from then, in per cent of then; then must be positive."""
    return (now / then - ONE) * HUNDRED
