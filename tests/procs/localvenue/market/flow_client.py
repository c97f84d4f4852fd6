"""A client of a generated market's streams, as the tests need it: books, checks, and the facts."""

from __future__ import annotations

from decimal import Decimal

from procs.localvenue.market.events import BookChanged, Traded
from shared.recordings.stylised import FactsMeter

MS_NS = 1_000_000
DEPTH_MS = 100


class Watcher:
    """Follows one symbol and holds every event against what a market promises."""

    def __init__(self, instrument):
        self.instrument = instrument
        self.bids, self.asks = {}, {}
        self.last_id = self.last_trade_id = None
        self.at_ms = 0
        self.printed = {}
        self.trades = 0

    def see(self, event):
        assert event.symbol == self.instrument.symbol
        assert event.at_ms >= self.at_ms
        self.at_ms = event.at_ms
        if isinstance(event, Traded):
            self.see_trade(event)
        else:
            assert isinstance(event, BookChanged)
            self.see_book(event)

    def see_trade(self, event):
        assert self.last_trade_id is None or event.trade_id == self.last_trade_id + 1
        self.last_trade_id = event.trade_id
        self.trades += 1
        assert event.price % self.instrument.tick_size == 0
        assert event.quantity % self.instrument.step_size == 0
        assert event.quantity > 0
        side = self.bids if event.buyer_is_maker else self.asks
        key = (event.buyer_is_maker, event.price)
        self.printed[key] = self.printed.get(key, Decimal(0)) + event.quantity
        assert side[event.price] >= self.printed[key]
        assert len({is_bid for is_bid, _ in self.printed}) == 1

    def see_book(self, event):
        if self.last_id is not None:
            assert event.first_id == self.last_id + 1
        assert event.last_id >= event.first_id
        assert event.bids or event.asks
        self.last_id = event.last_id
        changed = {}
        for is_bid, side, levels in ((True, self.bids, event.bids), (False, self.asks, event.asks)):
            for price, quantity in levels:
                assert price > 0
                assert price % self.instrument.tick_size == 0
                assert quantity % self.instrument.step_size == 0
                changed[is_bid, price] = side.get(price, Decimal(0)), quantity
                if quantity:
                    side[price] = quantity
                else:
                    del side[price]
        for key, steps in self.printed.items():
            before, after = changed[key]
            assert after == 0 or after == before - steps
        self.printed = {}
        assert max(self.bids) < min(self.asks)


def meter_of(market, symbol, start_ms, seconds):
    """The meter of what a client of depth@100ms, bookTicker and trade sees in so many seconds."""
    (tick_size,) = [one.tick_size for one in market.instruments if one.symbol == symbol]
    meters = meters_of(market, {symbol: tick_size}, start_ms, seconds)
    return meters[symbol]


def meters_of(market, tick_sizes, start_ms, seconds):
    """See meter_of; for some symbols at once."""
    followers = {symbol: _Follower(tick_size) for symbol, tick_size in tick_sizes.items()}
    for now_ms in range(start_ms, start_ms + seconds * 1_000 + 1, DEPTH_MS):
        for event in market.advance(now_ms):
            follower = followers.get(event.symbol)
            if follower is not None:
                follower.see(event)
        for follower in followers.values():
            follower.say_depth(now_ms)
    return {symbol: follower.meter for symbol, follower in followers.items()}


class _Follower:
    """One symbol's book in floats, which are fast, and its messages."""

    def __init__(self, tick_size):
        self.meter = FactsMeter(float(tick_size))
        self.bids, self.asks = {}, {}
        self.bid = self.ask = self.top = None
        self.pending = None

    def see(self, event):
        at_ns = event.at_ms * MS_NS
        if isinstance(event, Traded):
            self.meter.trade(at_ns, event.at_ms, buys=not event.buyer_is_maker)
            return
        changed = [(True, *level) for level in event.bids]
        changed += [(False, *level) for level in event.asks]
        for is_bid, price, quantity in changed:
            side = self.bids if is_bid else self.asks
            if quantity:
                side[price] = quantity
            else:
                del side[price]
        if self.pending is None:
            # The first event is the whole book, which a client fetches and is not sent.
            self.pending = set()
        else:
            self.pending.update((is_bid, price) for is_bid, price, _ in changed)
        if event.bids:
            self.bid = self._best(max, self.bid, self.bids, event.bids)
        if event.asks:
            self.ask = self._best(min, self.ask, self.asks, event.asks)
        bid, ask = self.bid, self.ask
        top = (float(bid), float(self.bids[bid]), float(ask), float(self.asks[ask]))
        if top != self.top:
            self.top = top
            self.meter.quote(at_ns, *top)

    @staticmethod
    def _best(better, best, side, levels):
        if best not in side:
            return better(side)
        return better([best, *(price for price, quantity in levels if quantity)])

    def say_depth(self, now_ms):
        if self.pending:
            self.meter.depth(now_ms * MS_NS, len(self.pending))
            self.pending.clear()
