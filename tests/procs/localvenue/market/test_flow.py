"""The flow market keeps the promises of a market: books, ids, seeds, restarts, pauses, days."""

from __future__ import annotations

import json
import re
import tracemalloc
from decimal import Decimal
from itertools import pairwise

import pytest
from flow_client import Watcher
from hypothesis import given, settings
from hypothesis import strategies as st

from procs.localvenue.market.events import BookChanged, Traded
from procs.localvenue.market.flow import FlowMarket, FlowProfile
from procs.localvenue.market.listings import LISTINGS, Listing
from procs.localvenue.market.profiles import build_market
from shared.errors import ConfigError, MessageError, NotFoundError

START_MS = 1_750_000_012_345
MINUTE_MS = 60_000
SPAN_MS = 4_000

cuts = st.lists(st.integers(0, SPAN_MS - 1), max_size=12).map(lambda ms: [*sorted(ms), SPAN_MS])


def watchers_of(market):
    return {one.symbol: Watcher(one) for one in market.instruments}


def advanced(market, *times_ms):
    return [event for at_ms in times_ms for event in market.advance(START_MS + at_ms)]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**9), cuts, st.sampled_from(["calm", "flood"]))
def test_a_seed_gives_one_market_however_time_is_cut(seed, cuts_ms, profile):
    whole = advanced(build_market(profile, seed, START_MS, symbols=3), SPAN_MS)
    assert advanced(build_market(profile, seed, START_MS, symbols=3), *cuts_ms) == whole


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**9), cuts)
def test_books_are_whole_never_crossed_never_empty_and_trades_leave_them(seed, cuts_ms):
    market = build_market("calm", seed, START_MS, symbols=6)
    watchers = watchers_of(market)
    line = 0
    first = market.advance(START_MS)
    firsts = {}
    for cut_ms in cuts_ms:
        now_ms = START_MS + cut_ms
        for event in first + market.advance(now_ms):
            line += 1
            assert event.line == line
            assert START_MS <= event.at_ms <= max(now_ms, START_MS)
            firsts.setdefault(event.symbol, event)
            watchers[event.symbol].see(event)
        first = []
    for symbol, watcher in watchers.items():
        assert isinstance(firsts[symbol], BookChanged)
        assert len(firsts[symbol].bids) >= 10
        assert not watcher.printed
        assert len(watcher.bids) >= 10
        assert len(watcher.asks) >= 10


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 10**6),
    st.sampled_from([0.00000001, 0.0001, 0.01]),
    st.floats(0.3, 5_000_000),
    st.floats(0.05, 3_000),
    st.floats(0.5, 9),
)
def test_any_listing_makes_a_market(seed, tick, ticks, turnover, volatility):
    listing = Listing("ANY", f"{tick:.8f}", "0.001", max(ticks, 30.0) * tick, turnover, volatility)
    profile = FlowProfile(name="any", listings=(listing,), quotes={})
    market = FlowMarket(profile, seed, START_MS)
    watcher = Watcher(market.instruments[0])
    for event in advanced(market, *range(0, 60_000, 1_000)):
        watcher.see(event)
    mid = (max(watcher.bids) + min(watcher.asks)) / 2
    assert 0.7 < float(mid) / listing.price < 1.4


def test_another_seed_is_another_market():
    assert advanced(build_market("calm", 1, START_MS, symbols=1), SPAN_MS) != advanced(
        build_market("calm", 2, START_MS, symbols=1), SPAN_MS
    )


def test_nothing_before_the_start_then_whole_books():
    market = build_market("calm", 4, START_MS)
    assert market.advance(START_MS - 1) == []
    events = market.advance(START_MS)
    assert [event.symbol for event in events[: len(LISTINGS)]] == [one.symbol for one in LISTINGS]
    assert not market.ended()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 3_000), st.integers(0, 10**6))
def test_a_saved_market_goes_on_where_it_was(seed, saved_ms, away_ms):
    market = build_market("calm", seed, START_MS, symbols=3)
    before = market.advance(START_MS + saved_ms)
    state = market.save()
    json.loads(state)
    resumed = build_market("calm", seed, START_MS + away_ms, symbols=3)
    resumed.load(state)
    assert resumed.save() == state
    begun_ms = START_MS + saved_ms + away_ms
    books = resumed.advance(begun_ms)
    assert all(isinstance(event, BookChanged) for event in books[:3])
    watchers = watchers_of(market)
    for event in before:
        watchers[event.symbol].see(event)
    for event in books[:3]:
        watcher = watchers[event.symbol]
        assert event.first_id == watcher.last_id + 1
        said = dict(event.bids), dict(event.asks)
        assert said == (watcher.bids, watcher.asks)
    ours = books[3:] + resumed.advance(begun_ms + 3_000)
    theirs = market.advance(START_MS + saved_ms + 3_000)
    shared = min(len(ours), len(theirs))
    assert shared > 100
    assert [_bare(event) for event in ours[:shared]] == [_bare(event) for event in theirs[:shared]]


def _bare(event):
    """Without times and update ids, which a pause and the repeated books have moved."""
    if isinstance(event, Traded):
        return (event.symbol, event.trade_id, event.price, event.quantity, event.buyer_is_maker)
    return (event.symbol, event.bids, event.asks)


