"""`python -m bench.peers [--json]`: the table, ours first, each peer as times our time."""

from __future__ import annotations

import argparse
import json
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.peers.routes import Row
    from bench.peers.table import Goal

PEERS = ("ccxt", "nautilus_trader", "hftbacktest", "order-book", "cryptofeed", "sortedcontainers")


def as_data(rows: list[tuple[Row, tuple[Goal, ...]]], repetitions: int) -> dict[str, Any]:
    """The table as JSON says it."""
    return {
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PEERS},
        "repetitions": repetitions,
        "rows": [
            {
                "name": row.name,
                "unit": row.unit,
                "ours": round(row.ours, 4),
                "peers": {peer: round(took, 4) for peer, took in row.peers.items()},
                "ratio_to": {peer: round(row.ratio(peer), 2) for peer in row.peers},
                "wanted": {goal.peer: round(goal.times, 2) for goal in goals},
            }
            for row, goals in rows
        ],
    }


def lines(rows: list[tuple[Row, tuple[Goal, ...]]]) -> list[str]:
    """The table for people: a line per row and one per peer."""
    said = []
    for row, goals in rows:
        wanted = {goal.peer: goal.times for goal in goals}
        said.append(f"{row.name}: {row.ours:.4g} {row.unit}")
        for peer, took in sorted(row.peers.items(), key=lambda item: item[1]):
            ratio = row.ratio(peer)
            goal = f"  wanted {wanted[peer]:g}x" if peer in wanted else ""
            met = "" if not goal else "  yes" if ratio >= wanted[peer] else "  NO"
            said.append(f"    {peer:30} {took:10.4g} {row.unit}  {ratio:8.2f}x{goal}{met}")
    return said


def _is_here(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description="Seawall's hot path beside its peers")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    parser.add_argument("--save", type=Path, metavar="FILE", help="write the JSON there as well")
    arguments = parser.parse_args()
    missing = [name for name in PEERS if not _is_here(name)]
    if missing:
        parser.error(f"not installed: {', '.join(missing)}; `make peers` has their environment")
    from bench.peers.routes import REPETITIONS
    from bench.peers.table import measure

    rows = measure()
    text = json.dumps(as_data(rows, REPETITIONS), indent=1)
    if arguments.save is not None:
        arguments.save.write_text(text + "\n", encoding="utf-8")
    print(text if arguments.json else "\n".join(lines(rows)))


if __name__ == "__main__":
    main()
