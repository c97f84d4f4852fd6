"""What is checked of each venue's books, and that a reader of our frames has the venue's book."""

import csv
import json
import lzma
from decimal import Decimal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from okx_server import CAPTURE, captured

from core_ext.book import Book
from core_ext.codes import Outcome
from core_ext.errors import FrameRefused
from core_ext.scan import BybitScanner
from shared.units import decimal_from_text
from shared.venues.feed.ccxt_book import FRAME_LEVELS, WHOLE_DEPTH, VenueBook, VenueTrades
from shared.venues.feed.ccxt_dialects import (
    NONE_KNOWN,
    ROWS,
    Update,
    checks_of,
    kraken_checksum,
    text_of_float,
)


class Reader:
    """A book that follows the frames, as ingest's does."""

    def __init__(self, tick="0.1"):
        self.book = Book(tick)
        self.scanner = BybitScanner()
        self.outcomes = []

    def take(self, frames):
        for frame in frames:
            self.outcomes.append(self.scanner.feed(self.book, frame).outcome)

    def sides(self):
        return [dict(self.book.levels(side)) for side in ("bid", "ask")]

    @property
    def believed(self):
        return bool(self.outcomes) and not self.book.gapped


def plain_sides(bids, asks):
    return [{Decimal(p): Decimal(q) for p, q in side if Decimal(q)} for side in (bids, asks)]


# ---- Kraken: the worked example of its own guide to checksums (WebSocket v2)

KRAKEN = """{"channel":"book","type":"snapshot","data":[{"symbol":"BTC/USD","bids":[
{"price":45283.5,"qty":0.10000000},{"price":45283.4,"qty":1.54582015},
{"price":45282.1,"qty":0.10000000},{"price":45281.0,"qty":0.10000000},
{"price":45280.3,"qty":1.54592586},{"price":45279.0,"qty":0.07990000},
{"price":45277.6,"qty":0.03310103},{"price":45277.5,"qty":0.30000000},
{"price":45277.3,"qty":1.54602737},{"price":45276.6,"qty":0.15445238}],"asks":[
{"price":45285.2,"qty":0.00100000},{"price":45286.4,"qty":1.54571953},
{"price":45286.6,"qty":1.54571109},{"price":45289.6,"qty":1.54560911},
{"price":45290.2,"qty":0.15890660},{"price":45291.8,"qty":1.54553491},
{"price":45294.7,"qty":0.04454749},{"price":45296.1,"qty":0.35380000},
{"price":45297.5,"qty":0.09945542},{"price":45299.5,"qty":0.18772827}],
"checksum":3310070434}]}"""


def kraken(text, **changes):
    message = json.loads(text, parse_float=str)
    message["data"][0].update(changes)
    return ROWS["kraken"].read(message)[0]


def test_krakens_own_example_has_its_checksum():
    update = kraken(KRAKEN)
    assert kraken_checksum(update.bids, update.asks, 1, 8) == 3310070434
    book, reader = VenueBook("BTC/USD", ROWS["kraken"], 1, 8), Reader()
    reader.take(book.take(update))
    assert book.ready
    assert reader.sides() == plain_sides(update.bids, update.asks)


def test_a_kraken_book_with_another_checksum_is_not_believed():
    book, reader = VenueBook("BTC/USD", ROWS["kraken"], 1, 8), Reader()
    reader.take(book.take(kraken(KRAKEN, checksum=3310070435)))
    assert not book.ready
    assert not reader.believed
    assert "checksum 3310070435, ours is 3310070434" in book.why


def test_levels_beyond_the_subscribed_depth_leave_both_books():
    row = ROWS["kraken"]
    keeps = row.keeps_depth
    book, reader = VenueBook("BTC/USD", row, 1, 8), Reader()
    bids = [(f"{1000 + place}.5", "1") for place in range(keeps)]
    reader.take(book.take(Update("BTC/USD", True, bids, [("5000", "1")])))
    reader.take(book.take(Update("BTC/USD", False, [("2000", "1"), ("2001", "1")], [])))
    assert reader.book.counts() == (keeps, 1)
    assert [str(price) for price, _ in reader.book.levels("bid")][-1] == "1002.5"