def test_the_state_of_another_market_is_refused_and_changes_nothing():
    market = build_market("calm", 1, START_MS, symbols=2)
    market.advance(START_MS + 1_000)
    before = market.save()
    for other in (
        build_market("calm", 2, START_MS, symbols=2),
        build_market("calm", 1, START_MS, symbols=3),
        build_market("flood", 1, START_MS, symbols=2),
        build_market("demo", 1, START_MS, symbols=2),
    ):
        with pytest.raises(MessageError):
            market.load(other.save())
    with pytest.raises(MessageError):
        market.load(before.replace(b'"random":[3,[', b'"random":[3,["x",'))
    with pytest.raises(MessageError, match="random state"):
        market.load(before.replace(b'"random":[3,[', b'"random":[3,[7,'))
    with pytest.raises(MessageError, match="incomplete"):
        market.load(re.sub(rb'"bid_ranks":\[-\d+,', b'"bid_ranks":[', before, count=1))
    with pytest.raises(MessageError, match="incomplete"):
        market.load(re.sub(rb'"turns":\[\[([^,]*),\d\]', rb'"turns":[[\1,7]', before))
    assert market.save() == before


def test_the_market_sleeps_when_its_owner_slept():
    market = build_market("calm", 1, START_MS, symbols=2)
    market.advance(START_MS + 1_000)
    wake_ms = START_MS + 10 * 3_600_000
    events = market.advance(wake_ms)
    assert len(events) < 20
    assert all(event.at_ms == wake_ms for event in events)
    later = market.advance(wake_ms + 1_000)
    assert later
    assert all(wake_ms <= event.at_ms <= wake_ms + 1_000 for event in later)


def test_a_clock_that_goes_back_says_nothing_twice():
    market = build_market("calm", 1, START_MS, symbols=1)
    market.advance(START_MS + 2_000)
    assert market.advance(START_MS + 1_000) == []
    assert all(event.at_ms > START_MS + 1_999 for event in market.advance(START_MS + 3_000))


def test_candles_and_day_volume_count_what_printed():
    market = build_market("calm", 5, START_MS, symbols=1)
    minute_ms = START_MS // MINUTE_MS * MINUTE_MS + MINUTE_MS
    trades = []
    day_before = market.day_volume("BTCUSDT", START_MS)
    for at_ms in range(START_MS, minute_ms + MINUTE_MS, 1_000):
        trades += [one for one in market.advance(at_ms) if isinstance(one, Traded)]
    prints = [one for one in trades if minute_ms <= one.at_ms < minute_ms + MINUTE_MS]
    (bar,) = market.candles("BTCUSDT", MINUTE_MS, 1, minute_ms + MINUTE_MS - 1)
    assert bar.open_ms == minute_ms
    assert (bar.open, bar.close) == (prints[0].price, prints[-1].price)
    assert bar.high == max(one.price for one in prints)
    assert bar.low == min(one.price for one in prints)
    assert bar.volume == sum((one.quantity for one in prints), Decimal(0))
    assert bar.trades == len(prints)
    assert 0.5e9 < day_before < 4e9
    assert len(market.candles("BTCUSDT", MINUTE_MS, 1_000, START_MS)) == 1_000
    with pytest.raises(NotFoundError, match="BTCUSDT"):
        market.candles("NOPE", MINUTE_MS, 1, START_MS)
    with pytest.raises(NotFoundError):
        market.day_volume("NOPE", START_MS)
    with pytest.raises(ConfigError):
        market.candles("BTCUSDT", 1_500, 1, START_MS)


def test_an_order_of_normal_size_fills_near_the_touch():
    market = build_market("calm", 6, START_MS)
    watchers = watchers_of(market)
    for at_ms in range(0, 60_000, 1_000):
        for event in market.advance(START_MS + at_ms):
            watchers[event.symbol].see(event)
    for watcher in watchers.values():
        best = min(watcher.asks)
        left = Decimal(2_000)
        for price in sorted(watcher.asks):
            left -= price * watcher.asks[price]
            worst = price
            if left <= 0:
                break
        assert left <= 0
        ticks = (worst - best) / watcher.instrument.tick_size
        assert worst / best - 1 < Decimal("0.003") or ticks <= 3


def test_many_symbols_fit_in_memory():
    profile = FlowProfile(name="many", listings=LISTINGS, quotes={})
    tracemalloc.start()
    market = FlowMarket(profile, 1, START_MS)
    for at_ms in range(0, 10_000, 500):
        market.advance(START_MS + at_ms)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held / len(LISTINGS) < 150_000


@pytest.mark.slow
def test_a_day_of_a_cheap_symbol_stays_near_its_level_and_never_looks_like_a_drop():
    listing = next(one for one in LISTINGS if one.base == "ETC")
    market = FlowMarket(FlowProfile(name="day", listings=(listing,), quotes={}), 1, 0)
    closes, quote = [], 0.0
    for minute in range(1, 24 * 60 + 1):
        for event in market.advance(minute * MINUTE_MS):
            if isinstance(event, Traded):
                close = float(event.price)
                quote += close * float(event.quantity)
        closes.append(close)
    assert 0.93 < min(closes) / listing.price <= max(closes) / listing.price < 1.07
    for place, close in enumerate(closes):
        assert close > 0.95 * max(closes[max(place - 60, 0) : place + 1])
    assert 0.6 < quote / (listing.turnover_millions * 1e6) < 1.5
    moves = [later / close - 1 for close, later in pairwise(closes)]
    day_pct = (sum(move * move for move in moves)) ** 0.5 * 100
    assert 0.6 < day_pct / listing.volatility_pct < 1.5
