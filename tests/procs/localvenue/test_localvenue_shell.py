"""The venue's turns: committed before told, resumed as left, stopped when it cannot write."""

from __future__ import annotations

import sqlite3
from decimal import Decimal as D

import pytest

from procs.localvenue.journal import VenueJournal
from procs.localvenue.market.profiles import build_market
from procs.localvenue.matching.model import PlaceOrder
from procs.localvenue.shell import Venue
from shared.errors import ConfigError, JournalError

START_MS = 1_700_000_000_000


class Clock:
    def __init__(self):
        self.ms = START_MS

    def __call__(self):
        return self.ms


def open_venue(folder, clock, profile="fast", accounts=1):
    market = build_market(profile, 7, clock.ms)
    journal = VenueJournal(folder)
    try:
        return Venue(market, profile, journal, {"USDT": D(1000)}, clock, accounts=accounts)
    except BaseException:
        journal.close()
        raise


def buy(venue, quantity="0.001", **fields):
    account = next(iter(venue.secrets))
    request = PlaceOrder(
        symbol="BTCUSDT", side="BUY", type="MARKET", quantity=D(quantity), **fields
    )
    return venue.turn(lambda now_ms: venue.exchange.place(account, request, now_ms))


def test_listeners_hear_only_what_is_committed(tmp_path):
    clock = Clock()
    venue = open_venue(tmp_path, clock)
    clock.ms += 500
    counted = []

    class Listener:
        def on_user(self, events, now_ms):
            with sqlite3.connect(tmp_path / "venue.db") as other:
                (fills,) = other.execute("select count(*) from fills").fetchone()
            counted.append(fills)

    venue.user_listeners.append(Listener())
    placed = buy(venue)
    assert counted == [len(placed.fills)]
    venue.close()


def test_a_venue_resumes_what_it_left_and_adds_accounts(tmp_path):
    clock = Clock()
    venue = open_venue(tmp_path, clock)
    while "BTCUSDT" not in venue.exchange.last_prices():
        clock.ms += 500
        venue.pump()
    placed = buy(venue)
    (account,) = venue.secrets
    balances, fills = venue.exchange.balances(account), venue.exchange.state().fills
    price = venue.exchange.last_prices()["BTCUSDT"]
    venue.close()
    clock.ms += 3_600_000
    again = open_venue(tmp_path, clock, accounts=2)
    assert again.exchange.balances(account) == balances
    assert again.exchange.state().fills == fills
    assert again.exchange.order(account, "BTCUSDT", placed.order.id) == placed.order
    assert again.exchange.last_prices()["BTCUSDT"] == price
    assert len(again.secrets) == 2
    second = list(again.secrets)[1]
    assert again.exchange.balances(second)["USDT"].free == 1000
    again.pump()
    assert buy(again).order.id == placed.order.id + 1
    again.exchange.verify()
    again.close()


def test_the_market_goes_on_from_where_it_was_saved(tmp_path):
    clock = Clock()
    venue = open_venue(tmp_path, clock)
    for _ in range(30):
        clock.ms += 1_000
        venue.pump()
    before = venue.exchange.published["BTCUSDT"].reference_price()
    venue.close()
    again = open_venue(tmp_path, clock)
    clock.ms += 100
    again.pump()
    assert again.exchange.published["BTCUSDT"].reference_price() == pytest.approx(
        before, rel=D("0.02")
    )
    again.close()


def test_a_venue_that_cannot_write_answers_nothing_more(tmp_path):
    clock = Clock()
    venue = open_venue(tmp_path, clock)
    clock.ms += 500
    buy(venue)
    venue.journal._db.execute("pragma query_only = 1")
    with pytest.raises(JournalError, match="the venue stops"):
        buy(venue)
    venue.journal._db.execute("pragma query_only = 0")
    with pytest.raises(JournalError, match="the venue stops"):
        venue.pump()
    venue.close()
    again = open_venue(tmp_path, clock)
    account = next(iter(again.secrets))
    assert len(again.exchange.all_orders(account, "BTCUSDT")) == 1
    again.exchange.verify()
    again.close()


def test_another_market_or_schema_is_refused(tmp_path):
    clock = Clock()
    open_venue(tmp_path, clock).close()
    with pytest.raises(ConfigError, match="belongs to the market 'fast'"):
        open_venue(tmp_path, clock, profile="calm")
    journal = VenueJournal(tmp_path)
    journal.put("schema_version", b"99")
    journal.close()
    with pytest.raises(JournalError, match="schema 99, this program reads 1"):
        VenueJournal(tmp_path)


def test_a_file_that_is_no_journal_is_refused(tmp_path):
    (tmp_path / "venue.db").write_bytes(b"not a database at all, " * 50)
    with pytest.raises(JournalError, match="not a venue journal"):
        VenueJournal(tmp_path)
