"""Route as a child of the supervisor: `python -P -m procs.route --launch FILE`."""

from __future__ import annotations

from procs.route.shell import RouteShell
from procs.runtime.start import run_process

if __name__ == "__main__":
    raise SystemExit(run_process(RouteShell))
