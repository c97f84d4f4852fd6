"""The venue's own memory: accounts, orders, lists, fills, ids and the market's position in SQLite.

Each request is one transaction that is committed before its answer leaves, so that a kill at any
instant loses nothing that a client was told. A lock file keeps a second venue off the same data.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from procs.localvenue.matching.account import add
from procs.localvenue.matching.ledger import Ledger
from procs.localvenue.matching.model import (
    Amendment,
    Balance,
    BalancesChanged,
    Fill,
    ListChanged,
    Order,
    OrderList,
    OrderUpdated,
    Prevention,
    VenueEvent,
)
from procs.localvenue.matching.store import CLOSED_ORDERS_KEPT, Counters, VenueState
from procs.localvenue.matching.words import OPEN_STATUSES
from shared.errors import ConfigError, JournalError
from shared.units import decimal_from_text

SCHEMA_VERSION: Final = "2"

_META: Final = "create table if not exists meta (key text primary key, value blob) without rowid;"

_SCHEMA: Final = """
create table if not exists keys (api_key text primary key, secret text not null, place integer);
create table if not exists balances (
  account text, asset text, free text not null, locked text not null,
  primary key (account, asset)) without rowid;
create table if not exists orders (
  id integer primary key, account text not null, symbol text not null, status text not null,
  list_id integer not null, body text not null);
create table if not exists lists (id integer primary key, status text not null, body text not null);
create table if not exists fills (
  id integer, order_id integer, body text not null, primary key (id, order_id)) without rowid;
create table if not exists preventions (
  id integer primary key, taker_id integer not null, body text not null);
create table if not exists amendments (
  id integer primary key, order_id integer not null, body text not null);
"""

_FROM_1: Final = """
begin immediate;
alter table fills rename to fills_1;
create table fills (
  id integer, order_id integer, body text not null, primary key (id, order_id)) without rowid;
