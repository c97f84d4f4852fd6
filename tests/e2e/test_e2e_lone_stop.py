"""Without a take profit and a time to live a position has its stop, which rests alone (P5, L5)."""

from decimal import Decimal

import pytest
from engine_process import HOLDS, assert_sound, sets
from venue_books import Books

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ALONE = {**HOLDS, "protection.take_profit_pct": "0", "protection.time_to_live_s": "0"}


def test_a_lone_stop_rests_and_no_list(engine):
    engine.start("--profile", "fast", *sets(ALONE))
    engine.until_active()
    held = engine.until_held()
    symbol = held["symbol"]
    engine.until(lambda found: found["unprotected_now"] == 0, "protected")
    books = Books.of_engine(engine.run_dir)
    resting = books.open_orders()
    assert [row["type"] for row in resting] == ["STOP_LOSS_LIMIT"] * len(resting)
    assert all(row["orderListId"] == -1 for row in resting)
    assert books.remaining_stop(symbol) > 0
    assert books.get("allOrderList") == []
    (row,) = [row for row in engine.positions() if row["symbol"] == symbol]
    assert row["protection"] == "protected"
    assert not row["take_profit_price"] or Decimal(row["take_profit_price"]) == 0
    whole = engine.stop()
    assert_sound(whole)
    assert whole["positions"]["open"] == 1
