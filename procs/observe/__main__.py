"""Observe as a child of the supervisor: `python -P -m procs.observe --launch FILE`."""

from __future__ import annotations

from procs.observe.shell import ObserveShell
from procs.runtime.start import run_process

if __name__ == "__main__":
    raise SystemExit(run_process(ObserveShell))
