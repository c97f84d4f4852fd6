"""The run summary has exactly the agreed keys, whatever was reported."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procs.supervise.summary import SUMMARY_KEYS, RunFacts, summary

FACTS = RunFacts(
    run_id="tk3f9a",
    duration_s=61.23456,
    clean_shutdown=True,
    restarts={"supervise": 0, "route": 1, "decide": 0},
    alarms=2,
)


def test_the_contract_of_interfaces():
    assert set(SUMMARY_KEYS) == {
        *("run_id", "duration_s", "clean_shutdown", "processes", "quotes", "signals", "refusals"),
        *("intents", "intents_pending_max", "orders", "live_orders_max", "fills", "fill_rate"),
        *("positions", "equity", "ledger", "unprotected_s", "latency_us", "reconcile"),
        *("exits_deduplicated", "switches", "balance_timeouts", "slow_turns", "notifications"),
        "alarms",
    }


def test_nobody_reported_is_null_not_zero():
    whole = summary(FACTS, {})
    assert list(whole) == list(SUMMARY_KEYS)
    known = {"run_id", "duration_s", "clean_shutdown", "processes", "alarms"}
    assert {key for key, value in whole.items() if value is not None} == known
    assert whole["processes"]["route"] == {
        "restarts": 1,
        "rss_peak_mb": None,
        "pss_mb": None,
        "cpu_s": None,
        "cpus": None,
    }


def test_each_figure_comes_from_its_owner():
    reports = {
        "route": {
            "fills": 4,
            "orders": {"filled": 4},
            "rss_peak_mb": 120.5,
            "slow_turns": 1,
            "exits_deduplicated": 2,
            "signals": 99,
        },
        "decide": {"signals": 3, "equity": {"start": 1.0, "end": 2.0}, "slow_turns": 0, "fills": 9},
        "ingest": {"quotes": 1000},
        "observe": {"notifications": {"sent": 1, "failed": 0}},
    }
    whole = summary(FACTS, reports)
    assert (whole["fills"], whole["signals"], whole["quotes"]) == (4, 3, 1000)
    assert whole["slow_turns"] == 1
    assert whole["notifications"] == {"sent": 1, "failed": 0}
    assert whole["processes"]["route"]["rss_peak_mb"] == 120.5
    assert whole["duration_s"] == 61.235
    assert whole["alarms"] == 2


@pytest.mark.parametrize("role", ["route", "decide", "ingest", "protect", "observe"])
@given(report=st.dictionaries(st.text(max_size=10), st.integers()))
def test_unknown_figures_change_no_key(role, report):
    assert list(summary(FACTS, {role: report})) == list(SUMMARY_KEYS)
