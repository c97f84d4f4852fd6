"""Public market data over REST: tapes, aggregates, candles of every interval, tickers, refusals."""

from __future__ import annotations

import itertools
import json
import time
from decimal import Decimal
from typing import Any

import pytest
from rest_venue import RestVenue, rest_venue

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
INTERVALS = [
    "1s",
    "1m",
    "3m",
    "5m",
    "15m",
    "30m",
    "1h",
    "2h",
    "4h",
    "6h",
    "8h",
    "12h",
    "1d",
    "3d",
    "1w",
    "1M",
]
PAIR = {"symbol": "BTCUSDT"}


@pytest.fixture(scope="module")
def venue():
    with rest_venue(profile="flood", unlimited=True) as one:
        while len(rows(one, "aggTrades", **PAIR)) < 50:
            time.sleep(0.1)
        yield one


@pytest.fixture(scope="module")
def limited():
    with rest_venue() as one:
        yield one


def rows(venue: RestVenue, path: str, **params: Any) -> Any:
    answer = venue.get(path, **params)
    assert answer.status == 200, (path, params, answer.body)
    return answer.body


def held(venue: RestVenue, *asked: tuple[str, dict[str, Any]]) -> list[Any]:
    """Answers to several questions about one moment: the market stands still meanwhile."""
    hub = venue.server.venue
    advance, now_ms = hub.market.advance, hub.now_ms()
    hub.market.advance, hub.now_ms = (lambda _: []), (lambda: now_ms)
    try:
        return [rows(venue, path, **params) for path, params in asked]
    finally:
        hub.market.advance = advance
        del hub.now_ms


def test_trades_are_numbered_and_found_by_id(venue):
    newest = rows(venue, "trades", **PAIR, limit=20)
    ids = [one["id"] for one in newest]
    assert ids == list(range(ids[0], ids[0] + 20))
    assert rows(venue, "historicalTrades", **PAIR, fromId=ids[3], limit=2) == newest[3:5]
    assert len(rows(venue, "historicalTrades", **PAIR, limit=7)) == 7
    assert rows(venue, "historicalTrades", **PAIR, fromId=ids[-1] + 10**9) == []
    assert rows(venue, "historicalTrades", **PAIR, fromId=0, limit=1)[0]["id"] <= ids[0]


def test_aggregates_are_made_of_the_trades_of_one_taker_at_one_price(venue):
    trades, aggregates = held(
        venue,
        ("trades", {**PAIR, "limit": 1000}),
        ("aggTrades", {**PAIR, "limit": 1000}),
    )
    by_id = {one["id"]: one for one in trades}
    for before, one in itertools.pairwise(aggregates):
        assert (one["a"], one["f"]) == (before["a"] + 1, before["l"] + 1)
    whole = [one for one in aggregates if one["f"] in by_id and one["l"] in by_id]
    assert any(one["l"] > one["f"] for one in whole), "some taker took more than once"
    for one in whole:
        parts = [by_id[number] for number in range(one["f"], one["l"] + 1)]
        assert {(part["price"], part["time"], part["isBuyerMaker"]) for part in parts} == {
            (one["p"], one["T"], one["m"])
        }
        assert sum(Decimal(part["qty"]) for part in parts) == Decimal(one["q"])


def test_an_aggregate_once_answered_never_changes(venue):
    seen: dict[int, Any] = {}
    for _ in range(5):
        for one in rows(venue, "aggTrades", **PAIR, limit=1000):
            assert seen.setdefault(one["a"], one) == one
        time.sleep(0.1)


def test_aggregates_by_id_and_by_time(venue):
    every = rows(venue, "aggTrades", **PAIR, limit=1000)[-40:]
    first, last = every[5], every[20]
    assert rows(venue, "aggTrades", **PAIR, fromId=first["a"], limit=3) == every[5:8]
    by_time = rows(venue, "aggTrades", **PAIR, startTime=first["T"], endTime=last["T"])
    assert [one for one in every if first["T"] <= one["T"] <= last["T"]] == by_time
    until = rows(venue, "aggTrades", **PAIR, endTime=last["T"], limit=4)
    assert until == [one for one in every if one["T"] <= last["T"]][-4:]
    assert venue.get("aggTrades", **PAIR, startTime=5, endTime=4).code == -1127


