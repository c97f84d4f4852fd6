"""`seawall orders`: the orders that live."""

from __future__ import annotations

import argparse
from typing import Any

from procs.cli._asking import answer_question, register_question
from procs.cli._table import Column, number, seconds

COLUMNS = (
    Column("id", "client_id"),
    Column("symbol", "symbol"),
    Column("purpose", "purpose"),
    Column("side", "side"),
    Column("kind", "kind"),
    Column("status", "status"),
    Column("quantity", "quantity", number, right=True),
    Column("filled", "filled", number, right=True),
    Column("price", "price", number, right=True),
    Column("stop", "stop_price", number, right=True),
    Column("age", "age_s", seconds, right=True),
)


def register(subparsers: Any) -> None:
    """Adds the verb."""
    register_question(subparsers, "orders", "list live orders")


def run(args: argparse.Namespace) -> int:
    """Prints orders. Raises NotRunningError."""
    return answer_question(args, "orders", COLUMNS)
