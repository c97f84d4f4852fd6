"""The venue's journal: files of the first version are lifted, nothing that was told is lost."""

from __future__ import annotations

import sqlite3
from decimal import Decimal as D

import msgspec
import pytest
from test_localvenue_matching import BTC, World

from procs.localvenue.journal import VenueJournal
from procs.localvenue.matching.exchange import Exchange
from procs.localvenue.matching.model import Balance, Fill, Order
from procs.localvenue.matching.store import Counters
from shared.errors import JournalError

VERSION_1 = """
create table meta (key text primary key, value blob not null) without rowid;
create table keys (api_key text primary key, secret text not null, place integer);
create table balances (
  account text, asset text, free text not null, locked text not null,
  primary key (account, asset)) without rowid;
create table orders (
  id integer primary key, account text not null, symbol text not null, status text not null,
  list_id integer not null, body text not null);
create table lists (id integer primary key, status text not null, body text not null);
create table fills (id integer primary key, order_id integer, body text not null);
"""


def old_journal(folder):
    """A journal as the first version wrote it: one resting order, one fill of it."""
    order = Order(
        id=7,
        account="me",
        symbol="BTCUSDT",
        side="BUY",
        type="LIMIT",
        quantity=D(2),
        price=D(50),
        client_id="old",
        created_ms=1,
        updated_ms=2,
        working_ms=1,
        status="PARTIALLY_FILLED",
        executed=D(1),
        executed_quote=D(50),
        locked=D(50),
    )
    fill = Fill(
        trade_id=3,
        order_id=7,
        list_id=-1,
        account="me",
        symbol="BTCUSDT",
        price=D(50),
        quantity=D(1),
        quote_quantity=D(50),
        fee=D("0.001"),
        fee_asset="BTC",
        is_buyer=True,
        is_maker=True,
        at_ms=2,
    )
    new_fields = ("queue_number", "shown")
    body = {k: v for k, v in msgspec.to_builtins(order).items() if k not in new_fields}
    old_counters = {"order": 7, "order_list": 0, "trade": 3, "execution": 9}
    database = sqlite3.connect(folder / "venue.db")
    with database:
        database.executescript(VERSION_1)
        rows = (("schema_version", b"1"), ("counters", msgspec.json.encode(old_counters)))
        database.executemany("insert into meta values (?, ?)", rows)
        balances = (("me", "USDT", "100", "50"), ("me", "BTC", "0.999", "0"))
        database.executemany("insert into balances values (?, ?, ?, ?)", balances)
        text = msgspec.json.encode(body).decode()
        database.execute(
            "insert into orders values (7, 'me', 'BTCUSDT', 'PARTIALLY_FILLED', -1, ?)", (text,)
        )
        text = msgspec.json.encode(fill).decode()
        database.execute("insert into fills values (3, 7, ?)", (text,))
    database.close()


def test_a_journal_of_the_first_version_is_lifted_and_adds_up(tmp_path):
    old_journal(tmp_path)
    for _ in range(2):
        journal = VenueJournal(tmp_path)
        state = journal.state()
        journal.close()
        exchange = Exchange([BTC], {})
        exchange.restore(state)
        assert exchange.verify() == {"USDT": D(150), "BTC": D("0.999")}
        assert exchange.find("me", "BTCUSDT", None, "old").remaining == 1
        assert exchange.fills_of(7)[0].trade_id == 3
    answer = exchange.cancel("me", "BTCUSDT", 5, order_id=7)
    assert answer.orders[0].status == "CANCELED"
    assert exchange.balances("me")["USDT"] == Balance(D(150), D(0))


def test_a_journal_of_another_version_is_refused_and_left_as_it_is(tmp_path):
    journal = VenueJournal(tmp_path)
    journal.put("schema_version", b"3")
    journal.close()
    with pytest.raises(JournalError, match="schema 3"):
        VenueJournal(tmp_path)
    with sqlite3.connect(tmp_path / "venue.db") as database:
        row = database.execute("select value from meta where key = 'schema_version'").fetchone()
    assert row == (b"3",)


def test_what_fails_half_way_is_not_written(tmp_path):
    world = World()
    journal = VenueJournal(tmp_path)
    exchange = world.exchange
    accounts = {name: exchange.balances(name) for name in exchange.accounts}
    journal.open_accounts(accounts, exchange.counters, exchange.ledger)
    journal.write(exchange.drain(), exchange.counters, exchange.ledger)
    before = msgspec.json.encode(journal.state())
    world.limit("BUY", "1", "100.01")

    def broken():
        yield from exchange.drain()
        raise sqlite3.OperationalError("the disk is full")

    with pytest.raises(sqlite3.OperationalError):
        journal.write(broken(), exchange.counters, exchange.ledger)
    assert msgspec.json.encode(journal.state()) == before
    assert journal.state().counters == Counters(market_line=2)
    journal.close()
