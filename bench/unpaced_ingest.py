"""Ingest as it is, but for its share of the venue's rate budget: `--launch FILE`.

A snapshot costs 50 of the weight that ingest may spend (2,400 at once, then 20 a second): a hundred
books are in step after two minutes, five hundred after twenty. The benchmarks start from there,
against servers of their own that ration nothing.
"""

from __future__ import annotations

from typing import Final

MODULE: Final = "bench.unpaced_ingest"


def lift_budget() -> None:
    """Questions of this process no longer wait for their weight."""
    from shared.venues.feed.budget import WeightBudget

    WeightBudget._wait_s = lambda *_: 0.0  # type: ignore[method-assign]


if __name__ == "__main__":
    from procs.ingest.shell import IngestShell
    from procs.runtime.start import run_process

    lift_budget()
    raise SystemExit(run_process(IngestShell))
