"""The benchmark of idling: all designs make an order of every tick; spinning only with cores."""

import pytest

from bench import path, warm
from bench.path_common import HOPS
from procs.cli.bench import available


def test_the_verb_offers_it():
    assert "warm" in available()


@pytest.mark.slow
def test_dry_runs_lose_no_order(monkeypatch, capsys):
    monkeypatch.setattr(path, "TICKS_PER_BATCH", 20)
    monkeypatch.setattr(path, "WARM_UP_TICKS", 5)
    monkeypatch.setattr(warm, "available_cpus", lambda: (0, 1))
    rows = warm.run(rounds=1)
    assert [row["name"] for row in rows] == [f"{hop}_warm" for hop in HOPS]
    for row in rows:
        assert row["samples"] == 20
        assert 0 < row["p50"] <= row["p99"] <= row["p999"]
        assert row["ratio_to"]["sleeping"] > 0
    assert "tick_to_order_warm" in capsys.readouterr().out
