"""Route's journal goes back to what it was before a position: its peers remember more (L12)."""

import json
import shutil
import sqlite3
import time
from decimal import Decimal

import pytest
from engine_process import HOLDS, WITHIN_S, is_active, sets
from venue_books import Books, assert_no_duplicates

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def route_mark(journal):
    """The highest place in route's journal that a peer's has written down."""
    with sqlite3.connect(f"{journal.as_uri()}?mode=ro", uri=True) as connection:
        rows = connection.execute("SELECT body FROM events WHERE type='route_marked'").fetchall()
    return max((json.loads(body)["seq"] for (body,) in rows), default=0)


def test_a_journal_shorter_than_what_peers_saw_reduces_until_a_person_looks(engine, tmp_path):
    """Its own mark went back with it, as in a copied folder: only protect and decide can tell.
    What was bought meanwhile is found at the venue; nothing is bought until `rearm`."""
    market = ("--profile", "fast", *sets(HOLDS))
    before = tmp_path / "before"
    engine.start("--profile", "fast", *sets({**HOLDS, "signal.drop.trigger_pct": "50"}))
    engine.until_active()
    engine.kill_all()
    before.mkdir()
    for path in (engine.userdir / "data").glob("route.*"):
        shutil.copy2(path, before)
    engine.start(*market)
    engine.until_active()
    held = engine.until_held()
    # Peers write down every 10 s how much of route's account they have seen.
    marked = engine.userdir / "data" / "protect.db"
    ends = time.monotonic() + WITHIN_S
    while not route_mark(marked):
        assert time.monotonic() < ends
        time.sleep(0.5)
    engine.kill_all()
    for path in (engine.userdir / "data").glob("route.*"):
        path.unlink()
    for path in before.iterdir():
        shutil.copy2(path, engine.userdir / "data")
    engine.start(*market)
    found = engine.until(lambda status: status.get("latch"), "latched")
    assert "has seen" in found["latch"] or "was seen" in found["latch"], found["latch"]
    found = engine.until(
        lambda status: all(row["status"] == "ready" for row in status["processes"].values()),
        "all ready",
    )
    assert found["state"] == "REDUCING"
    bought = [row for row in engine.asked("fills") if row["side"] == "buy"]
    assert [row["symbol"] for row in bought] == [held["symbol"]]
    assert Decimal(bought[0]["quantity"]) == Decimal(held["bought"])
    books = Books.of_engine(engine.run_dir)
    assert_no_duplicates(books, [held["symbol"]], Decimal(50))
    assert engine.status()["state"] == "REDUCING", "time alone does not heal it"
    assert engine.command("rearm", "--yes").returncode == 0
    engine.until(is_active, "ACTIVE after rearm")
    assert engine.stop()["clean_shutdown"] is True
