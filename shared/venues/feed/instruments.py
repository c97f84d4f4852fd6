"""Which instruments ingest watches, from the bytes of an exchangeInfo answer."""

from __future__ import annotations

from shared.domain.instrument import Instrument
from shared.errors import MessageError, VenueError
from shared.venues.binance_instruments import EXCHANGE_INFO, instruments_of


def read_instruments(
    body: bytes, quote: str = "", wanted: frozenset[str] = frozenset()
) -> tuple[Instrument, ...]:
    """The instruments of an exchangeInfo answer: those wanted, or of a quote asset, or all.

    One odd listing among thousands is left out. Raises VenueError, with its reason, for one that is
    wanted by name, and when none can be used.
    """
    try:
        info = EXCHANGE_INFO.read(body)
    except MessageError as error:
        raise VenueError(f"exchangeInfo cannot be read: {error}") from error
    found, unusable = instruments_of(
        entry
        for entry in info.symbols
        if (not quote or entry.quote_asset == quote) and (not wanted or entry.symbol in wanted)
    )
    if unusable and (wanted or not found):
        symbol, reason = next(iter(unusable.items()))
        raise VenueError(f"exchangeInfo: {symbol}: {reason}")
    return found
