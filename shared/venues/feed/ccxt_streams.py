"""The streams of a venue behind ccxt: a watch for every symbol, and the tap that hears them all.

A watch is only a subscription: what comes is taken at the tap, so a watch waits until something is
wrong. Then its symbol is down, and it watches anew with growing pauses.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import takewhile
from typing import Any, Final

from ccxt.base.errors import InvalidNonce, NotSupported

from shared.units import NS_PER_S
from shared.venues.feed.ccxt_book import VenueBook, VenueTrades
from shared.venues.feed.ccxt_client import RAISED, end_connection, is_unsubscribed
from shared.venues.feed.ccxt_dialects import Update, VenueRow, text_of_float
from shared.venues.feed.pauses import Pauses
from shared.venues.feed.port import FeedHandler, FeedStart

LOOK_EVERY_S: Final = 0.25
SUBSCRIPTION_S: Final = 0.25
"""ccxt takes at most so long for each, to keep within a venue's limits."""
FETCH_PAUSE_S: Final = 0.5
RAW_MAX: Final = 512
"""So much of a malformed frame is handed on."""
MALFORMED: Final = b"malformed: "
"""Before a frame that cannot be read, whose quotes are changed too: nothing that a venue sends can
be taken for a frame of ours."""


class _Kept:
    """A symbol while it is watched."""

    def __init__(self, book: VenueBook, trades: VenueTrades) -> None:
        self.book = book
        self.trades = trades
        self.symbol = book.symbol
        self.up = False
        self.client: Any = None
        """ccxt's connection that its book came through."""
        self.renewing = False
        """Whether its watch is being made again, and no book has come since."""
        self.dropped = False
        """Whether we gave its watch up."""
        self.told = False
        """Whether the failure that its watch is about to hear of was told already."""
        self.is_raw = False
        """Whether its book is made of the venue's own messages, not of ccxt's."""
        self.fetching = False
        self.source: Any = None
        """The connection whose updates wait for a fetched snapshot."""
        self.watch: asyncio.Future[Any] | None = None
        self.last_trade: Any = None


