"""Draws `docs/diagrams.md` from the tables that the engine runs on; a test keeps them fresh.

Run it with `make diagrams`. What cannot be read from a table is not drawn here.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from procs.supervise.child import CHILD_LIFE
from shared.bus.topology import CHANNELS
from shared.domain import order, position
from shared.messages.control import ProcessPhase

PATH = Path(__file__).with_name("diagrams.md")

HEAD = """# Diagrams

Drawn by `make diagrams` from the tables that the engine runs on: `shared/bus/topology.py`,
`shared/domain/order.py`, `shared/domain/position.py`, `procs/supervise/child.py`. Events that a
table ignores or calls ILLEGAL have no arrow; the tables name the reason for each.
"""


def page() -> str:
    """The whole page."""
    orders = (
        (status, following, fact)
        for status, row in order.TABLE.items()
        for fact, following in row.items()
        if isinstance(following, order.OrderStatus)
    )
    positions = (
        (status, following, fact)
        for status, row in position.TABLE.items()
        for fact, following in row.items()
        if isinstance(following, position.PositionStatus)
    )
    children = (
        (phase, following, event)
        for phase, row in CHILD_LIFE.items()
        for event, following in row.items()
        if isinstance(following, ProcessPhase)
    )
    return "\n".join(
        (
            HEAD,
            _section("Sockets", _topology()),
            _section("The life of an order (O1)", _states(orders)),
            _section("The life of a position (P1)", _states(positions)),
            _section("The life of a child process (L14)", _states(children)),
        )
    )


def _section(title: str, lines: Iterable[str]) -> str:
    return "\n".join((f"## {title}", "", "```mermaid", *lines, "```", ""))


def _states(arrows: Iterable[tuple[str, str, str]]) -> list[str]:
    """A state diagram; arrows between the same two states share their line."""
    joined: dict[tuple[str, str], list[str]] = {}
    for status, following, fact in arrows:
        if status != following:
            joined.setdefault((str(status), str(following)), []).append(str(fact))
    lines = ["stateDiagram-v2"]
    for (status, following), facts in joined.items():
        lines.append(f"  {status} --> {following}: {', '.join(facts)}")
    return lines


def _topology() -> list[str]:
    """A flow chart; each arrow names its channel and what is said in its direction."""
    lines = ["flowchart LR"]
    for channel in CHANNELS.values():
        down = ", ".join(kind.__name__ for kind in channel.down) or "quotes (176 bytes each)"
        up = ", ".join(kind.__name__ for kind in channel.up)
        for peer in channel.peers:
            lines.append(f'  {channel.binder} -- "{channel.name}: {down}" --> {peer}')
            if up:
                lines.append(f'  {peer} -- "{channel.name}: {up}" --> {channel.binder}')
    return lines


if __name__ == "__main__":
    PATH.write_text(page(), encoding="utf-8")
