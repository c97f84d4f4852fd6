"""Ingest's outside: the venue's feed around the actor, and the quotes' socket.

Frames go from the stream straight into the actor, and quotes from it straight to the socket; all
else comes as messages through the live loop. Ingest holds no keys, and asks within its share of the
rate budget.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, ClassVar, Final

from core_ext.join import Remedy
from procs.ingest.actor import CONFLATE_NS, IngestActor
from procs.ingest.heard import (
    Bar,
    CandlesFetched,
    FeedDown,
    FeedUp,
    Fetch,
    FetchDepth,
    FetchFailed,
    FetchPaced,
    InstrumentsFetched,
    SnapshotFetched,
    VolumesFetched,
)
from procs.ingest.universe import choose
from procs.runtime.launch import Launch
from procs.runtime.loop import Runtime
from procs.runtime.shell import Shell
from shared.config.schema import policy_of
from shared.domain.capability import BINANCE_SPOT
from shared.domain.instrument import Instrument
from shared.errors import VenueError
from shared.units import NS_PER_S
from shared.venues.feed.choose import open_feed
from shared.venues.feed.port import FeedLimits, FeedStart, RestError

VOLUMES_EVERY_S: Final = 60.0
INSTRUMENTS_EVERY_S: Final = 300.0
FETCHERS: Final = 4
"""Questions under way at once."""
RETRY_MIN_S: Final = 0.5
RETRY_MAX_S: Final = 30.0
CANDLE_TRIES: Final = 4
"""After so many the actor asks again by itself, a minute later."""


class IngestShell(Shell):
    """Streams, questions and quotes of one venue."""

    role: ClassVar[str] = "ingest"

    def __init__(self, launch: Launch, feed_limits: FeedLimits | None = None) -> None:
        super().__init__(launch)
        settings = launch.settings
        self._named = launch.symbols or settings.universe.symbols
        self._quote = settings.universe.quote
        self._max_symbols = settings.universe.max_symbols
        self._clock = launch.clock()
        self._feed = open_feed(
            FeedStart(
                venue=settings.venue.name,
                clock=self._clock,
                rest=launch.venue_rest,
                ws=launch.venue_ws,
                testnet=settings.engine.mode == "testnet",
                timeout_s=2 * settings.venue.timeout_ms / 1000,
                limits=FeedLimits() if feed_limits is None else feed_limits,
                on_wait=self._on_wait,
            )
        )
        self._actor = IngestActor(
            policy_of(settings, BINANCE_SPOT.fence_s, launch.config_hash),
            priority=settings.universe.priority,
            frames=self._feed.frames,
        )
        self._questions: asyncio.Queue[Fetch] = asyncio.Queue()
        self._flush_armed = False
        self._runtime: Runtime | None = None

    # ---- procs.runtime.shell.Shell

    def build(self) -> IngestActor:
        """The actor."""
        return self._actor

    def tasks(self, runtime: Runtime) -> Iterable[Coroutine[Any, Any, None]]:
        """Everything that talks to the venue, under one roof."""
        self._runtime = runtime
        return (self._run(),)

    def after_turn(self, actor: Any, now_ns: int) -> None:
        """What a turn left to say and to ask goes out."""
        self._let_out()

    def figures(self) -> dict[str, float]:
        """Counters of the streams."""
        return {
            **self._feed.figures(),
            "questions_waiting": self._questions.qsize(),
        }

    def report(self) -> dict[str, Any]:
        """The same at the end."""
        return dict(self.figures())

    async def close(self) -> None:
        """The sockets close now: a flush that is still due says nothing any more."""
        self._runtime = None

    # ---- shared.venues.feed.port.FeedHandler

    def on_data(self, frame: bytes, now_ns: int) -> None:
        """The hot path: a frame in, perhaps a quote out."""
        actor = self._actor
        actor.on_frame(frame, now_ns)
        if actor.quotes or actor.fetches:
            self._let_out()
        if actor.has_dirty and not self._flush_armed:
            self._flush_armed = True
            asyncio.get_running_loop().call_later(CONFLATE_NS / NS_PER_S, self._flush)

    def on_up(self, symbols: tuple[str, ...]) -> None:
        """The stream is subscribed; what follows is read as its, not as what was before."""
        self._actor.on_link(FeedUp(symbols), self._clock.now_ns())
        self._let_out()

    def on_down(self, symbols: tuple[str, ...], reason: str) -> None:
        """The stream is lost."""
        self._actor.on_link(FeedDown(symbols, reason), self._clock.now_ns())
        self._let_out()

    # ---- inside

    def _on_wait(self, wait_s: float) -> None:
        self._deliver(FetchPaced(wait_s))

    def _deliver(self, message: Any) -> None:
        assert self._runtime is not None
        self._runtime.deliver(message)

    def _flush(self) -> None:
        self._flush_armed = False
        self._actor.flush(self._clock.now_ns())
        self._let_out()

    def _let_out(self) -> None:
        actor = self._actor
        if actor.quotes and self._runtime is not None:
            publish = self._runtime.publish
            for quote in actor.take_quotes():
                publish(quote)
        if actor.fetches:
            for fetch in actor.take_fetches():
                delay_ms = fetch.delay_ms if isinstance(fetch, FetchDepth) else 0
                self._ask_later(fetch, delay_ms / 1000)

    def _ask_later(self, fetch: Fetch, delay_s: float) -> None:
        if delay_s > 0:
            loop = asyncio.get_running_loop()
            loop.call_later(delay_s, self._questions.put_nowait, fetch)
        else:
            self._questions.put_nowait(fetch)

    async def _run(self) -> None:
        instruments = await self._universe()
        symbols = tuple(instrument.symbol for instrument in instruments)
        self._deliver(InstrumentsFetched(instruments))
        while not self._actor.markets:
            await asyncio.sleep(0.01)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._feed.run(symbols, self))
            for _ in range(FETCHERS):
                group.create_task(self._fetch_forever())
            group.create_task(self._refresh_volumes(symbols))
            group.create_task(self._refresh_instruments(symbols))

    async def _universe(self) -> tuple[Instrument, ...]:
        """The instruments to watch; asked until the venue answers. VenueError when it says no,
        ConfigError when it does not know a symbol that was named."""
        pause_s = RETRY_MIN_S
        while True:
            try:
                found = await self._feed.instruments(self._named, self._quote)
                volumes: dict[str, float] = {}
                if not self._named and len(found) > self._max_symbols:
                    volumes = await self._feed.quote_volumes()
                return choose(found, self._named, self._quote, self._max_symbols, volumes)
            except RestError as error:
                self._deliver(FetchFailed("exchangeInfo", str(error), pause_s))
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, RETRY_MAX_S)

    async def _refresh_volumes(self, symbols: tuple[str, ...]) -> None:
        while True:
            pause_s = VOLUMES_EVERY_S
            try:
                self._deliver(VolumesFetched(await self._feed.quote_volumes(symbols)))
            except RestError as error:
                pause_s = RETRY_MAX_S / 6
                self._deliver(FetchFailed("ticker/24hr", str(error), pause_s))
            await asyncio.sleep(pause_s)

    async def _refresh_instruments(self, symbols: tuple[str, ...]) -> None:
        while True:
            await asyncio.sleep(INSTRUMENTS_EVERY_S)
            try:
                self._deliver(InstrumentsFetched(await self._feed.refresh_instruments(symbols)))
            except (RestError, VenueError) as error:
                self._deliver(FetchFailed("exchangeInfo", str(error), INSTRUMENTS_EVERY_S))

    async def _fetch_forever(self) -> None:
        while True:
            fetch = await self._questions.get()
            if isinstance(fetch, FetchDepth):
                await self._fetch_depth(fetch)
            else:
                await self._fetch_candles(fetch.symbol, fetch.minutes)

    async def _fetch_depth(self, fetch: FetchDepth) -> None:
        """Asks until there is an answer, or until the actor asked anew or lost the stream, or the
        snapshot came by itself."""
        pause_s = RETRY_MIN_S
        while self._actor.waits_for(fetch):
            try:
                if self._feed.remedy is Remedy.SUBSCRIBE:
                    await self._feed.resubscribe(fetch.symbol)
                    return
                body = await self._feed.depth(fetch.symbol)
            except RestError as error:
                self._deliver(FetchFailed(f"depth {fetch.symbol}", str(error), pause_s))
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, RETRY_MAX_S)
                continue
            self._deliver(SnapshotFetched(fetch.symbol, fetch.generation, body))
            return

    async def _fetch_candles(self, symbol: str, minutes: int) -> None:
        pause_s = RETRY_MIN_S
        for tries_left in range(CANDLE_TRIES - 1, -1, -1):
            try:
                candles = await self._feed.candles(symbol, minutes)
            except RestError as error:
                retry_s = pause_s if tries_left else 0.0
                self._deliver(FetchFailed(f"klines {symbol}", str(error), retry_s))
                await asyncio.sleep(retry_s)
                pause_s *= 2
                continue
            self._deliver(CandlesFetched(symbol, tuple(Bar(*candle) for candle in candles)))
            return
