"""The profiles with a path keep what their docstrings promise: crash, chop, illiquid."""

from itertools import combinations, pairwise
from math import log
from statistics import correlation, mean

import pytest
from market_cost import Cost

from procs.localvenue.market.events import Traded
from procs.localvenue.market.profiles import build_market
from procs.localvenue.market.tides import CRASH_SLOT_MS, ChopTide, CrashTide

START_MS = 1_750_000_012_345
MINUTE_MS = 60_000


class Seen:
    """What happened to one symbol: prints, spreads and depth as the time passed."""

    def __init__(self):
        self.sides = ({}, {})
        self.prints = []
        self.spreads_bps = []
        self.depths = []
        self.levels = set()
        self.silent_max_ms = 0
        self.at_ms = None
        self.states = 0

    def see(self, event):
        if isinstance(event, Traded):
            self.prints.append((event.at_ms - START_MS, float(event.price)))
            return
        if self.at_ms is not None:
            self.silent_max_ms = max(self.silent_max_ms, event.at_ms - self.at_ms)
        self.at_ms = event.at_ms
        for side, levels in zip(self.sides, (event.bids, event.asks), strict=True):
            for price, quantity in levels:
                if quantity:
                    side[price] = quantity
                else:
                    del side[price]
        bid, ask = float(max(self.sides[0])), float(min(self.sides[1]))
        assert bid < ask
        passed_ms = self.at_ms - START_MS
        self.spreads_bps.append((passed_ms, (ask / bid - 1) * 1e4))
        self.states += 1
        if self.states % 8 == 1:
            depth = sum(float(p * q) for p, q in self.sides[0].items() if float(p) > bid * 0.995)
            self.depths.append((passed_ms, depth))
            self.levels.update(map(len, self.sides))


def watch(profile, seed, minutes, symbols=None):
    market = build_market(profile, seed, START_MS, symbols)
    seen = {one.symbol: Seen() for one in market.instruments}
    cost = Cost()
    for now_ms in range(START_MS, START_MS + minutes * MINUTE_MS + 1, 500):
        for event in cost.advance(market, now_ms):
            seen[event.symbol].see(event)
    return market, seen, cost.ratio()


def between(rows, from_ms, to_ms):
    return mean(value for at_ms, value in rows if from_ms <= at_ms < to_ms)


@pytest.fixture(scope="module")
def crash():
    return watch("crash", 3, 20, symbols=6)


@pytest.fixture(scope="module")
def chop():
    return watch("chop", 3, 25, symbols=4)


@pytest.fixture(scope="module")
def illiquid():
    return watch("illiquid", 3, 40, symbols=6)


def fall(seen):
    """(when the fall from the high began, when the low was, loss in per cent) in the prints."""
    low_ms, low = min(seen.prints, key=lambda row: row[1])
    high_ms, high = max(
        (row for row in seen.prints if low_ms - 10 * MINUTE_MS <= row[0] <= low_ms),
        key=lambda row: row[1],
    )
    began_ms = max(at_ms for at_ms, price in seen.prints if at_ms < low_ms and price > high * 0.993)
    return max(began_ms, high_ms), low_ms, (1 - low / high) * 100


def test_in_a_crash_everything_falls_together_by_8_to_25_per_cent(crash):
    _, watched, _ = crash
    falls = {symbol: fall(seen) for symbol, seen in watched.items()}
    for began_ms, low_ms, loss_pct in falls.values():
        assert 8 <= loss_pct <= 25
        assert MINUTE_MS < began_ms < 5 * MINUTE_MS
        assert MINUTE_MS < low_ms - began_ms < 6 * MINUTE_MS
    assert falls["BTCUSDT"][2] == min(loss_pct for *_, loss_pct in falls.values())
    lows_ms = [low_ms for _, low_ms, _ in falls.values()]
    assert max(lows_ms) - min(lows_ms) < 20_000
    assert max(loss_pct for *_, loss_pct in falls.values()) > 15


def test_a_crash_bounces_on_the_way_down_and_comes_back_in_part(crash):
    _, watched, _ = crash
    for seen in watched.values():
        began_ms, low_ms, loss_pct = fall(seen)
        down = [row for row in seen.prints if began_ms <= row[0] <= low_ms]
        lowest, bounce_pct = down[0][1], 0.0
        for _, price in down:
            lowest = min(lowest, price)
            bounce_pct = max(bounce_pct, (price / lowest - 1) * 100)
        assert bounce_pct > loss_pct * 0.08
        low = down[-1][1]
        high = low / (1 - loss_pct / 100)
        rebound = max(price for at_ms, price in seen.prints if 0 < at_ms - low_ms < 2 * MINUTE_MS)
        assert 0.25 < (rebound - low) / (high - low) < 0.6
        late = between(seen.prints, low_ms + 12 * MINUTE_MS, low_ms + 14 * MINUTE_MS)
        assert 0.45 < (late - low) / (high - low) < 0.95


