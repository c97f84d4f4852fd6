"""Joins a book's snapshot with the deltas around it, each venue's documented way.

Binance: deltas that arrive before the REST snapshot are kept; when it comes, those that it contains
are dropped, the first that remains must cover its id + 1. Bybit: the subscription begins with the
snapshot. From then on every delta follows the last by the rule of its dialect (sequence.pxd); one
that does not is a gap, and the join starts over. `resync` says so, and what to do.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from enum import StrEnum
from itertools import islice
from struct import iter_unpack
from typing import NamedTuple

from core_ext.book import Book
from core_ext.codes import FRAME_FORMAT, Dialect, FramesFed, FrameTold, Kind, Outcome
from core_ext.errors import FrameRefused, NumberRefused
from core_ext.scan import BinanceScanner, BybitScanner, ScanResult, kind_of

WAITING_MAX = 8192
"""Frames kept while there is no snapshot (13 minutes at ten a second); older ones are dropped."""

OUTCOME = FrameTold._fields.index("outcome")


class Remedy(StrEnum):
    """How a book that lost its place is made whole again."""

    FETCH = "fetch"
    """A REST snapshot, given to `DepthJoin.snapshot`."""
    SUBSCRIBE = "subscribe"
    """A new subscription of the stream, which begins with a snapshot."""


class Resync(NamedTuple):
    """The event of a gap: the delta that did not follow, and the remedy.

    expected_id is the id after the book's last, 0 when the book had none."""

    expected_id: int
    first_id: int
    last_id: int
    remedy: Remedy


class DepthJoin:
    """One book and the frames that wait for its snapshot; counts applied, stale and gaps."""

    def __init__(
        self, book: Book, scanner: BinanceScanner | BybitScanner, waiting_max: int = WAITING_MAX
    ) -> None:
        self.book = book
        self.scanner = scanner
        self.applied = 0
        self.stale = 0
        self.gaps = 0
        self.needs_snapshot = True
        """True until a snapshot is joined, and again after a gap: the book must not be believed."""
        self.resync: Resync | None = None
        """Set by a gap, None again once the book has its snapshot."""
        self.remedy = Remedy.SUBSCRIBE if scanner.dialect == Dialect.BYBIT else Remedy.FETCH
        self._waiting: deque[tuple[bytes, int]] = deque(maxlen=waiting_max)

    def feed(self, frame: bytes, recv_ns: int = 0) -> ScanResult | None:
        """Reads one frame of this book's symbol; None when it is a delta kept for the snapshot.

        Raises FrameRefused or NumberRefused, nothing changed. An Outcome.GAP in the result means
        that `needs_snapshot` is true; `resync` says which delta did not follow.
        """
        fetched = self.remedy == Remedy.FETCH
        if self.needs_snapshot and fetched and kind_of(frame) == Kind.DEPTH:
            self._waiting.append((frame, recv_ns))
            return None
        last_id = self.book.last_update_id
        result = self.scanner.feed(self.book, frame)
        if result.outcome == Outcome.APPLIED:
            self.applied += 1
            if result.is_snapshot:
                self._joined()
        elif result.outcome == Outcome.STALE:
            self.stale += 1
        elif result.outcome == Outcome.GAP and not self.needs_snapshot:
            self.gaps += 1
            self.needs_snapshot = True
            self.resync = Resync(last_id + 1, result.first_id, result.last_id, self.remedy)
            if fetched:
                self._waiting.append((frame, recv_ns))
        return result

    def feed_many(self, arrived: Sequence[tuple[bytes, int]], rows: bytearray) -> FramesFed:
        """As `feed` for frames with their receive times in one call, while the book is in sync.

        `rows` and what is returned are those of Scanner.feed_many: behind the delta that is a gap
        it stops, and the caller feeds the rest one by one. ValueError while `needs_snapshot`.
        """
        if self.needs_snapshot:
            raise ValueError("a book without snapshot takes its frames one by one: see feed")
        try:
            fed = self.scanner.feed_many(self.book, [frame for frame, _ in arrived], rows)
        except (FrameRefused, NumberRefused) as error:
            before = islice(iter_unpack(FRAME_FORMAT, rows), error.frame)
            outcomes = [row[OUTCOME] for row in before]
            self.applied += outcomes.count(Outcome.APPLIED)
            self.stale += outcomes.count(Outcome.STALE)
            raise
        self.applied += fed.applied
        self.stale += fed.stale
        if fed.lost:
            # Read once more, alone: it says which ids do not follow, and the join starts over.
            self.feed(*arrived[fed.read - 1])
        return fed

    def snapshot(self, body: bytes) -> list[tuple[bytes, int]]:
        """Takes a REST snapshot; returns the kept (frame, recv_ns), which the caller feeds next.

        Raises FrameRefused, the book and the kept deltas unchanged. A snapshot older than all kept
        deltas shows as a gap while those are fed: `needs_snapshot` is then true again. TypeError
        for a venue that sends its snapshots in the stream.
        """
        if isinstance(self.scanner, BybitScanner):
            raise TypeError("Bybit's snapshots come in the stream: feed them as frames")
        self.scanner.load_snapshot(self.book, body)
        self._joined()
        kept = list(self._waiting)
        self._waiting.clear()
        return kept

    def reset(self) -> None:
        """Forgets book and kept deltas, after a reconnect."""
        self.book.clear()
        self._waiting.clear()
        self.needs_snapshot = True
        self.resync = None

    def _joined(self) -> None:
        self.needs_snapshot = False
        self.resync = None
