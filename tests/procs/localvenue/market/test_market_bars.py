"""Bars of every length are joins of their minutes; a long past costs little memory."""

import sys
from decimal import Decimal
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from procs.localvenue.market.bar_columns import Bar, BarColumns
from procs.localvenue.market.bar_split import split
from procs.localvenue.market.minute_bars import MinuteBars, Origin, no_history
from procs.localvenue.market.past import PARTS_CACHED, past_bars

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
START_MS = 1_750_000_012_345
ONE = Decimal(1)


def bars_of(seed=1, at_ms=START_MS, price=5_000, units=900.0):
    origin = Origin(at_ms, price)
    return MinuteBars(ONE, ONE, origin, lambda one: past_bars(f"{seed}", one, 3.0, units))


def joined(candles, interval_ms, shift_ms=0):
    groups = {}
    for bar in candles:
        groups.setdefault(bar.open_ms - (bar.open_ms + shift_ms) % interval_ms, []).append(bar)
    return {
        open_ms: (
            bars[0].open,
            max(bar.high for bar in bars),
            min(bar.low for bar in bars),
            bars[-1].close,
            sum(bar.volume for bar in bars),
            sum(bar.quote_volume for bar in bars),
            sum(bar.trades for bar in bars),
        )
        for open_ms, bars in groups.items()
    }


def rows(candles):
    return {
        bar.open_ms: (
            bar.open,
            bar.high,
            bar.low,
            bar.close,
            bar.volume,
            bar.quote_volume,
            bar.trades,
        )
        for bar in candles
    }


INTERVALS = (3, 5, 15, 30, 60, 120, 240, 360, 480, 720, 1440)


@pytest.mark.parametrize("minutes", INTERVALS)
def test_a_thousand_bars_of_every_interval_join_their_minutes(minutes):
    bars = bars_of()
    for number in range(400):
        bars.add(START_MS + number * 17_000, 5_000 + number % 7, 3)
    now_ms = START_MS + 400 * 17_000
    count = 1_000 if minutes <= 60 else 200
    candles = bars.candles(minutes * MINUTE_MS, count, now_ms)
    assert len(candles) == count
    gaps = {later.open_ms - sooner.open_ms for sooner, later in pairwise(candles)}
    assert gaps == {minutes * MINUTE_MS}
    asked = [0, 1, 30, count // 2, count - 1_900 // minutes - 2, count - 2, count - 1]
    for index in {max(index, 0) for index in asked}:
        bar = candles[index]
        end_ms = min(bar.open_ms + minutes * MINUTE_MS - 1, now_ms)
        ones = bars.candles(MINUTE_MS, (end_ms - bar.open_ms) // MINUTE_MS + 1, end_ms)
        assert joined(ones, minutes * MINUTE_MS) == rows([bar])


def test_weeks_begin_on_monday_and_join_days():
    bars = bars_of()
    weeks = bars.candles(7 * DAY_MS, 60, START_MS)
    assert len(weeks) == 60
    assert {bar.open_ms // DAY_MS % 7 for bar in weeks} == {4}
    days = bars.candles(DAY_MS, 500, START_MS)
    by_week = joined(days, 7 * DAY_MS, 3 * DAY_MS)
    assert all(by_week[bar.open_ms] == rows([bar])[bar.open_ms] for bar in weeks[-50:])


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1_000),
    at_ms=st.integers(1_600_000_000_000, 1_900_000_000_000),
    price=st.integers(2, 7_000_000),
    units=st.floats(0.01, 1e7),
)
def test_the_past_is_sound_at_any_time_and_price(seed, at_ms, price, units):
    bars = bars_of(seed, at_ms, price, units)
    days = bars.candles(DAY_MS, 1_000, at_ms)
    assert len(days) > 500
    back_ms = at_ms - Random(seed).randrange(540) * DAY_MS
    for interval_ms in (MINUTE_MS, 15 * MINUTE_MS, HOUR_MS, DAY_MS):
        close = None
        for bar in bars.candles(interval_ms, 100, back_ms):
            assert 0 < bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high
            assert bar.low * bar.volume <= bar.quote_volume <= bar.high * bar.volume
            assert bar.trades > 0
            assert bar.volume > 0
            assert close in (None, bar.open)
            close = bar.close
    (newest,) = bars.candles(MINUTE_MS, 1, at_ms - 1)
    assert newest.close == price


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 10**9),
    st.integers(0, 10**6),
    st.data(),
    st.sampled_from([4, 5, 15, 24, 60]),
    st.integers(0, 99),
)
def test_parts_join_to_the_whole(low, height, data, parts, seed):
    high = low + height
    opened, closed = (data.draw(st.integers(low, high)) for _ in range(2))
    volume = data.draw(st.integers(parts, 10**12))
    turnover = data.draw(st.integers(volume * low, volume * high))
    bar = Bar(0, opened, high, low, closed, volume, turnover, volume + 7)
    made = split(bar, parts, 1_000, 1, Random(seed))
    whole = BarColumns(0, 1_000, made).joined(0, parts)
    assert whole == bar
    for part, after in pairwise(made):
        assert part.close == after.open
    for part in made:
        assert part.low <= min(part.open, part.close) <= max(part.open, part.close) <= part.high
        assert part.low * part.volume <= part.turnover <= part.high * part.volume
        assert part.volume > 0
        assert part.trades > 0


