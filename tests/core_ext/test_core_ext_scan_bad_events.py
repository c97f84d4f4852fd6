"""Bad snapshots, trades and tickers of every dialect, for both kinds of book: refused and typed.

The bad texts are those of deltas. What a snapshot may hold, crossed, empty, twice, is here too.
"""

from __future__ import annotations

import pytest
from test_core_ext_scan_bad_input import (
    BAD_LEVELS,
    BAD_PRICES,
    BAD_QUANTITIES,
    KINDS,
    frame_of,
    refuses,
    snapshot_of,
    started,
)

from core_ext import reference
from core_ext.book import Book
from core_ext.codes import MAX_LOTS, MAX_TICKS, Dialect, Kind, Outcome
from core_ext.errors import FrameRefused
from core_ext.scan import BinanceScanner, BybitScanner

NUMBERS = [("61842.00", bad) for bad in BAD_QUANTITIES.values()]
NUMBERS += [(bad, "1.5") for bad in BAD_PRICES.values()]
SYNCED = [(dialect, kind) for dialect in Dialect for kind in KINDS]


@pytest.fixture(params=SYNCED, ids=str)
def sync(request):
    dialect, kind = request.param
    book = Book("0.01", kind=kind)
    return dialect, started(dialect, book), book


def whole(dialect, bids, asks, last=50):
    """A snapshot as the dialect sends it: a REST body, or a frame of the stream."""
    if dialect == Dialect.BYBIT:
        return frame_of(dialect, asks, bids, first=last).replace(b'"delta"', b'"snapshot"')
    text = f'{{"lastUpdateId":{last},"bids":[{bids}],"asks":[{asks}]}}'
    return text.encode("latin-1" if "\xff" in text else "utf-8")


def load(dialect, scanner, book, body):
    if dialect == Dialect.BYBIT:
        scanner.feed(book, body)
    else:
        scanner.load_snapshot(book, body)


def leaves(dialect, scanner, book, body):
    """That a snapshot is refused, and the book is what it was."""
    before = (book.state_hash(), book.last_update_id, book.gapped, book.stats())
    with pytest.raises(FrameRefused) as refused:
        load(dialect, scanner, book, body)
    assert refused.value.reason
    assert before == (book.state_hash(), book.last_update_id, book.gapped, book.stats())
    book.validate()


def test_snapshots_with_bad_numbers_or_levels(sync):
    dialect, scanner, book = sync
    good = '["61790.00","1"],["61789.00","2"]'
    bad = [f'["{price}","{quantity}"]' for price, quantity in NUMBERS]
    for level in [*bad, *BAD_LEVELS.values()]:
        leaves(dialect, scanner, book, whole(dialect, f"{good},{level}", ""))
        leaves(dialect, scanner, book, whole(dialect, good, f"{level},{good}"))
    assert scanner.feed(book, frame_of(dialect, good)).outcome == Outcome.APPLIED


def test_a_snapshot_may_be_empty_crossed_or_say_a_level_twice(sync):
    dialect, scanner, book = sync
    load(dialect, scanner, book, whole(dialect, "", ""))
    assert (book.counts(), book.last_update_id, book.mid()) == ((0, 0), 50, None)
    load(dialect, scanner, book, whole(dialect, '["61850.00","1"]', '["61840.00","2"]', 60))
    assert book.crossed()
    assert book.stats().spread_bps < 0
    twice = '["61800.00","1"],["61800.00","4"],["61799.00","0"]'
    load(dialect, scanner, book, whole(dialect, twice, "", 70))
    assert book.levels_ticks("bid") == [(6_180_000, 400_000_000)]
    book.validate()


def test_the_largest_numbers_of_a_snapshot_are_exact(sync):
    dialect, scanner, book = sync
    most = f"{MAX_TICKS // 100}.00", f"{MAX_LOTS // 10**8}"
    load(dialect, scanner, book, whole(dialect, f'["{most[0]}","{most[1]}"]', ""))
    assert book.best_ticks()[:2] == (MAX_TICKS, MAX_LOTS)


