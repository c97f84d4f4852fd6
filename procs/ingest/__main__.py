"""The market data process: `python -P -m procs.ingest --launch FILE`."""

from __future__ import annotations

from procs.ingest.shell import IngestShell
from procs.runtime.start import run_process

if __name__ == "__main__":
    raise SystemExit(run_process(IngestShell))
