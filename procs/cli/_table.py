"""Tables for people: lines and colour on a terminal, plain aligned columns in a pipe.

Colour never carries meaning; rich respects NO_COLOR by itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from shared.units import plain

Record = Mapping[str, Any]


class Column(msgspec.Struct, frozen=True):
    """One column: its title, where its value is, and how it is shown."""

    title: str
    key: str
    shown: Callable[[Any], str] = str
    right: bool = False


def number(value: Any) -> str:
    """A decimal to twelve digits, without trailing zeros; '-' for None."""
    if value is None:
        return "-"
    from decimal import Context, Decimal

    return plain(Context(prec=12).plus(Decimal(str(value))))


def money(value: Any) -> str:
    """Quote units to the cent."""
    from decimal import Decimal

    return "-" if value is None else f"{Decimal(str(value)):.2f}"


def percent(value: Any) -> str:
    """Per cent with sign."""
    return "-" if value is None else f"{float(value):+.2f}%"


def seconds(value: Any) -> str:
    """A duration as people say it: 12.3s, 4m05s, 2h07m, 3d04h."""
    if value is None:
        return "-"
    whole = int(value)
    if whole < 60:
        return f"{float(value):.1f}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86_400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86_400}d{whole % 86_400 // 3600:02d}h"


def time_of(value: Any) -> str:
    """Engine time as UTC."""
    from shared.clock import iso

    return iso(value) if value else "-"


def show_table(title: str, columns: Sequence[Column], records: Sequence[Record]) -> None:
    """Prints the records; a line that says so when there are none."""
    rows = [[column.shown(record.get(column.key)) for column in columns] for record in records]
    if not rows:
        print(f"no {title}")
    elif sys.stdout.isatty():
        _show_rich(title, columns, rows)
    else:
        _show_plain(columns, rows)


def _show_plain(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    table = [[column.title for column in columns], *rows]
    widths = [max(len(row[place]) for row in table) for place in range(len(columns))]
    for row in table:
        cells = (
            text.rjust(width) if column.right else text.ljust(width)
            for column, text, width in zip(columns, row, widths, strict=True)
        )
        print("  ".join(cells).rstrip())


def _show_rich(title: str, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column.title, justify="right" if column.right else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    Console().print(table)
