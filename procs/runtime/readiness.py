"""Whether the supervisor has heard that a process is ready: what was lost is said again (L14)."""

from __future__ import annotations

from shared.messages.control import EngineStatus, ProcessPhase


def is_unheard(status: EngineStatus, role: str, incarnation: int) -> bool:
    """Whether this very process still counts as starting in the supervisor's eyes."""
    row = status.processes.get(role)
    return (
        row is not None and row.incarnation == incarnation and row.status is ProcessPhase.STARTING
    )
