"""What a run is told by the command line, and what it hands back."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import msgspec

from shared.config.schema import ROLES, Settings
from shared.domain.effects import Note

LOCAL_VENUE = "local"


class RunPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the engine."""

    settings: Settings
    config_hash: str
    userdir: Path
    """Absolute."""
    run_for_s: float | None = None
    """Stop cleanly after so long; None runs until somebody stops it."""
    replay: tuple[Path, ...] = ()
    """Recorded traffic for the local venue instead of its generated market."""
    instruments: Path | None = None
    """Order rules of the recorded symbols."""
    pin: bool = False
    """Use the automatic core layout for processes whose cores are not configured (R5)."""
    roles: tuple[str, ...] = ROLES

    @property
    def local_venue(self) -> bool:
        """Whether the venue is a child of ours."""
        return self.settings.venue.name == LOCAL_VENUE


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a run ended."""

    exit_code: int
    error: str
    """One line; empty when all went well."""
    stop_reason: str
    summary: dict[str, Any]
    alarms: list[str]


class Viewer(Protocol):
    """Who shows a running engine to a person; called by the supervisor's loop: must not wait."""

    def started(self, run_id: str, venue: str, userdir: Path) -> None:
        """The run has its lock and its id."""

    def noted(self, note: Note, at_ns: int) -> None:
        """Something happened."""

    def showed(self, status: dict[str, Any]) -> None:
        """`seawall status --json` of now, a few times a second."""

    def close(self) -> None:
        """Nothing follows; what was shown stays readable."""


class NoViewer:
    """Nobody looks."""

    def started(self, run_id: str, venue: str, userdir: Path) -> None:
        """Not shown."""

    def noted(self, note: Note, at_ns: int) -> None:
        """Not shown."""

    def showed(self, status: dict[str, Any]) -> None:
        """Not shown."""

    def close(self) -> None:
        """Nothing to close."""