def test_in_a_crash_spreads_widen_and_depth_thins(crash):
    _, watched, _ = crash
    for seen in watched.values():
        _, low_ms, _ = fall(seen)
        quiet_bps = between(seen.spreads_bps, 0, MINUTE_MS)
        worst_bps = between(seen.spreads_bps, low_ms - MINUTE_MS, low_ms)
        assert worst_bps > quiet_bps + 2.5
        assert max(bps for _, bps in seen.spreads_bps) < 32
        quiet, worst = (
            between(seen.depths, 0, MINUTE_MS),
            between(seen.depths, low_ms - MINUTE_MS, low_ms),
        )
        assert worst < 0.5 * quiet
        assert min(depth for _, depth in seen.depths) > 500


def test_in_a_crash_the_symbols_move_as_one(crash):
    market, watched, _ = crash
    now_ms = START_MS + 10 * MINUTE_MS
    returns = []
    for symbol in watched:
        bars = market.candles(symbol, MINUTE_MS, 10, now_ms)
        returns.append([log(float(later.close / sooner.close)) for sooner, later in pairwise(bars)])
    assert min(correlation(one, other) for one, other in combinations(returns, 2)) > 0.7


def test_crashes_come_again_and_prices_do_not_wander_off():
    tide = CrashTide(5, ["A", "B", "C"])
    lows = []
    for slot in range(60):
        moods = [
            tide.mood(1, at_ms)
            for at_ms in range(slot * CRASH_SLOT_MS, (slot + 1) * CRASH_SLOT_MS, 5_000)
        ]
        lows.append(min(mood.level for mood in moods))
        assert -0.06 < moods[-1].level < 0.025
        assert max(mood.stress for mood in moods) > 0.9
        assert moods[0].stress == 0
    assert -0.33 < min(lows) <= max(lows) < -0.08


@pytest.mark.parametrize("seed", range(6))
def test_every_seed_and_symbol_keeps_the_depth_of_a_crash(seed):
    tide = CrashTide(seed, [f"S{number}" for number in range(40)])
    levels = [
        [tide.mood(place, at_ms).level for at_ms in range(0, 16 * MINUTE_MS, 2_000)]
        for place in range(40)
    ]
    losses = [1 - 2.718281828 ** min(path) for path in levels]
    assert 0.085 < min(losses) < 0.11
    assert 0.16 < max(losses) < 0.23


def swings(prints, threshold=0.01):
    """Turning points at least so far apart: a zigzag of times and prices."""
    found = []
    extreme_ms, extreme = prints[0]
    direction = 0
    for at_ms, price in prints:
        if (price - extreme) * direction > 0:
            extreme_ms, extreme = at_ms, price
        if abs(price / extreme - 1) >= threshold:
            found.append((extreme_ms, extreme))
            direction = 1 if price > extreme else -1
            extreme_ms, extreme = at_ms, price
    return found


def test_chop_whips_and_leads_nowhere(chop):
    _, watched, _ = chop
    for seen in watched.values():
        first = seen.prints[0][1]
        prices = [price for _, price in seen.prints]
        assert 0.96 * first < min(prices) < 0.989 * first
        assert 1.011 * first < max(prices) < 1.04 * first
        turns = swings(seen.prints)
        assert 25 / 60 * 20 <= len(turns) <= 25 / 60 * 80
        sizes = [abs(later / sooner - 1) for (_, sooner), (_, later) in pairwise(turns)]
        assert 0.01 <= mean(sizes) <= 0.03
        assert max(sizes) < 0.045


def test_chop_breaks_out_of_the_last_minutes_and_returns(chop):
    _, watched, _ = chop
    for seen in watched.values():
        false_breaks = 0
        rows = seen.prints
        tops = [
            max(p for at, p in rows if t <= at < t + 10_000) for t in range(0, 1_490_000, 10_000)
        ]
        for index in range(12, len(tops) - 6):
            before = max(tops[index - 12 : index])
            if tops[index] > before and min(tops[index + 1 : index + 7]) < before * 0.995:
                false_breaks += 1
        assert false_breaks >= 3


def test_chop_slots_join_without_a_step():
    tide = ChopTide(1, ["A", "B"])
    levels = [tide.mood(1, at_ms).level for at_ms in range(0, 4_000_000, 100)]
    assert max(abs(later - sooner) for sooner, later in pairwise(levels)) < 0.0008
    assert max(map(abs, levels)) < 0.018


def test_illiquid_books_are_thin_and_wide(illiquid):
    market, watched, _ = illiquid
    for one in market.instruments:
        seen = watched[one.symbol]
        spreads = [bps for _, bps in seen.spreads_bps]
        assert 12 <= mean(spreads) <= 35
        assert min(spreads) >= 3.9
        assert max(spreads) < 85
        assert 2 <= len(seen.prints) / 40 <= 12
        assert seen.levels <= set(range(8, 21))
        assert seen.silent_max_ms <= 2_000
        assert 100 < mean(depth for _, depth in seen.depths) < 3_000


def test_illiquid_prices_jump(illiquid):
    _, watched, _ = illiquid
    jumps = 0
    for seen in watched.values():
        by_time = dict(seen.prints)
        moves = [abs(later / sooner - 1) for sooner, later in pairwise(by_time.values())]
        jumps += sum(move > 0.005 for move in moves)
        assert max(moves) < 0.04
    assert 6 * 40 / 12 < jumps < 6 * 40 / 2


@pytest.mark.parametrize("name", ["crash", "chop", "illiquid"])
def test_the_path_profiles_are_cheap(name, request):
    _, _, cost = request.getfixturevalue(name)
    assert cost < 12
