"""Bad frames of every scanner, by both kinds of book: a typed error, and the book as it was.

All or nothing per frame: a bad last level keeps the good ones before it from the book.
"""

from __future__ import annotations

import pytest

from core_ext import reference
from core_ext.book import Book
from core_ext.codes import MAX_FRAME_LEVELS, MAX_LEVELS, MAX_LOTS, MAX_TICKS, Dialect, Outcome
from core_ext.errors import FrameRefused, NumberRefused
from core_ext.scan import BinanceScanner, BybitScanner

KINDS = ["compact", "window"]
GOOD = '["61840.00","1.5"],["61841.00","0.25"]'

BAD_PRICES = {
    "off the grid": "61842.005",
    "far off the grid": "61842.00000001",
    "negative": "-61842.00",
    "negative zero": "-0.00",
    "plus sign": "+61842.00",
    "zero": "0.00",
    "empty": "",
    "above 2^62": "4611686018427387905",
    "above 2^64": "18446744073709551617",
    "forty digits": "9" * 40,
    "sixty-five bytes": "1." + "0" * 63,
    "above the most ticks": f"{MAX_TICKS // 100 + 1}",
    "exponent": "6e4",
    "exponent behind a point": "6.184E4",
    "NaN": "NaN",
    "infinity": "Infinity",
    "hexadecimal": "0xF18A",
    "leading zero": "061842.00",
    "no whole part": ".5",
    "no places": "61842.",
    "two points": "61842.0.0",
    "space": " 61842.00",
    "thousands": "61,842.00",
    "underscore": "61_842",
    "other digits": "٦١٨٤٢",
    "NUL byte": "61842\x00.00",
    "letter": "6184x.00",
}
BAD_QUANTITIES = {
    "finer than a lot": "0.123456789",
    "negative": "-1.5",
    "above 2^62": "4611686018427387905",
    "above the most lots": f"{MAX_LOTS // 10**8 + 1}",
    "exponent": "1e-5",
    "NaN": "nan",
    "empty": "",
    "leading zero": "00.5",
    "NUL byte": "1.\x005",
    "letter": "1.5o",
}
BAD_LEVELS = {
    "a bare number": '[61842.00,"1"]',
    "a bare quantity": '["61842.00",1]',
    "null": '["61842.00",null]',
    "one part": '["61842.00"]',
    "three parts": '["61842.00","1","2"]',
    "an object": '{"61842.00":"1"}',
    "a string": '"61842.00"',
    "nested": '[["61842.00","1"]]',
    "an escape": '["61842\\u002e00","1"]',
    "not UTF-8": b'["61842\xff","1"]'.decode("latin-1"),
    "no comma": '["61842.00" "1"]',
    "a comma too many": '["61842.00","1",]',
    "not closed": '["61842.00","1"',
}


def frame_of(dialect, asks, bids="", first=11, last=12):
    """A depth frame of a dialect, following an id of first - 1."""
    if dialect == Dialect.BYBIT:
        text = (
            '{"topic":"orderbook.50.BTCUSDT","type":"delta","ts":1,"data":{"s":"BTCUSDT",'
            f'"b":[{bids}],"a":[{asks}],"u":{first},"seq":{first + 100}}},"cts":2}}'
        )
    else:
        previous = f'"pu":{first - 1},' if dialect == Dialect.BINANCE_FUTURES else ""
        text = (
            f'{{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":{first},"u":{last},{previous}'
            f'"b":[{bids}],"a":[{asks}]}}'
        )
    return text.encode("latin-1" if "\xff" in text else "utf-8")


def snapshot_of(dialect, first=10):
    if dialect != Dialect.BYBIT:
        return b'{"lastUpdateId":%d,"bids":[["61800.00","1"]],"asks":[["61840.00","9"]]}' % first
    return (
        frame_of(dialect, '["61840.00","9"]', '["61800.00","1"]', first=first)
        .replace(b'"delta"', b'"snapshot"')
        .replace(b'"seq":%d' % (first + 100), b'"seq":1')
    )


