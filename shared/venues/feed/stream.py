"""One stream of a venue's market data that stays up: subscribe, ping, watch, replace, reconnect.

A connection is replaced before it is closed when it grows old or the venue announces a shutdown;
it is dropped when no data come, whatever it answers to pings. Frames are handed on as bytes with
the engine time of their arrival; what they mean is not looked at here, how the venue is spoken to
stands in its dialect.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from core_ext.join import Remedy
from shared.clock import EngineClock
from shared.units import NS_PER_S
from shared.venues.feed.dialect import FeedDialect
from shared.venues.feed.link import FeedError, Link, RefusedError
from shared.venues.feed.pauses import Pauses
from shared.venues.feed.port import FeedHandler, FeedLimits
from shared.venues.feed.websocket import connect


class FeedStream:
    """The data of some symbols, over one connection at a time (two while it is replaced)."""

    def __init__(
        self,
        dialect: FeedDialect,
        base_url: str,
        symbols: Sequence[str],
        handler: FeedHandler,
        clock: EngineClock,
        limits: FeedLimits | None = None,
    ) -> None:
        self.symbols = tuple(symbols)
        self.reconnects = 0
        self.rotations = 0
        self.stalls = 0
        self._dialect = dialect
        self._keeps = dialect.remedy is Remedy.SUBSCRIBE
        self._link: Link | None = None
        self._asking = asyncio.Lock()
        self._url = base_url.rstrip("/") + dialect.ws_path
        self._handler = handler
        self._clock = clock
        self._limits = FeedLimits() if limits is None else limits
        self._rotate_s = self._limits.rotate_s or dialect.rotate_s
        pings = bool(dialect.manners.ping)
        self._ping_s = (self._limits.ping_s or dialect.manners.ping_s) if pings else 0.0

    async def run(self) -> None:
        """Keeps the stream up until cancelled. Raises only what the handler raised."""
        limits = self._limits
        pauses = Pauses(limits)
        stall_s = limits.stall_s
        while True:
            try:
                link = await self._open()
            except (FeedError, OSError) as error:
                self._handler.on_down(self.symbols, f"not connected: {error or type(error)}")
                await pauses.after()
                continue
            opened_ns = self._clock.now_ns()
            self._link = link
            try:
                self._handler.on_up(self.symbols)
                link.release()
                link, reason = await self._serve(link, stall_s)
            finally:
                self._link.drop()
                self._link = None
            if link.failure is not None:
                raise link.failure
            self.reconnects += 1
            self._handler.on_down(self.symbols, reason)
            # A market in which nothing happens is not cured by connecting again and again.
            stall_s = limits.stall_s if link.had_data else min(stall_s * 2, limits.stall_max_s)
            await pauses.after(self._clock.now_ns() - opened_ns)

    async def resubscribe(self, symbol: str) -> None:
        """Drops and adds the topic of one symbol's book: the venue answers with a snapshot. Raises
        FeedError or TimeoutError when it did not agree, or there is no connection now."""
        topic = [self._dialect.book_topic(symbol)]
        pause_s = 1 / self._dialect.messages_per_s
        async with self._asking:
            link = self._link
            if link is None:
                raise FeedError("not connected")
            with contextlib.suppress(RefusedError):
                # Not subscribed is what was wanted: an earlier try got half way.
                await link.ask(False, topic, self._limits.acknowledge_s)
            await asyncio.sleep(pause_s)
            await link.ask(True, topic, self._limits.acknowledge_s)
            await asyncio.sleep(pause_s)

    async def _serve(self, link: Link, stall_s: float) -> tuple[Link, str]:
        """Watches a connection, and its successors, until one ends; (the last one, why)."""
        limits = self._limits
        rotate_at_ns = link.opened_ns + int(self._rotate_s * NS_PER_S)
        while True:
            now_ns = self._clock.now_ns()
            if link.closed.done():
                return link, link.closed.result()
            quiet_s = (now_ns - link.data_ns) / NS_PER_S
            if quiet_s >= stall_s:
                self.stalls += 1
                return link, f"no data for {quiet_s:.1f} s"
            if link.leaving or now_ns >= rotate_at_ns:
                successor = await self._replace(link)
                if successor is not None:
                    link = self._link = successor
                    rotate_at_ns = link.opened_ns + int(self._rotate_s * NS_PER_S)
                    continue
                link.leaving = False
                rotate_at_ns = self._clock.now_ns() + int(limits.rotate_retry_s * NS_PER_S)
                continue
            until_rotation_s = (rotate_at_ns - now_ns) / NS_PER_S
            await link.woken(min(stall_s - quiet_s, until_rotation_s) + 0.001)

    async def _replace(self, link: Link) -> Link | None:
        """Make before break: the successor is subscribed before the old one is closed.

        Where snapshots come in the stream, its frames wait until the old one is silent: a snapshot
        among frames that are newer would turn the book back.
        """
        try:
            successor = await self._open()
        except (FeedError, OSError):
            return None
        self.rotations += 1
        if link.closed.done():
            # There was a hole between the two after all.
            self._handler.on_down(self.symbols, link.closed.result())
            self._handler.on_up(self.symbols)
        else:
            try:
                await asyncio.wait({link.closed}, timeout=self._limits.overlap_s)
            except asyncio.CancelledError:
                successor.drop()
                raise
        link.drop()
        if link.failure is not None:
            successor.failure = link.failure
            successor.end("the handler failed")
        successor.release()
        return successor

    async def _open(self) -> Link:
        """A connected and subscribed link, or one at whose data the handler failed meanwhile.
        Raises FeedError or OSError (TimeoutError)."""
        limits = self._limits
        manners = self._dialect.manners
        link = await connect(
            lambda: Link(self._handler.on_data, self._clock, manners, self._keeps),
            self._url,
            limits.connect_s,
        )
        if self._ping_s:
            link.ping_every(self._ping_s)
        try:
            await self._subscribe(link)
        except FeedError:
            link.drop()
            # To connect again and again would hide what the handler raised; `run` raises it.
            if link.failure is None:
                raise
        except BaseException:  # Raised on, whatever it is: nobody would close the link any more.
            link.drop()
            raise
        return link

    async def _subscribe(self, link: Link) -> None:
        dialect = self._dialect
        topics = [topic for symbol in self.symbols for topic in dialect.topics_of(symbol)]
        size = dialect.topics_per_message
        for start in range(0, len(topics), size):
            if start:
                await asyncio.sleep(1 / dialect.messages_per_s)
            some = topics[start : start + size]
            try:
                await link.ask(True, some, self._limits.acknowledge_s)
            except RefusedError:
                if not dialect.refuses_whole or len(some) == 1:
                    raise
                await self._subscribe_singly(link, some)

    async def _subscribe_singly(self, link: Link, topics: list[str]) -> None:
        """One request each, after one for all was refused: a market that is no longer listed must
        not silence the others. Raises the last RefusedError when all are refused."""
        agreed = 0
        refusal = RefusedError("nothing to subscribe to")
        for topic in topics:
            await asyncio.sleep(1 / self._dialect.messages_per_s)
            try:
                await link.ask(True, [topic], self._limits.acknowledge_s)
                agreed += 1
            except RefusedError as error:
                refusal = error
        if not agreed:
            raise refusal