def trade_of(dialect, price, quantity):
    if dialect == Dialect.BYBIT:
        text = (
            '{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":3,"data":[{"T":2,"s":"BTCUSDT",'
            f'"S":"Buy","v":"{quantity}","p":"{price}","seq":17}}]}}'
        )
    else:
        text = (
            '{"e":"trade","E":5,"s":"BTCUSDT","t":77,'
            f'"p":"{price}","q":"{quantity}","T":4,"m":true}}'
        )
    return text.encode()


def test_trades_with_bad_numbers(sync):
    dialect, scanner, book = sync
    for price, quantity in NUMBERS:
        # Of a trade nothing is looked up by its price: zero is a number as any other.
        if (price, quantity) == (BAD_PRICES["zero"], "1.5"):
            continue
        refuses(scanner, book, trade_of(dialect, price, quantity))
        assert scanner.trades() == []
    assert scanner.feed(book, trade_of(dialect, "61842.00", "1.5")).kind == Kind.TRADE


@pytest.mark.parametrize("dialect", [Dialect.BINANCE_SPOT, Dialect.BINANCE_FUTURES])
@pytest.mark.parametrize("kind", KINDS)
def test_aggregates_and_tickers_with_bad_numbers(dialect, kind):
    book = Book("0.01", kind=kind)
    scanner = started(dialect, book)
    for price, quantity in NUMBERS:
        if (price, quantity) == (BAD_PRICES["zero"], "1.5"):
            continue
        aggregate = (
            '{"e":"aggTrade","E":6,"s":"BTCUSDT","a":8,"f":1,"l":9,'
            f'"p":"{price}","q":"{quantity}","T":4,"m":false}}'
        )
        refuses(scanner, book, aggregate.encode())
        for bid, ask in (((price, quantity), ("1", "1")), (("1", "1"), (price, quantity))):
            ticker = (
                f'{{"u":512,"s":"BTCUSDT","b":"{bid[0]}","B":"{bid[1]}",'
                f'"a":"{ask[0]}","A":"{ask[1]}"}}'
            )
            refuses(scanner, book, ticker.encode())


@pytest.mark.parametrize("name", ["u", "U", "E", "pu", "seq", "ts", "lastUpdateId"])
@pytest.mark.parametrize(
    "number",
    ["-1", "1.5", "1e3", "9223372036854775807", "18446744073709551616", "NaN", '"7"', "null", "01"],
)
def test_ids_and_times_that_are_no_whole_numbers(sync, name, number):
    dialect, scanner, book = sync
    frame = frame_of(dialect, '["61840.00","1"]')
    wrong = frame.replace(f'"{name}":'.encode(), f'"{name}":{number},"was":'.encode())
    if wrong != frame:
        refuses(scanner, book, wrong)
    if name == "lastUpdateId" and dialect != Dialect.BYBIT:
        body = snapshot_of(dialect).replace(b'"lastUpdateId":10', f'"{name}":{number}'.encode())
        leaves(dialect, scanner, book, body)


@pytest.mark.parametrize(("dialect", "kind"), SYNCED)
@pytest.mark.parametrize("tick", ["0.25", "5", "0.00025"])
def test_prices_off_a_grid_that_is_no_power_of_ten(dialect, kind, tick):
    book, plain = Book(tick, "0.5", kind=kind), reference.Book(tick, "0.5")
    scanners = (
        (BybitScanner(), reference.BybitScanner())
        if dialect == Dialect.BYBIT
        else (BinanceScanner(dialect), reference.BinanceScanner(dialect))
    )
    for scanner, each in zip(scanners, (book, plain), strict=True):
        load(dialect, scanner, each, whole(dialect, "", "", 10))
    first = 11
    for price in ("100", "100.25", "100.3", "102.5", "105.00", "0.00050", "0.0006"):
        for quantity in ("1.5", "1.25", "3", "0"):
            frame = frame_of(dialect, f'["{price}","{quantity}"]', first=first, last=first)
            said = []
            for scanner, each in zip(scanners, (book, plain), strict=True):
                try:
                    said.append(scanner.feed(each, frame).outcome)
                except FrameRefused:
                    said.append("refused")
            assert said[0] == said[1], (price, quantity)
            first += said[0] == Outcome.APPLIED
            assert book.state_hash() == plain.state_hash()
    assert book.counts()[1] == plain.counts()[1]
    book.validate()
