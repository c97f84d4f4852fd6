"""Steering and seeing while the engine trades: the names of the contract, and what the verbs do."""

from decimal import Decimal

import pytest
from engine_process import HOLDS, ROLES, Engine, assert_sound, sets
from venue_books import Books

pytestmark = pytest.mark.e2e

STATUS_KEYS = {"state", "run_id", "uptime_s", "processes", "positions_open", "unprotected_now"} | {
    "latch"
}
PROCESS_KEYS = {"pid", "status", "cpus", "cpu_pct", "rss_mb", "heartbeat_age_ms", "restarts"}
POSITION_KEYS = {"position_id", "symbol", "quantity", "entry_price", "stop_price", "mark"} | {
    "pnl_quote",
    "protection",
    "unprotected_s",
}
ORDER_KEYS = {"client_id", "decision_id", "symbol", "side", "kind", "purpose", "quantity"} | {
    "price",
    "stop_price",
    "status",
    "filled",
    "venue_order_id",
}
FILL_KEYS = {"symbol", "trade_id", "client_id", "decision_id", "side", "quantity", "price"} | {
    "fee",
    "fee_asset",
    "at_ns",
}
BALANCE_KEYS = {"asset", "free", "locked", "total", "ledger"}


def steered(engine: Engine, verb: str, *arguments: str, state: str) -> dict:
    """The verb succeeds, and the engine comes to this state."""
    answer = engine.asked(verb, *arguments)
    assert answer["ok"] is True
    return engine.until(lambda found: found["state"] == state, f"{state} after {verb}")


def test_a_session(engine):
    engine.start("--profile", "fast", *sets({**HOLDS, "risk.max_positions": 2}))
    engine.until_active()
    found = engine.until(lambda now: now["positions_open"] == 2, "two positions")

    assert found.keys() >= STATUS_KEYS
    assert list(found["processes"]) == list(ROLES)
    for row in found["processes"].values():
        assert row.keys() >= PROCESS_KEYS
    assert found["unprotected_now"] == 0
    assert found["latch"] == ""

    held = engine.asked("positions")
    orders = engine.asked("orders")
    fills = engine.asked("fills")
    balance = engine.asked("balance")
    for rows, keys in (
        (held, POSITION_KEYS),
        (orders, ORDER_KEYS),
        (fills, FILL_KEYS),
        (balance, BALANCE_KEYS),
    ):
        assert rows
        for row in rows:
            assert row.keys() >= keys, keys - row.keys()
    books = Books.of_engine(engine.run_dir)
    at_venue = {row["clientOrderId"]: row for row in books.open_orders()}
    assert {row["client_id"] for row in orders} == at_venue.keys()
    for row in balance:
        total = Decimal(row["total"])
        assert total == books.balance(row["asset"]) == Decimal(row["ledger"]), row

    steered(engine, "pause-entries", state="REDUCING")
    steered(engine, "resume", state="ACTIVE")
    steered(engine, "halt", "--yes", state="HALTED")
    steered(engine, "resume", state="ACTIVE")
    found = steered(engine, "kill", "--yes", "--reason", "a drill", state="REDUCING")
    assert found["latch"] == "a drill"
    assert (engine.userdir / "data" / "KILL").read_text() == "a drill\n"
    assert "a drill" in engine.asked("resume")["text"] + engine.status()["latch"]
    assert engine.status()["state"] == "REDUCING"

    unknown = engine.command("close", "NOPEUSDT", "--yes")
    assert unknown.returncode == 2
    assert "NOPEUSDT" in unknown.stderr
    assert unknown.stderr.count("\n") == 1
    unconfirmed = engine.command("close", "all")
    assert unconfirmed.returncode == 1
    assert engine.status()["positions_open"] == 2

    first, second = (row["symbol"] for row in held)
    assert engine.asked("close", first, "--yes")["ok"] is True
    engine.until(lambda now: now["positions_open"] == 1, "one closed")
    assert [row["symbol"] for row in engine.asked("positions")] == [second]
    assert books.stops_of(first) == []
    assert engine.asked("close", "all", "--yes")["ok"] is True
    engine.until(lambda now: now["positions_open"] == 0, "all closed")
    assert books.open_orders() == []
    assert engine.asked("positions") == []
    closed = engine.asked("positions", "--closed")
    assert {row["position_id"] for row in closed} == {row["position_id"] for row in held}

    for name in (held[0]["position_id"], orders[0]["client_id"]):
        story = engine.asked("why", name)
        assert story["decision_id"] == orders[0]["decision_id"]
        assert story["chapters"]
        told = engine.command("why", name)
        assert told.returncode == 0
        assert first in told.stdout
        assert "asked by a person" in told.stdout
    assert engine.command("why", "nobody-1").returncode == 2
    logs = engine.command("logs")
    assert logs.returncode == 0
    assert "process_ready" in logs.stdout
    assert "a drill" in logs.stdout

    steered(engine, "rearm", "--yes", state="ACTIVE")
    assert not (engine.userdir / "data" / "KILL").exists()
    stopped = engine.asked("stop")
    assert stopped["ok"] is True
    whole = engine.summary()
    assert engine.process.returncode == 0
    assert_sound(whole)
    assert whole["positions"]["closed"] >= 2
    assert engine.command("status").returncode == 3
