"""What holds in every generated market at every instant, for any seed and however time is cut."""

from hypothesis import given, settings
from hypothesis import strategies as st

from procs.localvenue.market.events import BookChanged, Traded
from procs.localvenue.market.profiles import PROFILES, build_market
from shared.messages.base import encode

START_MS = 1_750_000_012_345
LENGTH_MS = 30_000


class Checker:
    """A client that believes nothing: applies every event and looks at the book after it."""

    def __init__(self, market):
        self.rules = {one.symbol: one for one in market.instruments}
        self.books = {}
        self.last_ids = {}
        self.trade_ids = {}
        self.at_ms = 0
        self.trades = 0

    def see(self, events, now_ms):
        for event in events:
            # One symbol's events are in order; so are all of one call.
            assert self.at_ms <= event.at_ms <= now_ms
            self.at_ms = event.at_ms
            if isinstance(event, Traded):
                self.see_trade(event)
            else:
                assert isinstance(event, BookChanged)
                self.see_book(event)

    def see_trade(self, trade):
        rules = self.rules[trade.symbol]
        assert trade.symbol in self.books
        assert trade.price > 0
        assert trade.price % rules.tick_size == 0
        assert trade.quantity > 0
        assert trade.quantity % rules.step_size == 0
        known = self.trade_ids.get(trade.symbol, trade.trade_id - 1)
        assert trade.trade_id == known + 1
        self.trade_ids[trade.symbol] = trade.trade_id
        self.trades += 1

    def see_book(self, change):
        rules = self.rules[change.symbol]
        known = self.last_ids.get(change.symbol, change.first_id - 1)
        assert change.first_id == known + 1
        assert change.last_id >= change.first_id
        assert change.bids or change.asks
        self.last_ids[change.symbol] = change.last_id
        sides = self.books.setdefault(change.symbol, ({}, {}))
        for side, levels in zip(sides, (change.bids, change.asks), strict=True):
            assert len({price for price, _ in levels}) == len(levels)
            for price, quantity in levels:
                assert price > 0
                assert price % rules.tick_size == 0
                assert quantity >= 0
                assert quantity % rules.step_size == 0
                if quantity:
                    side[price] = quantity
                else:
                    del side[price]
        assert 0 < max(sides[0]) < min(sides[1])


profiles = st.sampled_from([name for name in PROFILES if name != "flood"])
cuts = st.lists(st.integers(0, LENGTH_MS), max_size=20)


@settings(max_examples=30, deadline=None)
@given(profiles, st.integers(0, 10**6), cuts, st.integers(1, 4), st.integers(0, 2_000_000))
def test_books_and_trades_are_sound_and_do_not_depend_on_cuts(
    profile, seed, cuts_ms, symbols, ahead_ms
):
    market = build_market(profile, seed, START_MS, symbols)
    checker, events = Checker(market), []
    for cut_ms in [0, *sorted(cuts_ms), LENGTH_MS]:
        said = market.advance(START_MS + cut_ms)
        checker.see(said, START_MS + cut_ms)
        events += said
    assert set(checker.books) == set(checker.rules)
    whole = build_market(profile, seed, START_MS, symbols).advance(START_MS + LENGTH_MS)
    assert encode(whole) == encode(events)
    # A long call, as after a suspension: sound as well.
    checker.see(market.advance(START_MS + LENGTH_MS + ahead_ms), START_MS + LENGTH_MS + ahead_ms)
    for one in market.instruments:
        for bar in market.candles(one.symbol, 60_000, 50, START_MS + LENGTH_MS + ahead_ms):
            assert 0 < bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high


@settings(max_examples=20, deadline=None)
@given(profiles, st.integers(0, 10**6), st.integers(0, LENGTH_MS), st.integers(1, 10**7))
def test_a_resumed_market_repeats_its_books_and_counts_on(profile, seed, stop_ms, later_ms):
    market = build_market(profile, seed, START_MS, 2)
    before = Checker(market)
    before.see(market.advance(START_MS + stop_ms), START_MS + stop_ms)
    resumed = build_market(profile, seed, START_MS + later_ms, 2)
    resumed.load(market.save())
    assert resumed.save() == market.save()
    begun_ms = START_MS + stop_ms + later_ms
    after = Checker(resumed)
    said = resumed.advance(begun_ms)
    after.see(said, begun_ms)
    assert {event.symbol for event in said[:2]} == set(before.books)
    for event in said[:2]:
        assert event.first_id > before.last_ids[event.symbol]
    after.see(resumed.advance(begun_ms + 20_000), begun_ms + 20_000)
    for symbol, trade_id in before.trade_ids.items():
        assert after.trade_ids.get(symbol, trade_id + 1) > trade_id


def test_the_flood_is_sound_for_a_few_seconds():
    market = build_market("flood", 3, START_MS)
    checker = Checker(market)
    for now_ms in range(START_MS, START_MS + 1_500, 50):
        checker.see(market.advance(now_ms), now_ms)
    assert checker.trades > 0
