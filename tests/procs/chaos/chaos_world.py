"""A small campaign on disk: a venue's journal, route's journal, logs and a diary, made by hand."""

from __future__ import annotations

import json
import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any

BEGAN_MS = 1_800_000_000_000
RULES = {
    "BTCUSDT": {
        "LOT_SIZE": {"stepSize": "0.001"},
        "NOTIONAL": {"minNotional": "5"},
    }
}
FOREIGN = {"clientOrderId": "by-hand", "price": "60", "origQty": "1"}


class World:
    """One decision that bought 1 BTC at 100 and sold it by its stop; change it, then `write`."""

    def __init__(self) -> None:
        self.orders: list[dict[str, Any]] = []
        self.fills: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.diary: list[dict[str, Any]] = []
        self.system: list[dict[str, Any]] = []
        self.errors: list[dict[str, Any]] = []
        self.ingest: list[dict[str, Any]] = []
        self.summary: dict[str, Any] = {
            "clean_shutdown": True,
            "ledger": {"USDT": {"engine": "990"}, "BTC": {"engine": "0"}},
        }
        self.balances = {"USDT": "990", "BTC": "0"}
        for role in ("localvenue", "route", "protect"):
            self.log(0, "process_ready", field_role=role, pid=1)
        self.blow(0, "start", "supervise")
        self.event("run_began", 100, run_id="ta")
        self.event(
            "intent_accepted", 1000, intent={"intent_id": "ta-1", "quantity": "1", "symbol": "B"}
        )
        self.order(1000, "by-hand", "BUY", "1", price="60")
        self.buy = self.order(1010, "sw-ta-1-e1", "BUY", "1", "FILLED", 1010)
        self.fill(self.buy, 1010, "1", "100")
        self.stop = self.order(1015, "sw-ta-1-s1", "SELL", "1", "FILLED", 9000)
        self.fill(self.stop, 9000, "1", "90")
        self.blow(20_000, "over")

    def blow(self, at_ms: int, what: str, role: str = "", **more: Any) -> dict[str, Any]:
        entry = {"at_ms": BEGAN_MS + at_ms, "what": what, "role": role, **more}
        self.diary.append(entry)
        self.diary.sort(key=lambda one: one["at_ms"])
        return entry

    def log(self, at_ms: int, event_type: str, **more: Any) -> None:
        stream = self.errors if event_type in ("process_died", "alarm") else self.system
        at_ns = (BEGAN_MS + at_ms) * 1_000_000
        stream.append({"at_ns": at_ns, "event_type": event_type, "role": "supervise", **more})

    def kill(self, role: str, at_ms: int, ready_ms: int | None, pid: int = 7) -> None:
        self.blow(at_ms, "kill", role, pid=pid)
        self.died(role, at_ms + 5, pid=pid)
        if ready_ms is not None:
            self.log(ready_ms, "process_ready", field_role=role, pid=pid + 1)

    def pause(self, role: str, at_ms: int, until_ms: int) -> None:
        self.blow(at_ms, "pause", role, pid=7)
        self.blow(until_ms, "resume", role, pid=7)

    def faults(self, at_ms: int, until_ms: int) -> None:
        self.blow(at_ms, "faults", "localvenue", plan="faults 5xx")
        self.blow(until_ms, "healed", "localvenue")

    def limited(self, at_ms: int, wait_s: float) -> None:
        """Ingest says that it waits for the venue's rate limit."""
        at_ns = (BEGAN_MS + at_ms) * 1_000_000
        self.ingest.append({"at_ns": at_ns, "event_type": "feed_up"})
        self.ingest.append({"at_ns": at_ns, "event_type": "rate_limited", "wait_s": wait_s})

    def died(self, role: str, at_ms: int, pid: int, code: int = -9, words: str = "") -> None:
        more = {"field_role": role, "pid": pid, "exit_code": code, "last_words": words}
        self.log(at_ms, "process_died", **more)

    def event(self, kind: str, at_ms: int, **body: Any) -> dict[str, Any]:
        made = {"type": kind, "at_ns": (BEGAN_MS + at_ms) * 1_000_000, **body}
        self.events.append(made)
        return made

    def order(
        self,
        at_ms: int,
        client_id: str,
        side: str,
        quantity: str,
        status: str = "NEW",
        ended_ms: int | None = None,
        *,
        price: str = "100",
        list_id: int = -1,
        journaled: bool = True,
    ) -> dict[str, Any]:
        made = {
            "id": len(self.orders) + 1,
            "client_id": client_id,
            "symbol": "BTCUSDT",
            "side": side,
            "quantity": quantity,
            "executed": "0",
            "price": price,
            "created_ms": BEGAN_MS + at_ms,
            "updated_ms": BEGAN_MS + (at_ms if ended_ms is None else ended_ms),
            "list_id": list_id,
            "status": status,
        }
        self.orders.append(made)
        if journaled and client_id.startswith("sw-"):
            self.event("order_submitted", at_ms - 5, client_id=client_id)
        return made

    def fill(
        self,
        order: dict[str, Any],
        at_ms: int,
        quantity: str,
        price: str,
        *,
        booked: bool = True,
        fee: str = "0",
    ) -> dict[str, Any]:
        buys = order["side"] == "BUY"
        made = {
            "trade_id": len(self.fills) + 1,
            "order_id": order["id"],
            "symbol": "BTCUSDT",
            "quantity": quantity,
            "price": price,
            "fee": fee,
            "fee_asset": "BTC" if buys else "USDT",
            "is_buyer": buys,
            "at_ms": BEGAN_MS + at_ms,
        }
        self.fills.append(made)
        order["executed"] = str(Decimal(order["executed"]) + Decimal(quantity))
        if booked:
            self.event(
                "fill_booked",
                at_ms + 3,
                client_id=order["client_id"],
                trade_id=str(made["trade_id"]),
                price=price,
                quantity=quantity,
                inferred=False,
            )
        return made

    def booked(self, place: int) -> dict[str, Any]:
        return [event for event in self.events if event["type"] == "fill_booked"][place]

    def write(self, userdir: Path) -> Path:
        (userdir / "data").mkdir(parents=True)
        logs = userdir / "logs" / "ta"
        logs.mkdir(parents=True)
        with sqlite3.connect(userdir / "data" / "venue.db") as database:
            database.execute("create table orders (id integer primary key, body text)")
            database.execute("create table fills (id integer primary key, body text)")
            database.execute("create table balances (asset text, free text, locked text)")
            for name, rows in (("orders", self.orders), ("fills", self.fills)):
                database.executemany(
                    f"insert into {name}(body) values (?)", [(json.dumps(row),) for row in rows]
                )
            database.executemany(
                "insert into balances values (?, ?, '0')", list(self.balances.items())
            )
        with sqlite3.connect(userdir / "data" / "route.db") as database:
            database.execute("create table events (seq integer primary key, type text, body text)")
            database.executemany(
                "insert into events values (?, ?, ?)",
                [
                    (event.get("seq", at), event["type"], json.dumps(event))
                    for at, event in enumerate(self.events, 1)
                ],
            )
        for name, rows in (("system", self.system), ("errors", self.errors)):
            lines = "".join(json.dumps(row) + "\n" for row in rows)
            (logs / f"supervise.{name}.jsonl").write_text(lines + '{"torn')
        lines = "".join(json.dumps(row) + "\n" for row in self.ingest)
        (logs / "ingest.events.jsonl").write_text(lines)
        diary = "".join(json.dumps(row) + "\n" for row in self.diary)
        (userdir / "blows.jsonl").write_text(diary)
        (userdir / "rules.json").write_text(json.dumps(RULES))
        (userdir / "foreign.json").write_text(json.dumps({"orders": [FOREIGN], "coins": {}}))
        return userdir
