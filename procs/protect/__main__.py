"""Protect as a child of the supervisor: `python -P -m procs.protect --launch FILE`."""

from __future__ import annotations

from procs.protect.shell import ProtectShell
from procs.runtime.start import run_process

if __name__ == "__main__":
    raise SystemExit(run_process(ProtectShell))
