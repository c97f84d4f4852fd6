"""Decide as a child of the supervisor: `python -P -m procs.decide --launch FILE`."""

from __future__ import annotations

from procs.decide.shell import DecideShell
from procs.runtime.start import run_process

if __name__ == "__main__":
    raise SystemExit(run_process(DecideShell))
