"""Route cannot start any more, with a position open: its rescue mode holds and sells it (L14)."""

import json
import signal
from decimal import Decimal

import pytest
from engine_process import HOLDS, sets
from venue_books import Books, assert_protected

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("orders", "library"), [("ccxt", "ccxt"), ("http", "picows")])
def test_a_broken_library_does_not_strand_a_position(
    engine, tmp_path, monkeypatch, orders, library
):
    broken = tmp_path / "broken"
    broken.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(broken))
    engine.start("--profile", "fast", *sets(HOLDS | {"venue.orders": orders}))
    engine.until_active()
    held = engine.until_held()
    (broken / library).mkdir()
    (broken / library / "__init__.py").write_text("raise ImportError('a broken installation')\n")
    engine.signal(signal.SIGKILL, "route")
    rescued = engine.until(
        lambda now: (
            any("rescue" in reason for reason in now["reasons"])
            and now["processes"]["route"]["status"] == "ready"
        ),
        "route in rescue mode",
    )
    assert rescued["state"] == "REDUCING"
    again = engine.until_held()
    assert (again["position_id"], again["quantity"]) == (held["position_id"], held["quantity"])
    books = Books.of_engine(engine.run_dir)
    assert_protected(books, held["symbol"], Decimal(held["quantity"]))
    assert engine.command("close", "all", "--yes").returncode == 0
    engine.until(lambda now: now["positions_open"] == 0, "sold")
    route_log = engine.userdir / "logs" / "latest" / "route.system.jsonl"
    kinds = [json.loads(line)["event_type"] for line in route_log.read_text().splitlines()]
    assert kinds.count("venue_connected") == 2, "the first start and the rescue"
    whole = engine.stop()
    assert whole["positions"]["open"] == 0
    assert whole["unprotected_s"]["max"] <= 5.0
