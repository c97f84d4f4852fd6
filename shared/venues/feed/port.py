"""What a feed owes ingest: instruments, frames, snapshots, candles, volumes, whatever the venue.

A feed hands on frames in one of the languages that `core_ext.scan` reads. Binance's and Bybit's
own frames go through untouched; a feed of any other venue writes its updates as Bybit v5 frames
(`orderbook.N.SYMBOL` of type snapshot and delta, `publicTrade.SYMBOL`), numbers its deltas without
a hole, and leaves one out where its own check of the venue's sequence found one: the actor then
asks for `resubscribe`. Which feed a venue's name means is said in `choose.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import msgspec

from core_ext.codes import Dialect
from core_ext.join import Remedy
from shared.clock import EngineClock
from shared.domain.instrument import Instrument
from shared.errors import SeawallError


class RestError(SeawallError):
    """A question that got no usable answer now; it may be asked again."""


class MinuteCandle(NamedTuple):
    """A one-minute bar; prices in quote units. Floats: anchors and volatility are statistics."""

    open_ms: int
    high: float
    low: float
    close: float


class FeedLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How patient a feed is; all in seconds but the counts."""

    connect_s: float = 5.0
    acknowledge_s: float = 5.0
    stall_s: float = 15.0
    """No data for so long: the connection is dead. Doubles while nothing ever comes."""
    stall_max_s: float = 120.0
    backoff_min_s: float = 0.2
    backoff_max_s: float = 30.0
    settled_s: float = 10.0
    """A connection that lived so long was a good one; the backoff starts small again."""
    rotate_s: float = 0.0
    """A connection is replaced at this age; 0 is what its dialect says."""
    rotate_retry_s: float = 60.0
    overlap_s: float = 1.0
    """Old and new connection both deliver for so long."""
    ping_s: float = 0.0
    """How often the venue is pinged where it wants that; 0 is what its dialect says."""


class FeedStart(msgspec.Struct, frozen=True, kw_only=True):
    """What a feed is opened with; no secrets."""

    venue: str
    """A name that `choose.py` knows."""
    clock: EngineClock
    rest: str = ""
    """Base address instead of the venue's own: the local venue, a test."""
    ws: str = ""
    testnet: bool = False
    timeout_s: float = 10.0
    """Of one question."""
    limits: FeedLimits = FeedLimits()
    on_wait: Callable[[float], None] | None = None
    """Hears how many seconds questions wait for the venue's rate limit, if that is long."""


class FeedHandler(Protocol):
    """Who listens to a feed. Nothing it does may block; what it raises ends `run`."""

    def on_data(self, frame: bytes, now_ns: int) -> None:
        """A data frame, readable or not, and the engine time when it came."""

    def on_up(self, symbols: tuple[str, ...]) -> None:
        """Subscribed; data before this are incomplete. With Remedy.SUBSCRIBE the snapshot of each
        symbol follows as a frame after this call."""

    def on_down(self, symbols: tuple[str, ...], reason: str) -> None:
        """Lost; `on_up` follows when it is back."""


class PublicRest(Protocol):
    """What a feed asks a venue. RestError when a question may be asked again; VenueError or
    ConfigError when it may not, naming place, value and what is allowed."""

    async def instruments(self, symbols: tuple[str, ...], quote: str) -> tuple[Instrument, ...]:
        """The instruments named, or all of a quote asset. VenueError names what does not exist."""

    async def refresh_instruments(self, symbols: tuple[str, ...]) -> tuple[Instrument, ...]:
        """Those of the symbols that are still listed, with their present status."""

    async def quote_volumes(self, symbols: tuple[str, ...] = ()) -> dict[str, float]:
        """24 h turnover in quote units by symbol; of all symbols when none is named."""

    async def candles(self, symbol: str, minutes: int) -> tuple[MinuteCandle, ...]:
        """The newest one-minute bars, oldest first; the last one is still growing."""

    async def depth(self, symbol: str) -> bytes:
        """A snapshot that the scanner of `frames` loads. Only with Remedy.FETCH."""


class Feed(PublicRest, Protocol):
    """The market data of one venue."""

    @property
    def frames(self) -> Dialect:
        """Whose language the frames are in: it chooses scanner and sequence rule."""

    @property
    def remedy(self) -> Remedy:
        """How a book gets a snapshot: FETCH is `depth`, SUBSCRIBE is `resubscribe`."""

    async def resubscribe(self, symbol: str) -> None:
        """Makes the stream send a snapshot of one symbol again. Only with Remedy.SUBSCRIBE.
        RestError when it could not be asked for now."""

    async def run(self, symbols: tuple[str, ...], handler: FeedHandler) -> None:
        """Keeps the streams of the symbols up until cancelled, then closes them. Raises only what
        the handler raised."""

    def figures(self) -> dict[str, float]:
        """Counters: rotations, stalls."""