def started(dialect, book):
    """A scanner and a book in sync at id 10."""
    scanner = BybitScanner() if dialect == Dialect.BYBIT else BinanceScanner(dialect)
    if dialect == Dialect.BYBIT:
        scanner.feed(book, snapshot_of(dialect))
    else:
        scanner.load_snapshot(book, snapshot_of(dialect))
    return scanner


def refuses(scanner, book, frame, error=FrameRefused):
    """That a frame is refused, and that nothing of the book has changed."""
    before = (book.state_hash(), book.last_update_id, book.gapped, book.counts(), book.stats())
    with pytest.raises(error) as refused:
        scanner.feed(book, frame)
    assert str(refused.value)
    assert before == (
        book.state_hash(),
        book.last_update_id,
        book.gapped,
        book.counts(),
        book.stats(),
    )
    book.validate()
    return refused.value


@pytest.fixture(params=[(dialect, kind) for dialect in Dialect for kind in KINDS], ids=str)
def sync(request):
    dialect, kind = request.param
    book = Book("0.01", kind=kind)
    return dialect, started(dialect, book), book


@pytest.mark.parametrize("price", BAD_PRICES.values(), ids=BAD_PRICES)
def test_bad_prices(sync, price):
    dialect, scanner, book = sync
    refused = refuses(scanner, book, frame_of(dialect, f'{GOOD},["{price}","1"]'))
    assert refused.reason
    assert scanner.feed(book, frame_of(dialect, GOOD)).outcome == Outcome.APPLIED


@pytest.mark.parametrize("quantity", BAD_QUANTITIES.values(), ids=BAD_QUANTITIES)
def test_bad_quantities(sync, quantity):
    dialect, scanner, book = sync
    refuses(scanner, book, frame_of(dialect, f'{GOOD},["61842.00","{quantity}"]'))
    assert scanner.feed(book, frame_of(dialect, GOOD)).outcome == Outcome.APPLIED


@pytest.mark.parametrize("level", BAD_LEVELS.values(), ids=BAD_LEVELS)
def test_bad_levels(sync, level):
    dialect, scanner, book = sync
    # In front, in the middle and last: the quick reading meets it in other places.
    for levels in (f"{level},{GOOD}", f"{GOOD},{level},{GOOD}", f"{GOOD},{level}"):
        refuses(scanner, book, frame_of(dialect, levels))
        refuses(scanner, book, frame_of(dialect, GOOD, levels))


def test_of_duplicate_levels_the_last_counts(sync):
    dialect, scanner, book = sync
    asks = '["61840.00","1"],["61841.00","2"],["61840.00","3"],["61841.00","0"]'
    assert scanner.feed(book, frame_of(dialect, asks)).levels == 4
    assert book.levels_ticks("ask") == [(6184000, 300_000_000)]


def test_a_crossed_book_is_held_and_said(sync):
    dialect, scanner, book = sync
    result = scanner.feed_stats(book, frame_of(dialect, "", '["61850.00","1"]'))
    assert result.outcome == Outcome.APPLIED
    assert book.crossed()
    assert result.spread_bps < 0
    book.validate()


def test_an_emptied_book_says_zeros(sync):
    dialect, scanner, book = sync
    frame = frame_of(dialect, '["61840.00","0"]', '["61800.00","0"]')
    result = scanner.feed_stats(book, frame)
    assert (result.bid_ticks, result.ask_ticks, result.mid, result.spread_bps) == (0, 0, 0.0, 0.0)
    assert book.counts() == (0, 0)