class PlainBars:
    """The same bars, counted the slow way: every trade kept."""

    def __init__(self):
        self.trades = []

    def candles(self, interval_ms, limit, now_ms):
        found = []
        if not self.trades:
            return found
        first_ms = self.trades[0][0] // MINUTE_MS * MINUTE_MS
        first_ms -= first_ms % interval_ms
        close = self.trades[0][1]
        for open_ms in range(first_ms, now_ms + 1, interval_ms):
            mine = [
                (price, quantity)
                for at_ms, price, quantity in self.trades
                if open_ms <= at_ms < open_ms + interval_ms
            ]
            prices = [price for price, _ in mine] or [close]
            close = prices[-1]
            found.append((open_ms, prices[0], max(prices), min(prices), close, len(mine)))
        return found[-limit:]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 400_000), st.integers(1, 50), st.integers(1, 10**19))),
    st.sampled_from([1, 3, 5]),
    st.integers(1, 30),
    st.integers(0, 10**6),
    st.integers(0, 40),
)
def test_live_bars_are_what_printed_also_after_a_restart(trades, minutes, limit, more_ms, kept):
    bars, slow, at_ms = MinuteBars(ONE, ONE, None, no_history), PlainBars(), START_MS
    for number, (gap_ms, price, quantity) in enumerate(trades):
        at_ms += gap_ms
        bars.add(at_ms, price, quantity)
        slow.trades.append((at_ms, price, quantity))
        if number == kept:
            bars.resume(*bars.newest(10_000))
    now_ms = at_ms + more_ms
    candles = bars.candles(minutes * MINUTE_MS, limit, now_ms)
    assert [
        (bar.open_ms, bar.open, bar.high, bar.low, bar.close, bar.trades) for bar in candles
    ] == slow.candles(minutes * MINUTE_MS, limit, now_ms)
    day = bars.day_volume(now_ms)
    floor_ms = (now_ms - DAY_MS) // MINUTE_MS * MINUTE_MS + MINUTE_MS
    assert day == sum(price * units for ms, price, units in slow.trades if ms >= floor_ms)


def test_the_minute_of_the_origin_is_counted_once_through_restarts():
    bars = bars_of()
    bars.add(START_MS + 100, 5_010, 7)
    before = bars.candles(MINUTE_MS, 50, START_MS + 200)
    bars.resume(*bars.newest(120))
    assert bars.candles(MINUTE_MS, 50, START_MS + 200) == before
    assert before[-1].close == 5_010


def test_after_days_of_silence_the_bars_begin_anew():
    bars = MinuteBars(ONE, ONE, None, no_history)
    bars.add(START_MS, 50, 1)
    bars.add(START_MS + 30 * DAY_MS, 60, 1)
    candles = bars.candles(MINUTE_MS, 10, START_MS + 30 * DAY_MS)
    assert [(bar.open, bar.trades) for bar in candles] == [(60, 1)]


def test_old_live_bars_are_forgotten_and_newer_than_a_day_are_kept():
    bars = MinuteBars(ONE, ONE, None, no_history)
    for number in range(5_000):
        bars.add(START_MS + number * MINUTE_MS, 50 + number % 9, 1)
    now_ms = START_MS + 4_999 * MINUTE_MS
    candles = bars.candles(MINUTE_MS, 5_000, now_ms)
    assert 1_560 <= len(candles) <= 2_001
    assert bars.day_volume(now_ms) == sum(bar.quote_volume for bar in candles[-1_440:])


def test_a_past_of_550_days_costs_little_memory():
    bars = bars_of()
    bars.candles(DAY_MS, 1_000, START_MS)
    past = bars._past()
    columns = [past.minutes, *past._older]
    size = sum(sys.getsizeof(column) for one in columns for column in one._columns)
    assert sum(map(len, columns)) > 1_800 + 550
    assert size < 200_000
    assert PARTS_CACHED * 24 * 56 < 8_000_000


def test_numbers_beyond_64_bits_are_exact():
    huge = 2**70 + 1
    columns = BarColumns(0)
    columns.append(Bar(0, 5, 5, 5, 5, 1, 5, 1))
    columns.join_last(Bar(0, 6, 6, 6, 6, huge, 6 * huge, 1))
    columns.append(Bar(MINUTE_MS, 6, 7, 6, 7, huge, 7 * huge, 1))
    other = BarColumns(2 * MINUTE_MS, MINUTE_MS, [Bar(2 * MINUTE_MS, 7, 7, 7, 7, 2, 14, 1)])
    other.extend(columns.between(0, 2 * MINUTE_MS), 0)
    assert other.joined(0, 3).volume == 2 + 1 + 2 * huge
    assert columns.joined(0, 2).turnover == 5 + 13 * huge
    assert columns.turnover() == 5 + 13 * huge
