"""What the engine weighs with a hundred symbols: each process, and all of them together.

Proportional memory (PSS) of real processes under the supervisor: a page that several map counts for
each of them in part. The local venue is no process of the engine and is not counted, but shares
the interpreter's pages with it, as any other Python program on the machine would.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from bench.engine_process import running_engine
from shared.errors import SeawallError

SYMBOLS: Final = 100
SETTLE_S: Final = 12.0
"""Books in step, anchors seeded, the first checkpoint not yet due."""
SAMPLES: Final = 10
SAMPLE_S: Final = 0.5
VENUE: Final = "localvenue"
ROLES: Final = ("supervise", "ingest", "decide", "protect", "route", "observe")
WANTED_MB: Final = {"ingest": 40, "decide": 40, "protect": 40, "whole": 300}
KB_PER_MB: Final = 1024


def run(json_output: bool = False, settle_s: float = SETTLE_S) -> list[dict[str, Any]]:
    """Measures and returns the rows {name, unit, p50, p99, p999, ratio_to, wanted, operation}.

    p99 and p999 are the largest sample; `wanted` is at most. Prints a table unless json_output.
    Raises DeadlineError when the engine does not start."""
    print(f"bench memory: {SYMBOLS} symbols, {settle_s:g} s to settle", file=sys.stderr)
    found: dict[str, list[float]] = {role: [] for role in ROLES}
    with (
        tempfile.TemporaryDirectory(prefix="seawall-memory-") as folder,
        running_engine(Path(folder) / "user", SYMBOLS, len(ROLES) + 1) as engine,
    ):
        time.sleep(settle_s)
        for _ in range(SAMPLES):
            pids = engine.processes()
            for role in ROLES:
                found[role].append(pss_mb(pids[role]))
            time.sleep(SAMPLE_S)
    found["whole"] = [sum(samples) for samples in zip(*found.values(), strict=True)]
    rows = [_row(name, samples) for name, samples in found.items()]
    if not json_output:
        print_rows(rows)
    return rows


def pss_mb(pid: int) -> float:
    """The proportional memory of a process now. Raises SeawallError when the kernel says none."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / KB_PER_MB
    raise SeawallError(f"bench memory: the kernel says nothing of the memory of process {pid}")


def _row(name: str, samples: list[float]) -> dict[str, Any]:
    who = "the engine's processes together" if name == "whole" else f"the process {name}"
    largest = round(max(samples), 1)
    row: dict[str, Any] = {
        "name": f"memory_{name}",
        "unit": "MB",
        "p50": round(statistics.median(samples), 1),
        "p99": largest,
        "p999": largest,
        "ratio_to": {},
        "operation": f"{who}, PSS with {SYMBOLS} symbols of a calm market",
        "samples": len(samples),
    }
    if name in WANTED_MB:
        row["wanted"] = WANTED_MB[name]
    return row


def print_rows(rows: Iterable[dict[str, Any]]) -> None:
    """A plain table."""
    print(f"{'process':18} {'PSS, MB':>8} {'most':>8} {'at most':>8}")
    for row in rows:
        print(f"{row['name']:18} {row['p50']:8g} {row['p99']:8g} {row.get('wanted', ''):>8}")


if __name__ == "__main__":
    run()
