"""The order benchmark: the same order in every hand, rows with their ratios."""

import msgspec
import pytest

from bench import order
from bench.micro import order_path
from procs.cli.bench import available
from shared.errors import SeawallError


def test_the_verb_offers_it():
    assert "order" in available()


def test_each_hand_places_the_same_order(monkeypatch, capsys):
    monkeypatch.setattr(order, "ORDERS", 5)
    monkeypatch.setattr(order, "WARM_UP", 2)
    rows = order.run(rounds=1)
    names = [
        "order_build",
        "order_write",
        "order_call_to_write",
        "order_round_trip",
        "order_session_http",
        "order_session_ws",
    ]
    assert [row["name"] for row in rows] == names + [f"{name}_on_one_core" for name in names]
    for row in rows:
        assert 0 < row["p50"] <= row["p99"] <= row["p999"]
        assert row["samples"] == 5
        assert row["ratio_to"].keys() == {"ccxt_async", "blocking_socket"}
    shown = capsys.readouterr().out
    assert all(row["operation"] in shown for row in rows)


def test_an_order_that_fails_is_no_figure(monkeypatch):
    another = msgspec.structs.replace(order_path.ORDER, client_id="sw-bench-2-e1")
    monkeypatch.setattr(order_path, "ORDER", another)
    monkeypatch.setattr(order, "HANDS", {"session": order_path.OwnSession})
    with pytest.raises(SeawallError, match="it speaks of"):
        order.run(rounds=1)
