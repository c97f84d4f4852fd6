"""From a venue's listings to instruments: those wanted, exact, and a reason for each that fails.

Sizes are texts in every venue's answer and stay exact. One odd listing among hundreds is left out;
one that was asked for by name is an error that says what is odd about it.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final, Protocol, TypeVar

from shared.domain.instrument import Instrument
from shared.errors import ConfigError, MessageError, NumberError, VenueError
from shared.units import decimal_from_text

SYMBOL_LENGTH_MAX: Final = 20
"""Of a symbol in a frame and in a quote (core_ext)."""
NEAREST: Final = 3
DIGITS_MAX: Final = 12


class Listed(Protocol):
    """What every venue says about a market."""

    @property
    def symbol(self) -> str:
        """The venue's own name."""

    @property
    def quote_asset(self) -> str:
        """What prices are in."""


One = TypeVar("One", bound=Listed)


def usable(
    place: str,
    listings: Iterable[One],
    read: Callable[[One], Instrument],
    quote: str = "",
    wanted: frozenset[str] = frozenset(),
) -> tuple[Instrument, ...]:
    """The instruments of the listings wanted, or of a quote asset, or all.

    Raises VenueError naming place, symbol and reason for one that is wanted and unusable, and when
    none can be used though some are listed.
    """
    found = []
    unusable = {}
    for listing in listings:
        if (quote and listing.quote_asset != quote) or (wanted and listing.symbol not in wanted):
            continue
        try:
            if not 0 < len(listing.symbol) <= SYMBOL_LENGTH_MAX or not listing.symbol.isascii():
                raise MessageError(f"a name of 1 to {SYMBOL_LENGTH_MAX} ASCII characters is needed")
            found.append(read(listing))
        except MessageError as error:
            unusable[listing.symbol] = str(error)
    if unusable and (wanted or not found):
        symbol, reason = next(iter(unusable.items()))
        raise VenueError(f"{place}: {symbol[:40]!r}: {reason}")
    return tuple(found)


def in_order(
    venue: str, symbols: tuple[str, ...], found: Iterable[Instrument], listed: Iterable[str]
) -> tuple[Instrument, ...]:
    """The instruments in the order asked for. ConfigError names those that are not listed, and the
    nearest names that are."""
    by_symbol = {instrument.symbol: instrument for instrument in found}
    missing = [symbol for symbol in symbols if symbol not in by_symbol]
    if not missing:
        return tuple(by_symbol[symbol] for symbol in symbols)
    names = sorted(set(listed))
    near: list[str] = []
    for symbol in missing:
        plain = "".join(letter for letter in symbol.upper() if letter.isalnum())
        near += difflib.get_close_matches(plain, names, n=NEAREST, cutoff=0.6)
    allowed = ", ".join(dict.fromkeys(near or names[:NEAREST])) or "nothing now"
    raise ConfigError(
        f"universe.symbols: {venue} does not list {', '.join(map(repr, missing))}; "
        f"of its {len(names)} names the nearest are {allowed}"
    )


def exact(
    said: Mapping[str, Any], field: str, place: str, default: Decimal | None = None
) -> Decimal:
    """A size as the venue wrote it, at least 0. MessageError names place, field and value."""
    text = said.get(field)
    if default is not None and text in (None, ""):
        return default
    try:
        value = decimal_from_text(text) if isinstance(text, str) else None
    except NumberError:
        value = None
    if value is None or value < 0:
        raise MessageError(f"{place}.{field} is {text!r}; allowed is a text of a number from 0 up")
    return value


def finest(tick: Decimal, digits: int | None) -> Decimal:
    """The step of prices in the book: the tick, or the listing's digits where they are finer.

    Orders older than a tick that was made coarser still rest between the ticks of today; a book in
    whole ticks could not hold them.
    """
    if digits is None or not 0 <= digits <= DIGITS_MAX:
        return tick
    return min(tick, Decimal(1).scaleb(-digits))


def step(said: Mapping[str, Any], field: str, place: str) -> Decimal:
    """As `exact`, above 0."""
    value = exact(said, field, place)
    if value == 0:
        raise MessageError(f"{place}.{field} is 0; a step must be above 0")
    return value
