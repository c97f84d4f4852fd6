"""Ten million frames through ingest's actor: what its memory is after each million.

Frames, books, drop windows, bars and quotes as in the live process, on a clock that runs a
millisecond a frame; only sockets are missing. After the warm-up, in which windows and bars fill,
nothing may be kept: neither resident memory nor Python's blocks may grow.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable
from typing import Any, Final

import orjson

from bench.frame_server import Markets
from core_ext.codes import QuoteFlag
from core_ext.quote import unpack
from procs.ingest.actor import CONFLATE_NS, WATCH, WATCH_EVERY_NS, IngestActor
from procs.ingest.heard import FeedUp, InstrumentsFetched, SnapshotFetched
from procs.ingest.market import MarketLimits
from procs.runtime.watch import rss_mb
from shared.config.schema import Settings, policy_of
from shared.domain.effects import TimerFired
from shared.errors import SeawallError
from shared.units import NS_PER_MS, NS_PER_S
from shared.venues.feed.instruments import read_instruments

FRAMES: Final = 10_000_000
PARTS: Final = 10
SYMBOLS: Final = 10
WINDOW_NS: Final = 600 * NS_PER_S
"""Full within the first part, which is the warm-up."""
WANTED_MB: Final = 1.0
_GAPPED: Final = int(QuoteFlag.GAPPED)


class Flow:
    """Frames on their way into an actor."""

    def __init__(self) -> None:
        self.actor = IngestActor(
            policy_of(Settings(), 0.0, "bench"), MarketLimits(window_ns=WINDOW_NS)
        )
        self.now_ns = NS_PER_S
        self.quotes = 0
        self._markets = Markets(SYMBOLS)
        self._markets.streams = dict.fromkeys(self._markets.symbols, self)
        listed = orjson.dumps(self._markets.answer("exchangeInfo", {}))
        self.actor.on(InstrumentsFetched(read_instruments(listed)), self.now_ns)
        self.actor.on_link(FeedUp(tuple(self._markets.symbols)), self.now_ns)
        self.actor.take_fetches()
        for symbol, market in self.actor.markets.items():
            body = orjson.dumps(self._markets.answer("depth", {"symbol": [symbol]}))
            self.actor.on(SnapshotFetched(symbol, market.generation, body), self.now_ns)
        self._last = b""
        self._take()

    def pour(self, count: int) -> None:
        """So many frames, with the flushes and looks that fall due."""
        actor, say = self.actor, self._markets.say_next
        flush_every, watch_every = CONFLATE_NS // NS_PER_MS, WATCH_EVERY_NS // NS_PER_MS
        for number in range(1, count + 1):
            self.now_ns += NS_PER_MS
            say()
            if not number % flush_every and actor.has_dirty:
                actor.flush(self.now_ns)
            if not number % watch_every:
                actor.on(TimerFired(WATCH), self.now_ns)
                actor.take_fetches()  # Nobody answers, so it asks again every minute.
            if actor.quotes:
                self._take()

    def send(self, kind: Any, frame: bytes) -> None:
        """Stands for a connection: the frame is in the actor's hands."""
        self.actor.on_frame(frame, self.now_ns)

    def check(self) -> None:
        """All books are in step. Raises SeawallError."""
        figures = self.actor.figures()
        if (
            figures["synced"] != SYMBOLS
            or figures["malformed"]
            or unpack(self._last).flags & _GAPPED
        ):
            raise SeawallError(f"bench flat: books are not in step: {figures}")

    def _take(self) -> None:
        quotes = self.actor.take_quotes()
        if quotes:
            self.quotes += len(quotes)
            self._last = quotes[-1]


def run(json_output: bool = False, frames: int = FRAMES) -> list[dict[str, Any]]:
    """Measures and returns one row {name, unit, p50, p99, p999, ratio_to, wanted, operation}.

    Growth of resident memory since the warm-up: p50 at the end, p99 and p999 at its highest;
    `wanted` is at most, `blocks` are Python's. Prints a table unless json_output. Raises
    SeawallError when frames were not applied."""
    flow = Flow()
    part = frames // PARTS
    print(f"bench flat: {frames:,} frames, the first {part:,} warm up", file=sys.stderr)
    flow.pour(part)
    gc.collect()
    gc.freeze()
    quotes, blocks, before_mb = flow.quotes, sys.getallocatedblocks(), rss_mb()
    grown = []
    for _ in range(PARTS - 1):
        flow.pour(part)
        grown.append(rss_mb() - before_mb)
    gc.unfreeze()
    flow.check()
    highest = round(max(grown), 2)
    row = {
        "name": "flat_memory_growth",
        "unit": "MB",
        "p50": round(grown[-1], 2),
        "p99": highest,
        "p999": highest,
        "ratio_to": {},
        "wanted": WANTED_MB,
        "operation": f"resident memory after {part * (PARTS - 1):,} frames and "
        f"{flow.quotes - quotes:,} quotes of {SYMBOLS} symbols, less that before them",
        "samples": part * (PARTS - 1),
        "blocks": sys.getallocatedblocks() - blocks,
        "rss_mb": round(before_mb, 1),
    }
    if not json_output:
        print_rows([row])
    return [row]


def print_rows(rows: Iterable[dict[str, Any]]) -> None:
    """A plain table."""
    for row in rows:
        print(
            f"{row['name']}: {row['p50']:g} MB at the end, {row['p99']:g} MB at most "
            f"(wanted: {row['wanted']:g}), {row['blocks']} blocks, of {row['rss_mb']:g} MB"
        )
        print(f"  {row['operation']}")


if __name__ == "__main__":
    run()