@pytest.mark.parametrize("zone", [None, "8", "-1:00"])
@pytest.mark.parametrize("interval", INTERVALS)
def test_candles_follow_each_other_without_gaps(venue, interval, zone):
    params = {**PAIR, "interval": interval, "limit": 40}
    if zone is not None:
        params["timeZone"] = zone
    found = rows(venue, "klines", **params)
    assert found
    for before, row in itertools.pairwise(found):
        assert row[0] == before[6] + 1
    for row in found:
        low, high = Decimal(row[3]), Decimal(row[2])
        assert low <= min(Decimal(row[1]), Decimal(row[4]))
        assert high >= max(Decimal(row[1]), Decimal(row[4]))
        assert 0 <= Decimal(row[9]) <= Decimal(row[5])
        assert 0 <= Decimal(row[10]) <= Decimal(row[7])
        assert low * Decimal(row[5]) <= Decimal(row[7]) <= high * Decimal(row[5])
    shift = {None: 0, "8": 8 * HOUR_MS, "-1:00": -HOUR_MS}[zone]
    begun = time.gmtime((found[-1][0] + shift) / 1000)
    if interval in ("1d", "3d", "1w", "1M"):
        assert (begun.tm_hour, begun.tm_min, begun.tm_sec) == (0, 0, 0)
    if interval == "1w":
        assert begun.tm_wday == 0
    if interval == "1M":
        assert begun.tm_mday == 1


