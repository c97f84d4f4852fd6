"""An older backup comes back while the venue has gone on: what was bought is protected (L12)."""

import shutil
from decimal import Decimal

import pytest
from engine_process import HOLDS, assert_sound, seawall, sets
from venue_books import Books, assert_protected

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

MARKET = ["--profile", "fast"]


@pytest.mark.timeout(600)
def test_a_position_that_the_backup_has_never_seen_is_protected(engine, tmp_path):
    archive = tmp_path / "before.tar.gz"
    engine.start(*MARKET, *sets(HOLDS))
    engine.until_active()
    made = engine.command("backup", archive)
    assert made.returncode == 0, made.stderr
    held = engine.until_held()
    engine.kill_all()
    done = engine.command("restore", archive, "--yes")
    assert done.returncode == 0, done.stderr
    kept = engine.userdir / "data.before-restore-1"
    # A real venue is not restored: it goes on with what it knows.
    for path in kept.glob("venue.*"):
        shutil.copy(path, engine.userdir / "data" / path.name)
    engine.start(*MARKET, *sets(HOLDS))
    engine.until(lambda now: now["state"] == "REDUCING", "REDUCING")
    books = Books.of_engine(engine.run_dir)
    again = engine.until_held()
    assert (again["symbol"], again["quantity"]) == (held["symbol"], held["quantity"])
    assert_protected(books, held["symbol"], Decimal(held["quantity"]))
    assert "restored from" in engine.status()["latch"]
    assert seawall("rearm", "--yes", "--userdir", engine.userdir).returncode == 0
    engine.until_active()
    assert_sound(engine.stop())
