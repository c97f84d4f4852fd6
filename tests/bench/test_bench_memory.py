"""The memory benchmark: real processes under the supervisor, one row for each and one for all."""

import os

import pytest

from bench import memory, unpaced_ingest
from procs.cli.bench import available
from shared.clock import EngineClock
from shared.venues.feed.budget import WeightBudget


def test_the_verb_offers_it():
    assert "memory" in available()


def test_proportional_memory_is_read_from_the_kernel():
    assert 5 < memory.pss_mb(os.getpid()) < 2_000


def test_without_its_budget_no_question_waits(monkeypatch):
    budget = WeightBudget(EngineClock())
    budget._weight = 0
    assert budget._wait_s(50) > 0
    monkeypatch.setattr(WeightBudget, "_wait_s", WeightBudget._wait_s)
    unpaced_ingest.lift_budget()
    assert budget._wait_s(50) == 0


@pytest.mark.e2e
@pytest.mark.slow
def test_every_process_of_the_engine_is_weighed(monkeypatch, capsys):
    monkeypatch.setattr(memory, "SAMPLES", 2)
    monkeypatch.setattr(memory, "SYMBOLS", 5)
    rows = memory.run(settle_s=2.0)
    assert [row["name"] for row in rows] == [f"memory_{role}" for role in (*memory.ROLES, "whole")]
    whole = rows.pop()
    assert all(5 < row["p50"] <= row["p99"] for row in rows)
    assert whole["p50"] == pytest.approx(sum(row["p50"] for row in rows), rel=0.1)
    assert "memory_whole" in capsys.readouterr().out
