"""kill -9 of each process, and of all at once, with a position open (R4, L5, L14, L16)."""

import os
import signal
import time
from decimal import Decimal

import pytest
from engine_process import HOLDS, ROLES, assert_sound, is_active, machine_allows_s, sets
from venue_books import Books, assert_no_duplicates, assert_protected

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

BACK_WITHIN_S = 5.0
POSITION_QUOTE = Decimal(50)
MARKET = ["--profile", "fast"]


def same_position(engine, held):
    """Waits until observe tells again, then compares with what was held before."""
    now = engine.until_held()
    for key in ("position_id", "symbol", "quantity", "entry_price", "stop_price"):
        assert now[key] == held[key], (key, now, held)
    return now


def prove_books(engine, held):
    books = Books.of_engine(engine.run_dir)
    symbols = list(books.steps())
    assert_no_duplicates(books, symbols, POSITION_QUOTE)
    assert_protected(books, held["symbol"], Decimal(held["quantity"]))
    ours = [row for row in books.orders(symbols) if row["side"] == "BUY"]
    filled = [row for row in ours if Decimal(row["executedQty"])]
    assert {row["symbol"] for row in filled} == {held["symbol"]}
    return books


@pytest.mark.timeout(600)
def test_every_process_and_then_all_of_them(engine):
    engine.start(*MARKET, *sets(HOLDS))
    engine.until_active()
    held = engine.until_held()
    prove_books(engine, held)
    took: dict[str, float] = {}
    allowed_s = machine_allows_s(BACK_WITHIN_S)
    for role in ROLES:
        victim = engine.status()["processes"][role]["pid"]
        os.kill(victim, signal.SIGKILL)
        killed_at = time.monotonic()
        engine.until(
            lambda now, role=role, victim=victim: (
                is_active(now) and now["processes"][role]["pid"] != victim
            ),
            f"{role} back",
        )
        took[role] = time.monotonic() - killed_at
        same_position(engine, held)
        prove_books(engine, held)
    engine.kill_all()
    engine.start(*MARKET, *sets(HOLDS))
    started_at = time.monotonic()
    engine.until_active()
    took["supervise"] = time.monotonic() - started_at
    allowed_s = max(allowed_s, machine_allows_s(BACK_WITHIN_S))
    assert max(took.values()) < allowed_s, (took, allowed_s)
    same_position(engine, held)
    books = prove_books(engine, held)
    base = books.balance(held["symbol"].removesuffix("USDT"))
    whole = engine.stop()
    assert engine.process.returncode == 0, engine.said()
    assert_sound(whole)
    assert whole["positions"]["open"] == 1
    assert Decimal(whole["ledger"][held["symbol"].removesuffix("USDT")]["engine"]) == base
    print({role: round(seconds, 2) for role, seconds in took.items()})
