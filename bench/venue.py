"""The local venue on one core: orders in, streams out, matching, memory, and slow clients.

The venue is the real process, held on one core; clients are processes of their own on another. The
peers in ratio_to did the same work in the same run.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from bench import venue_memory, venue_orders, venue_slow, venue_streams
from bench.micro import matching

PARTS: Sequence[tuple[str, Callable[[], list[dict[str, Any]]]]] = (
    ("orders", venue_orders.run),
    ("streams", venue_streams.run),
    ("matching core", matching.rows),
    ("slow client", venue_slow.run),
    ("memory", venue_memory.run),
)


def run(json_output: bool = False) -> list[dict[str, Any]]:
    """Measures and returns the rows {name, unit, p50, p99, p999, ratio_to, operation, …}.

    Of rates, p99 and p999 are what 99 and 99.9 % of the slices reach; `wanted` is what the venue
    promises, at least for rates and at most for memory. Prints a table unless
    json_output; progress goes to stderr. Raises SeawallError when orders are refused, DeadlineError
    when a process does not answer."""
    rows: list[dict[str, Any]] = []
    for name, part in PARTS:
        print(f"bench venue: {name}", file=sys.stderr)
        rows += part()
    if not json_output:
        print_rows(rows)
    return rows


def print_rows(rows: Iterable[dict[str, Any]]) -> None:
    """A plain table."""
    print(f"{'name':24} {'unit':10} {'p50':>10} {'p99':>10} {'p99.9':>10}  times as good as")
    for row in rows:
        ratios = ", ".join(f"{peer} {times:g}x" for peer, times in row["ratio_to"].items())
        wanted = f"  (wanted: {row['wanted']:,})" if "wanted" in row else ""
        print(
            f"{row['name']:24} {row['unit']:10} {row['p50']:10g} {row['p99']:10g} "
            f"{row['p999']:10g}  {ratios}{wanted}"
        )
        print(f"  {row['operation']}")
