"""What a venue of 500 symbols weighs, beside one of a single symbol."""

from __future__ import annotations

import time
from typing import Any

import psutil

from bench.venue_process import running_venue

SYMBOLS = 500
SETTLE_S = 12
SAMPLE_S = 0.25
WANTED_MB = 500
MB = 1024 * 1024


def run() -> list[dict[str, Any]]:
    """One row: the resident memory over the first seconds of trading; p99 is its peak."""
    many, one = _resident_mb(SYMBOLS), _resident_mb(1)
    middle = many[len(many) // 2]
    return [
        {
            "name": f"memory_{SYMBOLS}_symbols",
            "unit": "MB",
            "p50": round(middle, 1),
            "p99": round(many[-1], 1),
            "p999": round(many[-1], 1),
            "ratio_to": {"one_symbol": round(one[len(one) // 2] / middle, 2)},
            "wanted": WANTED_MB,
            "operation": f"resident memory of the process over {SETTLE_S} s, calm market",
            "samples": len(many),
        }
    ]


def _resident_mb(symbols: int) -> list[float]:
    """Samples of a venue's memory, ascending."""
    found: list[float] = []
    with running_venue("--profile", "calm", "--symbols", str(symbols)) as venue:
        process = psutil.Process(venue.pid)
        deadline = time.monotonic() + SETTLE_S
        while time.monotonic() < deadline:
            found.append(process.memory_info().rss / MB)
            time.sleep(SAMPLE_S)
    return sorted(found)
