"""What the auditor reads: the venue's journal, route's journal, logs and the diary of blows.

Standard library only. Nothing here knows a type, a reader or a rule of the engine; a mistake would
have to be made twice to hide.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

CLIENT_ID = re.compile(r"sw-([0-9a-z]+-[0-9]+)-([etsx])([0-9]+)")
OPEN = ("NEW", "PARTIALLY_FILLED", "PENDING_NEW")


@dataclass(frozen=True)
class Fill:
    """One execution at the venue."""

    trade_id: str
    order_id: int
    buys: bool
    quantity: Decimal
    price: Decimal
    base_fee: Decimal
    at_ms: int


@dataclass(frozen=True)
class Order:
    """One order at the venue, as it was at the end, with everything that it traded."""

    order_id: int
    client_id: str
    symbol: str
    side: str
    quantity: Decimal
    executed: Decimal
    price: Decimal
    created_ms: int
    ended_ms: int | None
    list_id: int
    status: str
    fills: tuple[Fill, ...]

    @property
    def decision(self) -> str:
        """Whose it is; empty for an order that is not the engine's."""
        match = CLIENT_ID.fullmatch(self.client_id)
        return match[1] if match else ""

    @property
    def leg(self) -> str:
        """e, t, s or x; empty for an order that is not the engine's."""
        match = CLIENT_ID.fullmatch(self.client_id)
        return match[2] if match else ""


@dataclass(frozen=True)
class Rule:
    """What can be sold of a symbol."""

    step: Decimal
    min_notional: Decimal

    def sellable(self, quantity: Decimal, price: Decimal) -> Decimal:
        """Whole lots of a quantity; zero where the venue would refuse so little."""
        lots = quantity // self.step * self.step
        return lots if lots > 0 and lots * price >= self.min_notional else Decimal(0)


def rules(userdir: Path) -> dict[str, Rule]:
    """The symbols' filters, as the venue said them before the engine began."""
    return {
        symbol: Rule(
            Decimal(found["LOT_SIZE"]["stepSize"]), Decimal(found["NOTIONAL"]["minNotional"])
        )
        for symbol, found in json.loads((userdir / "rules.json").read_text()).items()
    }


def venue_orders(userdir: Path) -> list[Order]:
    """Every order that ever was at the venue."""
    with _database(userdir / "data" / "venue.db") as database:
        fills: dict[int, list[Fill]] = defaultdict(list)
        for (text,) in database.execute("select body from fills order by id"):
            body = json.loads(text)
            fills[body["order_id"]].append(_fill(body))
        found = database.execute("select body from orders order by id").fetchall()
    return [_order(json.loads(text), fills) for (text,) in found]


def venue_balances(userdir: Path) -> dict[str, Decimal]:
    """What the account has of each asset, free and locked."""
    with _database(userdir / "data" / "venue.db") as database:
        rows = database.execute("select asset, free, locked from balances").fetchall()
    return {asset: Decimal(free) + Decimal(locked) for asset, free, locked in rows}


def engine_events(userdir: Path) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Sequence, type and content of each row of route's journal."""
    with _database(userdir / "data" / "route.db") as database:
        rows = database.execute("select seq, type, body from events order by seq").fetchall()
    for seq, kind, body in rows:
        yield seq, kind, json.loads(body)


def log_lines(userdir: Path, name: str) -> list[dict[str, Any]]:
    """The records of one log of all runs, in time; a last line torn by a kill is left out."""
    found = []
    for path in sorted((userdir / "logs").glob(f"*/{name}.jsonl*")):
        if path.parent.is_symlink():
            continue
        for line in path.read_bytes().splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
    return sorted(found, key=lambda record: int(record["at_ns"]))


def diary(userdir: Path) -> list[dict[str, Any]]:
    """What was done to the engine."""
    return [json.loads(line) for line in (userdir / "blows.jsonl").read_text().splitlines()]


def _database(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)


def _fill(body: dict[str, Any]) -> Fill:
    in_base = body["symbol"].startswith(body["fee_asset"])
    return Fill(
        trade_id=str(body["trade_id"]),
        order_id=body["order_id"],
        buys=body["is_buyer"],
        quantity=Decimal(body["quantity"]),
        price=Decimal(body["price"]),
        base_fee=Decimal(body["fee"]) if in_base else Decimal(0),
        at_ms=body["at_ms"],
    )


def _order(body: dict[str, Any], fills: dict[int, list[Fill]]) -> Order:
    return Order(
        order_id=body["id"],
        client_id=body["client_id"],
        symbol=body["symbol"],
        side=body["side"],
        quantity=Decimal(body["quantity"]),
        executed=Decimal(body["executed"]),
        price=Decimal(body["price"] or 0),
        created_ms=body["created_ms"],
        ended_ms=None if body["status"] in OPEN else body["updated_ms"],
        list_id=body["list_id"],
        status=body["status"],
        fills=tuple(fills.get(body["id"], ())),
    )