@pytest.mark.parametrize("interval", ["5m", "1h", "1d", "1M"])
def test_a_candle_does_not_depend_on_where_the_question_ends(venue, interval):
    past = rows(venue, "klines", **PAIR, interval=interval, limit=4)[1]
    for end_ms in (past[0], past[0] + (past[6] - past[0]) // 2, past[6]):
        (found,) = rows(venue, "klines", **PAIR, interval=interval, limit=1, endTime=end_ms)
        assert found == past
    (found,) = rows(venue, "klines", **PAIR, interval=interval, startTime=past[0], endTime=past[0])
    assert found == past
    several = rows(venue, "klines", **PAIR, interval=interval, startTime=past[0], limit=2)
    assert several[0] == past
    assert several[1][0] == past[6] + 1


def test_a_day_in_a_zone_is_the_join_of_its_hours(venue):
    days, hours = held(
        venue,
        ("klines", {**PAIR, "interval": "1d", "limit": 3, "timeZone": "8"}),
        ("klines", {**PAIR, "interval": "1h", "limit": 80}),
    )
    inside = [row for row in hours if days[1][0] <= row[0] <= days[1][6]]
    assert len(inside) == 24
    assert days[1][1] == inside[0][1]
    assert days[1][4] == inside[-1][4]
    assert Decimal(days[1][5]) == sum(Decimal(row[5]) for row in inside)
    assert days[1][8] == sum(row[8] for row in inside)


def test_seconds_are_counted_from_the_trades(venue):
    seconds, trades = held(
        venue,
        ("klines", {**PAIR, "interval": "1s", "limit": 3}),
        ("trades", {**PAIR, "limit": 1000}),
    )
    row = seconds[-2]
    inside = [one for one in trades if row[0] <= one["time"] <= row[6]]
    assert row[8] == len(inside) > 0
    assert (row[1], row[4]) == (inside[0]["price"], inside[-1]["price"])
    assert Decimal(row[5]) == sum(Decimal(one["qty"]) for one in inside)
    bought = sum(Decimal(one["qty"]) for one in inside if not one["isBuyerMaker"])
    assert abs(Decimal(row[9]) - bought) < Decimal("1E-6")


def test_windows_of_any_length_agree_with_the_minutes(venue):
    for window, minutes in (("5m", 5), ("1h", 60), ("1d", 1440)):
        ticker, bars = held(
            venue,
            ("ticker", {**PAIR, "windowSize": window}),
            ("klines", {**PAIR, "interval": "1m", "limit": min(minutes + 1, 1000)}),
        )
        assert ticker["openTime"] % 60_000 == 0
        span_ms = ticker["closeTime"] - ticker["openTime"]
        assert 0 <= span_ms - minutes * 60_000 < 60_000, "never less than was asked for"
        assert ticker["lastId"] - ticker["firstId"] + 1 == ticker["count"]
        inside = [row for row in bars if row[0] >= ticker["openTime"]]
        if inside[0][0] == ticker["openTime"]:
            assert ticker["openPrice"] == inside[0][1]
            assert Decimal(ticker["highPrice"]) == max(Decimal(row[2]) for row in inside)
            assert Decimal(ticker["lowPrice"]) == min(Decimal(row[3]) for row in inside)


def test_the_day_is_the_last_24_hours_and_not_that_of_the_calendar(venue):
    day, mini, trading = held(
        venue,
        ("ticker/24hr", PAIR),
        ("ticker/24hr", {**PAIR, "type": "MINI"}),
        ("ticker/tradingDay", {**PAIR, "timeZone": "8"}),
    )
    assert day["closeTime"] - day["openTime"] == DAY_MS
    assert day["lastId"] - day["firstId"] + 1 == day["count"]
    assert {name: day[name] for name in mini} == mini
    assert (trading["openTime"] + 8 * HOUR_MS) % DAY_MS == 0
    assert trading["closeTime"] - trading["openTime"] == DAY_MS - 1


def test_tickers_of_a_status_only(venue):
    assert rows(venue, "ticker/price", symbolStatus="HALT") == []
    assert rows(venue, "ticker/price", symbolStatus="TRADING") != []
    assert rows(venue, "ticker/price", **PAIR, symbolStatus="TRADING")["symbol"] == "BTCUSDT"
    for path in ("depth", "ticker/24hr", "ticker/bookTicker", "ticker", "ticker/tradingDay"):
        assert venue.get(path, **PAIR, symbolStatus="HALT").outcome == (400, -1220)
        assert venue.get(path, **PAIR, symbolStatus="ASLEEP").outcome == (400, -1122)


BOTH = {**PAIR, "symbols": '["BTCUSDT"]'}
MANY = json.dumps([f"A{number}" for number in range(101)])


@pytest.mark.parametrize(
    ("path", "params", "code"),
    [
        ("klines", {**PAIR, "interval": "7m"}, -1120),
        ("klines", {**PAIR, "interval": "1M ", "limit": 1}, -1120),
        ("klines", PAIR, -1102),
        ("klines", {**PAIR, "interval": "1d", "timeZone": "14:30"}, -1130),
        ("klines", {**PAIR, "interval": "1d", "timeZone": "noon"}, -1130),
        ("uiKlines", {**PAIR, "interval": "1d", "timeZone": "-12:01"}, -1130),
        ("depth", {**PAIR, "limit": 0}, -1130),
        ("trades", {"symbol": "NOPE"}, -1121),
        ("ticker/24hr", BOTH, -1128),
        ("ticker", BOTH, -1128),
        ("ticker", {}, -1102),
        ("ticker/tradingDay", {}, -1102),
        ("ticker", {"symbols": MANY}, -1101),
        ("ticker/24hr", {"symbols": '["BTC'}, -1100),
        ("ticker/24hr", {"symbols": '["NOPE"]'}, -1121),
        ("ticker/price", {"symbols": '["BTCUSDT","BTCUSDT"]'}, -1151),
        ("ticker/24hr", {**PAIR, "type": "HUGE"}, -1139),
        ("ticker", {**PAIR, "windowSize": "60m"}, -1102),
        ("ticker", {**PAIR, "windowSize": "1d2h"}, -1102),
    ],
)
def test_refusals(venue, path, params, code):
    assert venue.get(path, **params).outcome == (400, code)


TWO = '["BTCUSDT","ETHUSDT"]'


@pytest.mark.parametrize(
    ("path", "params", "weight"),
    [
        ("depth", {**PAIR, "limit": 100}, 5),
        ("depth", {**PAIR, "limit": 101}, 25),
        ("depth", {**PAIR, "limit": 1000}, 50),
        ("depth", {**PAIR, "limit": 5000}, 250),
        ("trades", PAIR, 25),
        ("historicalTrades", PAIR, 25),
        ("aggTrades", PAIR, 4),
        ("klines", {**PAIR, "interval": "1m"}, 2),
        ("uiKlines", {**PAIR, "interval": "1m"}, 2),
        ("avgPrice", PAIR, 2),
        ("ticker/24hr", PAIR, 2),
        ("ticker/24hr", {"symbols": TWO}, 2),
        ("ticker/24hr", {}, 80),
        ("ticker/tradingDay", {"symbols": TWO}, 8),
        ("ticker", {"symbols": TWO}, 8),
        ("ticker/price", PAIR, 2),
        ("ticker/price", {"symbols": TWO}, 4),
        ("ticker/bookTicker", {}, 4),
    ],
)
def test_weights_are_the_documented_ones(limited, path, params, weight):
    name = "x-mbx-used-weight-1m"
    for _ in range(2):  # A minute may begin between the two.
        before = int(limited.get("ping").headers[name])
        after = int(limited.get(path, **params).headers[name])
        if after > before:
            break
    assert after - before == weight


def test_the_average_price_closes_with_the_last_trade(venue):
    average, (last,) = held(venue, ("avgPrice", PAIR), ("trades", {**PAIR, "limit": 1}))
    assert average["closeTime"] == last["time"]
