"""`seawall status --json` as far as the supervisor knows it. Pure."""

from __future__ import annotations

from typing import Any

from procs.supervise.roster import Roster
from shared.messages.control import EngineStatus


def plain_status(status: EngineStatus, roster: Roster, alarms_total: int) -> dict[str, Any]:
    """Names of interfaces.md; null for figures that route has not said yet."""
    return {
        "state": status.state.name,
        "run_id": status.run_id,
        "uptime_s": round(status.uptime_s, 3),
        "stopping": status.stopping,
        "reasons": list(status.reasons),
        "processes": {
            role: {
                "pid": row.pid,
                "status": row.status.value,
                "incarnation": row.incarnation,
                "cpus": list(row.cpus),
                "nice": row.nice,
                "cpu_pct": round(row.cpu_pct, 1),
                "rss_mb": round(row.rss_mb, 1),
                "heartbeat_age_ms": row.heartbeat_age_ms,
                "restarts": row.restarts,
            }
            for role, row in status.processes.items()
        },
        "positions_open": _whole(roster.figure("route", "positions_open")),
        "unprotected_now": _whole(roster.figure("route", "unprotected_now")),
        "latch": status.latch,
        "alarms": alarms_total,
    }


def _whole(figure: float | None) -> int | None:
    return None if figure is None else int(figure)