# ---- recordings


def test_recorded_okx_books_of_every_kind_of_market_have_their_checksums():
    row = ROWS["okx"]
    ticks = {"BTC-USDT": "0.1", "BTC-USD-220527": "0.1", "UNI-USD-SWAP": "0.001"}
    books = {name: VenueBook(name, row) for name in ticks}
    readers = {name: Reader(tick) for name, tick in ticks.items()}
    checked = 0
    for record in captured("OKX.jsonl.xz"):
        updates = row.read(json.loads(record["data"])) if record["t"] == "recv" else None
        for update in updates or ():
            assert update.checksum is not None
            checked += 1
            readers[update.market].take(books[update.market].take(update))
            assert books[update.market].ready, books[update.market].why
    assert checked == 290
    assert {name: reader.book.counts() for name, reader in readers.items()} == {
        "BTC-USDT": (400, 400), "BTC-USD-220527": (74, 62), "UNI-USD-SWAP": (125, 118),
    }  # fmt: skip


def kucoin_rows():
    """(market, sequence) to the best prices and quantities of the reference."""
    path = CAPTURE.parent / "reference" / "book_checkpoints.csv.xz"
    if not path.exists():
        pytest.skip(f"reference answers are absent: {path}")
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        return {
            (row["symbol"], int(row["u"])): row
            for row in csv.DictReader(lines)
            if row["file"] == "capture/KUCOIN"
        }


def test_recorded_kucoin_books_join_their_snapshots_and_stand_where_the_reference_does():
    row = ROWS["kucoin"]
    reference = kucoin_rows()
    books, readers, ticks, compared = {}, {}, {}, 0
    # The file has answers before frames that were received earlier.
    for record in sorted(captured("KUCOIN.jsonl.xz"), key=lambda one: one.get("ts", 0)):
        if record["t"] == "http" and record["url"].endswith("/symbols"):
            listed = json.loads(record["data"])["data"]
            ticks = {one["symbol"]: one["priceIncrement"] for one in listed}
        elif record["t"] == "http" and "level2?symbol=" in record["url"]:
            name = record["url"].split("symbol=")[1]
            data = json.loads(record["data"])["data"]
            book = books.setdefault(name, VenueBook(name, row))
            sides = [[tuple(level[:2]) for level in data[side]] for side in ("bids", "asks")]
            fetched = Update(name, True, *sides, last=int(data["sequence"]))
            readers.setdefault(name, Reader(ticks[name])).take(book.join(fetched))
            assert book.ready, (name, book.why)
        elif record["t"] == "recv":
            for update in row.read(json.loads(record["data"])) or ():
                name = update.market
                book = books.setdefault(name, VenueBook(name, row))
                reader = readers.setdefault(name, Reader(ticks[name]))
                reader.take(book.take(update))
                expected = reference.get((name, update.last))
                if expected is not None:
                    assert book.ready, (name, book.why)
                    best = reader.book.best()
                    wanted = ("best_bid", "bid_qty", "best_ask", "ask_qty")
                    assert best == tuple(Decimal(expected[key]) for key in wanted), name
                    compared += 1
    assert compared == len(reference)
    assert {name: books[name].gaps for name in books} == dict.fromkeys(books, 0)


# ---- rules


