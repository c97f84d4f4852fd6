"""The run summary: each process's last report put together under the names of interfaces.md. Pure.

A key whose figure nobody reported (the feature is not there, or its process was killed) is null:
zero would claim that it was counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

Report = Mapping[str, Any]

FROM_DECIDE: Final = ("signals", "refusals", "intents", "intents_pending_max")
FROM_ROUTE: Final = (
    "orders",
    "live_orders_max",
    "fills",
    "fill_rate",
    "positions",
    "ledger",
    "unprotected_s",
    "latency_us",
    "reconcile",
    "exits_deduplicated",
    "balance_timeouts",
)
PROCESS_KEYS: Final = ("rss_peak_mb", "pss_mb", "cpu_s", "cpus")


class RunFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the supervisor itself knows of the run."""

    run_id: str
    duration_s: float
    clean_shutdown: bool
    restarts: dict[str, int]
    """By role; every role that was started is here."""
    alarms: int
    """Raised by any process during the run."""


def summary(run: RunFacts, reports: Mapping[str, Report]) -> dict[str, Any]:
    """Exactly the keys of `run --json`; `reports` is each role's last ProcessStopped report."""
    route = reports.get("route", {})
    decide = reports.get("decide", {})
    protect = reports.get("protect", {})
    observe = reports.get("observe", {})
    whole: dict[str, Any] = {
        "run_id": run.run_id,
        "duration_s": round(run.duration_s, 3),
        "clean_shutdown": run.clean_shutdown,
        "processes": {
            role: _process(restarts, reports.get(role, {}))
            for role, restarts in run.restarts.items()
        },
        "quotes": reports.get("ingest", {}).get("quotes"),
    }
    whole |= {key: decide.get(key) for key in FROM_DECIDE}
    whole |= {key: route.get(key) for key in FROM_ROUTE}
    whole["equity"] = _first("equity", decide, route)
    whole["exits_deduplicated"] = _first("exits_deduplicated", route, protect)
    whole["switches"] = _first("switches", route, protect)
    whole["slow_turns"] = _slow_turns(reports)
    whole["notifications"] = observe.get("notifications")
    whole["alarms"] = run.alarms
    return {key: whole[key] for key in SUMMARY_KEYS}


SUMMARY_KEYS: Final = (
    "run_id",
    "duration_s",
    "clean_shutdown",
    "processes",
    "quotes",
    "signals",
    "refusals",
    "intents",
    "intents_pending_max",
    "orders",
    "live_orders_max",
    "fills",
    "fill_rate",
    "positions",
    "equity",
    "ledger",
    "unprotected_s",
    "latency_us",
    "reconcile",
    "exits_deduplicated",
    "switches",
    "balance_timeouts",
    "slow_turns",
    "notifications",
    "alarms",
)
"""The contract, in the order in which interfaces.md names them."""


def _process(restarts: int, report: Report) -> dict[str, Any]:
    return {"restarts": restarts} | {key: report.get(key) for key in PROCESS_KEYS}


def _first(key: str, *reports: Report) -> Any:
    return next((report[key] for report in reports if report.get(key) is not None), None)


def _slow_turns(reports: Mapping[str, Report]) -> int | None:
    counted = [report["slow_turns"] for report in reports.values() if "slow_turns" in report]
    return sum(counted) if counted else None
