"""Which symbols are watched: those that are named, else the most traded of a quote asset. Pure.

And whose books are kept in tick windows. Ingest hears nothing of positions: name the symbols that
you hold or mean to hold; unnamed, the first of the universe are the most traded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from shared.domain.instrument import Instrument
from shared.errors import VenueError

WINDOWS_UNASKED: Final = 8
"""Books in tick windows while no priority is configured; each may grow to 4.3 MB more."""


def choose(
    instruments: Iterable[Instrument],
    named: tuple[str, ...],
    quote: str,
    max_symbols: int,
    volumes: Mapping[str, float],
) -> tuple[Instrument, ...]:
    """The universe in a stable order. Raises VenueError when it would be empty."""
    found = {instrument.symbol: instrument for instrument in instruments}
    if named:
        return tuple(found[symbol] for symbol in dict.fromkeys(named) if symbol in found)
    trading = [
        instrument
        for instrument in found.values()
        if instrument.quote == quote and instrument.status == "TRADING"
    ]
    if not trading:
        raise VenueError(f"universe.quote: the venue trades nothing against {quote!r} now")
    trading.sort(key=lambda instrument: (-volumes.get(instrument.symbol, 0.0), instrument.symbol))
    return tuple(trading[:max_symbols])


def in_windows(watched: Iterable[str], priority: tuple[str, ...]) -> frozenset[str]:
    """The watched symbols whose books are tick windows: those named, else the first of them."""
    found = tuple(watched)
    return frozenset(found).intersection(priority or found[:WINDOWS_UNASKED])
