"""The tape against a plain list of everything that traded."""

from __future__ import annotations

from decimal import Decimal
from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from procs.localvenue.market.events import Traded
from procs.localvenue.market.profiles import build_market
from procs.localvenue.tape import Aggregate, SymbolTape
from shared.units import LOT

INSTRUMENT = build_market("calm", 1, 1_700_000_000_000, 1).instruments[0]
START_MS = 1_700_000_000_000
KEPT = 12

trades = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 0, 1, 400, 1_000, 61_000]),
        st.integers(100, 102),
        st.integers(1, 9),
        st.booleans(),
        st.booleans(),
    ),
    max_size=60,
)
"""Milliseconds since the one before, price, quantity, who made, whether a turn ends after it."""


def played(steps, kept=KEPT, seconds_kept=1_000):
    """The tape that heard these trades, and them with the numbers of their aggregates."""
    tape = SymbolTape(INSTRUMENT, kept, seconds_kept)
    heard: list[tuple[int, Traded]] = []
    at_ms, turn, number, before = START_MS, 0, 0, None
    for place, (pause_ms, price, quantity, is_maker, is_end) in enumerate(steps):
        at_ms += pause_ms
        trade = Traded(
            symbol=INSTRUMENT.symbol,
            at_ms=at_ms,
            trade_id=500 + place,
            price=Decimal(price) / 100,
            quantity=Decimal(quantity) * LOT,
            buyer_is_maker=is_maker,
        )
        taker = (turn, at_ms, price, is_maker)
        number = 500 if before is None else number + (taker != before)
        before = taker
        tape.record(trade)
        heard.append((number, trade))
        if is_end:
            tape.cut()
            turn += 1
    return tape, heard


def aggregated(heard):
    """What the aggregates of these trades are."""
    found = []
    for number, group in groupby(heard, key=lambda one: one[0]):
        parts = [trade for _, trade in group]
        found.append(
            Aggregate(
                number,
                parts[0].price,
                sum((one.quantity for one in parts), Decimal(0)),
                parts[0].trade_id,
                parts[-1].trade_id,
                parts[0].at_ms,
                parts[0].buyer_is_maker,
            )
        )
    return found


@given(trades, st.integers(1, 20), st.integers(490, 570))
def test_trades_are_the_newest_or_those_from_an_id_on(steps, limit, from_id):
    tape, heard = played(steps)
    kept = [trade for _, trade in heard][-KEPT:]
    assert tape.trades(limit) == kept[-limit:]
    assert tape.trades(limit, from_id) == [one for one in kept if one.trade_id >= from_id][:limit]


@given(trades, st.integers(1, 20), st.integers(490, 570), st.integers(-5, 70_000))
def test_aggregates_are_whole_or_not_there(steps, limit, from_id, after_ms):
    tape, heard = played(steps)
    kept = {trade.trade_id for _, trade in heard[-KEPT:]}
    whole = [one for one in aggregated(heard) if one.first_id in kept]
    assert tape.aggregates(limit) == whole[-limit:]
    assert (
        tape.aggregates(limit, from_id=from_id)
        == [one for one in whole if one.id >= from_id][:limit]
    )
    start_ms = START_MS + after_ms
    assert (
        tape.aggregates(limit, start_ms=start_ms)
        == [one for one in whole if one.at_ms >= start_ms][:limit]
    )
    assert (
        tape.aggregates(limit, end_ms=start_ms)
        == [one for one in whole if one.at_ms <= start_ms][-limit:]
    )
    assert [tape.aggregate_id] == ([heard[-1][0]] if heard else [0])


@given(trades, st.integers(0, 100), st.integers(0, 100))
def test_seconds_hold_what_traded_in_them(steps, first, count):
    tape, heard = played(steps)
    from_ms = (START_MS // 1_000 + first) * 1_000
    to_ms = from_ms + count * 1_000
    inside = [one for _, one in heard if from_ms <= one.at_ms < to_ms]
    found = tape.seconds.between(from_ms, to_ms)
    by_second = [list(group) for _, group in groupby(inside, key=lambda one: one.at_ms // 1_000)]
    assert [one.open_ms for one in found] == [each[0].at_ms // 1_000 * 1_000 for each in by_second]
    for bar, parts in zip(found, by_second, strict=True):
        prices = [one.price for one in parts]
        assert (bar.open * LOT, bar.close * LOT) == (prices[0], prices[-1])
        assert (bar.high * LOT, bar.low * LOT) == (max(prices), min(prices))
        assert bar.trades == len(parts)
        assert (bar.first_id, bar.last_id) == (parts[0].trade_id, parts[-1].trade_id)
        bought = [one for one in parts if not one.buyer_is_maker]
        for own, some in ((bar.volume, parts), (bar.bought, bought)):
            assert own * tape.unit == sum(one.quantity for one in some)
        for own, some in ((bar.turnover, parts), (bar.bought_turnover, bought)):
            assert own * LOT * tape.unit == sum(one.quantity * one.price for one in some)
    before = [one.price for _, one in heard if one.at_ms < from_ms]
    close = tape.seconds.close_before(from_ms)
    assert (None if close is None else close * LOT) == (before[-1] if before else None)


@given(trades)
def test_old_seconds_are_forgotten(steps):
    tape, heard = played(steps, seconds_kept=3)
    found = tape.seconds.between(0, 2 * START_MS)
    times = sorted({one.at_ms // 1_000 * 1_000 for _, one in heard})
    assert [one.open_ms for one in found] == times[len(times) - len(found) :]
    assert min(3, len(times)) <= len(found) <= 6


@given(trades, st.integers(0, 8), st.integers(0, 8))
def test_minutes_know_the_ids_and_the_buyers_share(steps, first, count):
    tape, heard = played(steps)
    from_ms = (START_MS // 60_000 + first) * 60_000
    to_ms = from_ms + count * 60_000
    flow = tape.flow(from_ms, to_ms)
    inside = [one for _, one in heard if from_ms <= one.at_ms < to_ms]
    ids = [one.trade_id for one in inside] or [-1]
    assert (flow.first_id, flow.last_id) == (ids[0], ids[-1])
    bought = sum(float(one.quantity) for one in inside if not one.buyer_is_maker)
    assert abs(flow.buyers_base - bought) < 1e-9