class CcxtStreams:
    """Implements `ccxt_client.Tap`."""

    def __init__(self, row: VenueRow | None, start: FeedStart) -> None:
        self.stalls = 0
        self.malformed_frames = 0
        self._row = row
        self._clock = start.clock
        self._limits = start.limits
        self._exchange: Any = None
        self._handler: FeedHandler | None = None
        self._kept: dict[str, _Kept] = {}
        self._by_market: dict[str, _Kept] = {}
        self._data_ns: dict[Any, tuple[int, int]] = {}
        """When a connection first and last brought data, by connection."""
        self._numbers: dict[Any, int] = {}
        self._stall_s = start.limits.stall_s
        # Connecting, asking, and a snapshot by REST.
        self._first_book_s = start.limits.connect_s + start.limits.acknowledge_s + start.timeout_s
        self._failure: BaseException | None = None
        self._woken = asyncio.Event()
        self._refused: dict[str, list[str]] = {}
        """Symbols that could not be watched by reason, until the next look."""
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def holes(self) -> int:
        """Holes found by our own checks."""
        return sum(kept.book.gaps for kept in self._kept.values())

    def attach(
        self,
        exchange: Any,
        handler: FeedHandler,
        books: Sequence[VenueBook],
        trades: Sequence[VenueTrades],
    ) -> None:
        """Whose messages are whose; nothing is watched yet."""
        self._exchange, self._handler = exchange, handler
        for book, its_trades in zip(books, trades, strict=True):
            kept = self._kept[book.symbol] = _Kept(book, its_trades)
            named_by_id = self._row is not None and self._row.names == "id"
            market = exchange.market(book.symbol)
            self._by_market[market["id"] if named_by_id else book.symbol] = kept

    async def run(self) -> None:
        """Watches what was attached until cancelled. Raises only what the handler raised."""
        try:
            async with asyncio.TaskGroup() as group:
                for kept in self._kept.values():
                    group.create_task(self._keep(kept))
                    if self._exchange.has.get("watchTrades"):
                        group.create_task(self._keep_trades(kept))
                group.create_task(self._look())
        finally:
            self._handler = None
            for task in self._tasks:
                task.cancel()

    async def resubscribe(self, symbol: str) -> None:
        """Makes a snapshot come again; raises what ccxt raises, TimeoutError."""
        kept = self._kept[symbol]
        if not kept.up or kept.renewing:
            # It is being subscribed anew already, with a snapshot at its beginning.
            return
        kept.book.restart()
        if self._row is not None and self._row.snapshots == "fetched":
            self._fetch_soon(kept)
            return
        await self._unwatch(kept)

    # ---- ccxt_client.Tap

    def take(self, client: Any, message: Any, raw: str | bytes) -> bool:
        """Books of a known dialect are ours."""
        row = self._row
        if row is None or self._handler is None or not isinstance(message, dict):
            return False
        if row.connection_number is not None:
            self._count(client, row.connection_number(message))
        updates = row.read(message)
        if updates is None:
            return False
        if row.numbers_are_bare:
            updates = row.read(_exactly(raw)) or ()
        strange = False
        for update in updates:
            kept = self._by_market.get(update.market)
            if kept is None:
                strange = True
                continue
            kept.is_raw = True
            try:
                self._hand_on(kept, client, kept.book.take(update))
            except ValueError as error:
                self._hand_on(kept, client, kept.book.lose(str(error)))
                raise
            if kept.book.wants_snapshot:
                kept.source = client
                self._fetch_soon(kept)
        # A market that we do not know by that name: ccxt may know which one it is.
        return not strange

    def take_book(self, client: Any, topic: str, book: Mapping[str, Any]) -> bool:
        """ccxt's unified book of a symbol that is watched."""
        # A market with two names: the topic ends in the one that was asked for.
        asked_for = topic.rsplit(":", 1)[-1]
        kept = self._kept.get(book.get("symbol") or "") or self._kept.get(asked_for)
        if kept is None or self._handler is None:
            return False
        if kept.is_raw:
            return True
        event_ms = book.get("timestamp") or 0
        frames = kept.book.take_whole(book["bids"], book["asks"], int(event_ms))
        self._hand_on(kept, client, frames)
        return True

    def take_trades(self, client: Any, topic: str, trades: Any) -> None:
        """The trades of a cache that are new."""
        newest = trades[-1] if len(trades) else None
        if not isinstance(newest, dict) or self._handler is None:
            return
        symbol = newest.get("symbol") or ""
        kept = self._kept.get(symbol)
        if kept is None:
            return
        last = kept.last_trade
        kept.last_trade = newest
        if last is None:
            # What a subscription begins with is the past: its end is the last price.
            fresh = [newest]
        else:
            fresh = list(takewhile(lambda trade: trade is not last, reversed(trades)))
            fresh = [trade for trade in reversed(fresh) if trade.get("symbol") == symbol]
        if fresh and kept.up:
            self._heard(client)
            self._say(kept.trades.frame(fresh))

    def malformed(self, data: Any, reason: str) -> None:
        """Counted and noted by the listener, as every frame that cannot be read."""
        self.malformed_frames += 1
        raw = data.encode("utf-8", "replace") if isinstance(data, str) else bytes(data or b"")
        text = reason.encode("utf-8", "replace") + b": " + raw[:RAW_MAX]
        self._say(MALFORMED + text.replace(b'"', b"'"))

    def down(self, client: Any, reason: str) -> None:
        """All symbols of a connection are down; those that never were say so by themselves."""
        self._data_ns.pop(client, None)
        self._numbers.pop(client, None)
        kepts = self._kept.values()
        self._fall([kept for kept in kepts if client in (kept.client, kept.source)], reason)

    # ---- watching

    async def _keep(self, kept: _Kept) -> None:
        """Watches one book for as long as the feed runs."""
        depth = (self._row.depth if self._row is not None else 0) or None
        pauses = Pauses(self._limits)
        while True:
            began_ns = self._clock.now_ns()
            question = self._exchange.watch_order_book(kept.symbol, depth)
            error = await self._watched(kept, question)
            if error is None or (kept.renewing and is_unsubscribed(error)):
                # Subscribed anew at once: the venue answers with a snapshot.
                await asyncio.sleep(0)
                continue
            if kept.told:
                kept.told = False
            elif not kept.up:
                self._refused.setdefault(_said(error), []).append(kept.symbol)
            elif isinstance(error, InvalidNonce) and not kept.is_raw:
                # ccxt gave its book up; other refusals may be meant for other symbols.
                kept.renewing = True
                for frame in kept.book.lose(_said(error)):
                    self._say(frame)
            await pauses.after(self._clock.now_ns() - began_ns)

    async def _watched(self, kept: _Kept, question: Awaitable[Any]) -> BaseException | None:
        """Waits until a watch of a book is over: why it failed, None when it did not."""
        watch = kept.watch = asyncio.ensure_future(question)
        kept.dropped = False
        try:
            # ccxt paces subscriptions: the last of many is sent long after it was asked for.
            patience_s = self._first_book_s + SUBSCRIPTION_S * len(self._kept)
            while not (await asyncio.wait({watch}, timeout=patience_s))[0]:
                if not kept.up or kept.renewing:
                    await self._unwatch(kept)
                    return TimeoutError(f"no book within {patience_s:.0f} s")
            if watch.cancelled():
                return None if kept.dropped else ConnectionError("closed by ccxt")
            watch.result()
        except RAISED as error:
            return error
        finally:
            watch.cancel()
            kept.watch = None
        return None

    async def _keep_trades(self, kept: _Kept) -> None:
        """Watches one market's trades; without them there are no bars, but there is a book."""
        pauses = Pauses(self._limits)
        while True:
            began_ns = self._clock.now_ns()
            watch = asyncio.ensure_future(self._exchange.watch_trades(kept.symbol))
            try:
                await asyncio.wait({watch})
            finally:
                watch.cancel()
            if not watch.cancelled() and (error := watch.exception()) is not None:
                if not isinstance(error, RAISED):
                    raise error
                if isinstance(error, NotSupported):
                    return
            await pauses.after(self._clock.now_ns() - began_ns)

    async def _unwatch(self, kept: _Kept) -> None:
        """Ends a subscription, so that the next watch is a new one; where ccxt cannot, or the venue
        does not agree, the connection ends."""
        client = kept.client
        kept.renewing = True
        try:
            if not self._exchange.has.get("unWatchOrderBook"):
                raise NotSupported("no unsubscription of books")
            async with asyncio.timeout(self._limits.acknowledge_s):
                await self._exchange.un_watch_order_book(kept.symbol)
        except RAISED as error:
            reason = f"{kept.symbol} is subscribed anew: {_said(error)}"
            # Without a book nobody knows which connection it is: one that never brought anything.
            mute = [one for one in self._exchange.clients.values() if one not in self._data_ns]
            for one in mute if client is None else [client]:
                await end_connection(one, reason)
        if kept.watch is not None:
            kept.dropped = True
            kept.watch.cancel()

    def _fetch_soon(self, kept: _Kept) -> None:
        if not kept.fetching:
            kept.fetching = True
            task = asyncio.get_running_loop().create_task(self._fetch(kept))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _fetch(self, kept: _Kept) -> None:
        """Asks for a snapshot until one joins the updates that are held."""
        pause_s = FETCH_PAUSE_S
        source = kept.source
        try:
            while source is kept.source and not kept.book.ready:
                try:
                    book = await self._exchange.fetch_order_book(kept.symbol)
                    if source is not kept.source:
                        # Its stream has ended meanwhile; the next one asks for itself.
                        return
                    frames = kept.book.join(_fetched(kept.symbol, book))
                except RAISED as error:
                    self.malformed("", f"snapshot of {kept.symbol}: {_said(error)}")
                    frames = []
                if kept.book.ready:
                    self._hand_on(kept, source, frames)
                    return
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, self._limits.backoff_max_s)
        finally:
            kept.fetching = False

    async def _look(self) -> None:
        """Ends connections that bring nothing, whatever they answer to pings, and says together
        what failed together."""
        while self._failure is None:
            refused, self._refused = self._refused, {}
            for reason, symbols in refused.items():
                self._tell_down(tuple(dict.fromkeys(symbols)), reason)
            now_ns = self._clock.now_ns()
            for client, (first_ns, last_ns) in list(self._data_ns.items()):
                quiet_s = (now_ns - last_ns) / NS_PER_S
                if quiet_s < self._stall_s:
                    continue
                self.stalls += 1
                # A market in which nothing happens is not cured by connecting again and again.
                lived = (last_ns - first_ns) / NS_PER_S >= self._limits.stall_s
                longer_s = min(self._stall_s * 2, self._limits.stall_max_s)
                self._stall_s = self._limits.stall_s if lived else longer_s
                self._data_ns.pop(client, None)
                await end_connection(client, f"no data for {quiet_s:.1f} s")
            try:
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._woken.wait()
            except TimeoutError:
                continue
        raise self._failure

    # ---- telling

    def _tell(self, what: Callable[[FeedHandler], None]) -> None:
        """Calls the handler."""
        if self._handler is None or self._failure is not None:
            return
        try:
            what(self._handler)
        except Exception as error:  # noqa: BLE001
            # Whatever the handler raises: `_look` raises it again and so ends `run`; here it would
            # count as a frame that cannot be read, or end ccxt's receive loop.
            self._failure = error
            self._woken.set()

    def _tell_down(self, symbols: tuple[str, ...], reason: str) -> None:
        self._tell(lambda to: to.on_down(symbols, reason))

    def _say(self, frame: bytes) -> None:
        now_ns = self._clock.now_ns()
        self._tell(lambda to: to.on_data(frame, now_ns))

    def _heard(self, client: Any) -> None:
        now_ns = self._clock.now_ns()
        first_ns, _ = self._data_ns.get(client, (now_ns, now_ns))
        self._data_ns[client] = (first_ns, now_ns)

    def _hand_on(self, kept: _Kept, client: Any, frames: Iterable[bytes]) -> None:
        self._heard(client)
        if kept.book.ready:
            kept.renewing = False
            kept.client = client
            if not kept.up:
                kept.up = True
                self._tell(lambda to: to.on_up((kept.symbol,)))
        for frame in frames:
            self._say(frame)

    def _fall(self, lost: Iterable[_Kept], reason: str) -> None:
        was_up = []
        for kept in lost:
            kept.book.restart()
            kept.client = kept.source = kept.last_trade = None
            kept.renewing = False
            if kept.up:
                kept.up = False
                kept.told = True
                was_up.append(kept.symbol)
        if was_up:
            self._tell_down(tuple(was_up), reason)

    def _count(self, client: Any, number: int | None) -> None:
        if number is None:
            return
        last = self._numbers.get(client)
        self._numbers[client] = number
        if last is not None and number != last + 1:
            for kept in self._kept.values():
                if kept.client is client:
                    why = f"message {number} of the connection, the last was {last}"
                    self._hand_on(kept, client, kept.book.lose(why))


def _exactly(raw: str | bytes) -> Any:
    """The message again, its numbers with all their digits."""
    return json.loads(raw, parse_float=str)


def _fetched(symbol: str, book: Mapping[str, Any]) -> Update:
    number = book.get("nonce")
    if number is None:
        raise ValueError("a snapshot without a number cannot be joined")
    sides = [
        [(text_of_float(level[0]), text_of_float(level[1])) for level in book[name]]
        for name in ("bids", "asks")
    ]
    return Update(symbol, True, sides[0], sides[1], int(book.get("timestamp") or 0), last=number)


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:200]
