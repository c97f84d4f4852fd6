"""The generated markets keep their promises: dips that pay, books that stay tradable, same seed."""

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market_cost import Cost

from procs.localvenue.market.events import BookChanged, Traded
from procs.localvenue.market.listings import LISTINGS
from procs.localvenue.market.profiles import PROFILES, build_market, describe
from shared.errors import ConfigError, MessageError, NotFoundError
from shared.messages.base import encode

START_MS = 1_750_000_012_345
ROOT = Path(__file__).resolve().parents[4]
MINUTE_MS = 60_000


@dataclass
class Dip:
    """A fall through -3 % and what became of a buyer with take-profit and stop 3 % away."""

    entry: float
    entry_ms: int
    low_pct: float
    how: str | None = None
    end_ms: int = 0


class Watcher:
    """Follows one symbol as a drop buyer would: book, anchor, and what an entry would have met."""

    def __init__(self, instrument, anchor):
        self.instrument = instrument
        self.bids, self.asks = {}, {}
        self.last_id = None
        self.mid = 0.0
        self.anchor = anchor
        self.last_trade = None
        self.states = self.tight = 0
        self.spread_max_bps = self.trade_distance_max_bps = self.step_max_bps = 0.0
        self.depth_min = float("inf")
        self.levels = set()
        self.dip = None
        self.dips = []
        self.at_ms = 0

    def see(self, event):
        assert event.at_ms >= self.at_ms
        self.at_ms = event.at_ms
        if isinstance(event, Traded):
            self.see_trade(event)
        else:
            self.see_book(event)

    def see_trade(self, event):
        assert event.price % self.instrument.tick_size == 0
        assert event.quantity % self.instrument.step_size == 0
        assert event.quantity > 0
        self.last_trade = price = float(event.price)
        if self.dip is None or self.dip.how is not None:
            return
        if price >= self.dip.entry * 1.03:
            self.dip.how = "take profit"
        elif price <= self.dip.entry * 0.97:
            self.dip.how = "stop"
        self.dip.end_ms = event.at_ms

    def see_book(self, event):
        if self.last_id is not None:
            assert event.first_id == self.last_id + 1
        assert event.bids or event.asks
        assert event.last_id >= event.first_id
        self.last_id = event.last_id
        for side, levels in ((self.bids, event.bids), (self.asks, event.asks)):
            for price, quantity in levels:
                if quantity:
                    side[price] = quantity
                else:
                    del side[price]
        bid, ask = max(self.bids), min(self.asks)
        assert bid < ask
        mid = float(bid + ask) / 2
        if self.mid:
            self.step_max_bps = max(self.step_max_bps, abs(mid / self.mid - 1) * 1e4)
        self.mid = mid
        self.states += 1
        self.tight += ask - bid == self.instrument.tick_size
        self.spread_max_bps = max(self.spread_max_bps, float(ask - bid) / mid * 1e4)
        floor = mid * 0.995
        depth = sum(float(p) * float(q) for p, q in self.bids.items() if p >= floor)
        self.depth_min = min(self.depth_min, depth)
        self.levels.update((len(self.bids), len(self.asks)))
        if self.last_trade is not None:
            distance_bps = abs(mid / self.last_trade - 1) * 1e4
            self.trade_distance_max_bps = max(self.trade_distance_max_bps, distance_bps)
        self.anchor = max(self.anchor, mid)
        drop_pct = (mid / self.anchor - 1) * 100
        if self.dip is not None:
            self.dip.low_pct = min(self.dip.low_pct, drop_pct)
            if drop_pct > -2.5 and self.dip.how is not None:
                self.dip = None
        elif drop_pct <= -3:
            self.dip = Dip(float(ask), self.at_ms, drop_pct)
            self.dips.append(self.dip)


def watch(profile, seed, minutes, **more):
    market = build_market(profile, seed, START_MS, **more)
    watchers = {}
    for one in market.instruments:
        hour = market.candles(one.symbol, MINUTE_MS, 60, START_MS)
        watchers[one.symbol] = Watcher(one, float(max(bar.high for bar in hour)))
    cost = Cost()
    for now_ms in range(START_MS, START_MS + minutes * MINUTE_MS + 1, 250):
        for event in cost.advance(market, now_ms):
            assert now_ms - 250 <= event.at_ms <= now_ms
            watchers[event.symbol].see(event)
    return market, watchers, cost.ratio()


