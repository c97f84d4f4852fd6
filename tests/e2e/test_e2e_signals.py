"""Ctrl-C, SIGTERM, a second Ctrl-C, a stopped process, a venue that is gone for a while."""

import json
import os
import signal
import sqlite3
import time
from decimal import Decimal

import psutil
import pytest
from engine_process import HOLDS, WITHIN_S, Engine, assert_sound, is_active, sets
from venue_books import Books, assert_no_duplicates, assert_protected, decision_of, floored

pytestmark = pytest.mark.e2e

MARKET = ["--profile", "fast"]
POSITION_QUOTE = Decimal(50)
STOPPED_S = 3.0
GONE_S = 5.0


def hold(engine: Engine) -> dict:
    """A running engine with one position that stays."""
    engine.start(*MARKET, *sets(HOLDS))
    engine.until_active()
    return engine.until_held()


def stops_left_at_the_venue(engine: Engine) -> dict[str, Decimal]:
    """What rests in the journal of the venue, now stopped: nobody's word but the venue's."""
    with sqlite3.connect(f"file:{engine.userdir}/data/venue.db?mode=ro", uri=True) as database:
        rows = database.execute("SELECT symbol, body FROM orders WHERE status = 'NEW'").fetchall()
    orders = [(symbol, json.loads(body)) for symbol, body in rows]
    return {
        symbol: Decimal(order["quantity"])
        for symbol, order in orders
        if order["type"] == "STOP_LOSS_LIMIT"
    }


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_stops_in_order_and_leaves_the_stops_at_the_venue(engine, number):
    held = hold(engine)
    resting = Books.of_engine(engine.run_dir).remaining_stop(held["symbol"])
    engine.signal(number)
    whole = engine.summary()
    assert engine.process.returncode == 0, engine.said()
    assert_sound(whole)
    assert whole["alarms"] == 0
    assert whole["positions"]["open"] == 1
    assert stops_left_at_the_venue(engine) == {held["symbol"]: resting}
    said = engine.said()
    order = [
        said.index(f"{role} stopped (exit code 0)")
        for role in ("decide", "ingest", "protect", "route", "observe", "localvenue")
    ]
    assert order == sorted(order)
    left = {path.name for path in engine.run_dir.iterdir()}
    assert not left & {"engine.json", "venue-credentials.toml"}, left


@pytest.mark.parametrize("late_s", [0.0, 0.3, 0.9])
def test_one_signal_in_the_middle_of_the_start_is_a_clean_stop(engine, late_s):
    engine.start(*MARKET)
    engine.until_said("engine_started")
    time.sleep(late_s)
    engine.signal(signal.SIGINT)
    whole = engine.summary()
    assert engine.process.returncode == 0, engine.said()
    assert whole["clean_shutdown"] is True
    assert whole["alarms"] == 0


def test_a_second_signal_skips_the_waits(engine):
    """Route is stopped, so that an orderly stop would wait for it."""
    held = hold(engine)
    resting = Books.of_engine(engine.run_dir).remaining_stop(held["symbol"])
    route = engine.signal(signal.SIGSTOP, "route")
    engine.signal(signal.SIGINT)
    time.sleep(0.5)
    assert engine.process.poll() is None
    engine.signal(signal.SIGINT)
    whole = engine.summary()
    # The first phase would have waited for route, and would have said that it ended.
    assert "stop entries: done" not in engine.said()
    assert "stop everything at once: done" in engine.said()
    assert not os.path.exists(f"/proc/{route}")
    assert engine.process.returncode == 1
    assert whole["clean_shutdown"] is False
    assert stops_left_at_the_venue(engine) == {held["symbol"]: resting}


@pytest.mark.slow
def test_a_stopped_route_sends_nothing_stale_and_goes_on(engine):
    held = hold(engine)
    books = Books.of_engine(engine.run_dir)
    before = {row["clientOrderId"]: row for row in books.orders(list(books.steps()))}
    route = engine.signal(signal.SIGSTOP, "route")
    engine.until(lambda found: found["state"] == "REDUCING", "REDUCING")
    time.sleep(STOPPED_S)
    os.kill(route, signal.SIGCONT)
    found = engine.until(is_active, "ACTIVE again")
    assert found["processes"]["route"]["restarts"] == 0
    assert engine.until_held()["position_id"] == held["position_id"]
    symbols = list(books.steps())
    after = {row["clientOrderId"]: row for row in books.orders(symbols)}
    assert after == before
    assert_no_duplicates(books, symbols, POSITION_QUOTE)
    assert_protected(books, held["symbol"], Decimal(held["quantity"]))
    whole = engine.stop()
    assert_sound(whole)
    assert whole["positions"]["open"] == 1


def freeze(engine: Engine) -> int:
    """The venue takes connections and says nothing: outcomes are unknown."""
    return engine.signal(signal.SIGSTOP, "localvenue")


def kill_and_hold_down(engine: Engine) -> int:
    """The venue's port is closed: its successor is stopped before it can open it."""
    victim = engine.signal(signal.SIGKILL, "localvenue")
    ends = time.monotonic() + WITHIN_S
    while True:
        for child in psutil.Process(engine.pid).children():
            if child.pid != victim and "procs.localvenue" in child.cmdline():
                child.suspend()
                return child.pid
        assert time.monotonic() < ends, "no successor"
        time.sleep(0.005)


@pytest.mark.slow
@pytest.mark.parametrize("gone", [freeze, kill_and_hold_down])
def test_a_close_while_the_venue_is_gone_happens_once(engine, gone):
    held = hold(engine)
    symbol = held["symbol"]
    books = Books.of_engine(engine.run_dir)
    assert engine.command("pause-entries").returncode == 0
    venue = gone(engine)
    assert engine.command("close", symbol, "--yes").returncode == 0
    time.sleep(GONE_S)
    os.kill(venue, signal.SIGCONT)
    engine.until(lambda found: found["positions_open"] == 0, "closed")
    assert engine.command("resume").returncode == 0
    engine.until(is_active, "ACTIVE again")
    rows = books.orders([symbol])
    bought, sold = (
        sum(
            Decimal(row["executedQty"])
            for row in rows
            if row["side"] == side and decision_of(row["clientOrderId"]) == held["position_id"]
        )
        for side in ("BUY", "SELL")
    )
    assert sold == floored(Decimal(held["quantity"]), books.steps()[symbol]) <= bought
    assert_no_duplicates(books, list(books.steps()), POSITION_QUOTE)
    whole = engine.stop()
    assert_sound(whole, restarted=("localvenue",))
    assert whole["positions"]["closed"] >= 1
