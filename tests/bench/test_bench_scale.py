"""The scale benchmark: every frame of its server makes one quote, whose age can be told."""

from itertools import pairwise

import orjson
import pytest

from bench import scale
from bench.frame_server import VARIANTS, Markets
from core_ext.book import Book
from core_ext.codes import Outcome
from core_ext.scan import BinanceScanner
from procs.cli.bench import available
from shared.venues.feed.instruments import read_instruments


class Caught:
    """A connection that keeps what it is given."""

    def __init__(self):
        self.frames = []

    def send(self, kind, frame):
        self.frames.append(frame)


@pytest.fixture
def markets():
    made = Markets(2)
    made.streams = {symbol: Caught() for symbol in made.symbols}
    return made


def test_the_verb_offers_it():
    assert "scale" in available()


def test_its_markets_can_be_read(markets):
    found = read_instruments(orjson.dumps(markets.answer("/api/v3/exchangeInfo", {})), "USDT")
    assert [one.symbol for one in found] == markets.symbols == ["B000USDT", "B001USDT"]


def test_every_frame_changes_what_a_quote_says(markets):
    symbol = markets.symbols[0]
    scanner, book = BinanceScanner(), Book("0.01")
    snapshot = markets.answer("/api/v3/depth", {"symbol": [symbol]})
    scanner.load_snapshot(book, orjson.dumps(snapshot))
    for _ in range(4 * VARIANTS):
        markets.say_next()
    prices, tops = [], []
    for frame in markets.streams[symbol].frames:
        result = scanner.feed(book, frame)
        assert result.event_ms > 1_000_000_000_000_000
        if b"@trade" in frame:
            prices.append(result.price_ticks)
        else:
            assert result.outcome == Outcome.APPLIED
            assert not book.crossed()
            tops.append(book.best_ticks())
    assert len(prices) == len(tops) == VARIANTS
    for said in (prices, tops):
        assert all(one != other for one, other in pairwise(said))


@pytest.mark.e2e
@pytest.mark.slow
def test_ingest_says_a_quote_for_each_frame(capsys):
    rows = scale.run(symbols=5, slices=2)
    assert [row["name"] for row in rows] == ["scale_core_share", "scale_quote_age"]
    share, age = rows
    assert 0 < share["p50"] <= share["p99"] < 100
    assert 0 < age["p50"] <= age["p99"] <= age["p999"]
    assert age["samples"] == pytest.approx(2 * 5 * scale.FRAMES_PER_SYMBOL_S, rel=0.2)
    assert "scale_quote_age" in capsys.readouterr().out