@pytest.fixture(scope="module")
def demo():
    return watch("demo", 11, 10)


@pytest.fixture(scope="module")
def chop():
    return watch("chop", 11, 3)


def all_dips(watchers):
    """The dips that had the time to come to an end."""
    return [dip for watcher in watchers.values() for dip in watcher.dips if dip.how is not None]


def test_demo_dips_about_every_ten_seconds(demo):
    _, watchers, _ = demo
    dips = all_dips(watchers)
    assert 50 <= len(dips) <= 66
    assert min(dip.entry_ms for dip in dips) < START_MS + 15_000
    assert sum(1 for watcher in watchers.values() if watcher.dips) >= 20


def test_demo_dips_return_to_the_take_profit_and_deep_ones_pass_the_stop(demo):
    _, watchers, _ = demo
    usual = [dip for dip in all_dips(watchers) if dip.how == "take profit"]
    deep = [dip for dip in all_dips(watchers) if dip.how == "stop"]
    assert 7 <= len(deep) <= 12
    assert all(-9.8 <= dip.low_pct <= -8 for dip in deep)
    assert all(dip.end_ms - dip.entry_ms < 3_000 for dip in deep)
    assert all(-5.6 <= dip.low_pct <= -3.9 for dip in usual)
    assert all(5_000 < dip.end_ms - dip.entry_ms < 25_000 for dip in usual)


def test_demo_symbols_rest_between_dips(demo):
    _, watchers, _ = demo
    for watcher in watchers.values():
        starts = [dip.entry_ms for dip in watcher.dips]
        assert all(later - sooner > 90_000 for sooner, later in pairwise(starts))


def test_demo_highs_creep_slowly(demo):
    _, watchers, _ = demo
    for watcher in watchers.values():
        usual = sum(dip.how == "take profit" for dip in watcher.dips)
        assert watcher.mid < watcher.anchor * 1.0001
        listed = next(one.price for one in LISTINGS if one.symbol == watcher.instrument.symbol)
        assert watcher.anchor < listed * 1.02 * 1.005 * 1.009 ** (usual + 1)


@pytest.mark.parametrize("name", ["demo", "chop"])
def test_books_stay_tradable(name, request):
    market, watchers, _ = request.getfixturevalue(name)
    for symbol, watcher in watchers.items():
        assert watcher.spread_max_bps <= 20
        assert watcher.depth_min >= 10 * 50
        assert watcher.trade_distance_max_bps < 60
        assert watcher.step_max_bps < 60
        assert min(watcher.levels) >= 50
        assert max(watcher.levels) <= 200
        assert market.day_volume(symbol, watcher.at_ms) > 1_000_000


@pytest.mark.parametrize("name", ["demo", "chop"])
def test_it_is_cheap(name, request):
    _, _, cost = request.getfixturevalue(name)
    assert cost < 12


def test_fast_opens_a_position_within_a_minute():
    for seed in range(6):
        _, watchers, cost = watch("fast", seed, 1)
        dips = all_dips(watchers)
        assert len(watchers) == 3
        assert len(dips) >= 4
        assert sum(dip.how == "take profit" for dip in dips) >= 3
        assert cost < 12
        for watcher in watchers.values():
            assert watcher.spread_max_bps <= 20
            assert watcher.depth_min >= 10 * 50
            assert watcher.step_max_bps < 80


GOLDEN = {
    ("demo", 1): "7c73bb4914bfdef1",
    ("fast", 3): "b33b0e11c4c71f63",
}


@pytest.mark.parametrize(("profile", "seed"), GOLDEN)
def test_the_engines_markets_stay_what_they_are(profile, seed):
    # The simulation's seeds and what the demonstration shows depend on every single event.
    digest = hashlib.sha256()
    market = build_market(profile, seed, START_MS)
    for now_ms in range(START_MS, START_MS + 45_001, 250):
        for one in market.advance(now_ms):
            if isinstance(one, Traded):
                told = (one.trade_id, one.price, one.quantity, one.buyer_is_maker)
            else:
                told = (one.first_id, one.last_id, one.bids, one.asks)
            digest.update(repr((one.symbol, one.at_ms, told)).encode())
    assert digest.hexdigest()[:16] == GOLDEN[profile, seed]


