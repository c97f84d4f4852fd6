"""ccxt.pro and the native feed at the same local venue: the same book at the same update.

`binance` through ccxt stands for a venue without a known dialect: its unified book is followed.
`binanceus` is a known one whose snapshot is fetched and joined.
"""

import asyncio

import pytest
from local_venue import running_local_venue
from okx_server import Listener, until, watching

from core_ext.book import Book
from core_ext.join import DepthJoin
from core_ext.scan import BinanceScanner, symbol_of
from shared.clock import EngineClock
from shared.venues.feed.ccxt_feed import CcxtFeed
from shared.venues.feed.choose import open_feed
from shared.venues.feed.port import FeedStart

pytestmark = pytest.mark.slow
NATIVE_NAME, CCXT_NAME = "BTCUSDT", "BTC/USDT"
BEST = 100


def top(book):
    return tuple(tuple(book.levels(side, BEST)) for side in ("bid", "ask"))


class NativeStates:
    """Every state of the native feed's book."""

    def __init__(self, feed, tick):
        self.feed = feed
        self.join = DepthJoin(Book(tick), BinanceScanner())
        self.states = {}
        self.tasks = []

    def on_data(self, frame, now_ns):
        if symbol_of(frame) == NATIVE_NAME:
            self.join.feed(frame)
            self._note()

    def on_up(self, symbols):
        self.tasks.append(asyncio.get_running_loop().create_task(self._load()))

    def on_down(self, symbols, reason):
        self.join.reset()

    async def _load(self):
        while self.join.needs_snapshot:
            for frame, _ in self.join.snapshot(await self.feed.depth(NATIVE_NAME)):
                self.join.feed(frame)
                self._note()
            await asyncio.sleep(0.05)

    def _note(self):
        if not self.join.needs_snapshot:
            self.states[top(self.join.book)] = self.join.book.last_update_id


class CcxtStates(Listener):
    """Every state of the book that follows ccxt's, behind a delta: a fetched snapshot may stand
    within one."""

    def __init__(self, tick):
        super().__init__({CCXT_NAME: tick})
        self.states = []

    def on_data(self, frame, now_ns):
        super().on_data(frame, now_ns)
        if b'"topic":"orderbook' in frame and b'"type":"delta"' in frame:
            self.states.append(top(self.books[CCXT_NAME]))


@pytest.mark.parametrize("venue", ["binance", "binanceus"])
def test_the_book_is_the_native_feeds(venue, tmp_path):
    async def compare(rest, ws):
        clock = EngineClock()
        native = open_feed(FeedStart(venue="local", clock=clock, rest=rest, ws=ws))
        # ccxt takes a spot stream by '/stream' in its address.
        foreign = CcxtFeed(FeedStart(venue=venue, clock=clock, rest=rest, ws=f"{ws}/stream"))
        [instrument] = await foreign.instruments((CCXT_NAME,), "")
        [same] = await native.instruments((NATIVE_NAME,), "")
        tick = instrument.tick_size
        left, right = NativeStates(native, tick), CcxtStates(tick)
        async with watching(native, (NATIVE_NAME,), left):
            await until(lambda: left.states)
            async with watching(foreign, (CCXT_NAME,), right):
                await until(lambda: len(right.states) > 60, 90)
            await asyncio.sleep(0.5)
        return left, right, instrument, same

    with running_local_venue(tmp_path) as local:
        port = local.port
        left, right, instrument, same = asyncio.run(
            compare(f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}")
        )
    assert (instrument.tick_size, instrument.step_size) == (same.tick_size, same.step_size)
    assert instrument.min_notional == same.min_notional
    assert right.unread == []
    assert right.ups == [CCXT_NAME]
    assert [state for state in right.states if state not in left.states] == []
    ids = [left.states[state] for state in right.states]
    assert ids == sorted(ids)
    assert len(set(ids)) > 50
