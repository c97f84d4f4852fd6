"""How a table says what the peers of a row need."""

from __future__ import annotations

from typing import Any


def ratios_of(row: dict[str, Any]) -> str:
    """Each peer's time as a multiple of ours, and in brackets what is wanted of it, at least."""
    wanted = row.get("wanted", {})
    return ", ".join(
        f"{peer} {times:g}x" + (f" ({wanted[peer]:g})" if peer in wanted else "")
        for peer, times in row["ratio_to"].items()
    )