def said(profile, seed, cuts_ms):
    market = build_market(profile, seed, START_MS)
    events = [event for cut_ms in cuts_ms for event in market.advance(START_MS + cut_ms)]
    return encode(events)


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(PROFILES), st.lists(st.integers(0, 12_000), max_size=30))
def test_events_do_not_depend_on_how_time_is_cut(profile, cuts_ms):
    assert said(profile, 5, [*sorted(cuts_ms), 12_000]) == said(profile, 5, [12_000])


def test_seeds_differ():
    assert said("demo", 1, [2_000]) != said("demo", 2, [2_000])


def test_events_do_not_depend_on_hash_seeds():
    program = (
        "import hashlib; from procs.localvenue.market.profiles import build_market;"
        "from shared.messages.base import encode;"
        f"m = build_market('fast', 3, {START_MS});"
        f"said = encode(m.advance({START_MS} + 20_000));"
        f"said += encode(m.candles('BTCUSDT', 60_000, 90, {START_MS} + 20_000));"
        "print(hashlib.sha256(said).hexdigest())"
    )
    prints = {
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            cwd=ROOT,
            capture_output=True,
            check=True,
        ).stdout
        for hash_seed in ("0", "77")
    }
    assert len(prints) == 1


def test_the_first_event_of_a_symbol_is_its_whole_book():
    market = build_market("crash", 4, START_MS)
    assert market.advance(START_MS - 1) == []
    events = market.advance(START_MS)
    assert [event.symbol for event in events] == [one.symbol for one in market.instruments]
    for event in events:
        assert isinstance(event, BookChanged)
        assert event.at_ms == START_MS
        assert len(event.bids) >= 50
        assert event.bids[0][0] < event.asks[0][0]
        assert all(quantity > 0 for _, quantity in event.bids + event.asks)


def test_at_least_twenty_symbols_with_sane_filters():
    market = build_market("demo", 1, START_MS)
    assert len(market.instruments) >= 20
    for one in market.instruments:
        (bar,) = market.candles(one.symbol, MINUTE_MS, 1, START_MS)
        assert one.min_notional == 5
        assert one.tick_size / bar.close < Decimal("0.001")
        assert one.order_fault(one.quantity_down(Decimal(50) / bar.close), bar.close) is None
        assert one.step_size * bar.close < 5


def test_history_reaches_back_a_day_and_hides_no_high():
    market = build_market("demo", 9, START_MS)
    for one in market.instruments:
        bars = market.candles(one.symbol, MINUTE_MS, 1_500, START_MS)
        assert len(bars) == 1_500
        gaps = {later.open_ms - sooner.open_ms for sooner, later in pairwise(bars)}
        assert gaps == {MINUTE_MS}
        assert bars[-1].open_ms == START_MS // MINUTE_MS * MINUTE_MS
        start = bars[-1].close
        assert max(bar.high for bar in bars) <= start * Decimal("1.005")
        assert min(bar.low for bar in bars) >= start * Decimal("0.95")
        for sooner, later in pairwise(bars):
            assert later.open == sooner.close
            assert later.low <= min(later.open, later.close)
            assert later.high >= max(later.open, later.close)
        assert market.day_volume(one.symbol, START_MS) > 1_000_000


def test_bars_after_the_start_are_what_printed():
    market = build_market("demo", 2, START_MS)
    prints = [
        event
        for now_ms in range(START_MS, START_MS + 4 * MINUTE_MS, 500)
        for event in market.advance(now_ms)
        if isinstance(event, Traded) and event.symbol == "BTCUSDT"
    ]
    now_ms = START_MS + 4 * MINUTE_MS
    for bar in market.candles("BTCUSDT", MINUTE_MS, 3, now_ms):
        mine = [one for one in prints if bar.open_ms <= one.at_ms < bar.open_ms + MINUTE_MS]
        assert bar.trades == len(mine) > 0
        assert bar.high == max(one.price for one in mine)
        assert bar.low == min(one.price for one in mine)
        assert (bar.open, bar.close) == (mine[0].price, mine[-1].price)
        assert bar.quote_volume == sum(one.price * one.quantity for one in mine)
    (five,) = market.candles("BTCUSDT", 5 * MINUTE_MS, 1, now_ms)
    ones = [
        bar
        for bar in market.candles("BTCUSDT", MINUTE_MS, 5, now_ms)
        if bar.open_ms >= five.open_ms
    ]
    assert five.volume == sum(bar.volume for bar in ones)
    assert (five.open, five.close) == (ones[0].open, ones[-1].close)


