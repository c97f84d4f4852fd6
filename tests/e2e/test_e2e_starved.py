"""Thirty processes that never rest beside the engine: beats may come late, exits go out (L7)."""

import subprocess
import sys
import time
from contextlib import contextmanager
from decimal import Decimal

import psutil
import pytest
from engine_process import HOLDS, assert_sound, seawall, sets
from venue_books import Books

from shared.errors import ExitCode

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

HOGS = 30
CLOSED_WITHIN_S = 30.0
STARVED_FOR_S = 6.0


@contextmanager
def starving(pid):
    """Thirty hogs with the scheduling priority of a process, for as long as the block lasts."""
    priority = psutil.Process(pid).nice()
    hogs = [subprocess.Popen([sys.executable, "-I", "-c", "while True: pass"]) for _ in range(HOGS)]
    try:
        for hog in hogs:
            process = psutil.Process(hog.pid)
            if process.nice() < priority:
                process.nice(priority)
        yield
    finally:
        for hog in hogs:
            hog.kill()
        for hog in hogs:
            hog.wait()


def test_a_close_goes_out_on_a_starved_machine(engine):
    """Whatever the supervisor believes of processes that get a thirtieth of a core, the position
    is sold, once, and everything recovers when there is room again."""
    engine.start("--profile", "fast", *sets(HOLDS))
    engine.until_active()
    held = engine.until_held()
    symbol, asset = held["symbol"], held["symbol"].removesuffix("USDT")
    books = Books.of_engine(engine.run_dir)
    engine.command("pause-entries")
    pid = engine.status()["processes"]["route"]["pid"]
    with starving(pid):
        time.sleep(STARVED_FOR_S)
        began = time.monotonic()
        done = seawall("close", symbol, "--yes", "--userdir", engine.userdir, timeout=120)
        # Its answer may miss the command's deadline; the sale does not depend on it.
        assert done.returncode in (ExitCode.OK, ExitCode.TIMEOUT), done.stderr
        while books.balance(asset) >= Decimal(held["quantity"]) / 2:
            assert time.monotonic() - began < CLOSED_WITHIN_S, books.open_orders()
            time.sleep(0.1)
        sold = [row for row in books.orders([symbol]) if row["side"] == "SELL"]
        executed = sum((Decimal(row["executedQty"]) for row in sold), Decimal(0))
        assert executed <= Decimal(held["quantity"])
    found = engine.until(
        lambda status: all(row["status"] == "ready" for row in status["processes"].values()),
        "all ready again",
    )
    assert found["processes"]["route"]["restarts"] == 0, engine.said()
    assert found["processes"]["protect"]["restarts"] == 0, engine.said()
    summary = engine.stop()
    assert_sound(summary)