def test_quantities_finer_than_a_lot_are_cut_and_prices_between_ticks_refused():
    book, reader = VenueBook("A/B", ROWS["gate"]), Reader("0.1")
    bids = [
        ("1.1", "0.00019434546"),
        ("1.0", "0.000000009"),
        ("0.9", "12345678901.5"),
        ("0.8", "7"),
    ]
    reader.take(book.take(Update("A", True, bids, [], last=1)))
    assert reader.sides()[0] == {
        Decimal("1.1"): Decimal("0.00019434"), Decimal("0.9"): Decimal("12345678901.5"),
        Decimal("0.8"): Decimal(7),
    }  # fmt: skip
    with pytest.raises(FrameRefused, match="finer than its step"):
        reader.take(book.take(Update("A", False, [("1.05", "1")], [], first=2, last=2)))
    [after] = book.take(Update("A", False, [("1.2", "1")], [], first=3, last=3))
    reader.take([after])
    assert reader.outcomes[-1] == Outcome.GAP


def test_what_coinbase_and_gate_and_binanceus_say_is_read():
    [coinbase] = ROWS["coinbase"].read(
        {
            "channel": "l2_data",
            "sequence_num": 4,
            "events": [
                {
                    "type": "snapshot",
                    "product_id": "BTC-USD",
                    "updates": [
                        {"side": "bid", "price_level": "21921.73", "new_quantity": "0.06"},
                        {"side": "offer", "price_level": "21921.74", "new_quantity": "0.1"},
                    ],
                }
            ],
        }
    )
    assert coinbase[:4] == ("BTC-USD", True, [("21921.73", "0.06")], [("21921.74", "0.1")])
    gate = {"channel": "spot.obu", "event": "update"}
    [whole] = ROWS["gate"].read(
        {**gate, "result": {"t": 5, "full": True, "s": "ob.XRP_USDT.50", "u": 96, "b": [], "a": []}}
    )
    assert (whole.market, whole.snapshot, whole.last) == ("XRP_USDT", True, 96)
    [delta] = ROWS["gate"].read(
        {**gate, "result": {"t": 6, "s": "ob.XRP_USDT.50", "U": 97, "u": 99, "a": [["1.4", "0"]]}}
    )
    assert (delta.first, delta.last, delta.bids, delta.asks) == (97, 99, [], [("1.4", "0")])
    assert ROWS["binanceus"].read({"e": "trade"}) is None


@pytest.mark.parametrize("name", sorted(ROWS))
def test_other_messages_are_left_to_ccxt(name):
    for message in ({}, {"event": "subscribe", "arg": {"channel": "books"}}, {"channel": "x"}):
        assert ROWS[name].read(message) is None


def test_what_is_checked_is_said_of_every_venue():
    assert checks_of("hitbtc") == NONE_KNOWN
    assert "CRC32" in checks_of("okx")
    assert all(row.name == name and row.checks for name, row in ROWS.items())


def test_a_snapshot_older_than_what_is_held_is_not_joined():
    book = VenueBook("A/B", ROWS["kucoin"])
    for number in (50, 51):
        assert book.take(Update("A-B", False, [("1", "1")], [], first=number, last=number)) == []
    assert book.wants_snapshot
    assert book.join(Update("A-B", True, [("2", "1")], [], last=48)) == []
    assert not book.ready
    frames = book.join(Update("A-B", True, [("2", "1")], [], last=49))
    reader = Reader()
    reader.take(frames)
    assert reader.outcomes == [Outcome.APPLIED] * 3
    assert reader.book.counts() == (2, 0)


def test_a_long_snapshot_goes_on_in_deltas():
    book, reader = VenueBook("A/B", ROWS["coinbase"]), Reader("1")
    bids = [(str(price), "1") for price in range(1, FRAME_LEVELS + 2)]
    asks = [(str(price), "1") for price in range(100_000, 100_010)]
    reader.take(book.take(Update("A-B", True, bids, asks)))
    assert reader.book.counts() == (len(bids), len(asks))
    assert len(reader.outcomes) > 1


NUMBER = st.integers(1, 60)
LEVELS = st.lists(st.tuples(NUMBER, st.integers(0, 3)), max_size=6)


