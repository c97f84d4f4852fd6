"""What ingest hears from its feed, and what it asks of it: the messages of one process with itself.

They never leave the process, so they are plain structs without JSON; frames stay bytes.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from shared.domain.instrument import Instrument


class Bar(NamedTuple):
    """A one-minute candle of the venue; prices in quote units."""

    open_ms: int
    high: float
    low: float
    close: float


class InstrumentsFetched(msgspec.Struct, frozen=True):
    """The universe at the start; later the same symbols again, with their present status."""

    instruments: tuple[Instrument, ...]


class FrameReceived(msgspec.Struct, frozen=True):
    """A data frame of the stream, as it came."""

    frame: bytes
    recv_ns: int


class SnapshotFetched(msgspec.Struct, frozen=True):
    """The venue's answer to a FetchDepth of the same generation."""

    symbol: str
    generation: int
    body: bytes


class CandlesFetched(msgspec.Struct, frozen=True):
    """The newest one-minute bars, oldest first; the last one is still growing."""

    symbol: str
    bars: tuple[Bar, ...]


class VolumesFetched(msgspec.Struct, frozen=True):
    """24 h volumes in quote units by symbol; symbols that are not watched are ignored."""

    volumes: dict[str, float]


class FetchFailed(msgspec.Struct, frozen=True):
    """A question that got no answer; `retry_s` is when it is asked again, 0 when it is given up."""

    what: str
    text: str
    retry_s: float


class FetchPaced(msgspec.Struct, frozen=True):
    """Questions wait so long for the venue's rate limit."""

    wait_s: float


class FeedUp(msgspec.Struct, frozen=True):
    """The stream of these symbols is subscribed, anew: whatever came before is incomplete."""

    symbols: tuple[str, ...]


class FeedDown(msgspec.Struct, frozen=True):
    """The stream of these symbols is lost."""

    symbols: tuple[str, ...]
    reason: str


class FetchDepth(msgspec.Struct, frozen=True):
    """Ask the venue for a snapshot after delay_ms; generation comes back with the answer. Where
    snapshots come in the stream, it is the stream that is asked."""

    symbol: str
    generation: int
    delay_ms: int


class FetchCandles(msgspec.Struct, frozen=True):
    """Ask the venue for so many minutes of bars, for anchor and volatility (E1, E2)."""

    symbol: str
    minutes: int


Fetch = FetchDepth | FetchCandles
