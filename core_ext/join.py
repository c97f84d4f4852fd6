"""Joins a depth snapshot with the deltas around it, Binance's documented way.

Deltas that arrive before the snapshot are kept; when it comes, those that it contains are dropped,
the first that remains must cover its id + 1, and from then on every delta starts where the last
ended. A gap starts over: the deltas are kept again until the caller brings a new snapshot.
"""

from __future__ import annotations

from collections import deque

from core_ext.book import Book
from core_ext.codes import Kind, Outcome
from core_ext.scan import BinanceScanner, ScanResult, kind_of

WAITING_MAX = 8192
"""Frames kept while there is no snapshot (13 minutes at ten a second); older ones are dropped."""


class DepthJoin:
    """One book and the frames that wait for its snapshot; counts applied, stale and gaps."""

    def __init__(self, book: Book, scanner: BinanceScanner, waiting_max: int = WAITING_MAX) -> None:
        self.book = book
        self.scanner = scanner
        self.applied = 0
        self.stale = 0
        self.gaps = 0
        self.needs_snapshot = True
        """True until a snapshot is joined, and again after a gap: the caller fetches one."""
        self._waiting: deque[tuple[bytes, int]] = deque(maxlen=waiting_max)

    def feed(self, frame: bytes, recv_ns: int = 0) -> ScanResult | None:
        """Reads one frame of this book's symbol; None when it is a delta kept for the snapshot.

        Raises FrameRefused or NumberRefused, nothing changed. An Outcome.GAP in the result means
        that `needs_snapshot` has just become true.
        """
        if self.needs_snapshot and kind_of(frame) == Kind.DEPTH:
            self._waiting.append((frame, recv_ns))
            return None
        result = self.scanner.feed(self.book, frame)
        if result.outcome == Outcome.APPLIED:
            self.applied += 1
        elif result.outcome == Outcome.STALE:
            self.stale += 1
        elif result.outcome == Outcome.GAP:
            self.gaps += 1
            self.needs_snapshot = True
            self._waiting.append((frame, recv_ns))
        return result

    def snapshot(self, body: bytes) -> list[tuple[bytes, int]]:
        """Takes a REST snapshot; returns the kept (frame, recv_ns), which the caller feeds next.

        Raises FrameRefused, the book and the kept deltas unchanged. A snapshot older than all kept
        deltas shows as a gap while those are fed: `needs_snapshot` is then true again.
        """
        self.scanner.load_snapshot(self.book, body)
        self.needs_snapshot = False
        kept = list(self._waiting)
        self._waiting.clear()
        return kept

    def reset(self) -> None:
        """Forgets book and kept deltas, after a reconnect."""
        self.book.clear()
        self._waiting.clear()
        self.needs_snapshot = True