def test_five_thousand_levels(sync):
    dialect, scanner, book = sync
    asks = [f'["{61840 + at}.{at % 100:02d}","{at % 7}.5"]' for at in range(2_500)]
    bids = [f'["{61800 - at}.{at % 100:02d}","{at % 5 + 1}"]' for at in range(2_500)]
    frame = frame_of(dialect, ",".join(asks), ",".join(bids))
    result = scanner.feed_stats(book, frame)
    assert (result.outcome, result.levels) == (Outcome.APPLIED, 5_000)
    plain = reference.Book("0.01")
    plain.load_snapshot(10, [("61800.00", "1")], [("61840.00", "9")])
    same = reference.BinanceScanner()
    same.feed(plain, frame_of(Dialect.BINANCE_SPOT, ",".join(asks), ",".join(bids)))
    assert book.state_hash() == plain.state_hash()
    assert book.stats() == plain.stats()
    # One bad level in five thousand, and none is taken.
    refuses(
        scanner, book, frame_of(dialect, ",".join([*asks, '["0","1"]']), ",".join(bids), 13, 14)
    )
    too_many = ",".join(asks * 4 + bids * 3)
    assert len(asks * 4 + bids * 3) > MAX_FRAME_LEVELS
    refuses(scanner, book, frame_of(dialect, too_many, "", 13, 14))


def test_a_full_side_refuses_a_frame_as_a_whole(sync):
    dialect, scanner, book = sync
    for at in range(MAX_LEVELS - 2):
        book.apply_ticks(True, at + 1, 1)
    bids = '["61900.00","1"],["61901.00","1"]'
    refused = refuses(scanner, book, frame_of(dialect, "", bids), NumberRefused)
    assert refused.place == "levels of a book side"
    assert scanner.feed(book, frame_of(dialect, "", bids[:16])).outcome == Outcome.APPLIED


def test_a_delta_before_its_snapshot(sync):
    dialect, _, known = sync
    book = Book("0.01", kind=known.kind)
    scanner = BybitScanner() if dialect == Dialect.BYBIT else BinanceScanner(dialect)
    outcome = scanner.feed(book, frame_of(dialect, GOOD)).outcome
    # Binance's is the first of a book, which the join holds back; Bybit's is never believed.
    expected = Outcome.GAP if dialect == Dialect.BYBIT else Outcome.APPLIED
    assert outcome == expected
    assert book.counts() == ((0, 0) if dialect == Dialect.BYBIT else (0, 2))


def test_every_cut_and_every_nul_leaves_the_book(sync):
    dialect, scanner, book = sync
    frame = frame_of(dialect, GOOD, '["61799.99","0.00000000"],["61790.5","12"]')
    for at in range(len(frame)):
        refuses(scanner, book, frame[:at])
        refuses(scanner, book, frame[:at] + b"\x00" + frame[at:])
        refuses(scanner, book, frame[:at] + b"\x00" + frame[at + 1 :])
    assert scanner.feed(book, frame).outcome == Outcome.APPLIED


@pytest.mark.parametrize("kind", KINDS)
def test_every_cut_of_a_snapshot_leaves_the_book(kind):
    book = Book("0.01", kind=kind)
    scanner = started(Dialect.BINANCE_SPOT, book)
    body = snapshot_of(Dialect.BINANCE_SPOT, 99)
    before = book.state_hash()
    for at in range(len(body)):
        with pytest.raises(FrameRefused):
            scanner.load_snapshot(book, body[:at])
    assert (book.state_hash(), book.last_update_id) == (before, 10)


def test_a_form_that_was_learnt_binds_no_other_book():
    scanner = BinanceScanner()
    for tick in ("0.01", "0.1", "0.5", "1", "0.000000001", "0.01"):
        book, plain = Book(tick), reference.Book(tick)
        for price in ("61842.00", "61842.50", "61842.5", "61842", "61842.12"):
            frame = frame_of(Dialect.BINANCE_SPOT, f'["{price}","1.50"],["{price}","0.1"]')
            answers = []
            for reader, each in ((scanner, book), (reference.BinanceScanner(), plain)):
                each.clear()
                try:
                    reader.feed(each, frame)
                except FrameRefused:
                    answers.append("refused")
                else:
                    answers.append(each.levels_ticks("ask"))
            assert answers[0] == answers[1], (tick, price)