insert into fills select id, order_id, body from fills_1;
drop table fills_1;
update meta set value = cast('2' as blob) where key = 'schema_version';
commit;
"""
"""Version 1 told two orders of one trade apart by trade ids; its ledger had accounts only."""

_ORDER: Final = msgspec.json.Decoder(Order)
_LIST: Final = msgspec.json.Decoder(OrderList)
_FILL: Final = msgspec.json.Decoder(Fill)
_PREVENTION: Final = msgspec.json.Decoder(Prevention)
_AMENDMENT: Final = msgspec.json.Decoder(Amendment)


class VenueJournal:
    """One open database. With `directory` None it lasts as long as the process, so what happens is
    not written down at all: nobody could ever read it back."""

    def __init__(self, directory: Path | None) -> None:
        """Raises ConfigError when another venue holds the data, JournalError when it is broken."""
        self._lock: int | None = None
        self._lasts = directory is not None
        if directory is None:
            self.path = ":memory:"
        else:
            self.path = str(directory / "venue.db")
            self._lock = _take_lock(directory)
        try:
            self._db = sqlite3.connect(self.path, isolation_level=None)
            if directory is not None:
                os.chmod(self.path, 0o600)
            self._db.execute("pragma journal_mode = wal")
            self._db.execute("pragma synchronous = normal")
            self._db.execute(_META)
            self._take_version()
            self._db.executescript(_SCHEMA)
        except sqlite3.OperationalError as error:
            raise JournalError(
                f"{self.path}: cannot be written: {error}; is the disk full?"
            ) from error
        except sqlite3.DatabaseError as error:
            raise JournalError(f"{self.path}: not a venue journal: {error}") from error

    def _take_version(self) -> None:
        """Marks a new journal, lifts one of version 1. Raises JournalError for other versions."""
        version = (self.get("schema_version") or SCHEMA_VERSION.encode()).decode()
        if version == "1":
            self._db.executescript(_FROM_1)
        elif version != SCHEMA_VERSION:
            raise JournalError(f"{self.path}: schema {version}, this program reads 1 and 2")
        else:
            self.put("schema_version", SCHEMA_VERSION.encode())

    def close(self) -> None:
        """Closes the database and lets the lock go."""
        self._db.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def get(self, key: str) -> bytes | None:
        """A value of the meta table."""
        row = self._db.execute("select value from meta where key = ?", (key,)).fetchone()
        return None if row is None else bytes(row[0])

    def put(self, key: str, value: bytes) -> None:
        """Writes one value of the meta table."""
        self._db.execute("insert or replace into meta values (?, ?)", (key, value))

    def keys(self) -> dict[str, str]:
        """API key to secret, in the order in which the accounts were made."""
        rows = self._db.execute("select api_key, secret from keys order by place").fetchall()
        return {str(key): str(secret) for key, secret in rows}

    def add_keys(self, keys: dict[str, str]) -> None:
        """Remembers the keys of new accounts."""
        place = len(self.keys())
        self._db.executemany(
            "insert into keys values (?, ?, ?)",
            [(key, secret, place + at) for at, (key, secret) in enumerate(keys.items())],
        )

    def write(
        self,
        events: Iterable[VenueEvent],
        counters: Counters,
        ledger: Ledger,
        silent: Iterable[Order | OrderList] = (),
    ) -> None:
        """Commits what one request or one moment of the market changed; `silent` is what changed
        without an event, as it is after all events."""
        if not self._lasts:
            return
        with self._transaction():
            for event in events:
                if isinstance(event, OrderUpdated):
                    self._write_update(event)
                elif isinstance(event, BalancesChanged):
                    self._write_balances(event.account, event.balances)
                elif isinstance(event, ListChanged):
                    for order in event.orders:
                        self._write_order(order)
                    self._write_list(event.order_list)
            for one in silent:
                if isinstance(one, Order):
                    self._write_order(one)
                else:
                    self._write_list(one)
            self._write_books(counters, ledger)

    def open_accounts(
        self, balances: dict[str, dict[str, Balance]], counters: Counters, ledger: Ledger
    ) -> None:
        """Commits the first balances of new accounts, and the ledger that they were put in."""
        with self._transaction():
            for account, one in balances.items():
                self._write_balances(account, one)
            self._write_books(counters, ledger)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """Commits what is written inside, or nothing of it; whatever ended it is raised on."""
        self._db.execute("begin immediate")
        try:
            yield
            self._db.execute("commit")
        except BaseException:
            # A full disk makes SQLite roll back by itself.
            if self._db.in_transaction:
                self._db.execute("rollback")
            raise

    def _write_update(self, event: OrderUpdated) -> None:
        execute = self._db.execute
        self._write_order(event.order)
        if event.fill is not None:
            execute(
                "insert into fills values (?, ?, ?)",
                (event.fill.trade_id, event.fill.order_id, _text(event.fill)),
            )
        prevention, amendment = event.prevention, event.amendment
        if prevention is not None:
            execute(
                "insert or replace into preventions values (?, ?, ?)",
                (prevention.id, prevention.taker_order_id, _text(prevention)),
            )
        if amendment is not None:
            execute(
                "insert into amendments values (?, ?, ?)",
                (amendment.execution_id, amendment.order_id, _text(amendment)),
            )

    def _write_books(self, counters: Counters, ledger: Ledger) -> None:
        self.put("counters", msgspec.json.encode(counters))
        self.put("ledger", msgspec.json.encode(ledger))

    def _write_balances(self, account: str, balances: dict[str, Balance]) -> None:
        self._db.executemany(
            "insert or replace into balances values (?, ?, ?, ?)",
            [(account, asset, str(one.free), str(one.locked)) for asset, one in balances.items()],
        )

    def state(self) -> VenueState | None:
        """What the last run left; None for a new journal. Closed orders: the newest ones only."""
        counters = self.get("counters")
        balances: dict[str, dict[str, Balance]] = {}
        for account, asset, free, locked in self._db.execute("select * from balances"):
            balances.setdefault(account, {})[asset] = Balance(
                decimal_from_text(free), decimal_from_text(locked)
            )
        if not balances:
            return None
        (last_id,) = self._db.execute("select coalesce(max(id), 0) from orders").fetchone()
        first_id = last_id - CLOSED_ORDERS_KEPT
        open_words = ", ".join(f"'{status}'" for status in sorted(OPEN_STATUSES))
        orders = self._rows(
            f"select body from orders where id > ? or status in ({open_words}) "
            "or list_id in (select id from lists where status != 'ALL_DONE')",
            (first_id,),
            _ORDER,
        )
        known = {order.id for order in orders}
        lists = [
            found
            for found in self._rows("select body from lists", (), _LIST)
            if known.issuperset(found.order_ids)
        ]
        fills = [
            fill
            for fill in self._rows("select body from fills where order_id > ?", (first_id,), _FILL)
            if fill.order_id in known
        ]
        amendments = [
            one
            for one in self._rows(
                "select body from amendments where order_id > ?", (first_id,), _AMENDMENT
            )
            if one.order_id in known
        ]
        return VenueState(
            balances=balances,
            orders=orders,
            lists=lists,
            fills=fills,
            counters=Counters()
            if counters is None
            else msgspec.json.decode(counters, type=Counters),
            last_prices={},
            ledger=self._ledger(balances),
            preventions=self._rows(
                "select body from preventions where taker_id > ?", (first_id,), _PREVENTION
            ),
            amendments=amendments,
        )

    def _ledger(self, balances: dict[str, dict[str, Balance]]) -> Ledger:
        """The saved ledger; a journal of version 1 had none: what is there counts as put in."""
        saved = self.get("ledger")
        if saved is not None:
            return msgspec.json.decode(saved, type=Ledger)
        ledger = Ledger()
        for own in balances.values():
            for asset, one in own.items():
                ledger.deposit(asset, add(one.free, one.locked))
        return ledger

    def _rows(self, query: str, values: tuple[int, ...], decoder: Any) -> list[Any]:
        try:
            return [decoder.decode(body) for (body,) in self._db.execute(query, values)]
        except msgspec.DecodeError as error:
            raise JournalError(f"{self.path}: a row that cannot be read: {error}") from error

    def _write_list(self, found: OrderList) -> None:
        self._db.execute(
            "insert or replace into lists values (?, ?, ?)", (found.id, found.status, _text(found))
        )

    def _write_order(self, order: Order) -> None:
        self._db.execute(
            "insert or replace into orders values (?, ?, ?, ?, ?, ?)",
            (order.id, order.account, order.symbol, order.status, order.list_id, _text(order)),
        )


def _text(value: msgspec.Struct) -> str:
    return msgspec.json.encode(value).decode()


def _take_lock(directory: Path) -> int:
    directory.mkdir(parents=True, exist_ok=True)
    lock = os.open(directory / "venue.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise ConfigError(f"{directory}: another local venue is using this data folder") from None
    return lock
