"""What is wanted of each measurement and whether it was reached: the table of docs/performance.md.

Rows are those of the committed result files. A ratio is wanted to be at least so much, a size at
most, a rate at least.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

RATES_PER_SECOND = "/s"
"""What the unit of a row ends with of which more is better."""


class Goal(NamedTuple):
    """One number that is wanted, beside the one that was measured."""

    command: str
    row: str
    wanted: str
    measured: str
    reached: bool


def goals(results: dict[str, Any], peers: dict[str, Any]) -> Iterator[Goal]:
    """All of a result file of `make numbers` and one of `make peers`."""
    for row in peers["rows"]:
        yield from _ratios("make peers", row)
    for bench, rows in results.items():
        if not isinstance(rows, list):
            continue
        for row in rows:
            wanted = row.get("wanted", {})
            if isinstance(wanted, dict):
                yield from _ratios(f"seawall bench {bench}", row)
            else:
                yield _size(f"seawall bench {bench}", row, wanted)


def _ratios(command: str, row: dict[str, Any]) -> Iterator[Goal]:
    for peer, wanted in row.get("wanted", {}).items():
        times = row["ratio_to"].get(peer)
        if times is None:
            # A peer that this machine did not have proves nothing, and is no goal missed.
            continue
        name = peer.replace("_", " ")
        yield Goal(
            command,
            row["name"].replace("_", " "),
            f"{name} {wanted:g}×",
            f"{times:g}×",
            times >= wanted,
        )


def _size(command: str, row: dict[str, Any], wanted: float) -> Goal:
    unit = row["unit"]
    more_is_better = unit.endswith(RATES_PER_SECOND)
    measured = row["p50"] if more_is_better else row["p99"]
    return Goal(
        command,
        row["name"].replace("_", " "),
        f"at {'least' if more_is_better else 'most'} {wanted:,} {unit}",
        f"{measured:,} {unit}",
        measured >= wanted if more_is_better else measured <= wanted,
    )


def table(found: Iterable[Goal]) -> str:
    """The page's rows, in the order of the result files."""
    lines = ["| command | row | wanted | measured | reached |", "|---|---|---|---|---|"]
    lines += [
        f"| `{goal.command}` | {goal.row} | {goal.wanted} | {goal.measured} | "
        f"{'yes' if goal.reached else '**no**'} |"
        for goal in found
    ]
    return "\n".join(lines)