def test_minutes_without_prints_are_flat():
    market = build_market("crash", 2, START_MS)
    market.advance(START_MS + 1_000)
    *_, last, flat = market.candles("BTCUSDT", MINUTE_MS, 5, START_MS + MINUTE_MS)
    assert flat.volume == 0
    assert {flat.open, flat.high, flat.low, flat.close} == {last.close}


def prints(events):
    return [
        (event.symbol, event.trade_id, event.price, event.quantity)
        for event in events
        if isinstance(event, Traded)
    ]


def test_a_saved_market_goes_on_as_if_nothing_had_happened():
    market = build_market("fast", 6, START_MS)
    market.advance(START_MS + 30_050)
    resumed = build_market("fast", 6, START_MS + 999_999)
    resumed.load(market.save())
    begun_ms = START_MS + 600_000
    books = resumed.advance(begun_ms)
    assert [len(book.bids) >= 10 for book in books[:3]] == [True, True, True]
    ours = prints(books + resumed.advance(begun_ms + 20_000))
    theirs = prints(market.advance(START_MS + 30_050 + 19_900))
    assert len(theirs) > 100
    assert ours[: len(theirs)] == theirs
    bars = resumed.candles("BTCUSDT", MINUTE_MS, 1_500, begun_ms)
    assert len(bars) == 1_500
    assert {later.open_ms - sooner.open_ms for sooner, later in pairwise(bars)} == {MINUTE_MS}
    assert [bar.volume for bar in bars[-8:-3]] == [0, 0, 0, 0, 0]


def test_the_state_of_another_market_is_refused_and_changes_nothing():
    market = build_market("fast", 1, START_MS)
    before = market.save()
    for other in (build_market("fast", 2, START_MS), build_market("fast", 1, START_MS, symbols=2)):
        with pytest.raises(MessageError, match="the saved market is"):
            market.load(other.save())
    with pytest.raises(MessageError):
        market.load(b'{"version": 1}')
    assert market.save() == before


def test_a_sleeping_owner_pauses_the_market():
    market = build_market("crash", 1, START_MS)
    market.advance(START_MS + 1_000)
    wake_ms = START_MS + 86_400_000
    events = market.advance(wake_ms)
    assert {event.at_ms for event in events} <= {wake_ms}
    assert market.advance(wake_ms + 1_000)


def test_every_profile_has_a_line():
    lines = describe().splitlines()
    assert [line.split()[0] for line in lines] == list(PROFILES)
    assert all(20 < len(line) < 80 for line in lines)


def test_up_to_five_hundred_listings_with_sane_rules():
    market = build_market("fast", 1, START_MS, 500)
    names = [one.symbol for one in market.instruments]
    assert len(set(names)) == 500
    assert names[:24] == [one.symbol for one in LISTINGS]
    again = build_market("fast", 2, START_MS, 40).instruments
    assert again == market.instruments[:40]
    prices = []
    for one in market.instruments:
        (bar,) = market.candles(one.symbol, MINUTE_MS, 1, START_MS)
        prices.append(bar.close)
        assert one.tick_size / bar.close < Decimal("0.001")
        assert one.order_fault(one.quantity_down(Decimal(50) / bar.close), bar.close) is None
        assert one.step_size * bar.close < 5
    assert min(prices) < Decimal("0.01")
    assert max(prices) > 100


def test_unknown_names_are_refused():
    with pytest.raises(ConfigError, match="allowed: calm, demo, fast, crash, chop"):
        build_market("wild", 1, START_MS)
    with pytest.raises(ConfigError, match="allowed: 1 to 500"):
        build_market("demo", 1, START_MS, symbols=501)
    market = build_market("fast", 1, START_MS)
    with pytest.raises(NotFoundError, match="BTCUSDT"):
        market.candles("XUSDT", MINUTE_MS, 1, START_MS)
    with pytest.raises(ConfigError, match="whole minutes"):
        market.candles("BTCUSDT", 1_500, 1, START_MS)
    assert not market.ended()
