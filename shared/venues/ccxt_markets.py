"""Markets, read once for us and for ccxt: its user stream wants to know them too."""

from __future__ import annotations

import asyncio
from typing import Final

from shared.domain.instrument import Instrument
from shared.errors import MessageError, VenueError
from shared.venues.binance_instruments import EXCHANGE_INFO
from shared.venues.redirect import RAISED_BY_CCXT, RECORD, RecordedBinance
from shared.venues.start_up import usable_instruments
from shared.venues.transport import Exchanged
from shared.venues.wire import Wire

LOAD_MARKETS_S: Final = 60.0
"""The real exchange lists thousands of markets in several megabytes."""


async def read_markets(
    exchange: RecordedBinance, wire: Wire
) -> tuple[tuple[Instrument, ...], dict[str, str]]:
    """Spot instruments with exact steps, and why others cannot be used. Raises VenueError.

    ccxt parses the same answer for itself, thousands of markets in one go: only before READY.
    """
    record = Exchanged()
    token = RECORD.set(record)
    usual_ms, exchange.timeout = exchange.timeout, int(LOAD_MARKETS_S * 1000)
    try:
        async with asyncio.timeout(LOAD_MARKETS_S):
            # load_markets would share a load that another task began, whose answer is not ours.
            exchange.set_markets(await exchange.fetch_markets())
    except TimeoutError as error:
        raise VenueError(f"markets: no answer within {LOAD_MARKETS_S:.0f} s") from error
    except RAISED_BY_CCXT as error:
        raise VenueError(f"markets: {_short(error, record)}") from error
    finally:
        RECORD.reset(token)
        exchange.timeout = usual_ms
    try:
        return usable_instruments(EXCHANGE_INFO.read(record.body), wire)
    except MessageError as error:
        raise VenueError(f"markets: {error}") from error


def _short(error: BaseException, record: Exchanged) -> str:
    # ccxt's own text may hold addresses with signatures; type and status are enough.
    cause = error.__cause__ or error
    return f"{type(error).__name__} from {type(cause).__name__}, HTTP {record.status}"
