"""The feed of a venue that core_ext reads: its streams as its dialect says, and its public REST."""

from __future__ import annotations

import asyncio

from core_ext.codes import Dialect
from core_ext.join import Remedy
from shared.domain.instrument import Instrument
from shared.venues.feed.dialect import FeedDialect
from shared.venues.feed.port import FeedHandler, FeedStart, MinuteCandle, PublicRest, RestError
from shared.venues.feed.stream import FeedStream


class NativeFeed:
    """Implements `port.Feed` for one row of the dialects."""

    def __init__(self, dialect: FeedDialect, start: FeedStart, rest: PublicRest) -> None:
        self._dialect = dialect
        self._start = start
        self._rest = rest
        self._ws = start.ws or (dialect.testnet_ws if start.testnet else dialect.ws)
        self._streams: dict[str, FeedStream] = {}

    @property
    def frames(self) -> Dialect:
        """The scanner's language."""
        return self._dialect.frames

    @property
    def remedy(self) -> Remedy:
        """Where snapshots come from."""
        return self._dialect.remedy

    async def instruments(self, symbols: tuple[str, ...], quote: str) -> tuple[Instrument, ...]:
        """The instruments named, or all of a quote asset."""
        return await self._rest.instruments(symbols, quote)

    async def refresh_instruments(self, symbols: tuple[str, ...]) -> tuple[Instrument, ...]:
        """Those of the symbols that are still listed."""
        return await self._rest.refresh_instruments(symbols)

    async def quote_volumes(self, symbols: tuple[str, ...] = ()) -> dict[str, float]:
        """24 h turnover in quote units."""
        return await self._rest.quote_volumes(symbols)

    async def candles(self, symbol: str, minutes: int) -> tuple[MinuteCandle, ...]:
        """The newest one-minute bars, oldest first."""
        return await self._rest.candles(symbol, minutes)

    async def depth(self, symbol: str) -> bytes:
        """A snapshot of the book as the venue wrote it."""
        return await self._rest.depth(symbol)

    async def resubscribe(self, symbol: str) -> None:
        """Asks the stream of a symbol for its snapshot again. RestError when that failed."""
        stream = self._streams.get(symbol)
        if stream is None:
            raise RestError(f"{symbol}: no stream has it")
        try:
            await stream.resubscribe(symbol)
        except OSError as error:
            raise RestError(f"{symbol}: {error or type(error).__name__}") from error

    async def run(self, symbols: tuple[str, ...], handler: FeedHandler) -> None:
        """One stream for every so many symbols, kept up until cancelled."""
        size = self._dialect.symbols_per_connection
        async with asyncio.TaskGroup() as group:
            for first in range(0, len(symbols), size):
                some = symbols[first : first + size]
                stream = FeedStream(
                    self._dialect, self._ws, some, handler, self._start.clock, self._start.limits
                )
                self._streams.update(dict.fromkeys(some, stream))
                group.create_task(stream.run())

    def figures(self) -> dict[str, float]:
        """Counters of the streams."""
        streams = set(self._streams.values())
        return {
            "rotations": sum(stream.rotations for stream in streams),
            "stalls": sum(stream.stalls for stream in streams),
        }
