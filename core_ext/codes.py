"""The small vocabulary of core_ext: what a frame was, what became of it, and the limits.

Both implementations count with these numbers, and both return them as plain integers.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Final, NamedTuple


class Kind(IntEnum):
    """What a frame was."""

    OTHER = 0
    DEPTH = 1
    TRADE = 2
    TICKER = 3
    AGG_TRADE = 4


class Dialect(IntEnum):
    """Whose frames a scanner reads, and by which rule their deltas follow each other."""

    BINANCE_SPOT = 0
    BINANCE_FUTURES = 1
    """USD-M and COIN-M."""
    BYBIT = 2
    """v5, spot and derivatives."""


class Outcome(IntEnum):
    """What a depth delta did to its book; NONE for every other kind of frame."""

    NONE = 0
    APPLIED = 1
    STALE = 2
    """It ends at or before what the book already contains: ignored."""
    GAP = 3
    """Something before it is missing: not applied, the book is flagged until a snapshot comes."""


class QuoteFlag(IntFlag):
    """What a reader of a quote must know before trusting it."""

    CROSSED = 1
    GAPPED = 2
    STALE = 4
    WARM = 8
    """The anchor is old enough, or seeded, to trade on (E2)."""
    SEEDED = 16
    HALTED = 32


MAX_TICKS: Final = 10**14
"""Highest price in ticks; keeps every exact sum of a whole book within 128 bits."""
MAX_LOTS: Final = 9 * 10**18
"""Highest quantity of one level in lots."""
MAX_LEVELS: Final = 131_072
"""Most levels of one side of a book."""
MAX_FRAME_LEVELS: Final = 16_384
"""Most levels of one frame, both sides together."""
MAX_FRAME_TRADES: Final = 4096
"""Most trades of one frame."""
MAX_NUMBER_TEXT: Final = 64
"""Longest text of a price or quantity, in bytes."""
MAX_JSON_NUMBER: Final = 32
"""Longest bare JSON number, in bytes."""
MAX_DEPTH: Final = 32
"""Deepest nesting of a frame."""
MAX_BATCH: Final = 65_536
"""Most changes of one batch."""
STATS_BAND_BPS: Final = 50
STATS_LEVELS: Final = 10
BOOK_KINDS: Final = ("compact", "window")
"""How a book holds its levels; what it says is the same."""
STATS_FORMAT: Final = "<4q7d2q"
"""BookStats as the batch calls write them, in 104 bytes (see the module struct)."""

FRAME_FORMAT: Final = "<4i4q" + STATS_FORMAT[1:]
"""A FrameTold as the batch calls of frames write it, in 152 bytes (see the module struct)."""


class FramesFed(NamedTuple):
    """What a batch call did: how many frames it read, and how many of them did what.

    It stops behind a delta by which a book has lost its place, the last one that was read: `lost`.
    """

    read: int
    applied: int
    stale: int
    gaps: int
    lost: bool


class FrameTold(NamedTuple):
    """One frame of a batch: what it was, what became of it, and its book's statistics after it.

    place is the book's in a BookTable, -1 for a frame of no book there; last_id a depth frame's or
    ticker's update id, a trade's own id; price_ticks and lots are of a frame's last trade. The
    statistics are zeros but after a depth frame; a ticker's best prices stand in their fields.
    """

    kind: int
    outcome: int
    place: int
    levels: int
    event_ms: int
    last_id: int
    price_ticks: int
    lots: int
    bid_ticks: int
    bid_lots: int
    ask_ticks: int
    ask_lots: int
    spread_bps: float
    mid: float
    bid_depth_50bps: float
    ask_depth_50bps: float
    bid_depth_10: float
    ask_depth_10: float
    imbalance: float
    bid_levels: int
    ask_levels: int


class TradeSeen(NamedTuple):
    """One trade of a frame. trade_id is the venue's, an aggregate's, or Bybit's cross sequence,
    which several trades may share; match_ms is 0 where it is not said."""

    trade_id: int
    price_ticks: int
    lots: int
    match_ms: int
    buyer_is_maker: bool


class BookStats(NamedTuple):
    """One look at a book; ticks and lots are integers (0 = that side is empty), the rest floats.

    Depths are notionals in quote units; spread_bps and mid are 0.0 while a side is empty.
    """

    bid_ticks: int
    bid_lots: int
    ask_ticks: int
    ask_lots: int
    spread_bps: float
    mid: float
    bid_depth_50bps: float
    ask_depth_50bps: float
    bid_depth_10: float
    ask_depth_10: float
    imbalance: float
    bid_levels: int
    ask_levels: int