@given(st.lists(st.tuples(LEVELS, LEVELS, st.booleans()), max_size=25), st.sampled_from(["p", "U"]))
def test_a_hole_in_any_stream_is_never_believed(stream, rule):
    """Whatever is lost on the way, a reader that believes its book has the venue's."""
    row = ROWS["okx" if rule == "p" else "gate"]
    book, reader = VenueBook("A/B", row), Reader("1")
    truth = ({}, {})
    reader.take(book.take(Update("A", True, [], [], last=1)))
    number = 1
    for bids, asks, lost in stream:
        sides = [
            [(str(price + 100 * place), str(quantity)) for price, quantity in levels]
            for place, levels in enumerate((bids, asks))
        ]
        for side, levels in zip(truth, sides, strict=True):
            side.update({Decimal(price): Decimal(quantity) for price, quantity in levels})
        previous, number = number, number + 2
        update = Update("A", False, *sides, first=previous + 1, last=number)
        if rule == "p":
            update = update._replace(previous=previous, first=None)
        if not lost:
            reader.take(book.take(update))
        if reader.believed and not lost and book.ready:
            assert reader.sides() == [
                {price: quantity for price, quantity in side.items() if quantity} for side in truth
            ]
    if any(lost for *_, lost in stream[:-1]) and not stream[-1][2]:
        assert not book.ready
        assert reader.book.gapped


WHOLE = st.lists(
    st.tuples(
        st.dictionaries(st.integers(1, 60), st.integers(1, 5), max_size=8),
        st.dictionaries(st.integers(61, 120), st.integers(1, 5), max_size=8),
        st.booleans(),
    ),
    max_size=20,
)


@given(WHOLE)
def test_whole_books_are_followed_by_what_differs(books):
    book, reader = VenueBook("A/B"), Reader("0.1")
    for bids, asks, lost in books:
        if lost:
            reader.take(book.lose("ccxt gave it up"))
        sides = [
            [[price / 10, quantity / 8] for price, quantity in sorted(side.items())]
            for side in (bids, asks)
        ]
        reader.take(book.take_whole(sides[0][::-1], sides[1], 5))
        assert reader.believed
        assert reader.sides() == [
            {Decimal(p) / 10: Decimal(q) / 8 for p, q in side.items()} for side in (bids, asks)
        ]


def test_a_whole_book_is_bounded():
    book, reader = VenueBook("A/B"), Reader("0.1")
    asks = [[price / 10, 1.0] for price in range(1, WHOLE_DEPTH + 100)]
    reader.take(book.take_whole([], asks, 5))
    reader.take(book.take_whole([], asks[1:], 5))
    assert reader.book.counts() == (0, WHOLE_DEPTH)


@given(st.integers(-(10**15) + 1, 10**15 - 1), st.integers(0, 12))
def test_a_floats_text_is_the_number_it_was_made_from(digits, places):
    value = Decimal(digits).scaleb(-places)
    assert decimal_from_text(text_of_float(float(value))) == value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None, "x", [1]])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(ValueError, match="not a plain decimal number"):
        text_of_float(value)


def test_a_book_with_a_number_that_is_none_starts_over():
    book = VenueBook("A/B")
    with pytest.raises(ValueError, match="not a plain decimal number"):
        book.take_whole([[float("nan"), 1.0]], [], 5)
    assert not book.ready
    row = VenueBook("A/B", ROWS["okx"])
    with pytest.raises(ValueError, match="could not convert"):
        row.take(Update("A-B", True, [("x", "1")], []))
    assert not row.ready


def test_trades_are_numbered_in_their_order():
    trades = VenueTrades("A/B")
    one = {"timestamp": 7, "side": "sell", "amount": 0.5, "price": 100.1}
    frames = [trades.frame([one, {**one, "side": "buy"}]), trades.frame([one])]
    numbers = [entry["seq"] for frame in frames for entry in orjson.loads(frame)["data"]]
    assert numbers == [1, 2, 3]
    book, scanner = Book("0.1"), BybitScanner()
    seen = scanner.feed(book, frames[0])
    assert (seen.trades, seen.price_ticks) == (2, 1001)
    assert [trade.buyer_is_maker for trade in scanner.trades()] == [True, False]
